/**
 * Functions of the host that run on each row, before rows become batches: what sizes differ is made equal here, and what is drawn
 * depends on the seed, the data set, the epoch and the row alone.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { DType, HostTensor, Values } from '../engine/engine.js';
import { withRow, type Image, type RowPlace } from '../transforms/image.js';
import { BadRow, BadValue, DataError } from './data-error.js';
import type { DataPath } from './files.js';
import {
  allocate,
  recordColumns,
  fieldText,
  gatherRows,
  isText,
  maskName,
  rowSize,
  type Column,
  type OrMissing,
  type RecordType,
} from './record.js';
import type { HostTexts, Texts } from './texts.js';

/** A value that may be missing, of one row. */
export interface ImageOrMissing {
  readonly value: Image;
  readonly missing: Image;
}

/** One row of batches B, on the host. */
export type RowOf<B> = {
  readonly [K in keyof B]: B[K] extends Texts
    ? HostTexts
    : B[K] extends OrMissing<Tensor>
      ? ImageOrMissing
      : Image;
};

export type HostRow = Readonly<Record<string, Image | ImageOrMissing | HostTexts>>;

/** One function over rows, and what its rows are. */
export interface HostStage {
  readonly record: RecordType;
  readonly f: (row: HostRow) => HostRow;
  /** The text of the function that it was made of. */
  readonly code: string;
  /** Files of words that it looks up in. */
  readonly words: readonly (string | DataPath)[];
}

/** The rows of a batch of tensors, one after the other. */
export function* rowsOf(
  record: RecordType,
  tensors: readonly HostTensor[],
  count: number,
): Generator<HostRow> {
  const columns = recordColumns(record);
  const part = (at: number, row: number): Image | null => {
    const column = columns[at];
    const tensor = tensors[at];
    if (column === undefined || tensor === undefined) return null;
    return { ...gatherRows(column.field, tensor.values, Int32Array.of(row)), shape: column.field.shape };
  };
  for (let row = 0; row < count; row += 1)
    yield rowFrom(record, (name) =>
      part(
        columns.findIndex((column) => column.name === name),
        row,
      ),
    );
}

function rowFrom(record: RecordType, find: (column: string) => Image | null): HostRow {
  return Object.fromEntries(
    Object.keys(record).flatMap((name): readonly (readonly [string, Image | ImageOrMissing])[] => {
      const [value, missing] = [find(name), find(maskName(name))];
      if (value === null) return [];
      return [[name, missing === null ? value : { value, missing }]];
    }),
  );
}

/** Where a row is, for messages. Plain data: workers are told. */
export interface RowWhere {
  readonly file: string;
  /** Its line in the file, where it is known. */
  readonly line?: number | undefined;
  /** From 1. */
  readonly row: number;
}

/** What happens to rows on the host between their source and their batch. */
export interface Preparing {
  /** What a row is in the end. */
  readonly record: RecordType;
  readonly stages: readonly HostStage[];
  /** Of each row: for what it draws, and for messages. */
  readonly places: readonly RowPlace[];
  readonly where: readonly RowWhere[];
}

/** Texts of a batch by field, one for each row. */
export type BatchTexts = ReadonlyMap<string, readonly string[]>;

export type Rows = AsyncIterable<HostRow> | Iterable<HostRow>;

/**
 * Makes rows one after the other and puts them into a batch, the first at `first`. So no more than one row is held besides the batch, and
 * of several that fail the first in the batch is told. Resolves with their texts. Rejects with a DataError that names the row, which is a
 * BadRow where the row itself is at fault, or with what `stop` throws between two rows.
 */
export async function fillRows(
  room: readonly HostTensor[],
  first: number,
  rows: Rows,
  preparing: Preparing,
  stop: () => void = () => undefined,
): Promise<BatchTexts> {
  const { record } = preparing;
  const columns = recordColumns(record);
  const texts = new Map<string, string[]>();
  for (const [name, field] of Object.entries(record)) if (isText(field)) texts.set(name, []);
  let at = 0;
  for await (const given of rows) {
    stop();
    const { row, where } = prepared(given, preparing, at);
    put(columns, row, room, first + at, where);
    for (const [name, all] of texts) all.push(textOf(record, row, name));
    at += 1;
  }
  // What the memory held before must not pass for rows.
  if (at !== preparing.places.length)
    throw new Error(`${at} rows were made of ${preparing.places.length} that were asked for`);
  return texts;
}

/** A row that is bad in a stage: its number (from 0), and what is wrong with it. */
export interface BadRowFound {
  readonly row: number;
  readonly column: string | undefined;
  readonly reason: string;
}

/** Those rows that are bad in a stage. Rejects as `fillRows` does where something else is wrong. */
export async function badRows(
  rows: Rows,
  preparing: Preparing,
  stop: () => void = () => undefined,
): Promise<readonly BadRowFound[]> {
  const bad: BadRowFound[] = [];
  let at = 0;
  for await (const given of rows) {
    stop();
    try {
      prepared(given, preparing, at);
    } catch (error) {
      if (!(error instanceof BadRow)) throw error;
      const { column, reason } = error;
      bad.push({ row: preparing.places[at]?.row ?? 0, column, reason });
    }
    at += 1;
  }
  return bad;
}

