/**
 * Weights and states of modules: declared when a module is constructed, given values when a trainer attaches it. A
 * module holds these references, never tensors.
 */
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { assignLater, currentStep, latest } from '../trainer/step-context.js';
import { stopGradient } from '../ops/shapes.js';
import { ranked, type Tensor } from '../tensor.js';
import { RunError } from '../run/run-error.js';

/** Makes the initial values on the host, a function of the run's seed and the weight's path alone. */
export type Initializer = (seed: number, path: string) => Float32Array;

/** A weight or state of a module, of the rank that T states. */
export class Weight<T extends Tensor = Tensor> {
  #variable: StateVariable | null = null;

  constructor(
    readonly shape: readonly number[],
    /** Whether optimizers change it; running statistics are kept, not trained. */
    readonly trainable: boolean,
    private readonly initializer: Initializer,
  ) {}

  /** The value. Only inside a step. */
  read(): T {
    return ranked<T>(latest(this.variable));
  }

  /**
   * Replaces a state (a running mean) when the update ends; `read` gives the new value from here on. Only in a step that trains, as
   * `isTraining` says. Throws for a weight, which is an optimizer's to change, and for another shape.
   */
  assign(value: T): void {
    const { path, shape } = this.variable;
    if (this.trainable) throw new Error(`${path} is trained; only a state can be assigned`);
    if (!isTraining()) throw new Error(`${path} was assigned outside of training; ask nn.isTraining() first`);
    if (value.shape.join() !== shape.join())
      throw new Error(`${path} is [${shape.join(', ')}] and was assigned [${value.shape.join(', ')}]`);
    assignLater(this.variable, stopGradient(value));
  }

  /** The state behind it. Throws before the trainer has attached the model. */
  get variable(): StateVariable {
    if (this.#variable === null) {
      throw new Error(
        'a weight was used before its model was attached; return the model from configureModels',
      );
    }
    return this.#variable;
  }

  /** Called once, by the trainer. */
  bind(variable: StateVariable): void {
    if (this.#variable !== null) {
      throw new Error(
        `a weight cannot be both ${this.#variable.path} and ${variable.path}; give each model modules of its own`,
      );
    }
    this.#variable = variable;
  }

  /** Initial values at a path. Throws a RunError where this process cannot hold them. */
  initial(seed: number, path: string): HostTensor {
    const { shape } = this;
    try {
      return { dtype: 'f32', shape, values: this.initializer(seed, path) };
    } catch (error) {
      // What the language throws for an array that is too long, or that there is no memory for.
      if (!(error instanceof RangeError)) throw error;
      const bytes = 4 * shape.reduce((product, size) => product * size, 1);
      throw new RunError(
        `${path} is f32[${shape.join(', ')}] and asks for ${Math.ceil(bytes / 2 ** 20)} MiB, which cannot be had; use a smaller model`,
        { cause: error },
      );
    }
  }
}

/** Whether the step at hand trains the part of the model at hand: false in evaluation, and where it is frozen. Only in a step. */
export function isTraining(): boolean {
  return currentStep().mode === 'train';
}
