/** Data sources written in TypeScript and declared in a spec by `extern`. */
import type { HostTensor, Values } from '../engine/engine.js';
import { didYouMean } from '../../values/near.js';
import { inExtern, inExternLater, type Extern } from '../run/extern-error.js';
import { RunError } from '../run/run-error.js';
import { DataError } from './data-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows, type RowMaker } from './data.js';
import { digestOf, isDataPath, resolvePath, type DataPath, type FileHost } from './files.js';
import { externRows } from './extern-rows.js';
import { rowsOf, stackedRows, type HostRow } from './prepared.js';
import {
  allocate,
  recordColumns,
  fieldText,
  fits,
  isOpen,
  isText,
  rangeText,
  rowSize,
  type Batch,
  type FieldType,
  type RecordType,
} from './record.js';
import { unlessStuck } from './settling.js';
import { isHostOnly } from './table.js';
import { counted } from '../../values/counted.js';

/** Arrays that a source may give; values must fit the field's declared type. */
export type SourceValues = Values | Float64Array | Int8Array | Int16Array | Uint16Array | Uint32Array;

/** One row of a field whose size differs from row to row, or of a list of texts: row-major. */
export type SourceRow = SourceValues | readonly number[] | readonly string[];

/**
 * The values of rows, row-major, one row after the other. Of texts it is a list, one for each row; of a field whose one size differs from
 * row to row, and of a list of texts, it is a list with an entry for each row.
 */
export type SourceField = SourceValues | readonly string[] | readonly SourceRow[];

/** Values of a field that may be missing: `null` stands where one is. Without gaps a typed array will do. */
export type ValuesOrMissing = SourceValues | readonly (number | null)[];

/** A text for each row. */
export type SourceTexts = readonly string[];

/** An entry for each row, whose size is its own. */
export type SourceLists = readonly SourceRow[];

/** What a source gives for rows, by the fields' names. */
export type SourceFields = Readonly<Record<string, SourceField>>;

/** What an extern data source gives: rows that can be read in any order. F are its fields, where some may be missing. */
export interface RowSource<F extends object = SourceFields> {
  /** Number of rows. */
  readonly length: number;
  /** For each field what it has in the rows at `indices` (from 0). */
  read(indices: Int32Array): F | Promise<F>;
  /**
   * What tells its data from other data: a checksum, a version, the name of a snapshot. A run that goes on is refused where it is another
   * one, unless `data` is allowed. Without it only the number of rows is compared.
   */
  readonly digest?: string;
  /** Called once when the data set is not needed any more. */
  close?(): void | Promise<void>;
}

/** Written as a method, so that a source may declare its own options' type. */
interface ExternOpener {
  open(options: object): RowSource<object> | Promise<RowSource<object>>;
}
export type ExternSource = ExternOpener['open'];

export type ExternOptions = Readonly<
  Record<string, DataPath | string | number | boolean | null | readonly unknown[]>
>;

export interface FromOptions extends CommonOptions {
  readonly record: RecordType;
  /** What the spec declares it as: its name there, and its file. What it throws is then an error that names both, and the line. */
  readonly declared?: { readonly name: string; readonly file: string };
}

/** A source as its messages have it, and how its code is run. */
export interface Called {
  readonly name: string;
  /** Runs code of the source. `doing` says what it is to do, where that is more than to run. */
  run<T>(body: () => T | Promise<T>, doing?: string): Promise<T>;
  /** The same of code that is not asynchronous. */
  runNow<T>(body: () => T, doing?: string): T;
}

/** `kind` is `extern` or `live`. */
export function calledAs(
  kind: string,
  source: { readonly name: string },
  declared: FromOptions['declared'],
): Called {
  if (declared === undefined)
    return {
      name: `${kind} ${source.name === '' ? 'source' : source.name}`,
      run: unlessStuck,
      runNow: (body) => body(),
    };
  const about: Extern = { what: 'data source', ...declared };
  return {
    name: `${kind} ${declared.name}`,
    run: (body, doing) => inExternLater(about, () => unlessStuck(body), DataError, doing),
    runNow: (body, doing) => inExtern(about, body, doing),
  };
}

/** Rows of an extern source. Options made by `data.path` reach it as paths resolved against the data root. */
export function from<B extends Batch>(
  source: ExternSource,
  options: ExternOptions,
  common: FromOptions,
): Data<B> {
  const { record, declared, ...rest } = common;
  const called = calledAs('extern', source, declared);
  const { name } = called;
  const open = (host: FileHost): Promise<OpenRows> => openSource(called, source, options, record, host);
  const made = { options, code: source.toString() };
  const inWorkers = { isOpened: true, open: makerOf(open, record) };
  return dataOf<B>({ name, record, made, open, inWorkers }, rest);
}

