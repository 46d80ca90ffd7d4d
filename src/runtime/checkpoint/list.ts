/** Which checkpoints there are, for messages about one that cannot be used. */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

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

async function isComplete(folder: string): Promise<boolean> {
  const [manifest, model] = await Promise.all(
    ['manifest.json', 'model.safetensors'].map((name) => isFile(join(folder, name))),
  );
  return manifest === true && model === true;
}

/** Checkpoints in `folder` that have their files, newest first, as a command line takes them. */
async function checkpointsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const paths = names
    .filter((name) => /^step-\d+$/.test(name))
    .sort()
    .reverse()
    .map((name) => join(folder, name));
  const complete = await Promise.all(paths.map(isComplete));
  return paths.filter((_path, index) => complete[index]);
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
      return `take another checkpoint: --from ${others.slice(0, shown).join(', ')}${rest}`;
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
]);

/** Why a file of a checkpoint could not be read, without the system's own words where they only repeat the path. */
export function whyUnread(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return reasons.get(code) ?? error.message;
}
