/** Rows that are held in memory, a typed array for each field: what most sources become once they are read. */
import type { Values } from '../engine/engine.js';
import type { OpenRows } from './data.js';
import { recordColumns, gatherRows, type FieldType, type RecordType } from './record.js';

/** `columns` holds the values of each column of the record (`recordColumns`), all rows one after the other. */
export function rowsInMemory(
  record: RecordType,
  columns: ReadonlyMap<string, Values>,
  length: number,
  skipped = 0,
): OpenRows {
  const parts = recordColumns(record).flatMap(({ name, field }): { field: FieldType; values: Values }[] => {
    const values = columns.get(name);
    return values === undefined ? [] : [{ field, values }];
  });
  return {
    length,
    skipped,
    read: (indices) => Promise.resolve(parts.map(({ field, values }) => gatherRows(field, values, indices))),
    close: () => Promise.resolve(),
  };
}
