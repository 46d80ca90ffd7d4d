/** Data sets that have no last batch. */
import type { HostBatch, OpenData } from '../data/data.js';

/** Whether the sets read together have no end: all of them are live. */
export const areEndless = (sets: readonly Pick<OpenData, 'live'>[]): boolean =>
  sets.length > 0 && sets.every(({ live }) => live !== undefined);

/** Batches to trace a step with: those of a place, and zeros of live sets, which have none until they are asked for. */
export async function samplesAt(
  data: readonly OpenData[],
  epoch: number,
  index: number,
): Promise<readonly HostBatch[]> {
  const reading = data.map((set) => set.live?.blank() ?? set.batch(epoch, index));
  await Promise.allSettled(reading);
  return Promise.all(reading);
}
