/** A loss over some of the rows: each window has the gradient of the one big batch, however it is cut. */
import { describe, expect, test } from 'vitest';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Session } from '../../src/runtime/trainer/session.js';
import { steps } from '../../src/values/units.js';
import { LineTrainer, setup, train, weightsOf, type LineModels, type Row } from './tiny-trainer.js';

const count = 11;

/** Two means with denominators of their own: over the rows that a mask leaves, and over all. */
class MaskedTrainer extends LineTrainer {
  protected override configureOptimizers(models: LineModels) {
    return { opt: optim.sgd({ of: [models.line], lr: 1 }) };
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const each = losses.squaredError(this.models.line.call(batch.x), batch.y);
      const mask = ops.greater(ops.slice<typeof each>(batch.x, [null, 0]), 0.2);
      return { minimize: [rows.mean(each, { weight: mask }), rows.times(0.1, rows.mean(each))] };
    });
  }
}

/** The gradient of all rows by a plain loop: weight, weight, bias. */
function gradientAt([w0 = 0, w1 = 0, b = 0]: readonly number[]): readonly number[] {
  const all = Array.from({ length: count }, (_, row) => row);
  // As `lineData` makes them.
  const x = (row: number, at: number): number => Math.sin(1 + 3 * row + 7 * at);
  const y = (row: number): number => 2 * x(row, 0) - x(row, 1) + 0.5 + 0.1 * Math.cos(5 * row);
  const masked = all.filter((row) => x(row, 0) > 0.2);
  expect(masked.length).toBeGreaterThan(2);
  expect(masked.length).toBeLessThan(count - 2);
  const gradient = [0, 0, 0];
  const add = (some: readonly number[], factor: number): void => {
    for (const row of some) {
      const inputs = [x(row, 0), x(row, 1), 1];
      const error = w0 * x(row, 0) + w1 * x(row, 1) + b - y(row);
      inputs.forEach((input, i) => {
        gradient[i] = (gradient[i] ?? 0) + (factor * 2 * error * input) / some.length;
      });
    }
  };
  add(masked, 1);
  add(all, 0.1);
  return gradient;
}

/** Trains, and tells what the weights were before the first step. */
async function trainFrom(trainer: LineTrainer) {
  let before: readonly number[] = [];
  const fitStart = async (): Promise<void> => {
    const session: Session = Reflect.get(trainer, 'session');
    const values = await Promise.all(session.modelState.map((variable) => variable.download()));
    before = values.flatMap((value) => [...value.values]);
  };
  return { ...(await train(trainer, [{ kind: 'look', hooks: { fitStart } }])), before };
}

test.each([
  [11, 1],
  [4, 3],
  [2, 6],
  // Batches without a row of the mask.
  [1, 11],
])('batches of %d, %d in a window', async (batchSize, accumulate) => {
  const trainer = new MaskedTrainer(setup({ rows: count, batchSize }, { epochs: 1, accumulate }));
  const { session, result, before } = await trainFrom(trainer);
  expect(result.at.step).toBe(1);
  const after = await weightsOf(session);
  const expected = gradientAt(before);
  after.forEach((value, i) =>
    expect(Math.abs((before[i] ?? 0) - value - (expected[i] ?? 0))).toBeLessThan(1e-6),
  );
});

/** Rows whose first number is not above 0.2 have weight 0; the logarithm of some of them is NaN. */
class LogTrainer extends LineTrainer {
  constructor(private readonly replaces: boolean) {
    super(setup({ rows: count, batchSize: 4 }, { epochs: 1, accumulate: 3, logEvery: steps(1) }));
  }
  protected override configureOptimizers(models: LineModels) {
    return { opt: optim.sgd({ of: [models.line], lr: 1 }) };
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const first = ops.slice<typeof batch.y>(batch.x, [null, 0]);
      const known = ops.greater(first, 0.2);
      const target = ops.log(this.replaces ? ops.select(known, first, 1) : first);
      return {
        minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), target), { weight: known }),
      };
    });
  }
  override validateStep(batch: Row): void {
    const first = ops.slice<typeof batch.y>(batch.x, [null, 0]);
    this.log({ loss: rows.mean(ops.log(first), { weight: ops.greater(first, 0.2) }) });
  }
}

describe('values that are not finite, under weight 0', () => {
  test('are nothing in a mean', async () => {
    const { session, records } = await train(new LogTrainer(true));
    await session.close();
    const own = Array.from({ length: 8 }, (_, row) => Math.sin(1 + 3 * row));
    expect(own.some((value) => value < 0)).toBe(true);
    const known = own.filter((value) => value > 0.2).map(Math.log);
    const { metrics } = records.find(({ stage }) => stage === 'validate') ?? {};
    expect(metrics?.get('loss')).toBeCloseTo(known.reduce((sum, value) => sum + value, 0) / known.length, 5);
  });

  test('have no part in a gradient where they are replaced before they are used, and are told of where not', async () => {
    const trainer = new LogTrainer(true);
    const { session, before } = await trainFrom(trainer);
    const after = await weightsOf(session);
    const [w0 = 0, w1 = 0, b = 0] = before;
    const x = (row: number, at: number): number => Math.sin(1 + 3 * row + 7 * at);
    const known = Array.from({ length: count }, (_, row) => row).filter((row) => x(row, 0) > 0.2);
    const expected = [0, 0, 0];
    for (const row of known) {
      const error = w0 * x(row, 0) + w1 * x(row, 1) + b - Math.log(x(row, 0));
      [x(row, 0), x(row, 1), 1].forEach((input, i) => {
        expected[i] = (expected[i] ?? 0) + (2 * error * input) / known.length;
      });
    }
    after.forEach((value, i) => expect((before[i] ?? 0) - value).toBeCloseTo(expected[i] ?? Number.NaN, 5));
    await expect(train(new LogTrainer(false))).rejects.toThrow('was not finite at step 1');
  });
});
