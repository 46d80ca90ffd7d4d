/** A call of a step that fails: what is said of it, and the state that it leaves, which is saved where training can go on from it. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor, Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { nativeUnderTest } from '../engine-under-test.js';
import { newestVerified } from './checkpoint-reading.js';
import { expectSameEnd, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { lineSet, LineTrainer, type LineData, type LineModels, type Row } from './tiny-trainer.js';

workInFolder('failed-calls');

/** What fails, while it is to. */
const faults = { label: false, memory: false };
beforeEach(() => {
  Object.assign(faults, { label: false, memory: false });
});

/** A model with running statistics, which each batch of a window changes. */
class Normal extends nn.Module<[x: Tensor2D], Tensor2D> {
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 2 }));
  readonly dense = this.add('dense', nn.dense({ inputs: 2, units: 2 }));
  protected override forward(x: Tensor2D): Tensor2D {
    return this.dense.call(this.norm.call(x));
  }
}

/** Nothing is saved but at the end, or where something fails. The rows keep their order. */
class Failing extends LineTrainer {
  readonly normal = new Normal();
  protected override configureData(): LineData {
    return {
      train: lineSet(this.params.rows, { batch: this.params.batchSize }),
      test: lineSet(8, { batch: 3 }),
    };
  }
  protected override configureModels(): LineModels & { readonly normal: Normal } {
    return { ...super.configureModels(), normal: this.normal };
  }
  protected override configureOptimizers(models: LineModels): Readonly<Record<string, optim.Optimizer>> {
    return { opt: optim.adam({ of: [models.line, this.normal], lr: 0.05 }) };
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(100_000) })];
  }
  protected loss(batch: Row): Tensor1D {
    return losses.squaredError(
      ops.add<Tensor1D>(
        this.models.line.call(batch.x),
        ops.sum<Tensor1D>(this.normal.call(batch.x), { axis: 1 }),
      ),
      batch.y,
    );
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => ({ minimize: rows.mean(this.loss(batch)) }));
  }
}

/** How a step is run is not left to the clock: other ways round in other places. */
const way = nativeUnderTest ? ['trainer.compile=graph'] : [];

const saved = async (name: string): Promise<number | null> =>
  (await newestVerified(name)).checkpoint?.step ?? null;

/** The highest of the points is the only one to which the fault gives a class that there is none of. */
class Labelled extends Failing {
  protected override loss(batch: Row): Tensor1D {
    const high = ops.greater<Tensor1D>(batch.y, faults.label ? 2.00395 : 1000);
    const label = ops.mul<Tensor1D>(ops.cast(high, { to: 'i32' }), 5);
    return ops.add<Tensor1D>(
      super.loss(batch),
      losses.softmaxCrossEntropy<Tensor1D>(this.normal.call(batch.x), label),
    );
  }
}
const y = (i: number): number => {
  const x = (j: number): number => Math.sin(1 + 3 * i + 7 * j);
  return 2 * x(0) - x(1) + 0.5 + 0.1 * Math.cos(5 * i);
};

describe('a label that a step computes and that is no class', () => {
  // 3000 rows in batches of 4: an engine takes several steps in one call by then.
  const count = 3000;
  const high = Array.from({ length: count }, (_, i) => i).filter((i) => y(i) > 2.00395);
  test.each([[[]], [['trainer.accumulate=2']]] as const)(
    'is told by row and line, and the state of before is saved: %j',
    async (more) => {
      expect(high.length).toBeGreaterThan(0);
      const [row = 0] = high;
      const name = `label-${more.length}`;
      const words = [`rows=${count}`, 'trainer.epochs=1', 'trainer.log_every=500.steps', ...way, ...more];
      faults.label = true;
      const { code, text } = await run([`--run-dir=${name}`, ...words], Labelled);
      expect(code).toBe(3);
      expect(text).toMatch(
        new RegExp(
          `failed-calls\\.test\\.ts:\\d+:\\d+: label 5 in row ${row + 1} of train is not one of 2 classes \\(0 to 1\\); correct the data, or the number of classes\\n`,
        ),
      );
      const step = Math.floor(row / (4 * (1 + more.length)));
      const kept = await saved(name);
      expect(text).toContain(`the state of step ${String(kept)} was saved`);
      expect(kept).toBe(step);
      faults.label = false;
      expect((await run(['--resume', name], Labelled)).code).toBe(0);
      expect((await run([`--run-dir=whole-${name}`, ...words], Labelled)).code).toBe(0);
      expectSameEnd(name, `whole-${name}`);
    },
  );
});

/** The short batch at the end of an epoch asks for terabytes. */
class Large extends Failing {
  protected override loss(batch: Row): Tensor1D {
    const loss = super.loss(batch);
    if (!faults.memory || batch.x.shape[0] !== 2) return loss;
    const wide = ops.mul<Tensor>(
      ops.uniform<Tensor>({ shape: [2 ** 20, 1], draw: 'a' }),
      ops.uniform<Tensor>({ shape: [2 ** 20], draw: 'b' }),
    );
    return ops.add<Tensor1D>(loss, ops.max<Tensor>(ops.sum<Tensor>(wide), 0));
  }
}

describe('a call that finds no memory', () => {
  const words = ['rows=14', 'trainer.log_every=1.steps', ...way];
  // 4 batches an epoch, of which the last is short.
  test.each([
    [1, 3],
    [2, 1],
    [3, 1],
  ])('in the last batch of %i: the state of before the step is saved', async (accumulate, step) => {
    const name = `memory-${accumulate}`;
    const own = [...words, `trainer.accumulate=${accumulate}`];
    faults.memory = true;
    const { code, text } = await run([`--run-dir=${name}`, ...own], Large);
    expect(code).toBe(3);
    expect(text).toMatch(/no memory on CPU for step train|the engine's memory is full/);
    expect(text).toContain(`the state of step ${step} was saved`);
    expect(await saved(name)).toBe(step);
    faults.memory = false;
    expect((await run(['--resume', name], Large)).code).toBe(0);
    expect((await run([`--run-dir=whole-${name}`, ...own], Large)).code).toBe(0);
    expectSameEnd(name, `whole-${name}`);
  });

  test('where an update may be half done nothing is saved, and that is said', async () => {
    class Twice extends Large {
      override trainStep(batch: Row): void {
        super.trainStep(batch);
        // It reads what the first has changed.
        super.trainStep(batch);
      }
    }
    faults.memory = true;
    const { code, text } = await run(['--run-dir=twice', ...words], Twice);
    expect(code).toBe(3);
    const line = 'the state is not saved: step 4 failed, and its update may be half done';
    if (nativeUnderTest) {
      expect(text).toContain(line);
      expect(text).not.toContain('was saved');
    } else {
      // Each op by itself, and all is taken back.
      expect(text).not.toContain(line);
      expect(await saved('twice')).toBe(3);
    }
  });
});
