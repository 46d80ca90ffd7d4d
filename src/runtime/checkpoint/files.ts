/** Files that are whole or absent: written beside their place, flushed to the disk, then renamed into it. */
import { createHash, randomBytes } from 'node:crypto';
import { constants, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { makeFolder as makeParents } from '../../values/folders.js';
import { dirname } from 'node:path';
import { RunError } from '../run/run-error.js';

/** A name beside `path` that no other process uses. */
export function besides(path: string): string {
  return `${path}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
}

const fresh = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** At most so many bytes are read, written or hashed at once: Node takes no more than 2 GiB. */
export const pieceBytes = 2 ** 26;

/** SHA-256 of pieces, one after the other, in hexadecimal digits. */
export function sha256(pieces: readonly Uint8Array[], most = pieceBytes): string {
  const hash = createHash('sha256');
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += most) hash.update(piece.subarray(from, from + most));
  }
  return hash.digest('hex');
}

/** Writes a new file and flushes it. Rejects where it exists. */
export async function writeNew(
  path: string,
  pieces: readonly Uint8Array[],
  most = pieceBytes,
): Promise<void> {
  const file = await open(path, fresh, 0o644);
  try {
    for (const piece of pieces) {
      // A write may take less than it was given.
      for (let from = 0; from < piece.length;) {
        const { bytesWritten } = await file.write(piece, from, Math.min(most, piece.length - from));
        from += bytesWritten;
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Flushes a folder's entries, so that a rename in it outlives a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Replaces a small file in one step: a reader sees the old text or the new. */
export async function replaceText(path: string, text: string): Promise<void> {
  const temporary = besides(path);
  try {
    await writeNew(temporary, [new TextEncoder().encode(text)]);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The same without waiting for the disk, for a process that ends now. */
export function replaceTextNow(path: string, text: string): void {
  const temporary = besides(path);
  try {
    writeFileSync(temporary, text, { flag: 'wx', mode: 0o644 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes a folder that is filled by `fill` and appears under its name only when it is complete. */
export async function makeFolder(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = besides(path);
  const parent = dirname(path);
  try {
    const isNew = !existsSync(parent);
    makeParents(parent);
    // A new parent has an entry of its own that a power cut must not take.
    if (isNew) await syncFolder(dirname(parent));
    await mkdir(temporary, { mode: 0o755 });
    await fill(temporary);
    await syncFolder(temporary);
    await rename(temporary, path);
    await syncFolder(parent);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

const reasons: ReadonlyMap<string, (other: string) => string> = new Map<string, (other: string) => string>([
  ['ENOSPC', (other) => `the disk is full; free some space, or choose ${other}`],
  ['EDQUOT', (other) => `the disk quota is used up; free some space, or choose ${other}`],
  ['EACCES', (other) => `no permission; choose ${other}`],
  ['EPERM', (other) => `not permitted; choose ${other}`],
  ['EROFS', (other) => `the file system is read-only; choose ${other}`],
  ['ENOTDIR', (other) => `a part of the path is a file, not a folder; choose ${other}`],
  ['ENOTSUP', (other) => `no folder can be made there; choose ${other}`],
  ['EISDIR', (other) => `a folder stands there; choose ${other}`],
  ['ENOTEMPTY', (other) => `something else stands there; choose ${other}`],
  ['EEXIST', (other) => `something else stands there; choose ${other}`],
  ['ENOENT', () => 'the folder is gone; was it removed during the run?'],
  ['EMFILE', () => 'too many open files; raise the limit with ulimit -n'],
]);

/**
 * The error as a RunError that says what to do, where the operating system refused a file. `other` is what the user can
 * choose instead.
 */
export function fileError(what: string, error: unknown, other = 'another --run-dir'): Error {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (code === null) return error instanceof Error ? error : new Error(String(error));
  return new RunError(`${what}: ${reasons.get(code)?.(other) ?? code}`, { cause: error });
}
