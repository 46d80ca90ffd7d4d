/**
 * A data set as a trainer sees it: where rows come from, how they are batched, and what is computed on a batch inside
 * the step. Nothing is read before `open`.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { HostTensor } from '../engine/engine.js';
import { DataError, mostLeftOut, type LeftOut } from './data-error.js';
import { RowReader, type Words } from './batches.js';
import { writtenPath, type DataPath, type FileHost, type ReadFile } from './files.js';
import { openLive, type LiveData, type LiveHost, type LiveRows } from './open-live.js';
import { epochOrder } from './order.js';
import { checkSplit, partText, rowsOfPart, type Part, type Parts, type Split } from './parts.js';
import type { RowsOfFiles, SharedRows } from './shared-rows.js';
import { counted, grouped } from '../../values/counted.js';
import type { Quantity } from '../../values/units.js';
import type { HostRow, HostStage, RowOf } from './prepared.js';
import type { RowWorkers } from './row-workers.js';
import { nameClasses } from './class-names.js';
import { recordColumns, isText, toRecord, type Batch, type Column, type RecordType } from './record.js';

/** Options that every data set takes. */
export interface DataOptions {
  /** Rows in a batch, at least 1. */
  readonly batch: number;
  /** Whether each epoch has an order of its own. */
  readonly shuffle: boolean;
  /** Whether a last batch with fewer rows is left out. */
  readonly dropLast: boolean;
  /** What a row that does not fit its declaration does. */
  readonly onBadRow: 'error' | 'skip';
  /** How the rows are shared out, or null. */
  readonly parts: Parts | null;
  /** Which of the parts this data set is; all rows where it is null. */
  readonly part: Part | null;
  /** Fixes which rows are whose, with their numbers and classes. */
  readonly splitSeed: number;
  /** The field by whose values each part has its share of every class, or null. */
  readonly stratify: string | null;
  /** Threads that prepare rows: decode them, and run what of `map` runs on the host. 0: the main thread does. */
  readonly workers: number;
  /** How many batches are prepared ahead of the step; null for as many as keep the engine, and the workers, busy. */
  readonly prefetch: Quantity<'batches'> | null;
}

/** The common options as emitted code gives them; what is not named has its default. */
export type CommonOptions = Partial<DataOptions>;

/** What a data set is opened with. */
export interface DataHost extends FileHost {
  readonly seed: number;
  /** The data set's name in the spec; with the seed and the epoch it fixes the order. */
  readonly label: string;
  /** Where sources are shared with other data sets of the run. */
  readonly shared?: SharedRows;
  /** Threads for data sets that want `workers`; the main thread prepares rows where there are none. The rows are the same. */
  readonly workers?: RowWorkers | null;
}

/** Rows of a batch on the host, in the order of `fields`. */
export interface HostBatch {
  readonly fields: readonly string[];
  readonly tensors: readonly HostTensor[];
  /** Of each field of texts, one for each row. */
  readonly texts?: ReadonlyMap<string, readonly string[]>;
  readonly rows: number;
  /** Position of the batch's first row in the epoch. */
  readonly firstRow: number;
  /** Lets another batch have the memory of this one: nobody may read its tensors from then on. */
  readonly release?: () => void;
}

export interface OpenData {
  /** The data set's name, as it was opened. */
  readonly label: string;
  /** Rows in an epoch before `dropLast`. */
  readonly rows: number;
  /** Rows left out by `onBadRow = "skip"`. */
  readonly skipped: number;
  /** The first of them, in the order in which they were found. */
  readonly leftOut: readonly LeftOut[];
  /** Files that were read to the end; an extern source reads its own. */
  readonly files: readonly ReadFile[];
  readonly batchesPerEpoch: number;
  /** Whether workers prepare the rows. */
  readonly inWorkers: boolean;
  /** How many batches are to be read ahead of the step; null where nothing was said. */
  readonly prefetch: number | null;
  /**
   * Batch `index` (from 0) of an epoch (from 0). The same arguments give the same bytes. After `signal` nobody wants the batch any more:
   * then it rejects, or not.
   */
  batch(epoch: number, index: number, signal?: AbortSignal): Promise<HostBatch>;
  /** The first `count` rows in the order of the source, as one batch. Rejects with a DataError where there are fewer. */
  first(count: number): Promise<HostBatch>;
  /** Numbers (from 0) of that batch's rows in the source, in the order of the batch. */
  rowsOf(epoch: number, index: number): Int32Array;
  close(): Promise<void>;
  /** Of a live data set: rows and batches have no end, and each batch is harvested when it is asked for. */
  readonly live?: LiveData | undefined;
}

