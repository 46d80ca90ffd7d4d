/** An extern source may say what its data is: a run goes on with that data alone, unless it is told otherwise. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as data from '../../src/runtime/data/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { killed, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { lineData, LineTrainer, type LineData } from './tiny-trainer.js';

workInFolder('extern-digest');

/** What the source says of its data; undefined: nothing. */
const own: { digest: string | undefined } = { digest: undefined };
beforeEach(() => {
  own.digest = 'snapshot 1';
});

class Told extends LineTrainer {
  protected override configureData(): LineData {
    const { test: tested } = super.configureData();
    const { rows, batchSize } = this.params;
    const { digest } = own;
    const train = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
      () => ({ ...lineData(rows), ...(digest === undefined ? {} : { digest }) }),
      {},
      {
        record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } },
        declared: { name: 'points', file: 'points.ts' },
        batch: batchSize,
        shuffle: true,
      },
    );
    return { train, test: tested };
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(2), keep: 20, best: addons.min('validate.loss') })];
  }
}

test('with the same data a run goes on, with other data only where that is meant', async () => {
  await killed('told', [], Told);
  own.digest = 'snapshot 2';
  const refused = await run(['--resume', 'told'], Told);
  expect(refused.code).toBe(3);
  expect(refused.text).toContain('train: extern points has changed since');
  expect(refused.text).toContain('--allow data');
  own.digest = undefined;
  expect((await run(['--resume', 'told'], Told)).text).toContain('train: extern points is not read any more');
  own.digest = 'snapshot 1';
  expect((await run(['--resume', 'told'], Told)).code).toBe(0);
  const { data: sets } = JSON.parse(readFileSync(join('told', 'run.json'), 'utf8')) as {
    readonly data: { readonly train: { readonly files: readonly { readonly file: string }[] } };
  };
  expect(sets.train.files.map(({ file }) => file)).toEqual(['extern points']);
});

test('other data, where it is meant', async () => {
  await killed('meant', [], Told);
  own.digest = 'snapshot 2';
  const { code, text } = await run(['--resume', 'meant', '--allow=data'], Told);
  expect(code).toBe(0);
  expect(text).toContain('allowed: train: extern points has changed since');
});

test('without a digest nothing of it is compared but the number of its rows', async () => {
  own.digest = undefined;
  await killed('untold', [], Told);
  own.digest = 'snapshot 2';
  expect((await run(['--resume', 'untold'], Told)).code).toBe(0);
});

test('a digest of nothing is none', async () => {
  own.digest = '';
  const { code, text } = await run(['--run-dir=empty'], Told);
  expect(code).toBe(3);
  expect(text).toContain('extern points: digest must be a text that is not empty, got ""');
});
