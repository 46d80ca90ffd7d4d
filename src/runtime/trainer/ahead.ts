/** Batches that are read while a step runs, so that the next step need not wait for them. */
import type { HostBatch, OpenData } from '../data/data.js';

/** Where a batch is in a run. */
export interface BatchPlace {
  readonly epoch: number;
  readonly index: number;
}

interface Reading {
  readonly batch: Promise<HostBatch>;
  readonly stop: AbortController;
}

const keyOf = ({ epoch, index }: BatchPlace): string => `${epoch}/${index}`;

/** How many batches of a set are read ahead where a call of the engine takes `atOnce`. */
export function depthOf({ prefetch, inWorkers }: OpenData, atOnce: number): number {
  // Workers go on with the next batch while the step of this one is waited for.
  return prefetch ?? (inWorkers ? Math.max(batchesForWorkers, atOnce) : atOnce);
}

const batchesForWorkers = 2;

export class Ahead {
  readonly #reading: readonly { readonly set: OpenData; readonly batches: Map<string, Reading> }[];
  /** All reads that are under way, also those that nobody wants any more. */
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(data: readonly OpenData[]) {
    this.#reading = data.map((set) => ({ set, batches: new Map() }));
  }

  /** The batches of a place: those that were read ahead, or read now. Rejects once all of them are read or have failed. */
  async take(place: BatchPlace): Promise<readonly HostBatch[]> {
    const key = keyOf(place);
    const taken = this.#reading.map(({ set, batches }) => {
      const found = batches.get(key)?.batch ?? set.batch(place.epoch, place.index);
      batches.delete(key);
      return found;
    });
    await Promise.allSettled(taken);
    return Promise.all(taken);
  }

  /** Waits for what is still being read: its source may be closed then. */
  async drain(): Promise<void> {
    for (const { batches } of this.#reading) {
      for (const { stop } of batches.values()) stop.abort();
      batches.clear();
    }
    await Promise.all(this.#underWay);
  }

  /**
   * Starts to read these places, of each set so many of them as it is read ahead; what was read ahead for others is dropped. `which` are
   * the sets that are meant.
   */
  prepare(
    places: readonly BatchPlace[],
    depth: (set: OpenData) => number = () => places.length,
    which: (set: OpenData) => boolean = () => true,
  ): void {
    for (const { set, batches } of this.#reading) {
      if (!which(set)) continue;
      const wanted = new Map(places.slice(0, depth(set)).map((place) => [keyOf(place), place]));
      for (const [key, { stop }] of batches) {
        if (wanted.has(key)) continue;
        stop.abort();
        batches.delete(key);
      }
    }
    // In the order in which they are taken, whichever set they are of.
    for (const [at, place] of places.entries())
      for (const { set, batches } of this.#reading)
        if (which(set) && at < depth(set) && !batches.has(keyOf(place)))
          batches.set(keyOf(place), this.#read(set, place));
  }

  #read(set: OpenData, { epoch, index }: BatchPlace): Reading {
    const stop = new AbortController();
    const batch = set.batch(epoch, index, stop.signal);
    // Whoever takes the batch gets the error; a batch that nobody takes has none to tell.
    const settled: Promise<unknown> = batch
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    return { batch, stop };
  }
}

/** Gives the memory of batches back that a step is done with. */
export function releaseAll(batches: readonly HostBatch[]): void {
  for (const batch of batches) batch.release?.();
}
