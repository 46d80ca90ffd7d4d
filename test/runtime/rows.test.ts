import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { ranked, type Scalar, type Tensor, type Tensor1D } from '../../src/runtime/tensor.js';
import { foldEvery, StageTotals, type ConstantTotals } from '../../src/runtime/trainer/totals.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

let stages = 0;
/** A metric over batches, each given as tensors. */
async function over(
  batches: readonly (readonly HostTensor[])[],
  metric: (...inputs: Tensor[]) => rows.Reduction,
): Promise<number> {
  const totals = new StageTotals(engine, `rows${(stages += 1)}`);
  for (const batch of batches) {
    const constants: ConstantTotals = new Map();
    const step = engine.compile('probe', (inputs) => {
      totals.record('m', metric(...inputs), constants, null);
      return [];
    });
    await step.run(batch, { seed: 0, step: 0, micro: 0, rowOffset: 0 });
    await totals.endBatch(constants);
  }
  return (await totals.finishEpoch()).get('m') ?? Number.NaN;
}

const f32 = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from(values),
});

describe('totals', () => {
  test('a window of any length loses no digits', async () => {
    // 1e8 + 1 is 1e8 in f32: without folding, what comes after the first batch would vanish.
    const batches = [[f32([1e8])], ...Array.from({ length: 3 * foldEvery }, () => [f32([1])])];
    const sum = await over(batches, (x) => rows.sum(x));
    expect(sum).toBeGreaterThanOrEqual(1e8 + 2 * foldEvery);
  });

  test('a number of the host is told where it was logged', async () => {
    const totals = new StageTotals(engine, `rows${(stages += 1)}`);
    const step = async (value: number | null): Promise<void> => {
      const constants: ConstantTotals = new Map();
      if (value !== null) totals.record('m', rows.last(value), constants, null);
      await totals.endBatch(constants);
    };
    await step(3);
    expect(await totals.finishWindow()).toEqual(new Map([['m', 3]]));
    await step(null);
    expect(await totals.finishWindow()).toEqual(new Map());
    expect(await totals.finishEpoch()).toEqual(new Map([['m', 3]]));
    expect(await totals.finishEpoch()).toEqual(new Map());
  });

  test('the newest value counts also where it is NaN, and only where there is one', async () => {
    const totals = new StageTotals(engine, `rows${(stages += 1)}`);
    const logged = async (value: number, fine: boolean | null): Promise<void> => {
      const constants: ConstantTotals = new Map();
      const step = engine.compile('probe', ([x, isFine]) => {
        if (x !== undefined && isFine !== undefined)
          totals.record(
            'm',
            rows.last(ranked<Scalar>(x)),
            constants,
            fine === null ? null : ops.greater(isFine, 0),
          );
        return [];
      });
      await step.run([f32([value], []), f32([fine === true ? 1 : 0], [])], {
        seed: 0,
        step: 0,
        micro: 0,
        rowOffset: 0,
      });
      await totals.endBatch(constants);
    };
    await logged(1, null);
    await logged(Number.NaN, null);
    expect(await totals.finishWindow()).toEqual(new Map([['m', Number.NaN]]));
    expect(await totals.finishWindow()).toEqual(new Map());
    await logged(2, true);
    await logged(3, false);
    expect(await totals.finishWindow()).toEqual(new Map([['m', 2]]));
    await logged(4, false);
    expect(await totals.finishWindow()).toEqual(new Map());
    expect(await totals.finishEpoch()).toEqual(new Map([['m', 2]]));
  });
});

