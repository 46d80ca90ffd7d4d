/** What goes wrong is one clear error, changes nothing, and leaves nothing behind. */
import { engine as library, type Tensor } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { Graph } from '../../src/runtime/engine/tensorflow/graph.js';
import { openLibrary } from '../../src/runtime/engine/tensorflow/c-api.js';
import { TensorFlow } from '../../src/runtime/engine/tensorflow/runtime.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor2D } from '../../src/runtime/tensor.js';
import { createNativeEngine, nativeLibrary } from '../engine-under-test.js';
import { allEngines, clockAt, f32, i32, type AllEngines } from './all-engines.js';

let engines: AllEngines;
beforeAll(async () => {
  engines = await allEngines();
});

const need = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('an input is missing');
  return value;
};

describe.each(['eager', 'graph', 'xla'] as const)('%s', (mode) => {
  const run = (body: (inputs: readonly Tensor[]) => readonly Tensor[], inputs: readonly HostTensor[] = []) =>
    engines[mode].compile('probe', body).run(inputs, clockAt(0));

  test('a body that reads on the host is refused by name', async () => {
    await expect(
      run(([x]) => [ops.mul(need(x), need(x).dataSync()[0] ?? 0)], [f32([1], [1])]),
    ).rejects.toThrow(/step `probe` read the values of a tensor/);
    await expect(run(([x]) => (Number(need(x)) > 0 ? [] : []), [f32([1], [1])])).rejects.toThrow(
      /used a tensor as a number/,
    );
  });

  test('other shapes are another trace', async () => {
    const step = engines[mode].compile('shapes', ([x]) => [ops.sum(need(x), { axis: 0 })]);
    for (const rows of [4, 2, 7, 4, 2]) {
      const [sum] = await step.run([f32([rows, 2], new Float32Array(2 * rows).fill(1))], clockAt(0));
      expect([...(sum?.values ?? [])]).toEqual([rows, rows]);
    }
    const [whole] = await step.run([i32([3], [1, 2, 3])], clockAt(0));
    expect(whole).toEqual(f32([], [6]));
    step.dispose();
  });

  test('shapes that do not fit name the op and what arrived', async () => {
    await expect(
      run(
        ([a, b]) => [ops.matmul(need(a), need(b))],
        [f32([2, 3], new Float32Array(6)), f32([2, 3], new Float32Array(6))],
      ),
    ).rejects.toThrow(/matmul/);
  });

  test('a tensor of another step is refused, or is its values', async () => {
    let kept: Tensor | undefined;
    await run(([x]) => [(kept = ops.mul(need(x), 2))], [f32([1], [1])]);
    await expect(run(() => [ops.add(need(kept), 1)])).rejects.toThrow();
    const [fine] = await run(([x]) => [ops.mul(need(x), 2)], [f32([1], [1])]);
    expect(fine?.values[0]).toBe(2);
  });

  test('labels and indices outside are refused', async () => {
    const logits = f32([2, 3], [1, 2, 3, 4, 5, 6]);
    for (const wrong of [-1, 3, 2 ** 31 - 1]) {
      const labels = i32([2], [0, wrong]);
      await expect(
        run(([x, l]) => [losses.softmaxCrossEntropy(need(x), need(l))], [logits, labels]),
      ).rejects.toThrow(`label ${wrong} at place 1 of [2] is not one of 3 classes (0 to 2)`);
      await expect(
        run(([x, l]) => [ops.take(need(x), need(l))], [f32([3, 2], logits.values), labels]),
      ).rejects.toThrow(`index ${wrong} at place 1 of [2] is no row of a table of 3 (0 to 2)`);
    }
  });

  test('an op that the library lacks is named', async () => {
    const unknown = (): Tensor => library().runKernel('Cumsum', { x: ops.ones({ shape: [2] }) }, { axis: 0 });
    await expect(run(() => [unknown()])).rejects.toThrow(/Cumsum/);
  });

  test('a tensor larger than any memory is an error, and the engine goes on', async () => {
    const huge = (): Tensor =>
      ops.mul(
        ops.uniform<Tensor>({ shape: [2 ** 10, 1, 2 ** 10, 1], draw: 'a' }),
        ops.uniform<Tensor>({ shape: [2 ** 10, 1, 2 ** 10], draw: 'b' }),
      );
    await expect(run(() => [ops.maxOf<Scalar>(huge())])).rejects.toThrow(/memory/i);
    const [one] = await run(() => [ops.ones({ shape: [] })]);
    expect(one?.values[0]).toBe(1);
  });

  test('a step that fails changes nothing and leaves nothing behind', async () => {
    const engine = engines[mode];
    const a = engine.variable(`${mode}/a`, f32([2], [1, 2]));
    const b = engine.variable(`${mode}/b`, f32([2], [1, 2]));
    const before = engine.memory();
    const thrown = engine.compile('thrown', () => {
      a.assign(ops.mul(a.read(), 2));
      b.assign(ops.mul(a.read(), 2));
      throw new Error('on purpose');
    });
    const late = engine.compile('late', ([index]) => {
      a.assign(ops.mul(a.read(), 2));
      b.assign(ops.add(b.read(), ops.take(ops.mul(a.read(), 2), need(index))));
      return [];
    });
    for (let i = 0; i < 3; i++) {
      await expect(thrown.run([], clockAt(i))).rejects.toThrow('on purpose');
      await expect(late.run([i32([2], [0, 9])], clockAt(i))).rejects.toThrow('index 9 at place 1');
    }
    expect((await a.download()).values).toEqual(Float32Array.of(1, 2));
    expect((await b.download()).values).toEqual(Float32Array.of(1, 2));
    expect(engine.memory()).toEqual(before);
    await late.run([i32([2], [1, 0])], clockAt(9));
    expect((await b.download()).values).toEqual(Float32Array.of(9, 6));
    expect(engine.memory()).toEqual(before);
    a.dispose();
    b.dispose();
  });

  test('an assignment of another shape or type is refused', async () => {
    const engine = engines[mode];
    const a = engine.variable(`${mode}/shape`, f32([2], [1, 2]));
    await expect(run(() => [a.assign(ops.ones({ shape: [3] }))].flatMap(() => []))).rejects.toThrow(
      /shape \[3\]/,
    );
    await expect(run(() => [a.assign(ops.cast(a.read(), { to: 'i32' }))].flatMap(() => []))).rejects.toThrow(
      /int32|i32/,
    );
    expect((await a.download()).values).toEqual(Float32Array.of(1, 2));
    a.dispose();
  });
});