/** Rows that a source has loaded or can reach at random. */
export interface OpenRows {
  readonly length: number;
  readonly skipped: number;
  /** Which rows those were, as far as they are kept. */
  readonly leftOut?: readonly LeftOut[];
  /** The rows of these numbers, a tensor for each column of the record, in memory of its own. */
  read(indices: Int32Array): Promise<readonly HostTensor[]>;
  /** The same rows one by one, where their shapes may differ. */
  rows?(indices: Int32Array): AsyncIterable<HostRow>;
  /** What `RowMaker.rows` is handed for these rows: plain data. Null where it needs none. */
  handed?(indices: Int32Array): unknown;
  /** The values of a field of all rows, where they are known without reading the rows. */
  classes?(field: string): Int32Array | null;
  /** Names of the classes 0, 1, 2, … of a field, where the source has them and the record does not; null for another field. */
  classNames?(field: string): readonly string[] | null;
  /** The file of a row, where each has its own. */
  nameOf?(index: number): string;
  /** The line of a row in the file, where it is known. */
  lineOf?(index: number): number | undefined;
  close(): Promise<void>;
}

/** Makes rows in a worker. */
export interface RowMaker {
  /** How many there are, where it is known. */
  readonly length?: number;
  rows(indices: Int32Array, handed: unknown): AsyncIterable<HostRow> | Iterable<HostRow>;
  close(): Promise<void>;
}

/** What a data set is made of, by what it is called in messages. */
export type Likeness = Readonly<Record<string, string>>;

/** The part of a likeness that is text of code. */
export const likeCode = 'the code of its functions';

/** Where rows come from. */
export interface Source {
  /** As in messages, its kind first: `csv data/iris.csv`. */
  readonly name: string;
  readonly record: RecordType;
  /** All that its rows depend on, but for `onBadRow`; two sources of one key have the same rows. Null: nobody shares them. */
  readonly key?: string | null;
  /** What else its rows depend on, where it has no key: what it was given, and the text of its own code. */
  readonly made?: { readonly options: unknown; readonly code: string };
  /**
   * What workers do of a source whose rows take work: they open it for themselves where that is said, and make rows of what `handed`
   * gives. Other sources are read in the main thread, and workers get their rows.
   */
  readonly inWorkers?: {
    readonly isOpened: boolean;
    open(host: FileHost): RowMaker | Promise<RowMaker>;
  };
  open(host: DataHost, onBadRow: 'error' | 'skip'): Promise<OpenRows>;
  /** Of a live source, whose rows do not exist beforehand: `open` is not called. */
  readonly live?: (host: LiveHost) => Promise<LiveRows>;
}

/** Names of classes of sources that were opened: all data sets that are made of one have them. */
const openNames = new WeakMap<Source, (field: string) => readonly string[] | null>();

/** Files of words that were read for what is made of a source, by their paths as written. */
const openWords = new WeakMap<Source, Words>();

export class Data<B> {
  readonly options: DataOptions;

