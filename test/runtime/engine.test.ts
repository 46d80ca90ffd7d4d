import { engine as library } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest, nativeUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor, StateVariable } from '../../src/runtime/engine/engine.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

const at = (step: number, more: { micro?: number; rowOffset?: number; seed?: number } = {}) => ({
  seed: 7,
  step,
  micro: 0,
  rowOffset: 0,
  ...more,
});

function f32(shape: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: 'f32', shape, values: Float32Array.from(values) };
}

async function once(
  body: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly HostTensor[] = [],
) {
  return engine.compile('probe', body).run(inputs, at(0));
}

function gradientsOf(objectives: () => readonly Scalar[], by: readonly StateVariable[]) {
  return engine.differentiate(() => ({ objectives: objectives(), result: null }), by).gradients;
}

describe('steps', () => {
  test('run their body over tensors and return host values', async () => {
    const [sum] = await once(
      ([a, b]) => (a && b ? [ops.add(a, b)] : []),
      [f32([2], [1, 2]), f32([2], [10, 20])],
    );
    expect(sum).toEqual(f32([2], [11, 22]));
  });

  test('carry every element type', async () => {
    const inputs: HostTensor[] = [
      { dtype: 'u8', shape: [2], values: Uint8Array.of(0, 255) },
      { dtype: 'bool', shape: [2], values: Uint8Array.of(0, 1) },
      { dtype: 'i32', shape: [], values: Int32Array.of(-5) },
    ];
    const outputs = await once((given) => given, inputs);
    expect(outputs.map(({ dtype }) => dtype)).toEqual(['i32', 'bool', 'i32']);
    expect(outputs.map(({ values }) => [...values])).toEqual([[0, 255], [0, 1], [-5]]);
  });

  test('refuse reads on the host by name', async () => {
    const step = engine.compile('train', ([x]) => {
      x?.dataSync();
      return [];
    });
    await expect(step.run([f32([], [1])], at(0))).rejects.toThrow(/step `train` read the values/);
    const later = engine.compile('train', ([x]) => {
      x?.data().catch(() => undefined);
      return [];
    });
    await expect(later.run([f32([], [1])], at(0))).rejects.toThrow(/step `train` read the values/);
  });

  test('refuse conditions on tensors and promises', async () => {
    const compare = engine.compile('train', ([x]) => {
      const text: unknown = x;
      return Number(text) > 0 ? [] : [];
    });
    await expect(compare.run([f32([], [1])], at(0))).rejects.toThrow(/used a tensor as a number/);
    // @ts-expect-error: the body of a step returns tensors, not a promise of them
    const waits = engine.compile('train', async () => []);
    await expect(waits.run([], at(0))).rejects.toThrow(/step `train` returned a promise/);
    const nothing = engine.compile('train', () => JSON.parse('{}'));
    await expect(nothing.run([], at(0))).rejects.toThrow(/must return a list of tensors/);
  });

  test('run after one that failed', async () => {
    await expect(
      once(() => {
        throw new Error('broken');
      }),
    ).rejects.toThrow('broken');
    const [one] = await once(() => [ops.ones({ shape: [] })]);
    expect(one?.values[0]).toBe(1);
  });
});

describe('variables', () => {
  test('are read and assigned in steps, downloaded and uploaded between them', async () => {
    const w = engine.variable('w', f32([2], [1, 2]));
    const step = engine.compile('double', () => {
      const before = w.read();
      w.assign(ops.mul(before, 2));
      return [before, w.read()];
    });
    const [before, after] = await step.run([], at(0));
    expect(before).toEqual(f32([2], [1, 2]));
    expect(after).toEqual(f32([2], [2, 4]));
    w.upload(f32([2], [5, 6]));
    expect(await w.download()).toEqual(f32([2], [5, 6]));
    expect(() => w.read()).toThrow(/outside of a step/);
    expect(() => w.upload(f32([3], [1, 2, 3]))).toThrow(/`w` holds (a float32 of shape |f32)\[2\]/);
    w.dispose();
  });

  test('are as before where a step failed', async () => {
    const w = engine.variable('w', f32([2], [1, 2]));
    const step = engine.compile('fails', () => {
      w.assign(ops.mul(w.read(), 2));
      w.assign(ops.mul(w.read(), 2));
      throw new Error('broken');
    });
    const before = engine.memory();
    await expect(step.run([], at(0))).rejects.toThrow('broken');
    expect(engine.memory()).toEqual(before);
    expect(await w.download()).toEqual(f32([2], [1, 2]));
    w.dispose();
  });

  test('take no second variable of the same path', () => {
    const w = engine.variable('same', f32([], [1]));
    expect(() => engine.variable('same', f32([], [1]))).toThrow(/two variables have the path `same`/);
    w.dispose();
  });

  test('keep bytes as bytes', async () => {
    const w = engine.variable('bytes', { dtype: 'u8', shape: [2], values: Uint8Array.of(3, 200) });
    expect(await w.download()).toEqual({ dtype: 'u8', shape: [2], values: Uint8Array.of(3, 200) });
    w.dispose();
  });
});

