/**
 * One process at a time writes into a run's folder. The claim is a folder `.lock` with one file, which names its process and is
 * touched now and then. Each owner's file has a name of its own, and a folder takes the place of an empty one only: so of several that
 * find an owner gone each may remove that file, none removes what came after it, and one is the next.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { besides } from './files.js';
import { isAlive } from './process-alive.js';
import { RunError } from '../run/run-error.js';

/** Name of the claim in a folder. */
export const lockName = '.lock';

const mostAttempts = 1000;
const touchMs = 10_000;
/** A machine that was started anew does not touch the claim any more. */
const quietMs = 30_000;
/** Processes of other machines cannot be looked up: one that has not touched its claim for so long is taken for gone. */
const silentMs = 600_000;

/** Who has a folder. */
interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the system's own units: numbers of processes are used again. */
  readonly started: string;
  /** Of this start of the machine. */
  readonly boot: string;
  /** Processes of another container have numbers of their own. */
  readonly space: string;
}

const textOf = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    // Only Linux says it.
    return '';
  }
};

/** When a process started; nothing where it has ended, also where nobody has asked yet how. */
const startOf = (pid: number): string => {
  // The name of the program, in brackets, may hold anything.
  const fields = textOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
};

const self = (): Owner => ({
  host: hostname(),
  pid: process.pid,
  started: startOf(process.pid),
  boot: textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
  space: textOf(() => readlinkSync('/proc/self/ns/pid')),
});

const ownText = (): string => `${JSON.stringify(self())}\n`;

function readOwner(path: string): Owner | null {
  try {
    const read: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof read !== 'object' || read === null) return null;
    const values = new Map<string, unknown>(Object.entries(read));
    const text = (key: string): string => String(values.get(key) ?? '');
    const pid = Number(values.get('pid'));
    if (!Number.isSafeInteger(pid) || text('host') === '') return null;
    return { host: text('host'), pid, started: text('started'), boot: text('boot'), space: text('space') };
  } catch {
    return null;
  }
}

/** Whether the owner is gone for certain, or for all that can be known of another machine. */
function isGone(owner: Owner | null, quiet: number): boolean {
  const own = self();
  if (owner === null || owner.host !== own.host) return quiet > silentMs;
  if (owner.boot !== own.boot) return quiet > quietMs;
  if (owner.space !== own.space) return quiet > silentMs;
  return !isAlive(owner.pid) || startOf(owner.pid) !== owner.started;
}

/** How long ago a file was touched, by the clock of the disk that it is on. */
function quietFor(path: string, folder: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  // Let go just now.
  if (stat === undefined) return 0;
  const probe = besides(join(folder, lockName));
  try {
    writeFileSync(probe, '', { flag: 'wx', mode: 0o600 });
    return statSync(probe).mtimeMs - stat.mtimeMs;
  } finally {
    rmSync(probe, { force: true });
  }
}

const hasCode = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** The files of a claim's owners: one, or none where nobody has it. */
function ownersOf(claim: string): readonly string[] {
  try {
    return readdirSync(claim).map((name) => join(claim, name));
  } catch (error) {
    if (hasCode(error, ['ENOENT'])) return [];
    throw error;
  }
}

/** Takes a claim that nobody has; false where another was faster. */
function tryTake(claim: string, name: string): boolean {
  const made = besides(claim);
  try {
    mkdirSync(made, { mode: 0o755 });
    writeFileSync(join(made, name), ownText(), { flag: 'wx', mode: 0o644 });
    renameSync(made, claim);
    return true;
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (hasCode(error, ['ENOTEMPTY', 'EEXIST'])) return false;
    throw error;
  }
}

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
  for (let attempts = 0; !tryTake(claim, name); attempts += 1) {
    const [path] = ownersOf(claim);
    if (path === undefined && attempts < mostAttempts) continue;
    const owner = path === undefined ? null : readOwner(path);
    const quiet = path === undefined ? 0 : quietFor(path, folder);
    if (path !== undefined && isGone(owner, quiet)) rmSync(path, { force: true });
    else if (path === undefined || ownersOf(claim).includes(path))
      throw refusal(folder, path ?? claim, owner, quiet);
  }
  const own = join(claim, name);
  const timer = setInterval(() => touch(own), touchMs);
  timer.unref();
  const release = (): void => {
    clearInterval(timer);
    process.off('exit', release);
    rmSync(own, { force: true });
    try {
      rmdirSync(claim);
    } catch {
      // The next one has it already, or the folder is gone.
    }
  };
  process.once('exit', release);
  // No other owner's file has this name.
  const check = (): void => {
    if (!existsSync(own)) throw lostLock(folder, ownersOf(claim));
  };
  return { check, release };
}

/** Whether a process has the folder now. */
export function isInUse(folder: string): boolean {
  try {
    lockFolder(folder).release();
    return false;
  } catch {
    return true;
  }
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

/** Written anew, for the time to be the disk's and not this machine's. */
function touch(path: string): void {
  try {
    const file = openSync(path, 'r+');
    try {
      writeSync(file, ownText(), 0);
    } finally {
      closeSync(file);
    }
  } catch {
    // The folder was removed, or whoever removed the claim thought this process gone: there is nothing to keep.
  }
}

function refusal(folder: string, path: string, owner: Owner | null, quiet: number): RunError {
  const { host, pid, boot, space } = owner ?? { host: '?', pid: '?', boot: '', space: '' };
  const own = self();
  const isHere = owner !== null && host === own.host && boot === own.boot && space === own.space;
  const seen = `last seen ${Math.max(0, Math.round(quiet / 1000))} s ago`;
  return new RunError(
    isHere
      ? `${folder} is being written by process ${pid}; wait for it, or choose another --run-dir`
      : `${folder} is being written by process ${pid} on ${host}, ${seen}; wait for it, choose another --run-dir, or remove ${path} if you know that it is gone`,
  );
}
