/**
 * Arrays as NumPy saves them: the format of `.npy` (version 1 to 3, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html),
 * and `.npz`, a ZIP file of them.
 */
import type { Entry } from 'yauzl';
import type { DType, Values } from '../engine/engine.js';
import { listed } from './cells.js';
import { DataError } from './data-error.js';
import { dataOf, type CommonOptions, type Data, type OpenRows } from './data.js';
import { readBytes, writtenPath, type DataPath, type FileHost } from './files.js';
import { rowsInMemory } from './memory.js';
import {
  allocate,
  fieldText,
  numberFields,
  fits,
  rangeText,
  rowSize,
  type Batch,
  type FieldType,
  type RecordType,
} from './record.js';
import { counted } from '../../values/counted.js';

export interface NpyOptions extends CommonOptions {
  /** Relative to the data root. */
  readonly file: string | DataPath;
  /** One field: an array whose first axis is the rows. */
  readonly record: RecordType;
}

export interface NpzOptions extends CommonOptions {
  /** Relative to the data root. */
  readonly file: string | DataPath;
  /** Each field is the array of its name, whose first axis is the rows. */
  readonly record: RecordType;
}

/** Rows of one array of NumPy's. Throws a `DataError` with the place where it is not what the record says. */
export function npy<B extends Batch>({ file, record, ...common }: NpyOptions): Data<B> {
  const written = writtenPath(file);
  const [field, ...others] = numberFields(record, written);
  if (field === undefined || others.length > 0)
    throw new DataError(
      `a record of npy has one field, got ${Object.keys(record).join(', ') || 'none'}; several arrays are an npz file`,
      { file: written },
    );
  const source = {
    name: `npy ${written}`,
    record,
    key: JSON.stringify(['npy', written, record]),
    open: async (host: FileHost): Promise<OpenRows> => {
      const { rows, values } = arrayOf(await readBytes(host, file), written, field);
      return rowsInMemory(record, new Map([[field[0], values]]), rows);
    },
  };
  return dataOf<B>(source, common);
}

/** Rows of several arrays of NumPy's in one file. Throws a `DataError` with the place where one is not what the record says. */
export function npz<B extends Batch>({ file, record, ...common }: NpzOptions): Data<B> {
  const written = writtenPath(file);
  const source = {
    name: `npz ${written}`,
    record,
    key: JSON.stringify(['npz', written, record]),
    open: async (host: FileHost): Promise<OpenRows> => {
      const fields = numberFields(record, written);
      const arrays = await unzipped(await readBytes(host, file), written, new Map(fields));
      const columns = new Map<string, Values>();
      let first: { readonly name: string; readonly rows: number } | null = null;
      for (const [name, field] of fields) {
        const bytes = arrays.get(name);
        if (bytes === undefined) throw new Error(`no array ${name}; this is a fault of the runtime`);
        const { rows, values } = arrayOf(bytes, written, [name, field]);
        first ??= { name, rows };
        if (rows !== first.rows)
          throw new DataError(
            `there ${rows === 1 ? 'is' : 'are'} ${counted(rows, 'row')} in '${name}' and ${first.rows} in '${first.name}'; both must belong together`,
            { file: written },
          );
        columns.set(name, values);
      }
      return rowsInMemory(record, columns, first?.rows ?? 0);
    },
  };
  return dataOf<B>(source, common);
}

/** The bytes of the arrays of these fields in an npz file. */
async function unzipped(
  bytes: Buffer,
  file: string,
  wanted: ReadonlyMap<string, FieldType>,
): Promise<ReadonlyMap<string, Buffer>> {
  const { default: yauzl } = await import('yauzl');
  const found = new Map<string, Buffer>();
  const names: string[] = [];
  try {
    const zip = await yauzl.fromBufferPromise(bytes, { lazyEntries: true });
    for await (const entry of zip.eachEntry()) {
      const name = nameOf(entry);
      if (name === null) continue;
      names.push(name);
      const field = wanted.get(name);
      if (field === undefined) continue;
      found.set(name, await inflated(await zip.openReadStreamPromise(entry), entry, file, [name, field]));
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `the file is no npz file, or is damaged (${error instanceof Error ? error.message : String(error)}); write it by numpy.savez`,
      { file },
    );
  }
  const missing = [...wanted.keys()].find((name) => !found.has(name));
  if (missing !== undefined)
    throw new DataError(`there is no array '${missing}' in it; it has ${listed(names)}; correct the record`, {
      file,
      column: missing,
    });
  return found;
}

