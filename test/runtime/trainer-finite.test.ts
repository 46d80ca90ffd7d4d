import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { findCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import {
  LineTrainer,
  setup,
  train,
  weightsOf,
  type LineData,
  type LineModels,
  type Row,
} from './tiny-trainer.js';

/** A loss that is NaN where y is above 1.5, which is so in some batches only. */
class BrokenTrainer extends LineTrainer {
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = this.models.line.call(batch.x);
      const broken = ops.sqrt(ops.sub(1.5, batch.y));
      return { minimize: rows.mean(ops.mul(losses.squaredError(guess, batch.y), broken)) };
    });
  }
}

describe('values that are not finite', () => {
  test('stop names the step', async () => {
    await expect(train(new BrokenTrainer(setup({ batchSize: 1 })))).rejects.toThrow(
      /not finite at step \d+ \(row \d+ of train\); look/,
    );
  });

  test('the rows that are named are those of the window', async () => {
    class Named extends BrokenTrainer {
      protected override configureData(): LineData {
        // Only the row 14 of 20 has a y above 2.5.
        const set = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
          () => ({
            length: 20,
            read: (rows) => ({
              x: new Float32Array(2 * rows.length),
              y: Float32Array.from(rows, (row) => (row === 13 ? 3 : 0)),
            }),
          }),
          {},
          {
            record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } },
            shuffle: true,
            batch: 3,
          },
        );
        return { train: set, test: set.withOptions({}) };
      }
    }
    const failed = await train(new Named(setup({}, { accumulate: 2 }))).then(
      () => '',
      (error: unknown) => String(error),
    );
    const [, listed = ''] = /\(rows ([\d, ]+) of train\)/.exec(failed) ?? [];
    expect(listed.split(', ')).toContain('14');
    expect(listed.split(', ').length).toBeLessThanOrEqual(6);
  });

  test('running statistics are held as well', async () => {
    class Still extends nn.Module<[x: Tensor2D], Tensor2D> {
      readonly norm = this.add('norm', nn.batchNorm({ inputs: 2 }));
      protected override forward(x: Tensor2D): Tensor2D {
        return this.norm.call(x);
      }
    }
    class Running extends LineTrainer {
      readonly still = new Still();
      protected override configureModels(): LineModels & { readonly still: Still } {
        return { ...super.configureModels(), still: this.still };
      }
      override trainStep(batch: Row): void {
        this.update(['opt'], () => {
          // Too large for f32 when it is squared, and not part of the loss.
          this.still.call(ops.mul<Tensor2D>(batch.x, 1e30));
          return { minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)) };
        });
      }
    }
    await expect(train(new Running(setup({})))).rejects.toThrow(
      'running statistic was not finite at step 1 ',
    );
  });

  test('weights that leave the range of f32 are not saved', async () => {
    const runDir = mkdtempSync(join(tmpdir(), 'ztrain-range-'));
    const trainer = new LineTrainer(setup({ lr: 3e38 }, { epochs: null, steps: 1, progress: 'none' }));
    await expect(trainer.fit({ runDir })).rejects.toThrow(/not finite/);
    await expect(findCheckpoint(runDir)).rejects.toThrow();
    rmSync(runDir, { recursive: true });
  });

  test('skip leaves weights, slots and metrics of those steps alone', async () => {
    const { session, result } = await train(
      new BrokenTrainer(setup({ batchSize: 1, lr: 0.01 }, { onNan: 'skip' })),
    );
    expect(Number.isFinite(result.metrics.get('train.loss'))).toBe(true);
    const skipped = (await session.skipped.download()).values[0] ?? 0;
    const count = (await session.optimizerState[0]?.download())?.values[0] ?? 0;
    expect(skipped).toBeGreaterThan(0);
    expect(count + skipped).toBe(60);
    expect((await weightsOf(session)).every((value) => Number.isFinite(value))).toBe(true);
  });

  test('weights that are not finite never replace a good checkpoint', async () => {
    class Saving extends BrokenTrainer {
      protected override configureAddOns() {
        return [addons.checkpoint({ every: units.steps(1) })];
      }
    }
    const runDir = mkdtempSync(join(tmpdir(), 'ztrain-broken-'));
    const control = { progress: 'none', logEvery: units.steps(1000) } as const;
    const trainer = new Saving(setup({ batchSize: 1 }, control));
    const failed = await trainer.fit({ runDir }).then(
      () => '',
      (error: unknown) => String(error),
    );
    const [, step = '0'] = /not finite at step (\d+) /.exec(failed) ?? [];
    expect(Number(step)).toBeGreaterThan(1);
    const found = await findCheckpoint(runDir);
    expect(found.step).toBe(Number(step) - 1);
    const weights = await readTensors(found, 'model.safetensors');
    for (const { values } of weights.values()) expect(values.every(Number.isFinite)).toBe(true);
    rmSync(runDir, { recursive: true });
  });
});
