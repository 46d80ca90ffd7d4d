/** Data sources written in TypeScript and declared in a spec by `extern`. */
import type { HostTensor, Values } from '../engine/engine.js';
import { inExternLater, type Extern } from '../run/extern-error.js';
import { DataError } from './data-error.js';
import { RunError } from '../run/run-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows, type RowMaker } from './data.js';
import { isDataPath, resolvePath, type DataPath, type FileHost } from './files.js';
import { externRows } from './extern-rows.js';
import { rowsOf, stackedRows, type HostRow } from './prepared.js';
import {
  allocate,
  columnsOf,
  fieldText,
  fits,
  isOpen,
  rangeText,
  rowSize,
  type Batch,
  type FieldType,
  type RecordType,
} from './record.js';
import { isHostOnly } from './table.js';

/** Arrays that a source may give; values must fit the field's declared type. */
export type SourceValues = Values | Float64Array | Int8Array | Int16Array | Uint16Array | Uint32Array;

/** One row of a field whose size differs from row to row, or of a list of texts: row-major. */
export type SourceRow = SourceValues | readonly number[] | readonly string[];

/**
 * The values of rows, row-major, one row after the other. Of texts it is a list, one for each row; of a field whose one size differs from
 * row to row, and of a list of texts, it is a list with an entry for each row.
 */
export type SourceField = SourceValues | readonly string[] | readonly SourceRow[];

/** What an extern data source gives: rows that can be read in any order. */
export interface RowSource {
  /** Number of rows. */
  readonly length: number;
  /** For each field what it has in the rows at `indices` (from 0). */
  read(
    indices: Int32Array,
  ): Readonly<Record<string, SourceField>> | Promise<Readonly<Record<string, SourceField>>>;
  /** Called once when the data set is not needed any more. */
  close?(): void | Promise<void>;
}

/** Written as a method, so that a source may declare its own options' type. */
interface ExternOpener {
  open(options: object): RowSource | Promise<RowSource>;
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
interface Called {
  readonly name: string;
  run<T>(body: () => T | Promise<T>, doing?: string): Promise<T>;
}

function calledAs(source: ExternSource, declared: FromOptions['declared']): Called {
  if (declared === undefined)
    return {
      name: `extern ${source.name === '' ? 'source' : source.name}`,
      run: async (body) => body(),
    };
  const about: Extern = { what: 'data source', ...declared };
  return {
    name: `extern ${declared.name}`,
    run: (body, doing) => inExternLater(about, body, DataError, doing),
  };
}

/** Rows of an extern source. Options made by `data.path` reach it as paths resolved against the data root. */
export function from<B extends Batch>(
  source: ExternSource,
  options: ExternOptions,
  common: FromOptions,
): Data<B> {
  const { record, declared, ...rest } = common;
  const called = calledAs(source, declared);
  const { name } = called;
  const open = (host: FileHost): Promise<OpenRows> => openSource(called, source, options, record, host.root);
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
  { name, run }: Called,
  source: ExternSource,
  options: ExternOptions,
  record: RecordType,
  root: string,
): Promise<OpenRows> {
  const resolved = Object.entries(options).map(([key, value]) => [
    key,
    isDataPath(value) ? resolvePath(root, value) : value,
  ]);
  const given = resolved.map(([key, value]) => `${String(key)} = ${JSON.stringify(value)}`).join(', ');
  const doing = given === '' ? '' : ` with ${given}`;
  let rows: RowSource;
  try {
    rows = await run(() => source(Object.fromEntries(resolved)), doing);
  } catch (error) {
    if (error instanceof DataError || error instanceof RunError) throw error;
    throw new DataError(`${name} failed${doing}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Number.isInteger(rows.length) || rows.length < 0) {
    throw new DataError(
      `${name}: length must be a whole number of rows, got ${rows.length}; correct the source`,
    );
  }
  const fieldsAt = async (indices: Int32Array): Promise<Readonly<Record<string, SourceField>>> => {
    const values: unknown = await run(() => rows.read(indices));
    if (isFields(values)) return values;
    throw new DataError(
      `${name}: read() gave ${values === null ? 'null' : typeof values}; return a record with an array for each field`,
    );
  };
  const hostRows = async function* (indices: Int32Array): AsyncGenerator<HostRow> {
    yield* externRows({ source: name, folder: root, record }, await fieldsAt(indices), indices);
  };
  const isStacked = columnsOf(record).some(({ field }) => isOpen(field));
  return {
    length: rows.length,
    skipped: 0,
    ...(Object.values(record).some(isHostOnly) ? { rows: hostRows } : {}),
    async read(indices) {
      if (isStacked) return stackedRows(record, hostRows(indices), indices, () => ({ file: name }));
      const values = await fieldsAt(indices);
      return columnsOf(record).map((column) =>
        toTensor(name, column.name, column.field, numbersOf(values[column.name]), indices),
      );
    },
    async close() {
      await run(() => rows.close?.());
    },
  };
}

// What a source gives under each name is looked at where it is used.
function isFields(values: unknown): values is Readonly<Record<string, SourceField>> {
  return typeof values === 'object' && values !== null;
}

/** Numbers in an array of their own; a list is none. */
function numbersOf(values: SourceField | undefined): SourceValues | undefined {
  return ArrayBuffer.isView(values) ? values : undefined;
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
  source: string,
  name: string,
  field: FieldType,
  values: SourceValues | undefined,
  indices: Int32Array,
): HostTensor {
  if (values === undefined) {
    throw new DataError(
      `${source}: read() gave no field '${name}' (${fieldText(field)}); return an array of that name`,
    );
  }
  const size = rowSize(field);
  if (values.length !== indices.length * size) {
    throw new DataError(
      `${source}: read() of ${indices.length} rows gave ${values.length} values for field '${name}' (${fieldText(field)}); give ${indices.length} × ${size}`,
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
