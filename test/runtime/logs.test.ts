/** `lr_log`, `device_stats` and `csv_log` in whole runs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkpoint, csvLog, deviceStats, lrLog, type AddOn } from '../../src/runtime/addons/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import * as units from '../../src/values/units.js';
import { parseOverride } from '../../src/values/overrides.js';
import { LineTrainer, setup, type LineModels } from './tiny-trainer.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-logs-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
const quiet = { isTTY: false, columns: 80, write: () => true };

/** 5 steps an epoch, 2 epochs; the rate falls by a tenth each step. */
class Logged extends LineTrainer {
  static all: readonly AddOn[] = [];
  protected override configureAddOns() {
    return Logged.all;
  }
  protected override configureOptimizers(models: LineModels): Readonly<Record<string, optim.Optimizer>> {
    return { opt: optim.sgd({ of: [models.line], lr: ({ step }) => 0.1 * (1 - step / 10) }) };
  }
}

const linesOf = async (
  name: string,
  all: readonly AddOn[],
  overrides: readonly string[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  Logged.all = all;
  const runDir = join(folder, name);
  const made = setup({}, { epochs: 2, seed: 1, logEvery: units.steps(3) });
  await new Logged({ ...made, overrides: overrides.map((text) => parseOverride(text)) }).fit({
    runDir,
    stream: quiet,
  });
  return readFileSync(join(runDir, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): Readonly<Record<string, unknown>> => {
      const parsed: unknown = JSON.parse(line);
      return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
    });
};

describe('lr_log', () => {
  test('writes the rates of each so many steps, as lines of their own', async () => {
    const lines = (await linesOf('rates', [lrLog({ every: units.steps(4) })])).filter(
      ({ stage }) => stage === 'lr_log',
    );
    expect(lines.map(({ step, over }) => [step, over])).toEqual([
      [4, 'step'],
      [8, 'step'],
    ]);
    // The rate that the step was made with: that of the 4th update, not of the 5th.
    expect(lines.map((line) => Number(line['lr.opt']).toFixed(4))).toEqual(['0.0700', '0.0300']);
  });

  test('can be told otherwise on the command line', async () => {
    const lines = await linesOf('often', [lrLog()], ['lr_log.every=1.steps']);
    expect(lines.filter(({ stage }) => stage === 'lr_log')).toHaveLength(10);
    expect((await linesOf('seldom', [lrLog()])).filter(({ stage }) => stage === 'lr_log')).toHaveLength(1);
  });
});

test('device_stats writes what is held with each line of training metrics, and no other', async () => {
  const lines = await linesOf('memory', [deviceStats()]);
  const at = (wanted: string) => lines.filter(({ stage }) => stage === wanted).map(({ step }) => step);
  expect(at('device_stats')).toEqual(at('train'));
  expect(at('train')).toEqual([3, 5, 6, 9, 10]);
  for (const line of lines.filter(({ stage }) => stage === 'device_stats')) {
    for (const name of ['process_bytes', 'heap_bytes', 'device_bytes', 'device_tensors'])
      expect(line[name]).toBeGreaterThan(0);
    expect(Number(line['process_bytes'])).toBeGreaterThan(Number(line['heap_bytes']));
  }
});

test('csv_log has every line, with a column for each name, also for those that come later', async () => {
  const lines = await linesOf('csv', [csvLog(), lrLog({ every: units.steps(5) }), deviceStats()]);
  const [header = '', ...rows] = readFileSync(join(folder, 'csv', 'logs', 'metrics.csv'), 'utf8')
    .trimEnd()
    .split('\n');
  const columns = header.split(',');
  expect(columns.slice(0, 5)).toEqual(['stage', 'over', 'step', 'epoch', 'wall']);
  expect(new Set(columns)).toEqual(new Set(lines.flatMap((line) => Object.keys(line))));
  expect(columns).toHaveLength(new Set(columns).size);
  const cells = rows.map((row) => row.split(','));
  for (const row of cells) expect(row).toHaveLength(columns.length);
  expect(cells.map((row) => `${row[0] ?? ''} ${row[2] ?? ''}`).sort()).toEqual(
    lines.map(({ stage, step }) => `${String(stage)} ${String(step)}`).sort(),
  );
  const loss = columns.indexOf('loss');
  const validated = cells.filter(([stage]) => stage === 'validate').map((row) => Number(row[loss]));
  expect(validated).toEqual(lines.filter(({ stage }) => stage === 'validate').map((line) => line['loss']));
});

test('csv_log makes its file anew where a run that goes on has lost it', async () => {
  const all = [csvLog(), lrLog({ every: units.steps(5) }), checkpoint({ every: units.steps(5), keep: 9 })];
  const before = await linesOf('lost', all);
  const runDir = join(folder, 'lost');
  const file = join(runDir, 'logs', 'metrics.csv');
  const whole = readFileSync(file, 'utf8').trimEnd().split('\n');
  rmSync(join(runDir, 'logs'), { recursive: true });
  const said: string[] = [];
  const made = setup({}, { epochs: 2, seed: 1, logEvery: units.steps(3) });
  await new Logged(made).fit({
    resume: await resumePointAt(join(runDir, 'checkpoints', 'step-00000005')),
    stream: { ...quiet, write: (text) => said.push(text) > 0 },
  });
  expect(said.join('')).toContain('metrics.csv is gone: it is made anew of metrics.jsonl');
  const again = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(again).toHaveLength(before.length + 1);
  // But for the times and speeds of lines that were made again.
  const exact = (rows: readonly string[]) =>
    rows.map((row) => {
      const cells = row.split(',');
      const [header = ''] = rows;
      return cells.filter((_cell, at) => !/^wall$|_per_second$/.test(header.split(',')[at] ?? ''));
    });
  expect(exact(again)).toEqual(exact(whole));
});
