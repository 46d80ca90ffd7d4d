/**
 * The shape of one row: named fields, each with an element type and sizes. Every source fills arrays in this form,
 * so that batches are made in one place.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { DType, HostTensor, Values } from '../engine/engine.js';
import { DataError } from './data-error.js';
import type { DataPath } from './files.js';
import { Texts, textsHere, type TextKind } from './texts.js';

/** A field of numbers of a row. `shape` is of one row, without the batch; -1 stands for a size that differs from row to row. */
export interface FieldType {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Of sizes that differ, in their order: those of one name are equal in each row. */
  readonly names?: readonly string[];
  /** Texts that stand for 0, 1, 2, … in sources that hold text. */
  readonly choices?: readonly string[];
  /** Of what `prepare` gives: the field of the rows before whose classes it has, handed on as they are, and so their names. */
  readonly from?: string;
  /** Of what `prepare` gives: the file whose words are the names of its classes. */
  readonly words?: string | DataPath;
  /** Of such a field: the number of words that are not in the file. Where it is that of one of them, its classes have no names. */
  readonly unknown?: number;
  /** Whether its values may be missing: a mask is beside them, and 0 in their place. */
  readonly missing?: boolean;
}

/** A field of texts: one, or as many as the shape says. */
export interface TextField {
  readonly dtype: TextKind;
  readonly shape: readonly number[];
  readonly names?: readonly string[];
}

export type RowField = FieldType | TextField;

export type RecordType = Readonly<Record<string, RowField>>;

export function isText(field: RowField): field is TextField {
  return field.dtype === 'string' || field.dtype === 'path';
}

/** Whether a field's size differs from row to row. */
export function isOpen({ shape }: RowField): boolean {
  return shape.includes(-1);
}

/** Values of which some may be missing: `missing` is a bool tensor of their shape, and says which. */
export interface OrMissing<T extends Tensor> {
  /** Where a value is missing it is 0. */
  readonly value: T;
  readonly missing: T;
}

/** What a step gets: a tensor for each field, the batch first; of texts, what stands for them. */
export type Batch = Readonly<Record<string, Tensor | OrMissing<Tensor> | Texts>>;

/** One tensor of a batch: a field's values, or its mask. */
export interface Column {
  /** The field's name; of a mask, with `.missing` behind it. */
  readonly name: string;
  readonly field: FieldType;
}

/** The tensors of a batch, in their order: the values of each field of numbers, and a mask behind those that may be missing. */
export function recordColumns(record: RecordType): readonly Column[] {
  return Object.entries(record).flatMap(([name, field]): readonly Column[] =>
    isText(field)
      ? []
      : field.missing === true
        ? [
            { name, field },
            { name: maskName(name), field: { dtype: 'bool', shape: field.shape } },
          ]
        : [{ name, field }],
  );
}

/** The name of a field's mask. */
export function maskName(field: string): string {
  return `${field}.missing`;
}

/** The fields of a record of a source that holds numbers alone. Throws a DataError for one of texts. */
export function numberFields(record: RecordType, file: string): readonly (readonly [string, FieldType])[] {
  return Object.entries(record).map(([name, field]) => {
    if (isText(field))
      throw new DataError(`field '${name}' (${fieldText(field)}) is a text, which the file cannot hold`, {
        file,
      });
    return [name, field] as const;
  });
}

/** A typed array for `count` values of a dtype. */
export function allocate(dtype: DType, count: number): Values {
  if (dtype === 'f32') return new Float32Array(count);
  return dtype === 'i32' ? new Int32Array(count) : new Uint8Array(count);
}

/** Number of values of a field in one row. */
export function rowSize(field: RowField): number {
  return field.shape.reduce((size, dim) => size * dim, 1);
}

