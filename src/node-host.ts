/** Real files as the compiler's `Host`. Paths are absolute and use `/`. */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import type { Host } from './checker/host.js';

/** No spec is this long; a data set that is opened by mistake may be. */
const mostBytes = 50 * 2 ** 20;

/** An absolute path with `/`, as the compiler writes paths. */
export const compilerPath = (path: string): string => resolve(path).split(sep).join('/');

/** The nearest folder with `package.json` or `.git`, from the file's own upwards; else the file's own. */
export const projectFolder = (file: string): string => {
  const own = dirname(resolve(file));
  for (let folder = own; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) || existsSync(join(folder, '.git'))) return folder;
    if (dirname(folder) === folder) return own;
  }
};

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file'],
  ['ENOTDIR', 'no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['ELOOP', 'it links to itself'],
  ['ENOTSUP', 'no folder can be made there'],
  ['EEXIST', 'something else stands there'],
  ['EROFS', 'the file system is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EFBIG', 'the file is larger than is allowed here'],
  ['EMFILE', 'too many files are open'],
]);

/** Why a file could not be used, in the words of a message. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return reasons.get(code) ?? error.message;
};

const readText = (path: string): { readonly text: string } | { readonly error: string } => {
  try {
    const { size } = statSync(path);
    if (size > mostBytes) {
      return {
        error: `it has ${Math.ceil(size / 2 ** 20)} MiB, and a spec has at most ${mostBytes / 2 ** 20}`,
      };
    }
    const bytes = readFileSync(path);
    try {
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
    } catch {
      return { error: 'it is not UTF-8 text; save it as UTF-8' };
    }
  } catch (error) {
    return { error: reasonOf(error) };
  }
};

/** A header fits in it many times over. */
const headBytes = 65_536;

const readHead = (path: string): string | null => {
  try {
    if (!statSync(path).isFile()) return null;
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(headBytes);
      const head = bytes.subarray(0, readSync(file, bytes, 0, headBytes, 0));
      // Compressed files and other bytes are the run's to judge.
      return head.includes(0) || (head[0] === 0x1f && head[1] === 0x8b) ? null : head.toString('utf8');
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
};

export const nodeHost: Host = {
  readText,
  readHead,
  exists: (path) => existsSync(path),
  rootOf: (path) => {
    const folder = compilerPath(projectFolder(path));
    return folder.endsWith('/') ? folder : `${folder}/`;
  },
};
