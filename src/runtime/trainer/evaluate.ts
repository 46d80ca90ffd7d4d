/** Runs a stage once over its data in evaluation mode. */
import type { HostBatch } from '../data/data.js';
import { breathe, type Control } from './control.js';
import type { Session, OpenStage } from './session.js';
import type { Outputs } from './stage.js';
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
  { stage, data, batches }: OpenStage,
  { step, limit = null, control, each = null }: EvaluateOptions,
): Promise<Finished | null> {
  const clock = session.clockAt(step);
  const scalars = session.scalarsAt(clock, false);
  const count = Math.min(batches, limit ?? batches);
  for (let index = 0; index < count; index += 1) {
    const inputs = await batchesAt(data, 0, index);
    const draws = { seed: session.options.seed, step: index, micro: 0, rowOffset: inputs[0]?.firstRow ?? 0 };
    const outputs = await stage.run(inputs, { clock, draws, scalars, last: true });
    if (each !== null) await each(outputs, index + 1, inputs[0]?.rows ?? 0);
    await breathe();
    // After the last batch the pass is whole, and its result as good as any.
    if (control.signal !== null && index + 1 < count) {
      await stage.totals.discard();
      return null;
    }
  }
  return stage.totals.finishEpoch();
}

/** Batch `index` of each data set. */
export function batchesAt(
  data: OpenStage['data'],
  epoch: number,
  index: number,
): Promise<readonly HostBatch[]> {
  return Promise.all(data.map((set) => set.batch(epoch, index)));
}
