/** Windows of several batches give the gradient of the one big batch, and what is made of it. */
import { describe, expect, test } from 'vitest';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { windowNotes } from '../../src/runtime/trainer/window-notes.js';
import { LineTrainer, setup, train, weightsOf, type LineModels, type Row } from './tiny-trainer.js';

function expectClose(actual: readonly number[], expected: readonly number[], digits = 6): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, index) => expect(value).toBeCloseTo(expected[index] ?? Number.NaN, digits));
}

/** Three terms with denominators of their own: weighted, over rows, and none. */
class TermsTrainer extends LineTrainer {
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = this.models.line.call(batch.x);
      const weight = ops.abs(ops.slice<typeof guess>(batch.x, [null, 0]));
      this.log({ size: rows.sum(ops.square(guess)), count: rows.sum(ops.onesLike(guess)) });
      return {
        minimize: [
          rows.mean(losses.squaredError(guess, batch.y), { weight }),
          rows.times(0.5, rows.mean(ops.abs(guess))),
          rows.times(0.01, rows.sum(ops.square(guess))),
        ],
      };
    });
  }
}

describe('accumulation', () => {
  test.each([
    [10, 1],
    [4, 3],
    [3, 4],
    [1, 10],
  ])(
    'batches of %d, %d in a window, give the gradient of the one big batch',
    async (batchSize, accumulate) => {
      const big = await weightsOf(
        (await train(new TermsTrainer(setup({ rows: 10, batchSize: 10 }, { epochs: 3 })))).session,
      );
      const { session, records, result } = await train(
        new TermsTrainer(setup({ rows: 10, batchSize }, { epochs: 3, accumulate })),
      );
      expect(result.at.step).toBe(3);
      expect(records.find(({ over }) => over === 'epoch')?.metrics.get('count')).toBe(10);
      expectClose(await weightsOf(session), big);
    },
  );

  test('a window never crosses an epoch, and its short last one counts by rows', async () => {
    // 10 rows: batches 4, 4, 2 and windows of two batches: 8 rows, then 2, as batches of 8 have them.
    const { result, session } = await train(
      new TermsTrainer(setup({ rows: 10 }, { epochs: 3, accumulate: 2 })),
    );
    expect(result.at.step).toBe(6);
    const big = await train(new TermsTrainer(setup({ rows: 10, batchSize: 8 }, { epochs: 3 })));
    expect(big.result.at.step).toBe(6);
    expectClose(await weightsOf(session), await weightsOf(big.session));
  });

  describe.each([
    ['norm', optim.clipNorm({ most: 0.05 })],
    ['value', optim.clipValue({ most: 0.02 })],
  ])('clipped by its %s', (_by, clip) => {
    class Clipped extends TermsTrainer {
      protected override configureOptimizers(models: LineModels) {
        return { opt: optim.sgd({ of: [models.line], lr: 0.1, momentum: 0.5, clip }) };
      }
    }
    const trained = async (trainer: LineTrainer): Promise<readonly number[]> =>
      weightsOf((await train(trainer)).session);

    // What is clipped is the gradient of the window: clipped batches would add up to another one.
    test.each([
      [10, 4, 3],
      [10, 1, 10],
      [8, 4, 2],
      [8, 2, 4],
    ])('a batch of %d, as batches of %d, %d in a window', async (rowCount, batchSize, accumulate) => {
      const big = setup({ rows: 10, batchSize: rowCount }, { epochs: 4 });
      const expected = await trained(new Clipped(big));
      const window = setup({ rows: 10, batchSize }, { epochs: 4, accumulate });
      expectClose(await trained(new Clipped(window)), expected);
      // It binds: without it, the weights are others.
      const free = await trained(new TermsTrainer(big));
      expect(Math.max(...free.map((each, at) => Math.abs(each - (expected[at] ?? 0))))).toBeGreaterThan(0.01);
    });
  });
});

describe('updates that read what the step has changed', () => {
  class Changing extends TermsTrainer {
    static override readonly spec: typeof TermsTrainer.spec = {
      ...TermsTrainer.spec,
      readsChanged: [{ update: 'other', weights: ['Net', 'Target'], by: ['opt'] }],
    };
  }

  test.each([
    [1, []],
    [
      2,
      [
        'accumulate = 2: update other reads Net and Target after update opt has changed them, which only the last batch of a window sees: its gradient is not that of one large batch; for that, take a batch 2 times as large, with accumulate = 1',
      ],
    ],
  ])('are told of at the start, with windows of %d batches', async (accumulate, notes) => {
    const { session } = await train(new Changing(setup({}, { epochs: 1, accumulate })));
    expect(session.notes).toEqual(notes);
    await session.close();
  });

  test.each([
    [['Net'], ['opt'], 'Net after update opt has changed it'],
    [['A', 'B', 'C'], ['opt', 'other'], 'A, B and C after update opt and update other have changed them'],
  ])('%j, changed by %j', (weights, by, said) => {
    const readsChanged = [{ update: 'last', weights, by }];
    const notes = windowNotes({ options: { accumulate: 2 }, kinds: ['train'], readsChanged });
    expect(notes).toEqual([expect.stringContaining(`accumulate = 2: update last reads ${said}, which only`)]);
  });
});
