/**
 * Reads a safetensors file in pieces, each tensor into memory of its own, with checksums on the way: a file may be larger
 * than what can be read or hashed at once (2 GiB), or than memory, and what is read of it is held only once. While a piece is
 * hashed the next ones are read.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { HostTensor } from '../engine/engine.js';
import { checksums, type Checksum, type ChecksumKind, type Summing } from './checksum.js';
import { readAhead, readBytes } from './read-ahead.js';
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
  readonly entry: Entry;
  /** Null where its bytes were not kept. */
  readonly tensor: HostTensor | null;
  /** Null where none is made. */
  readonly checksum: Checksum | null;
}

/** A safetensors file whose header was read. */
export interface OpenTensorFile extends Layout {
  /**
   * Tensors one after the other, in the given order, in which they should lie in the file, small neighbours together: what comes next is
   * read while some are looked at. Those that `keeps` does not name are read and not kept. With `together`, for whoever drops all of them
   * at once, they share memory. Rejects with a SafetensorsError.
   */
  each(
    entries: readonly Entry[],
    keeps: (entry: Entry) => boolean,
    together?: boolean,
  ): AsyncGenerator<readonly CheckedTensor[], void, void>;
  close(): Promise<void>;
}

/** How a file of tensors is read. */
export interface TensorFileOptions {
  /** At most so many bytes are read at once. */
  readonly most?: number;
  /** Is told of the bytes before the data and, unless it `hashes` the `head` alone, of the data as it is read. */
  readonly hash?: Hash | null;
  readonly hashes?: 'all' | 'head' | undefined;
  /** Which checksum of each tensor is made while it is read; null for none. */
  readonly checksum?: ChecksumKind | null;
}

/** Opens a file of `size` bytes (any, where that is null) and reads its header. */
export async function openTensorFile(
  path: string,
  size: number | null,
  { most = readBytes, hash = null, hashes = 'all', checksum = null }: TensorFileOptions = {},
): Promise<OpenTensorFile> {
  const file = await openRegular(path, size);
  const also = hashes === 'head' ? null : hash;
  try {
    const all = size ?? (await file.stat()).size;
    const start = await readPart(file, 0, Math.min(8, all), most, hash);
    const header = await readPart(file, 8, 8 + headerLength(start, all), most, hash);
    return {
      ...readLayout(header, all),
      each: (entries, keeps, together = false) =>
        eachOf(file, entries, together ? sharedRooms(entries.filter(keeps)) : ownRooms(keeps), {
          most,
          also,
          checksum,
        }),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* eachOf(
  file: FileHandle,
  entries: readonly Entry[],
  roomOf: (entry: Entry) => Uint8Array<ArrayBuffer> | null,
  {
    most,
    also,
    checksum,
  }: { readonly most: number; readonly also: Hash | null; readonly checksum: ChecksumKind | null },
): AsyncGenerator<readonly CheckedTensor[], void, void> {
  const parts = entries.map((entry) => ({
    entry,
    begin: entry.begin,
    end: entry.end,
    room: () => roomOf(entry),
  }));
  const sums = checksum === null ? null : await checksums(checksum);
  let sum: Summing | null = null;
  for await (const arrived of readAhead(file, parts, most)) {
    const whole: CheckedTensor[] = [];
    for (const { part, memory, bytes, isFirst, isLast } of arrived) {
      also?.update(bytes);
      let made: Checksum | null = null;
      if (sums !== null && isFirst && isLast) made = sums.of(bytes);
      else if (sums !== null) {
        if (isFirst) sum = sums.begin();
        sum?.update(bytes);
        if (isLast) made = sum?.end() ?? null;
      }
      const { entry } = part;
      if (isLast)
        whole.push({ entry, tensor: memory === null ? null : toTensor(entry, memory), checksum: made });
    }
    if (whole.length > 0) yield whole;
  }
}

/** The data has no holes: in its own order, the tensors are all of it. */
export const inDataOrder = (entries: readonly Entry[]): readonly Entry[] =>
  [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);

/** SHA-256 of a whole file of `size` bytes, which are not kept. */
export async function hashFile(path: string, size: number, most = readBytes): Promise<string> {
  const file = await openRegular(path, size);
  try {
    const hash = createHash('sha256');
    const whole = { begin: 0, end: size, room: () => null };
    for await (const arrived of readAhead(file, [whole], most))
      for (const { bytes } of arrived) hash.update(bytes);
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
    const bytes = await readPart(file, 0, found, readBytes, null);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new SafetensorsError('it is not UTF-8');
    }
  } finally {
    await file.close();
  }
}

/** A part of a file in memory of its own; `hash` is told of its bytes. */
async function readPart(
  file: FileHandle,
  begin: number,
  end: number,
  most: number,
  hash: Hash | null,
): Promise<Uint8Array<ArrayBuffer>> {
  const own = room(end - begin);
  for await (const arrived of readAhead(file, [{ begin, end, room: () => own }], most))
    for (const { bytes } of arrived) hash?.update(bytes);
  return own;
}

/** Memory of its own, or an error that says for what there was none. */
function room(count: number, name?: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(count);
  } catch (error) {
    const what = name === undefined ? 'it' : `tensor ${JSON.stringify(name)}`;
    throw new SafetensorsError(`${what} has ${count} bytes, for which there is no memory`, { cause: error });
  }
}

const ownRooms =
  (keeps: (entry: Entry) => boolean) =>
  (entry: Entry): Uint8Array<ArrayBuffer> | null =>
    keeps(entry) ? room(entry.end - entry.begin, entry.name) : null;

/** At most so much memory is asked for at once, for tensors that share it. */
const sharedBytes = 2 ** 30;

/** Where each tensor begins in shared memory, of any element type. */
const aligned = ({ begin, end }: Entry): number => Math.ceil((end - begin) / 8) * 8;

/**
 * Memory for tensors that are asked for in their order, which as many of them share as `most` bytes hold: memory is made in one piece instead
 * of one for each tensor, of which every few the collector would look through all objects. None for what is not among them.
 */
export function sharedRooms(
  entries: readonly Entry[],
  most = sharedBytes,
): (entry: Entry) => Uint8Array<ArrayBuffer> | null {
  const places = new Map(entries.map((entry, index) => [entry, index]));
  let block: ArrayBuffer | null = null;
  let used = 0;
  return (entry) => {
    const index = places.get(entry);
    if (index === undefined) return null;
    const count = entry.end - entry.begin;
    if (block === null || used + count > block.byteLength) {
      let size = 0;
      for (const next of entries.slice(index)) {
        if (size > 0 && size + aligned(next) > most) break;
        size += aligned(next);
      }
      used = 0;
      try {
        block = new ArrayBuffer(size);
      } catch {
        block = null;
        return room(count, entry.name);
      }
    }
    const own = new Uint8Array(block, used, count);
    used += aligned(entry);
    return own;
  };
}
