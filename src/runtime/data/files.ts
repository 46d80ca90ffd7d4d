/** Reading a source's files: paths against the data root, and one message for each way in which a file can be missing. */
import { constants } from 'node:buffer';
import { createHash, webcrypto } from 'node:crypto';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from './data-error.js';
import { counted } from '../../values/counted.js';

const unzip = promisify(gunzip);

/** A path that is resolved against the data root when its data set is opened. */
export interface DataPath {
  readonly dataPath: string;
}

/** Marks an option of an extern data source as a path. */
export function dataPath(file: string): DataPath {
  return { dataPath: file };
}

export function isDataPath(value: unknown): value is DataPath {
  return (
    typeof value === 'object' && value !== null && 'dataPath' in value && typeof value.dataPath === 'string'
  );
}

/** The path as it was written. */
export function writtenPath(file: string | DataPath): string {
  return typeof file === 'string' ? file : file.dataPath;
}

export function resolvePath(root: string, file: string | DataPath): string {
  return path.resolve(root, writtenPath(file));
}

/** The folder of a file: where relative paths among its values start. */
export function folderIn(root: string, file: string | DataPath): string {
  return path.dirname(resolvePath(root, file));
}

/** A file that was read for a data set. */
export interface ReadFile {
  /** As it was written. */
  readonly file: string;
  readonly bytes: number;
  /** Of the file as it lies on the disk, in hexadecimal digits. Made beside what follows the reading. */
  readonly sha256: Promise<string>;
  /** Whether it is a folder of pictures, of which all are read when the digest is asked for. */
  readonly isFolder?: true;
}

/** Where files are read from, and who is told of them. */
export interface FileHost {
  /** Relative paths start here. */
  readonly root: string;
  readonly note?: (file: ReadFile) => void;
}

/** Up to here a digest is made at once, on a thread of its own; a larger one in parts, between which other work goes on. */
const mostAtOnce = 2 ** 28;
const partOfDigest = 2 ** 26;

/** The SHA-256 of bytes, in hexadecimal digits. */
export async function digestOf(bytes: Buffer, most = mostAtOnce, part = partOfDigest): Promise<string> {
  if (bytes.length <= most)
    return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += part) {
    hash.update(bytes.subarray(at, at + part));
    await setImmediate();
  }
  return hash.digest('hex');
}

/** The bytes of a file, unpacked where it is gzip. `advice` says what to do where there is none. */
export async function readBytes(host: FileHost, file: string | DataPath, advice?: string): Promise<Buffer> {
  const written = writtenPath(file);
  const full = resolvePath(host.root, file);
  let bytes: Buffer;
  try {
    bytes = await readWhole(full);
  } catch (error) {
    throw new DataError(readProblem(error, full, advice), { file: written });
  }
  host.note?.({ file: written, bytes: bytes.length, sha256: digestOf(bytes) });
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await unzip(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(
      `the gzip data is damaged (${reason}, ${counted(bytes.length, 'byte')}); fetch the file again`,
      {
        file: written,
      },
    );
  }
}

/** All bytes of a file. They are asked for `most` at a time: Node reads no more than 2 GiB at once. */
export async function readWhole(full: string, most = 2 ** 26): Promise<Buffer> {
  const file = await open(full, 'r');
  try {
    const stats = await file.stat();
    // What is no plain file (a pipe) does not know its size.
    if (!stats.isFile() || stats.size === 0) return await file.readFile();
    const bytes = Buffer.alloc(stats.size);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, Math.min(most, bytes.length - at));
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  } finally {
    await file.close();
  }
}

function readProblem(error: unknown, full: string, advice: string | undefined): string {
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return `there is no such file (looked for ${full}); ${advice ?? 'correct the path, or say with --data-root where relative paths start'}`;
  }
  if (code === 'EISDIR') return `this is a folder (${full}), not a file; name the file in it`;
  if (code === 'EACCES' || code === 'EPERM')
    return `the file may not be read (${full}); give read permission`;
  return `the file cannot be read (${error instanceof Error ? error.message : String(error)}); check the disk and the path`;
}

/** `ENOENT` and the like of an error of Node's. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Text of UTF-8 bytes without a byte order mark. `most` letters are what Node holds in one text. */
export function decodeText(bytes: Uint8Array, file: string, most = constants.MAX_STRING_LENGTH): string {
  const text = utf8(bytes);
  if (text !== null && text.length <= most) return text;
  throw new DataError(
    bytes.length > most
      ? `the text has ${bytes.length} bytes, and at most ${most} letters are read at once; split the file, or read it with an extern source`
      : 'the text is not UTF-8; convert the file, as with iconv -t UTF-8',
    { file },
  );
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
