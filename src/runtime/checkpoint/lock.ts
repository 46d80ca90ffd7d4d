/** One process at a time writes into a run's folder, by a claim `.lock` in it. */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  isGone,
  leave,
  ownersOf,
  ownOwner,
  readOwner,
  touch,
  tryTake,
  untouchedMs,
  type Owner,
} from '../../values/claim.js';
import { besides, codeOf, fileError } from './files.js';
import { RunError } from '../run/run-error.js';

/** Name of the claim in a folder. */
export const lockName = '.lock';

const mostAttempts = 1000;
const touchMs = 10_000;
const patience = { quietMs: 30_000, silentMs: 600_000 };

/** A folder that this process has. */
export interface FolderLock {
  /** Throws a RunError where the claim was removed, or another process has it: this one must write nothing more. */
  check(): void;
  release(): void;
}

/**
 * Takes a folder, which must be there, until it is released or the process ends. Throws a RunError that names who has it, and what
 * the system says where nothing can be written.
 */
export function lockFolder(folder: string): FolderLock {
  const claim = join(folder, lockName);
  const name = `${randomBytes(6).toString('hex')}.json`;
  // Each further attempt means that an owner let go, or was found gone, in between.
  for (let attempts = 0; !tryTake(claim, name, besides(claim)); attempts += 1) {
    const [path] = ownersOf(claim);
    if (path === undefined && attempts < mostAttempts) continue;
    const owner = path === undefined ? null : readOwner(path);
    const quiet = path === undefined ? 0 : (untouchedMs(path, besides(claim)) ?? 0);
    if (path !== undefined && isGone(owner, quiet, patience)) rmSync(path, { force: true });
    else if (path === undefined || ownersOf(claim).includes(path))
      throw refusal(folder, path ?? claim, owner, quiet);
  }
  const own = join(claim, name);
  const taken = placeOf(folder);
  const timer = setInterval(() => touch(own), touchMs);
  timer.unref();
  const release = (): void => {
    clearInterval(timer);
    process.off('exit', release);
    leave(claim, own);
  };
  process.once('exit', release);
  // No other owner's file has this name.
  const check = (): void => {
    if (existsSync(own)) return;
    // Whatever stands there now, as what a save has made anew.
    if (placeOf(folder) !== taken) throw goneFolder(folder);
    throw lostLock(folder, ownersOf(claim));
  };
  return { check, release };
}

/** Which folder of the disk it is; null where there is none, or none that may be looked at. */
function placeOf(folder: string): string | null {
  try {
    const { dev, ino } = statSync(folder, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}

/**
 * Whether this process could have a folder now. `say` is told who has it, and where nothing can be written there: it may be
 * somebody else's. Throws a
 * RunError where the disk takes nothing, which is no matter of that folder alone.
 */
export function isFree(folder: string, say: (line: string) => void): boolean {
  try {
    lockFolder(folder).release();
    return true;
  } catch (error) {
    // A job that was submitted twice looks like any other.
    if (error instanceof InUse) say(`passed over: ${folder}, which is being written by ${error.who}`);
    // Another's, or removed just now.
    if (error instanceof InUse || codeOf(error) === 'ENOENT') return false;
    const why = fileError(`cannot write to ${folder}`, error, 'a copy of it that can be written');
    if (!['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')) throw why;
    say(`passed over: ${folder}, which has not finished: ${why.message}`);
    return false;
  }
}

/** Throws the RunError that says who has the folder, where another process has. */
export function refuseInUse(folder: string): void {
  try {
    lockFolder(folder).release();
  } catch (error) {
    // What else stands in the way is told by whoever writes there.
    if (error instanceof InUse) throw error;
  }
}

/** The folder is another process's. */
class InUse extends RunError {
  constructor(
    folder: string,
    /** As `process 7`. */
    readonly who: string,
    help: string,
  ) {
    super(`${folder} is being written by ${who}; ${help}`);
  }
}

function goneFolder(folder: string): RunError {
  return new RunError(
    `${folder} is gone: it was moved or removed while this process had it, which writes nothing more there`,
  );
}

function lostLock(folder: string, owners: readonly string[]): RunError {
  const [path] = owners;
  const owner = path === undefined ? null : readOwner(path);
  const who =
    owner === null
      ? 'somebody'
      : `process ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`}`;
  const what = owner === null ? 'removed' : 'taken over';
  return new RunError(
    `${folder} is not this run's any more: its ${lockName} was ${what} by ${who}, who took this process for gone; it writes nothing more there`,
  );
}

function refusal(folder: string, path: string, owner: Owner | null, quiet: number): InUse {
  const { host, pid, boot, space } = owner ?? { host: '?', pid: '?', boot: '', space: '' };
  const own = ownOwner();
  const isHere = owner !== null && host === own.host && boot === own.boot && space === own.space;
  const seen = `last seen ${Math.max(0, Math.round(quiet / 1000))} s ago`;
  return isHere
    ? new InUse(folder, `process ${pid}`, 'wait for it, or choose another --run-dir')
    : new InUse(
        folder,
        `process ${pid} on ${host}, ${seen}`,
        `wait for it, choose another --run-dir, or remove ${path} if you know that it is gone`,
      );
}
