/** How long the run is: rows, batches, updates, as far as they are known where every param has its default. */
import type { Expr } from '../../parser/ast.js';
import type { Pace } from '../../values/durations.js';
import { evaluateIr, type HostNames, type HostValue } from '../evaluate.js';
import type { IrData, IrExpr, IrStep } from '../ir.js';
import { batchesIn, partOf, type Limits, type Part, type Taken } from '../../values/limits.js';
import { shareOut, shareOutClasses, weightOfPercent } from '../../values/split.js';
import { showQuantity, type Duration } from '../../values/units.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput, type Watch } from './input.js';

const tenOf = (rows: number): readonly number[] => Array.from({ length: 10 }, () => rows);

/** Rows of each class of the sources whose content is fixed, by split; the first split is the one that is read by default. */
const fixedClasses: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>> = new Map([
  [
    'digits',
    new Map([
      ['train', [151, 161, 143, 131, 147, 154, 150, 136, 127, 138]],
      ['test', [27, 21, 34, 52, 34, 28, 31, 43, 47, 42]],
      ['all', [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]],
    ]),
  ],
  [
    'fashion_mnist',
    new Map([
      ['train', tenOf(6000)],
      ['test', tenOf(1000)],
    ]),
  ],
]);

/** Batches of a step in one pass, of the data set that ends first. */
export interface StepBatches {
  readonly data: IrData;
  /** As many as the run takes. */
  readonly count: number;
  /** Before the run's limits. */
  readonly all: number;
  readonly rows: number;
  readonly size: number;
}

export interface Run {
  readonly names: HostNames;
  /** Null where the option is not given, undefined where its value is not known. */
  readonly epochs: number | null | undefined;
  readonly steps: number | null | undefined;
  /** In seconds. */
  readonly maxTime: number | null | undefined;
  readonly accumulate: number | undefined;
  /** How much of its data the run takes, as far as that is known. */
  readonly taken: Taken;
  /** Of the train step. */
  readonly batches: StepBatches | null;
  /** Null where an epoch's length or the run's is not known. */
  readonly pace: Pace | null;
  readonly watch?: Watch;
}

/** The default of a parameter of a built-in, where it is written as a constant. */
export const builtinDefault = (
  { prelude }: Pick<TrainingInput, 'prelude'>,
  what: Configured,
  name: string,
  param: string,
): HostValue | undefined => {
  const value = defaultOf(prelude, what, name, param);
  return value?.kind === 'number' || value?.kind === 'string' || value?.kind === 'bool'
    ? value.value
    : undefined;
};

/** The same of one that is a number. Throws for another: the prelude is not what this compiler was made with. */
export const builtinNumber = (
  input: Pick<TrainingInput, 'prelude'>,
  what: Configured,
  name: string,
  param: string,
): number => {
  const value = builtinDefault(input, what, name, param);
  if (typeof value !== 'number') throw new Error(`${what} ${name} has no number as default of ${param}`);
  return value;
};

/** The same of a length, such as `1.epoch`; null where there is none. */
export const builtinLength = (
  { prelude }: Pick<TrainingInput, 'prelude'>,
  what: Configured,
  name: string,
  param: string,
): Duration | null => {
  const value = defaultOf(prelude, what, name, param);
  if (value?.kind !== 'member' || value.object.kind !== 'number') return null;
  const unit = `${value.name.text.replace(/s$/, '')}s`;
  return unit === 'steps' || unit === 'epochs' ? { unit, value: value.object.value } : null;
};

type Configured = 'data' | 'trainer' | 'addon' | 'schedule' | 'model';

const defaultOf = (
  prelude: TrainingInput['prelude'],
  what: Configured,
  name: string,
  param: string,
): Expr | null | undefined =>
  prelude.find(what, name)?.params.find((each) => each.name.text === param)?.value;

/** Params whose readers are told of. */
class WatchedParams extends Map<string, HostValue> {
  constructor(private readonly watch: Watch) {
    super();
  }
  override get(name: string): HostValue | undefined {
    this.watch.read(name);
    return super.get(name);
  }
}

