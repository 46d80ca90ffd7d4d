/** Folders and the ones above them. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const isFolder = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    // Versions of Node differ in whether a path below a file has no entry, or throws.
    return false;
  }
};

const refusal = (code: string, words: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${words}, mkdir '${path}'`), { code, syscall: 'mkdir', path });

/**
 * Makes a folder and what is missing above it. Throws what the system says; ENOTDIR where a part of the path is a file, ENOTSUP where
 * no folder can be made at all.
 * Node's own `recursive` never returns where a file system refuses new entries as if the folder above were not there, as
 * `/proc` does.
 */
export const makeFolder = (path: string, mode = 0o777, asked = path): void => {
  if (isFolder(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path), mode, asked);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have been faster.
    if (isFolder(path)) return;
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'EEXIST' && path !== asked) throw refusal('ENOTDIR', 'not a directory', asked);
    // The folder above is there, so nothing is missing: its file system makes no folders, as /proc does not.
    if (code === 'ENOENT' && isFolder(dirname(path))) throw refusal('ENOTSUP', 'no new folders', asked);
    throw error;
  }
};
