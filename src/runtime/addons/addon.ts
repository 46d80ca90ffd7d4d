/**
 * Add-ons: objects with named hooks that the loop calls in a fixed order, by phase and then in the order of the spec. An
 * add-on declares what it owns, so that two never do the same thing.
 */
import type { OutputTexts } from '../data/texts.js';
import type { HostTensor } from '../engine/engine.js';
import type { Computed, FirstRows } from './over.js';
import type { Table } from '../rows/reduction.js';
import type { Tensor } from '../tensor.js';
import type { PretrainedOptions } from './pretrained.js';
import type { Secret } from './secret.js';
import type { OptionValue } from '../../values/overrides.js';
import type { Pace } from '../../values/durations.js';
import { monitorName } from '../../values/monitor-name.js';
import { phases, type Phase } from '../../values/phases.js';

export type { Phase } from '../../values/phases.js';

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
export type Answer = QuietAnswer | 'end-run' | Ending;

/** What hooks of any add-on may answer. To end the run is for the one that owns `stop`. */
export type QuietAnswer = 'end-epoch' | undefined;

/** What hooks of an add-on that owns these effects may answer. */
export type AnswerOf<Effect extends string> = QuietAnswer | AnswersOf[Effect & keyof AnswersOf];

interface AnswersOf {
  readonly stop: 'end-run' | Ending;
}

/** The effect of ending the run: the one add-on that owns it decides that. */
export const stop = 'stop' satisfies keyof AnswersOf;

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

/** A line of `metrics.jsonl`. */
export interface MetricsLine {
  /** The step's name, or that of the add-on which wrote it. */
  readonly stage: string;
  /** Training metrics cover a logging window or a whole epoch, a validation one pass, lines of an add-on a moment. */
  readonly over: 'window' | 'epoch' | 'pass' | 'step';
  readonly at: Moment;
  readonly metrics: ReadonlyMap<string, number>;
  /** Metrics that are no one number. */
  readonly tables: ReadonlyMap<string, Table>;
  /** What the rows and columns of those are called, by the metric, where they are classes with names. */
  readonly classes?: ReadonlyMap<string, readonly string[]>;
  /** Learning rates by name; only of training. */
  readonly rates: ReadonlyMap<string, number>;
  /** Of the training steps that the line is over; null for other lines, and where none ran or no time went by. */
  readonly throughput: Throughput | null;
}

/** How fast training went. */
export interface Throughput {
  readonly stepsPerSecond: number;
  readonly rowsPerSecond: number;
}

/**
 * The hooks, all optional. Each is called for every add-on that has it, by phase and then in the order of the spec, and awaited
 * before the next. One that throws ends the run with its add-on's name in the error, once the state has been saved.
 * `A` is what they answer: `Answer` for an add-on that owns `stop`.
 */
