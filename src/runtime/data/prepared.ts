/**
 * Functions of the host that run on each row, before rows become batches: what sizes differ is made equal here, and what is drawn
 * depends on the seed, the data set, the epoch and the row alone.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { HostTensor } from '../engine/engine.js';
import { withRow, type Image, type RowPlace } from '../transforms/image.js';
import { BadRow, BadValue, DataError } from './data-error.js';
import type { DataPath } from './files.js';
import {
  allocate,
  columnsOf,
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
  /** Files of words that it looks up in. */
  readonly words: readonly (string | DataPath)[];
}

/** Where a row is, for messages: its file and, where it is known, its line there. */
export interface RowNames {
  readonly fileOf: (row: number) => string;
  readonly lineOf: (row: number) => number | undefined;
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
    Object.keys(record).flatMap((name): readonly (readonly [string, Image | ImageOrMissing])[] => {
      const [value, missing] = [find(name), find(maskName(name))];
      if (value === null) return [];
      return [[name, missing === null ? value : { value, missing }]];
    }),
  );
}

/** The rows of a batch after all stages. Throws a DataError that names the row where a function fails: a BadRow where it is the row's fault. */
export function runStages(
  stages: readonly HostStage[],
  rows: readonly HostRow[],
  places: readonly RowPlace[],
  { fileOf, lineOf }: RowNames,
): readonly HostRow[] {
  return rows.map((row, at) => {
    const place = places[at];
    if (place === undefined) throw new Error('a row without a place; this is a fault of the runtime');
    try {
      return withRow(place, () => stages.reduce((value, stage) => stage.f(value), row));
    } catch (error) {
      if (error instanceof DataError) throw error;
      const where = { file: fileOf(place.row), line: lineOf(place.row), row: place.row + 1 };
      if (error instanceof BadValue)
        throw new BadRow(`${error.message}; ${error.advice}, or set on_bad_row = "skip"`, {
          ...where,
          column: error.column,
        });
      throw new DataError(error instanceof Error ? error.message : String(error), where);
    }
  });
}

/** The texts of rows, by field. */
export function textColumns(
  record: RecordType,
  rows: readonly HostRow[],
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(record).flatMap(([name, field]): [string, readonly string[]][] => {
      if (!isText(field)) return [];
      return [
        [
          name,
          rows.map((row) => {
            const found = row[name];
            const texts = found !== undefined && isTexts(found) ? found.values : [];
            if (texts.length !== 1 || field.shape.length > 0)
              throw new DataError(
                `field '${name}' (${fieldText(field)}) is a list of texts, which no batch has; make a tensor of it in map, or leave it out`,
              );
            return texts[0] ?? '';
          }),
        ],
      ];
    }),
  );
}

export function isTexts(value: Image | ImageOrMissing | HostTexts): value is HostTexts {
  return 'dtype' in value && (value.dtype === 'string' || value.dtype === 'path');
}

/** Rows of equal shapes as one batch. Throws a DataError where a row has another shape than its record says. */
export function stacked(
  record: RecordType,
  rows: readonly HostRow[],
  places: readonly Pick<RowPlace, 'row'>[],
  { fileOf, lineOf }: RowNames,
): readonly HostTensor[] {
  return columnsOf(record).map((column): HostTensor => {
    const { field } = column;
    const size = rowSize(field);
    // What has no one size fits no row.
    const values = allocate(field.dtype, Math.max(0, rows.length * size));
    rows.forEach((row, at) => {
      const found = columnIn(row, column);
      const number = places[at]?.row ?? 0;
      if (found?.dtype !== field.dtype || found.shape.join() !== field.shape.join())
        throw new DataError(
          `the value is ${found === null ? 'not there' : fieldText({ dtype: found.dtype, shape: found.shape })}, ${fieldText(field)} is wanted; ${field.shape.length === 3 ? 'resize or crop it in map' : 'pad it in map'}, or correct the record`,
          { file: fileOf(number), line: lineOf(number), row: number + 1, column: column.name },
        );
      values.set(found.values, at * size);
    });
    return { dtype: field.dtype, shape: [rows.length, ...field.shape], values };
  });
}

function columnIn(row: HostRow, { name }: Column): Image | null {
  const whole = row[name];
  if (whole !== undefined) return isTexts(whole) ? null : 'missing' in whole ? whole.value : whole;
  const field = row[name.replace(/\.missing$/, '')];
  return field !== undefined && 'missing' in field ? field.missing : null;
}