/** Opens the source in a worker, where its own code reads rows. */
const makerOf =
  (open: (host: FileHost) => Promise<OpenRows>, record: RecordType) =>
  async (host: FileHost): Promise<RowMaker> => {
    const opened = await open(host);
    return {
      length: opened.length,
      async *rows(indices) {
        yield* opened.rows?.(indices) ?? rowsOf(record, await opened.read(indices), indices.length);
      },
      close: () => opened.close(),
    };
  };

async function openSource(
  called: Called,
  source: ExternSource,
  options: ExternOptions,
  record: RecordType,
  host: FileHost,
): Promise<OpenRows> {
  const { root } = host;
  const { name, run } = called;
  const rows = await openExtern(called, options, root, source);
  if (!Number.isInteger(rows.length) || rows.length < 0) {
    throw new DataError(
      `${name}: length must be a whole number of rows, got ${rows.length}; correct the source`,
    );
  }
  noteDigest(host, name, rows.digest);
  const given = { source: name, method: 'read()', folder: root, record };
  return {
    length: rows.length,
    skipped: 0,
    ...rowsGiven(given, (indices) => run(() => rows.read(indices))),
    close: () => closeExtern(called, () => rows.close?.()),
  };
}

/** Keeps what the source says of its data as what files say by their own: a SHA-256. Throws a DataError where it is no text. */
function noteDigest(host: FileHost, name: string, digest: unknown): void {
  if (digest === undefined) return;
  if (typeof digest !== 'string' || digest === '')
    throw new DataError(
      `${name}: digest must be a text that is not empty, got ${JSON.stringify(digest) ?? typeof digest}; give a checksum or a version of the data, or leave it out`,
    );
  const bytes = Buffer.from(digest);
  host.note?.({ file: name, bytes: bytes.length, sha256: digestOf(bytes) });
}

