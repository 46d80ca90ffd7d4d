/**
 * Reads a safetensors file in pieces, each tensor into memory of its own, with checksums on the way: a file may be larger
 * than what can be read or hashed at once (2 GiB), or than memory, and what is read of it is held only once.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { HostTensor } from '../engine/engine.js';
import { pieceBytes } from './files.js';
import {
  headerLength,
  readLayout,
  SafetensorsError,
  toTensor,
  type Entry,
  type Layout,
} from './safetensors.js';

/** Not a link, and never waited for: a pipe would keep its reader for ever. */
const regular = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a file of `size` bytes (any, where that is null), at the end of whose path stands no link. Rejects with a SafetensorsError
 * where it is no regular file or has another size, with the system's error where it cannot be opened.
 */
export async function openRegular(path: string, size: number | null): Promise<FileHandle> {
  const file = await open(path, regular);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new SafetensorsError('it is no regular file');
    if (size !== null && found.size !== size)
      throw new SafetensorsError(`it has ${found.size} bytes, the manifest says ${size}`);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A tensor with the checksum of its bytes in the file. */
export interface CheckedTensor {
  readonly tensor: HostTensor;
  readonly sha256: string;
}

/** A safetensors file whose header was read. */
export interface OpenTensorFile extends Layout {
  /** Reads one tensor. Rejects with a SafetensorsError. */
  read(entry: Entry): Promise<CheckedTensor>;
  /** The checksum of one tensor, whose bytes are not kept. */
  checksum(entry: Entry): Promise<string>;
  close(): Promise<void>;
}

/** How a file of tensors is read. */
export interface TensorFileOptions {
  /** At most so many bytes are read at once. */
  readonly most?: number;
  /** Is told of the bytes before the data and, unless it `hashes` the `head` alone, of the data as it is read. */
  readonly hash?: Hash | null;
  readonly hashes?: 'all' | 'head' | undefined;
}

/** Opens a file of `size` bytes (any, where that is null) and reads its header. */
export async function openTensorFile(
  path: string,
  size: number | null,
  { most = pieceBytes, hash = null, hashes = 'all' }: TensorFileOptions = {},
): Promise<OpenTensorFile> {
  const file = await openRegular(path, size);
  const ofHead = hash === null ? [] : [hash];
  const also = hashes === 'head' ? [] : ofHead;
  try {
    const all = size ?? (await file.stat()).size;
    const start = await readPieces(file, Math.min(8, all), 0, most, ofHead);
    const header = await readPieces(file, headerLength(start, all), 8, most, ofHead);
    return {
      ...readLayout(header, all),
      read: async (entry) => {
        const own = createHash('sha256');
        const count = entry.end - entry.begin;
        const bytes = await readPieces(file, count, entry.begin, most, [...also, own], entry.name);
        return { tensor: toTensor(entry, bytes), sha256: own.digest('hex') };
      },
      checksum: async (entry) => {
        const own = createHash('sha256');
        await hashPieces(file, entry.end - entry.begin, entry.begin, most, [...also, own]);
        return own.digest('hex');
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The data has no holes: in its own order, the tensors are all of it. */
export const inDataOrder = (entries: readonly Entry[]): readonly Entry[] =>
  [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);

/** SHA-256 of a whole file of `size` bytes, which are not kept. */
export async function hashFile(path: string, size: number, most = pieceBytes): Promise<string> {
  const file = await openRegular(path, size);
  try {
    const hash = createHash('sha256');
    await hashPieces(file, size, 0, most, [hash]);
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** The text of a file of at most `most` bytes (of exactly `size`, where that is known), in UTF-8. */
export async function readTextFile(path: string, most: number, size: number | null = null): Promise<string> {
  const file = await openRegular(path, size);
  try {
    const { size: found } = await file.stat();
    if (found > most) throw new SafetensorsError(`it has ${found} bytes, more than ${most}`);
    const bytes = await readPieces(file, found, 0, pieceBytes, []);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new SafetensorsError('it is not UTF-8');
    }
  } finally {
    await file.close();
  }
}

/** Reads on until all bytes are there: a read may give less than it was asked for. What has arrived is hashed during the next read. */
async function readInto(
  file: FileHandle,
  bytes: Uint8Array,
  at: number,
  most: number,
  hashes: readonly Hash[],
): Promise<void> {
  let hashed = 0;
  const hashTo = (end: number): void => {
    if (end > hashed) for (const hash of hashes) hash.update(bytes.subarray(hashed, end));
    hashed = end;
  };
  for (let from = 0; from < bytes.length;) {
    const reading = file.read(bytes, from, Math.min(most, bytes.length - from), at + from);
    hashTo(from);
    const { bytesRead } = await reading;
    if (bytesRead === 0) throw new SafetensorsError(`it ends at byte ${at + from}; it was cut off`);
    from += bytesRead;
  }
  hashTo(bytes.length);
}

async function readPieces(
  file: FileHandle,
  count: number,
  at: number,
  most: number,
  hashes: readonly Hash[],
  name?: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = room(count, name);
  await readInto(file, bytes, at, most, hashes);
  return bytes;
}

/** Memory of its own, or an error that says for what there was none. */
function room(count: number, name: string | undefined): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(count);
  } catch (error) {
    const what = name === undefined ? 'it' : `tensor ${JSON.stringify(name)}`;
    throw new SafetensorsError(`${what} has ${count} bytes, for which there is no memory`, { cause: error });
  }
}

async function hashPieces(
  file: FileHandle,
  count: number,
  at: number,
  most: number,
  hashes: readonly Hash[],
): Promise<void> {
  const piece = new Uint8Array(Math.min(most, count));
  for (let from = 0; from < count; from += piece.length)
    await readInto(file, piece.subarray(0, Math.min(piece.length, count - from)), at + from, most, hashes);
}
