/** A run that early_stopping has ended goes on with other options, as one would that had them from the start. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import { run, Saving } from './killed-runs.js';
import { metricsLines } from './metrics-lines.js';
import { workInFolder } from './temporary-folder.js';

workInFolder('early-stopping-resumed');

/** Measures 5 epochs of 5 steps, and is ended after 3 of them: no loss is so much better than another. */
class Stopping extends Saving {
  protected override configureAddOns(): readonly AddOn[] {
    return [
      addons.checkpoint({ every: units.steps(2), keep: 20 }),
      addons.named(
        'enough',
        addons.earlyStopping({ monitor: addons.min('validate.loss'), patience: 2, minDelta: 100 }),
      ),
    ];
  }
}

const json = (...path: readonly string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));
const epochs = 'trainer.epochs=6';

test.each([
  ['patience', ['enough.patience=4'], 25],
  ['min_delta', ['enough.min_delta=1e-9'], 30],
  ['patience that it is past', ['enough.patience=1'], 20],
])('another %s', async (name, words, steps) => {
  const [whole, parted] = [`${name}-whole`, `${name}-parted`];
  expect((await run([`--run-dir=${parted}`, epochs], Stopping)).code).toBe(0);
  expect(json(parted, 'summary.json')).toMatchObject({ steps: 15, reason: 'stopped' });
  const allow = words.map((word) => `--allow=${word.split('=')[0]}`);
  const { code, text } = await run([`--resume=${parted}`, ...words, ...allow], Stopping);
  expect(code).toBe(0);
  expect(text).toContain('goes on after step 15');
  expect(json(parted, 'summary.json').steps).toBe(steps);
  if (steps === 20) return;
  expect((await run([`--run-dir=${whole}`, epochs, ...words], Stopping)).code).toBe(0);
  expect(metricsLines(parted)).toEqual(metricsLines(whole));
  expect(json(parted, 'summary.json').because).toEqual(json(whole, 'summary.json').because);
});

test('something else that was allowed: it is measured once more, and stopped at that', async () => {
  expect((await run(['--run-dir=other', epochs], Stopping)).code).toBe(0);
  const { code } = await run(['--resume=other', 'lr=0.05', '--allow=lr'], Stopping);
  expect(code).toBe(0);
  expect(json('other', 'summary.json')).toMatchObject({ steps: 20, reason: 'stopped' });
});

describe('how to train longer', () => {
  test.each([
    ['patience', [], 'enough.patience=4'],
    ['stop_at', ['enough.stop_at=1000'], 'enough.stop_at=none'],
    ['diverge_at', ['enough.diverge_at=1e-9'], 'enough.diverge_at=none'],
  ])('after an end by %s names its option, and the command does it', async (name, words, option) => {
    const folder = `lift-${name}`;
    expect((await run([`--run-dir=${folder}`, epochs, ...words], Stopping)).code).toBe(0);
    const { steps } = json(folder, 'summary.json');
    const { text } = await run([`--resume=${folder}`], Stopping);
    const more = `${option} --allow enough.${name}`;
    expect(text).toContain(`to train longer: ./line.mjs --resume ${folder} ${more}\n`);
    expect((await run(['--resume', folder, ...more.split(' ')], Stopping)).code).toBe(0);
    expect(json(folder, 'summary.json').steps).toBeGreaterThan(steps + 1);
  });
});
