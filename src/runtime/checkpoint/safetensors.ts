/**
 * Reads and writes the safetensors format (https://github.com/huggingface/safetensors, "Format"): 8 bytes of header length,
 * a JSON header, the tensors' bytes without holes. The reader refuses whatever the reference refuses, and what its text
 * forbids but its code lets pass: duplicate names, a header that does not begin with `{`, extra fields, BOOL other than 0 and 1.
 */
import type { DType, HostTensor, Values } from '../engine/engine.js';
import { fromBfloat16, fromFloat16, fromInt64 } from './narrow-numbers.js';
import { parseWrittenJson, type StrictValue } from './strict-json.js';
import { counted, grouped } from '../../values/counted.js';

/** A file that is no valid safetensors file. The message says where it breaks the format. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/** How an element type of a file is held here. */
export interface Stored {
  /** As files name it. */
  readonly name: string;
  /** What its values become, without loss; null where nothing here holds them: such a tensor is there, and cannot be read. */
  readonly dtype: DType | null;
  /** Bits of an element in the file. */
  readonly bits: number;
}

const names: Readonly<Record<DType, string>> = { f32: 'F32', i32: 'I32', u8: 'U8', bool: 'BOOL' };
const types: ReadonlyMap<string, Stored> = new Map(
  (
    [
      ['F32', 'f32', 32],
      ['BF16', 'f32', 16],
      ['F16', 'f32', 16],
      ['I64', 'i32', 64],
      ['I32', 'i32', 32],
      ['U8', 'u8', 8],
      ['BOOL', 'bool', 8],
      // What else the reference has (safetensors 0.6, `Dtype`).
      ['F64', null, 64],
      ['C64', null, 64],
      ['U64', null, 64],
      ['U32', null, 32],
      ['I16', null, 16],
      ['U16', null, 16],
      ['I8', null, 8],
      ['F8_E4M3', null, 8],
      ['F8_E5M2', null, 8],
      ['F8_E8M0', null, 8],
      ['F6_E2M3', null, 6],
      ['F6_E3M2', null, 6],
      ['F4', null, 4],
    ] as const
  ).map(([name, dtype, bits]) => [name, { name, dtype, bits }]),
);

/** Names of the element types whose values are read. */
const read: readonly string[] = [...types.values()].flatMap(({ name, dtype }) =>
  dtype === null ? [] : [name],
);

/** How files name the element type of a tensor. */
export const storedName = (dtype: DType): string => names[dtype];

/** No header is longer; the reference reads up to four times as much. */
export const headerLimit = 25_000_000;

/** No file has more tensors: a header of the length that is allowed could name a million, which takes a reader long. */
export const tensorLimit = 2 ** 17;

/** Tensors as a file has them, sorted by size of element, then name. */
export function inFileOrder(
  tensors: ReadonlyMap<string, HostTensor>,
): readonly (readonly [string, HostTensor])[] {
  return [...tensors].sort(
    ([a, left], [b, right]) =>
      right.values.BYTES_PER_ELEMENT - left.values.BYTES_PER_ELEMENT || (a < b ? -1 : a > b ? 1 : 0),
  );
}

/** A tensor without its values. */
export interface TensorShape {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u8: 1, bool: 1 };

/** How many bytes a tensor's values have. */
export const bytesOf = ({ dtype, shape }: Pick<TensorShape, 'dtype' | 'shape'>): number =>
  shape.reduce((product, n) => product * n, elementBytes[dtype]);

/** Where the tensors of a file will lie. */
export interface PlannedFile {
  /** The length of the header, and the header. */
  readonly start: Uint8Array;
  /** Where each tensor begins in the file, by name. */
  readonly begins: ReadonlyMap<string, number>;
}

/**
 * Lays tensors out one after the other, in the given order. Throws a SafetensorsError where the header grows too long for any
 * reader.
 */