describe('reductions over rows', () => {
  const batches = [[f32([1, 2, 3, 4])], [f32([5])], [f32([6, 7])]];

  test('a mean weighs rows, not batches', async () => {
    expect(await over(batches, (x) => rows.mean(x))).toBe(4);
    expect(await over(batches, (x) => rows.mean(ops.greater(x, 3.5)))).toBeCloseTo(4 / 7, 6);
  });

  test('a batch whose weights are all 0 adds nothing', async () => {
    const weighed = (values: Tensor, weight: Tensor): rows.Reduction => rows.mean(values, { weight });
    const batches = [
      [f32([5, 7]), f32([0, 0])],
      [f32([1, 4]), f32([1, 2])],
    ];
    expect(await over(batches, weighed)).toBe(3);
    expect(await over(batches, (x, w) => rows.plus(weighed(x, w), rows.mean(x)))).toBeCloseTo(3 + 17 / 4);
    // Other terms count where one has no weights at all.
    expect(await over([[f32([5, 7]), f32([0, 0])]], (x, w) => rows.plus(weighed(x, w), rows.mean(x)))).toBe(
      6,
    );
  });
  test('a mean without any weights is left out, also of NaN, and NaN that counts is not', async () => {
    const totals = new StageTotals(engine, 'weightless');
    const constants: ConstantTotals = new Map();
    const step = engine.compile('probe', (inputs) => {
      const [x, weight] = inputs;
      if (!x || !weight) throw new Error('two inputs are needed');
      const none = ops.mul<Tensor>(weight, 0);
      totals.record('weightless', rows.mean(x, { weight: none }), constants, null);
      totals.record('loss', rows.plus(rows.mean(x, { weight: none })), constants, null);
      totals.record(
        'twice',
        rows.derive({ m: rows.mean(x, { weight: none }) }, ({ m }) => 2 * m),
        constants,
        null,
      );
      const bad = ops.log<Tensor>(ops.neg<Tensor>(x));
      totals.record('nothing', rows.mean(bad, { weight: none }), constants, null);
      totals.record('bad', rows.mean(bad, { weight }), constants, null);
      totals.record('good', rows.mean(x), constants, null);
      return [];
    });
    await step.run([f32([1, 2]), f32([1, 1])], { seed: 0, step: 0, micro: 0, rowOffset: 0 });
    await totals.endBatch(constants);
    const finished = await totals.finishEpoch();
    expect([...finished.keys()]).toEqual(['bad', 'good']);
    expect(finished.get('bad')).toBeNaN();
  });
  test('a weight of each row, and of each value', async () => {
    const byRow = await over([[f32([1, 2, 3, 4, 5, 6], [3, 2])]], (x) =>
      rows.mean(x, { weight: ops.slice<Tensor1D>(x, [null, 0]) }),
    );
    // Rows weigh 1, 3, 5; Σ w (a + b) / Σ 2 w.
    expect(byRow).toBeCloseTo((3 + 3 * 7 + 5 * 11) / 18, 6);
    expect(await over([[f32([1, 2])], [f32([3])]], (x) => rows.mean(x, { weight: x }))).toBeCloseTo(
      14 / 6,
      6,
    );
    const wrong = over([[f32([1, 2, 3])]], (x) => rows.mean(x, { weight: ops.slice<Tensor1D>(x, [[0, 2]]) }));
    await expect(wrong).rejects.toThrow('a weight of shape [2] does not fit values of shape [3]');
  });

  test('sums, batches, and the newest', async () => {
    expect(await over(batches, (x) => rows.sum(x))).toBe(28);
    expect(await over(batches, (x) => rows.sum(x, { weight: x }))).toBe(140);
    expect(await over(batches, (x) => rows.each(ops.maxOf<Scalar>(x)))).toBe(16 / 3);
    expect(await over(batches, (x) => rows.last(ops.maxOf<Scalar>(x)))).toBe(7);
    await expect(over(batches, (x) => rows.each(ranked<Scalar>(x)))).rejects.toThrow(
      'rows.each takes one number',
    );
  });

  test('multiples and sums keep their own denominators', async () => {
    expect(await over(batches, (x) => rows.times(0.5, rows.mean(x)))).toBe(2);
    expect(await over(batches, (x) => rows.times(ops.ones<Scalar>({ shape: [] }), rows.sum(x)))).toBe(28);
    expect(await over(batches, (x) => rows.plus(rows.mean(x), rows.sum(x)))).toBe(32);
    expect(await over(batches, (x) => rows.times(2, rows.plus(rows.mean(x), rows.sum(x))))).toBe(64);
  });

  test('what is around a reduction is applied once, at the end', async () => {
    const rmse = await over(batches, (x) =>
      rows.derive({ s: rows.mean(ops.square(x)) }, ({ s }) => Math.sqrt(s)),
    );
    expect(rmse).toBeCloseTo(Math.sqrt(20), 6);
    const nested = await over(batches, (x) =>
      rows.derive(
        { a: rows.derive({ b: rows.mean(x) }, ({ b }) => b + 1), c: rows.sum(x) },
        ({ a, c }) => a * c,
      ),
    );
    expect(nested).toBe(140);
    const derived = over(batches, (x) =>
      rows.times(
        2,
        rows.derive({ a: rows.mean(x) }, ({ a }) => a),
      ),
    );
    await expect(derived).rejects.toThrow('use rows.derive');
  });

  test('counts its rows', async () => {
    expect(await over([[f32([1, 2, 3, 4, 5, 6], [3, 2])]], (x) => rows.last(rows.count(x)))).toBe(3);
  });

  test('many windows in f32 add up in f64', async () => {
    const totals = new StageTotals(engine, 'long');
    for (let window = 0; window < 50; window += 1) {
      const constants: ConstantTotals = new Map();
      const step = engine.compile('probe', ([x]) => {
        if (x !== undefined) totals.record('s', rows.sum(x), constants, null);
        return [];
      });
      await step.run([f32([1e7, 0.125])], { seed: 0, step: 0, micro: 0, rowOffset: 0 });
      await totals.endBatch(constants);
      await totals.fold();
    }
    // f32 holds 1e7 + 0.125 as 1e7; what matters is that fifty of them are exact.
    expect((await totals.finishEpoch()).get('s')).toBe(5e8);
  });
});
