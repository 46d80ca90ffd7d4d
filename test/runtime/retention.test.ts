/** Which checkpoints a run keeps, against a model of a few lines: the newest, the best, and nothing else that it wrote itself. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOnHost, Moment, SavedCheckpoint } from '../../src/runtime/addons/index.js';
import { findCheckpoint } from '../../src/runtime/checkpoint/read.js';
import { deleteCheckpoint, pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { contents, layouts } from './checkpoint-contents.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-retention-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const moment = (step: number): Moment => ({ step, epoch: step, seconds: step });
let made = 0;

/** A run's folder on the disk; `fails` tells of which step the save fails. */
function runIn(layout: (typeof layouts)[number], fails: (step: number) => boolean) {
  made += 1;
  const folder = join(root, String(made), 'checkpoints');
  mkdirSync(folder, { recursive: true });
  const write = async (step: number): Promise<SavedCheckpoint> => {
    if (fails(step)) throw new Error('the disk is full');
    return { folder: await writeCheckpoint(folder, contents(step, layout)), step };
  };
  const host = {
    pace: { stepsPerEpoch: 1, accumulate: 1, rowsPerEpoch: 1, totalSteps: 100 },
    beginSave: ({ step }: Moment) => Promise.resolve({ written: write(step) }),
    point: (name: 'last' | 'best', { step }: { readonly step: number }) => pointTo(folder, name, step),
    forget: ({ folder: old }: { readonly folder: string }) => deleteCheckpoint(old),
    notable: () => undefined,
    best: () => undefined,
  } satisfies Partial<AddOnHost> as unknown as AddOnHost;
  return { folder, host };
}

const stepsIn = (folder: string): readonly number[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith('step-'))
    .map((name) => Number.parseInt(name.slice('step-'.length), 10))
    .sort((a, b) => a - b);

const value = fc.constantFrom(-2, -1, -1, 0, 0, 1, 1, 2, Number.NaN);

test.each(layouts)('the newest and the best of any values stay, ties to the first (%s)', async (layout) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('min', 'max'),
      async (values, keep, mode) => {
        const { folder, host } = runIn(layout, () => false);
        // Of another run: higher steps, which are not this run's to delete.
        await writeCheckpoint(folder, contents(1000, layout));
        const monitor = mode === 'min' ? addons.min('v.m') : addons.max('v.m');
        const hooks = addons
          .checkpoint({ every: { unit: 'steps', value: 1 }, keep, best: monitor })
          .start(host);
        let best: { readonly step: number; readonly value: number } | null = null;
        for (const [index, each] of values.entries()) {
          const step = index + 1;
          await hooks.measured?.(moment(step), new Map([['v.m', each]]));
          await hooks.settled?.(moment(step));
          // Waits for the write, and does nothing else.
          await hooks.failed?.(moment(step), null);
          const better = best === null || (mode === 'min' ? each < best.value : each > best.value);
          if (!Number.isNaN(each) && better) best = { step, value: each };
          const newest = Array.from({ length: Math.min(keep, step) }, (_value, back) => step - back);
          const expected = new Set([...newest, ...(best === null ? [] : [best.step]), 1000]);
          expect(stepsIn(folder)).toEqual([...expected].sort((a, b) => a - b));
          expect((await findCheckpoint(join(folder, '..'))).step).toBe(best?.step ?? step);
        }
      },
    ),
    { numRuns: 15 },
  );
});

test.each(layouts)('a save that fails costs none of what is there (%s)', async (layout) => {
  const { folder, host } = runIn(layout, (step) => step === 3);
  const hooks = addons
    .checkpoint({ every: { unit: 'steps', value: 1 }, keep: 1, best: addons.min('v.m') })
    .start(host);
  for (const [step, value] of [
    [1, 0.5],
    [2, 0.7],
  ] as const) {
    await hooks.measured?.(moment(step), new Map([['v.m', value]]));
    await hooks.settled?.(moment(step));
    await hooks.failed?.(moment(step), null);
  }
  expect(stepsIn(folder)).toEqual([1, 2]);
  await hooks.measured?.(moment(3), new Map([['v.m', 0.1]]));
  await hooks.settled?.(moment(3));
  await hooks.failed?.(moment(3), null);
  // Told after the next step, not at the next save.
  expect(hooks.nextSettled?.(3)).toBe(4);
  await expect(Promise.resolve(hooks.settled?.(moment(4)))).rejects.toThrow('the disk is full');
  expect(stepsIn(folder)).toEqual([1, 2]);
  expect((await findCheckpoint(join(folder, '..'))).step).toBe(1);
});

test('by the clock, a run that goes on saves at the end of the interval in which it starts, and once for several', async () => {
  const { folder, host } = runIn('folder', () => false);
  const hooks = addons.checkpoint({ every: { unit: 'time', value: 10 }, keep: 9 }).start(host);
  const at = (step: number, seconds: number): Moment => ({ step, epoch: 0, seconds });
  await hooks.fitStart?.(at(1, 25));
  for (const [step, seconds] of [
    [2, 26],
    [3, 29.9],
    [4, 30],
    [5, 31],
    [6, 55],
    [7, 56],
  ] as const) {
    await hooks.settled?.(at(step, seconds));
    await hooks.failed?.(at(step, seconds), null);
  }
  expect(stepsIn(folder)).toEqual([4, 6]);
});
