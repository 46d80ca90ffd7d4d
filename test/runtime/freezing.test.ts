/** Weights that are frozen for a time: nothing of them moves, and they thaw in exactly their step. */
import { describe, expect, test } from 'vitest';
import { weightTable } from '../../src/runtime/progress/weight-table.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { LiveAddOn } from '../../src/runtime/trainer/fit.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import type { Session } from '../../src/runtime/trainer/session.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import { lineSet, LineTrainer, train, type LineData, type Row } from './tiny-trainer.js';

/** Batch norm and dropout below a head: what is frozen has to be still in all of them. */
class Low extends nn.Module<[x: Tensor2D], Tensor2D> {
  readonly dense = this.add('dense', nn.dense({ inputs: 2, units: 4 }));
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 4 }));
  readonly drop = this.add('drop', nn.dropout({ rate: 0.5 }));

  protected override forward(x: Tensor2D): Tensor2D {
    return this.drop.call(this.norm.call(this.dense.call(x)));
  }
}

class Net extends nn.Module<[x: Tensor2D], Tensor1D> {
  readonly low = this.add('low', new Low());
  readonly head = this.add('head', nn.dense({ inputs: 4, units: 1 }));

  protected override forward(x: Tensor2D): Tensor1D {
    return ops.squeeze(this.head.call(this.low.call(x)), { axis: -1 });
  }
}

interface NetModels {
  readonly net: Net;
}

type Make = (models: NetModels) => Readonly<Record<string, optim.Optimizer>>;

class NetTrainer extends Trainer<object, NetModels, LineData> {
  static override readonly spec = { ...LineTrainer.spec, params: [], asserts: [] };
  traces = 0;

  constructor(
    private readonly make: Make,
    options: object = {},
  ) {
    super({ options: { epochs: 2, logEvery: units.steps(1), ...options } });
  }
  protected override configureData(): LineData {
    return { train: lineSet(20, { batch: 4 }), test: lineSet(4, {}) };
  }
  protected override configureModels(): NetModels {
    return { net: new Net() };
  }
  protected override configureOptimizers(models: NetModels) {
    return this.make(models);
  }
  protected override configureSteps(from: LineData) {
    return [steps.train('train', [from.train], (batch) => this.trainStep(batch))];
  }
  trainStep(batch: Row): void {
    this.traces += 1;
    this.update([...this.session.optimizers.keys()], () => ({
      minimize: rows.mean(losses.squaredError(this.models.net.call(batch.x), batch.y)),
    }));
  }
}

type State = Readonly<Record<string, readonly number[]>>;

async function stateOf(session: Session): Promise<State> {
  const state: Record<string, readonly number[]> = {};
  for (const variable of [...session.modelState, ...session.optimizerState])
    state[variable.path] = [...(await variable.download()).values];
  return state;
}

/** State before the run and after each step. */
async function follow(trainer: NetTrainer): Promise<readonly State[]> {
  const states: State[] = [];
  const look: LiveAddOn = {
    kind: 'look',
    hooks: {
      fitStart: async () => void states.push(await stateOf(sessionOf(trainer))),
      stepEnd: async () => void states.push(await stateOf(sessionOf(trainer))),
    },
  };
  const { session } = await train(trainer, [look]);
  await session.close();
  return states;
}

const sessionOf = (trainer: NetTrainer): Session => Reflect.get(trainer, 'session');

/** Steps (from 1) in which a variable changed. */
const changes = (states: readonly State[], path: string): readonly number[] =>
  states.flatMap((state, step) =>
    step > 0 && JSON.stringify(state[path]) !== JSON.stringify(states[step - 1]?.[path]) ? [step] : [],
  );

const allSteps = (from: number): readonly number[] => Array.from({ length: 11 - from }, (_, i) => from + i);
const group = (freeze: optim.Freeze) => [{ name: 'low', match: ['low.**'], freeze }];

