/** A sweep's folder: `sweep.json`, and below it a folder for each of its runs. One process at a time works in it. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder } from '../../values/folders.js';
import type { Json } from '../addons/addon.js';
import { fileError, replaceText } from '../checkpoint/files.js';
import { isAlive } from '../checkpoint/process-alive.js';
import { parseStrictJson, type StrictValue } from '../checkpoint/strict-json.js';
import { RunError } from './run-error.js';

export interface SweepFolder {
  readonly path: string;
  /** What another start wrote into `sweep.json`, or null. */
  readonly before: ReadonlyMap<string, StrictValue> | null;
  /** Replaces `sweep.json`. */
  write(value: Json): Promise<void>;
  close(): void;
}

/** Makes the folder, or takes up one that another start has left. Rejects with a RunError where it is neither. */
export async function openSweepFolder(path: string): Promise<SweepFolder> {
  const file = join(path, 'sweep.json');
  let release = (): void => undefined;
  try {
    makeFolder(path);
    if (!existsSync(file)) {
      const others = readdirSync(path).filter((name) => name !== lockName);
      if (others.length > 0)
        throw new RunError(
          `${path} holds other files (${others.slice(0, 3).join(', ')}) and no sweep; choose a --run-dir that is empty or not there yet`,
        );
    }
    release = lock(path);
    const before = existsSync(file) ? await readBefore(file) : null;
    return {
      path,
      before,
      write: async (value) => {
        try {
          await replaceText(file, `${JSON.stringify(value, null, 2)}\n`);
        } catch (error) {
          throw fileError(`cannot write ${file}`, error);
        }
      },
      close: release,
    };
  } catch (error) {
    release();
    throw fileError(`cannot use ${path} as the sweep's folder`, error);
  }
}

const lockName = 'sweep.pid';

/** Keeps a second process out while this one lives. */
function lock(folder: string): () => void {
  const file = join(folder, lockName);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const opened = openSync(file, 'wx');
      writeSync(opened, `${process.pid}\n`);
      closeSync(opened);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner !== process.pid && isAlive(owner))
      throw new RunError(
        `${folder} is being swept by process ${owner}; wait for it, or choose another --run-dir`,
      );
    // Its process ended without a word.
    rmSync(file, { force: true });
  }
  throw new RunError(`${folder} was taken by another sweep just now; choose another --run-dir`);
}

async function readBefore(file: string): Promise<ReadonlyMap<string, StrictValue>> {
  let value: StrictValue;
  try {
    value = parseStrictJson(await readFile(file, 'utf8'));
  } catch (error) {
    throw new RunError(
      `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}; choose another --run-dir`,
    );
  }
  if (!(value instanceof Map)) throw new RunError(`${file} is no sweep; choose another --run-dir`);
  return value;
}

/** What a run came to, as its `summary.json` says; null where it has none, or was cut off. */
export interface RunSummary {
  readonly metrics: ReadonlyMap<string, number>;
  readonly seconds: number;
}

/** Reads a finished run. `best`: where the run kept its best checkpoint, the metrics are those of its step. */
export async function readSummary(folder: string): Promise<RunSummary | null> {
  const file = join(folder, 'summary.json');
  if (!existsSync(file)) return null;
  const read = parseStrictJson(await readFile(file, 'utf8'));
  if (!(read instanceof Map)) return null;
  const reason = read.get('reason');
  if (reason !== 'finished' && reason !== 'stopped' && reason !== 'out-of-time') return null;
  const metrics = numbersOf(read.get('metrics'));
  const checkpoints = read.get('checkpoints');
  const best = checkpoints instanceof Map ? checkpoints.get('best') : undefined;
  const seconds = read.get('seconds');
  const step =
    typeof best === 'string'
      ? Number(/step-(\d+)(?:\.ckpt)?$/.exec(basename(best))?.[1] ?? Number.NaN)
      : Number.NaN;
  if (!Number.isNaN(step))
    for (const [name, value] of await measuredAt(folder, step)) metrics.set(name, value);
  return { metrics, seconds: typeof seconds === 'number' ? seconds : 0 };
}

function numbersOf(value: StrictValue | undefined): Map<string, number> {
  return new Map(
    value instanceof Map ? [...value].map(([name, each]): [string, number] => [name, Number(each)]) : [],
  );
}

const about: ReadonlySet<string> = new Set(['stage', 'over', 'step', 'epoch', 'wall']);

/** The metrics of the passes at a step, by full name. */
async function measuredAt(folder: string, step: number): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const record = parseStrictJson(line);
    if (!(record instanceof Map) || record.get('step') !== step || record.get('over') !== 'pass') continue;
    const stage = String(record.get('stage'));
    // A table is no one number.
    for (const [name, value] of record)
      if (!about.has(name) && !Array.isArray(value)) found.set(`${stage}.${name}`, Number(value));
  }
  return found;
}

/** Makes room for a run whose folder holds what was cut off: that is kept beside it. */
export async function setAside(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (let number = 1; ; number += 1) {
    const aside = `${folder}.before-${number}`;
    if (existsSync(aside)) continue;
    await rename(folder, aside);
    return;
  }
}
