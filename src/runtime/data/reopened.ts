/** A data set that can be closed and opened again while a run goes on: whoever holds it then reads what is there now. */
import type { OpenData } from './data.js';

export interface ReopenableData extends OpenData {
  /** Closes the source and opens it again. Rejects where it cannot be opened any more; it is closed then. */
  reopen(): Promise<void>;
}

export async function openAgain(open: () => Promise<OpenData>): Promise<ReopenableData> {
  let current = await open();
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await current.close();
  };
  return {
    get label() {
      return current.label;
    },
    get rows() {
      return current.rows;
    },
    get skipped() {
      return current.skipped;
    },
    get leftOut() {
      return current.leftOut;
    },
    get files() {
      return current.files;
    },
    get batchesPerEpoch() {
      return current.batchesPerEpoch;
    },
    get inWorkers() {
      return current.inWorkers;
    },
    get prefetch() {
      return current.prefetch;
    },
    get live() {
      return current.live;
    },
    batch: (epoch, index, signal) => current.batch(epoch, index, signal),
    first: (count) => current.first(count),
    rowsOf: (epoch, index) => current.rowsOf(epoch, index),
    close,
    async reopen() {
      await close();
      current = await open();
      isOpen = true;
    },
  };
}
