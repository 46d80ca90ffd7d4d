import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as losses from '../../src/runtime/losses/index.js';
import type { Tensor } from '../../src/runtime/tensor.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

const f32 = (shape: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from(values),
});
const i32 = (values: readonly number[]): HostTensor => ({
  dtype: 'i32',
  shape: [values.length],
  values: Int32Array.from(values),
});

async function compute(
  run: (...inputs: Tensor[]) => Tensor,
  ...inputs: readonly HostTensor[]
): Promise<number[]> {
  const [output] = await engine
    .compile('probe', (given) => [run(...given)])
    .run(inputs, { seed: 1, step: 0, micro: 0, rowOffset: 0 });
  return [...(output?.values ?? [])];
}

function expectClose(got: readonly number[], wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i] ?? Number.NaN, 5);
  });
}

const logits = [
  [1, 2, 3],
  [0, 0, 0],
];
/** -Σ p log softmax(x), from the definition. */
function crossEntropy(row: readonly number[], target: readonly number[]): number {
  const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
  return row.reduce((sum, x, i) => sum - (target[i] ?? 0) * (x - total), 0);
}

describe('softmax cross entropy', () => {
  const x = f32([2, 3], logits.flat());

  test('of class labels', async () => {
    const wanted = [crossEntropy([1, 2, 3], [0, 0, 1]), Math.log(3)];
    expectClose(await compute((a, b) => losses.softmaxCrossEntropy(a, b), x, i32([2, 0])), wanted);
  });

  test('of rows of probabilities, which need not be certain', async () => {
    const target = f32([2, 3], [0.2, 0.3, 0.5, 1, 0, 0]);
    const wanted = [crossEntropy([1, 2, 3], [0.2, 0.3, 0.5]), Math.log(3)];
    expectClose(await compute((a, b) => losses.softmaxCrossEntropy(a, b), x, target), wanted);
  });

  test('with smoothing', async () => {
    const wanted = [crossEntropy([1, 2, 3], [0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3]), Math.log(3)];
    expectClose(
      await compute((a, b) => losses.softmaxCrossEntropy(a, b, { labelSmoothing: 0.1 }), x, i32([2, 0])),
      wanted,
    );
  });

  test('of large logits', async () => {
    const large = f32([2, 2], [1e4, -1e4, -1e4, 1e4]);
    expectClose(await compute((a, b) => losses.softmaxCrossEntropy(a, b), large, i32([0, 0])), [0, 2e4]);
  });

  test('refuses labels of another shape, and says which fit', async () => {
    const run = compute((a, b) => losses.softmaxCrossEntropy(a, b), x, f32([2], [0, 1]));
    await expect(run).rejects.toThrow(/labels f32\[2\]; labels are i32\[2\] or f32\[2, 3\]/);
    for (const label of [3, -1]) {
      const stray = compute((a, b) => losses.softmaxCrossEntropy(a, b), x, i32([2, label]));
      await expect(stray).rejects.toThrow(`label ${label} at place 1 of [2] is not one of 3 classes`);
    }
    const smooth = compute((a, b) => losses.softmaxCrossEntropy(a, b, { labelSmoothing: 1 }), x, i32([0, 1]));
    await expect(smooth).rejects.toThrow(/label smoothing from 0 to below 1, but 1 arrived/);
  });
});

describe('sigmoid cross entropy', () => {
  test('follows its definition', async () => {
    const points = [-3, 0, 2];
    const wanted = points.map((x) => {
      const p = 1 / (1 + Math.exp(-x));
      return -(0.9 * Math.log(p) + 0.1 * Math.log(1 - p));
    });
    expectClose(await compute((x) => losses.sigmoidCrossEntropy(x, 0.9), f32([3], points)), wanted);
  });

  test('of large logits and labels of other types', async () => {
    const got = await compute(
      (x, z) => losses.sigmoidCrossEntropy(x, z),
      f32([3], [1000, -1000, -1000]),
      i32([1, 0, 1]),
    );
    expectClose(got, [0, 0, 1000]);
  });
});

describe('regression', () => {
  const pair = [f32([4], [1, 2, 3, 4]), f32([4], [1, 0, 3.5, 8])];
  test.each<[string, (a: Tensor, b: Tensor) => Tensor, readonly number[]]>([
    ['squared', (a, b) => losses.squaredError(a, b), [0, 4, 0.25, 16]],
    ['absolute', (a, b) => losses.absoluteError(a, b), [0, 2, 0.5, 4]],
    ['huber', (a, b) => losses.huber(a, b), [0, 1.5, 0.125, 3.5]],
    ['huber with a delta', (a, b) => losses.huber(a, b, { delta: 3 }), [0, 2, 0.125, 7.5]],
  ])('%s error', async (_, run, wanted) => {
    expectClose(await compute((a, b) => run(a, b), ...pair), wanted);
  });

  test('refuses targets that would broadcast', async () => {
    const run = compute((a, b) => losses.squaredError(a, b), f32([2, 1], [1, 2]), f32([2], [1, 2]));
    await expect(run).rejects.toThrow(
      /squaredError got f32\[2, 1\] and a target f32\[2\]; their shapes must be equal/,
    );
  });
});