export function planSafetensors(
  tensors: readonly TensorShape[],
  metadata: Readonly<Record<string, string>> = {},
): PlannedFile {
  if (tensors.length > tensorLimit)
    fail(`the file would have ${tensors.length} tensors, more than ${tensorLimit}`);
  let offset = 0;
  const offsets = new Map<string, number>();
  const entries = tensors.map(({ name, dtype, shape }) => {
    const begin = offset;
    offsets.set(name, begin);
    offset += bytesOf({ dtype, shape });
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype: names[dtype], shape, data_offsets: [begin, offset] })}`;
  });
  const meta = Object.keys(metadata).length === 0 ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  const text = new TextEncoder().encode(`{${[...meta, ...entries].join(',')}}`);
  // The header is padded with spaces so that the data begins at a multiple of 8.
  const length = Math.ceil(text.length / 8) * 8;
  if (length > headerLimit) fail(`the header would have ${length} bytes, more than ${headerLimit}`);
  const start = new Uint8Array(8 + length).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(length), true);
  start.set(text, 8);
  return { start, begins: new Map([...offsets].map(([name, begin]) => [name, start.length + begin])) };
}

/**
 * A file's bytes in pieces: the length of its header with the header, and one piece for each tensor. Tensors are sorted by size of
 * element, then name, so that each is aligned. Throws a SafetensorsError where the header grows too long for any reader.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): readonly Uint8Array[] {
  const sorted = inFileOrder(tensors);
  const { start } = planSafetensors(
    sorted.map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    metadata,
  );
  return [start, ...sorted.map(([, { values }]) => littleEndian(values))];
}

const hostIsLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The values' bytes as files hold them. */
export function littleEndian(values: Values): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (hostIsLittle || values.BYTES_PER_ELEMENT === 1) return bytes;
  return Buffer.from(bytes).swap32();
}

/** What a file holds. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Reads a whole file. Throws a SafetensorsError. */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  const length = headerLength(bytes, bytes.length);
  const { entries, metadata } = readLayout(bytes.subarray(8, 8 + length), bytes.length);
  // Copies: aligned, and independent of the file's buffer.
  const tensors = entries.map((entry): readonly [string, HostTensor] => [
    entry.name,
    toTensor(entry, Uint8Array.from(bytes.subarray(entry.begin, entry.end))),
  ]);
  return { tensors: new Map(tensors), metadata };
}

/** Bytes of the header, which begins at byte 8, of a file of `size` bytes that begins with `start`. */
export function headerLength(start: Uint8Array, size: number): number {
  if (size < 8) fail(`the file has ${counted(size, 'byte')}, fewer than the 8 of the header's length`);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > headerLimit) fail(`the header says that it has ${length} bytes, more than ${headerLimit}`);
  if (8 + length > size)
    fail(`the header has ${counted(length, 'byte')}, the file only ${grouped(size)}; it was cut off`);
  return length;
}

