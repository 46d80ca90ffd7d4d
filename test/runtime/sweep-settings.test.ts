/** What a sweep was given is compared by value when it goes on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('sweep-settings');

class Swept extends LineTrainer {
  static override readonly spec = {
    ...LineTrainer.spec,
    sweep: addons.sweep({
      over: [addons.axis({ name: 'opt.momentum', values: [0, 0.5] })],
      average: [],
      pick: addons.min('validate.loss'),
    }),
  };
}

const given = [
  'lr=1e-3',
  'trainer.limit.train=2.batches',
  'train.batch=4',
  'opt.lr=0.05',
  'trainer.epochs=1',
];
beforeAll(async () => {
  expect((await run([...given, '--run-dir=swept'], Swept)).code).toBe(0);
});

test.each([
  ['the same', given],
  ['another order', given.toReversed()],
  [
    'other spellings',
    ['lr=0.001', 'trainer.limit.train=2 batches', 'train.batch=4', 'opt.lr=5e-2', 'trainer.epochs=1'],
  ],
  ['what the spec says already', [...given, 'rows=20', 'trainer.accumulate=1']],
  ['how it is shown', [...given, 'trainer.progress=none', 'train.prefetch=3']],
])('goes on with %s', async (_name, words) => {
  const { code, text } = await run([...words, '--run-dir=swept'], Swept);
  expect(text).toContain('nothing is left to do: all its runs are done');
  expect(code).toBe(0);
});

test('one of them is said otherwise where it goes on, and the rest need not be said', async () => {
  const { code, text } = await run(['--resume=swept', 'lr=10e-4', 'trainer.progress=plain'], Swept);
  expect(text).toContain('nothing is left to do: all its runs are done');
  expect(code).toBe(0);
  const { settings }: { settings: readonly string[] } = JSON.parse(
    readFileSync(join('swept', 'sweep.json'), 'utf8'),
  );
  expect(settings).toContain('lr=10e-4');
  expect(settings).toContain('opt.lr=0.05');
});

test.each([
  ['another value of a param', ['lr=0.002'], 'lr=10e-4'],
  ['another value of an option of the trainer', ['trainer.epochs=2'], 'trainer.epochs=1'],
  ['another value of an attribute', ['opt.lr=0.06'], 'opt.lr=0.05'],
  ['another length', ['trainer.limit.train=50.percent'], 'trainer.limit.train=2'],
  ['what was not said, and is not what the spec says', ['train.batch=4', 'rows=24'], 'rows=24'],
])('is refused with %s', async (_name, words, shown) => {
  const { code, text } = await run(['--resume=swept', ...words], Swept);
  expect(text).toContain('swept is a sweep with other settings');
  expect(text).toContain(shown);
  expect(code).toBe(3);
});

test('is refused without what was said, and where an axis was set', async () => {
  const { code, text } = await run(['--run-dir=swept', ...given.slice(0, 4)], Swept);
  expect([code, text]).toEqual([3, expect.stringContaining('is a sweep with other settings')]);
  const set = await run(['--run-dir=swept', ...given, 'opt.momentum=0'], Swept);
  expect(set.code).toBe(3);
});
