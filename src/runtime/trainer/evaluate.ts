/** Runs a stage once over its data in evaluation mode. */
import type { HostBatch, OpenData } from '../data/data.js';
import { IndexError } from '../run/index-error.js';
import { Ahead, depthOf, releaseAll } from './ahead.js';
import { breathe, type Control } from './control.js';
import { GivenUp } from './live-sets.js';
import type { OpenStage, Session } from './session.js';
import { someRows } from './shown.js';
import type { Outputs, StepRun } from './stage.js';
import type { Finished } from './totals.js';

export interface EvaluateOptions {
  /** Windows of training done, for schedules and branches. */
  readonly step: number;
  /** At most so many batches. */
  readonly limit?: number | null;
  readonly control: Control;
  /** Called after each batch with what the step returned. */
  readonly each?: ((outputs: Outputs, done: number, rows: number) => Promise<void> | void) | null;
}

/** The finished metrics of one pass, or null where a signal ended it. Draws are keyed by the batch, the same in each pass. */
export async function evaluateStage(
  session: Session,
  open: OpenStage,
  { step, limit = null, control, each = null }: EvaluateOptions,
): Promise<Finished | null> {
  const { stage, data, batches } = open;
  const clock = session.clockAt(step);
  const scalars = session.scalarsAt(clock, false);
  const count = Math.min(batches, limit ?? batches);
  // Each pass is over the same harvests but for the weights.
  for (const { live } of data) await live?.restart();
  const ahead = new Ahead(data);
  const isLive = data.some(({ live }) => live !== undefined);
  const taking = <T>(take: () => Promise<T>): Promise<T> =>
    isLive ? session.live.unlessStopped(control, take) : take();
  const places = Array.from({ length: count }, (_, index) => ({ epoch: 0, index }));
  try {
    for (const place of places) {
      const { index } = place;
      // This one, and those that are wanted ahead of the step.
      ahead.prepare(places.slice(index, index + 1 + mostAhead(data)), (set) => 1 + depthOf(set, 0));
      const inputs = await taking(() => ahead.take(place));
      const draws = {
        seed: session.options.seed,
        step: index,
        micro: 0,
        rowOffset: inputs[0]?.firstRow ?? 0,
      };
      const outputs = await runBatch(
        open,
        { epoch: 0, index, inputs },
        { clock, draws, scalars, last: true },
      );
      releaseAll(inputs);
      if (each !== null) await each(outputs, index + 1, inputs[0]?.rows ?? 0);
      await breathe();
      // After the last batch the pass is whole, and its result as good as any.
      if (control.signal !== null && index + 1 < count) {
        await stage.totals.discard();
        return null;
      }
    }
  } catch (error) {
    if (!(error instanceof GivenUp)) throw error;
    await stage.totals.discard();
    return null;
  } finally {
    await ahead.drain();
  }
  return stage.totals.finishEpoch();
}

const mostAhead = (data: readonly OpenData[]): number => Math.max(0, ...data.map((set) => depthOf(set, 0)));

/** Batch `index` of each data set. Rejects once all of them are read or have failed: none is read on afterwards. */
export async function batchesAt(
  data: readonly OpenData[],
  epoch: number,
  index: number,
): Promise<readonly HostBatch[]> {
  const reading = data.map((set) => set.batch(epoch, index));
  await Promise.allSettled(reading);
  return Promise.all(reading);
}

/** One batch through a stage. Rejects with a RunError that names the row where the data has an index too large or below 0. */
export async function runBatch(
  { stage, data }: OpenStage,
  {
    epoch,
    index,
    inputs,
  }: { readonly epoch: number; readonly index: number; readonly inputs: readonly HostBatch[] },
  run: StepRun,
): Promise<Outputs> {
  return stage.run(inputs, run).catch((error: unknown) => {
    throw withRows(error, data, { epoch, index });
  });
}

/** Where the rows of a batch are from, for messages: the data set, and of live data the harvest. */
export const sourceOf = ({ label, live }: OpenData, epoch: number, index: number): string =>
  live === undefined ? label : `harvest ${live.harvestAt(epoch, index)} of ${label}`;

/** An error about an index in the data, with the row that holds it; other errors as they are. */
export function withRows(
  error: unknown,
  data: OpenStage['data'],
  { epoch, index }: { readonly epoch: number; readonly index: number },
): unknown {
  if (!(error instanceof IndexError) || data.length === 0) return error;
  const places = data.map((set) => {
    const rows = set.rowsOf(epoch, index);
    const row = error.rowAmong(rows.length);
    return `${someRows(row === null ? [...rows] : [...rows.slice(row, row + 1)])} of ${sourceOf(set, epoch, index)}`;
  });
  return error.in(places.join(' or '));
}
