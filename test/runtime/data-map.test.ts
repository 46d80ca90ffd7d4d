/** Maps run inside the step, on whole batches of any size. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digits } from '../../src/runtime/data/index.js';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine } from '../../src/runtime/engine/engine.js';
import * as ops from '../../src/runtime/ops/index.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});
afterAll(() => {
  engine.dispose();
});

const clock = { seed: 0, step: 0, micro: 0, rowOffset: 0 };
const host = { root: '.', seed: 0, label: 'd' };

test('a map of a map, on full and on ragged batches', async () => {
  const data = digits({ split: 'test', batch: 100 })
    .map((row) => ({ image: ops.div(ops.cast(row.image, { to: 'f32' }), 16), label: row.label }))
    .map(({ image, label }) => ({ bright: ops.sub(image, 0.5), label }));
  const open = await data.open(host);
  const step = engine.compile('map', (inputs) => {
    const batch = data.toBatch(inputs);
    return [batch.bright, batch.label];
  });
  for (const [index, rows] of [100, 100, 100, 59].entries()) {
    const batch = await open.batch(0, index);
    const [bright, label] = await step.run(batch.tensors, clock);
    expect(bright?.shape).toEqual([rows, 8, 8, 1]);
    expect([...(label?.values ?? [])]).toEqual([...(batch.tensors[1]?.values ?? [])]);
    expect([...(bright?.values ?? [])]).toEqual(
      Array.from(batch.tensors[0]?.values ?? [], (value) => value / 16 - 0.5),
    );
  }
  step.dispose();
});

test('tensors that are not of the record are refused', async () => {
  const data = digits();
  const batch = await (await data.open(host)).batch(0, 0);
  const swapped = engine.compile('swapped', ([image, label]) => {
    data.toBatch([label, image].flatMap((tensor) => tensor ?? []));
    return [];
  });
  await expect(swapped.run(batch.tensors, clock)).rejects.toThrow(
    /wanted image \[rows, 8, 8, 1\], label \[rows\], got image \[32\], label \[32, 8, 8, 1\]/,
  );
  const missing = engine.compile('missing', (inputs) => {
    data.toBatch(inputs.slice(1));
    return [];
  });
  await expect(missing.run(batch.tensors, clock)).rejects.toThrow(
    'a batch of image, label needs 2 tensors, got 1',
  );
});
