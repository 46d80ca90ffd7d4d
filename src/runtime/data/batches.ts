/**
 * Batches of a data set's rows: as the source gives them, or row by row through the functions of `map` that the host computes, in the main
 * thread or in workers.
 */
import type { HostTensor } from '../engine/engine.js';
import { Vocabulary } from '../transforms/words.js';
import { mostLeftOut, type LeftOut } from './data-error.js';
import type { Data, DataHost, OpenRows, RowMaker, Source } from './data.js';
import { decodeText, readBytes, writtenPath, type FileHost } from './files.js';
import {
  badRows,
  fillRows,
  roomFor,
  rowsOf,
  type BatchTexts,
  type HostRow,
  type HostStage,
  type Preparing,
  type Rows,
  type RowWhere,
} from './prepared.js';
import { isText, type RecordType } from './record.js';
import type { RowsToMake, RowWorkers } from './row-workers.js';
import { SharedRooms, type Room } from './shared-rooms.js';
import { isHostOnly } from './table.js';

/** Rows of a batch, on the host. */
export interface RowBatch extends Room {
  readonly texts: BatchTexts;
}

/** Rows that are left where bad ones are left out. */
export interface GoodRows {
  readonly rows: Int32Array;
  readonly leftOut: readonly LeftOut[];
}

/** What of a data set its reader has to know. */
export type ReadData = Pick<Data<unknown>, 'source' | 'options' | 'preparing' | 'likeness' | 'hasHostWork'>;

/** Files of words, by their paths as written. */
export type Words = ReadonlyMap<string, Vocabulary>;

const noTexts: BatchTexts = new Map();

/** So many rows are looked at at once where bad ones are to be found. */
const checkedAtOnce = 256;

/** The files of words that stages look up in. Rejects with a DataError where one is not there, or names a word twice. */
export async function readWords(stages: readonly HostStage[], host: FileHost): Promise<Words> {
  const words = new Map<string, Vocabulary>();
  for (const file of stages.flatMap((stage) => stage.words)) {
    const written = writtenPath(file);
    if (words.has(written)) continue;
    words.set(written, new Vocabulary(written, decodeText(await readBytes(host, file), written)));
  }
  return words;
}

/** Rows of an open source as batches. */
export class RowReader {
  readonly #rooms: SharedRooms;
  readonly #record: RecordType;
  readonly #handed: RowsToMake['handed'];
  /** What prepares the rows; null where the main thread does. */
  readonly #workers: RowWorkers | null;

  private constructor(
    readonly data: ReadData,
    readonly opened: OpenRows,
    readonly host: DataHost,
    readonly words: Words,
  ) {
    const { options, preparing, source, hasHostWork } = data;
    this.#record = preparing.record;
    this.#rooms = new SharedRooms(this.#record, options.batch);
    this.#handed = handing(opened, source);
    this.#workers = options.workers > 0 && hasHostWork ? (host.workers ?? null) : null;
  }

  /** Reads the files of words that are looked up in. Rejects with a DataError where one is not there, or names a word twice. */
  static async open(data: ReadData, opened: OpenRows, host: DataHost): Promise<RowReader> {
    return new RowReader(data, opened, host, await readWords(data.preparing.stages, host));
  }

  /** Whether workers prepare the rows. */
  get inWorkers(): boolean {
    return this.#workers !== null;
  }

