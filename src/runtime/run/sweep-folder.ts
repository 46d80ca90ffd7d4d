/** A sweep's folder: `sweep.json`, and below it a folder for each of its runs. One process at a time works in it. */
import { existsSync } from 'node:fs';
import { readdir, rename, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder } from '../../values/folders.js';
import type { Json } from '../addons/addon.js';
import { fileError, replaceText, sweepTemporaries } from '../checkpoint/files.js';
import { whyUnread } from '../checkpoint/list.js';
import { isFree, lockFolder, type FolderLock } from '../checkpoint/lock.js';
import { openRegular } from '../checkpoint/tensor-file.js';
import { parseStrictJson, type StrictValue } from '../checkpoint/strict-json.js';
import { smallFile } from './about-run.js';
import { isLeftOver, refuseOthers } from './folder.js';
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
  let lock: FolderLock | null = null;
  try {
    makeFolder(path);
    if (!existsSync(file)) refuseOthers(path);
    const own = lockFolder(path);
    lock = own;
    await sweepTemporaries(path, isLeftOver);
    const before = existsSync(file) ? await readBefore(file) : null;
    return {
      path,
      before,
      write: async (value) => {
        own.check();
        try {
          await replaceText(file, `${JSON.stringify(value, null, 2)}\n`);
        } catch (error) {
          throw fileError(`cannot write ${file}`, error);
        }
      },
      close: () => own.release(),
    };
  } catch (error) {
    lock?.release();
    throw fileError(`cannot use ${path} as the sweep's folder`, error);
  }
}

async function readBefore(file: string): Promise<ReadonlyMap<string, StrictValue>> {
  let value: StrictValue;
  try {
    value = parseStrictJson((await smallFile(file)) ?? '');
  } catch (error) {
    if (error instanceof RunError) throw error;
    throw new RunError(
      `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}; choose another --run-dir`,
    );
  }
  if (!(value instanceof Map)) throw new RunError(`${file} is no sweep; choose another --run-dir`);
  return value;
}

/** Whether a folder is a sweep's. */
export const isSweep = (folder: string): boolean => existsSync(join(folder, 'sweep.json'));

/** What a sweep's command line said, as `name=value`. Rejects with a RunError where its `sweep.json` cannot be read. */
export async function settingsIn(folder: string): Promise<readonly string[]> {
  const settings = (await readBefore(join(folder, 'sweep.json'))).get('settings');
  return Array.isArray(settings) ? settings.map(String) : [];
}

/**
 * The newest sweep in `runs` (of one trainer) that was left, and that nobody works in; null where there is none. `say` is told of what
 * cannot be read and is passed over.
 */
