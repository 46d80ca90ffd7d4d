/** A trained trainer is the same however its steps are run: traced, untraced, several at once, on the embedded engine. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { batchesAt } from '../../src/runtime/trainer/evaluate.js';
import { fit } from '../../src/runtime/trainer/fit.js';
import { createNativeEngine } from '../engine-under-test.js';
import { allEngines, difference, type AllEngines } from './all-engines.js';
import { trainers } from './example-trainers.js';

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
  // An offset before a batch norm has no effect: its gradient is rounding noise, which Adam makes as large as any.
  const matters = [...wanted.state].filter(
    ([path]) => !/^Generator\.up\d\.(conv\.bias|norm\.mean)$/.test(path),
  );
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
    const results: (readonly HostTensor[])[] = [];
    for (const together of [false, true]) {
      const engine = await createNativeEngine(mode);
      const { session } = await (trainers[name] ?? missing)().prepare({
        kinds: ['train'],
        dataRoot: '.',
        engine,
      });
      const [open] = session.of('train');
      if (open === undefined) throw new Error('no train step');
      const runs = await Promise.all(
        Array.from({ length: 24 }, async (_, step) => {
          const clock = session.clockAt(step);
          const draws = { seed: 5, step, micro: 0, rowOffset: 0 };
          const batches = await batchesAt(open.data, 0, step % open.batches);
          return { batches, run: { clock, draws, scalars: session.scalarsAt(clock, true), last: true } };
        }),
      );
      if (together) await open.stage.runAll(runs);
      else for (const { batches, run } of runs) await open.stage.run(batches, run);
      results.push(
        await Promise.all(
          [...session.modelState, ...session.optimizerState].map((variable) => variable.download()),
        ),
      );
      await session.close();
    }
    const [single = [], several = []] = results;
    expect(several).toEqual(single);
  });
});

function missing(): never {
  throw new Error('no such trainer');
}
