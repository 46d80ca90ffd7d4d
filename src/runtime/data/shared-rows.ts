/** Rows that several data sets read: parts of one file are opened, and read from the disk, once. */
import type { OpenRows } from './data.js';
import type { ReadFile } from './files.js';

/** A source's rows with the files that they were read from. */
export interface RowsOfFiles {
  readonly rows: OpenRows;
  readonly files: readonly ReadFile[];
}

interface Shared {
  readonly opening: Promise<RowsOfFiles>;
  users: number;
}

export class SharedRows {
  readonly #open = new Map<string, Shared>();

  /** The rows of `key`: those that are open, or opened now. Each user closes them; the last one closes the source. */
  async open(key: string, open: () => Promise<RowsOfFiles>): Promise<RowsOfFiles> {
    const found = this.#open.get(key) ?? { opening: open(), users: 0 };
    this.#open.set(key, found);
    found.users += 1;
    try {
      const { rows, files } = await found.opening;
      return { rows: { ...rows, close: () => this.#leave(key, found, rows) }, files };
    } catch (error) {
      // What could not be opened is tried anew by whoever asks next.
      if (this.#open.get(key) === found) this.#open.delete(key);
      throw error;
    }
  }

  async #leave(key: string, shared: Shared, rows: OpenRows): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    if (this.#open.get(key) === shared) this.#open.delete(key);
    await rows.close();
  }
}
