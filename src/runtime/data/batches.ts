/** Batches of a data set's rows: as the source gives them, or row by row through the functions of `map` that the host computes. */
import { Vocabulary } from '../transforms/words.js';
import type { HostTensor } from '../engine/engine.js';
import { BadRow } from './data-error.js';
import type { DataHost, OpenRows, Source } from './data.js';
import { readBytes, decodeText, writtenPath, type FileHost } from './files.js';
import {
  rowsOf,
  runStages,
  stacked,
  textColumns,
  type HostRow,
  type HostStage,
  type RowNames,
} from './prepared.js';
import { isText, type RecordType } from './record.js';
import { isHostOnly } from './table.js';

/** Rows of a batch, on the host. */
export interface RowBatch {
  readonly tensors: readonly HostTensor[];
  /** Of each field of texts, one for each row. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

const noTexts: ReadonlyMap<string, readonly string[]> = new Map();

/** Rows of an open source as batches of `record`. */
export class RowReader {
  readonly #words = new Map<string, Vocabulary>();

  private constructor(
    readonly source: Source,
    readonly stages: readonly HostStage[],
    readonly opened: OpenRows,
    readonly host: DataHost,
  ) {}

  /** Reads the files of words that the stages look up in. Rejects with a DataError where one is not there, or names a word twice. */
  static async open(
    source: Source,
    stages: readonly HostStage[],
    opened: OpenRows,
    host: DataHost & FileHost,
  ): Promise<RowReader> {
    const made = new RowReader(source, stages, opened, host);
    for (const file of stages.flatMap(({ words }) => words)) {
      const written = writtenPath(file);
      if (made.#words.has(written)) continue;
      made.#words.set(written, new Vocabulary(written, decodeText(await readBytes(host, file), written)));
    }
    return made;
  }

  /** What a row is when it becomes part of a batch. */
  get #record(): RecordType {
    return this.stages.at(-1)?.record ?? this.source.record;
  }

  get #names(): RowNames {
    const { opened, source } = this;
    return {
      fileOf: (row) => opened.nameOf?.(row) ?? source.name,
      lineOf: (row) => opened.lineOf?.(row),
    };
  }

  async read(indices: Int32Array, epoch: number): Promise<RowBatch> {
    const record = this.#record;
    const { opened, stages } = this;
    if (stages.length === 0 && !Object.values(record).some(isText))
      return { tensors: await opened.read(indices), texts: noTexts };
    const rows = await this.#rows(indices, epoch);
    const places = Array.from(indices, (row) => ({ row }));
    return {
      tensors: stages.length === 0 ? await opened.read(indices) : stacked(record, rows, places, this.#names),
      texts: textColumns(record, rows),
    };
  }

  async #rows(indices: Int32Array, epoch: number): Promise<readonly HostRow[]> {
    const { opened, stages, source } = this;
    const { seed, label } = this.host;
    const rows =
      (await opened.rows?.(indices)) ?? rowsOf(source.record, await opened.read(indices), indices.length);
    const places = Array.from(indices, (row) => ({ seed, label, epoch, row, words: this.#words }));
    return runStages(stages, rows, places, this.#names);
  }

  /**
   * Those of the rows (all of them where it is null) that the stages take, or null where that is all. Each is computed once: a row that is
   * left out has to be known before batches are counted.
   */
  async good(chosen: Int32Array | null): Promise<Int32Array | null> {
    const { source, stages, opened } = this;
    if (stages.length === 0 || !Object.values(source.record).some(isHostOnly)) return null;
    const all = chosen ?? Int32Array.from({ length: opened.length }, (_, row) => row);
    const good: number[] = [];
    for (const row of all) {
      const fits = await this.#rows(Int32Array.of(row), 0).then(
        () => true,
        (error: unknown) => {
          if (error instanceof BadRow) return false;
          throw error;
        },
      );
      if (fits) good.push(row);
    }
    return good.length === all.length ? null : Int32Array.from(good);
  }
}