export const hostNamesOf = (input: TrainingInput): HostNames => {
  const params = input.watch ? new WatchedParams(input.watch) : new Map<string, HostValue>();
  for (const [name, value] of input.params ?? []) params.set(name, value);
  const names: HostNames = input.consts ? { params, consts: input.consts } : { params };
  for (const param of input.trainer.params) {
    const value = param.value && !params.has(param.name) ? evaluateIr(param.value, names) : undefined;
    if (value !== undefined) params.set(param.name, value);
  }
  return names;
};

const numberOf = (
  expr: IrExpr | null,
  names: HostNames,
  fallback: HostValue | undefined,
): number | undefined => {
  const value = expr ? evaluateIr(expr, names) : fallback;
  return typeof value === 'number' ? value : undefined;
};

/** Rows that the source of a data set gives in one epoch, where its content is fixed. */
const rowsOf = (input: TrainingInput, data: IrData, names: HostNames): number | undefined => {
  const splits = data.source.kind === 'prelude' ? fixedClasses.get(data.source.name) : undefined;
  const given = optionOf(data.arguments, 'split');
  const split = given ? evaluateIr(given, names) : builtinDefault(input, 'data', data.source.name, 'split');
  const classes = typeof split === 'string' ? splits?.get(split) : undefined;
  const all =
    input.rows?.get(data.name) ??
    classes?.reduce((sum, rows) => sum + rows, 0) ??
    input.countRows?.(data, names);
  return all === undefined ? undefined : rowsOfPart(data, all, names, classes);
};

/**
 * How many of the `rows` of its source a data set reads; undefined where that is not known before the run: rows of classes
 * that are shared out in percent are rounded class by class. `classes`: how many there are of each class, where that is known.
 */
export const rowsOfPart = (
  data: IrData,
  rows: number,
  names: HostNames,
  classes?: readonly number[],
): number | undefined => {
  const [parts, part] = [optionOf(data.options, 'parts'), optionOf(data.options, 'part')];
  if (!parts || !part) return rows;
  if (parts.kind === 'folds') {
    const count = evaluateIr(parts.count, names);
    const fold = part.kind === 'part' ? evaluateIr(part.fold, names) : undefined;
    if (part.kind !== 'part' || typeof count !== 'number' || typeof fold !== 'number') return undefined;
    const own = shareOut(
      rows,
      Array.from({ length: count }, () => 1),
    )[fold];
    return own === undefined ? undefined : part.how === 'only' ? own : rows - own;
  }
  if (parts.kind !== 'record') return undefined;
  const byClass = optionOf(data.options, 'stratify') === null ? [rows] : classes;
  if (byClass === undefined) return undefined;
  const name = evaluateIr(part, names);
  const shares = parts.fields.map(({ value }) => evaluateIr(value, names));
  const known = shares.filter((share) => typeof share === 'number');
  if (known.length < shares.length) return undefined;
  const own = parts.fields.findIndex((each) => each.name === name);
  if (own < 0) return undefined;
  return shareOutClasses(byClass, known.map(weightOfPercent)).reduce(
    (sum, counts) => sum + (counts[own] ?? 0),
    0,
  );
};

type DataBatches = Omit<StepBatches, 'all'>;

/** Rows and batches of a pass over a data set; null where they are not known. */
export const dataBatches = (input: TrainingInput, data: IrData, names: HostNames): DataBatches | null => {
  const fallback = (name: string): HostValue | undefined => builtinDefault(input, 'data', 'options', name);
  const rows = rowsOf(input, data, names);
  const size = numberOf(optionOf(data.options, 'batch'), names, fallback('batch'));
  const dropLast = optionOf(data.options, 'drop_last');
  const drop = dropLast ? evaluateIr(dropLast, names) : fallback('drop_last');
  if (rows === undefined || size === undefined || size < 1 || typeof drop !== 'boolean') return null;
  return { data, rows, size, count: drop ? Math.floor(rows / size) : Math.ceil(rows / size) };
};

/** A part of the data as an option has it; null where it is not given or not known. */
export const partIn = (expr: IrExpr | null, names: HostNames): Part | null => {
  if (expr?.kind !== 'quantity' || (expr.unit !== 'batches' && expr.unit !== 'percent')) return null;
  const value = evaluateIr(expr, names);
  return typeof value === 'number' ? { unit: expr.unit, value } : null;
};