/** `f32[4]`, `i32`, `string[len]`: as written in a spec. */
export function fieldText(field: RowField): string {
  const { dtype, shape, names = [] } = field;
  let named = 0;
  const sizes = shape.map((size) => (size === -1 ? (names[(named += 1) - 1] ?? '-1') : `${size}`));
  const size = shape.length === 0 ? '' : `[${sizes.join(', ')}]`;
  if (isText(field)) return dtype + size;
  const { choices, missing } = field;
  const values = choices === undefined ? dtype : choices.map((choice) => `"${choice}"`).join(' | ');
  return values + size + (missing === true ? ' | missing' : '');
}

/** Whether a number can be held by the dtype as it is (f32: up to rounding). */
export function fits(dtype: DType, value: number): boolean {
  if (dtype === 'f32') return Number.isFinite(value) && Number.isFinite(Math.fround(value));
  if (!Number.isInteger(value)) return false;
  if (dtype === 'i32') return value >= -2147483648 && value <= 2147483647;
  return value >= 0 && value <= (dtype === 'u8' ? 255 : 1);
}

/** What a dtype takes, for messages. */
export function rangeText(dtype: DType): string {
  if (dtype === 'f32') return 'a finite number';
  if (dtype === 'i32') return 'a whole number from -2147483648 to 2147483647';
  return dtype === 'u8' ? 'a whole number from 0 to 255' : 'true, false, 1 or 0';
}

// Of so many values a row is copied faster one by one than by making a view of it.
const fewValues = 48;

/** The rows at `indices` of a field's values, as a batch. */
export function gatherRows(field: FieldType, values: Values, indices: Int32Array): HostTensor {
  const size = rowSize(field);
  const out = allocate(field.dtype, indices.length * size);
  for (let i = 0; i < indices.length; i += 1) {
    const from = (indices[i] ?? 0) * size;
    if (size > fewValues) out.set(values.subarray(from, from + size), i * size);
    else for (let at = 0; at < size; at += 1) out[i * size + at] = values[from + at] ?? 0;
  }
  return { dtype: field.dtype, shape: [indices.length, ...field.shape], values: out };
}

/** Tensors in the order of `recordColumns`, by the names of the fields. */
export function toRecord<B extends Batch>(record: RecordType, tensors: readonly Tensor[]): B {
  const columns = recordColumns(record);
  if (tensors.length !== columns.length) {
    throw new DataError(
      `a batch of ${columns.map(({ name }) => name).join(', ')} needs ${columns.length} tensors, got ${tensors.length}`,
    );
  }
  const byName = new Map(columns.map(({ name }, at) => [name, tensors[at]] as const));
  const batch: Batch = Object.fromEntries(
    Object.entries(record).flatMap(([name, field]): [string, Tensor | OrMissing<Tensor> | Texts][] => {
      if (isText(field)) return [[name, textsHere(name)]];
      const [value, missing] = [byName.get(name), byName.get(maskName(name))];
      if (value === undefined) return [];
      return [[name, missing === undefined ? value : { value, missing }]];
    }),
  );
  if (!isBatch<B>(batch, record)) {
    const got = columns.map(({ name }, at) => `${name} [${(tensors[at]?.shape ?? []).join(', ')}]`);
    const wanted = columns.map(({ name, field }) => `${name} [${['rows', ...field.shape].join(', ')}]`);
    throw new DataError(
      `a batch does not have its record's ranks: wanted ${wanted.join(', ')}, got ${got.join(', ')}`,
    );
  }
  return batch;
}

/** Whether the tensors have the ranks that the record (and so the batch's type, which is made of it) says. */
function isBatch<B extends Batch>(batch: Batch, record: RecordType): batch is B {
  return Object.entries(record).every(([name, type]) => {
    const field = batch[name];
    const { shape } = type;
    if (field instanceof Texts) return isText(type);
    const tensors = field === undefined ? [] : 'missing' in field ? [field.value, field.missing] : [field];
    return tensors.length > 0 && tensors.every(({ rank }) => rank === shape.length + 1);
  });
}
