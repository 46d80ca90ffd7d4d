/** Small files that say what a run is: read as those of a checkpoint are, for what stands in their place may be no file at all. */
import { existsSync, readdirSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { record } from '../../values/json-record.js';
import { codeOf } from '../checkpoint/files.js';
import { whyUnread } from '../checkpoint/list.js';
import { manifestLimit } from '../checkpoint/manifest.js';
import { SafetensorsError } from '../checkpoint/safetensors.js';
import { readTextFile } from '../checkpoint/tensor-file.js';
import { RunError } from './run-error.js';

/**
 * The text of a small file of a run's folder (at most 64 MiB of UTF-8); null where nothing has its name. A pipe or a device is not waited
 * for. Rejects with a RunError that names the file where it is no regular one, a link too, or cannot be read.
 */
export async function smallFile(file: string): Promise<string | null> {
  try {
    return await readTextFile(file, manifestLimit);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return null;
    const why = error instanceof SafetensorsError ? error.message : whyUnread(error);
    throw new RunError(`cannot read ${file}: ${why}`, { cause: error });
  }
}

/** The `run.json` in a folder; null where it has none. Rejects with a RunError that names the file where it cannot be read, or is damaged. */
export async function aboutRun(folder: string): Promise<Readonly<Record<string, unknown>> | null> {
  const file = join(folder, 'run.json');
  const text = await smallFile(file);
  if (text === null) return null;
  try {
    return record('run.json', JSON.parse(text));
  } catch (error) {
    throw new RunError(`${file} is damaged: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/**
 * Rejects with a RunError that names it where something else than a file stands in the place of one that a run which goes on reads and
 * replaces.
 */
export async function refuseIrregular(run: string): Promise<void> {
  for (const name of ['run.json', join('checkpoints', 'last'), join('checkpoints', 'best')]) {
    const file = join(run, name);
    const found = await lstat(file).catch(() => null);
    if (found === null || found.isFile()) continue;
    const what = found.isSymbolicLink() ? 'a link' : found.isDirectory() ? 'a folder' : 'no regular file';
    throw new RunError(`cannot go on with ${run}: ${file} is ${what}; remove it`);
  }
}

/**
 * The last by name, and so the newest, of the runs that lie in a folder; null where there are none, or it cannot be read. One that was set aside
 * for another is none: it has nothing to go on from.
 */
export function newestRunIn(folder: string): string | null {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return null;
  }
  const runs = names.filter(
    (name) => !/\.before-\d+$/.test(name) && existsSync(join(folder, name, 'run.json')),
  );
  const [newest] = runs.sort().reverse();
  return newest === undefined ? null : join(folder, newest);
}