describe('a frozen group', () => {
  test('keeps weights, moments, running statistics and its own count until its step, then trains', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adamw({ of: [net], lr: 0.05, weightDecay: 0.1, groups: group(units.steps(3)) }),
      })),
    );
    expect(states).toHaveLength(11);
    for (const path of [
      'Net.low.dense.weight',
      'Net.low.norm.gamma',
      'Net.low.norm.mean',
      'Net.low.norm.variance',
      'opt/m/Net.low.dense.weight',
      'opt/v/Net.low.dense.weight',
      'opt/count/low',
    ])
      expect([path, changes(states, path)]).toEqual([path, allSteps(4)]);
    expect(changes(states, 'Net.head.weight')).toEqual(allSteps(1));
    expect(states[10]?.['opt/count']).toEqual([10]);
    expect(states[10]?.['opt/count/low']).toEqual([7]);
  });

  test('starts with the bias correction of a first update', async () => {
    // Adam's first step is lr · sign(g), whatever the gradient: with the other weights' count it would be a third of it.
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adam({ of: [net], lr: 0.01, groups: group(units.epochs(1)) }),
      })),
    );
    const [before, after] = [5, 6].map((step) => states[step]?.['Net.low.dense.weight'] ?? []);
    const moved = (before ?? []).map((value, i) => Math.abs((after?.[i] ?? 0) - value));
    expect(changes(states, 'Net.low.dense.weight')).toEqual(allSteps(6));
    for (const one of moved.filter((value) => value > 1e-3)) expect(one).toBeCloseTo(0.01, 4);
    expect(moved.some((value) => value > 1e-3)).toBe(true);
  });

  test('is in evaluation mode: the head sees what a validation would', async () => {
    // Without batch statistics and dropout two runs with different seeds of draws would still agree in their first loss.
    const losses = await Promise.all(
      [units.steps(1), units.steps(0)].map(async (freeze) => {
        const trainer = new NetTrainer(
          ({ net }) => ({ opt: optim.sgd({ of: [net], lr: 0, groups: group(freeze) }) }),
          { epochs: null, steps: 2 },
        );
        const { records, session } = await train(trainer);
        await session.close();
        return records.filter(({ over }) => over === 'window').map(({ metrics }) => metrics.get('loss') ?? 0);
      }),
    );
    const [frozen, free] = losses;
    expect(frozen?.[0]).not.toBeCloseTo(free?.[0] ?? Number.NaN, 4);
    expect(frozen?.[1]).toBeCloseTo(free?.[1] ?? Number.NaN, 6);
  });

  test('rest is the whole run, and an epoch is its steps', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.sgd({
          of: [net],
          lr: 0.05,
          groups: [
            ...group(units.rest),
            // Later groups win, key by key.
            { name: 'norm', match: ['low.norm.*'], freeze: units.epochs(1) },
          ],
        }),
      })),
    );
    expect(changes(states, 'Net.low.dense.weight')).toEqual([]);
    expect(changes(states, 'Net.low.norm.gamma')).toEqual(allSteps(6));
    expect(states[10]?.['opt/count']).toEqual([10]);
    expect(states[10]?.['opt/count/norm']).toEqual([5]);
  });

  test('a part of an epoch is rounded to whole steps, up from a half', async () => {
    const changed = async (freeze: optim.Freeze): Promise<readonly number[]> =>
      changes(
        await follow(new NetTrainer(({ net }) => ({ opt: optim.sgd({ of: [net], lr: 0.05, freeze }) }))),
        'Net.head.weight',
      );
    // 1.5 and 1.4 steps.
    expect((await changed(units.epochs(0.3)))[0]).toBe(3);
    expect((await changed(units.epochs(0.28)))[0]).toBe(2);
    expect(await changed(optim.freezeAfter({ from: units.epochs(0.3) }))).toEqual([1, 2]);
  });

  test('an accumulated window is frozen as a whole', async () => {
    const states = await follow(
      new NetTrainer(
        ({ net }) => ({ opt: optim.sgd({ of: [net], lr: 0.05, groups: group(units.steps(2)) }) }),
        { accumulate: 2 },
      ),
    );
    // 5 batches are windows of 2, 2 and 1.
    expect(changes(states, 'Net.low.dense.weight')).toEqual([3, 4, 5, 6]);
    expect(changes(states, 'Net.head.weight')).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('a group that is frozen later', () => {
  const later = (from: number, first: number | null = null) =>
    group(optim.freezeAfter({ from: units.steps(from), first: first === null ? null : units.steps(first) }));
  const paths = [
    'Net.low.dense.weight',
    'Net.low.norm.gamma',
    'Net.low.norm.mean',
    'Net.low.norm.variance',
    'opt/m/Net.low.dense.weight',
    'opt/v/Net.low.dense.weight',
    'opt/count/low',
  ];

  test('changes until its step, then keeps weights, moments, running statistics and its count', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adamw({ of: [net], lr: 0.05, weightDecay: 0.1, groups: later(4) }),
      })),
    );
    for (const path of paths) expect([path, changes(states, path)]).toEqual([path, [1, 2, 3, 4]]);
    expect(changes(states, 'Net.head.weight')).toEqual(allSteps(1));
    expect(states[10]?.['opt/count']).toEqual([10]);
    expect(states[10]?.['opt/count/low']).toEqual([4]);
  });

  test('and before that kept at the start', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adamw({ of: [net], lr: 0.05, weightDecay: 0.1, groups: later(7, 2) }),
      })),
    );
    for (const path of paths) expect([path, changes(states, path)]).toEqual([path, [3, 4, 5, 6, 7]]);
  });

  test('an epoch is its steps; later groups win, and a whole optimizer may be frozen', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adam({
          of: [net],
          lr: 0.05,
          freeze: optim.freezeAfter({ from: units.epochs(1) }),
          groups: [{ name: 'norm', match: ['low.norm.*'], freeze: units.steps(8) }],
        }),
      })),
    );
    expect(changes(states, 'Net.low.dense.weight')).toEqual([1, 2, 3, 4, 5]);
    expect(changes(states, 'Net.head.weight')).toEqual([1, 2, 3, 4, 5]);
    expect(changes(states, 'Net.low.norm.gamma')).toEqual([9, 10]);
    expect(changes(states, 'opt/count')).toEqual([1, 2, 3, 4, 5]);
  });

  test('is in evaluation mode then: its head sees what a validation would', async () => {
    // A rate of 0: the runs differ in batch statistics and dropout alone.
    const lossesOf = async (freeze: optim.Freeze): Promise<readonly number[]> => {
      const trainer = new NetTrainer(
        ({ net }) => ({ opt: optim.sgd({ of: [net], lr: 0, groups: group(freeze) }) }),
        { epochs: null, steps: 3 },
      );
      const { records, session } = await train(trainer);
      await session.close();
      return records.filter(({ over }) => over === 'window').map(({ metrics }) => metrics.get('loss') ?? 0);
    };
    const [first = 0, second = 0, third = 0] = await lossesOf(optim.freezeAfter({ from: units.steps(2) }));
    const free = await lossesOf(units.steps(0));
    expect([first, second]).toEqual(free.slice(0, 2));
    expect(third).not.toBeCloseTo(free[2] ?? Number.NaN, 4);
  });

  test('that never changes is refused, whatever a length comes to', async () => {
    const trainer = new NetTrainer(({ net }) => ({
      opt: optim.sgd({ of: [net], lr: 0, groups: later(2, 3) }),
    }));
    await expect(train(trainer)).rejects.toThrow(
      'opt freezes Net.low.dense.weight after 2 steps, and before that until 3: it would never change',
    );
  });

  test('costs one trace more, not one in each step', async () => {
    const trainer = new NetTrainer(({ net }) => ({
      opt: optim.sgd({ of: [net], lr: 0.05, groups: later(6, 3) }),
    }));
    await follow(trainer);
    if (process.env['ZTRAIN_TEST_ENGINE'] === 'tensorflow') expect(trainer.traces).toBeLessThanOrEqual(6);
    else expect(trainer.traces).toBe(10);
  });
});