/** No header of an array is longer: that of an array of numbers has a hundred bytes. */
const headerLimit = 2 ** 20;
/** What unpacks to more than so many bytes, and to so many times its size in the file, is taken for no data. */
const bombBytes = 2 ** 32;
const bombRatio = 100;

/** An array out of the archive, which takes no more memory than its header, of which the field knows all but the rows, asks for. */
async function inflated(
  stream: AsyncIterable<Uint8Array | string>,
  { compressedSize, uncompressedSize }: Entry,
  file: string,
  field: readonly [string, FieldType],
): Promise<Buffer> {
  const fail = (problem: string): never => {
    throw new DataError(problem, { file, column: field[0] });
  };
  if (uncompressedSize > bombBytes && uncompressedSize > bombRatio * compressedSize)
    fail(
      `the array unpacks to ${uncompressedSize} bytes, from ${compressedSize}: so much out of so little is refused; write it by numpy.savez, without compression`,
    );
  let start = Buffer.alloc(0);
  let all: Buffer | null = null;
  let filled = 0;
  for await (const part of stream) {
    const piece = Buffer.from(part);
    if (all === null) {
      start = Buffer.concat([start, piece]);
      const end = headerEnd(start);
      if (end > headerLimit) fail(`its header has ${end} bytes, more than ${headerLimit}; write it again`);
      if (start.length < end) continue;
      const { count, reader, header } = layoutOf(start, file, field);
      if (header.start + count * reader.size !== uncompressedSize)
        wrongLength(fail, count, reader.size, uncompressedSize - header.start);
      all = Buffer.allocUnsafe(uncompressedSize);
      filled = start.copy(all);
    } else filled += piece.copy(all, filled);
  }
  // One that is cut off within its header is told as one that is in no archive.
  return all ?? start;
}

/** Where the header of an array ends, as far as its first bytes say. */
function headerEnd(bytes: Buffer): number {
  if (bytes.length < 12) return 12;
  return (bytes[6] ?? 0) > 1 ? 12 + bytes.readUInt32LE(8) : 10 + bytes.readUInt16LE(8);
}

function nameOf({ fileName }: Entry): string | null {
  return fileName.endsWith('.npy') ? fileName.slice(0, -'.npy'.length) : null;
}

/** How one value of NumPy's element type lies in the file, by the type's name without its byte order. */
const readers: Readonly<
  Record<string, { readonly size: number; readonly at: (view: DataView, at: number) => number }>
> = {
  f4: { size: 4, at: (view, at) => view.getFloat32(at, true) },
  f8: { size: 8, at: (view, at) => view.getFloat64(at, true) },
  i1: { size: 1, at: (view, at) => view.getInt8(at) },
  i2: { size: 2, at: (view, at) => view.getInt16(at, true) },
  i4: { size: 4, at: (view, at) => view.getInt32(at, true) },
  i8: { size: 8, at: (view, at) => Number(view.getBigInt64(at, true)) },
  u1: { size: 1, at: (view, at) => view.getUint8(at) },
  u2: { size: 2, at: (view, at) => view.getUint16(at, true) },
  u4: { size: 4, at: (view, at) => view.getUint32(at, true) },
  u8: { size: 8, at: (view, at) => Number(view.getBigUint64(at, true)) },
  b1: { size: 1, at: (view, at) => view.getUint8(at) },
};