  /** Use the functions of `data` (`data.csv`, `data.digits`, …), which know the batch's type. */
  constructor(
    readonly source: Source,
    options: CommonOptions,
    private readonly build: (tensors: readonly Tensor[]) => B,
    private readonly stages: readonly HostStage[] = [],
    private readonly isMapped = false,
  ) {
    const { batch = 32, shuffle = false, dropLast = false, onBadRow = 'error' } = options;
    const {
      parts = null,
      part = null,
      splitSeed = 0,
      stratify = null,
      workers = 0,
      prefetch = null,
    } = options;
    if (!Number.isInteger(batch) || batch < 1) {
      throw new DataError(`batch is a whole number of at least 1, got ${batch}`);
    }
    if (!Number.isInteger(workers) || workers < 0)
      throw new DataError(`workers is a whole number of threads, 0 for the main thread, got ${workers}`);
    if (prefetch !== null && (!Number.isInteger(prefetch.value) || prefetch.value < 0))
      throw new DataError(`prefetch is a whole number of batches, got ${prefetch.value}`);
    if (parts === null && part !== null)
      throw new DataError(`${partText(part)} needs parts; say what they are`);
    this.options = {
      batch,
      shuffle,
      dropLast,
      onBadRow,
      parts,
      part,
      splitSeed,
      stratify,
      workers,
      prefetch,
    };
    if (source.live !== undefined) refuseIdle(source.name, this.options);
    if (parts !== null) checkSplit({ parts, part, seed: splitSeed, stratify }, source.record);
  }

