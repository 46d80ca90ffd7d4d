/** What a sweep knows a run by: what was measured of the weights that `test --from` would take. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { readSummary, type RunSummary } from '../../src/runtime/run/sweep-folder.js';
import { closing } from '../../src/runtime/trainer/sweep-points.js';
import type { SweepPlan } from '../../src/values/sweep.js';
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

test('why a point is not picked names the step whose weights were kept, or what cannot be read', async () => {
  const metrics = { 'train.loss': 9, 'deep.accuracy': 0.9 };
  const made = async (name: string, step: number | null, line: object | null) => {
    mkdirSync(name);
    if (line !== null) writeFileSync(join(name, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
    const checkpoints = step === null ? {} : { best: `checkpoints/step-000000${step}` };
    const all = step === null ? { 'train.loss': 9 } : metrics;
    writeFileSync(
      join(name, 'summary.json'),
      JSON.stringify({ reason: 'finished', metrics: all, checkpoints }),
    );
    return readSummary(name);
  };
  const plan = (seeds: readonly number[]): SweepPlan =>
    addons.sweep({
      over: [],
      average: [addons.axis({ name: 'trainer.seed', values: seeds })],
      pick: addons.max('deep.accuracy'),
    });
  const why = (...summaries: readonly (RunSummary | null)[]): string => {
    const runs = summaries.map((summary, index) => ({
      point: 0,
      settings: [{ name: 'trainer.seed', value: index, text: String(index) }],
      name: `run-${index}`,
      state: 'finished' as const,
      summary,
      error: null,
    }));
    const lines = closing(plan([...summaries.keys()]), runs, () => '', false, 1000);
    return lines.find((line) => line.startsWith('point 1')) ?? '';
  };
  const at = (step: number): object => ({ stage: 'deep', over: 'pass', step, epoch: 1, accuracy: 0.9 });
  const one = await made('one', 45, at(90));
  expect(why(one)).toBe(
    'point 1 is not picked: deep.accuracy was not measured after step 45, whose weights were kept',
  );
  const [measured, other] = [await made('measured', 90, at(90)), await made('other', 60, at(90))];
  expect(why(one, measured, other)).toBe(
    'point 1 is not picked: deep.accuracy was not measured after steps 45, 60, whose weights were kept, in 2 of its 3 runs (trainer.seed=0, trainer.seed=2)',
  );
  expect(why(await made('never', null, null))).toBe('point 1 is not picked: deep.accuracy was not measured');
  expect(why(await made('gone', 45, null))).toBe(
    'point 1 is not picked: deep.accuracy is not known: cannot read gone/metrics.jsonl: it is missing',
  );
});
