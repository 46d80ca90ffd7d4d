/** The data of a run: which sets are opened, under which names. */
import type { FirstRows } from '../addons/over.js';
import type { Data } from '../data/data.js';
import { DataError } from '../data/data-error.js';
import { openAgain, type ReopenableData } from '../data/reopened.js';
import { SharedRows } from '../data/shared-rows.js';
import { RunError } from '../run/run-error.js';
import type { ResolvedOptions } from './resolved-options.js';
import type { StageKind, StepPlan } from './steps.js';

/** What is said of a run's data. */
export interface DataParts {
  readonly options: Pick<ResolvedOptions, 'seed'>;
  /** Names of data sets. */
  readonly dataNames: ReadonlyMap<Data<unknown>, string>;
  readonly steps: readonly StepPlan[];
  /** Which kinds of steps will run: their data is opened. */
  readonly kinds: readonly StageKind[];
  /** Rows of data sets that add-ons compute with, where the run trains. */
  readonly reads?: readonly FirstRows[];
  readonly dataRoot: string;
}

/** Opens the data of the steps that run, and what add-ons read beside it. Rejects where some is missing; what was opened is closed then. */
export async function openData(parts: DataParts): Promise<ReadonlyMap<Data<unknown>, ReopenableData>> {
  const opened = new Map<Data<unknown>, ReopenableData>();
  const shared = new SharedRows();
  try {
    const open = async (set: Data<unknown>, label: string): Promise<void> => {
      if (opened.has(set)) return;
      const host = { root: parts.dataRoot, seed: parts.options.seed, label, shared };
      opened.set(set, await openAgain(() => set.open(host)));
    };
    for (const plan of parts.steps) {
      if (!parts.kinds.includes(plan.kind)) continue;
      for (const [at, set] of plan.data.entries())
        await open(set, parts.dataNames.get(set) ?? `${plan.name}.${at}`);
    }
    for (const { data, count } of readBy(parts)) {
      const set = namedSet(parts, data);
      await open(set, data);
      const rows = opened.get(set)?.rows ?? 0;
      if (rows < count)
        throw new DataError(
          `data '${data}' has ${rows} rows, and an add-on takes the first ${count}; write first(${data}, ${rows}), or fewer`,
        );
    }
  } catch (error) {
    await closeAll(opened.values()).catch(() => undefined);
    throw error;
  }
  return opened;
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

/** Closes each, also where one before it failed; then rejects with the first failure. */
export async function closeAll(sets: Iterable<{ close(): Promise<void> }>): Promise<void> {
  const closed = await Promise.allSettled([...sets].map((set) => set.close()));
  for (const result of closed) if (result.status === 'rejected') throw result.reason;
}

/** What the user should know about rows that are left out. */
export function skippedNotes(
  parts: DataParts,
  opened: ReadonlyMap<Data<unknown>, ReopenableData>,
): readonly string[] {
  return [...opened].flatMap(([set, { skipped, rows }]) =>
    skipped === 0
      ? []
      : [
          `${skipped} bad rows of ${parts.dataNames.get(set) ?? set.source.name} are left out, ${rows} are used`,
        ],
  );
}
