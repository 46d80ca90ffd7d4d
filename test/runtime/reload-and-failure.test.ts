/** Data that is read again while a run goes on, and what a run that fails leaves behind. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { findCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import * as data from '../../src/runtime/data/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, lineData, setup, train, type LineData, type Row } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-reload-'));
afterAll(() => rmSync(root, { recursive: true }));

/** How often a source was opened and closed, and how many rows it has each time. */
class Changing extends LineTrainer {
  opened = 0;
  closed = 0;
  lengths: readonly number[] = [20];

  protected override configureData(): LineData {
    const set = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
      () => {
        const length = this.lengths[Math.min(this.opened, this.lengths.length - 1)] ?? 0;
        this.opened += 1;
        return { ...lineData(length), close: () => void (this.closed += 1) };
      },
      {},
      {
        record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } },
        batch: 4,
        shuffle: true,
      },
    );
    return { train: set, test: super.configureData().test };
  }
}

const changing = (lengths: readonly number[], options: TrainerOptions): Changing => {
  const trainer = new Changing(setup({}, options));
  trainer.lengths = lengths;
  return trainer;
};

describe('reload_data', () => {
  const every = (count: number): TrainerOptions => ({ epochs: 5, reloadData: units.epochs(count) });

  test('sources are opened again before every so manieth epoch, never at the start or the end', async () => {
    const counts = async (count: number, epochs: number): Promise<readonly number[]> => {
      const trainer = changing([20], { epochs, reloadData: units.epochs(count) });
      const { session } = await train(trainer);
      await session.close();
      expect(trainer.closed).toBe(trainer.opened);
      return [trainer.opened];
    };
    expect(await counts(2, 5)).toEqual([3]);
    expect(await counts(2, 4)).toEqual([2]);
    expect(await counts(1, 3)).toEqual([3]);
    expect(await counts(5, 5)).toEqual([1]);
  });

  test('data that is the same gives the same run', async () => {
    const losses = async (options: TrainerOptions): Promise<unknown> => {
      const { session, records } = await train(changing([20], options));
      await session.close();
      return records.map(({ stage, metrics }) => [stage, ...metrics]);
    };
    expect(await losses(every(1))).toEqual(await losses({ epochs: 5 }));
  });

  test('other rows are taken, as long as the steps of an epoch stay', async () => {
    // 17 to 20 rows in batches of 4 are 5 steps.
    const fits = await train(changing([20, 17], every(2)));
    expect(fits.seen).toHaveLength(25);
    await fits.session.close();
    for (const lengths of [
      [20, 16],
      [20, 21],
    ]) {
      await expect(train(changing(lengths, every(2)))).rejects.toThrow(
        `read again before epoch 3, train (${lengths[1]} rows) makes ${lengths[1] === 16 ? 4 : 6} steps an epoch, not 5`,
      );
    }
  });

  test('a fixed part may come from more rows, and a window may hide less of them', async () => {
    const part = await train(changing([20, 40], { ...every(2), limit: { train: units.batches(5) } }));
    expect(part.seen).toHaveLength(25);
    await part.session.close();
    const windows = await train(changing([20, 24], { ...every(2), accumulate: 2 }));
    expect(windows.seen).toHaveLength(15);
    await windows.session.close();
  });

  test('a run that goes on where one is due has just opened its data', async () => {
    const runDir = join(root, 'goes-on');
    const options = { reloadData: units.epochs(1), progress: 'none' } as const;
    await changing([20], { ...options, epochs: 2 }).fit({ runDir });
    const next = changing([20], { ...options, epochs: 4 });
    const { checkpoint, ...point } = await resumePointAt(runDir);
    expect(checkpoint.step).toBe(10);
    await next.fit({ resume: { checkpoint, ...point }, allow: ['epochs'] });
    // At the start, and before the fourth epoch.
    expect(next.opened).toBe(2);
  });

  test('whole epochs only', () => {
    expect(() => changing([20], { reloadData: units.epochs(0.5) })).toThrow(
      'reload_data takes a whole number',
    );
  });
});

describe('on_error', () => {
  class Failing extends LineTrainer {
    override trainStep(batch: Row): void {
      this.update(['opt'], () => {
        const guess = this.models.line.call(batch.x);
        // From the eighth step on, the loss is not finite.
        const broken = this.decide('late', ({ step }) => step >= 7);
        const error = ops.square(ops.sub(guess, batch.y));
        return { minimize: rows.mean(broken ? ops.div(error, 0) : error) };
      });
    }
    protected override configureAddOns() {
      return [addons.checkpoint({ every: units.steps(5), onError: true })];
    }
  }

  test('saves the state that a failed run left, apart from its checkpoints', async () => {
    const runDir = join(root, 'failed');
    const trainer = new Failing(setup({}, { epochs: 3, progress: 'none', logEvery: units.steps(1) }));
    await expect(trainer.fit({ runDir })).rejects.toThrow('not finite at step 8');
    const checkpoints = join(runDir, 'checkpoints');
    expect(readdirSync(checkpoints).sort()).toEqual(['failed-00000008', 'last', 'step-00000005']);
    expect((await findCheckpoint(runDir)).step).toBe(5);
    const failed = await findCheckpoint(join(checkpoints, 'failed-00000008'));
    const [weight] = [...(await readTensors(failed, 'model.safetensors')).values()];
    expect([...(weight?.values ?? [])].some((value) => !Number.isFinite(value))).toBe(true);
    expect(JSON.parse(readFileSync(join(failed.folder, 'manifest.json'), 'utf8'))).toMatchObject({
      error: expect.stringContaining('not finite at step 8'),
    });
    expect(JSON.parse(readFileSync(join(failed.folder, 'state.json'), 'utf8'))).toMatchObject({ step: 8 });
  });

  test('once more where a run that goes on fails at the same step, beside what the first has left', async () => {
    for (const format of ['folder', 'ckpt'] as const) {
      class Saving extends Failing {
        protected override configureAddOns() {
          return [addons.checkpoint({ every: units.steps(5), onError: true, format })];
        }
      }
      const runDir = join(root, `again-${format}`);
      const begin = () => new Saving(setup({}, { epochs: 3, progress: 'none', logEvery: units.steps(1) }));
      await expect(begin().fit({ runDir })).rejects.toThrow('not finite at step 8');
      for (let turn = 0; turn < 2; turn += 1)
        await expect(begin().fit({ resume: await resumePointAt(runDir) })).rejects.toThrow(
          'not finite at step 8',
        );
      const ending = format === 'ckpt' ? '.ckpt' : '';
      const failed = ['failed-00000008', 'failed-00000008-2', 'failed-00000008-3'].map(
        (name) => name + ending,
      );
      expect(readdirSync(join(runDir, 'checkpoints')).sort()).toEqual(
        [...failed, 'last', `step-00000005${ending}`].sort(),
      );
      for (const name of failed)
        expect((await findCheckpoint(join(runDir, 'checkpoints', name))).step).toBe(8);
    }
  });

  test('only where it is asked for', async () => {
    class Plain extends Failing {
      protected override configureAddOns() {
        return [addons.checkpoint({ every: units.steps(5) })];
      }
    }
    const runDir = join(root, 'plain');
    const trainer = new Plain(setup({}, { epochs: 3, progress: 'none', logEvery: units.steps(1) }));
    await expect(trainer.fit({ runDir })).rejects.toThrow('not finite');
    expect(readdirSync(join(runDir, 'checkpoints')).sort()).toEqual(['last', 'step-00000005']);
  });
});
