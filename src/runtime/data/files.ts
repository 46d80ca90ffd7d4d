/** Reading a source's files: paths against the data root, and one message for each way in which a file can be missing. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from './data-error.js';

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

/** The bytes of a file, unpacked where it is gzip. `advice` says what to do where there is none. */
export async function readBytes(root: string, file: string | DataPath, advice?: string): Promise<Buffer> {
  const written = writtenPath(file);
  const full = resolvePath(root, file);
  let bytes: Buffer;
  try {
    bytes = await readFile(full);
  } catch (error) {
    throw new DataError(readProblem(error, full, advice), { file: written });
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await unzip(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(`the gzip data is damaged (${reason}, ${bytes.length} bytes); fetch the file again`, {
      file: written,
    });
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

/** Text of UTF-8 bytes without a byte order mark. */
export function decodeText(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new DataError('the text is not UTF-8; convert the file, as with iconv -t UTF-8', { file });
  }
}
