import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { findCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import * as data from '../../src/runtime/data/index.js';
import { main } from '../../src/runtime/main.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
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

  test.each([1, 2])(
    'skip leaves out a gradient whose square is not finite, accumulate %d',
    async (accumulate) => {
      class Steep extends LineTrainer {
        protected override configureOptimizers(models: LineModels) {
          return { opt: optim.adam({ of: [models.line], lr: 0.01 }) };
        }
        override trainStep(batch: Row): void {
          this.update(['opt'], () => {
            const guess = this.models.line.call(batch.x);
            // Steep where y is above 1.5: finite, as its gradient is.
            const slope = ops.add(
              ops.mul(ops.cast<Tensor1D>(ops.greater(batch.y, 1.5), { to: 'f32' }), 1e25),
              1,
            );
            return { minimize: rows.mean(ops.mul(guess, slope)) };
          });
        }
      }
      const { session } = await train(new Steep(setup({ batchSize: 1 }, { onNan: 'skip', accumulate })));
      const skipped = (await session.skipped.download()).values[0] ?? 0;
      expect(skipped).toBeGreaterThan(0);
      expect(skipped).toBeLessThan(60 / accumulate);
      for (const variable of session.optimizerState)
        expect((await variable.download()).values.every(Number.isFinite)).toBe(true);
      expect((await weightsOf(session)).every((value) => Number.isFinite(value))).toBe(true);
    },
  );

  test('skip keeps a gradient that is clipped by value, whatever its square', async () => {
    class Held extends LineTrainer {
      override trainStep(batch: Row): void {
        this.update(['opt'], () => ({
          minimize: rows.mean(ops.mul(this.models.line.call(batch.x), 1e25)),
        }));
      }
    }
    const { session } = await train(
      new Held(setup({}, { onNan: 'skip', clip: optim.clipValue({ most: 1 }) })),
    );
    expect((await session.skipped.download()).values[0]).toBe(0);
    await session.close();
  });

  test('skip ends a run whose weights are not finite, with the step and their names', async () => {
    const options = { epochs: null, steps: 20, logEvery: units.steps(2), onNan: 'skip' } as const;
    await expect(train(new LineTrainer(setup({ lr: 3e38 }, options)))).rejects.toThrow(
      /^after step 2, values are not finite any more: Line\.dense\.\S+.*; lower the learning rate/,
    );
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

describe('a label that is no class', () => {
  /** Twenty rows; the y of row 14 is 3. */
  class Labelled extends LineTrainer {
    protected override configureData(): LineData {
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
      return { train: set, test: set.withOptions({ shuffle: false }) };
    }
    /** Two classes of y. */
    protected classes(batch: Row): Tensor2D {
      return ops.oneHot<Tensor2D>(ops.cast(batch.y, { to: 'i32' }), { classes: 2 });
    }
    override trainStep(batch: Row): void {
      this.update(['opt'], () => ({
        minimize: rows.mean(
          ops.mul(this.models.line.call(batch.x), ops.sum<Tensor1D>(this.classes(batch), { axis: 1 })),
        ),
      }));
    }
  }
  const told =
    'label 3 in row 14 of train is not one of 2 classes (0 to 1); correct the data, or the number of classes';

  test('is told by its row, in one line, in the log as well', async () => {
    const runDir = mkdtempSync(join(tmpdir(), 'ztrain-label-'));
    const lines: string[] = [];
    const code = await main(Labelled, [`--run-dir=${runDir}`], {
      stderr: { write: (text) => lines.push(text) },
      environment: {},
      onSignal: () => () => undefined,
    });
    expect(code).toBe(3);
    // The steps before are kept.
    const [line, next] = lines.slice(-2);
    expect(line?.endsWith(`.test.ts:${/\d+:\d+/.exec(line)?.[0] ?? '?'}: ${told}\n`)).toBe(true);
    expect(next).toMatch(/^go on: .* --resume /);
    expect(readFileSync(join(runDir, 'console.log'), 'utf8')).toContain(line);
    rmSync(runDir, { recursive: true });
  });

  test.each([0, 0.1])('among several labels a row, with label smoothing of %f', async (labelSmoothing) => {
    class Several extends Labelled {
      override trainStep(batch: Row): void {
        LineTrainer.prototype.trainStep.call(this, batch);
      }
      override validateStep(batch: Row): void {
        const y = ops.reshape<Tensor2D>(ops.cast(batch.y, { to: 'i32' }), { shape: [batch.y.shape[0], 1] });
        const labels = ops.concat<Tensor2D>([y, y], { axis: 1 });
        const logits = ops.zeros<Tensor>({ shape: [batch.y.shape[0], 2, 2] });
        const each = losses.softmaxCrossEntropy<Tensor2D>(logits, labels, { labelSmoothing });
        this.log({ loss: rows.mean(ops.sum<Tensor1D>(each, { axis: 1 })) });
      }
    }
    await expect(train(new Several(setup({})))).rejects.toThrow(told.replace('train', 'test'));
  });

  test('in a validation; rows of a batch where places are not rows', async () => {
    class Validated extends Labelled {
      override trainStep(batch: Row): void {
        LineTrainer.prototype.trainStep.call(this, batch);
      }
      override validateStep(batch: Row): void {
        const twice = ops.concat<Tensor1D>([batch.y, batch.y], { axis: 0 });
        const classes = ops.oneHot(ops.cast(twice, { to: 'i32' }), { classes: 2 });
        this.log({ loss: rows.mean(ops.mul(batch.y, ops.mean<Scalar>(classes))) });
      }
    }
    await expect(train(new Validated(setup({})))).rejects.toThrow(
      'label 3 in rows 13, 14, 15 of test is not one of 2 classes',
    );
  });
});
