/** A run's folder: what it was (`run.json`), what it measured (`metrics.jsonl`), said (`console.log`) and came to (`summary.json`). */
import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { makeFolder } from '../../values/folders.js';
import { join } from 'node:path';
import type { Json } from '../addons/addon.js';
import { fileError, replaceText, replaceTextNow } from '../checkpoint/files.js';
import { lockFolder, lockName } from '../checkpoint/lock.js';
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
  /** Adds a line to `metrics.jsonl`. */
  metrics(record: Readonly<Record<string, Json>>): void;
  /** Adds a line to `console.log`. */
  console(line: string): void;
  /** Replaces `run.json` or `summary.json`. */
  write(name: 'run.json' | 'summary.json', value: unknown): Promise<void>;
  /** Replaces `run.json` without waiting, for a process that ends now. */
  writeNow(value: unknown): void;
  /** Replaces `trace.json` by a text that is JSON already. */
  trace(text: string): Promise<void>;
  close(): void;
}

/**
 * Makes the folder and opens its files. Rejects with a RunError where that is not possible, or where the folder holds a run
 * already, or anything else: a run's files are never mixed with others. One process at a time has it.
 */
export async function openRunFolder(path: string): Promise<RunFolder> {
  let release = (): void => undefined;
  try {
    makeFolder(path);
    release = lockFolder(path);
    if (existsSync(join(path, 'run.json')))
      throw new RunError(`${path} holds a run already; choose another --run-dir, or remove it`);
    const others = readdirSync(path).filter((name) => !name.startsWith(lockName));
    if (others.length > 0) {
      const some = others.slice(0, 3).join(', ');
      throw new RunError(
        `${path} holds other files (${others.length > 3 ? `${some}, …` : some}); choose a --run-dir that is empty or not there yet`,
      );
    }
    const metrics = openSync(join(path, 'metrics.jsonl'), 'ax');
    const log = openSync(join(path, 'console.log'), 'a');
    const append = (file: number, text: string): void => {
      try {
        appendFileSync(file, text);
      } catch (error) {
        throw fileError(`cannot write to ${path}`, error);
      }
    };
    const replace = async (name: string, text: string): Promise<void> => {
      try {
        await replaceText(join(path, name), text);
      } catch (error) {
        throw fileError(`cannot write ${join(path, name)}`, error);
      }
    };
    return {
      path,
      checkpoints: join(path, 'checkpoints'),
      metrics: (record) => append(metrics, `${JSON.stringify(record)}\n`),
      console: (line) => append(log, `${line}\n`),
      write: (name, value) => replace(name, pretty(value)),
      trace: (text) => replace('trace.json', text),
      writeNow: (value) => replaceTextNow(join(path, 'run.json'), pretty(value)),
      close: () => {
        closeSync(metrics);
        closeSync(log);
        release();
      },
    };
  } catch (error) {
    release();
    throw fileError(`cannot use ${path} as the run's folder`, error);
  }
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** JSON has no NaN and no infinities: they are written as text, which every reader of the file understands. */
export function jsonNumber(value: number): Json {
  return Number.isFinite(value) ? value : String(value);
}
