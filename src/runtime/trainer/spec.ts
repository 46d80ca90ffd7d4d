/** What generated code says about its spec, as data: name, params, limits, options of the run. */
import type { Clip } from '../optim/optimizer.js';
import type { Amends } from '../../values/amends.js';
import type { Limits, Part } from '../../values/limits.js';
import type { SweepPlan } from '../../values/sweep.js';
import type { Quantity } from '../../values/units.js';
import type { CompileMode } from '../engine/tensorflow/compiled-step.js';

/** The values that a param can have. */
export type ParamValue = number | boolean | string;

/** A condition with the text that a user wrote. */
export interface Condition<P> {
  readonly text: string;
  readonly test: (params: P) => boolean;
}

interface ParamBase<P> {
  /** As in the spec and at the command line, e.g. `batch_size`. */
  readonly name: string;
  /** As a property of `params`, e.g. `batchSize`. */
  readonly key: string;
  readonly doc: string;
  readonly where: Condition<P> | null;
}

/** A param. Without a default it is required. */
export type ParamSpec<P> = ParamBase<P> &
  (
    | { readonly type: 'int' | 'float'; readonly default?: number }
    | { readonly type: 'bool'; readonly default?: boolean }
    | { readonly type: 'string' | 'path'; readonly choices?: readonly string[]; readonly default?: string }
  );

/** Options of a run, the prelude's `trainer options` that are built. */
export interface TrainerOptions {
  /** Passes over the train step's data. */
  readonly epochs?: number | null;
  /** Windows of the train step, instead of epochs. */
  readonly steps?: number | null;
  /** Add-ons do not end the run before so many epochs are done. */
  readonly minEpochs?: number | null;
  /** Add-ons do not end the run before so many steps are done. */
  readonly minSteps?: number | null;
  /** Ends the run after the first step that ends later than this, counted from the run's start. */
  readonly maxTime?: Quantity<'time'> | null;
  /** How much of its data each kind of step takes; `batches(0)` turns validate, test or predict off. */
  readonly limit?: Limits | null;
  /** Train and validate on this much of their data, unshuffled. */
  readonly overfit?: Part | null;
  /** Tries the trainer: at most so many steps and batches, one epoch, and nothing is written. */
  readonly devRun?: Quantity<'batches'> | null;
  /** Batches of each validation before training; their metrics are thrown away. */
  readonly sanity?: Quantity<'batches'> | null;
  /** Looks after each batch whether it was finite, and names the op that made it so where it was not. Slow. */
  readonly detectAnomaly?: boolean;
  /** Forbids whatever may give other bits in another run on the same machine. */
  readonly deterministic?: boolean;
  /** Closes the data and opens it again before the first epoch after each so many. */
  readonly reloadData?: Quantity<'epochs'> | null;
  /** Batches in a window: gradients add up, and weights change once. */
  readonly accumulate?: number;
  /** Each optimizer's, unless it has its own. */
  readonly clip?: Clip | null;
  readonly seed?: number;
  readonly precision?: 'f32' | 'mixed' | 'bf16' | 'f16';
  readonly devices?: number | 'auto';
  /** Prints where the time of a run went; `trace` writes it to `trace.json` as well. */
  readonly profile?: 'simple' | 'trace' | null;
  /** How the native engine runs steps; the embedded one has one way. */
  readonly compile?: CompileMode;
  readonly onNan?: 'stop' | 'skip' | 'ignore';
  /** Steps between lines of training metrics. */
  readonly logEvery?: Quantity<'steps'>;
  readonly progress?: 'auto' | 'bar' | 'plain' | 'none';
  /** Print the table of weights at the start. */
  readonly summary?: boolean | number;
  readonly runDir?: string | null;
}

/** Options that say how long a run is. */
export type Lengths = Pick<TrainerOptions, 'epochs' | 'steps' | 'maxTime'>;

/** An update that reads weights (of `weights`, by models) which an earlier update of the same step (`by`) changes: a window tells of it. */
export interface ReadsChanged {
  readonly update: string;
  readonly weights: readonly string[];
  readonly by: readonly string[];
}

/** The spec of a trainer. */
export interface TrainerSpec<P> {
  /** The spec's file name without its ending. */
  readonly name: string;
  /** The trainer's name. */
  readonly trainer: string;
  readonly doc?: string;
  /**
   * `import.meta.url` of the file that exports the class, or hands it to `main`: worker threads that prepare rows (`workers`) import it
   * to get at the data sets.
   */
  readonly module?: string;
  /** Of the spec's text and its imports. */
  readonly sha256?: string;
  /** Of the tokens of these texts: comments, blank space, `;` and `# allow` are none of them. Where it is the same, so is what they mean. */
  readonly tokensSha256?: string;
  readonly language?: number;
  readonly compiler?: string;
  /** The spec and its imports, kept in checkpoints. */
  readonly files?: readonly { readonly path: string; readonly text: string }[];
  /** Code of externs, and what it imports: what a checkpoint compares. */
  readonly externs?: readonly { readonly path: string; readonly sha256: string }[];
  readonly params: readonly ParamSpec<P>[];
  readonly asserts?: readonly (Condition<P> & { readonly message: string | null })[];
  /** Names of models in the spec by their key in `configureModels`; the key with a capital letter unless given. */
  readonly models?: Readonly<Record<string, string>>;
  /** Names of data sets in the spec by their key in `configureData`; the key itself unless given. */
  readonly data?: Readonly<Record<string, string>>;
  /** Data sets and optimizers that amend others, by which what a command line says of those reaches them. */
  readonly amends?: Amends;
  /** Codes of warnings that the spec takes away by `# allow` and that a run would tell at its start: `ZT5023`, `ZT5026`. */
  readonly allowed?: readonly string[];
  readonly options?: TrainerOptions | ((params: P) => TrainerOptions);
  /** Updates that read what their step has changed; a function where params decide. */
  readonly readsChanged?: readonly ReadsChanged[] | ((params: P) => readonly ReadsChanged[]);
  /** Which runs `train` makes, where it is not one. */
  readonly sweep?: SweepPlan;
}