describe('a frozen optimizer', () => {
  test('does nothing until its step; its groups may be frozen for another time', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adam({
          of: [net],
          freeze: units.steps(4),
          groups: [{ name: 'head', match: ['head.*'], freeze: units.steps(2) }],
        }),
      })),
    );
    expect(changes(states, 'Net.low.dense.weight')).toEqual(allSteps(5));
    expect(changes(states, 'Net.head.weight')).toEqual(allSteps(3));
    expect(changes(states, 'opt/count')).toEqual(allSteps(5));
    expect(changes(states, 'opt/count/head')).toEqual(allSteps(3));
  });

  test('with clipping and a guard, a step in which everything is frozen is no fault', async () => {
    const states = await follow(
      new NetTrainer(
        ({ net }) => ({
          opt: optim.adam({ of: [net], freeze: units.steps(1), clip: optim.clipNorm({ most: 1 }) }),
        }),
        { onNan: 'skip', accumulate: 2 },
      ),
    );
    expect(changes(states, 'Net.head.weight')).toEqual([2, 3, 4, 5, 6]);
  });
});

test('a step is traced once before and once after it thaws, not in each step', async () => {
  const trainer = new NetTrainer(({ net }) => ({
    opt: optim.sgd({ of: [net], lr: 0.05, groups: group(units.steps(5)) }),
  }));
  await follow(trainer);
  // The embedded engine runs the body in each step; the native one traces it.
  if (process.env['ZTRAIN_TEST_ENGINE'] === 'tensorflow') expect(trainer.traces).toBeLessThanOrEqual(4);
  else expect(trainer.traces).toBe(10);
});