test('an index that the graph computed is refused by its own kernels, and changes nothing', async () => {
  for (const mode of ['eager', 'graph'] as const) {
    const engine = engines[mode];
    const table = engine.variable(`${mode}/table`, f32([3], [1, 2, 3]));
    const step = engine.compile('computed', ([x]) => {
      const index = ops.cast(ops.mul(need(x), 2), { to: 'i32' });
      table.assign(ops.add(table.read(), 1));
      return [ops.take(table.read(), index)];
    });
    await expect(step.run([f32([1], [9])], clockAt(0))).rejects.toThrow(/18/);
    expect((await table.download()).values).toEqual(Float32Array.of(1, 2, 3));
    table.dispose();
  }
});

test.each(['eager', 'graph', 'xla'] as const)('nothing leaks over thousands of steps of %s', async (mode) => {
  const engine: Engine = await createNativeEngine(mode);
  const w = engine.variable('w', f32([4, 3], new Float32Array(12).fill(0.1)));
  const step = engine.compile('train', ([x, label]) => {
    const { gradients, result } = engine.differentiate(() => {
      const noisy = ops.add<Tensor2D>(need(x), ops.normal<Tensor>({ shape: [8, 4], draw: 'noise' }));
      const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(ops.matmul(noisy, w.read()), need(label)));
      return { objectives: [loss], result: loss };
    }, [w]);
    const [gradient] = gradients[0] ?? [];
    if (gradient) w.assign(ops.sub(w.read(), ops.mul(gradient, 0.01)));
    return [result];
  });
  const labels = i32([8], [0, 1, 2, 0, 1, 2, 0, 1]);
  const once = (i: number) =>
    step.run([f32([8, 4], new Float32Array(32).fill((i % 7) / 7)), labels], clockAt(i));
  const count = mode === 'eager' ? 1_000 : 10_000;
  for (let i = 0; i < count / 4; i++) await once(i);
  const before = { ...engine.memory(), tracked: library().memory().numTensors };
  const resident = process.memoryUsage().rss;
  for (let i = 0; i < count; i++) await once(i);
  expect({ ...engine.memory(), tracked: library().memory().numTensors }).toEqual(before);
  // A handle of a small tensor takes some hundred bytes: one a step would be below 5 MiB, its values above.
  expect((process.memoryUsage().rss - resident) / 2 ** 20).toBeLessThan(48);
  step.dispose();
  w.dispose();
});

test('variables, traces and engines can be made and freed again and again', async () => {
  const before = engines.graph.memory().tensors;
  for (let i = 0; i < 50; i++) {
    const engine = await createNativeEngine('graph');
    const w = engine.variable('w', f32([2], [1, 2]));
    const step = engine.compile('train', () => {
      w.assign(ops.mul(w.read(), 2));
      return [w.read()];
    });
    const [value] = await step.run([], clockAt(0));
    expect([...(value?.values ?? [])]).toEqual([2, 4]);
    step.dispose();
    engine.dispose();
  }
  expect(engines.graph.memory().tensors).toBe(before);
});

test('an op that this version of the library lacks is named with the version', async () => {
  const tensorflow = new TensorFlow(await openLibrary(nativeLibrary()));
  expect(() => tensorflow.op('NoSuchOp', [])).toThrow(/this TensorFlow \(\d+\.\d+\.\d+\) has no op NoSuchOp/);
  const graph = new Graph(tensorflow);
  expect(() => graph.op('NoSuchOp', [])).toThrow(/has no op NoSuchOp/);
  graph.dispose();
});
