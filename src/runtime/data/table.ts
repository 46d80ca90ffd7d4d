/** Collects the rows of a text source: all of a row or nothing of it, bad rows refused or counted. */
import { Misfit, type Sized } from './cells.js';
import { DataError, mostLeftOut, type DataPlace, type LeftOut } from './data-error.js';
import type { OpenRows } from './data.js';
import { rowsInMemory } from './memory.js';
import type { DType, HostTensor, Values } from '../engine/engine.js';
import { rowsOf, stackedRows, type HostRow } from './prepared.js';
import {
  allocate,
  recordColumns,
  isOpen,
  isText,
  maskName,
  rowSize,
  type FieldType,
  type RecordType,
  type RowField,
  type TextField,
} from './record.js';
import type { HostTexts } from './texts.js';
import { counted } from '../../values/counted.js';

/**
 * What reads one field of a row of type R: pushes `rowSize` numbers, or throws a `Misfit`. Of a field that may be missing, as many
 * go to `gaps`: 1 where there is no value, whose number is 0.
 */
export interface NumberReader<R> {
  readonly name: string;
  readonly field: FieldType;
  push(row: R, out: number[], gaps: number[]): void;
}

/** What reads a field of texts, or one whose size differs from row to row; throws a `Misfit`. */
export type HostReader<R> = { readonly name: string } & (
  | { readonly field: TextField; texts(row: R): Sized<string> }
  | { readonly field: FieldType; numbers(row: R): Sized<number> }
);

export type FieldReader<R> = NumberReader<R> | HostReader<R>;