  /** Up to `batch` rows. After `signal` nobody wants them any more: then it rejects, or not. */
  async batch(indices: Int32Array, epoch: number, signal: AbortSignal | null = null): Promise<RowBatch> {
    if (this.#workers === null) return this.#here(indices, epoch, signal);
    const { tensors, release } = this.#rooms.take(indices.length);
    const { texts } = await this.#workers.make(this.#job(indices, epoch, tensors), signal);
    return { tensors, texts, release };
  }

  /** Any number of rows of epoch 0, in memory that is theirs alone. */
  async first(indices: Int32Array): Promise<RowBatch> {
    if (this.#workers === null) return this.#here(indices, 0, null);
    const tensors = this.#rooms.own(indices.length);
    const { texts } = await this.#workers.make(this.#job(indices, 0, tensors));
    return { tensors, texts };
  }

  /**
   * Those of the rows (all of them where it is null) that the stages take, and the first of the others; null where they take all. Each is computed once, by workers
   * where there are some: a row that is left out has to be known before batches are counted.
   */
  async good(chosen: Int32Array | null): Promise<GoodRows | null> {
    const { source, preparing } = this.data;
    if (preparing.stages.length === 0 || !Object.values(source.record).some(isHostOnly)) return null;
    const all = chosen ?? Int32Array.from({ length: this.opened.length }, (_, row) => row);
    const bad = new Set<number>();
    const leftOut: LeftOut[] = [];
    for (let from = 0; from < all.length; from += checkedAtOnce) {
      const some = all.slice(from, from + checkedAtOnce);
      const found =
        this.#workers === null
          ? await badRows(await this.#rows(some), this.#preparing(some, 0))
          : (await this.#workers.make(this.#job(some, 0, null))).bad;
      for (const { row, column, reason } of found) {
        bad.add(row);
        if (leftOut.length < mostLeftOut) leftOut.push({ ...this.#whereOf(row), column, reason });
      }
    }
    return bad.size === 0 ? null : { rows: all.filter((row) => !bad.has(row)), leftOut };
  }

  /** Closes what workers have opened for these rows. */
  async close(): Promise<void> {
    const isOpened = this.data.source.inWorkers?.isOpened === true || this.words.size > 0;
    if (isOpened) await this.#workers?.leave(this.host.label);
  }

  /** In the main thread. */
  async #here(indices: Int32Array, epoch: number, signal: AbortSignal | null): Promise<RowBatch> {
    const { opened } = this;
    const isAsRead =
      this.data.preparing.stages.length === 0 &&
      opened.rows === undefined &&
      !Object.values(this.#record).some(isText);
    if (isAsRead) return { tensors: await opened.read(indices), texts: noTexts };
    const tensors = roomFor(this.#record, indices.length);
    const stop = (): void => signal?.throwIfAborted();
    const rows = await this.#rows(indices);
    return { tensors, texts: await fillRows(tensors, 0, rows, this.#preparing(indices, epoch), stop) };
  }

  async #rows(indices: Int32Array): Promise<Rows> {
    const { opened } = this;
    return (
      opened.rows?.(indices) ?? rowsOf(this.data.source.record, await opened.read(indices), indices.length)
    );
  }

  #whereOf(row: number): RowWhere {
    const { opened, data } = this;
    return { file: opened.nameOf?.(row) ?? data.source.name, line: opened.lineOf?.(row), row: row + 1 };
  }

  #preparing(indices: Int32Array, epoch: number): Preparing {
    const { seed, label } = this.host;
    const { words } = this;
    return {
      ...this.data.preparing,
      places: Array.from(indices, (row) => ({ seed, label, epoch, row, words })),
      where: Array.from(indices, (row) => this.#whereOf(row)),
    };
  }

  #job(indices: Int32Array, epoch: number, room: readonly HostTensor[] | null): RowsToMake {
    const { seed, label } = this.host;
    const { likeness, options } = this.data;
    return {
      set: label,
      like: likeness,
      length: this.opened.length,
      seed,
      epoch,
      indices,
      whereOf: (row) => this.#whereOf(row),
      handed: this.#handed,
      room,
      workers: options.workers,
    };
  }
}

/** What a worker is handed of a source that is read in the main thread alone. */
type ReadRows =
  | { readonly kind: 'tensors'; readonly tensors: readonly HostTensor[] }
  /** Where rows hold what is no fixed tensor. */
  | { readonly kind: 'rows'; readonly rows: readonly HostRow[] };

/** What workers are handed of rows: what the source says, or its rows as the main thread reads them. */
function handing(opened: OpenRows, { inWorkers }: Source): RowsToMake['handed'] {
  if (inWorkers !== undefined)
    return (indices) => Promise.resolve({ value: opened.handed?.(indices) ?? null, moved: [] });
  const read = opened.rows?.bind(opened);
  if (read !== undefined)
    return async (indices) => {
      const rows: HostRow[] = [];
      for await (const row of read(indices)) rows.push(row);
      // Some of it is the source's own, and stays: a copy is sent.
      return { value: { kind: 'rows', rows } satisfies ReadRows, moved: [] };
    };
  return async (indices) => {
    const tensors = await opened.read(indices);
    const buffers = tensors.flatMap(({ values: { buffer } }) =>
      buffer instanceof ArrayBuffer ? [buffer] : [],
    );
    return { value: { kind: 'tensors', tensors } satisfies ReadRows, moved: [...new Set(buffers)] };
  };
}

/** What makes rows in a worker of what `handing` gives there. */
export async function makerOf({ record, inWorkers }: Source, host: FileHost): Promise<RowMaker> {
  if (inWorkers !== undefined) return inWorkers.open(host);
  return {
    rows: (indices, handed) => {
      if (!isReadRows(handed)) throw new Error('a worker was handed no rows; this is a fault of the runtime');
      return handed.kind === 'rows' ? handed.rows : rowsOf(record, handed.tensors, indices.length);
    },
    close: () => Promise.resolve(),
  };
}

// The main thread hands what `handing` above makes.
function isReadRows(value: unknown): value is ReadRows {
  return typeof value === 'object' && value !== null && 'kind' in value;
}
