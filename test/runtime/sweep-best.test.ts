/** What a sweep knows a run by: what was measured of the weights that `test --from` would take. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { readSummary } from '../../src/runtime/run/sweep-folder.js';
import { run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('sweep-best');

test('a point is picked by the epoch whose weights were kept, and the command to run it has no words about the sweep', async () => {
  const sweep = addons.sweep({
    // Too large a step: the loss grows, and the first epoch is the best.
    over: [addons.axis({ name: 'lr', values: [1.25, 1.3] })],
    average: [],
    pick: addons.min('train.loss'),
  });
  class Kept extends LineTrainer {
    static override readonly spec = { ...LineTrainer.spec, sweep };
    protected override configureAddOns(): readonly AddOn[] {
      return [addons.checkpoint({ best: addons.min('train.loss') })];
    }
  }
  const shown = ['trainer.progress=none'];
  const { code, text } = await run(['trainer.epochs=3', ...shown, '--run-dir=kept'], Kept);
  expect(code).toBe(0);
  const written = JSON.parse(readFileSync('kept/sweep.json', 'utf8'));
  for (const [index, point] of ['point-1', 'point-2'].entries()) {
    const { best, metrics } = JSON.parse(readFileSync(join('kept', point, 'summary.json'), 'utf8'));
    const own = written.points[index].runs[0].metrics['train.loss'];
    expect(best).toMatchObject([{ metric: 'train.loss', value: own, step: 5 }]);
    expect(metrics['train.loss']).toBeGreaterThan(own);
  }
  expect(text).toMatch(/^run it: \.\/line\.mjs trainer\.epochs=3 lr=1\.25$/m);
  expect(written.settings).toEqual(['trainer.epochs=3', ...shown]);
});

test('of what was not measured at that step nothing is known', async () => {
  const folder = (name: string, lines: readonly object[], best: string | null): string => {
    mkdirSync(name);
    writeFileSync(join(name, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const metrics = { 'train.loss': 9, 'validate.loss': 9, 'hard.loss': 9 };
    const checkpoints = best === null ? {} : { best };
    writeFileSync(join(name, 'summary.json'), JSON.stringify({ reason: 'finished', metrics, checkpoints }));
    return name;
  };
  const lines = [
    { stage: 'train', over: 'window', step: 15, epoch: 1, 'lr.a': 0.1, loss: 3 },
    { stage: 'validate', over: 'pass', step: 15, epoch: 1, loss: 2 },
    { stage: 'hard', over: 'pass', step: 20, epoch: 1, loss: 4 },
    { stage: 'lr_log', over: 'step', step: 15, epoch: 1, loss: 5 },
  ];
  const epoch = { stage: 'train', over: 'epoch', step: 15, epoch: 1, 'lr.a': 0.1, loss: 1 };
  const later = { ...epoch, step: 30, loss: 8 };
  const metricsOf = async (name: string, all: readonly object[], best: string | null): Promise<unknown> => {
    const summary = await readSummary(folder(name, all, best));
    return Object.fromEntries(summary?.metrics ?? []);
  };
  const best = '/a/checkpoints/step-00000015.ckpt';
  expect(await metricsOf('epochs', [epoch, ...lines, later], best)).toEqual({
    'train.loss': 1,
    'validate.loss': 2,
  });
  // Within an epoch a window is not what the metric of the train step is.
  expect(await metricsOf('within', [...lines, later], best)).toEqual({ 'validate.loss': 2 });
  // Live data has no epochs.
  expect(await metricsOf('windows', lines, best)).toEqual({ 'train.loss': 3, 'validate.loss': 2 });
  expect(await metricsOf('none', lines, null)).toEqual({
    'train.loss': 9,
    'validate.loss': 9,
    'hard.loss': 9,
  });
});