/** Thrown by a field's reader that knows in which column of the file it failed. */
export class ColumnMisfit extends Misfit {
  constructor(
    readonly column: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Table<R> {
  /** Adds a row; `line` is its line in the file. */
  add(row: R, line: number): void;
  /** Refuses or counts a row that could not be read at all. */
  reject(problem: string, line: number): void;
  finish(): OpenRows;
}

/** Where a table's rows are from. */
export interface TableFile {
  /** As it was written. */
  readonly file: string;
  /** Where relative paths among its values start. */
  readonly folder: string;
  readonly record: RecordType;
  readonly onBadRow: 'error' | 'skip';
}

type HostCell = HostTensor | HostTexts;

export function startTable<R>(from: TableFile, readers: readonly FieldReader<R>[]): Table<R> {
  const { file, onBadRow } = from;
  const numbers = readers.filter((reader): reader is NumberReader<R> => 'push' in reader);
  const hosts = readers.filter((reader): reader is HostReader<R> => !('push' in reader));
  const columns = numbers.map((): number[] => []);
  const masks = numbers.map((): number[] => []);
  const cells = hosts.map((): HostCell[] => []);
  const lines: number[] = [];
  let rows = 0;
  let seen = 0;
  let skipped = 0;
  const leftOut: LeftOut[] = [];
  const bad = (problem: string, place: DataPlace, advice: string): void => {
    if (onBadRow === 'error') {
      throw new DataError(`${problem}; ${advice} or set on_bad_row = "skip"`, { file, row: seen, ...place });
    }
    skipped += 1;
    if (leftOut.length < mostLeftOut) leftOut.push({ file, row: seen, ...place, reason: problem });
    numbers.forEach(({ field }, i) => {
      for (const column of [columns[i], field.missing === true ? masks[i] : undefined])
        if (column !== undefined) column.length = rows * rowSize(field);
    });
    for (const column of cells) column.length = rows;
  };
  return {
    add(row, line) {
      seen += 1;
      let column = '';
      const sizes = new Map<string, { readonly size: number; readonly field: string }>();
      try {
        numbers.forEach((reader, i) => {
          column = reader.name;
          reader.push(row, columns[i] ?? [], masks[i] ?? []);
        });
        hosts.forEach((reader, i) => {
          column = reader.name;
          const cell = cellOf(reader, row, from.folder);
          checkNames(reader, cell, sizes);
          cells[i]?.push(cell);
        });
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        bad(
          error.message,
          { line, column: error instanceof ColumnMisfit ? error.column : column },
          'correct it',
        );
        return;
      }
      rows += 1;
      if (hosts.length > 0) lines.push(line);
    },
    reject(problem, line) {
      seen += 1;
      bad(problem, { line }, 'correct the row');
    },
    finish() {
      const values = new Map<string, Values>();
      const keep = (name: string, dtype: DType, size: number, of: readonly number[]): void => {
        const array = allocate(dtype, rows * size);
        array.set(of);
        values.set(name, array);
      };
      numbers.forEach(({ name, field }, i) => {
        keep(name, field.dtype, rowSize(field), columns[i] ?? []);
        if (field.missing === true) keep(maskName(name), 'bool', rowSize(field), masks[i] ?? []);
      });
      if (hosts.length === 0) return { ...rowsInMemory(from.record, values, rows, skipped), leftOut };
      const held = new Map(hosts.map(({ name }, i) => [name, cells[i] ?? []] as const));
      return rowsWithCells(from, { values, held, lines: Int32Array.from(lines), skipped, leftOut });
    },
  };
}

function cellOf<R>(reader: HostReader<R>, row: R, folder: string): HostCell {
  if ('texts' in reader)
    return { dtype: reader.field.dtype, ...reader.texts(row), column: reader.name, folder };
  const { shape, values } = reader.numbers(row);
  const { dtype } = reader.field;
  const array = allocate(dtype, values.length);
  array.set(values);
  return { dtype, shape, values: array };
}

/** Sizes of one name are equal in each row. Throws a `Misfit` where they are not. */
export function checkNames(
  { name: own, field }: { readonly name: string; readonly field: RowField },
  { shape }: { readonly shape: readonly number[] },
  sizes: Map<string, { readonly size: number; readonly field: string }>,
): void {
  const open = shape.filter((_, axis) => field.shape[axis] === -1);
  (field.names ?? []).forEach((name, at) => {
    const size = open[at] ?? 0;
    const known = sizes.get(name);
    if (known === undefined) sizes.set(name, { size, field: own });
    else if (known.size !== size)
      throw new Misfit(
        `it has ${counted(size, 'value')} and '${known.field}' ${known.size}, where both are to have '${name}'`,
      );
  });
}

interface Held {
  readonly values: ReadonlyMap<string, Values>;
  /** Of fields that only the host can hold: a cell for each row. */
  readonly held: ReadonlyMap<string, readonly HostCell[]>;
  readonly lines: Int32Array;
  readonly skipped: number;
  readonly leftOut: readonly LeftOut[];
}

function rowsWithCells(
  { file, record }: TableFile,
  { values, held, lines, skipped, leftOut }: Held,
): OpenRows {
  const fixed = Object.fromEntries(Object.entries(record).filter(([name]) => !held.has(name)));
  const inMemory = rowsInMemory(fixed, values, lines.length, skipped);
  const rows = async function* (indices: Int32Array): AsyncGenerator<HostRow> {
    let at = 0;
    for (const row of rowsOf(fixed, await inMemory.read(indices), indices.length)) {
      const own = [...held].flatMap(([name, cells]): [string, HostCell][] => {
        const cell = cells[indices[at] ?? 0];
        return cell === undefined ? [] : [[name, cell]];
      });
      yield { ...row, ...Object.fromEntries(own) };
      at += 1;
    }
  };
  const isStacked = recordColumns(record).some(({ field }) => isOpen(field));
  return {
    ...inMemory,
    leftOut,
    rows,
    nameOf: () => file,
    lineOf: (row) => lines[row],
    classes: (field) => {
      const of = values.get(field);
      return of === undefined ? null : Int32Array.from(of);
    },
    read: (indices) =>
      isStacked
        ? stackedRows(record, rows(indices), indices, (row) => ({ file, line: lines[row] }))
        : inMemory.read(indices),
  };
}

/** Whether a field of a row can be held by the host alone. */
export function isHostOnly(field: RowField): boolean {
  return isText(field) || isOpen(field);
}
