/** Collects the rows of a text source: all of a row or nothing of it, bad rows refused or counted. */
import { Misfit } from './cells.js';
import { DataError, type DataPlace } from './data-error.js';
import type { OpenRows } from './data.js';
import { rowsInMemory } from './memory.js';
import type { DType, Values } from '../engine/engine.js';
import { allocate, maskName, rowSize, type FieldType, type RecordType } from './record.js';

/**
 * What reads one field of a row of type R: pushes `rowSize` numbers, or throws a `Misfit`. Of a field that may be missing, as many
 * go to `gaps`: 1 where there is no value, whose number is 0.
 */
export interface FieldReader<R> {
  readonly name: string;
  readonly field: FieldType;
  push(row: R, out: number[], gaps: number[]): void;
}

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

export function startTable<R>(
  file: string,
  record: RecordType,
  readers: readonly FieldReader<R>[],
  onBadRow: 'error' | 'skip',
): Table<R> {
  const columns = readers.map((): number[] => []);
  const masks = readers.map((): number[] => []);
  let rows = 0;
  let seen = 0;
  let skipped = 0;
  const bad = (problem: string, place: DataPlace, advice: string): void => {
    if (onBadRow === 'error') {
      throw new DataError(`${problem}; ${advice} or set on_bad_row = "skip"`, { file, row: seen, ...place });
    }
    skipped += 1;
    readers.forEach(({ field }, i) => {
      for (const column of [columns[i], field.missing === true ? masks[i] : undefined])
        if (column !== undefined) column.length = rows * rowSize(field);
    });
  };
  return {
    add(row, line) {
      seen += 1;
      let column = '';
      try {
        readers.forEach((reader, i) => {
          column = reader.name;
          reader.push(row, columns[i] ?? [], masks[i] ?? []);
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
    },
    reject(problem, line) {
      seen += 1;
      bad(problem, { line }, 'correct the row');
    },
    finish() {
      const values = new Map<string, Values>();
      const keep = (name: string, dtype: DType, size: number, from: readonly number[]): void => {
        const array = allocate(dtype, rows * size);
        array.set(from);
        values.set(name, array);
      };
      readers.forEach(({ name, field }, i) => {
        keep(name, field.dtype, rowSize(field), columns[i] ?? []);
        if (field.missing === true) keep(maskName(name), 'bool', rowSize(field), masks[i] ?? []);
      });
      return rowsInMemory(record, values, rows, skipped);
    },
  };
}
