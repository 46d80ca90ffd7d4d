/**
 * Add-ons: objects with named hooks that the loop calls in a fixed order, by phase and then in the order of the spec. An
 * add-on declares what it owns, so that two never do the same thing.
 */
import type { HostTensor } from '../engine/engine.js';
import type { Tensor } from '../tensor.js';
import type { OptionValue } from '../../values/overrides.js';
import type { Pace } from '../../values/durations.js';

export type Phase = 'core' | 'independent' | 'trigger' | 'dependent';

/** Phases in the order in which their hooks are called. */
export const phases: readonly Phase[] = ['core', 'independent', 'trigger', 'dependent'];

/** Where a run is: whole windows and epochs done, seconds since its start. */
export interface Moment {
  readonly step: number;
  readonly epoch: number;
  readonly seconds: number;
}

/**
 * What a hook may ask of the loop. Nothing: go on. Before `min_epochs` and `min_steps` are met the run does not end: an add-on that
 * still wants it then says so again.
 */
export type Answer = 'end-epoch' | 'end-run' | Ending | undefined;

/** Ends the run, and says why: a sentence for the summary, without a full stop. */
export interface Ending {
  readonly end: 'run';
  readonly because: string;
}

type Hooked<T> = T | Promise<T>;

/** Metrics by full name, e.g. `validate.accuracy`. */
export type Measured = ReadonlyMap<string, number>;

/** A value that can be written as JSON, for `state.json`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The hooks, all optional. One that throws ends the run with its add-on's name in the error. */
export interface Hooks {
  fitStart?(at: Moment): Hooked<void>;
  /** After each window, its log line and the validations that were due. */
  stepEnd?(at: Moment): Hooked<Answer>;
  /**
   * The first step after `step` at whose end `stepEnd` may do something, as far as nothing is measured before. Without this
   * it is called after every step, and steps are run one by one.
   */
  nextStepEnd?(step: number): number;
  /** After metrics came out of validations, or of the epoch's training. */
  measured?(at: Moment, metrics: Measured): Hooked<Answer>;
  epochEnd?(at: Moment): Hooked<Answer>;
  /** Once, also after a stop; not after an error. */
  fitEnd?(at: Moment, metrics: Measured): Hooked<void>;
  /** Once, after an error: instead of `fitEnd`. `at` is what was done before the step that failed. */
  fitFailed?(at: Moment, error: unknown): Hooked<void>;
  /** Rows that a predict step returned, by name. */
  predicted?(rows: ReadonlyMap<string, HostTensor>): Hooked<void>;
  predictEnd?(): Hooked<void>;
  /** Instead of `predictEnd`, after an error or a signal: takes back what is half done. */
  predictFailed?(): Hooked<void>;
  /** What a checkpoint keeps of this add-on. */
  state?(): Json;
}

/** What an add-on sees of its run. */
export interface AddOnHost {
  readonly pace: Pace;
  /** The run's folder, or null where nothing is written. */
  readonly folder: string | null;
  /** Relative paths of files that are written start here: the current folder, wherever the data is. */
  readonly root: string;
  /** Writes a line to the console. */
  report(line: string): void;
  /** Runs `body` once as a step in evaluation mode and fetches what it returns. Give the same function each time: it is compiled once. */
  evaluate(name: string, body: () => readonly Tensor[]): Promise<readonly HostTensor[]>;
  /** Saves a checkpoint, or returns null where nothing is written. */
  save(at: Moment): Promise<SavedCheckpoint | null>;
  /**
   * Saves the state as a failed run left it, whatever its values are, apart from the run's checkpoints. Returns its folder, or
   * null where nothing is written.
   */
  saveFailed(at: Moment, error: unknown): Promise<string | null>;
  /** Points `checkpoints/last` or `checkpoints/best` at a checkpoint. */
  point(name: 'last' | 'best', checkpoint: SavedCheckpoint): Promise<void>;
  /** Deletes a checkpoint of this run. */
  forget(checkpoint: SavedCheckpoint): Promise<void>;
  /** Sees to it that what was measured at this step is shown: a value in it is the best so far. */
  notable(step: number): void;
  /** Remembers a best value for the final summary. */
  best(metric: string, value: number, at: Moment): void;
}

export interface SavedCheckpoint {
  readonly folder: string;
  readonly step: number;
}

/** An add-on with its options, not started yet. */
export interface AddOn {
  /** The prelude's name, e.g. `early_stopping`, for messages and the command line. */
  readonly kind: string;
  readonly phase: Phase;
  /** Effects that no other add-on may own. */
  readonly owns: readonly string[];
  /** The same add-on with some options replaced, already checked against the prelude. */
  withOptions(values: Readonly<Record<string, OptionValue>>): AddOn;
  start(host: AddOnHost): Hooks;
}

/** A metric to make small or large. */
export interface Monitor {
  readonly mode: 'min' | 'max';
  /** With its step's name: `validate.accuracy`. */
  readonly metric: string;
}

export const min = (metric: string): Monitor => ({ mode: 'min', metric });
export const max = (metric: string): Monitor => ({ mode: 'max', metric });

/** Whether `value` is better than `best` by more than `delta`. NaN is never better; anything else is better than null. */
export function improves({ mode }: Monitor, value: number, best: number | null, delta = 0): boolean {
  if (Number.isNaN(value)) return false;
  if (best === null) return true;
  return mode === 'min' ? value < best - delta : value > best + delta;
}

/** Options with some replaced. Their types were checked against the prelude's table when they were read. */
export function replaced<O extends object>(options: O, values: Readonly<Record<string, OptionValue>>): O {
  const all: object = { ...options, ...values };
  return sameOptions(all, options) ? all : options;
}

function sameOptions<O extends object>(all: object, options: O): all is O {
  return Object.keys(options).every((key) => key in all);
}

/** Sorted by phase, then as given. Throws where two own the same effect. */
export function ordered(addOns: readonly AddOn[]): readonly AddOn[] {
  const owners = new Map<string, string>();
  for (const { kind, owns } of addOns) {
    for (const effect of owns) {
      const other = owners.get(effect);
      if (other !== undefined) {
        throw new Error(`add-ons ${other} and ${kind} both own ${JSON.stringify(effect)}; keep one of them`);
      }
      owners.set(effect, kind);
    }
  }
  return phases.flatMap((phase) => addOns.filter((addOn) => addOn.phase === phase));
}
