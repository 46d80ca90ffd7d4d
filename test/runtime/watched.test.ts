/** Metrics that add-ons and schedules wait for: refused where no step of the run measures them, told of where none did. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import { showNumber } from '../../src/runtime/progress/format.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as units from '../../src/values/units.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import { LineTrainer, type Row } from './tiny-trainer.js';

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
    .filter((line) => /never measured|NaN each time|^best /.test(line));
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
    expect(await linesOf(watching.early_stopping)).toEqual([
      expect.stringMatching(/^best validate\.loss \d/),
    ]);
  });
  test('is not told of where a signal ended the run first', async () => {
    const control = new Control();
    control.stop('SIGINT');
    expect(await linesOf(vain, {}, control)).toEqual([]);
  });
});

describe('the summary tells the best value', () => {
  /** A metric that is never a number, one that is best in the middle of the run, and their lines. */
  class Measuring extends LineTrainer {
    override validateStep(batch: Row): void {
      const loss = rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y));
      this.log({
        bad: rows.mean(ops.log(ops.sub(-1, losses.squaredError(batch.y, batch.y)))),
        // 0 where the loss is 0.2, which it passes on its way down.
        far: rows.derive({ loss }, ({ loss: mean }) => Math.abs(mean - 0.2)),
      });
    }
  }
  const run = async (addOn: AddOn) => {
    const said: string[] = [];
    const trainer = new (Measuring.addOn(addOn))({ options: { progress: 'plain', epochs: 6 } });
    const stream = { write: (text: string) => said.push(text) };
    const runDir = mkdtempSync(join(root, 'best-'));
    rmSync(runDir, { recursive: true });
    await trainer.fit({ runDir, stream, environment: {} });
    const text = said.join('');
    const values = [...text.matchAll(/step (\d+) {2}validate .*far (\S+)/g)].map(([, step, value]) => [
      Number(step),
      Number(value),
    ]);
    const summary: unknown = JSON.parse(readFileSync(join(runDir, 'summary.json'), 'utf8'));
    return { lines: text.split('\n'), values, summary };
  };

  test('of a metric that only early_stopping watches, whatever its min_delta', async () => {
    const monitor = addons.min('validate.far');
    const { lines, values, summary } = await run(addons.earlyStopping({ monitor, minDelta: 100 }));
    const [step = 0, least = 0] = [...values].sort(([, a = 0], [, b = 0]) => a - b)[0] ?? [];
    // Neither the first, which min_delta goes by, nor the last.
    expect(step).toBeGreaterThan(5);
    expect(step).toBeLessThan(30);
    const told = lines.filter((line) => line.startsWith('best '));
    expect(told).toEqual([`best validate.far ${showNumber(least)} at step ${step}, epoch ${step / 5}`]);
    expect(summary).toMatchObject({ best: [{ metric: 'validate.far', step }] });
  });

  test('and says where a metric never had one', async () => {
    const { lines, summary } = await run(addons.checkpoint({ best: addons.min('validate.bad') }));
    expect(lines.filter((line) => /^best |NaN each time/.test(line))).toEqual([
      'add-on checkpoint watched validate.bad, which was NaN each time it was measured: it has no best value',
    ]);
    expect(summary).toMatchObject({ best: [] });
  });
});