describe('a model shared out between optimizers', () => {
  test('each changes its own part', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        slow: optim.sgd({ of: [net], lr: 0, match: ['low.**'] }),
        fast: optim.sgd({ of: [net], lr: 0.1, except: ['low.**'] }),
      })),
    );
    expect(changes(states, 'Net.low.dense.weight')).toEqual([]);
    expect(changes(states, 'Net.head.weight')).toEqual(allSteps(1));
  });

  test.each<readonly [string, Make, string]>([
    [
      'owned twice',
      ({ net }) => ({
        a: optim.sgd({ of: [net], lr: 0, match: ['low.**'] }),
        b: optim.sgd({ of: [net], lr: 0, match: ['**.weight'] }),
      }),
      'Net.low.dense.weight belongs to a and b',
    ],
    [
      'unowned',
      ({ net }) => ({ a: optim.sgd({ of: [net], lr: 0, except: ['head.bias'] }) }),
      'no optimizer owns Net.head.bias',
    ],
    [
      'a pattern that matches nothing',
      ({ net }) => ({ a: optim.sgd({ of: [net], lr: 0, match: ['low.**', 'hed.*'] }) }),
      'optimizer a: no weight matches "hed.*"',
    ],
  ])('%s', async (_name, make, message) => {
    await expect(train(new NetTrainer(make))).rejects.toThrow(message);
  });
});

test('three levels of rates by pattern, later groups win', async () => {
  const states = await follow(
    new NetTrainer(
      ({ net }) => ({
        opt: optim.sgd({
          of: [net],
          lr: 1,
          clip: optim.clipValue({ most: 1e-3 }),
          groups: [
            { name: 'low', match: ['low.**'], lr: 0.1 },
            { name: 'lowest', match: ['low.dense.*'], lr: 0.01 },
          ],
        }),
      }),
      { epochs: null, steps: 1 },
    ),
  );
  const largest = (path: string): number =>
    Math.max(...(states[0]?.[path] ?? []).map((value, i) => Math.abs((states[1]?.[path]?.[i] ?? 0) - value)));
  expect(largest('Net.head.weight')).toBeCloseTo(1e-3, 6);
  expect(largest('Net.low.norm.beta')).toBeCloseTo(1e-4, 6);
  expect(largest('Net.low.dense.weight')).toBeCloseTo(1e-5, 7);
});

describe('the table of weights', () => {
  /** Notes by the weights' paths below the model, and the total. */
  const tableOf = async (freeze: optim.Freeze | null, depth?: number): Promise<readonly string[]> => {
    const trainer = new NetTrainer(({ net }) => ({
      opt: optim.adam({ of: [net], groups: freeze === null ? [] : group(freeze) }),
    }));
    const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.' });
    const lines = weightTable(session, Infinity, depth).slice(1);
    await session.close();
    return lines.map((line) => line.trim().replaceAll(/ +/g, ' '));
  };
  const total = 'values (132 B)';

  // 8 + 4 of the dense layer, 4 + 4 of the norm and 4 + 4 kept, 4 + 1 of the head: 10 steps.
  test.each([
    ['trained in all steps', null, '', `33 ${total}, 25 trained`],
    ['frozen for the run', units.rest, ' frozen', `33 ${total}, 5 trained`],
    ['frozen as long as the run is', units.steps(10), ' frozen', `33 ${total}, 5 trained`],
    [
      'frozen at first',
      units.steps(3),
      ' frozen to step 3',
      `33 ${total}, 25 trained (20 for a part of the run)`,
    ],
    [
      'frozen at last',
      optim.freezeAfter({ from: units.epochs(1) }),
      ' frozen from step 6',
      `33 ${total}, 25 trained (20 for a part of the run)`,
    ],
    [
      'trained in between',
      optim.freezeAfter({ from: units.epochs(1), first: units.steps(2) }),
      ' frozen to step 2 and from step 6',
      `33 ${total}, 25 trained (20 for a part of the run)`,
    ],
    [
      'to be frozen when all is over',
      optim.freezeAfter({ from: units.steps(10) }),
      '',
      `33 ${total}, 25 trained`,
    ],
  ] as const)('%s', async (_what, freeze, note, last) => {
    const lines = await tableOf(freeze);
    expect(lines[0]).toBe(`Net.low.dense.weight [2, 4] 8 32 B${note}`);
    expect(lines[4]).toBe('Net.low.norm.mean [4] 4 16 B kept');
    expect(lines[6]).toBe('Net.head.weight [4, 1] 4 16 B');
    expect(lines.at(-1)).toBe(last);
  });

  test('weights that a later group takes back are trained', async () => {
    const states = await follow(
      new NetTrainer(({ net }) => ({
        opt: optim.adam({
          of: [net],
          freeze: units.rest,
          groups: [{ name: 'head', match: ['head.*'], freeze: null }],
        }),
      })),
    );
    expect(changes(states, 'Net.head.weight')).toEqual(allSteps(1));
    expect(changes(states, 'Net.low.dense.weight')).toEqual([]);
  });

  test('says how many of the values of a line are frozen', async () => {
    expect(await tableOf(units.rest, 1)).toEqual([
      'Net.low 28 112 B 20 frozen, 8 kept',
      'Net.head 5 20 B',
      `33 ${total}, 5 trained`,
    ]);
  });
});
