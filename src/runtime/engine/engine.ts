/**
 * What a trainer needs of a tensor engine. A trainer never knows which one it runs on: everything that differs between
 * engines is behind this interface, and everything in a step goes through tensors, so that an engine may trace the
 * step once and replay it as one graph.
 */
import type { KernelLog } from './inspect.js';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';

/** Element types of the language. `u8` travels as bytes and may be widened on the device. */
export type DType = 'f32' | 'i32' | 'u8' | 'bool';

export type Values = Float32Array | Int32Array | Uint8Array;

/** Values on the host, row-major. `bool` is held as 0 or 1 in a `Uint8Array`. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: Values;
}

/** A value that outlives a step: a weight, an optimizer's slot, a running statistic, a counter, a metric's total. */
export interface StateVariable {
  /** Unique in its trainer, and its key in checkpoints. */
  readonly path: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The current value. Only inside a step; later `assign`s don't change a tensor that was read before. */
  read(): Tensor;
  /** Replaces the value. Only inside a step. Shape and dtype must be the variable's own. */
  assign(value: Tensor): void;
  /**
   * A copy of the values. Only between steps. It may be made in `room`, memory that nobody reads any more, where that has their size: the
   * system takes longer to give new memory than to fill it.
   */
  download(room?: ArrayBuffer): Promise<HostTensor>;
  /** Replaces the values. Only between steps. */
  upload(values: HostTensor): void;
  dispose(): void;
}

/** What keys the random numbers of one run of a step; it reaches the device as data, never as part of a trace. */
export interface StepClock {
  readonly seed: number;
  readonly step: number;
  readonly micro: number;
  /** Global index of the batch's first row, so that devices draw for their own rows. */
  readonly rowOffset: number;
}

/** One run of a step. */
export interface StepRun {
  readonly inputs: readonly HostTensor[];
  readonly clock: StepClock;
}

/** Told when a step is traced, or called for the first time, which compiles it; what it returns is called at the end of that. */
export type Watch = (what: string) => () => void;

export interface CompiledStep {
  /**
   * Gets ready for inputs of these types and shapes without running: rejects what could not be run. Where nothing is traced it does
   * nothing.
   */
  prepare(inputs: readonly HostTensor[]): void;
  /** How the engine came to run it, for people and for `run.json`; null before that is known, or where there is no choice. */
  readonly decision: string | null;
  /** How many runs `runAll` takes in one call now; 1 where each run is a call of its own. */
  readonly atOnce: number;
  /** Whether one of several runs in a call may refuse an index that it computes, when those before it are done. */
  readonly refusesIndices: boolean;
  /** Runs a step without outputs several times, as if one by one. Inputs of all runs have the same types and shapes. */
  runAll(runs: readonly StepRun[]): Promise<void>;
  /** Runs the step once. Rejects where the body read a value on the host or an op failed. */
  run(inputs: readonly HostTensor[], clock: StepClock): Promise<readonly HostTensor[]>;
  /** Runs the step once op by op with a look at each, and takes back all that it changed. */
  inspect(inputs: readonly HostTensor[], clock: StepClock, log: KernelLog): Promise<void>;
  dispose(): void;
}

export interface DrawOptions {
  readonly shape: readonly number[];
  /** Stable name of the place of the draw: region, call path and name; never a counter. */
  readonly label: string;
  /** With a seed of its own a draw is the same at every step. */
  readonly seed?: number | undefined;
}

/**
 * A change of a weight (and of an optimizer's slots) that an engine makes in place. All factors are tensors without axes.
 *
 * - `subtract`: weight -= amount
 * - `descent`: weight -= rate · gradient
 * - `momentum`: velocity = momentum · velocity + gradient; weight -= rate · velocity, or with `nesterov`
 *   weight -= rate · (gradient + momentum · velocity)
 * - `adam`: mean += (gradient - mean)(1 - beta1); square += (gradient² - square)(1 - beta2);
 *   weight -= rate · mean / (√square + epsilon)
 * - `adagrad`: square += gradient²; weight -= rate · gradient / (√square + epsilon)
 */
