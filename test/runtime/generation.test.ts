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
