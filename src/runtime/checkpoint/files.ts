/** Files that are whole or absent: written beside their place, flushed to the disk, then renamed into it. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { makeFolder as makeParents } from '../../values/folders.js';
import { basename, dirname, join, resolve } from 'node:path';
import { isAlive } from '../../values/process-alive.js';
import { RunError } from '../run/run-error.js';
import type { Checksum, Checksums, Summing } from './checksum.js';

/** Tells this process from an earlier one of the same number, as the first process of a container always is. */
const own = randomBytes(4).toString('hex');
let made = 0;

/** A name beside `path` that nothing else uses: it tells which process made it. */
export function besides(path: string): string {
  made += 1;
  return `${path}.tmp-${process.pid}-${own}${made.toString(16).padStart(4, '0')}`;
}

const temporaryName = /\.tmp-(\d+)-([0-9a-f]{8})[0-9a-f]*$/;

/** Whether a name is one that `besides` gives to what has one of these names. */
export function isTemporaryOf(names: readonly string[], name: string): boolean {
  const [found] = temporaryName.exec(name) ?? [];
  return found !== undefined && names.includes(name.slice(0, -found.length));
}

/**
 * Removes what processes that are gone left half written in a folder, of all that `are` named so. One process at a time works in it: what
 * belongs to a process that lives stays all the same.
 */
export async function sweepTemporaries(
  folder: string,
  are: (name: string) => boolean = () => true,
): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (are(name) && isLeft(name)) await removeAnyway(join(folder, name));
}

/** Whether the process that made it is gone from this machine. */
function isLeft(name: string): boolean {
  const [found, pid = '', token = ''] = temporaryName.exec(name) ?? [];
  if (outOfUse.has(name)) return true;
  if (found === undefined || token === own) return false;
  return Number(pid) === process.pid || !isAlive(Number(pid));
}

/** Names of what this process would have removed and could not: a file that another has open stays in its folder on some disks. */
const outOfUse = new Set<string>();

/** What cannot be removed costs room and nothing else: the next sweep tries again. */
async function removeAnyway(path: string): Promise<void> {
  outOfUse.add(basename(path));
  try {
    await rm(path, { recursive: true, force: true });
    outOfUse.delete(basename(path));
  } catch {
    // As said.
  }
}

const quietMs = 600_000;

/**
 * The same of what is to become `path`, in a folder that nobody has for itself: what was touched in the last ten minutes may be that of a
 * process on another machine.
 */
export async function sweepBesides(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  for (const name of await readdir(folder).catch(() => [])) {
    if (!isTemporaryOf([basename(path)], name) || !isLeft(name)) continue;
    const found = await lstat(join(folder, name)).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > quietMs) await removeAnyway(join(folder, name));
  }
}

const fresh = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** At most so many bytes are read, written or hashed at once, so that other work gets its turn in between. */
export const pieceBytes = 2 ** 23;

/** SHA-256 of pieces, one after the other, in hexadecimal digits. */
export function sha256(pieces: readonly Uint8Array[], most = pieceBytes): string {
  const hash = createHash('sha256');
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += most) hash.update(piece.subarray(from, from + most));
  }
  return hash.digest('hex');
}

/** Tells a checksum of a piece without keeping other work waiting. */
export async function sumInTurns({ begin, of }: Checksums, piece: Uint8Array): Promise<Checksum> {
  if (piece.length <= togetherBytes) return nextTurn(of(piece));
  const sum = begin();
  for (let from = 0; from < piece.length; from += pieceBytes) {
    sum.update(piece.subarray(from, from + pieceBytes));
    await nextTurn();
  }
  return sum.end();
}

/** What was written: how many bytes, and the checksums of the pieces that have one. */
export interface Written {
  readonly bytes: number;
  readonly pieces: readonly Checksum[];
}

/** How a file is written. */
export interface WriteOptions {
  /** At most so many bytes are written at once. */
  readonly most?: number;
  readonly mode?: number;
  /** Which checksums a piece has, which is made while the piece is written; without this there are none. */
  readonly sums?: (piece: number) => Checksums;
}

/** Small pieces are written together, up to so many bytes: a write of its own would take each longer than its bytes do. */
const togetherBytes = 2 ** 20;

/** Writes a new file and flushes it. Rejects where the file exists. */
export async function writeNew(
  path: string,
  pieces: readonly Uint8Array[],
  { most = pieceBytes, mode = 0o644, sums }: WriteOptions = {},
): Promise<Written> {
  const file = await open(path, fresh, mode);
  const checksums: Checksum[] = [];
  const together = Math.min(most, togetherBytes);
  /** Small pieces that were not written yet. */
  let small: Uint8Array[] = [];
  let count = 0;
  const writeSmall = async (): Promise<void> => {
    const [first] = small;
    if (first !== undefined) await writeWhole(file, small.length === 1 ? first : Buffer.concat(small), most);
    small = [];
    count = 0;
  };
  let bytes = 0;
  try {
    for (const [index, piece] of pieces.entries()) {
      const own = sums?.(index);
      bytes += piece.length;
      if (count + piece.length > together) await writeSmall();
      if (piece.length <= together) {
        small.push(piece);
        count += piece.length;
        if (own !== undefined) checksums.push(own.of(piece));
        continue;
      }
      const sum = own?.begin();
      await writeWhole(file, piece, most, sum);
      if (sum !== undefined) checksums.push(sum.end());
    }
    await writeSmall();
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, pieces: checksums };
}

