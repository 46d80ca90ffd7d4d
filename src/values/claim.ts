/**
 * Claims of processes on a place that one at a time may have. A claim is a folder with one file, which names its process and is touched
 * now and then. Each owner's file has a name of its own, and a folder takes the place of an empty one only: so of several that find an
 * owner gone each may remove that file, none removes what came after it, and one is the next.
 */
import {
  closeSync,
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
import { isAlive } from './process-alive.js';

/** Who has a claim. */
export interface Owner {
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

/** This process. */
export const ownOwner = (): Owner => ({
  host: hostname(),
  pid: process.pid,
  started: startOf(process.pid),
  boot: textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
  space: textOf(() => readlinkSync('/proc/self/ns/pid')),
});

/** What a claim's file says of this process. */
export const ownText = (): string => `${JSON.stringify(ownOwner())}\n`;

/** Null where a file says nothing, or is gone. */
export const readOwner = (path: string): Owner | null => {
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
};

/** How long a claim may go untouched, in milliseconds. */
export interface Patience {
  /** A machine that was started anew does not touch the claim any more. */
  readonly quietMs: number;
  /** Processes of other machines cannot be looked up: one that has not touched its claim for so long is taken for gone. */
  readonly silentMs: number;
}

/** Whether the owner of a claim is gone for certain, or for all that can be known of another machine. */
export const isGone = (owner: Owner | null, untouched: number, { quietMs, silentMs }: Patience): boolean => {
  const own = ownOwner();
  if (owner === null || owner.host !== own.host) return untouched > silentMs;
  if (owner.boot !== own.boot) return untouched > quietMs;
  if (owner.space !== own.space) return untouched > silentMs;
  return !isAlive(owner.pid) || startOf(owner.pid) !== owner.started;
};

const hasCode = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** The files of a claim's owners: one, or none where nobody has it. Throws what the system says where it cannot be read. */
export const ownersOf = (claim: string): readonly string[] => {
  try {
    return readdirSync(claim).map((name) => join(claim, name));
  } catch (error) {
    if (hasCode(error, ['ENOENT'])) return [];
    throw error;
  }
};

/**
 * Takes a claim that nobody has, with a file of this name; false where another was faster. `made` is a path beside it that nothing else
 * uses. Throws what the system says where nothing can be written.
 */
export const tryTake = (claim: string, name: string, made: string): boolean => {
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
};

/** Written anew, for the time to be the disk's and not this machine's. */
export const touch = (path: string): void => {
  try {
    const file = openSync(path, 'r+');
    try {
      writeSync(file, ownText(), 0);
    } finally {
      closeSync(file);
    }
  } catch {
    // Whoever removed it thought this process gone: there is nothing to keep.
  }
};

/**
 * How many milliseconds ago something was touched, by the clock of the disk that it is on: that of another machine, or of this one, may
 * be another. `probe` is a path on the same disk that nothing else uses. Null where the thing is gone. Throws what the system says.
 */
export const untouchedMs = (path: string, probe: string): number | null => {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  try {
    writeFileSync(probe, '', { flag: 'wx', mode: 0o600 });
    return statSync(probe).mtimeMs - stat.mtimeMs;
  } finally {
    rmSync(probe, { force: true });
  }
};

/** Lets a claim go, of which `own` is this process's file. */
export const leave = (claim: string, own: string): void => {
  rmSync(own, { force: true });
  try {
    rmdirSync(claim);
  } catch {
    // The next one has it already, or the folder is gone.
  }
};
