/**
 * Bundles kept between runs, named by the hash of all that goes into them. What is kept is code that will run, so the
 * folder is the user's alone; where there is none to write to, a folder made for this run takes its place.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { makeFolder } from '../values/folders.js';

export interface CacheFolder {
  readonly folder: string;
  /** False where it is removed at the end of this process. */
  readonly kept: boolean;
}

const keptDays = 30;

/** Where bundles would be kept: `$XDG_CACHE_HOME/ztrain`, or `~/.cache/ztrain`. */
export const cachePath = (): string => {
  const base = process.env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(base) ? base : join(homedir(), '.cache'), 'ztrain');
};

const isOwn = (folder: string): boolean => {
  const { uid, mode } = statSync(folder);
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
};

export const openCache = (): CacheFolder => {
  const folder = cachePath();
  try {
    makeFolder(folder, 0o700);
    accessSync(folder, constants.W_OK);
    if (isOwn(folder)) return { folder, kept: true };
  } catch {
    // Without a cache a start takes longer; nothing else changes.
  }
  const made = mkdtempSync(join(tmpdir(), 'ztrain-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return { folder: made, kept: false };
};

export const hashOf = (parts: readonly string[]): string => {
  const hash = createHash('sha256');
  // Lengths keep the parts apart.
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
};

/** Identifies the runtime that a bundle was made with. */
export const fileHash = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

/** Removes what no run has used for a month. */
export const prune = (folder: string): void => {
  const oldest = Date.now() - keptDays * 86_400_000;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    try {
      if (/^[0-9a-f]{32}\./.test(name) && statSync(path).mtimeMs < oldest) rmSync(path, { force: true });
    } catch {
      // Another process was faster.
    }
  }
};

/** Whether a kept file is there; it counts as used now. */
export const isKept = (path: string): boolean => {
  if (!existsSync(path)) return false;
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // It can be read, which is all that a run needs.
  }
  return true;
};
