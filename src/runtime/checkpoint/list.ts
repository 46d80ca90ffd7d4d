/** Which checkpoints there are, for what takes the newest, and for messages about one that cannot be used. */
import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { codeOf, systemErrorIn } from './files.js';
import { NewerFormat } from './manifest.js';

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Ends the name of a checkpoint that is one file. */
export const fileEnding = '.ckpt';

/** A name that a checkpoint of a run has: `step-00001200`, or `step-00001200.ckpt`. */
export const isCheckpointName = (name: string): boolean => stepPattern.test(name);

const stepPattern = /^step-(\d{1,15})(\.ckpt)?$/;

/** The step in a checkpoint's name; -1 where it is none. */
export const stepOf = (name: string): number => Number(stepPattern.exec(name)?.[1] ?? -1);

/** Paths of what has a checkpoint's name in a folder, newest first. Rejects where the folder cannot be read. */
export async function checkpointPaths(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter(isCheckpointName);
  return names.sort((a, b) => stepOf(b) - stepOf(a) || (a < b ? -1 : 1)).map((name) => join(folder, name));
}

/** What stands there, a link too; null where nothing does. Rejects with the system's error where that cannot be told. */
async function kindOf(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error;
    return null;
  }
}

/**
 * Why something with a checkpoint's name cannot be one, judged without reading it; null where it can. Rejects with the system's error
 * where that cannot be told.
 */
export async function whyNone(path: string): Promise<string | null> {
  const found = await kindOf(path);
  if (found === null) return 'it is gone';
  if (found.isSymbolicLink()) return 'it is a link';
  if (path.endsWith(fileEnding)) return found.isFile() ? null : 'it is no regular file';
  if (!found.isDirectory()) return 'it is no folder';
  const missing: string[] = [];
  for (const name of ['manifest.json', 'model.safetensors']) {
    const part = await kindOf(join(path, name));
    // A link is told when it is opened.
    if (part?.isFile() !== true && part?.isSymbolicLink() !== true) missing.push(name);
  }
  return missing.length === 0 ? null : `it has no ${missing.join(' and no ')}`;
}

/** Checkpoints in `folder` that have their files, newest first, as a command line takes them. */
async function checkpointsIn(folder: string): Promise<readonly string[]> {
  const paths = await checkpointPaths(folder).catch(() => []);
  const problems = await Promise.all(paths.map((path) => whyNone(path).catch(() => 'it cannot be read')));
  return paths.filter((_path, index) => problems[index] === null);
}

const shown = 3;

/**
 * What to take in the place of `path`, which is a run, its folder of checkpoints, a checkpoint or one of its files: ends a
 * message. `none` where there is nothing.
 */
export async function insteadOf(
  path: string,
  none = 'there is no other checkpoint beside it; train again, or give another run',
): Promise<string> {
  const around = [join(path, 'checkpoints'), path, dirname(path)];
  for (const folder of around) {
    const others = (await checkpointsIn(folder)).filter((other) => resolve(other) !== resolve(path));
    if (others.length > 0) {
      const rest = others.length > shown ? ` and ${others.length - shown} more` : '';
      return `take another checkpoint: ${others.slice(0, shown).join(', ')}${rest}`;
    }
  }
  return none;
}

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it is missing'],
  ['ENOTDIR', 'it is missing'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'no permission'],
  ['EPERM', 'not permitted'],
  ['EIO', 'the disk cannot read it'],
  ['ELOOP', 'it is a link'],
  ['ENXIO', 'it is no regular file'],
]);

/** Why a file of a checkpoint could not be read, without the system's own words where they only repeat the path. */
export function whyUnread(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return reasons.get(code) ?? error.message;
}

/** What is wrong with the files themselves when it is answered; other answers of the system may be others next time. */
const ofTheFiles: readonly string[] = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO', 'ENAMETOOLONG'];

/**
 * Whether an error says that a checkpoint is not as it was written. Where it does not, the checkpoint may be whole: a newer ztrain wrote it,
 * it cannot be read now, or there is no memory for it.
 */
export function isDamage(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof NewerFormat) return false;
    if (each instanceof RangeError && /allocation failed|typed array length/.test(each.message)) return false;
  }
  const code = codeOf(systemErrorIn(error));
  return code === null || ofTheFiles.includes(code);
}
