/**
 * Installs side by side: one process at a time makes a version, others wait for it; what a killed one left is removed by the
 * next. The claim and what is being made are touched every second, so that a dead owner is told from a slow one, on this machine or on
 * another that shares the folder.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isGone, leave, ownersOf, ownText, readOwner, touch, tryTake, untouchedMs } from '../values/claim.js';
import { systemFault } from './engine-fault.js';

const touchMs = 1000;
const pollMs = 250;
const patience = { quietMs: 30_000, silentMs: 60_000 };

const ownerFile = 'owner.json';
const partPrefix = '.part-';
const oldPrefix = '.old-';

/** A path in `root` that nothing else uses. A process that is killed leaves what the next one removes. */
const passing = (root: string, what: string): string =>
  join(root, `${partPrefix}${what}-${randomBytes(6).toString('hex')}`);

/** Whether the process that wrote this is gone. False where the file itself is: then there is nothing to say. */
const isAbandoned = (root: string, path: string): boolean => {
  const untouched = untouchedMs(path, passing(root, 'clock'));
  return untouched !== null && isGone(readOwner(path), untouched, patience);
};

/** Does something with a claim; what the system refuses is told in a line. */
const orFault = <T>(what: string, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw systemFault(what, error);
  }
};

/** Removes what installs that were killed left behind. */
export const sweep = (root: string): void => {
  for (const name of readdirSync(root)) {
    const path = join(root, name);
    try {
      const left = name.startsWith(partPrefix)
        ? existsSync(join(path, ownerFile))
          ? isAbandoned(root, join(path, ownerFile))
          : (untouchedMs(path, passing(root, 'clock')) ?? 0) > patience.silentMs
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
  const owners = (): readonly string[] => orFault(`cannot read ${claim}`, () => ownersOf(claim));
  const take = (): boolean =>
    orFault(`cannot write ${claim}`, () => tryTake(claim, name, passing(root, 'claim')));
  while (owners().length > 0 || !take()) {
    const gone = orFault(`cannot write to ${root}`, () => owners().filter((path) => isAbandoned(root, path)));
    for (const path of gone) rmSync(path, { force: true });
    if (gone.length > 0) continue;
    if (!told) waiting();
    told = true;
    await sleep(pollMs, undefined, { signal });
  }
  const own = join(claim, name);
  const held = [own];
  const timer = setInterval(() => held.forEach(touch), touchMs);
  timer.unref();
  let part = '';
  try {
    sweep(root);
    try {
      part = mkdtempSync(join(root, `${partPrefix}${version}-`));
      writeFileSync(join(part, ownerFile), ownText());
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
