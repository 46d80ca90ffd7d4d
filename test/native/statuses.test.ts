/** Each call that can fail is made to: the failure is told, and no native object stays behind. */
import { engine as library } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/runtime/engine/engine.js';
import { openLibrary, type NativeLibrary } from '../../src/runtime/engine/tensorflow/c-api.js';
import { TensorFlow } from '../../src/runtime/engine/tensorflow/runtime.js';
import * as ops from '../../src/runtime/ops/index.js';
import { createNativeEngine, nativeLibrary } from '../engine-under-test.js';
import { clockAt, f32, i32 } from './all-engines.js';
import { watch, type Watch } from './watched-library.js';

let native: NativeLibrary;
let watched: Watch;
beforeAll(async () => {
  native = await openLibrary(nativeLibrary());
  // The status of the engine that all tests share is made when the engine is.
  watched = watch(native, []);
  await createNativeEngine('graph');
});
afterAll(() => watched.end());

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs `work` with its first call failing, then its second, until there are no more. Returns how many there were. */
async function sweep(work: () => Promise<void>): Promise<number> {
  watched.fail(Number.POSITIVE_INFINITY);
  // What is made once and kept is made now.
  await work();
  for (let n = 0; ; n++) {
    const before = { ...watched.alive(), tracked: library().memory().numTensors };
    watched.fail(n);
    const message = await work().then(() => 'nothing', text);
    const failed = watched.failed();
    if (failed === null) {
      expect(message).toBe('nothing');
      return n;
    }
    expect(message, `call ${n}, ${failed}`).toContain('injected');
    expect(
      { ...watched.alive(), tracked: library().memory().numTensors },
      `after call ${n}, ${failed}`,
    ).toEqual(before);
  }
}

async function train(engine: Engine, outputs: boolean): Promise<void> {
  const w = engine.variable('w', f32([2, 2], [1, 2, 3, 4]));
  try {
    const step = engine.compile('train', ([x, index]) => {
      if (x === undefined || index === undefined) throw new Error('an input is missing');
      const computed = ops.cast(ops.mul(x, 0), { to: 'i32' });
      w.assign(ops.add(w.read(), ops.take(w.read(), outputs ? computed : index)));
      return outputs ? [ops.sum(w.read()), x] : [];
    });
    try {
      const inputs = [f32([2], [1, 1]), i32([2], [0, 1])];
      await step.run(inputs, clockAt(0));
      if (!outputs) await step.runAll([{ inputs, clock: clockAt(1) }]);
    } finally {
      step.dispose();
    }
    await w.download();
  } finally {
    w.dispose();
  }
}

describe.each(['eager', 'graph', 'xla'] as const)('%s', (mode) => {
  test('no failure of a call is lost, and none leaves anything behind', async () => {
    const engine = await createNativeEngine(mode);
    expect(await sweep(() => train(engine, true))).toBeGreaterThan(20);
    if (mode !== 'eager') expect(await sweep(() => train(engine, false))).toBeGreaterThan(100);
  });
});

test('a start that fails leaves nothing behind', async () => {
  const start = async (): Promise<void> => {
    const before = watched.alive();
    expect(() => new TensorFlow(native, { device: 'gpu:7' })).toThrow(/injected|no gpu:7 is to be seen/);
    expect(watched.alive()).toEqual(before);
  };
  for (let n = 0; n < 4; n++) {
    watched.fail(n);
    await start();
  }
});

test('a batch that does not fit leaves nothing behind', async () => {
  const engine = await createNativeEngine('graph');
  const step = engine.compile('large', ([x]) => (x === undefined ? [] : [ops.mul(x, 2)]));
  const inputs = [f32([4], [1, 2, 3, 4])];
  await step.run(inputs, clockAt(0));
  watched.fail(Number.POSITIVE_INFINITY);
  const before = watched.alive();
  watched.fail(0, { code: 8, name: 'TFE_Execute' });
  await expect(step.run(inputs, clockAt(1))).rejects.toThrow('batches of 2 fit: set batch = 2');
  expect(watched.alive()).toEqual(before);
  step.dispose();
});