/** Writes bytes to the end of a file, which `sum` is told of meanwhile. */
async function writeWhole(file: FileHandle, bytes: Uint8Array, most: number, sum?: Summing): Promise<void> {
  let summed = 0;
  // A write may take less than it was given.
  for (let from = 0; from < bytes.length;) {
    const count = Math.min(most, bytes.length - from);
    const writing = file.write(bytes, from, count);
    if (from + count > summed) sum?.update(bytes.subarray(summed, from + count));
    summed = Math.max(summed, from + count);
    from += (await writing).bytesWritten;
  }
}

/** What file systems answer that cannot flush a folder: their renames last, or nobody can make them. */
const cannotFlush: readonly string[] = ['EINVAL', 'ENOTSUP', 'EISDIR'];

/** Flushes a folder's entries, so that a rename in it outlives a power cut. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    if (!cannotFlush.includes(codeOf(error) ?? '')) throw error;
  }
}

/** The same while nothing else runs. */
export function syncFolderNow(path: string): void {
  try {
    const folder = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    if (!cannotFlush.includes(codeOf(error) ?? '')) throw error;
  }
}

/** Flushes the entries of a folder and of all above it: one that was made just now has an entry that a power cut must not take. */
async function syncUpwards(path: string): Promise<void> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    await syncFolder(folder).catch((error: unknown) => {
      // Another user's folder, above all that this one could have made.
      if (!['EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error;
    });
    if (dirname(folder) === folder) return;
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
    await removeAnyway(temporary);
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

/** Makes the folder that new entries go into, and whatever is missing above it. */
async function makeReady(parent: string): Promise<void> {
  makeParents(parent);
  await syncUpwards(parent);
}

/** Makes a folder that is filled by `fill` and appears under its name only when it is complete. */
export async function makeFolder(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = besides(path);
  const parent = dirname(path);
  try {
    await makeReady(parent);
    await mkdir(temporary, { mode: 0o755 });
    await fill(temporary);
    await syncFolder(temporary);
    // An empty folder would give way.
    if (await isThere(path)) throw taken(path);
    await rename(temporary, path);
    await syncFolder(parent);
  } catch (error) {
    await removeAnyway(temporary);
    throw error;
  }
}

/** Makes a file that appears under its name only when it is complete, and never in the place of another. */
export async function makeFile(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = besides(path);
  const parent = dirname(path);
  try {
    await makeReady(parent);
    await fill(temporary);
    await linkOrRename(temporary, path);
    await syncFolder(parent);
  } finally {
    await removeAnyway(temporary);
  }
}

/** A rename would replace what stands there; a second name does not. */
async function linkOrRename(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    // File systems without second names: nothing better than to look first.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
    if (await isThere(path)) throw taken(path);
    await rename(temporary, path);
  }
}

const taken = (path: string): Error =>
  Object.assign(new Error(`EEXIST: file already exists, '${path}'`), { code: 'EEXIST', path });

/** Whether anything has this name, a link to nowhere too. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return false;
    throw error;
  }
}

/**
 * Removes a file or a folder: its name is gone for good before any of its bytes are. What is not there is no error, nor are bytes that stay
 * for now: they are swept later.
 */
export async function removeWhole(path: string): Promise<void> {
  const gone = besides(path);
  try {
    await rename(path, gone);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  await syncFolder(dirname(path));
  await removeAnyway(gone);
}

export const codeOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/** What the operating system refused, by an error or by what caused it; null where it refused nothing. */
export function systemErrorIn(error: unknown): Error | null {
  for (let each = error; each instanceof Error; each = each.cause)
    if (/^E[A-Z0-9]+$/.test(codeOf(each) ?? '')) return each;
  return null;
}

/** What the system's codes mean, and what mends it, null where nothing does but another place. */
const reasons: ReadonlyMap<string, readonly [why: string, mend: string | null]> = new Map<
  string,
  readonly [string, string | null]
>([
  ['ENOSPC', ['the disk is full', 'free some space']],
  ['EDQUOT', ['the disk quota is used up', 'free some space']],
  ['EFBIG', ['the file is larger than is allowed here', 'raise the limit']],
  ['EIO', ['the disk failed', "look at the system's log"]],
  ['EACCES', ['no permission', null]],
  ['EPERM', ['not permitted', null]],
  ['EROFS', ['the file system is read-only', null]],
  ['ENOTDIR', ['a part of the path is a file, not a folder', null]],
  ['ENOTSUP', ['no folder can be made there', null]],
  ['EISDIR', ['a folder stands there', null]],
  ['ENOTEMPTY', ['something else stands there', null]],
  ['EEXIST', ['something else stands there', null]],
  ['ELOOP', ['a link stands there', null]],
]);

/** Those for which another place is no help. */
const elsewhereToo: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'the folder is gone; was it removed during the run?'],
  ['EMFILE', 'too many open files; raise the limit with ulimit -n'],
  ['ENFILE', 'the system has too many open files; close some programs'],
]);

/** What the operating system refused, where another place may be chosen. */
export class FileRefused extends RunError {
  /** The same for a run that goes on, which has no other place than its own. */
  readonly inPlace: RunError;

  constructor(what: string, mend: string | null, other: string, cause?: unknown) {
    super(`${what}; ${mend === null ? '' : `${mend}, or `}choose ${other}`, { cause });
    this.inPlace = new RunError(mend === null ? what : `${what}; ${mend}`, { cause });
  }
}

/**
 * The error as a RunError that says what to do, where the operating system refused a file. `other` is what the user can
 * choose instead.
 */
export function fileError(what: string, error: unknown, other = 'another --run-dir'): Error {
  const code = codeOf(error);
  if (code === null) return error instanceof Error ? error : new Error(String(error));
  const [why, mend] = reasons.get(code) ?? [null, null];
  return why === null
    ? new RunError(`${what}: ${elsewhereToo.get(code) ?? code}`, { cause: error })
    : new FileRefused(`${what}: ${why}`, mend, other, error);
}
