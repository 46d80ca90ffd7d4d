/** Draws are the words of `philox.ts` on every engine: uniform numbers bit for bit, normal ones to float tolerance. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { StepClock } from '../../src/runtime/engine/engine.js';
import {
  hostNormal,
  hostUniform,
  normalValues,
  seededMicro,
  uniformValues,
} from '../../src/runtime/engine/philox.js';
import * as ops from '../../src/runtime/ops/index.js';
import { allEngines, clockAt, difference, type AllEngines } from './all-engines.js';

let engines: AllEngines;
beforeAll(async () => {
  engines = await allEngines();
});

const shapes = [
  [1],
  [3],
  [4],
  [5],
  [2, 3],
  [3, 5, 7],
  [6, 1],
  [8, 4],
  [2, 2, 3, 1],
  [1000],
  [33, 129],
  [1, 10_000],
];

const clocks: readonly Partial<StepClock>[] = [
  {},
  { step: 1 },
  { step: 2 ** 31 - 1, micro: 3 },
  { seed: 2 ** 32 - 1, step: 9 },
  { seed: 2 ** 32, step: 9 },
  { seed: 2 ** 40 + 12_345, step: 1, micro: 1 },
  { seed: Number.MAX_SAFE_INTEGER, step: 123_456, micro: 2 },
  { rowOffset: 1 },
  { rowOffset: 2, step: 5 },
  { rowOffset: 3, micro: 7 },
  { rowOffset: 1_000_003, seed: 2 ** 33 + 1 },
  { rowOffset: 2 ** 31 + 1 },
];

/** Where rows of a draw begin among its elements. */
const offsetOf = (shape: readonly number[], { rowOffset }: StepClock): number =>
  (rowOffset * shape.reduce((product, n) => product * n, 1)) / (shape[0] ?? 1);

describe.each(['embedded', 'eager', 'graph', 'xla'] as const)('%s', (name) => {
  test.each(shapes.map((shape) => [shape.join(' × '), shape] as const))('%s', async (_, shape) => {
    const step = engines[name].compile('draw', () => [
      ops.uniform({ shape, draw: 'u' }),
      ops.uniform({ shape, draw: 'v' }),
      ops.normal({ shape, draw: 'n' }),
    ]);
    const count = shape.reduce((product, n) => product * n, 1);
    for (const part of clocks) {
      const clock = clockAt(0, part);
      const [u, v, n] = await step.run([], clock);
      const place = { step: clock.step, micro: clock.micro, offset: offsetOf(shape, clock) };
      const words = JSON.stringify(part);
      expect(u?.values, words).toEqual(hostUniform(clock.seed, 'u', count, place));
      expect(v?.values, words).toEqual(hostUniform(clock.seed, 'v', count, place));
      const normals = hostNormal(clock.seed, 'n', count, place);
      expect(difference(n?.values ?? [], normals), words).toBeLessThan(1e-5);
    }
    step.dispose();
  });

  test('draws with a seed of their own', async () => {
    const seeds = [0, 11, 2 ** 32 + 5, 2 ** 50 + 3];
    const step = engines[name].compile('seeded', () =>
      seeds.flatMap((seed) => [
        ops.uniform({ shape: [5, 3], draw: 'u', seed }),
        ops.normal({ shape: [7], draw: 'n', seed }),
      ]),
    );
    for (const part of clocks) {
      const drawn = await step.run([], clockAt(0, part));
      seeds.forEach((seed, i) => {
        const key = (label: string) => ({ seed, label, micro: seededMicro });
        expect(drawn[2 * i]?.values).toEqual(uniformValues(key('u'), 15));
        expect(difference(drawn[2 * i + 1]?.values ?? [], normalValues(key('n'), 7))).toBeLessThan(1e-5);
      });
    }
    step.dispose();
  });
});

test('several runs in one call draw what they draw one by one', async () => {
  for (const name of ['graph', 'xla'] as const) {
    const engine = engines[name];
    const total = engine.variable(`draws/${name}`, {
      dtype: 'f32',
      shape: [3, 5],
      values: new Float32Array(15),
    });
    const step = engine.compile('loop', () => {
      total.assign(
        ops.add(
          total.read(),
          ops.mul(ops.uniform({ shape: [3, 5], draw: 'u' }), ops.normal({ shape: [3, 5], draw: 'n' })),
        ),
      );
      return [];
    });
    const runs = Array.from({ length: 20 }, (_, i) => ({
      inputs: [],
      clock: clockAt(i, { seed: 2 ** 35 + 1, rowOffset: i % 5 }),
    }));
    for (const run of runs) await step.run(run.inputs, run.clock);
    const single = await total.download();
    total.upload({ dtype: 'f32', shape: [3, 5], values: new Float32Array(15) });
    await step.runAll(runs);
    expect((await total.download()).values).toEqual(single.values);
    step.dispose();
    total.dispose();
  }
});
