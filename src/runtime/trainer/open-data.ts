/** Opening the data sets of a session, and closing them. */
import type { Data } from '../data/data.js';
import { openAgain, type ReopenableData } from '../data/reopened.js';
import { RowWorkers } from '../data/row-workers.js';
import { SharedRows } from '../data/shared-rows.js';
import { RunError } from '../run/run-error.js';
import type { SessionParts } from './session.js';

/** A run's data sets, opened, and the threads that prepare rows of them. */
export interface OpenedData {
  readonly opened: ReadonlyMap<Data<unknown>, ReopenableData>;
  readonly workers: RowWorkers | null;
}

/** Opens the data sets that the steps of a session read. Rejects where data is missing or wrong; nothing is open then. */
export async function openData<S extends object>(parts: SessionParts<S>): Promise<OpenedData> {
  const opened = new Map<Data<unknown>, ReopenableData>();
  const shared = new SharedRows();
  const sets = parts.steps.flatMap((plan) =>
    parts.kinds.includes(plan.kind)
      ? plan.data.map((set, at) => ({ set, label: parts.dataNames.get(set) ?? `${plan.name}.${at}` }))
      : [],
  );
  const workers = workersFor(parts, sets);
  try {
    for (const { set, label } of sets) {
      if (opened.has(set)) continue;
      const host = { root: parts.dataRoot, seed: parts.options.seed, label, shared, workers };
      opened.set(set, await openAgain(() => set.open(host)));
    }
  } catch (error) {
    await closeAll(opened.values()).catch(() => undefined);
    await workers?.close();
    throw error;
  }
  return { opened, workers };
}

/** As many threads as the data set has that wants most: they are shared. Null where none wants any. */
function workersFor<S extends object>(
  { rowWorkers, dataNames }: SessionParts<S>,
  sets: readonly { readonly set: Data<unknown>; readonly label: string }[],
): RowWorkers | null {
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

/** Closes each, also where one before it failed; then rejects with the first failure. */
export async function closeAll(sets: Iterable<{ close(): Promise<void> }>): Promise<void> {
  const closed = await Promise.allSettled([...sets].map((set) => set.close()));
  for (const result of closed) if (result.status === 'rejected') throw result.reason;
}

/** What the user should know about the data, one sentence each. */
export function dataNotes<S extends object>(
  parts: SessionParts<S>,
  opened: ReadonlyMap<Data<unknown>, ReopenableData>,
): readonly string[] {
  return [...opened].flatMap(([set, { skipped, rows, label }]) => [
    ...(skipped === 0
      ? []
      : [
          `${skipped} bad rows of ${parts.dataNames.get(set) ?? set.source.name} are left out, ${rows} are used`,
        ]),
    ...(set.options.workers > 0 && !set.hasHostWork
      ? [
          `workers of ${label} have nothing to do: its rows are in memory, and all of its map runs in the step`,
        ]
      : []),
  ]);
}
