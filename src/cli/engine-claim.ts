/**
 * Installs side by side: one process at a time makes a version, others wait for it; what a killed one left is removed by the
 * next. A claim is a folder with one file, which names its process and is touched every second, so that a dead owner is told
 * from a slow one, on this machine or on another that shares the folder.
 *
 * Each owner's file has a name of its own, and a folder takes the place of an empty one only. So of several that find an owner
 * gone each may remove that file, none removes what came after it, and one is the next.
 */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemFault } from './engine-fault.js';

const touchMs = 1000;
const pollMs = 250;
/** A process that is gone touched its claim no longer ago than this. */
const deadMs = 3000;
/** Another machine's process cannot be looked up: one that does not touch its claim for so long is taken for gone. */
const silentMs = 60_000;

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** In the system's own units: numbers of processes are used again. */
  readonly started: string;
}

const startOf = (pid: number): string => {
  try {
    // The name of the program, in brackets, may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return fields[19] ?? '';
  } catch {
    return '';
  }
};

const self = (): Owner => ({ host: hostname(), pid: process.pid, started: startOf(process.pid) });

const readOwner = (path: string): Owner | null => {
  try {
    const read: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof read !== 'object' || read === null) return null;
    if (!('host' in read) || !('pid' in read) || !('started' in read)) return null;
    const { host, pid, started } = read;
    return typeof host === 'string' && typeof pid === 'number' && typeof started === 'string'
      ? { host, pid, started }
      : null;
  } catch {
    return null;
  }
};

/** Whether the process that wrote this is gone. False where the file itself is: then there is nothing to say. */
const isAbandoned = (path: string): boolean => {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const age = Date.now() - stat.mtimeMs;
  const owner = readOwner(path);
  if (owner?.host !== hostname()) return age > silentMs;
  return startOf(owner.pid) !== owner.started && age > deadMs;
};

const ownerFile = 'owner.json';
const partPrefix = '.part-';
const oldPrefix = '.old-';

const touch = (paths: readonly string[]): void => {
  const now = new Date();
  for (const path of paths) {
    try {
      utimesSync(path, now, now);
    } catch {
      // Whoever removed it thought this process gone; the work ends well all the same, or fails where its files are missing.
    }
  }
};

const isOneOf = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** The files of a claim's owners: one, or none where nobody has it. */
const ownersOf = (claim: string): readonly string[] => {
  try {
    return readdirSync(claim).map((name) => join(claim, name));
  } catch (error) {
    if (isOneOf(error, ['ENOENT'])) return [];
    throw systemFault(`cannot read ${claim}`, error);
  }
};

/** Takes a claim that nobody has under a name; false where another was faster. */
const tryTake = (root: string, claim: string, name: string): boolean => {
  let made = '';
  try {
    made = mkdtempSync(join(root, `${partPrefix}claim-`));
    writeFileSync(join(made, name), JSON.stringify(self()));
    renameSync(made, claim);
    return true;
  } catch (error) {
    if (made !== '') rmSync(made, { recursive: true, force: true });
    if (isOneOf(error, ['ENOTEMPTY', 'EEXIST'])) return false;
    throw systemFault(`cannot write ${claim}`, error);
  }
};

const leave = (claim: string, own: string): void => {
  rmSync(own, { force: true });
  try {
    rmdirSync(claim);
  } catch {
    // The next one has it already.
  }
};

/** Removes what installs that were killed left behind. */
export const sweep = (root: string): void => {
  for (const name of readdirSync(root)) {
    const path = join(root, name);
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      const left = name.startsWith(partPrefix)
        ? existsSync(join(path, ownerFile))
          ? isAbandoned(join(path, ownerFile))
          : stat !== undefined && Date.now() - stat.mtimeMs > silentMs
        : name.startsWith(oldPrefix);
      if (left) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process was faster, or it is not ours to remove; it harms nobody.
    }
  }
};

export interface Workplace {
  /** An empty folder, removed afterwards. */
  readonly part: string;
  /** Puts a folder of `part` in place of what is there. */
  readonly place: (made: string, target: string) => void;
}

/**
 * Does work on one version that no other process does at the same time. `waiting` is called once where another has it.
 * Whatever happens, nothing of `part` stays.
 */
export const claimed = async <T>(
  root: string,
  version: string,
  { signal, waiting }: { readonly signal: AbortSignal; readonly waiting: () => void },
  work: (workplace: Workplace) => Promise<T>,
): Promise<T> => {
  const claim = join(root, `.claim-${version}`);
  const name = `owner-${randomBytes(6).toString('hex')}.json`;
  let told = false;
  while (ownersOf(claim).length > 0 || !tryTake(root, claim, name)) {
    const gone = ownersOf(claim).filter(isAbandoned);
    for (const path of gone) rmSync(path, { force: true });
    if (gone.length > 0) continue;
    if (!told) waiting();
    told = true;
    await sleep(pollMs, undefined, { signal });
  }
  const own = join(claim, name);
  const held = [own];
  const timer = setInterval(() => touch(held), touchMs);
  timer.unref();
  let part = '';
  try {
    sweep(root);
    try {
      part = mkdtempSync(join(root, `${partPrefix}${version}-`));
      writeFileSync(join(part, ownerFile), JSON.stringify(self()));
    } catch (error) {
      throw systemFault(`cannot write to ${root}`, error);
    }
    held.push(join(part, ownerFile));
    return await work({ part, place: (made, target) => replace(root, made, target) });
  } finally {
    clearInterval(timer);
    if (part !== '') rmSync(part, { recursive: true, force: true, maxRetries: 3 });
    leave(claim, own);
  }
};

const replace = (root: string, made: string, target: string): void => {
  const old = join(root, `${oldPrefix}${randomBytes(6).toString('hex')}`);
  try {
    // A folder cannot be renamed over one that holds files; processes that have the old library open keep it.
    if (existsSync(target)) renameSync(target, old);
    renameSync(made, target);
  } catch (error) {
    throw systemFault(`cannot write ${target}`, error);
  }
  rmSync(old, { recursive: true, force: true });
};