  get #split(): Split | null {
    const { parts, part, splitSeed, stratify } = this.options;
    return parts === null ? null : { parts, part, seed: splitSeed, stratify };
  }

  /** Names of the source's columns, in the order of a batch's tensors. */
  get fields(): readonly string[] {
    return recordColumns(this.#record).map(({ name }) => name);
  }

  /** What a row is when it becomes part of a batch. */
  get #record(): RecordType {
    return this.stages.at(-1)?.record ?? this.source.record;
  }

  /** Whether rows take work on the host that workers can do: decoding, reading of one's own, functions of `prepare`. */
  get hasHostWork(): boolean {
    return this.stages.length > 0 || this.source.inWorkers !== undefined;
  }

  /** What happens to rows on the host. */
  get preparing(): { readonly record: RecordType; readonly stages: readonly HostStage[] } {
    return { record: this.#record, stages: this.stages };
  }

  /** Equal in each part where two data sets read the same source and make the same rows of it, as far as can be seen. */
  get likeness(): Likeness {
    const { name, key = null, record, made } = this.source;
    const { stages } = this;
    return {
      'its source': JSON.stringify([name, key, record]),
      'what its source is given': JSON.stringify(made?.options ?? null),
      'what its rows become': JSON.stringify(stages.map((stage) => [stage.record, stage.words])),
      [likeCode]: JSON.stringify([made?.code ?? null, stages.map((stage) => stage.code)]),
    };
  }

  /**
   * The same rows, with `f` applied to each on the host, before `map`. `record` is what it gives. What it draws is fixed by the seed,
   * the data set's name, the epoch and the row's number. `words` are the files of words that `f` looks up in.
   */
  prepare<C extends Batch>(
    this: Data<B & Batch>,
    record: RecordType,
    f: (row: RowOf<B>) => RowOf<C>,
    { words = [] }: { readonly words?: readonly (string | DataPath)[] } = {},
  ): Data<C> {
    if (this.isMapped)
      throw new DataError('prepare runs on the host, before what map computes in the step: call it first');
    const before = this.#record;
    const stage: HostStage = {
      record,
      words,
      code: f.toString(),
      f: (row) => {
        if (isRowOf<B>(row, before)) return f(row);
        throw new DataError(`a row does not have the fields ${Object.keys(before).join(', ')}`);
      },
    };
    return new Data<C>(this.source, this.options, (tensors) => toRecord<C>(record, tensors), [
      ...this.stages,
      stage,
    ]);
  }

  /** The same rows, with `f` applied to each batch inside the step. */
  map<C>(f: (row: B) => C): Data<C> {
    return new Data(this.source, this.options, (tensors) => f(this.build(tensors)), this.stages, true);
  }

  /** The same rows and maps with some common options replaced. */
  withOptions(options: CommonOptions): Data<B> {
    const all = { ...this.options, ...options };
    return new Data(this.source, all, this.build, this.stages, this.isMapped);
  }

  /** The batch that a step gets of the tensors of a host batch. Runs the maps: only inside a step. */
  toBatch(tensors: readonly Tensor[]): B {
    for (const [at, { name }] of recordColumns(this.#record).entries()) {
      const [tensor, names] = [tensors[at], this.#classNames(name)];
      if (tensor !== undefined && names !== null) nameClasses(tensor, names);
    }
    return this.build(tensors);
  }

  /** Names of the classes of a field of a batch; null where it has none, or they are not known. */
  #classNames(field: string): readonly string[] | null {
    let name = field;
    for (const { record } of [...this.stages].reverse()) {
      const made = record[name];
      if (made === undefined || isText(made)) return null;
      if (made.words !== undefined) {
        const words = openWords.get(this.source)?.get(writtenPath(made.words))?.words ?? null;
        return words !== null && (made.unknown ?? words.length) >= words.length ? words : null;
      }
      if (made.from === undefined) return null;
      name = made.from;
    }
    const own = this.source.record[name];
    if (own === undefined || isText(own)) return null;
    return own.choices ?? openNames.get(this.source)?.(name) ?? null;
  }

  async #rowsOf({ shared, ...host }: DataHost): Promise<RowsOfFiles> {
    const { onBadRow } = this.options;
    const open = async (): Promise<RowsOfFiles> => {
      const files: ReadFile[] = [];
      return { rows: await this.source.open({ ...host, note: (file) => files.push(file) }, onBadRow), files };
    };
    const { key = null } = this.source;
    return shared === undefined || key === null ? open() : shared.open(`${onBadRow} ${key}`, open);
  }

  /** Opens the source. Rejects with a `DataError` where data is missing or wrong. */
  async open(host: DataHost): Promise<OpenData> {
    const { live } = this.source;
    if (live !== undefined) return openLive(this, live, host);
    const { rows: opened, files } = await this.#rowsOf(host);
    if (opened.classNames !== undefined) openNames.set(this.source, opened.classNames);
    const readers: RowReader[] = [];
    const close = async (): Promise<void> => {
      try {
        for (const reader of readers) await reader.close();
      } finally {
        await opened.close();
      }
    };
    try {
      const split = this.#split;
      const ofPart =
        split === null ? null : await chosenRows(split, opened, recordColumns(this.source.record));
      const read = [...files];
      const reader = await RowReader.open(this, opened, { ...host, note: (file) => read.push(file) });
      readers.push(reader);
      openWords.set(this.source, new Map([...(openWords.get(this.source) ?? []), ...reader.words]));
      const good = this.options.onBadRow === 'skip' ? await reader.good(ofPart) : null;
      const all = ofPart?.length ?? opened.length;
      const left = good === null ? 0 : all - good.rows.length;
      const leftOut = [...(opened.leftOut ?? []), ...(good?.leftOut ?? [])].slice(0, mostLeftOut);
      const batches = this.#batches(reader, good?.rows ?? ofPart, opened.skipped + left);
      return { ...batches, leftOut, files: read, close };
    } catch (error) {
      // The first error is the one to tell.
      await close().catch(() => undefined);
      throw error;
    }
  }

  /** Batches of the chosen rows of those that are open. Throws a DataError where they make none. */
  #batches(
    reader: RowReader,
    chosen: Int32Array | null,
    skipped: number,
  ): Omit<OpenData, 'files' | 'close' | 'leftOut'> {
    const { batch, shuffle, dropLast, prefetch, part } = this.options;
    const { opened, inWorkers } = reader;
    const { label, seed } = reader.host;
    const rows = chosen?.length ?? opened.length;
    const batchesPerEpoch = dropLast ? Math.floor(rows / batch) : Math.ceil(rows / batch);
    if (batchesPerEpoch === 0) {
      const left =
        skipped === 0 ? '' : ` (${counted(skipped, 'bad row')} ${skipped === 1 ? 'was' : 'were'} skipped)`;
      throw new DataError(
        rows === 0
          ? emptyText(label, this.source.name, opened.length, part, left)
          : `data '${label}' (${this.source.name}) has ${counted(rows, 'row')}${left}, fewer than one batch of ${grouped(batch)}, and drop_last leaves them out; lower batch or set drop_last = false`,
      );
    }
    const fields = this.fields;
    const order = epochOrder(rows, shuffle, seed, label);
    const rowsOf = (epoch: number, index: number): Int32Array => {
      if (!Number.isInteger(index) || index < 0 || index >= batchesPerEpoch) {
        throw new RangeError(`data '${label}' has batches 0 to ${batchesPerEpoch - 1}, got ${index}`);
      }
      const places = order(epoch, index * batch, (index + 1) * batch);
      return chosen === null ? places : places.map((place) => chosen[place] ?? 0);
    };
    return {
      label,
      rows,
      skipped,
      batchesPerEpoch,
      rowsOf,
      inWorkers,
      prefetch: prefetch?.value ?? null,
      async batch(epoch, index, signal) {
        const indices = rowsOf(epoch, index);
        const read = await reader.batch(indices, epoch, signal ?? null);
        return { fields, ...read, rows: indices.length, firstRow: index * batch };
      },
      async first(count) {
        if (count > rows)
          throw new DataError(
            `data '${label}' has ${counted(rows, 'row')}, fewer than the first ${count} that are asked for; ask for fewer`,
          );
        const indices = Int32Array.from({ length: count }, (_, place) => chosen?.[place] ?? place);
        return { fields, ...(await reader.first(indices)), rows: count, firstRow: 0 };
      },
    };
  }
}

