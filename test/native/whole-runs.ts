/** Whole runs of trainers on one engine after another, and whether all that they leave behind is the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openCheckpoint, readStateText, readTensors } from '../../src/runtime/checkpoint/read.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { runFit, type AnyTrainer } from '../../src/runtime/trainer/run.js';
import { difference } from './all-engines.js';

export type Fields = Readonly<Record<string, unknown>>;

export interface WholeRun {
  /** What `metrics.jsonl` has, without times. */
  readonly lines: readonly Fields[];
  /** Weights, averages, running statistics and figures of the last checkpoint. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /** Counts of updates and of averages. What optimizers keep besides is small and noisy where a model has learned. */
  readonly counts: ReadonlyMap<string, HostTensor>;
  /** What the last checkpoint says of the loop, of schedules and of add-ons, without times. */
  readonly state: Fields;
  readonly best: unknown;
}

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};

/** What the time that something took decides: also which checkpoints are written when the next one is made. */
const times: ReadonlySet<string> = new Set([
  'wall',
  'seconds',
  'steps_per_second',
  'rows_per_second',
  'saved',
  // How steps are run, and how long the files are.
  'compile',
  'files',
]);

function timeless(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(timeless);
  const kept = Object.entries(value).filter(([name]) => !times.has(name));
  return Object.fromEntries(kept.map(([name, each]) => [name, timeless(each)]));
}

/** Trains to the end, with a folder. */
export async function wholeRun(
  trainer: AnyTrainer,
  engine: 'embedded' | 'tensorflow',
  runDir: string,
): Promise<WholeRun> {
  const result = await runFit(trainer, { engine, runDir, stream: { write: () => undefined } });
  expect(result.reason).toBe('finished');
  return whatIsLeft(runDir);
}

/** What a run has left in its folder. */
export async function whatIsLeft(runDir: string): Promise<WholeRun> {
  const read = (...path: readonly string[]): string => readFileSync(join(runDir, ...path), 'utf8').trim();
  const last = await openCheckpoint(join(runDir, 'checkpoints', read('checkpoints', 'last')));
  const slots = await readTensors(last, 'optimizer.safetensors');
  return {
    lines: read('metrics.jsonl')
      .split('\n')
      .map((line) => fieldsOf(timeless(JSON.parse(line)))),
    weights: await readTensors(last, 'model.safetensors'),
    counts: new Map([...slots].filter(([path]) => /(^|\/)count(\/|$)/.test(path))),
    state: fieldsOf(timeless(JSON.parse(await readStateText(last)))),
    best: fieldsOf(timeless(JSON.parse(read('summary.json'))))['best'],
  };
}

/**
 * Where two values of JSON differ: numbers by more than `tolerance` of the larger one (of 0.01, where both are smaller), rates and all else at
 * all.
 */
export function apart(got: unknown, wanted: unknown, tolerance: number, at = ''): readonly string[] {
  if (Object.is(got, wanted)) return [];
  if (typeof got === 'number' && typeof wanted === 'number') {
    const scale = Math.max(Math.abs(got), Math.abs(wanted), 1e-2);
    const isNear = !/\/lr\.[^/]*$/.test(at) && Math.abs(got - wanted) <= tolerance * scale;
    return isNear ? [] : [`${at}: ${got} for ${wanted}`];
  }
  if (typeof got !== 'object' || typeof wanted !== 'object' || got === null || wanted === null)
    return [`${at}: ${JSON.stringify(got)} for ${JSON.stringify(wanted)}`];
  const [one, other] = [fieldsOf(got), fieldsOf(wanted)];
  const keys = [Object.keys(one).join(), Object.keys(other).join()];
  if (keys[0] !== keys[1]) return [`${at}: has ${keys[0]} for ${keys[1]}`];
  return Object.keys(one).flatMap((key) => apart(one[key], other[key], tolerance, `${at}/${key}`));
}

/** Each line, weight and count to `tolerance`; `noise` are weights that do not matter. */
export function expectSameRun(
  got: WholeRun,
  wanted: WholeRun,
  tolerance: number,
  noise: RegExp | null = null,
): void {
  expect(apart(got.lines, wanted.lines, tolerance, 'metrics.jsonl')).toEqual([]);
  expect(apart(got.state, wanted.state, tolerance, 'state.json')).toEqual([]);
  expect(apart(got.best, wanted.best, tolerance, 'best')).toEqual([]);
  expect([...got.counts.keys()]).toEqual([...wanted.counts.keys()]);
  for (const [path, { values }] of wanted.counts)
    expect([...(got.counts.get(path)?.values ?? [])], path).toEqual([...values]);
  expect([...got.weights.keys()]).toEqual([...wanted.weights.keys()]);
  expect(
    [...wanted.weights]
      .filter(([path]) => noise?.test(path) !== true)
      .map(([path, { values }]) => [path, difference(got.weights.get(path)?.values ?? [], values)] as const)
      .filter(([, far]) => !(far <= tolerance)),
  ).toEqual([]);
}
