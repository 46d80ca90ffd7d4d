/** The state that one run or trace of a step has read and replaced so far. */
import { engine, type Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlowBackend } from './backend.js';
import { dataTypeOf } from './element-types.js';
import type { ResourceVariable } from './resource-variable.js';
import type { Attributes, Value } from './values.js';

/** How a step reaches its variables: at once, or by operations of a graph. `E` stands for what has changed a variable. */
export interface VariableAccess<E> {
  /** Reads a variable, after `after` has changed it. */
  load(variable: ResourceVariable, after: E | null): Value;
  /** Runs an op that changes variables, its first inputs, after they were read and changed. */
  change(
    op: string,
    variables: readonly ResourceVariable[],
    inputs: readonly Value[],
    attributes: Attributes,
    reads: readonly Value[],
    after: readonly E[],
  ): E;
}

/** An op that changes variables in place, not run yet. */
interface Change {
  readonly op: string;
  readonly variables: readonly ResourceVariable[];
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes;
}

interface Held<E> {
  /** What was read of the variable since it was last changed. */
  reads: readonly Value[];
  /** What it holds now: a tensor that outlives scopes inside of the step. Null where nobody asked. */
  now: Tensor | null;
  /** Whether `now` is yet to be written. */
  assigned: boolean;
  /** What changed it last. */
  last: E | null;
  /** A change that waits for the end of the step, or for a read. */
  waiting: Change | null;
}

export class StepState<E = unknown> {
  readonly #held = new Map<ResourceVariable, Held<E>>();
  readonly #retired: Tensor[] = [];
  #finishing = false;
  #changedEarly = false;

  constructor(
    private readonly backend: TensorFlowBackend,
    private readonly access: VariableAccess<E>,
    /** Whether variables may be changed at the end of the step only: then nothing may use `change`. */
    readonly atEndOnly = false,
  ) {}

  /** Whether a variable was changed before the end, because its new value was read or changed again. */
  get changedEarly(): boolean {
    return this.#changedEarly;
  }

  #of(variable: ResourceVariable): Held<E> {
    const held = this.#held.get(variable) ?? {
      reads: [],
      now: null,
      assigned: false,
      last: null,
      waiting: null,
    };
    this.#held.set(variable, held);
    return held;
  }

  read(variable: ResourceVariable): Tensor {
    const held = this.#of(variable);
    if (held.waiting !== null) this.#run(held.waiting);
    if (held.now === null) {
      const value = this.access.load(variable, held.last);
      held.reads = [...held.reads, value];
      held.now = engine().keep(this.backend.tensor(value, `variable ${variable.path}`));
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
    if (held.waiting !== null) this.#run(held.waiting);
    if (value === held.now) return;
    // A handle of its own: scopes inside of the step free the one that was given. What was read stays readable until the end.
    const kept = engine().keep(value.clone());
    this.#retire(held);
    held.now = kept;
    held.assigned = true;
  }

  /** Changes variables by an op that takes them first. It runs when one of them is read, or at the end of the step. */
  change(
    op: string,
    variables: readonly ResourceVariable[],
    inputs: readonly Tensor[],
    attributes: Attributes = {},
  ): void {
    const change: Change = {
      op,
      variables,
      inputs: inputs.map((input) => engine().keep(input.clone())),
      attributes,
    };
    for (const variable of variables) {
      const held = this.#of(variable);
      if (held.waiting !== null) this.#run(held.waiting);
      this.#write(variable, held);
      this.#retire(held);
      held.waiting = change;
    }
  }

  /** What variables will be made of at the end of the step. */
  unwritten(): readonly Value[] {
    const tensors = [...this.#held.values()].flatMap(({ now, assigned, waiting }) => [
      ...(assigned && now !== null ? [now] : []),
      ...(waiting?.inputs ?? []),
    ]);
    return tensors.map((tensor) => this.backend.valueFor(tensor));
  }

  /** Makes the variables hold what the step has given them. */
  finish(): void {
    this.#finishing = true;
    for (const [variable, held] of this.#held) {
      if (held.waiting !== null) this.#run(held.waiting);
      this.#write(variable, held);
    }
  }

  #retire(held: Held<E>): void {
    if (held.now !== null) this.#retired.push(held.now);
    held.now = null;
  }

  #write(variable: ResourceVariable, held: Held<E>): void {
    if (!held.assigned || held.now === null) return;
    held.assigned = false;
    this.#change('AssignVariableOp', [variable], [held.now], { dtype: variable.type });
  }

  #run({ op, variables, inputs, attributes }: Change): void {
    for (const variable of variables) this.#of(variable).waiting = null;
    this.#change(op, variables, inputs, attributes);
    this.#retired.push(...inputs);
  }

  #change(
    op: string,
    variables: readonly ResourceVariable[],
    inputs: readonly Tensor[],
    attributes: Attributes,
  ): void {
    if (!this.#finishing) this.#changedEarly = true;
    const held = variables.map((variable) => this.#of(variable));
    const done = this.access.change(
      op,
      variables,
      inputs.map((input) => this.backend.valueFor(input)),
      attributes,
      held.flatMap(({ reads }) => reads),
      held.flatMap(({ last }) => (last === null ? [] : [last])),
    );
    for (const one of held) {
      one.reads = [];
      one.last = done;
    }
  }

  dispose(): void {
    for (const { now, waiting } of this.#held.values()) {
      now?.dispose();
      for (const tensor of waiting?.inputs ?? []) if (!tensor.isDisposed) tensor.dispose();
    }
    for (const tensor of this.#retired) tensor.dispose();
    this.#held.clear();
  }
}