/** Which of them an element type takes: whole numbers are no floats, and floats no whole numbers. */
function takes(dtype: DType, kind: string): boolean {
  if (dtype === 'f32') return kind === 'f';
  return dtype === 'bool' ? kind === 'b' : kind === 'i' || kind === 'u';
}

interface Header {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly fortran: boolean;
  /** Where the values start. */
  readonly start: number;
}

const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);

function headerOf(bytes: Buffer, fail: (problem: string) => never): Header {
  if (bytes.length < 12 || !magic.every((byte, at) => bytes[at] === byte))
    fail(
      'this is no array of NumPy: it does not start with \\x93NUMPY; write it by numpy.save or numpy.savez',
    );
  const wide = (bytes[6] ?? 0) > 1;
  const length = wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const start = (wide ? 12 : 10) + length;
  if (bytes.length < start) fail('the file ends within its header; it is cut short, write it again');
  const text = bytes.toString('utf8', wide ? 12 : 10, start);
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  if (descr === undefined || shape === undefined || fortran === undefined)
    return fail(
      `the header is not one of numbers: ${text.trim().slice(0, 80)}; save plain arrays of one type`,
    );
  const sizes = shape.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  return { descr, shape: sizes, fortran: fortran === 'True', start };
}

interface ArrayLayout {
  readonly header: Header;
  readonly reader: NonNullable<(typeof readers)[string]>;
  readonly rows: number;
  /** Values of all rows. */
  readonly count: number;
}

const wrongLength = (fail: (problem: string) => never, count: number, size: number, bytes: number): never =>
  fail(
    `the header promises ${counted(count, 'value')} of ${counted(size, 'byte')}, and has ${counted(bytes, 'byte')} behind it; it is cut short or damaged, write it again`,
  );

/** How an array lies in its bytes, of which the header is needed alone. */
function layoutOf(bytes: Buffer, file: string, [name, field]: readonly [string, FieldType]): ArrayLayout {
  const fail = (problem: string): never => {
    throw new DataError(problem, { file, column: name });
  };
  const header = headerOf(bytes, fail);
  const { descr, shape, fortran } = header;
  const reader = readers[descr.slice(1)];
  if (reader === undefined || descr.startsWith('>') || !takes(field.dtype, descr.charAt(1)))
    return fail(
      `the array holds ${descr}, the field is ${fieldText(field)}; convert it, as with x.astype('${field.dtype === 'f32' ? 'float32' : field.dtype === 'bool' ? 'bool' : 'int32'}')`,
    );
  if (fortran && shape.length > 1)
    return fail('the array is in the order of Fortran; save numpy.ascontiguousarray(x)');
  const [rows, ...row] = shape;
  if (rows === undefined) return fail('the array is one number; its first axis must be the rows');
  if (row.join(',') !== field.shape.join(','))
    return fail(
      `a row of the array has shape [${row.join(', ')}], the field is ${fieldText(field)}; correct the record or the file`,
    );
  return { header, reader, rows, count: rows * rowSize(field) };
}

/** The values of an array, rows first. */
function arrayOf(
  bytes: Buffer,
  file: string,
  [name, field]: readonly [string, FieldType],
): { readonly rows: number; readonly values: Values } {
  const { header, reader, rows, count } = layoutOf(bytes, file, [name, field]);
  const { start } = header;
  const fail = (problem: string): never => {
    throw new DataError(problem, { file, column: name });
  };
  if (bytes.length - start !== count * reader.size)
    wrongLength(fail, count, reader.size, bytes.length - start);
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  const values = allocate(field.dtype, count);
  for (let i = 0; i < count; i += 1) {
    const value = reader.at(view, i * reader.size);
    if (!fits(field.dtype, value))
      throw new DataError(`${value} is not ${rangeText(field.dtype)}; correct the array or the record`, {
        file,
        row: Math.floor(i / Math.max(1, rowSize(field))) + 1,
        column: name,
      });
    values[i] = value;
  }
  return { rows, values };
}