export async function unfinishedSweepIn(runs: string, say: (line: string) => void): Promise<string | null> {
  const names = await readdir(runs).catch((): string[] => []);
  for (const name of names.sort().reverse()) {
    const folder = join(runs, name);
    if (!isSweep(folder)) continue;
    try {
      if ((await readBefore(join(folder, 'sweep.json'))).get('ended') === true) continue;
    } catch (error) {
      say(`passed over: ${folder}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (isFree(folder, say)) return folder;
  }
  return null;
}

/** What a run came to, as its `summary.json` says; null where it has none, or was cut off. */
export interface RunSummary {
  readonly metrics: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** Of a run that kept its best checkpoint. */
  readonly best?: BestMeasured;
}

/** What is known of the step of a best checkpoint, besides the metrics that were measured there. */
interface BestMeasured {
  readonly step: number;
  /** Metrics that were measured at other steps only. */
  readonly elsewhere: ReadonlySet<string>;
  /** Why what was measured cannot be read; null where it can. */
  readonly unread: string | null;
}

/** A `summary.json` that says nothing. */
export class DamagedSummary extends RunError {}

/**
 * The `summary.json` of a run that has come to its end; null where there is none. Rejects with a RunError that names it where it cannot be
 * read, a DamagedSummary where what is there is none.
 */
export async function summaryIn(folder: string): Promise<ReadonlyMap<string, StrictValue> | null> {
  const file = join(folder, 'summary.json');
  const text = await smallFile(file);
  if (text === null) return null;
  let read: StrictValue;
  try {
    read = parseStrictJson(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DamagedSummary(`${file} is damaged: ${text === '' ? 'it is empty' : why}`, { cause: error });
  }
  if (!(read instanceof Map)) throw new DamagedSummary(`${file} is damaged: it is no summary`);
  const reason = read.get('reason');
  return reason === 'finished' || reason === 'stopped' || reason === 'out-of-time' ? read : null;
}

/**
 * Reads a finished run. Where it kept its best checkpoint, its metrics are those that were measured at that step, and no others. Rejects as
 * `summaryIn` does.
 */
export async function readSummary(folder: string): Promise<RunSummary | null> {
  const read = await summaryIn(folder);
  if (read === null) return null;
  const newest = numbersOf(read.get('metrics'));
  const checkpoints = read.get('checkpoints');
  const best = checkpoints instanceof Map ? checkpoints.get('best') : undefined;
  const seconds = read.get('seconds');
  const step =
    typeof best === 'string'
      ? Number(/step-(\d+)(?:\.ckpt)?$/.exec(basename(best))?.[1] ?? Number.NaN)
      : Number.NaN;
  const whole = { seconds: typeof seconds === 'number' ? seconds : 0 };
  if (Number.isNaN(step)) return { ...whole, metrics: newest };
  const file = join(folder, 'metrics.jsonl');
  let metrics: ReadonlyMap<string, number> = new Map();
  let unread: string | null = null;
  try {
    metrics = await measuredAt(await openRegular(file, null), step, newest);
  } catch (error) {
    unread = `cannot read ${file}: ${whyUnread(error)}`;
  }
  const elsewhere = new Set([...newest.keys()].filter((name) => !metrics.has(name)));
  return { ...whole, metrics, best: { step, elsewhere, unread } };
}

function numbersOf(value: StrictValue | undefined): Map<string, number> {
  return new Map(
    value instanceof Map ? [...value].map(([name, each]): [string, number] => [name, Number(each)]) : [],
  );
}

/**
 * What was measured at a step of the metrics that a run has, by full name: by validations, and by the train step over the epoch that ended
 * there, or over a window where there are no epochs.
 */
async function measuredAt(
  file: FileHandle,
  step: number,
  of: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  const inWindow = new Map<string, number>();
  let hasEpochs = false;
  // It closes the file at its end.
  for await (const line of file.readLines()) {
    if (line === '') continue;
    const record = parseStrictJson(line);
    if (!(record instanceof Map)) continue;
    const over = record.get('over');
    hasEpochs ||= over === 'epoch';
    const into = over === 'pass' || over === 'epoch' ? found : over === 'window' ? inWindow : null;
    if (record.get('step') !== step || into === null) continue;
    for (const [name, value] of record) {
      const full = `${String(record.get('stage'))}.${name}`;
      if (of.has(full)) into.set(full, Number(value));
    }
  }
  return hasEpochs ? found : new Map([...inWindow, ...found]);
}

/**
 * Makes room for a run whose folder holds what was cut off: that is kept beside it, in the folder that is returned. Null where there was
 * nothing. Rejects with a RunError where another process is at work there, or it cannot be moved.
 */
export async function setAsideUnused(folder: string): Promise<string | null> {
  if (!existsSync(folder)) return null;
  try {
    lockFolder(folder).release();
    for (let number = 1; ; number += 1) {
      const aside = `${folder}.before-${number}`;
      if (existsSync(aside)) continue;
      await rename(folder, aside);
      return aside;
    }
  } catch (error) {
    throw fileError(`cannot keep what is in ${folder} beside it`, error);
  }
}
