/** A step that asks for more memory than there is says how much, and which batch fits; trying that changes nothing. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { askedFor } from '../../src/runtime/engine/tensorflow/status.js';
import * as ops from '../../src/runtime/ops/index.js';
import { RunError } from '../../src/runtime/run/run-error.js';
import type { Scalar } from '../../src/runtime/tensor.js';
import { createNativeEngine } from '../engine-under-test.js';
import { clockAt, f32 } from './all-engines.js';

/** 2^n numbers for n rows, up to 40: 4 TB, which no machine gives, and 4 MB for 20. */
function outer(x: Tensor | undefined): Tensor {
  const side = 2 ** Math.floor(Math.min(40, x?.shape[0] ?? 0) / 2);
  return ops.mul<Tensor>(
    ops.uniform<Tensor>({ shape: [side, 1], draw: 'a' }),
    ops.uniform<Tensor>({ shape: [side], draw: 'b' }),
  );
}

const rows = (count: number) => [f32([count, 1], new Float32Array(count))];

/** The error of a step, its variable before and after, and what is alive. */
async function failing(mode: 'graph' | 'xla', body: (x: Tensor | undefined) => Tensor, count: number) {
  const engine = await createNativeEngine(mode);
  const w = engine.variable('w', f32([], [3]));
  const step = engine.compile('train', ([x]) => {
    const all = body(x);
    // What is written is made of all that does not fit: a step that fails has nothing to write.
    w.assign(ops.add(w.read(), ops.sum<Scalar>(ops.mul<Tensor>(all, ops.transpose<Tensor>(all)))));
    return [ops.maxOf<Scalar>(all)];
  });
  const before = engine.memory();
  const error = await step.run(rows(count), clockAt(0)).catch((caught: unknown) => caught);
  if (!(error instanceof Error)) throw new Error('the step did not fail');
  expect(engine.memory()).toEqual(before);
  return { engine, step, w, error };
}

describe.each(['graph', 'xla'] as const)('%s', (mode) => {
  test('names what was asked for and the batch that fits, which then runs', async () => {
    const { engine, step, w, error } = await failing(mode, outer, 40);
    expect(error).toBeInstanceOf(RunError);
    expect(error.message).toMatch(
      mode === 'graph'
        ? /^no memory on \w+ for step train \(shape\[1048576,1048576\], 4\.4 TB\) with batches of 40 rows; batches of 20 fit: set batch = 20$/
        : /^no memory on \w+ for step train \([\d.]+ TiB\) with batches of 40 rows; batches of 20 fit: set batch = 20$/,
    );
    // XLA takes the memory of what it writes before it asks for more: where that fails, it is gone.
    if (mode === 'graph') expect((await w.download()).values[0]).toBe(3);
    else await expect(w.download()).rejects.toThrow('variable `w` lost its value when memory ran out');
    w.upload(f32([], [3]));
    const [most] = await step.run(rows(20), clockAt(1));
    expect(most?.values[0]).toBeGreaterThan(0.9);
    expect((await w.download()).values[0]).toBeGreaterThan(3);
    step.dispose();
    engine.dispose();
  });

  test('where no batch fits, that is said', async () => {
    const always = (): Tensor =>
      ops.mul<Tensor>(
        ops.uniform<Tensor>({ shape: [2 ** 20, 1], draw: 'a' }),
        ops.uniform<Tensor>({ shape: [2 ** 20], draw: 'b' }),
      );
    const { engine, step, error } = await failing(mode, always, 5);
    expect(error).toBeInstanceOf(RunError);
    expect(error.message).toMatch(
      /^no memory on \w+ for step train \(.*(TB|TiB)\); use a smaller batch or a smaller model$/,
    );
    step.dispose();
    engine.dispose();
  });
});

test('trying smaller batches writes nothing, whatever is assigned before memory runs out', async () => {
  const engine = await createNativeEngine('graph');
  const count = engine.variable('count', f32([], [0]));
  const tried: number[] = [];
  const step = engine.compile('train', ([x]) => {
    tried.push(x?.shape[0] ?? 0);
    count.assign(ops.add(count.read(), 1));
    return [ops.maxOf<Scalar>(outer(x))];
  });
  await expect(step.run(rows(80), clockAt(0))).rejects.toThrow(
    'with batches of 80 rows; batches of 20 fit: set batch = 20',
  );
  expect(tried).toEqual([80, 40, 20]);
  // The step that failed may have counted itself; those that were tried did not.
  expect((await count.download()).values[0]).toBeLessThanOrEqual(1);
  step.dispose();
  engine.dispose();
});

test.each([
  ['OOM when allocating tensor with shape[2,3] and type half on /device:GPU:0', 'shape[2,3], 12 B'],
  ['OOM when allocating tensor with shape[] and type int64 on /device:GPU:0', 'shape[], 8 B'],
  ['OOM when allocating tensor with shape[1000,1000] and type variant', 'shape[1000,1000]'],
  ['Out of memory while trying to allocate 8.00TiB.', '8.00 TiB'],
  ['Out of memory while trying to allocate 17179869184 bytes.', '17179869184 bytes'],
  ['ran out of something', null],
])('%s', (detail, asked) => {
  expect(askedFor(detail)).toBe(asked);
});
