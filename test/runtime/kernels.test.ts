/** That kernels free what they take, on the engine's own heap, and that those ours replace are ours. */
import { engine as library, getKernel } from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { createEmbeddedEngine } from '../../src/runtime/engine/embedded.js';
import type { Engine } from '../../src/runtime/engine/engine.js';
import { gradientRules } from '../../src/runtime/engine/gradients.js';
import { ownKernels } from '../../src/runtime/engine/kernels.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar } from '../../src/runtime/tensor.js';
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
  await expect(step.run([], { seed: 1, step: 0, micro: 0, rowOffset: 0 })).rejects.toThrow(/index value 7/);
  expect(engine.memory()).toEqual(before);
  x.dispose();
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
