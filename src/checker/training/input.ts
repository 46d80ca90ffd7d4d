/** What the checks over the whole run look at: the finished IR of the trainer, its classes and its weights. */
import type { Diagnostic } from '../../parser/diagnostic.js';
import type { Weight } from '../env.js';
import type { HostNames, HostValue } from '../evaluate.js';
import type { IrClass, IrData, IrExpr, IrNamed, IrTrainer } from '../ir.js';
import type { Prelude } from '../prelude.js';

/** Who checks many runs learns what a check has looked at. */
export interface Watch {
  /** A param's value was read. */
  read(name: string): void;
  /** A condition, or a value, was looked at in one step of the run. */
  scanned(): void;
}

export interface TrainingInput {
  readonly trainer: IrTrainer;
  /** Every block and model by name. */
  readonly classes: ReadonlyMap<string, IrClass>;
  /** By model; paths without the model's name, `*` where a param's count repeats. */
  readonly weights: ReadonlyMap<string, readonly Weight[]>;
  /** Models in which rows of the batch meet. */
  readonly meetsRows: ReadonlySet<string>;
  /** Values of constants by name. Without them, what depends on a constant is not known. */
  readonly consts?: ReadonlyMap<string, IrExpr>;
  /** Values of params in the place of their defaults. */
  readonly params?: ReadonlyMap<string, HostValue>;
  /** Rows of data sets by name, where they were counted. */
  readonly rows?: ReadonlyMap<string, number>;
  /** Counts the rows of a data set's file; undefined where that cannot be told at once. */
  readonly countRows?: (data: IrData, names: HostNames) => number | undefined;
  /** Whether a file that data is read from is there; where nobody is to look, undefined. Relative paths start at the spec. */
  readonly isThere?: (path: string) => boolean;
  readonly prelude: Prelude;
  readonly watch?: Watch;
  readonly report: (diagnostic: Diagnostic) => void;
}

/** Names and paths in a message: `a`, `b` and `c`. */
export const listed = (names: readonly string[]): string => {
  const quoted = names.map((name) => `\`${name}\``);
  const last = quoted.pop() ?? '';
  return quoted.length === 0 ? last : `${quoted.join(', ')} and ${last}`;
};

export const optionOf = (options: readonly IrNamed[], name: string): IrExpr | null =>
  options.find((each) => each.name === name)?.value ?? null;

export const trainableWeights = (input: Pick<TrainingInput, 'weights'>, model: string): readonly Weight[] =>
  (input.weights.get(model) ?? []).filter((weight) => weight.trainable);

/** Times at which what is frozen may thaw, or what is not is frozen. */
export const freezeTimes = (freeze: IrExpr | null): readonly IrExpr[] => {
  if (freeze === null || freeze.kind === 'literal') return [];
  if (freeze.kind !== 'freezeAfter') return [freeze];
  return freeze.first ? [freeze.first, freeze.from] : [freeze.from];
};
