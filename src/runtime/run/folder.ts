/** A run's folder: what it was (`run.json`), what it measured (`metrics.jsonl`), said (`console.log`) and came to (`summary.json`). */
import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, existsSync, readdirSync } from 'node:fs';
import { makeFolder } from '../../values/folders.js';
import { join } from 'node:path';
import type { Json } from '../addons/addon.js';
import {
  fileError,
  isTemporaryOf,
  replaceText,
  replaceTextNow,
  sweepTemporaries,
} from '../checkpoint/files.js';
import { lockFolder, lockName, type FolderLock } from '../checkpoint/lock.js';
import { newestRunIn } from './about-run.js';
import { MetricsFile, openGrowing, type MetricsMark } from './metrics-file.js';
import { RunError } from './run-error.js';

/** `20260131-142501-3f1c`, in UTC, for a new run. */
export function runName(now: Date): string {
  const digits = now
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '-');
  return `${digits}-${randomBytes(2).toString('hex')}`;
}

export interface RunFolder {
  readonly path: string;
  readonly checkpoints: string;
  /** Throws a RunError where the folder is not this process's any more. */
  check(): void;
  /** Adds a line to `metrics.jsonl`. */
  metrics(record: Readonly<Record<string, Json>>): void;
  /** Adds a line to `console.log`. */
  console(line: string): void;
  /** Replaces `run.json` or `summary.json`. */
  write(name: 'run.json' | 'summary.json', value: unknown): Promise<void>;
  /** Replaces `run.json` without waiting, for a process that ends now. */
  writeNow(value: unknown): void;
  /** What `metrics.jsonl` is now: whoever goes on from here cuts off what came later. `say` is told once where another program has changed it. */
  marks(say: (line: string) => void): MetricsMark;
  /** Cuts `metrics.jsonl` back to what it was at the checkpoint that the run goes on from. What was wrong with it, or null. */
  cut?(): string | null;
  /** Waits until what was written is on the disk. Throws a RunError where the folder is another process's by now. */
  flush(): void;
  /** Replaces `skipped-rows.jsonl` by these lines. */
  skippedRows(text: string): Promise<void>;
  /** Replaces `trace.json` by a text that is JSON already. */
  trace(text: string): Promise<void>;
  close(): void;
}

/**
 * Makes the folder and opens its files. Rejects with a RunError where that is not possible, or where the folder holds a run
 * already, or anything else: a run's files are never mixed with others.
 */
export async function openRunFolder(path: string): Promise<RunFolder> {
  let lock: FolderLock | null = null;
  try {
    makeFolder(path);
    lock = lockFolder(path);
    if (existsSync(join(path, 'run.json')))
      throw new RunError(
        existsSync(join(path, 'checkpoints'))
          ? `${path} holds a run already; go on with it by --resume ${path}, choose another --run-dir, or remove it`
          : `${path} holds a run already, which has saved nothing; begin anew by --run-dir ${path} --resume auto, which keeps it beside, or choose another --run-dir`,
      );
    refuseOthers(path);
    await sweepTemporaries(path, isLeftOver);
    return openFiles(path, MetricsFile.create(path), lock);
  } catch (error) {
    lock?.release();
    throw fileError(`cannot use ${path} as the run's folder`, error);
  }
}

/** Whether something is what a process that was killed had half written for a run's or a sweep's folder. */
export const isLeftOver = (name: string): boolean =>
  isTemporaryOf(['run.json', 'summary.json', 'trace.json', 'sweep.json', 'metrics.jsonl'], name);

/** Whether a folder is that of a run which was killed before it had said what it is. */
export function isUnbegun(path: string): boolean {
  const names = readdirSync(path).filter((name) => !name.startsWith(lockName));
  return (
    names.length > 0 &&
    names.every((name) => name === 'metrics.jsonl' || name === 'console.log' || isLeftOver(name))
  );
}

/** Throws a RunError where a folder holds anything, which is no run's. */
export function refuseOthers(path: string): void {
  const others = readdirSync(path).filter((name) => !name.startsWith(lockName) && !isLeftOver(name));
  if (others.length === 0) return;
  const some = others.slice(0, 3).join(', ');
  const run = newestRunIn(path);
  throw new RunError(
    `${path} holds other files (${others.length > 3 ? `${some}, …` : some}); ${run === null ? '' : `name a run in it to go on with that, --resume ${run}, or `}choose a --run-dir that is empty or not there yet`,
  );
}

/**
 * Opens the folder of a run that goes on from a checkpoint, which no other process may have open. Rejects with a RunError where that is not
 * possible, or where `metrics.jsonl` is not what it was at the checkpoint, which has kept `files`, unless that is `allowed`. `cut` cuts it
 * back to that, or to what can be read of it.
 */
export async function reopenRunFolder(
  path: string,
  files: Readonly<Record<string, unknown>>,
  at: { readonly step: number; readonly allowed: boolean },
): Promise<RunFolder> {
  let lock: FolderLock | null = null;
  try {
    lock = lockFolder(path);
    await sweepTemporaries(path, isLeftOver);
    const { metrics, cut } = MetricsFile.reopen(path, files, at);
    const cutBack = (): string | null => {
      try {
        return cut();
      } catch (error) {
        throw fileError(`cannot write to ${path}`, error);
      }
    };
    return { ...openFiles(path, metrics, lock), cut: cutBack };
  } catch (error) {
    lock?.release();
    throw fileError(`cannot use ${path} as the run's folder`, error, 'a copy of it that can be written');
  }
}

function openFiles(path: string, metrics: MetricsFile, lock: FolderLock): RunFolder {
  const log = openGrowing(join(path, 'console.log'));
  const written = (add: () => void): void => {
    lock.check();
    try {
      add();
    } catch (error) {
      throw fileError(`cannot write to ${path}`, error);
    }
  };
  const replace = async (name: string, text: string): Promise<void> => {
    lock.check();
    try {
      await replaceText(join(path, name), text);
    } catch (error) {
      throw fileError(`cannot write ${join(path, name)}`, error);
    }
  };
  return {
    path,
    checkpoints: join(path, 'checkpoints'),
    check: () => lock.check(),
    metrics: (record) => written(() => metrics.add(`${JSON.stringify(record)}\n`)),
    console: (line) => written(() => appendFileSync(log, `${line}\n`)),
    write: (name, value) => replace(name, pretty(value)),
    marks: (say) => metrics.mark(say),
    flush: () => written(() => metrics.flush()),
    skippedRows: (text) => replace('skipped-rows.jsonl', text),
    trace: (text) => replace('trace.json', text),
    writeNow: (value) => {
      lock.check();
      replaceTextNow(join(path, 'run.json'), pretty(value));
    },
    close: () => {
      metrics.close();
      closeSync(log);
      lock.release();
    },
  };
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** JSON has no NaN and no infinities: they are written as text, which every reader of the file understands. */
export function jsonNumber(value: number): Json {
  return Number.isFinite(value) ? value : String(value);
}

/** What is JSON already, as its type says. */
export function jsonOf(value: unknown): Json {
  if (typeof value === 'number') return jsonNumber(value);
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== 'object') throw new Error(`${typeof value} is no JSON`);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]: [string, unknown]) => [key, jsonOf(each)]),
  );
}
