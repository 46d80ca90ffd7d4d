/**
 * NumPy's `.npz`: a zip archive of `.npy` files, none compressed (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html,
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). All places are known before the first value is.
 */
import type { DType } from '../engine/engine.js';
import { bytesOf, type TensorShape } from './safetensors.js';

const descriptions: Readonly<Record<DType, string>> = { f32: '<f4', i32: '<i4', u8: '|u1', bool: '|b1' };

/** The header of a `.npy` file, version 1.0: the data begins at a multiple of 64. */
export function npyHeader({ dtype, shape }: Pick<TensorShape, 'dtype' | 'shape'>): Uint8Array {
  const sizes = shape.length === 1 ? `${shape.join('')},` : shape.join(', ');
  const text = `{'descr': '${descriptions[dtype]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padded = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(padded, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(padded - 10, 8);
  header.write(text, 10, 'latin1');
  header.write('\n', padded - 1, 'latin1');
  return header;
}

/** CRC-32 of a zip archive, from an earlier one on. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i += 1)
    crc = (crc >>> 8) ^ (crcTable[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
}

const crcTable = Uint32Array.from({ length: 256 }, (_value, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

/** A file in the archive. */
interface Member {
  readonly name: Buffer;
  readonly npy: Uint8Array;
  /** Of the `.npy` file. */
  readonly bytes: number;
  /** Where its local header begins. */
  readonly at: number;
}

export interface PlannedNpz {
  /** Where each tensor's values begin in the file, by name. */
  readonly begins: ReadonlyMap<string, number>;
  /** What stands before the values of each tensor, and where; its checksum is known only with them. */
  before(name: string, values: Uint8Array): { readonly at: number; readonly bytes: Uint8Array };
  /** The directory that ends the file, once `before` was asked for all. */
  end(): { readonly at: number; readonly bytes: Uint8Array };
}

/** Sizes and places above this are written in 64 bits. */
const most32 = 0xffff_ffff;
/** 1 January 1980, the first day that the format knows: the same weights give the same file. */
const noDate = 0x0021_0000;
const utf8Names = 0x0800;

/** Lays an archive out. */
export function planNpz(tensors: readonly TensorShape[]): PlannedNpz {
  const members = new Map<string, Member>();
  const checksums = new Map<string, number>();
  let at = 0;
  for (const tensor of tensors) {
    const name = Buffer.from(`${tensor.name}.npy`);
    const npy = npyHeader(tensor);
    const bytes = npy.length + bytesOf(tensor);
    members.set(tensor.name, { name, npy, bytes, at });
    at += localSize(name) + bytes;
  }
  const total = at;
  return {
    begins: new Map(
      [...members].map(([name, member]) => [name, member.at + localSize(member.name) + member.npy.length]),
    ),
    before: (name, values) => {
      const member = members.get(name);
      if (member === undefined) throw new Error(`${name} is not in the plan`);
      const checksum = crc32(values, crc32(member.npy));
      checksums.set(name, checksum);
      return { at: member.at, bytes: Buffer.concat([localHeader(member, checksum), member.npy]) };
    },
    end: () => {
      const entries = [...members].map(([name, member]) => centralHeader(member, checksums.get(name) ?? 0));
      return { at: total, bytes: Buffer.concat([...entries, ...endOf(members.size, entries, total)]) };
    },
  };
}

/** Sizes stand in 64 bits in each, whatever they are: so all places are known without them. */
const wideField = 20;
const localSize = (name: Buffer): number => 30 + name.length + wideField;

function localHeader({ name, bytes }: Member, checksum: number): Buffer {
  const header = Buffer.alloc(localSize(name));
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(45, 4);
  header.writeUInt16LE(utf8Names, 6);
  header.writeUInt32LE(noDate, 10);
  header.writeUInt32LE(checksum, 14);
  header.writeUInt32LE(most32, 18);
  header.writeUInt32LE(most32, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(wideField, 28);
  name.copy(header, 30);
  writeWide(header, 30 + name.length, [bytes, bytes]);
  return header;
}

function writeWide(header: Buffer, at: number, values: readonly number[]): void {
  header.writeUInt16LE(1, at);
  header.writeUInt16LE(8 * values.length, at + 2);
  for (const [index, value] of values.entries()) header.writeBigUInt64LE(BigInt(value), at + 4 + 8 * index);
}

function centralHeader({ name, bytes, at }: Member, checksum: number): Buffer {
  const wide = [bytes, bytes, at];
  const header = Buffer.alloc(46 + name.length + 4 + 8 * wide.length);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(45, 4);
  header.writeUInt16LE(45, 6);
  header.writeUInt16LE(utf8Names, 8);
  header.writeUInt32LE(noDate, 12);
  header.writeUInt32LE(checksum, 16);
  header.writeUInt32LE(most32, 20);
  header.writeUInt32LE(most32, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(4 + 8 * wide.length, 30);
  header.writeUInt32LE(most32, 42);
  name.copy(header, 46);
  writeWide(header, 46 + name.length, wide);
  return header;
}

function endOf(count: number, entries: readonly Buffer[], at: number): readonly Buffer[] {
  const size = entries.reduce((sum, entry) => sum + entry.length, 0);
  const wide = Buffer.alloc(56);
  wide.writeUInt32LE(0x06064b50, 0);
  wide.writeBigUInt64LE(44n, 4);
  wide.writeUInt16LE(45, 12);
  wide.writeUInt16LE(45, 14);
  wide.writeBigUInt64LE(BigInt(count), 24);
  wide.writeBigUInt64LE(BigInt(count), 32);
  wide.writeBigUInt64LE(BigInt(size), 40);
  wide.writeBigUInt64LE(BigInt(at), 48);
  const place = Buffer.alloc(20);
  place.writeUInt32LE(0x07064b50, 0);
  place.writeBigUInt64LE(BigInt(at + size), 8);
  place.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(count, 0xffff), 8);
  end.writeUInt16LE(Math.min(count, 0xffff), 10);
  end.writeUInt32LE(Math.min(size, most32), 12);
  end.writeUInt32LE(Math.min(at, most32), 16);
  return [wide, place, end];
}