/** What a header says of the bytes after it: tensors that fill the file to its end, without holes. */
export interface Layout {
  readonly entries: readonly Entry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Reads a header, without the 8 bytes of its length, of a file of `size` bytes. Throws a SafetensorsError. */
export function readLayout(encoded: Uint8Array, size: number): Layout {
  const start = 8 + encoded.length;
  let metadata: ReadonlyMap<string, string> = new Map();
  const entries: Entry[] = [];
  for (const [name, value] of parseHeader(encoded)) {
    if (name === '__metadata__') {
      metadata = readMetadata(value);
      continue;
    }
    const entry = readEntry(name, value, start);
    if (entry.end > size) {
      fail(`tensor ${JSON.stringify(name)} ends at byte ${entry.end}, the file has ${size}; it was cut off`);
    }
    entries.push(entry);
  }
  checkRanges(entries, start, size);
  return { entries, metadata };
}

function parseHeader(encoded: Uint8Array): ReadonlyMap<string, StrictValue> {
  if (encoded[0] !== 0x7b) fail('the header does not begin with {');
  if (dtypesIn(encoded) > tensorLimit) fail(`the header has more than ${tensorLimit} tensors`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(encoded);
  } catch {
    fail('the header is not UTF-8');
  }
  let header: StrictValue;
  try {
    header = parseWrittenJson(text, true);
  } catch (error) {
    fail(`the header is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return header instanceof Map ? header : fail('the header is no object');
}

/** How often a header names an element type: at least once for each tensor. Within a text, the quotes would be escaped. */
function dtypesIn(encoded: Uint8Array): number {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  let count = 0;
  for (let at = bytes.indexOf('"dtype"'); at >= 0; at = bytes.indexOf('"dtype"', at + 7)) count += 1;
  return count;
}

function readMetadata(value: StrictValue): ReadonlyMap<string, string> {
  if (!(value instanceof Map)) fail('__metadata__ is no object');
  const metadata = new Map<string, string>();
  for (const [key, text] of value) {
    if (typeof text !== 'string') fail(`__metadata__ holds ${JSON.stringify(key)}, which is no text`);
    metadata.set(key, text);
  }
  return metadata;
}

/** One tensor of a file. */
export interface Entry {
  readonly name: string;
  readonly type: Stored;
  readonly shape: readonly number[];
  /** Its first byte in the file, and the one after its last. */
  readonly begin: number;
  readonly end: number;
}

function readEntry(name: string, value: StrictValue, start: number): Entry {
  const where = `tensor ${JSON.stringify(name)}`;
  if (!(value instanceof Map)) fail(`${where} is no object`);
  const extra = [...value.keys()].filter((key) => !['dtype', 'shape', 'data_offsets'].includes(key));
  if (extra.length > 0) fail(`${where} has the unknown fields ${extra.join(', ')}`);
  const dtype = value.get('dtype');
  const type = typeof dtype === 'string' ? types.get(dtype) : undefined;
  if (type === undefined)
    fail(
      `${where} has the element type ${String(dtype)}, of which nothing is known; read are ${read.join(', ')}`,
    );
  const shape = whole(`${where}, shape`, value.get('shape'));
  const offsets = whole(`${where}, data_offsets`, value.get('data_offsets'));
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin === undefined || end === undefined || begin > end) {
    fail(
      `${where} has the data_offsets [${offsets.join(', ')}]; they are two, the first not above the second`,
    );
  }
  // In bytes, and in bits where an element is less than one.
  const unit = type.bits % 8 === 0 ? 8 : 1;
  let size = type.bits / unit;
  // A later 0 does not mend what no number holds.
  for (const n of shape) size = Number.isSafeInteger(size) ? size * n : size;
  const bytes = unit === 8 ? size : size / 8;
  if (!Number.isSafeInteger(size) || bytes !== end - begin) {
    fail(
      `${where} has ${counted(end - begin, 'byte')}, its shape [${shape.join(', ')}] needs ${grouped(bytes)}`,
    );
  }
  return { name, type, shape, begin: start + begin, end: start + end };
}

function whole(where: string, value: StrictValue | undefined): readonly number[] {
  if (!Array.isArray(value)) fail(`${where} is no list`);
  return value.map((one) => {
    if (typeof one !== 'number' || !Number.isSafeInteger(one) || one < 0 || Object.is(one, -0)) {
      fail(`${where} holds ${JSON.stringify(one)}, no whole number of at least 0`);
    }
    return one;
  });
}

function checkRanges(entries: readonly Entry[], start: number, size: number): void {
  let at = start;
  for (const { begin, end, name } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      fail(
        `tensor ${JSON.stringify(name)} begins at byte ${begin - start} of the data, the one before ends at ${at - start}; there is a hole or an overlap`,
      );
    }
    at = end;
  }
  if (at !== size)
    fail(
      `the tensors take ${at - start} bytes, the file holds ${size - start}; there is data that belongs to none`,
    );
}

/**
 * A tensor of its bytes in the file, aligned to its elements, which it keeps where they need no widening. Throws a SafetensorsError, also
 * where its type is not read.
 */
export function toTensor({ name, type, shape }: Entry, own: Uint8Array<ArrayBuffer>): HostTensor {
  const { dtype } = type;
  if (dtype === null)
    fail(`tensor ${JSON.stringify(name)} has the element type ${type.name}; read are ${read.join(', ')}`);
  switch (type.name) {
    case 'F32':
      return { dtype, shape, values: new Float32Array(nativeOrder(own), own.byteOffset, own.length / 4) };
    case 'BF16':
      return { dtype, shape, values: fromBfloat16(own) };
    case 'F16':
      return { dtype, shape, values: fromFloat16(own) };
    case 'I32':
      return { dtype, shape, values: new Int32Array(nativeOrder(own), own.byteOffset, own.length / 4) };
    case 'I64': {
      const values = fromInt64(own);
      if (values === null)
        fail(`tensor ${JSON.stringify(name)} is I64 and holds a number that 32 bits do not hold`);
      return { dtype, shape, values };
    }
    default:
      if (dtype === 'bool' && own.some((value) => value > 1))
        fail(`tensor ${JSON.stringify(name)} is BOOL and holds a value other than 0 and 1`);
      return { dtype, shape, values: own };
  }
}

function nativeOrder(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  if (!hostIsLittle) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).swap32();
  return bytes.buffer;
}

function fail(problem: string): never {
  throw new SafetensorsError(problem);
}
