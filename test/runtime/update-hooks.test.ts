/** `updateEnd` tells of updates that were made, and of no others. */
import { describe, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as units from '../../src/values/units.js';
import {
  lineData,
  LineTrainer,
  setup,
  train,
  type LineData,
  type LineModels,
  type Row,
} from './tiny-trainer.js';

type Optimizers = (models: LineModels) => Readonly<Record<string, optim.Optimizer>>;

/** 20 rows in order, 5 batches of 4; the square of the number of row `gap` is no f32. */
class Parts extends LineTrainer {
  constructor(
    private readonly make: Optimizers,
    options: TrainerOptions = {},
    private readonly gap: number | null = null,
    private readonly apart = false,
  ) {
    super(setup({ rows: 20, batchSize: 4 }, { epochs: 1, logEvery: units.steps(100), ...options }));
  }
  protected override configureData(): LineData {
    const plain = lineData(20);
    const source: data.RowSource = {
      length: 20,
      read: async (indices) => {
        const { x, y } = await plain.read(indices);
        const known = Float32Array.from(ArrayBuffer.isView(y) ? y : [], (value: number, i) =>
          indices[i] === this.gap ? 3e38 : Number(value),
        );
        return { x, y: known } as Awaited<ReturnType<data.RowSource['read']>>;
      },
    };
    const record = { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } } as const;
    return {
      ...super.configureData(),
      train: data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
        () => source,
        {},
        { record, batch: 4 },
      ),
    };
  }
  protected override configureOptimizers(models: LineModels) {
    return this.make(models);
  }
  override trainStep(batch: Row): void {
    const guess = (): Tensor1D => this.models.line.call(batch.x);
    const [first = '', ...others] = this.session.optimizers.keys();
    const all = this.apart ? [first] : [first, ...others];
    this.update(all, () => ({ minimize: rows.mean(losses.squaredError(guess(), batch.y)) }));
    if (!this.apart) return;
    this.update(others, () => ({
      minimize: rows.mean(losses.squaredError(guess(), ops.zerosLike(batch.y))),
    }));
  }
}

const two: Optimizers = ({ line }) => ({
  slope: optim.sgd({ of: [line], match: ['**.weight'], lr: 0.1 }),
  offset: optim.sgd({ of: [line], match: ['**.bias'], lr: 0.1 }),
});

/** `step optimizer`, as the hook is told. */
async function told(trainer: Parts, next?: (step: number) => number): Promise<readonly string[]> {
  const calls: string[] = [];
  const hooks = {
    updateEnd: ({ step }: { readonly step: number }, optimizer: string): void =>
      void calls.push(`${step} ${optimizer}`),
    ...(next === undefined ? {} : { nextUpdateEnd: next }),
  };
  const { session } = await train(trainer, [{ kind: 'look', hooks }]);
  await session.close();
  return calls;
}

const both = (...of: readonly number[]): readonly string[] =>
  of.flatMap((step) => [`${step} slope`, `${step} offset`]);

describe('an update that was not made', () => {
  test('of an optimizer all of whose weights are frozen', async () => {
    const frozen: Optimizers = (models) => ({
      ...two(models),
      slope: optim.sgd({ of: [models.line], match: ['**.weight'], lr: 0.1, freeze: units.steps(3) }),
    });
    expect(await told(new Parts(frozen))).toEqual(['1 offset', '2 offset', '3 offset', ...both(4, 5)]);
  });

  test('where some of its weights are frozen it is made', async () => {
    const group = [{ name: 'slope', match: ['**.weight'], freeze: units.steps(3) }];
    const partly: Optimizers = ({ line }) => ({ opt: optim.sgd({ of: [line], lr: 0.1, groups: group }) });
    expect(await told(new Parts(partly))).toEqual([1, 2, 3, 4, 5].map((step) => `${step} opt`));
  });

  test('where values were not finite and such are skipped', async () => {
    expect(await told(new Parts(two, { onNan: 'skip' }, 9))).toEqual(both(1, 2, 4, 5));
    // Ignored they are made, whatever becomes of the weights.
    expect(await told(new Parts(two, { onNan: 'ignore' }, 9))).toEqual(both(1, 2, 3, 4, 5));
  });

  test('of one of two updates', async () => {
    const calls = await told(new Parts(two, { onNan: 'skip' }, 9, true));
    expect(calls).toEqual([...both(1, 2), '3 offset', ...both(4, 5)]);
  });

  test('where steps before it are run in one call', async () => {
    const next = (step: number): number => (step < 3 ? 3 : step < 5 ? 5 : Number.POSITIVE_INFINITY);
    const calls = await told(new Parts(two, { onNan: 'skip' }, 9), next);
    expect(calls.filter((call) => call.startsWith('3'))).toEqual([]);
    expect(calls).toEqual(expect.arrayContaining([...both(5)]));
  });
});

test('a window has one update, at its end', async () => {
  expect(await told(new Parts(two, { accumulate: 2, epochs: 2 }))).toEqual(both(1, 2, 3, 4, 5, 6));
  // A batch that is not finite leaves out the update of its window.
  expect(await told(new Parts(two, { accumulate: 2, onNan: 'skip' }, 9))).toEqual(both(1, 3));
  expect(await told(new Parts(two, { accumulate: 2, onNan: 'skip' }, 5))).toEqual(both(2, 3));
});
