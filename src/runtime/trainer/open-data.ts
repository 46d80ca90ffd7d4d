/** The data of a run: which sets are opened, under which names, with which threads; and closing it. */
import { availableParallelism } from 'node:os';
import type { FirstRows } from '../addons/over.js';
import type { Data } from '../data/data.js';
import { DataError, leftOutText } from '../data/data-error.js';
import { openAgain, type ReopenableData } from '../data/reopened.js';
import type { RowWorkerStart } from '../data/row-messages.js';
import { RowWorkers } from '../data/row-workers.js';
import { SharedRows } from '../data/shared-rows.js';
import { RunError } from '../run/run-error.js';
import type { ResolvedOptions } from './resolved-options.js';
import type { Lengths } from './spec.js';
import type { StageKind, StepPlan } from './steps.js';
import { counted, grouped } from '../../values/counted.js';

/** What is said of a run's data. */
export interface DataParts {
  readonly options: Pick<ResolvedOptions, 'seed'>;
  /** How long a run is before the command line says otherwise. */
  readonly bySpec?: Lengths;
  /** What the command line says, as `owner.option=value`. */
  readonly overrides?: readonly string[];
  /** Whether it was begun before. */
  readonly goesOn?: boolean | undefined;
  /** Codes of warnings that the spec takes away. */
  readonly allowed?: readonly string[] | undefined;
  /** Names of data sets. */
  readonly dataNames: ReadonlyMap<Data<unknown>, string>;
  readonly steps: readonly StepPlan[];
  /** Which kinds of steps will run: their data is opened. */
  readonly kinds: readonly StageKind[];
  /** Rows of data sets that add-ons compute with, where the run trains. */
  readonly reads?: readonly FirstRows[];
  readonly dataRoot: string;
  /** Whether what the spec says of a data set's workers was held against what they have to do when it was compiled. */
  readonly isChecked?: (label: string) => boolean;
  /** What threads that prepare rows are started with; asked where some are wanted. */
  readonly rowWorkers?: () => RowWorkerStart;
}

/** A run's data sets, opened, and the threads that prepare rows of them. */
export interface OpenedData {
  readonly opened: ReadonlyMap<Data<unknown>, ReopenableData>;
  readonly workers: RowWorkers | null;
}

interface NamedSet {
  readonly set: Data<unknown>;
  readonly label: string;
}

/**
 * Opens the data of the steps that run, and what add-ons read beside it. Rejects where some is missing or wrong; nothing is open then.
 */
export async function openData(parts: DataParts): Promise<OpenedData> {
  const opened = new Map<Data<unknown>, ReopenableData>();
  const shared = new SharedRows();
  const reads = readBy(parts).map(({ data, count }) => ({ set: namedSet(parts, data), label: data, count }));
  const sets = [...setsOfSteps(parts), ...reads];
  checkSharedOut(sets);
  // A prediction has a row for each row of its input, in the order of the input.
  const isPrediction = parts.kinds.every((kind) => kind === 'predict');
  const workers = workersFor(parts, sets);
  try {
    for (const { set, label } of sets) {
      if (opened.has(set)) continue;
      const host = { root: parts.dataRoot, seed: parts.options.seed, label, shared, workers };
      const read = isPrediction ? set.withOptions({ shuffle: false, dropLast: false }) : set;
      opened.set(set, await openAgain(() => read.open(host)));
    }
    for (const { set, label, count } of reads) {
      if (opened.get(set)?.live !== undefined)
        throw new DataError(
          `an add-on takes the first ${counted(count, 'row')} of data '${label}', which is live and has none; give it another data set`,
        );
      const rows = opened.get(set)?.rows ?? 0;
      if (rows < count)
        throw new DataError(
          `data '${label}' has ${counted(rows, 'row')}, and an add-on takes the first ${grouped(count)}; write first(${label}, ${rows}), or fewer`,
        );
    }
  } catch (error) {
    await closeAll(opened.values()).catch(() => undefined);
    await workers?.close();
    throw error;
  }
  return { opened, workers };
}

/** Throws a DataError where the parts of a source would overlap: rows are shared out after bad ones were left out, or with them. */
function checkSharedOut(sets: readonly NamedSet[]): void {
  const first = new Map<string, NamedSet>();
  for (const each of sets) {
    const { source, options } = each.set;
    if (options.parts === null || (source.key ?? null) === null) continue;
    const own = JSON.stringify([source.key, options.parts, options.splitSeed]);
    const other = first.get(own);
    if (other === undefined) first.set(own, each);
    else if (other.set.options.onBadRow !== options.onBadRow)
      throw new DataError(
        `data '${other.label}' has on_bad_row = "${other.set.options.onBadRow}" and data '${each.label}' "${options.onBadRow}": they share out the rows of ${source.name}, and their parts would overlap; give both the same`,
      );
  }
}

/** The data sets of the steps that run. */
const setsOfSteps = ({ steps, kinds, dataNames }: DataParts): readonly NamedSet[] =>
  steps.flatMap((plan) =>
    kinds.includes(plan.kind)
      ? plan.data.map((set, at) => ({ set, label: dataNames.get(set) ?? `${plan.name}.${at}` }))
      : [],
  );

/** As many threads as the data set has that wants most: they are shared. Null where none wants any. */
function workersFor({ rowWorkers, dataNames }: DataParts, sets: readonly NamedSet[]): RowWorkers | null {
  const wanting = sets.filter(({ set }) => set.options.workers > 0 && set.hasHostWork);
  const count = Math.max(0, ...wanting.map(({ set }) => set.options.workers));
  if (count === 0 || rowWorkers === undefined) return null;
  const other = wanting.find(({ set }) => !dataNames.has(set));
  if (other !== undefined)
    throw new RunError(
      `workers look for data '${other.label}' by its name; let configureData return it, or set workers = 0`,
    );
  return new RowWorkers(count, rowWorkers());
}

