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

/**
 * Makes a folder and what is missing above it. Throws what the system says; ENOTDIR where a part of the path is a file.
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
    const taken = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    if (!taken || path === asked) throw error;
    throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${asked}'`), {
      code: 'ENOTDIR',
      syscall: 'mkdir',
      path: asked,
    });
  }
};
