/** Thousands of steps leave nothing behind: handles and functions are counted exactly, and the process's memory is bounded. */
import { engine as library } from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import type { CompiledStep, Engine, HostTensor, StateVariable } from '../../src/runtime/engine/engine.js';
import type { CompileMode } from '../../src/runtime/engine/tensorflow/compiled-step.js';
import { TensorFlow } from '../../src/runtime/engine/tensorflow/runtime.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor, Tensor2D } from '../../src/runtime/tensor.js';
import { createNativeEngine } from '../engine-under-test.js';
import { clockAt, f32, i32 } from './all-engines.js';

/** What is alive in the library, and what its JavaScript side keeps track of. */
interface Alive {
  readonly handles: number;
  readonly bytes: number;
  readonly functions: number;
  readonly tracked: number;
}

function aliveOf(engine: Engine): Alive {
  const { tensors, bytes } = engine.memory();
  return {
    handles: tensors,
    bytes,
    functions: tensorflowOf(engine).functions,
    tracked: library().memory().numTensors,
  };
}

function tensorflowOf(engine: Engine): TensorFlow {
  if ('tensorflow' in engine && engine.tensorflow instanceof TensorFlow) return engine.tensorflow;
  throw new Error(`${engine.name} is not the native engine`);
}

const need = (x: Tensor | undefined): Tensor => {
  if (x === undefined) throw new Error('an input is missing');
  return x;
};

/** A tiny model that draws, differentiates, takes a class and changes a weight. */
function trainStep(engine: Engine, w: StateVariable, outputs: boolean): CompiledStep {
  return engine.compile('train', ([x, label]) => {
    const rows = need(x).shape[0] ?? 0;
    const { gradients, result } = engine.differentiate(() => {
      const noisy = ops.add<Tensor2D>(need(x), ops.normal<Tensor>({ shape: [rows, 4], draw: 'noise' }));
      const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(ops.matmul(noisy, w.read()), need(label)));
      return { objectives: [loss], result: loss };
    }, [w]);
    const [gradient] = gradients[0] ?? [];
    if (gradient) w.assign(ops.sub(w.read(), ops.mul(gradient, 0.01)));
    return outputs ? [result] : [];
  });
}

const batch = (i: number, rows: number): readonly HostTensor[] => [
  f32([rows, 4], new Float32Array(4 * rows).fill((i % 7) / 7)),
  i32(
    [rows],
    Array.from({ length: rows }, (_, row) => row % 3),
  ),
];

const mebibytes = (): number => process.memoryUsage().rss / 2 ** 20;
/** A handle of a small tensor takes some hundred bytes: one a step would be 5 MiB, its values or a graph far more. */
const mostGrowth = 32;

/** Runs `turn` so often that all is warm, then `turns` times, and holds what is alive and resident against before. */
async function expectSteady(
  engine: Engine,
  turns: number,
  turn: (i: number) => Promise<void>,
): Promise<void> {
  for (let i = 0; i < turns / 4; i++) await turn(i);
  const before = aliveOf(engine);
  const resident = mebibytes();
  for (let i = 0; i < turns; i++) await turn(i);
  expect(aliveOf(engine)).toEqual(before);
  expect(mebibytes() - resident).toBeLessThan(mostGrowth);
}

async function withStep(
  mode: CompileMode,
  outputs: boolean,
  body: (engine: Engine, step: CompiledStep) => Promise<void>,
): Promise<void> {
  const engine = await createNativeEngine(mode);
  const before = aliveOf(engine);
  const w = engine.variable('w', f32([4, 3], new Float32Array(12).fill(0.1)));
  const step = trainStep(engine, w, outputs);
  await body(engine, step);
  const { values } = await w.download();
  expect(values.every(Number.isFinite)).toBe(true);
  step.dispose();
  w.dispose();
  // Whatever the step was compiled to is gone with it.
  expect(aliveOf(engine)).toEqual(before);
}

test.each([
  ['eager', 1_000],
  ['graph', 10_000],
  ['xla', 10_000],
] as const)('steps of %s, %d of them, each fetching its loss', async (mode, steps) => {
  await withStep(mode, true, async (engine, step) => {
    await expectSteady(engine, steps, async (i) => {
      // Another shape now and then, as the last batch of an epoch has.
      const [loss] = await step.run(batch(i, i % 10 === 9 ? 5 : 8), clockAt(i));
      if (loss === undefined) throw new Error('a step has no loss');
    });
  });
});

test.each(['graph', 'xla'] as const)('10,000 steps of %s, 32 in each call', async (mode) => {
  await withStep(mode, false, async (engine, step) => {
    await expectSteady(engine, Math.ceil(10_000 / 32), (call) =>
      step.runAll(
        Array.from({ length: 32 }, (_, i) => ({ inputs: batch(i, 8), clock: clockAt(32 * call + i) })),
      ),
    );
  });
});

test('a step that fails again and again leaves no function and no handle', async () => {
  const engine = await createNativeEngine('graph');
  const before = aliveOf(engine);
  for (let i = 0; i < 200; i++) {
    const step = engine.compile('fails', ([x]) => [ops.matmul(need(x), need(x))]);
    await expect(step.run([f32([2, 3], new Float32Array(6))], clockAt(i))).rejects.toThrow(/matmul/);
    const late = engine.compile('late', ([x]) => [
      ops.take(ops.ones<Tensor>({ shape: [3] }), ops.cast(need(x), { to: 'i32' })),
    ]);
    await expect(late.run([f32([1], [9])], clockAt(i))).rejects.toThrow(/9/);
    step.dispose();
    late.dispose();
  }
  expect(aliveOf(engine)).toEqual(before);
});

test('variables, traces and engines can be made and freed again and again', async () => {
  const first = await createNativeEngine('graph');
  const before = aliveOf(first);
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
  expect(aliveOf(first)).toEqual(before);
});
