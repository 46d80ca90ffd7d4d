/** Rows of an extern source that hold texts, or lists whose sizes differ. */
import { DataError } from './data-error.js';
import { Misfit } from './cells.js';
import { isNumbers, tensorsOf, toTensor, valuesOf, type Given } from './extern-source.js';
import type { HostRow, ImageOrMissing } from './prepared.js';
import { fieldText, isOpen, isText, rowSize, type FieldType, type RowField } from './record.js';
import { checkNames } from './table.js';
import type { HostTexts } from './texts.js';
import { counted } from '../../values/counted.js';

/** The rows at `indices` of what `read` gave. Throws a DataError that names row and column where it does not fit the record. */
export function externRows(
  from: Given,
  values: Readonly<Record<string, unknown>>,
  indices: Int32Array,
): readonly HostRow[] {
  const fields = Object.entries(from.record).map(
    ([name, field]) => [name, field, listOf(from, name, field, values[name], indices.length)] as const,
  );
  return Array.from(indices, (row, at) => {
    const sizes = new Map<string, { readonly size: number; readonly field: string }>();
    return Object.fromEntries(
      fields.map(([name, field, list]): [string, HostRow[string]] => {
        const place = { name, field, row };
        if (!isText(field) && field.missing === true)
          return [name, gapCell(from, { ...place, field }, list[at])];
        const cell = cellOf(from, place, list[at]);
        try {
          checkNames({ name, field }, cell, sizes);
        } catch (error) {
          if (!(error instanceof Misfit)) throw error;
          throw new DataError(`${from.source}: ${error.message}; correct the source or the record`, {
            row: row + 1,
            column: name,
          });
        }
        return [name, cell];
      }),
    );
  });
}

/** What each row has: an entry of a list, or a part of an array of all rows. */
function listOf(
  { source, method }: Given,
  name: string,
  field: RowField,
  values: unknown,
  count: number,
): readonly unknown[] {
  if (Array.isArray(values) && values.length === count && (isText(field) || isOpen(field))) return values;
  const isGaps = !isText(field) && field.missing === true && Array.isArray(values);
  if ((isNumbers(values) || isGaps) && !isText(field) && !isOpen(field)) {
    const size = rowSize(field);
    if (values.length === count * size)
      return Array.from({ length: count }, (_, at) => values.slice(at * size, (at + 1) * size));
  }
  const wanted =
    isText(field) || isOpen(field)
      ? `a list of ${count}, an entry for each row`
      : `a typed array of ${count} × ${rowSize(field)} values`;
  throw new DataError(
    `${source}: ${method} of ${counted(count, 'row')} gave ${textOf(values)} for field '${name}' (${fieldText(field)}); give ${wanted}`,
  );
}

function textOf(values: unknown): string {
  if (values === undefined) return 'nothing';
  if (isNumbers(values)) return counted(values.length, 'value');
  return Array.isArray(values) ? `a list of ${values.length}` : typeof values;
}

/** One row of a field that may be missing, with its mask. */
function gapCell(
  from: Given,
  { name, field, row }: Place & { readonly field: FieldType },
  value: unknown,
): ImageOrMissing {
  const [values, mask] = tensorsOf(from, name, field, valuesOf(value), Int32Array.of(row));
  const { dtype, shape } = field;
  return {
    value: { dtype, shape, values: values?.values ?? fault(new DataError(`field '${name}' has no values`)) },
    missing: { dtype: 'bool', shape, values: mask?.values ?? new Uint8Array(rowSize(field)) },
  };
}

interface Place {
  readonly name: string;
  readonly field: RowField;
  readonly row: number;
}

function cellOf(
  from: Given,
  { name, field, row }: Place,
  value: unknown,
): HostRow[string] & { readonly shape: readonly number[] } {
  const misfit = (got: string): DataError =>
    new DataError(`${from.source}: ${got} is not ${fieldText(field)}; correct the source or the record`, {
      row: row + 1,
      column: name,
    });
  if (isText(field)) {
    const texts: readonly unknown[] = field.shape.length === 0 ? [value] : Array.isArray(value) ? value : [];
    if (!texts.every((text) => typeof text === 'string')) throw misfit('what the row has');
    const made: HostTexts = {
      dtype: field.dtype,
      shape: sizesOf(field, texts.length) ?? fault(misfit(`a list of ${texts.length}`)),
      values: texts,
      column: name,
      folder: from.folder,
    };
    return made;
  }
  const numbers = numbersOf(value);
  if (numbers === null) throw misfit('what the row has');
  const shape = sizesOf(field, numbers.length) ?? fault(misfit(`a list of ${numbers.length}`));
  const of: FieldType = { dtype: field.dtype, shape };
  const { values } = toTensor(from, name, of, numbers, Int32Array.of(row));
  return { dtype: field.dtype, shape, values };
}

function fault(error: DataError): never {
  throw error;
}

function numbersOf(value: unknown): Float64Array | Float32Array | Int32Array | Uint8Array | null {
  if (Array.isArray(value) && value.every((each) => typeof each === 'number'))
    return Float64Array.from(value);
  if (value instanceof Float32Array || value instanceof Int32Array) return value;
  if (value instanceof Uint8Array || value instanceof Float64Array) return value;
  if (value instanceof Int8Array || value instanceof Int16Array) return Float64Array.from(value);
  if (value instanceof Uint16Array || value instanceof Uint32Array) return Float64Array.from(value);
  return null;
}

/** The sizes of so many values: of those that the field leaves open at most one is not known. Null where they do not fit. */
function sizesOf({ shape }: RowField, count: number): readonly number[] | null {
  const open = shape.filter((size) => size === -1).length;
  const known = shape.filter((size) => size !== -1).reduce((all, one) => all * one, 1);
  if (open > 1) return null;
  if (open === 0) return known === count ? shape : null;
  const own = count / known;
  return Number.isInteger(own) ? shape.map((size) => (size === -1 ? own : size)) : null;
}