/** Row `at` of those that are made, after all stages. */
function prepared(
  given: HostRow,
  { stages, places, where }: Preparing,
  at: number,
): { readonly row: HostRow; readonly where: RowWhere } {
  const [place, own] = [places[at], where[at]];
  if (place === undefined || own === undefined)
    throw new Error('a row without a place; this is a fault of the runtime');
  return { row: runStages(stages, given, place, own), where: own };
}

/** A row after all stages. Throws a DataError that names the row where a function fails: a BadRow where it is the row's fault. */
function runStages(stages: readonly HostStage[], row: HostRow, place: RowPlace, where: RowWhere): HostRow {
  if (stages.length === 0) return row;
  try {
    return withRow(place, () => stages.reduce((value, stage) => stage.f(value), row));
  } catch (error) {
    if (error instanceof DataError) throw error;
    if (error instanceof BadValue)
      throw new BadRow(
        `${error.message}; ${error.advice}, or set on_bad_row = "skip"`,
        { ...where, column: error.column },
        error.message,
      );
    throw new DataError(error instanceof Error ? error.message : String(error), where);
  }
}

/** Puts a row at its place of a batch. Throws a DataError where it has another shape than its record says. */
function put(
  columns: readonly Column[],
  row: HostRow,
  room: readonly HostTensor[],
  at: number,
  where: RowWhere,
): void {
  columns.forEach((column, index) => {
    const { field, name } = column;
    const found = columnIn(row, column);
    if (found?.dtype !== field.dtype || found.shape.join() !== field.shape.join())
      throw new DataError(
        `the value is ${found === null ? 'not there' : fieldText({ dtype: found.dtype, shape: found.shape })}, ${fieldText(field)} is wanted; ${field.shape.length === 3 ? 'resize or crop it in map' : 'pad it in map'}, or correct the record`,
        { ...where, column: name },
      );
    room[index]?.values.set(found.values, at * rowSize(field));
  });
}

/** The text of a field of a row. Throws a DataError where it is a list of them. */
function textOf(record: RecordType, row: HostRow, name: string): string {
  const field = record[name];
  const found = row[name];
  const [text, ...others] = found !== undefined && isTexts(found) ? found.values : [];
  if (field === undefined || text === undefined || others.length > 0 || field.shape.length > 0)
    throw new DataError(
      `field '${name}' (${field === undefined ? 'not there' : fieldText(field)}) is a list of texts, which no batch has; make a tensor of it in map, or leave it out`,
    );
  return text;
}

function isTexts(value: Image | ImageOrMissing | HostTexts): value is HostTexts {
  return 'dtype' in value && (value.dtype === 'string' || value.dtype === 'path');
}

/** The numbers of a source's rows as one batch. Rejects with a DataError where a row has another shape than its record says. */
export async function stackedRows(
  record: RecordType,
  rows: Rows,
  indices: Int32Array,
  whereOf: (row: number) => Omit<RowWhere, 'row'>,
): Promise<readonly HostTensor[]> {
  const numbers = Object.fromEntries(Object.entries(record).filter(([, field]) => !isText(field)));
  const room = roomFor(numbers, indices.length);
  await fillRows(room, 0, rows, {
    record: numbers,
    stages: [],
    places: Array.from(indices, (row) => ({ seed: 0, label: '', epoch: 0, row })),
    where: Array.from(indices, (row) => ({ ...whereOf(row), row: row + 1 })),
  });
  return room;
}

/** Room for the rows of a batch, a tensor for each column. Memory that threads share is of its own, or taken from `shared`. */
export function roomFor(
  record: RecordType,
  rows: number,
  shared: readonly SharedArrayBuffer[] | null = null,
): readonly HostTensor[] {
  return recordColumns(record).map(({ field }, index) => {
    const { dtype, shape } = field;
    // What has no one size fits no row.
    const count = Math.max(0, rows * rowSize(field));
    const memory = shared?.[index];
    const values = memory === undefined ? allocate(dtype, count) : valuesOn(dtype, memory, count);
    return { dtype, shape: [rows, ...shape], values };
  });
}

/** Memory that threads share, for up to so many rows of each column. */
export function sharedRoom(record: RecordType, rows: number): readonly SharedArrayBuffer[] {
  return recordColumns(record).map(({ field }) => {
    const bytes = field.dtype === 'f32' || field.dtype === 'i32' ? 4 : 1;
    return new SharedArrayBuffer(Math.max(0, rows * rowSize(field)) * bytes);
  });
}

function valuesOn(dtype: DType, memory: SharedArrayBuffer, count: number): Values {
  if (dtype === 'f32') return new Float32Array(memory, 0, count);
  return dtype === 'i32' ? new Int32Array(memory, 0, count) : new Uint8Array(memory, 0, count);
}

function columnIn(row: HostRow, { name }: Column): Image | null {
  const whole = row[name];
  if (whole !== undefined) return isTexts(whole) ? null : 'missing' in whole ? whole.value : whole;
  const field = row[name.replace(/\.missing$/, '')];
  return field !== undefined && 'missing' in field ? field.missing : null;
}