export interface Hooks<A extends Answer = QuietAnswer> {
  /** Before the first step. */
  fitStart?(at: Moment): Hooked<void>;
  /** Before the first window of each epoch. */
  epochStart?(at: Moment): Hooked<void>;
  /** Before a window; `at.step` windows are done. */
  stepStart?(at: Moment): Hooked<void>;
  /** The first step after `step` before which `stepStart` may do something. Without this, steps are run one by one. */
  nextStepStart?(step: number): number;
  /** After a window in which an optimizer changed its weights, for each that did, in the order of the step. */
  updateEnd?(at: Moment, optimizer: string): Hooked<void>;
  /** The first step after `step` at whose end `updateEnd` may do something. Without this, steps are run one by one. */
  nextUpdateEnd?(step: number): number;
  /** After each window, its log line and the validations that were due. */
  stepEnd?(at: Moment): Hooked<A>;
  /**
   * The first step after `step` at whose end `stepEnd` may do something, as far as nothing is measured before. Without this
   * it is called after every step, and steps are run one by one.
   */
  nextStepEnd?(step: number): number;
  /** Before validations that are due together, with their steps' names. */
  validationStart?(at: Moment, steps: readonly string[]): Hooked<void>;
  /** After each batch of a validation. */
  validationBatch?(at: Moment, pass: ValidationPass): Hooked<void>;
  /** After validations, with all that they measured. Not where a signal cut them off before the first was done. */
  validationEnd?(at: Moment, metrics: Measured): Hooked<void>;
  /** After metrics came out of validations, or of the epoch's training; of each `log_every` where live data has no epochs. */
  measured?(at: Moment, metrics: Measured): Hooked<A>;
  /** After each line of `metrics.jsonl`, those of other add-ons too. It cannot wait for anything. */
  logged?(line: MetricsLine): void;
  epochEnd?(at: Moment): Hooked<A>;
  /** After all of a window: whatever is saved here goes on with the next one. */
  settled?(at: Moment): Hooked<void>;
  /** The first step after `step` at whose end `settled` may do something. Without this, steps are run one by one. */
  nextSettled?(step: number): number;
  /** After a checkpoint is on disk. */
  checkpointSaved?(at: Moment, checkpoint: SavedCheckpoint): Hooked<void>;
  /** Once, when a signal ends the run, before `fitEnd`. */
  interrupted?(at: Moment, signal: string): Hooked<void>;
  /** Once, after an error, instead of `fitEnd`. What it throws itself is only reported. */
  failed?(at: Moment, error: unknown): Hooked<void>;
  /** Once, also after a stop or a signal; not after an error. */
  fitEnd?(at: Moment, metrics: Measured): Hooked<void>;
  /** Before the first batch of `test` (or `validate`); `at` is the checkpoint's. */
  testStart?(at: Moment): Hooked<void>;
  testEnd?(at: Moment, metrics: Measured): Hooked<void>;
  /** Rows that a validate or test step returned for a batch, by name, in the order of the pass. */
  evaluated?(step: string, rows: ReadonlyMap<string, HostTensor | OutputTexts>): Hooked<void>;
  /** After the last batch of a validate or test step that has returned rows: they are whole. */
  evaluateEnd?(step: string): Hooked<void>;
  /** Instead of `evaluateEnd`, after an error or a signal: takes back what is half done. */
  evaluateFailed?(): Hooked<void>;
  /** Before the first batch of `predict`; `at` is the checkpoint's. */
  predictStart?(at: Moment): Hooked<void>;
  /** Rows that a predict step returned, by name, and the step's name. */
  predicted?(rows: ReadonlyMap<string, HostTensor | OutputTexts>, step: string): Hooked<void>;
  predictEnd?(): Hooked<void>;
  /** Instead of `predictEnd`, after an error or a signal: takes back what is half done. */
  predictFailed?(): Hooked<void>;
  /** Last of all, also after an error: lets go of what is open. */
  close?(): Hooked<void>;
  /** What a checkpoint keeps of this add-on. It is asked before each line of training metrics too, so it does no work. */
  state?(): Json;
  /**
   * Before a checkpoint is written with what `state` gave: waits until the files that this counts on are on the disk. The run may have gone
   * on since. One that throws is the failure of that checkpoint.
   */
  flush?(): Hooked<void>;
  /** Takes back what `state` gave, before `fitStart`. Throws where it is not what `state` gives. */
  restore?(state: Json): void;
}

/** How far a validation is. */
export interface ValidationPass {
  readonly step: string;
  /** Batches done, and how many there are. */
  readonly done: number;
  readonly of: number;
}

/** What an add-on sees of its run. */
export interface AddOnHost {
  readonly pace: Pace;
  /** The run's folder, or null where nothing is written. */
  readonly folder: string | null;
  /** Relative paths of files that are written start here: the current folder, wherever the data is. */
  readonly root: string;
  /**
   * Where rows of validate and test steps are written: the run's folder while it trains, the current folder in a test; null where
   * nothing is written.
   */
  readonly outputs: string | null;
  /** Writes a line to the console. */
  report(line: string): void;
  /** Learning rates by name at a step, as lines of training metrics have them. */
  rates(step: number): ReadonlyMap<string, number>;
  /** Writes a line of `metrics.jsonl` under the add-on's own name, where the run has a folder. */
  log(at: Moment, stage: string, metrics: ReadonlyMap<string, number>): void;
  /** What the process and the device hold now: `process_bytes`, `heap_bytes`, `device_bytes`, `device_tensors`. */
  memory(): ReadonlyMap<string, number>;
  /** Runs `body` once as a step in evaluation mode and fetches what it returns. Give the same function each time: it is compiled once. */
  evaluate(name: string, body: Computed<readonly Tensor[]>): Promise<readonly HostTensor[]>;
  /** Saves a checkpoint, or returns null where nothing is written. */
  save(at: Moment): Promise<SavedCheckpoint | null>;
  /**
   * Copies the state, and writes it while the run goes on: `written` is the checkpoint once it is on the disk. Waits for the write
   * before it, if that still goes on. Null where nothing is written.
   */
  beginSave(at: Moment): Promise<BegunSave | null>;
  /**
   * Saves the state as a failed run left it, whatever its values are, apart from the run's checkpoints. Returns its folder, or
   * null where nothing is written.
   */
  saveFailed(at: Moment, error: unknown): Promise<string | null>;
  /** The checkpoint that the run goes on from; null for a new run. */
  readonly goesOnFrom: SavedCheckpoint | null;
  /** Whether the run goes on although an add-on had ended it, since something was allowed that has changed; false unless given. */
  readonly isPastEnd?: boolean;
  /** The run's checkpoint of that step, or null where there is none. */
  savedAt(step: number): SavedCheckpoint | null;
  /** Points `checkpoints/last` or `checkpoints/best` at a checkpoint. */
  point(name: 'last' | 'best', checkpoint: SavedCheckpoint): Promise<void>;
  /** Takes back `checkpoints/best`: nothing is the best any more. */
  unpointBest(): Promise<void>;
  /** Deletes a checkpoint of this run. */
  forget(checkpoint: SavedCheckpoint): Promise<void>;
  /** Sees to it that what was measured at this step is shown: a value in it is the best so far. */
  notable(step: number): void;
  /** Remembers a best value for the final summary. */
  best(metric: string, value: number, at: Moment): void;
}

