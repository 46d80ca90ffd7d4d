/** A trained trainer is the same however its steps are run: traced, untraced, several at once, on the embedded engine. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../../src/runtime/addons/addon.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { batchesAt } from '../../src/runtime/trainer/evaluate.js';
import { fit } from '../../src/runtime/trainer/fit.js';
import type { AnyTrainer } from '../../src/runtime/trainer/run.js';
import { LineTrainer } from '../runtime/tiny-trainer.js';
import { createNativeEngine } from '../engine-under-test.js';
import { allEngines, difference, type AllEngines } from './all-engines.js';
import { noisyWeights, trainers } from './example-trainers.js';

let engines: AllEngines;
beforeAll(async () => {
  engines = await allEngines();
});

interface Trained {
  /** Weights and running statistics, by path. What optimizers keep is small and noisy where a model has learned. */
  readonly state: ReadonlyMap<string, HostTensor>;
  /** Every logged number, in order. */
  readonly logged: readonly number[];
}

type Name = keyof typeof trainers;

async function trained(name: Name, engine: Engine, count: number): Promise<Trained> {
  const make = trainers[name];
  if (make === undefined) throw new Error(`no trainer ${name}`);
  const { session } = await make().prepare({ kinds: ['train'], dataRoot: '.', engine });
  const logged: number[] = [];
  await fit({
    session,
    addOns: [],
    control: new Control(),
    listener: {
      step: () => undefined,
      metrics: ({ metrics }) => logged.push(...metrics.values()),
      validating: () => undefined,
      note: () => undefined,
    },
    now: () => 0,
    limit: count,
  });
  const state = new Map<string, HostTensor>();
  for (const variable of session.modelState) {
    state.set(variable.path, await variable.download());
  }
  await session.close();
  return { state, logged };
}

/** Each tensor to `tolerance` of its largest value. */
function expectSame(got: Trained, wanted: Trained, tolerance: number, what: string): void {
  expect([...got.state.keys()], what).toEqual([...wanted.state.keys()]);
  expect(wanted.logged.length, what).toBeGreaterThan(0);
  expect(wanted.logged.filter(Number.isFinite).length, what).toBeGreaterThan(wanted.logged.length / 2);
  const matters = [...wanted.state].filter(([path]) => !noisyWeights.test(path));
  const apart = matters.map(
    ([path, { values }]) => [path, difference(got.state.get(path)?.values ?? [], values)] as const,
  );
  const all = [...apart, ['the log', difference(got.logged, wanted.logged)] as const];
  const [worst = ['nothing', 0] as const] = [...all].sort(([, a], [, b]) => b - a);
  if (process.env['ZTRAIN_SHOW'] !== undefined) console.log(what, ...worst);
  expect(worst[1], `${what}: ${worst[0]}`).toBeLessThanOrEqual(tolerance);
}

describe.each(Object.keys(trainers))('%s', (name) => {
  test('100 steps traced are those untraced', async () => {
    const eager = await trained(name, engines.eager, 100);
    expectSame(await trained(name, engines.graph, 100), eager, 1e-4, `${name}, graph for eager`);
    expectSame(await trained(name, engines.xla, 100), eager, 1e-4, `${name}, XLA for eager`);
  });

  test('50 steps are those of the embedded engine', async () => {
    const embedded = await trained(name, engines.embedded, 50);
    expectSame(await trained(name, engines.graph, 50), embedded, 1e-4, `${name}, graph for embedded`);
  });

  // XLA's convolutions in a loop are twenty times slower, and never chosen.
  const convolves = ['digits', 'fashion', 'dcgan'].includes(name);
  const modes = convolves ? (['graph'] as const) : (['graph', 'xla'] as const);
  test.each(modes)('several steps in one call of %s are those steps', async (mode) => {
    const several = await after24(name, mode, true, 24);
    expect(await after24(name, mode, true, 1)).toEqual(several);
    expect(await after24(name, mode, true, 7)).toEqual(several);
    const single = await after24(name, mode, false, 1);
    if (mode === 'graph') {
      expect(several).toEqual(single);
      return;
    }
    // XLA fuses the body of a loop otherwise than a step by itself.
    several.forEach(({ values }, index) => {
      expect(difference(values, single[index]?.values ?? [])).toBeLessThan(1e-4);
    });
  });
});

test('totals of a long window do not depend on how many steps a call takes', async () => {
  const one = await longWindow(1);
  expect(one).toHaveProperty(['window', 'loss/writes']);
  expect(await longWindow(50)).toEqual(one);
  expect(await longWindow(1000)).toEqual(one);
});

/** Totals of a window of 700 steps, which the stage gets so many at once: those on the host, and those on the device. */
async function longWindow(together: number): Promise<Json> {
  const { open, close } = await afterSteps(
    () => new LineTrainer({ params: { rows: 32, batchSize: 8 } }),
    'graph',
    true,
    700,
    together,
  );
  const state = await open.stage.totals.state();
  await close();
  return state;
}

/** All state after 24 steps, so many in a call. */
async function after24(
  name: Name,
  mode: 'graph' | 'xla',
  loop: boolean,
  together: number,
): Promise<readonly HostTensor[]> {
  const { state, close } = await afterSteps(trainers[name] ?? missing, mode, loop, 24, together);
  const values = await Promise.all(state.map((variable) => variable.download()));
  await close();
  return values;
}

/** A trainer after so many steps, which its train step gets so many at once. */
async function afterSteps(
  make: () => AnyTrainer,
  mode: 'graph' | 'xla',
  loop: boolean,
  steps: number,
  together: number,
) {
  const engine = await createNativeEngine(mode, loop);
  const { session } = await make().prepare({ kinds: ['train'], dataRoot: '.', engine });
  const [open] = session.of('train');
  if (open === undefined) throw new Error('no train step');
  const runs = await Promise.all(
    Array.from({ length: steps }, async (_, step) => {
      const clock = session.clockAt(step);
      const draws = { seed: 5, step, micro: 0, rowOffset: 0 };
      const batches = await batchesAt(open.data, 0, step % open.batches);
      return { batches, run: { clock, draws, scalars: session.scalarsAt(clock, true), last: true } };
    }),
  );
  // The first ones trace and compile the step and its variants; how many are taken at once depends on what the last took.
  for (const run of runs.slice(0, 4)) await open.stage.runAll([run]);
  if (open.stage.atOnce > 1 !== loop) throw new Error(`it takes ${open.stage.atOnce} steps in a call`);
  for (let from = 4; from < runs.length; from += together) {
    await open.stage.runAll(runs.slice(from, from + together));
  }
  const state = [...session.modelState, ...session.optimizerState];
  return { open, state, close: () => session.close() };
}

function missing(): never {
  throw new Error('no such trainer');
}