/** The parts of `limit`, by the kind of step. */
export const limitFields = ({
  trainer,
}: TrainingInput): readonly { readonly name: keyof Limits; readonly value: IrExpr }[] => {
  const limit = optionOf(trainer.options, 'limit');
  const fields = limit?.kind === 'record' ? limit.fields : [];
  return (['train', 'validate', 'test', 'predict'] as const).flatMap((name) => {
    const value = optionOf(fields, name);
    return value ? [{ name, value }] : [];
  });
};

const takenOf = (input: TrainingInput, names: HostNames): Taken => ({
  limit: Object.fromEntries(limitFields(input).map(({ name, value }) => [name, partIn(value, names)])),
  overfit: partIn(optionOf(input.trainer.options, 'overfit'), names),
});

/** The batches that a pass of a step takes; null where they are not known. */
export const stepBatches = (
  input: TrainingInput,
  step: IrStep,
  names: HostNames,
  taken: Taken,
): StepBatches | null => {
  const read = step.inputs.map(({ data }) => {
    const found = input.trainer.data.find((each) => each.name === data);
    return found ? dataBatches(input, found, names) : null;
  });
  const known = read.filter((each) => each !== null);
  if (known.length === 0 || known.length < read.length) return null;
  const first = known.reduce((least, each) => (each.count < least.count ? each : least));
  return { ...first, all: first.count, count: batchesIn(partOf(step.stage, taken).part, first.count) };
};

export const runOf = (input: TrainingInput): Run => {
  const { trainer } = input;
  const names = hostNamesOf(input);
  const length = (name: string): number | null | undefined => {
    const given = optionOf(trainer.options, name);
    if (!given) return null;
    const value = evaluateIr(given, names);
    return typeof value === 'number' || value === null ? value : undefined;
  };
  const epochs = length('epochs');
  const steps = length('steps');
  const accumulate = numberOf(
    optionOf(trainer.options, 'accumulate'),
    names,
    builtinDefault(input, 'trainer', 'options', 'accumulate'),
  );
  const taken = takenOf(input, names);
  const train = trainer.steps.find((step) => step.stage === 'train');
  const batches = train ? stepBatches(input, train, names, taken) : null;
  const run = {
    ...(input.watch ? { watch: input.watch } : {}),
    ...{ names, epochs, steps, maxTime: length('max_time'), accumulate, taken, batches },
  };
  if (
    !batches ||
    batches.count < 1 ||
    accumulate === undefined ||
    epochs === undefined ||
    steps === undefined
  ) {
    return { ...run, pace: null };
  }
  const stepsPerEpoch = Math.ceil(batches.count / accumulate);
  const totalSteps = steps ?? (epochs === null ? null : epochs * stepsPerEpoch);
  const rowsPerEpoch = Math.min(batches.rows, batches.count * batches.size);
  return { ...run, pace: { stepsPerEpoch, accumulate, rowsPerEpoch, totalSteps } };
};

/** How the run's length comes about, for a note. */
export const lengthNotes = (run: Run): readonly string[] => {
  const { batches, pace, epochs, accumulate, taken } = run;
  if (!batches || !pace) return [];
  const { option, part } = partOf('train', taken);
  const some =
    part === null
      ? ''
      : `, of which ${option} = ${showQuantity(part)} takes ${counted(batches.count, 'batch', 'batches')}`;
  const windows =
    accumulate === undefined || accumulate === 1
      ? ''
      : `, ${counted(pace.stepsPerEpoch, 'step')} with accumulate = ${accumulate}`;
  const epoch = `\`${batches.data.name}\` has ${counted(batches.rows, 'row')}: ${counted(batches.all, 'batch', 'batches')} of ${batches.size} in an epoch${some}${windows}`;
  if (typeof epochs !== 'number' || pace.totalSteps === null) return [epoch];
  const all = `${counted(epochs, 'epoch')} ${epochs === 1 ? 'is' : 'are'} ${counted(pace.totalSteps, 'step')}`;
  return [`${epoch}; ${all}`];
};