/** A checkpoint that is being written. Whoever began it has to look whether it came to its end. */
export interface BegunSave {
  readonly written: Promise<SavedCheckpoint>;
}

export interface SavedCheckpoint {
  readonly folder: string;
  readonly step: number;
}

/** An add-on with its options, not started yet. */
export interface AddOn {
  /** The prelude's name, e.g. `early_stopping`, for messages and the command line. */
  readonly kind: string;
  /** The name that the spec gives it by `as`: messages and the command line know it by this. */
  readonly label?: string | undefined;
  readonly phase: Phase;
  /** Effects that no other add-on may own. */
  readonly owns: readonly string[];
  /** Where a run goes on that is not told otherwise: `auto`, or the path of a run or a checkpoint. */
  readonly resume?: string | null;
  /** Of what saves the run: whether a checkpoint is a folder or one file; a folder unless given. */
  readonly format?: 'folder' | 'ckpt';
  /** Of what saves the run: whether a checkpoint holds the weights and nothing that training goes on from. */
  readonly weightsOnly?: boolean;
  /** Which weights get their first values from a file. */
  readonly loads?: PretrainedOptions;
  /**
   * Metrics that it waits for: a run in which none of its steps measures one is refused. Of those that it says how to compare, the
   * summary tells the best value.
   */
  readonly watches?: readonly Metric[];
  /** Secrets that must be there before a run starts. */
  readonly secrets?: readonly Secret[];
  /** Rows of data sets that it computes with while the run trains: they are opened with the run's data. */
  readonly reads?: readonly FirstRows[];
  /**
   * Of what ends runs: by what it would not have ended one, as `option=value` on the command line. `state` is what it kept; null where that
   * ended nothing.
   */
  readonly liftedBy?: (state: Json) => string | null;
  /** Options that a command line may set, by their keys, with defaults filled in. */
  readonly options?: Readonly<Record<string, OptionValue>>;
  /** The same add-on with some options replaced, already checked against the prelude. */
  withOptions(values: Readonly<Record<string, OptionValue>>): AddOn;
  readonly start: Start<string>;
}

/** The name of an add-on for messages and the command line. */
export const nameOfAddOn = ({ kind, label = kind }: Pick<AddOn, 'kind' | 'label'>): string => label;

/** The same add-on under a name of its own, as `addon checkpoint as often` has it. */
export function named(label: string, addOn: AddOn): AddOn {
  return { ...addOn, label, withOptions: (values) => named(label, addOn.withOptions(values)) };
}

/**
 * Makes the hooks of one run, of one test or of one prediction. `name`: what messages call the add-on. `Effect`: what the add-on owns; only
 * with `stop` may its hooks end the run.
 */
export type Start<out Effect extends string = never> = (
  host: AddOnHost,
  name?: string,
) => Hooks<AnswerOf<Effect>>;

/** A metric to make small or large. */
export interface Monitor {
  readonly mode: 'min' | 'max';
  /** With its step's name: `validate.accuracy`. */
  readonly metric: string;
}

/** A metric to look at, with or without saying which way is better. */
export interface Metric {
  readonly mode: 'min' | 'max' | null;
  /** With its step's name: `validate.accuracy`. */
  readonly metric: string;
}

export const isMetric = (value: unknown): value is Metric =>
  typeof value === 'object' &&
  value !== null &&
  'mode' in value &&
  'metric' in value &&
  typeof value.metric === 'string' &&
  (value.mode === null || value.mode === 'min' || value.mode === 'max');
export const metric = (name: string): Metric => ({ mode: null, metric: name });
/** How states of add-ons name it; null for none. */
export const monitorOrNone = (monitor: Monitor | null): string | null =>
  monitor === null ? null : monitorName(monitor);

/**
 * What is to be said where a state has the best of another metric than `monitor`: no two values of them can be compared. Null where it is
 * the same one, or the state does not say which (`before` is undefined).
 */
export function otherMonitor(name: string, before: unknown, monitor: Monitor | null): string | null {
  const now = monitorOrNone(monitor);
  if (before === undefined || before === now) return null;
  return `${name} watched ${typeof before === 'string' ? before : 'nothing'} and watches ${now ?? 'nothing'} now: its best begins anew`;
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
  for (const { kind, label, owns } of addOns) {
    const name = nameOfAddOn({ kind, label });
    for (const effect of owns) {
      const other = owners.get(effect);
      if (other !== undefined) {
        throw new Error(`add-ons ${other} and ${name} both own ${JSON.stringify(effect)}; keep one of them`);
      }
      owners.set(effect, name);
    }
  }
  return phases.flatMap((phase) => addOns.filter((addOn) => addOn.phase === phase));
}