/** A data set that add-ons read, and its open rows. */
export interface ReadSet {
  readonly set: Data<unknown>;
  readonly open: ReopenableData;
}

/** What add-ons read: they compute while the run trains. */
const readBy = ({ kinds, reads = [] }: DataParts): readonly FirstRows[] =>
  kinds.includes('train') ? reads : [];

function namedSet({ dataNames }: DataParts, name: string): Data<unknown> {
  // The last of a name is what the command line made of it.
  const found = [...dataNames].findLast(([, own]) => own === name);
  if (found === undefined)
    throw new RunError(
      `an add-on reads data ${name}, which the trainer does not have; it has ${[...new Set(dataNames.values())].join(', ')}`,
    );
  return found[0];
}

export function readSets(
  parts: DataParts,
  opened: ReadonlyMap<Data<unknown>, ReopenableData>,
): ReadonlyMap<string, ReadSet> {
  return new Map(
    readBy(parts).flatMap(({ data }): [string, ReadSet][] => {
      const set = namedSet(parts, data);
      const open = opened.get(set);
      return open === undefined ? [] : [[data, { set, open }]];
    }),
  );
}

/** Closes each, also where one before it failed; then rejects with a RunError that names what could not be closed, and why. */
export async function closeAll(sets: Iterable<Pick<ReopenableData, 'label' | 'close'>>): Promise<void> {
  const all = [...sets];
  const closed = await Promise.allSettled(all.map((set) => set.close()));
  const failed = closed.flatMap((result, at) => {
    if (result.status === 'fulfilled') return [];
    const why: unknown = result.reason;
    return [
      `data ${all[at]?.label ?? ''} was not closed: ${why instanceof Error ? why.message : String(why)}`,
    ];
  });
  const first = closed.find((result) => result.status === 'rejected');
  if (first !== undefined) throw new RunError(failed.join('; '), { cause: first.reason });
}

/** What the user should know about the data, one sentence each. */
export function dataNotes(
  parts: Pick<DataParts, 'dataNames' | 'isChecked'>,
  opened: ReadonlyMap<Data<unknown>, Pick<ReopenableData, 'label' | 'rows' | 'skipped' | 'leftOut'>>,
  processors = availableParallelism(),
): readonly string[] {
  const bad = sameLeftOut([...opened].map(([set, open]) => ({ set, open })));
  return [...opened].flatMap(([set, open]) => {
    const { label } = open;
    const { workers } = set.options;
    const own = bad.find(([first]) => first?.set === set) ?? [];
    const names = own.map((each) => parts.dataNames.get(each.set) ?? each.set.source.name);
    const rows = own.map((each) => each.open.rows);
    return [
      ...(own.length === 0
        ? []
        : [
            `${counted(open.skipped, 'bad row')} of ${names.join(' and ')} ${open.skipped === 1 ? 'is' : 'are'} left out, ${rows.join(' and ')} are used: ${firstLeftOut(open)}`,
          ]),
      ...(workers > 0 && !set.hasHostWork && parts.isChecked?.(label) !== true
        ? [
            `workers of ${label} have nothing to do: its rows are in memory, and all of its map runs in the step`,
          ]
        : []),
      ...(workers > processors && set.hasHostWork
        ? [
            `${label} has ${workers} workers, and this machine ${processors} processors: more threads than that take memory and are no faster`,
          ]
        : []),
    ];
  });
}

/** Sets that leave out rows, those of one source together where these are the same rows: its parts share them out afterwards. */
function sameLeftOut<T extends { readonly open: Pick<ReopenableData, 'skipped' | 'leftOut'> }>(
  sets: readonly T[],
): readonly (readonly T[])[] {
  const found = new Map<string, T[]>();
  for (const [at, each] of sets.entries()) {
    const { skipped, leftOut } = each.open;
    if (skipped === 0) continue;
    const isKnown = leftOut.some(({ file }) => file !== undefined);
    const key = isKnown ? JSON.stringify([skipped, leftOut]) : String(at);
    found.set(key, [...(found.get(key) ?? []), each]);
  }
  return [...found.values()];
}

/** So many of the rows that are left out are told at the start. */
const leftOutAtOnce = 3;

function firstLeftOut({ skipped, leftOut }: Pick<ReopenableData, 'skipped' | 'leftOut'>): string {
  const shown = leftOut.slice(0, leftOutAtOnce);
  const rest = skipped - shown.length;
  return [...shown.map(leftOutText), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}

/** Rows that are left out, as lines of JSON; what is more than is kept of a set is counted in a line of its own. Empty where there are none. */
export function leftOutLines(sets: Iterable<Pick<ReopenableData, 'label' | 'skipped' | 'leftOut'>>): string {
  const lines: object[] = [];
  for (const same of sameLeftOut([...sets].map((open) => ({ open })))) {
    const data = same.map(({ open }) => open.label).join(', ');
    const { skipped = 0, leftOut = [] } = same[0]?.open ?? {};
    for (const { file, line, row, column, reason } of leftOut)
      lines.push({ data, file, line, row, column, reason });
    if (skipped > leftOut.length) lines.push({ data, more: skipped - leftOut.length });
  }
  return lines.map((each) => `${JSON.stringify(each)}\n`).join('');
}
