/** Batches that are read while a step runs, so that the next step need not wait for them. */
import type { HostBatch, OpenData } from '../data/data.js';
import { batchesAt } from './evaluate.js';

/** Where a batch is in a run. */
export interface BatchPlace {
  readonly epoch: number;
  readonly index: number;
}

export class Ahead {
  readonly #reading = new Map<string, Promise<readonly HostBatch[]>>();
  /** All reads that are under way, also those that nobody wants any more. */
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(private readonly data: readonly OpenData[]) {}

  /** The batches of a place: those that were read ahead, or read now. */
  take({ epoch, index }: BatchPlace): Promise<readonly HostBatch[]> {
    const key = `${epoch}/${index}`;
    const found = this.#reading.get(key) ?? batchesAt(this.data, epoch, index);
    this.#reading.delete(key);
    return found;
  }

  /** Waits for what is still being read: its source may be closed then. */
  async drain(): Promise<void> {
    this.#reading.clear();
    await Promise.all(this.#underWay);
  }

  /** Starts to read these places; what was read ahead for others is dropped. */
  prepare(places: readonly BatchPlace[]): void {
    const wanted = new Map(places.map((place) => [`${place.epoch}/${place.index}`, place]));
    for (const key of this.#reading.keys()) if (!wanted.has(key)) this.#reading.delete(key);
    for (const [key, { epoch, index }] of wanted) {
      if (this.#reading.has(key)) continue;
      const reading = batchesAt(this.data, epoch, index);
      this.#reading.set(key, reading);
      // Whoever takes the batch gets the error; a batch that nobody takes has none to tell.
      const settled: Promise<unknown> = reading
        .catch(() => undefined)
        .finally(() => this.#underWay.delete(settled));
      this.#underWay.add(settled);
    }
  }
}
