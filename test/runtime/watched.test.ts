/** Metrics that add-ons and schedules wait for: refused where no step of the run measures them, told of where none did. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as units from '../../src/values/units.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import { LineTrainer } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-watched-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function linesOf(
  addOn: AddOn,
  options: TrainerOptions = {},
  control = new Control(),
): Promise<readonly string[]> {
  const said: string[] = [];
  const trainer = new (LineTrainer.addOn(addOn))({ options: { progress: 'plain', ...options } });
  const stream = { write: (text: string) => said.push(text) };
  await trainer.fit({ runDir: null, stream, environment: {}, control });
  return said
    .join('')
    .split('\n')
    .filter((line) => line.includes('never measured'));
}

const off: TrainerOptions = { limit: { validate: units.batches(0) } };
const watching = {
  early_stopping: addons.earlyStopping({ monitor: addons.min('validate.loss') }),
  checkpoint: addons.checkpoint({ best: addons.min('validate.loss') }),
  mine: addons.extern(
    { kind: 'mine', phase: 'trigger', owns: [] },
    (_options: { readonly metric: addons.Metric }) => () => ({}),
    { metric: addons.metric('validate.loss') },
  ),
} as const;

describe('a metric of a step that does not run', () => {
  test.each(Object.entries(watching))('%s is refused at the start', async (kind, addOn) => {
    const runDir = join(root, kind);
    const trainer = new (LineTrainer.addOn(addOn))({ options: { progress: 'none', ...off } });
    await expect(trainer.fit({ runDir })).rejects.toThrow(
      `add-on ${kind} watches validate.loss, and no step that runs measures it: the run has train; watch a metric of these, or take back the limit`,
    );
    expect(existsSync(join(runDir, 'checkpoints'))).toBe(false);
  });
});

describe('what a step of the run never measured', () => {
  const vain = addons.earlyStopping({ monitor: addons.min('validate.los') });
  test('is told of at the end', async () => {
    expect(await linesOf(vain)).toEqual([
      'add-on early_stopping watched validate.los, which was never measured in this run',
    ]);
    expect(await linesOf(watching.early_stopping)).toEqual([]);
  });
  test('is not told of where a signal ended the run first', async () => {
    const control = new Control();
    control.stop('SIGINT');
    expect(await linesOf(vain, {}, control)).toEqual([]);
  });
});