/** Calls the function of the TypeScript file. Options made by `data.path` reach it as paths resolved against `root`. */
export async function openExtern<T>(
  { name, run }: Called,
  options: Readonly<Record<string, unknown>>,
  root: string,
  open: (options: object) => T | Promise<T>,
): Promise<T> {
  const resolved = Object.entries(options).map(([key, value]) => [
    key,
    isDataPath(value) ? resolvePath(root, value) : value,
  ]);
  const given = resolved.flatMap(([key, value]) =>
    typeof value === 'function' ? [] : [`${String(key)} = ${JSON.stringify(value)}`],
  );
  const doing = given.length === 0 ? '' : ` with ${given.join(', ')}`;
  try {
    return await run(() => open(Object.fromEntries(resolved)), doing);
  } catch (error) {
    if (error instanceof DataError || error instanceof RunError) throw error;
    throw new DataError(`${name} failed${doing}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Lets the source's own code close it. Rejects with an error that names the source. */
export async function closeExtern(
  { name, run }: Called,
  close: () => void | Promise<void> | undefined,
): Promise<void> {
  try {
    await run(close, ' in close()');
  } catch (error) {
    if (error instanceof DataError || error instanceof RunError) throw error;
    throw new DataError(
      `${name} failed in close(): ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Where the fields of rows come from. */
export interface Given {
  /** The source, as in messages. */
  readonly source: string;
  /** What gave them, for messages: `read()`. */
  readonly method: string;
  /** Where relative paths start. */
  readonly folder: string;
  readonly record: RecordType;
}

/** Rows of a source as its own code gives them. They reject with a DataError where they do not fit the record. */
export function rowsGiven(
  from: Given,
  fields: (indices: Int32Array) => unknown,
): Pick<OpenRows, 'read' | 'rows'> {
  const { source, method, record } = from;
  const fieldsAt = async (indices: Int32Array): Promise<GivenFields> => {
    const values: unknown = await fields(indices);
    if (isFields(values)) {
      const other = Object.keys(values).find(
        (name) => values[name] !== undefined && !Object.hasOwn(record, name),
      );
      if (other === undefined) return values;
      const declared = Object.keys(record);
      throw new DataError(
        `${source}: ${method} gave a field '${other}', which is none of ${declared.join(', ')}${didYouMean(other, declared) || '; declare it, or leave it out'}`,
      );
    }
    throw new DataError(
      `${source}: ${method} gave ${values === null ? 'null' : Array.isArray(values) ? 'a list' : isNumbers(values) ? `a ${values.constructor.name}` : typeof values}; return a record with an array for each field`,
    );
  };
  const hostRows = async function* (indices: Int32Array): AsyncGenerator<HostRow> {
    yield* externRows(from, await fieldsAt(indices), indices);
  };
  const isStacked = recordColumns(record).some(({ field }) => isOpen(field));
  return {
    ...(Object.values(record).some(isHostOnly) ? { rows: hostRows } : {}),
    async read(indices) {
      if (isStacked) return stackedRows(record, hostRows(indices), indices, () => ({ file: source }));
      const values = await fieldsAt(indices);
      return Object.entries(record).flatMap(([name, field]) =>
        isText(field) ? [] : tensorsOf(from, name, field, values[name], indices),
      );
    },
  };
}

/** What a source gives, field by field; what is missing in a field is `null`. */
type GivenFields = Readonly<Record<string, SourceField | readonly (number | null)[]>>;

// What a source gives under each name is looked at where it is used.
function isFields(values: unknown): values is GivenFields {
  return (
    typeof values === 'object' && values !== null && !Array.isArray(values) && !ArrayBuffer.isView(values)
  );
}

/** A field of all rows, and its mask behind it where some of it may be missing. */
export function tensorsOf(
  from: Given,
  name: string,
  field: FieldType,
  values: GivenFields[string] | undefined,
  indices: Int32Array,
): readonly HostTensor[] {
  const isTaken = isNumbers(values) || (field.missing === true && gapsIn(values) !== null);
  if (values !== undefined && !isTaken && gapsIn(values)?.missing.includes(1) !== true)
    throw new DataError(
      `${from.source}: ${from.method} gave ${Array.isArray(values) ? 'a list' : typeof values} for field '${name}' (${fieldText(field)}); give ${field.missing === true ? 'numbers, in a typed array or in a list with null where one is missing' : 'numbers in a typed array'}`,
    );
  if (field.missing !== true) {
    if (gapsIn(values)?.missing.includes(1) === true)
      throw new DataError(
        `${from.source}: ${from.method} gave null in field '${name}' (${fieldText(field)}); give a number, or declare the field as \`${fieldText(field)} | missing\``,
      );
    return [toTensor(from, name, field, numbersOf(values), indices)];
  }
  const gaps = gapsIn(values);
  const own: FieldType = { dtype: field.dtype, shape: field.shape };
  const there = gaps?.values ?? numbersOf(values);
  const value = toTensor(from, name, own, there, indices);
  const mask = gaps?.missing ?? new Uint8Array(value.values.length);
  return [value, { dtype: 'bool', shape: value.shape, values: mask }];
}

/** A list of numbers and gaps: 0 in the place of each gap, and where they are. Null where it is no such list. */
export function gapsIn(
  values: unknown,
): { readonly values: Float64Array; readonly missing: Uint8Array<ArrayBuffer> } | null {
  if (!Array.isArray(values)) return null;
  const list: readonly unknown[] = values;
  if (!list.every((each) => each === null || typeof each === 'number')) return null;
  return {
    values: Float64Array.from(list, (each) => (each === null ? 0 : each)),
    missing: Uint8Array.from(list, (each) => (each === null ? 1 : 0)),
  };
}

/** Numbers in an array of their own; a list is none. */
function numbersOf(values: GivenFields[string] | undefined): SourceValues | undefined {
  return isNumbers(values) ? values : undefined;
}

export function isNumbers(values: unknown): values is SourceValues {
  return ArrayBuffer.isView(values) && !(values instanceof DataView);
}

/** Numbers, or a list of numbers and gaps; undefined for anything else. */
export function valuesOf(values: unknown): GivenFields[string] | undefined {
  return isNumbers(values) ? values : gapsIn(values) === null || !Array.isArray(values) ? undefined : values;
}

function firstMisfit(dtype: FieldType['dtype'], values: SourceValues): number {
  if (values instanceof Float32Array && dtype === 'f32') {
    // Each batch passes here. What is not finite less itself is NaN.
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i] ?? Number.NaN;
      if (value - value !== 0) return i;
    }
    return -1;
  }
  for (let i = 0; i < values.length; i += 1) if (!fits(dtype, values[i] ?? Number.NaN)) return i;
  return -1;
}

export function toTensor(
  { source, method }: Pick<Given, 'source' | 'method'>,
  name: string,
  field: FieldType,
  values: SourceValues | undefined,
  indices: Int32Array,
): HostTensor {
  if (values === undefined) {
    throw new DataError(
      `${source}: ${method} gave no field '${name}' (${fieldText(field)}); return an array of that name`,
    );
  }
  const size = rowSize(field);
  if (values.length !== indices.length * size) {
    throw new DataError(
      `${source}: ${method} of ${counted(indices.length, 'row')} gave ${counted(values.length, 'value')} for field '${name}' (${fieldText(field)}); give ${indices.length} × ${size}`,
    );
  }
  const out = allocate(field.dtype, values.length);
  // Whole numbers of the field's own array always fit; a float may be NaN, and a byte no bool.
  const exact = values.constructor === out.constructor && (field.dtype === 'i32' || field.dtype === 'u8');
  const wrong = exact ? -1 : firstMisfit(field.dtype, values);
  if (wrong >= 0) {
    throw new DataError(
      `${source}: ${values[wrong] ?? ''} is not ${rangeText(field.dtype)}; correct the source or the record`,
      {
        row: (indices[Math.floor(wrong / size)] ?? 0) + 1,
        column: name,
      },
    );
  }
  out.set(values);
  return { dtype: field.dtype, shape: [indices.length, ...field.shape], values: out };
}