describe('differentiate', () => {
  test('serves several objectives from one forward pass, with null where there is no dependence', async () => {
    const a = engine.variable('a', f32([2], [1, 2]));
    const b = engine.variable('b', f32([2], [3, 4]));
    let forwards = 0;
    const outputs = await once(() => {
      const gradients = gradientsOf(() => {
        forwards++;
        const squares = ops.square(a.read());
        return [ops.sum<Scalar>(squares), ops.sum<Scalar>(ops.mul(squares, b.read()))];
      }, [a, b]);
      expect(gradients[0]?.[1]).toBeNull();
      return gradients.flat().flatMap((gradient) => gradient ?? []);
    });
    expect(forwards).toBe(1);
    expect(outputs.map(({ values }) => [...values])).toEqual([
      [2, 4],
      [6, 16],
      [1, 4],
    ]);
    a.dispose();
    b.dispose();
  });

  test('stops at whole numbers, bools and stopGradient', async () => {
    const a = engine.variable('a', f32([3], [1, -2, 3]));
    const [gradient] = await once(() => {
      const x: Tensor = ops.mul(a.read(), 1);
      const [row] = gradientsOf(() => {
        const positive = ops.select<Tensor1D>(ops.greater(a.read(), 0), a.read(), 0);
        const whole = ops.cast(ops.cast(a.read(), { to: 'i32' }), { to: 'f32' });
        return [ops.sum<Scalar>(ops.add(ops.add(positive, whole), ops.stopGradient(ops.mul(a.read(), x))))];
      }, [a]);
      return row?.[0] ? [row[0]] : [];
    });
    expect([...(gradient?.values ?? [])]).toEqual([1, 0, 1]);
    a.dispose();
  });

  test('refuses an objective that is no number', async () => {
    const a = engine.variable('a', f32([2], [1, 2]));
    await expect(
      once(() => {
        const vector: Tensor = a.read();
        gradientsOf(() => [ops.reshape<Scalar>(ops.concat([vector, vector]), { shape: [4] })], [a]);
        return [];
      }),
    ).rejects.toThrow(/an objective must be one f32 number, but a float32 of shape \[4\] arrived/);
    a.dispose();
  });
});

test('a dense classifier learns, and nothing leaks over 2,000 steps', async () => {
  const w = engine.variable('dense.weight', f32([2, 2], [0.1, -0.1, 0.2, 0.3]));
  const b = engine.variable('dense.bias', f32([2], [0, 0]));
  const step = engine.compile('train', ([x, label, lr]) => {
    if (!x || !label || !lr) throw new Error('inputs are missing');
    const { gradients, result } = engine.differentiate(() => {
      const logits = ops.add<Tensor2D>(ops.matmul(x, w.read()), b.read());
      const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(logits, label));
      return { objectives: [loss], result: loss };
    }, [w, b]);
    [w, b].forEach((variable, i) => {
      const gradient = gradients[0]?.[i];
      if (gradient) variable.assign(ops.sub(variable.read(), ops.mul(gradient, lr)));
    });
    return [result];
  });
  const inputs: HostTensor[] = [
    f32([4, 2], [1, 0, 0, 1, 0.9, 0.1, 0.1, 0.8]),
    { dtype: 'i32', shape: [4], values: Int32Array.of(0, 1, 0, 1) },
    f32([], [0.1]),
  ];
  const first = await step.run(inputs, at(0));
  const before = engine.memory();
  let last = first;
  for (let i = 1; i <= 2000; i++) {
    last = await step.run(inputs, at(i));
  }
  expect(engine.memory()).toEqual(before);
  expect(last[0]?.values[0]).toBeLessThan(0.05);
  expect(first[0]?.values[0]).toBeGreaterThan(0.5);
  w.dispose();
  b.dispose();
});

test('a kernel without a gradient is named', async () => {
  const a = engine.variable('a', f32([2, 2], [1, 2, 3, 4]));
  await expect(
    once(() => {
      const top = (): Scalar => {
        const index = library().runKernel<Tensor>('OneHot', { indices: ops.argmax(a.read()) }, { depth: 2 });
        return ops.sum<Scalar>(
          ops.mul(index, library().runKernel<Tensor>('Step', { x: a.read() }, { alpha: 0 })),
        );
      };
      gradientsOf(() => [top()], [a]);
      return [];
    }),
  ).rejects.toThrow(/kernel Step has no gradient; keep it out of what is minimized/);
  a.dispose();
});

test('a full memory is said to be one, and the engine goes on', async () => {
  // More than WebAssembly can address, or than any machine has, so that nothing is allocated.
  const large = (): Tensor => {
    if (!nativeUnderTest) return ops.ones({ shape: [2 ** 30] });
    const draw = (shape: readonly number[], name: string): Tensor => ops.uniform({ shape, draw: name });
    return ops.mul(draw([2 ** 10, 1, 2 ** 10, 1], 'a'), draw([2 ** 10, 1, 2 ** 10], 'b'));
  };
  const step = engine.compile('large', () => [ops.maxOf<Scalar>(large())]);
  const before = engine.memory();
  await expect(step.run([], at(0))).rejects.toThrow(
    nativeUnderTest ? /no memory on/ : /memory is full: 4096 MiB were asked for with \d+ MiB in use/,
  );
  expect(engine.memory()).toEqual(before);
  const [one] = await once(() => [ops.ones({ shape: [] })]);
  expect(one?.values[0]).toBe(1);
});