export type InPlaceUpdate =
  | { readonly kind: 'subtract'; readonly weight: StateVariable; readonly amount: Tensor }
  | {
      readonly kind: 'descent';
      readonly weight: StateVariable;
      readonly rate: Tensor;
      readonly gradient: Tensor;
    }
  | {
      readonly kind: 'momentum';
      readonly weight: StateVariable;
      readonly velocity: StateVariable;
      readonly rate: Tensor;
      readonly momentum: Tensor;
      readonly nesterov: boolean;
      readonly gradient: Tensor;
    }
  | {
      readonly kind: 'adam';
      readonly weight: StateVariable;
      readonly mean: StateVariable;
      readonly square: StateVariable;
      readonly rate: Tensor;
      readonly beta1: Tensor;
      readonly beta2: Tensor;
      readonly epsilon: Tensor;
      readonly gradient: Tensor;
    }
  | {
      readonly kind: 'adagrad';
      readonly weight: StateVariable;
      readonly square: StateVariable;
      readonly rate: Tensor;
      readonly epsilon: Tensor;
      readonly gradient: Tensor;
    };

export interface Engine {
  readonly name: 'embedded' | 'symbolic' | 'tensorflow';
  /** For `run.json`: the library and its version, e.g. `tfjs-backend-wasm 4.22.0 (simd)`. */
  readonly version: string;
  /** What the user should know about how it computes, one sentence each. */
  readonly notes: readonly string[];
  /** Whether gradients may fall below what its numbers hold: losses are then scaled up (f16). */
  readonly needsLossScaling: boolean;
  /** Numbers that products and convolutions take: what a `precision` has come to on this device. */
  readonly computesIn: 'f32' | 'bf16' | 'f16';
  /** What else a NaN may mean in the steps that ran so far; null or nothing where it is a number only. */
  readonly meaningOfNaN?: string | null;
  /** Whether steps are traced before they run, so that one can be traced that is not run yet. */
  readonly traces: boolean;
  /** Whether steps may use kernels for whole sequences: `NativeLstm`. */
  readonly fusesSequences?: boolean;
  /** Whether downloads are made in the memory that they are handed. */
  readonly reusesMemory?: boolean;
  /** How steps are run from now on, by what they compute: a run that goes on from here keeps it. Nothing where there is no choice. */
  readonly ways?: Readonly<Record<string, string>>;
  /** Runs steps in the ways of an earlier run. Throws where one of them is no way. */
  pin?(ways: Readonly<Record<string, string>>): void;
  variable(path: string, initial: HostTensor): StateVariable;
  /**
   * Makes a step of a synchronous body. The body sees tensors only; host reads, conditions on tensors and promises in
   * it throw an error that names the step. Its outputs are fetched when it has run; everything else it made is freed.
   * `expected` is how many runs there will be, as far as is known: what takes time to compile may not be worth it. `watch` is
   * told of that. Where `oneByOne`, what follows a run is not known before it is done: several in a call are not tried.
   */
  compile(
    name: string,
    body: (inputs: readonly Tensor[]) => readonly Tensor[],
    expected?: number,
    watch?: Watch,
    oneByOne?: boolean,
  ): CompiledStep;
  /**
   * Runs `body` and differentiates each objective by each variable. `gradients[i][j]` is the gradient of objective i
   * by variable j, or null where the objective does not depend on it. Only inside a step.
   */
  differentiate<T>(
    body: () => { readonly objectives: readonly Scalar[]; readonly result: T },
    by: readonly StateVariable[],
  ): { readonly gradients: readonly (readonly (Tensor | null)[])[]; readonly result: T };
  /**
   * Changes variables without making new values for them, where the engine has ops that do. Later reads see the change;
   * what was read before stays as it was. Only inside a step.
   */
  updateInPlace?(update: InPlaceUpdate): void;
  /** Uniform draws from [0, 1), equal bit for bit on every engine. Only inside a step. */
  uniform(options: DrawOptions): Tensor;
  /** Standard normal draws, equal to float tolerance on every engine. Only inside a step. */
  normal(options: DrawOptions): Tensor;
  /** Tensors and bytes alive on the device. */
  memory(): { readonly tensors: number; readonly bytes: number };
  dispose(): void;
}