/** Throws a DataError for an option that live data has no use for: its rows do not exist before the step asks for them. */
function refuseIdle(source: string, options: DataOptions): void {
  const { shuffle, onBadRow, parts, workers, prefetch } = options;
  const given = [
    ['shuffle', shuffle],
    ['on_bad_row', onBadRow === 'skip'],
    ['parts', parts !== null],
    ['workers', workers > 0],
    ['prefetch', prefetch !== null],
  ] as const;
  for (const [name, isGiven] of given)
    if (isGiven)
      throw new DataError(
        `${name} does not fit ${source}: its rows do not exist before the step asks for them; leave it out`,
      );
}

/** Whether a row has the fields of its record, of which the batch's type is made. */
function isRowOf<B>(row: HostRow, record: RecordType): row is HostRow & RowOf<B> {
  return Object.keys(record).every((name) => row[name] !== undefined);
}

/** Rows that are read at once to see their classes. */
const classChunk = 1024;

/** The rows of the part, or null where all are meant. Reads the classes of every row where the split is by class. */
async function chosenRows(
  split: Split,
  from: OpenRows,
  columns: readonly Column[],
): Promise<Int32Array | null> {
  if (split.part === null || split.stratify === null) return rowsOfPart(split, from.length, null);
  const known = from.classes?.(split.stratify) ?? null;
  if (known !== null) return rowsOfPart(split, from.length, known);
  const classes = new Int32Array(from.length);
  for (let first = 0; first < from.length; first += classChunk) {
    const count = Math.min(classChunk, from.length - first);
    const indices = Int32Array.from({ length: count }, (_, row) => first + row);
    classes.set(await valuesOf(split.stratify, indices, from, columns), first);
  }
  return rowsOfPart(split, from.length, classes);
}

/** The values of a field of one number in these rows. */
async function valuesOf(
  field: string,
  indices: Int32Array,
  from: OpenRows,
  columns: readonly Column[],
): Promise<ArrayLike<number>> {
  if (from.rows === undefined) {
    const read = await from.read(indices);
    return read[columns.findIndex(({ name }) => name === field)]?.values ?? [];
  }
  // Fields beside it may have sizes that make no tensor of these rows.
  const values: number[] = [];
  for await (const row of from.rows(indices)) {
    const cell = row[field];
    values.push(cell !== undefined && 'values' in cell ? Number(cell.values[0] ?? 0) : 0);
  }
  return values;
}

function emptyText(label: string, source: string, all: number, part: Part | null, left: string): string {
  return part === null || all === 0
    ? `data '${label}' (${source}) has no rows${left}; give it at least one`
    : `data '${label}' (${source}) has no rows: ${partText(part)} of ${counted(all, 'row')} is none${left}; make the part larger, or add rows`;
}

/** A data set whose batch is the source's record. */
export function dataOf<B extends Batch>(source: Source, options: CommonOptions): Data<B> {
  return new Data<B>(source, options, (tensors) => toRecord<B>(source.record, tensors));
}
