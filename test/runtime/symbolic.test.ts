import { beforeAll, describe, expect, test } from 'vitest';
import { createEmbeddedEngine } from '../../src/runtime/engine/embedded.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { createSymbolicEngine, type SymbolicEngine } from '../../src/runtime/engine/symbolic.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor2D } from '../../src/runtime/tensor.js';
import { cases, operatorCases } from './gradient-cases.js';

let engine: SymbolicEngine;
beforeAll(async () => {
  engine = await createSymbolicEngine();
});

const at = (step: number) => ({ seed: 7, step, micro: 0, rowOffset: 0 });
const f32 = (shape: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from(values),
});

describe('a trace', () => {
  test('of a training step is the same at every step and for every input', async () => {
    const w = engine.variable('w', f32([2, 3], [1, 2, 3, 4, 5, 6]));
    const step = engine.compile('train', ([x, label, lr]) => {
      if (!x || !label || !lr) throw new Error('inputs are missing');
      const { gradients, result } = engine.differentiate(() => {
        const noisy = ops.add<Tensor2D>(x, ops.normal({ shape: [2, 2], draw: 'noise' }));
        const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(ops.matmul(noisy, w.read()), label));
        return { objectives: [loss], result: loss };
      }, [w]);
      const gradient = gradients[0]?.[0];
      if (gradient) w.assign(ops.sub(w.read(), ops.mul(gradient, lr)));
      return [result];
    });
    const labels: HostTensor = { dtype: 'i32', shape: [2], values: Int32Array.of(0, 2) };
    const [loss] = await step.run([f32([2, 2], [1, 2, 3, 4]), labels, f32([], [0.1])], at(1));
    expect(loss).toEqual(f32([], [0]));
    const first = engine.trace();
    await step.run([f32([2, 2], [5, 6, 7, 8]), labels, f32([], [0.05])], at(2));
    expect(engine.trace()).toEqual(first);
    const kernels = first.map(({ kernel }) => kernel);
    expect(
      kernels.filter((kernel) => ['Input', 'Read', 'Draw', 'Assign', 'Output'].includes(kernel)),
    ).toEqual(['Input', 'Input', 'Input', 'Read', 'Draw', 'Assign', 'Output']);
    w.dispose();
  });

  test('shows a number that the host froze into a step', async () => {
    let rate = 0.1;
    const step = engine.compile('train', ([x]) => (x ? [ops.mul(x, rate)] : []));
    await step.run([f32([1], [1])], at(1));
    const first = engine.trace();
    rate = 0.2;
    await step.run([f32([1], [1])], at(2));
    expect(engine.trace()).not.toEqual(first);
  });

  test('refuses to read a value', async () => {
    const step = engine.compile('train', ([x]) => {
      x?.dataSync();
      return [];
    });
    await expect(step.run([f32([1], [1])], at(1))).rejects.toThrow(/step `train` read the values/);
  });
});

test('every op and its gradient can be traced, in the shapes of the embedded engine', async () => {
  const embedded = await createEmbeddedEngine();
  for (const [name, list] of Object.entries({ ...cases, ...operatorCases })) {
    const [one] = list;
    if (one === undefined) continue;
    const inputs = one.inputs.map((shape) =>
      f32(shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(0.5)),
    );
    const shapes = [];
    for (const device of [embedded, engine]) {
      const variables = inputs.map((input, i) => device.variable(`x${i}`, input));
      const step = device.compile(name, () => {
        const { gradients, result } = device.differentiate(() => {
          const out = one.run(...variables.map((variable) => variable.read()));
          return { objectives: [ops.sum<Scalar>(out)], result: out };
        }, variables);
        return [result, ...gradients.flat().flatMap((gradient) => gradient ?? [])];
      });
      const outputs = await step.run([], at(0));
      shapes.push(outputs.map(({ shape, dtype }) => [dtype, shape]));
      variables.forEach((variable) => variable.dispose());
    }
    expect(shapes[1], name).toEqual(shapes[0]);
  }
});
