/** Figures of the data that are found once before training, or taken from a checkpoint; steps and maps read them. */
import type { Engine, HostTensor, StateVariable } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';

/** Before the names of figures, as keys of checkpoints. */
const prefix = 'measured/';

/** Whether a tensor of a checkpoint is such a figure, and no weight. */
export const isFigure = (name: string): boolean => name.startsWith(prefix);

export class MeasuredFigures {
  readonly #figures = new Map<string, StateVariable>();

  constructor(private readonly engine: Engine) {}

  get variables(): readonly StateVariable[] {
    return [...this.#figures.values()];
  }

  /** A figure by `step.name`. Throws where it was not measured. */
  get(name: string): StateVariable {
    const found = this.#figures.get(name);
    if (found !== undefined) return found;
    throw new RunError(
      `${name} was not measured: it comes from a measure step before training, or from a checkpoint that has it`,
    );
  }

  /** Keeps a figure for the steps to read, and for checkpoints. */
  keep(name: string, value: HostTensor): void {
    this.#figures.set(name, this.engine.variable(`${prefix}${name}`, value));
  }

  /** Takes up the figures that a checkpoint has; they are not measured again. */
  take(tensors: ReadonlyMap<string, HostTensor>): void {
    for (const [path, value] of tensors) if (isFigure(path)) this.keep(path.slice(prefix.length), value);
  }
}
