/**
 * Functions of the host that run on each row, before rows become batches: what sizes differ is made equal here, and what is drawn
 * depends on the seed, the data set, the epoch and the row alone.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { DType, HostTensor, Values } from '../engine/engine.js';
import { withRow, type Image, type RowPlace } from '../transforms/image.js';
import { DataError } from './data-error.js';
import {
  allocate,
  columnsOf,
  fieldText,
  gatherRows,
  maskName,
  rowSize,
  type Column,
  type OrMissing,
  type RecordType,
} from './record.js';

/** A value that may be missing, of one row. */
export interface ImageOrMissing {
  readonly value: Image;
  readonly missing: Image;
}

/** One row of batches B, on the host. */
export type RowOf<B> = {
  readonly [K in keyof B]: B[K] extends OrMissing<Tensor> ? ImageOrMissing : Image;
};

export type HostRow = Readonly<Record<string, Image | ImageOrMissing>>;

/** One function over rows, and what its rows are. */
export interface HostStage {
  readonly record: RecordType;
  readonly f: (row: HostRow) => HostRow;
}

/** The rows of a batch of tensors. */
export function rowsOf(
  record: RecordType,
  tensors: readonly HostTensor[],
  count: number,
): readonly HostRow[] {
  const columns = columnsOf(record);
  const part = (at: number, row: number): Image | null => {
    const column = columns[at];
    const tensor = tensors[at];
    if (column === undefined || tensor === undefined) return null;
    return { ...gatherRows(column.field, tensor.values, Int32Array.of(row)), shape: column.field.shape };
  };
  return Array.from({ length: count }, (_, row) =>
    rowFrom(record, (name) =>
      part(
        columns.findIndex((column) => column.name === name),
        row,
      ),
    ),
  );
}

function rowFrom(record: RecordType, find: (column: string) => Image | null): HostRow {
  return Object.fromEntries(
    Object.keys(record).flatMap((name): [string, Image | ImageOrMissing][] => {
      const [value, missing] = [find(name), find(maskName(name))];
      if (value === null) return [];
      return [[name, missing === null ? value : { value, missing }]];
    }),
  );
}

/** What happens to a row on the host between its source and its batch. */
export interface Preparing {
  /** What the row is in the end. */
  readonly record: RecordType;
  readonly stages: readonly HostStage[];
  /** The place of each row that is made, for what it draws, and its file, for messages. */
  readonly places: readonly RowPlace[];
  readonly fileOf: (at: number) => string;
}

/**
 * Makes rows one after the other and puts them into a batch, the first at `first`. So no more than one row is held besides the batch, and
 * of several that fail the first in the batch is told. Rejects with a DataError that names it, or with what `stop` throws between two rows.
 */
export async function fillRows(
  room: readonly HostTensor[],
  first: number,
  rows: AsyncIterable<HostRow> | Iterable<HostRow>,
  { record, stages, places, fileOf }: Preparing,
  stop: () => void = () => undefined,
): Promise<void> {
  const columns = columnsOf(record);
  let at = 0;
  for await (const row of rows) {
    stop();
    const place = places[at];
    if (place === undefined) throw new Error('a row without a place; this is a fault of the runtime');
    const where = { file: fileOf(at), row: place.row + 1 };
    put(columns, runStages(stages, row, place, where), room, first + at, where);
    at += 1;
  }
}

/** A row after all stages. Throws a DataError that names the row where a function fails. */
function runStages(
  stages: readonly HostStage[],
  row: HostRow,
  place: RowPlace,
  where: { readonly file: string; readonly row: number },
): HostRow {
  if (stages.length === 0) return row;
  try {
    return withRow(place, () => stages.reduce((value, stage) => stage.f(value), row));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(error instanceof Error ? error.message : String(error), where);
  }
}

/** Puts a row at its place of a batch. Throws a DataError where it has another shape than its record says. */
function put(
  columns: readonly Column[],
  row: HostRow,
  room: readonly HostTensor[],
  at: number,
  where: { readonly file: string; readonly row: number },
): void {
  columns.forEach((column, index) => {
    const { field, name } = column;
    const found = columnIn(row, column);
    if (found?.dtype !== field.dtype || found.shape.join() !== field.shape.join())
      throw new DataError(
        `the value is ${found === null ? 'not there' : fieldText({ dtype: found.dtype, shape: found.shape })}, ${fieldText(field)} is wanted; resize or crop it in map, or correct the record`,
        { ...where, column: name },
      );
    room[index]?.values.set(found.values, at * rowSize(field));
  });
}

/** Room for the rows of a batch, a tensor for each column. Memory that threads share is of its own, or taken from `shared`. */
export function roomFor(
  record: RecordType,
  rows: number,
  shared: readonly SharedArrayBuffer[] | null = null,
): readonly HostTensor[] {
  return columnsOf(record).map(({ field }, index) => {
    const { dtype, shape } = field;
    const count = Math.max(0, rows * rowSize(field));
    const memory = shared?.[index];
    const values = memory === undefined ? allocate(dtype, count) : valuesOn(dtype, memory, count);
    return { dtype, shape: [rows, ...shape], values };
  });
}

/** Memory that threads share, for up to so many rows of each column. */
export function sharedRoom(record: RecordType, rows: number): readonly SharedArrayBuffer[] {
  return columnsOf(record).map(({ field }) => {
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
  if (whole !== undefined) return 'missing' in whole ? whole.value : whole;
  const field = row[name.replace(/\.missing$/, '')];
  return field !== undefined && 'missing' in field ? field.missing : null;
}
