/** What writes a sequence step by step: classes drawn by their probabilities, and put into their places. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, StepClock } from '../../src/runtime/engine/engine.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { stepContext, withStepContext } from '../../src/runtime/trainer/step-context.js';
import { useDrawNames } from '../../src/runtime/engine/current.js';
import { drawLabel } from '../../src/runtime/trainer/step-context.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
  useDrawNames(drawLabel);
});
afterAll(() => engine.dispose());

const clock = (step = 0): StepClock => ({ seed: 5, step, micro: 0, rowOffset: 0 });

async function run(
  body: () => readonly (Tensor1D | Tensor2D)[],
  step = 0,
): Promise<readonly (readonly number[])[]> {
  const compiled = engine.compile(
    'generate',
    () => withStepContext(stepContext(engine, 'generate', 'eval', null), body),
    1,
  );
  const found = await compiled.run([], clock(step));
  compiled.dispose();
  return found.map(({ values }) => [...values]);
}

const rows = 20_000;
const drawn = async (temperature: number, step = 0): Promise<readonly number[]> => {
  const [classes = []] = await run(() => {
    const logits = ops.log<Tensor2D>(ops.mul<Tensor2D>(ops.ones<Tensor2D>({ shape: [rows, 3] }), 1));
    const shifted = ops.add<Tensor2D>(logits, ops.cast<Tensor1D>(ops.range({ count: 3 }), { to: 'f32' }));
    return [ops.choose<Tensor1D>(shifted, { temperature, draw: 'choose' })];
  }, step);
  return classes;
};

describe('choose', () => {
  test.each([[1], [0.5], [3]])('draws classes by softmax(logits / %f)', async (temperature) => {
    const classes = await drawn(temperature);
    const weights = [0, 1, 2].map((logit) => Math.exp(logit / temperature));
    const sum = weights.reduce((all, one) => all + one, 0);
    weights.forEach((weight, at) => {
      const share = weight / sum;
      const found = classes.filter((each) => each === at).length / rows;
      // Five standard deviations.
      expect(Math.abs(found - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / rows));
    });
  });
  test('is the same for the same step, and another for another', async () => {
    const first = await drawn(1);
    expect(await drawn(1)).toEqual(first);
    expect(await drawn(1, 1)).not.toEqual(first);
  });
  test('two turns of a loop are two draws', async () => {
    const [one = [], two = []] = await run(() => {
      const found: Tensor1D[] = [];
      for (const _turn of nn.turns(0, 2))
        found.push(ops.choose<Tensor1D>(ops.zeros<Tensor2D>({ shape: [64, 8] }), { draw: 'choose' }));
      return found;
    });
    expect(one).toHaveLength(64);
    expect(one).not.toEqual(two);
  });
});

describe('choose of the largest', () => {
  const shares = async (topK: number, logits: readonly number[]): Promise<readonly number[]> => {
    const [classes = []] = await run(() => {
      const row = ops.reshape<Tensor2D>(ops.vector(logits), { shape: [1, logits.length] });
      const all = ops.add<Tensor2D>(ops.zeros<Tensor2D>({ shape: [rows, logits.length] }), row);
      return [ops.choose<Tensor1D>(all, { topK, draw: 'choose' })];
    });
    return logits.map((_, at) => classes.filter((each) => each === at).length / rows);
  };
  test('draws them by their probabilities among each other, and no other', async () => {
    const [a = 0, b = 0, c = 0, d = 0] = await shares(2, [0, 2, 1, -3]);
    expect([a, d]).toEqual([0, 0]);
    const share = 1 / (1 + Math.exp(-1));
    expect(Math.abs(b - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / rows));
    expect(b + c).toBeCloseTo(1, 10);
  });
  test('of one is the largest; of all is every class', async () => {
    expect(await shares(1, [0, 2, 1])).toEqual([0, 1, 0]);
    expect((await shares(3, [0, 1, 0.5])).every((share) => share > 0.1)).toBe(true);
  });
  test('what is equal to the smallest of them is drawn too', async () => {
    const [a = 0, b = 0, c = 0] = await shares(2, [1, 1, 1]);
    for (const share of [a, b, c]) expect(Math.abs(share - 1 / 3)).toBeLessThan(0.02);
  });
  test('of more than there are is an error', async () => {
    await expect(shares(4, [0, 1, 2])).rejects.toThrow('choose takes a top_k from 1 to 3');
  });
});

describe('rows', () => {
  test('are shuffled alike in every field, each once, and in another order at another step', async () => {
    const body = (): readonly (Tensor1D | Tensor2D)[] => {
      const index = ops.range({ count: 50 });
      const x = ops.cast<Tensor1D>(index, { to: 'f32' });
      const mixed = ops.shuffleRows({ index, x }, { draw: 'rows' });
      return [mixed.index, mixed.x];
    };
    const [index = [], x = []] = await run(body);
    const [other = []] = await run(body, 1);
    expect(x).toEqual(index);
    expect([...index].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(index).not.toEqual([...index].sort((a, b) => a - b));
    expect(other).not.toEqual(index);
  });
  test('of which some are taken, and none that are not there', async () => {
    const [x] = await run(() => [ops.rowsOf(ops.range({ count: 6 }), { from: 2, count: 3 })]);
    expect(x).toEqual([2, 3, 4]);
    await expect(run(() => [ops.rowsOf(ops.range({ count: 6 }), { from: 4, count: 3 })])).rejects.toThrow(
      'rows_of takes 3 rows from row 4 on, but the batch has 6',
    );
  });
});

describe('put', () => {
  test.each([
    [0, 1, [9, 1, 2, 8, 4, 5]],
    [2, 1, [0, 1, 9, 3, 4, 8]],
    [1, 1, [0, 9, 2, 3, 8, 5]],
    [2, -1, [0, 1, 9, 3, 4, 8]],
  ])('at %i of axis %i', async (at, axis, expected) => {
    const [values] = await run(() => [
      ops.put<Tensor2D>(
        ops.reshape<Tensor2D>(ops.range({ count: 6 }), { shape: [2, 3] }),
        ops.sub<Tensor1D>(9, ops.range({ count: 2 })),
        { at, axis },
      ),
    ]);
    expect(values).toEqual(expected);
  });
  test('outside of the axis is an error', async () => {
    await expect(
      run(() => [
        ops.put<Tensor2D>(ops.zeros<Tensor2D>({ shape: [2, 3] }), ops.zeros<Tensor1D>({ shape: [2] }), {
          at: 3,
          axis: 1,
        }),
      ]),
    ).rejects.toThrow('put takes a place from 0 to 2 of axis 1');
  });
});
