/**
 * Reads a safetensors file in pieces, each tensor into memory of its own, with checksums on the way: a file may be larger
 * than what can be read or hashed at once (2 GiB), and is held only once.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import type { HostTensor } from '../engine/engine.js';
import { pieceBytes } from './files.js';
import { headerLength, readLayout, SafetensorsError, toTensor } from './safetensors.js';

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** SHA-256 of each tensor's bytes, by name. */
  readonly checksums: ReadonlyMap<string, string>;
  /** SHA-256 of the whole file. */
  readonly sha256: string;
}

/**
 * Reads a file of `size` bytes, at most `most` at once. Rejects with a SafetensorsError where it has another size or is no
 * safetensors file, with the system's error where it cannot be read.
 */
export async function readTensorFile(path: string, size: number, most = pieceBytes): Promise<TensorFile> {
  const file = await open(path, 'r');
  try {
    const { size: found } = await file.stat();
    if (found !== size) throw new SafetensorsError(`it has ${found} bytes, the manifest says ${size}`);
    const whole = createHash('sha256');
    const read = (count: number, at: number, hashes: readonly Hash[]) =>
      readPieces(file, count, at, most, hashes);
    const start = await read(Math.min(8, size), 0, [whole]);
    const header = await read(headerLength(start, size), 8, [whole]);
    const entries = readLayout(header, size).entries;
    const tensors = new Map<string, HostTensor>();
    const checksums = new Map<string, string>();
    // The data has no holes: in its own order, the tensors are all of it.
    for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
      const own = createHash('sha256');
      const bytes = await read(entry.end - entry.begin, entry.begin, [whole, own]);
      checksums.set(entry.name, own.digest('hex'));
      tensors.set(entry.name, toTensor(entry, bytes));
    }
    return { tensors, checksums, sha256: whole.digest('hex') };
  } finally {
    await file.close();
  }
}

async function readPieces(
  file: FileHandle,
  count: number,
  at: number,
  most: number,
  hashes: readonly Hash[],
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let from = 0; from < count;) {
    const { bytesRead } = await file.read(bytes, from, Math.min(most, count - from), at + from);
    if (bytesRead === 0) throw new SafetensorsError(`it ends at byte ${at + from}; it was cut off`);
    for (const hash of hashes) hash.update(bytes.subarray(from, from + bytesRead));
    from += bytesRead;
  }
  return bytes;
}
