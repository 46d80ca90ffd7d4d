/** That kernels free what they take, on the engine's own heap, and that those ours replace are ours. */
import { engine as library, getKernel } from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { createEmbeddedEngine } from '../../src/runtime/engine/embedded.js';
import type { Engine } from '../../src/runtime/engine/engine.js';
import { gradientRules } from '../../src/runtime/engine/gradients.js';
import { ownKernels } from '../../src/runtime/engine/kernels.js';
import * as ops from '../../src/runtime/ops/index.js';
import { ranked, type Scalar, type Tensor, type Tensor4D } from '../../src/runtime/tensor.js';
import { cases, operatorCases } from './gradient-cases.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEmbeddedEngine();
});

test.each(Object.entries({ ...cases, ...operatorCases }))('%s leaves nothing behind', async (name, list) => {
  for (const { inputs, run, domain } of list) {
    const variables = inputs.map((shape, i) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const values = Float32Array.from({ length: size }, (_, k) => (domain ?? Number)((k % 7) / 7 + 0.1));
      return engine.variable(`x${i}`, { dtype: 'f32', shape, values });
    });
    const step = engine.compile(name, () => {
      engine.differentiate(() => {
        const out = run(...variables.map((variable) => variable.read()));
        return { objectives: [ops.sum<Scalar>(out)], result: null };
      }, variables);
      return [];
    });
    const before = [engine.memory(), library().backend.numDataIds()];
    await step.run([], { seed: 1, step: 0, micro: 0, rowOffset: 0 });
    expect([engine.memory(), library().backend.numDataIds()]).toEqual(before);
    variables.forEach((variable) => {
      variable.dispose();
    });
  }
});

test('a step that fails leaves nothing behind either', async () => {
  const x = engine.variable('x', { dtype: 'f32', shape: [2, 2], values: new Float32Array(4) });
  const step = engine.compile('fails', () => {
    engine.differentiate(() => {
      const out = ops.relu(ops.matmul(x.read(), x.read()));
      return {
        objectives: [ops.sum<Scalar>(ops.take(out, ops.cast(ops.add(out, 7), { to: 'i32' })))],
        result: null,
      };
    }, [x]);
    return [];
  });
  const before = engine.memory();
  await expect(step.run([], { seed: 1, step: 0, micro: 0, rowOffset: 0 })).rejects.toThrow(
    'index 7 at place 0 of [2, 2] is no row of a table of 2 (0 to 1); correct the data',
  );
  expect(engine.memory()).toEqual(before);
  x.dispose();
});

async function computed(body: (x: Tensor) => Tensor, shape: readonly number[], values: readonly number[]) {
  const step = engine.compile('probe', ([x]) => (x === undefined ? [] : [body(x)]));
  const inputs = [{ dtype: 'f32' as const, shape, values: Float32Array.from(values) }];
  const [got] = await step.run(inputs, { seed: 1, step: 0, micro: 0, rowOffset: 0 });
  return [...(got?.values ?? [])];
}

const four = (x: Tensor): Tensor4D => ranked<Tensor4D>(x);
// Two channels; the first is NaN in its second pixel.
const image = Array.from({ length: 4 * 4 * 2 }, (_, i) => (i === 2 ? Number.NaN : i));

test.each<readonly [string, (x: Tensor) => Tensor, readonly number[]]>([
  ['max pooling', (x) => ops.maxPool(four(x), { size: 2 }), [Number.NaN, 11, 14, 15, 26, 27, 30, 31]],
  ['average pooling', (x) => ops.avgPool(four(x), { size: 2 }), [Number.NaN, 6, 9, 10, 21, 22, 25, 26]],
  [
    'pooling that overlaps and pads',
    (x) => ops.maxPool(four(x), { size: 3, stride: 2, padding: 'same' }),
    [Number.NaN, 21, 22, 23, 28, 29, 30, 31],
  ],
  ['pooling of one pixel', (x) => ops.maxPool(four(x), { size: 1 }), image],
])('%s keeps a NaN in its windows and its channel', async (_, body, wanted) => {
  expect(await computed(body, [1, 4, 4, 2], image)).toEqual(wanted);
});

test('the gradient of max pooling goes to the NaN', async () => {
  const x = engine.variable('x', { dtype: 'f32', shape: [1, 4, 4, 2], values: Float32Array.from(image) });
  const step = engine.compile('probe', () => {
    const { gradients } = engine.differentiate(() => {
      const loss = ops.sum<Scalar>(ops.maxPool(four(x.read()), { size: 2 }));
      return { objectives: [loss], result: null };
    }, [x]);
    return gradients.flatMap((row) => row.flatMap((gradient) => gradient ?? []));
  });
  const [dx] = await step.run([], { seed: 1, step: 0, micro: 0, rowOffset: 0 });
  expect([...(dx?.values ?? [])].flatMap((value, i) => (value === 0 ? [] : [i]))).toEqual([
    2, 11, 14, 15, 26, 27, 30, 31,
  ]);
  x.dispose();
});

test('convolutions let NaN through', async () => {
  const ones = (shape: readonly number[]): Tensor4D => ops.ones<Tensor4D>({ shape });
  const got = await computed(
    (x) => ops.conv2d(four(x), ones([2, 2, 2, 1]), { stride: 2 }),
    [1, 4, 4, 2],
    image,
  );
  expect(got.map(Number.isNaN)).toEqual([true, false, false, false]);
  const each = await computed(
    (x) => ops.depthwiseConv2d(four(x), ones([2, 2, 2, 1]), { stride: 2 }),
    [1, 4, 4, 2],
    image,
  );
  expect(each.map(Number.isNaN)).toEqual([true, false, false, false, false, false, false, false]);
});

test('the larger and the smaller of two let NaN through from either side', async () => {
  for (const op of [ops.max, ops.min]) {
    expect(await computed((x) => op<Tensor>(x, 0), [2], [Number.NaN, -0])).toEqual([
      Number.NaN,
      expect.any(Number),
    ]);
    expect((await computed((x) => op<Tensor>(0.5, x), [2], [Number.NaN, 0.5]))[0]).toBeNaN();
  }
  expect(await computed((x) => ops.max<Tensor>(0.5, x), [2], [Infinity, 0])).toEqual([Infinity, 0.5]);
  expect(await computed((x) => ops.min<Tensor>(0.5, x), [2], [-Infinity, 1])).toEqual([-Infinity, 0.5]);
});

test('every kernel that has a gradient exists, and ours are in place', () => {
  const missing = [...Object.keys(gradientRules), ...Object.keys(ownKernels)].filter(
    (name) => getKernel(name, 'wasm') === undefined,
  );
  expect(missing).toEqual([]);
});

test('the engine leaves the process’s handlers alone', () => {
  // The library's loader would end the process at any unhandled rejection.
  const sources = process.rawListeners('unhandledRejection').map(String);
  expect(sources.filter((source) => source.includes('abort('))).toEqual([]);
});
