/** The state that one run or trace of a step has read and replaced so far. */
import { engine, type Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlowBackend } from './backend.js';
import { dataTypeOf } from './element-types.js';
import type { ResourceVariable } from './resource-variable.js';
import type { Value } from './values.js';

interface Held {
  /** What the variable held when the step began, or null where the step never asked. */
  before: Value | null;
  /** What it holds now: a tensor that outlives scopes inside of the step. */
  now: Tensor | null;
  assigned: boolean;
}

export class StepState {
  readonly #held = new Map<ResourceVariable, Held>();

  constructor(
    private readonly backend: TensorFlowBackend,
    /** Reads a variable as it was before the step. */
    private readonly load: (variable: ResourceVariable) => Value,
  ) {}

  #of(variable: ResourceVariable): Held {
    const held = this.#held.get(variable) ?? { before: null, now: null, assigned: false };
    this.#held.set(variable, held);
    return held;
  }

  read(variable: ResourceVariable): Tensor {
    const held = this.#of(variable);
    if (held.now === null) {
      held.before = this.load(variable);
      held.now = engine().keep(this.backend.tensor(held.before, `variable ${variable.path}`));
    }
    return held.now;
  }

  assign(variable: ResourceVariable, value: Tensor): void {
    const wanted = dataTypeOf(variable.type);
    if (value.dtype !== wanted || value.shape.join() !== variable.shape.join()) {
      throw new Error(
        `variable \`${variable.path}\` holds a ${wanted} of shape [${variable.shape.join(', ')}], but a ${value.dtype} of shape [${value.shape.join(', ')}] arrived`,
      );
    }
    const held = this.#of(variable);
    if (value === held.now) return;
    // A handle of its own: scopes inside of the step free the one that was given. What was read stays readable until the end.
    const kept = engine().keep(value.clone());
    if (held.now !== null) this.#retired.push(held.now);
    held.now = kept;
    held.assigned = true;
  }

  readonly #retired: Tensor[] = [];

  /** Variables that the step asked about, in the order in which it did. */
  get variables(): readonly ResourceVariable[] {
    return [...this.#held.keys()];
  }

  /** Variables that the step replaced, with what it read of them before and what they become. */
  replaced(): readonly {
    readonly variable: ResourceVariable;
    readonly before: Value | null;
    readonly value: Value;
  }[] {
    return [...this.#held].flatMap(([variable, { before, now, assigned }]) =>
      assigned && now !== null ? [{ variable, before, value: this.backend.valueFor(now) }] : [],
    );
  }

  dispose(): void {
    for (const { now } of this.#held.values()) now?.dispose();
    for (const tensor of this.#retired) tensor.dispose();
    this.#held.clear();
  }
}
