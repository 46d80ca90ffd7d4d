/** Models that follow others: against plain loops over the weights that each step left. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as copies from '../../src/runtime/copies/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as schedules from '../../src/runtime/schedules/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { LiveAddOn } from '../../src/runtime/trainer/fit.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import type { Session } from '../../src/runtime/trainer/session.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import { lineSet, LineTrainer, train, type LineData, type Row } from './tiny-trainer.js';

class Net extends nn.Module<[x: Tensor2D], Tensor1D> {
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 2 }));
  readonly head: nn.Dense;

  constructor(units_ = 1) {
    super();
    this.head = this.add('head', nn.dense({ inputs: 2, units: units_ }));
  }
  protected override forward(x: Tensor2D): Tensor1D {
    return ops.squeeze(this.head.call(this.norm.call(x)), { axis: -1 });
  }
}

interface NetModels {
  readonly net: Net;
  readonly other: Net;
}
interface Falling {
  readonly falling: schedules.Schedule;
}

type Make = (models: NetModels) => Readonly<Record<string, copies.Copy<Falling>>>;

class NetTrainer extends Trainer<object, NetModels, LineData, Falling> {
  static override readonly spec = { ...LineTrainer.spec, params: [], asserts: [] };

  constructor(
    private readonly make: Make,
    options: object = {},
    private readonly step: (trainer: NetTrainer, batch: Row) => void = (trainer, batch) =>
      trainer.learn(batch),
    private readonly other = new Net(),
  ) {
    super({ options: { epochs: 2, logEvery: units.steps(1), ...options } });
  }
  protected override configureData(): LineData {
    return { train: lineSet(20, { batch: 4 }), test: lineSet(4, {}) };
  }
  protected override configureModels(): NetModels {
    return { net: new Net(), other: this.other };
  }
  protected override configureSchedules(): Falling {
    return {
      falling: schedules.chain([schedules.linear({ from: 0.9, to: 0.5, over: units.rest })]),
    };
  }
  protected override configureOptimizers(models: NetModels) {
    return { opt: optim.sgd<Falling>({ of: [models.net], lr: 0.1 }) };
  }
  protected override configureCopies(models: NetModels) {
    return this.make(models);
  }
  protected override configureSteps(from: LineData) {
    return [
      steps.train('train', [from.train], (batch) => this.step(this, batch)),
      steps.validate('validate', [from.test], { every: units.epochs(1) }, (batch) =>
        this.log({
          loss: rows.mean(losses.squaredError(this.models.net.call(batch.x), batch.y)),
          copied: rows.mean(losses.squaredError(this.models.other.call(batch.x), batch.y)),
        }),
      ),
    ];
  }
  learn(batch: Row): void {
    this.update(['opt'], () => ({
      minimize: rows.mean(losses.squaredError(this.models.net.call(batch.x), batch.y)),
    }));
  }
  sometimes(batch: Row): void {
    if (this.every('train.every1', units.steps(3))) this.learn(batch);
    else this.log({ y: rows.mean(batch.y) });
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
      fitStart: async () => void states.push(await stateOf(Reflect.get(trainer, 'session'))),
      stepEnd: async () => void states.push(await stateOf(Reflect.get(trainer, 'session'))),
    },
  };
  const { session } = await train(trainer, [look]);
  await session.close();
  return states;
}

const trained = ['head.weight', 'head.bias', 'norm.gamma', 'norm.beta'];
const kept = ['norm.mean', 'norm.variance'];
const of = (state: State | undefined, path: string): readonly number[] => state?.[path] ?? [];

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5));
}

/** Whether each state's copy is what `next` makes of the one before and the model's weights. */
function expectFollows(
  states: readonly State[],
  next: (copy: number, weight: number, step: number) => number,
): void {
  for (const path of trained) {
    let copy = of(states[0], `Net.${path}`);
    states.forEach((state, step) => {
      if (step > 0) copy = copy.map((value, i) => next(value, of(state, `Net.${path}`)[i] ?? 0, step));
      expectClose(of(state, `Other.${path}`), copy);
    });
  }
}

const ema =
  (decay: optim.Rate<Falling>): Make =>
  ({ net, other }) => ({
    Other: copies.ema<Net, Falling>({ of: net, into: other, decay }),
  });

describe('ema', () => {
  test("begins with the model's weights and follows after each update", async () => {
    const states = await follow(new NetTrainer(ema(0.9)));
    for (const path of [...trained, ...kept])
      expect(of(states[0], `Other.${path}`)).toEqual(of(states[0], `Net.${path}`));
    expect(of(states[1], 'Other.head.weight')).not.toEqual(of(states[1], 'Net.head.weight'));
    expectFollows(states, (copy, weight) => 0.9 * copy + 0.1 * weight);
    for (const state of states)
      for (const path of kept) expect(of(state, `Other.${path}`)).toEqual(of(state, `Net.${path}`));
  });

  test('its decay may be a schedule; 1 - decay keeps its digits', async () => {
    const states = await follow(new NetTrainer(ema(({ falling }) => falling)));
    // Update k of 10 has 0.9 - 0.4 · (k + 1) / 10.
    expectFollows(states, (copy, weight, step) => {
      const decay = 0.9 - (0.4 * step) / 10;
      return decay * copy + (1 - decay) * weight;
    });
    const slow = await follow(new NetTrainer(ema(1 - 1e-6), { epochs: null, steps: 1 }));
    const [before, after] = [0, 1].map((step) => of(slow[step], 'Other.norm.beta'));
    const moved = (after ?? []).map((value, i) => value - (before?.[i] ?? 0));
    // beta begins at 0, where a float of this size has all its digits.
    of(slow[1], 'Net.norm.beta').forEach((value, i) => expect(moved[i]).toBeCloseTo(1e-6 * value, 12));
  });

  test('a decay of 0 is the model itself, one of 1 its first weights', async () => {
    expectFollows(await follow(new NetTrainer(ema(0))), (_, weight) => weight);
    expectFollows(await follow(new NetTrainer(ema(1))), (copy) => copy);
  });

  test('a decay that is none ends the run', async () => {
    await expect(train(new NetTrainer(ema(1.5)))).rejects.toMatchObject({
      name: 'RunError',
      message: 'the decay of Other is 1.5 at step 1; it must be from 0 to 1',
    });
  });

  test('follows only where its model was updated, once a window, and not where an update was skipped', async () => {
    const sometimes = await follow(
      new NetTrainer(ema(0.5), {}, (trainer, batch) => trainer.sometimes(batch)),
    );
    expectFollows(sometimes, (copy, weight, step) => (step % 3 === 0 ? 0.5 * copy + 0.5 * weight : copy));
    const windows = await follow(new NetTrainer(ema(0.5), { accumulate: 2 }));
    expect(windows).toHaveLength(7);
    expectFollows(windows, (copy, weight) => 0.5 * copy + 0.5 * weight);
    const nan = await follow(
      new NetTrainer(ema(0.5), { onNan: 'skip' }, (trainer, batch) => {
        const bad = trainer['decide']('train.bad', ({ step }) => step === 3);
        trainer['update'](['opt'], () => ({
          minimize: rows.times(
            bad ? Number.NaN : 1,
            rows.mean(losses.squaredError(trainer.models.net.call(batch.x), batch.y)),
          ),
        }));
      }),
    );
    expectFollows(nan, (copy, weight, step) => (step === 4 ? copy : 0.5 * copy + 0.5 * weight));
  });

  test('is a target network: its weights get no gradient, its inputs may', async () => {
    const states = await follow(
      new NetTrainer(ema(0.5), {}, (trainer, batch) =>
        trainer['update'](['opt'], () => ({
          minimize: rows.mean(
            losses.squaredError(
              trainer.models.net.call(batch.x),
              ops.add(trainer.models.other.call(batch.x), 1),
            ),
          ),
        })),
      ),
    );
    expectFollows(states, (copy, weight) => 0.5 * copy + 0.5 * weight);
    // Called in training, it has the model's running statistics all the same.
    for (const path of kept) expect(of(states[10], `Other.${path}`)).toEqual(of(states[10], `Net.${path}`));
  });

  test('is in checkpoints under its own name, and tested from there', async () => {
    const runDir = mkdtempSync(join(tmpdir(), 'ztrain-copies-'));
    const result = await new NetTrainer(ema(0.5), { progress: 'none' }).fit({ runDir });
    const again = await new NetTrainer(ema(0.5), { progress: 'none' }).validate(runDir);
    expect(again.get('validate.copied')).toBeCloseTo(result.metrics.get('validate.copied') ?? Number.NaN, 6);
    expect(again.get('validate.copied')).not.toBeCloseTo(again.get('validate.loss') ?? Number.NaN, 6);
    rmSync(runDir, { recursive: true });
  });
});

describe('average', () => {
  const average =
    (from: number, every: number): Make =>
    ({ net, other }) => ({
      Other: copies.average({ of: net, into: other, from: units.steps(from), every: units.steps(every) }),
    });

  test.each([
    [4, 2],
    [0, 1],
    [1, 3],
    [0, 3],
  ])('from step %d, every %d: the mean of the weights taken in', async (from, every) => {
    const states = await follow(new NetTrainer(average(from, every)));
    for (const path of trained) {
      const taken: (readonly number[])[] = [];
      states.forEach((state, step) => {
        const now = of(state, `Net.${path}`);
        // The weights that the run begins with are there at step 0.
        if (step >= from && (step - from) % every === 0) taken.push(now);
        const mean = now.map((_, i) => taken.reduce((sum, each) => sum + (each[i] ?? 0), 0) / taken.length);
        expectClose(of(state, `Other.${path}`), step < from ? now : mean);
      });
    }
    expect(of(states[10], 'Other/count')).toEqual([Math.floor((10 - from) / every) + 1]);
  });

  test('takes weights in once a window, not with each of its batches', async () => {
    const states = await follow(new NetTrainer(average(1, 1), { accumulate: 2 }));
    expect(states.slice(1).map((state) => of(state, 'Other/count')[0])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('from what rounds to no step: the weights that the run begins with are in the mean', async () => {
    const states = await follow(
      new NetTrainer(({ net, other }) => ({
        // 0.4 of a step.
        Other: copies.average({ of: net, into: other, from: units.percent(4), every: units.steps(4) }),
      })),
    );
    expect(states.map((state) => of(state, 'Other/count')[0])).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]);
    for (const path of trained) {
      const [first = [], later] = [of(states[0], `Net.${path}`), of(states[4], `Net.${path}`)];
      expectClose(of(states[3], `Other.${path}`), first);
      expectClose(
        of(states[4], `Other.${path}`),
        first.map((value, i) => (value + (later[i] ?? Number.NaN)) / 2),
      );
    }
  });

  test('lengths in parts of an epoch: the first time is rounded, the others are where an interval ends', async () => {
    const states = await follow(
      new NetTrainer(({ net, other }) => ({
        // 1.5 steps.
        Other: copies.average({ of: net, into: other, from: units.epochs(0.3), every: units.epochs(0.3) }),
      })),
    );
    const counts = states.slice(1).map((state) => of(state, 'Other/count')[0]);
    expect(counts).toEqual([0, 1, 1, 2, 3, 3, 4, 5, 5, 6]);
  });
});

test('frozen keeps the first weights and statistics, in evaluation mode also in training', async () => {
  const states = await follow(
    new NetTrainer(
      ({ net, other }) => ({ Other: copies.frozen({ of: net, into: other }) }),
      {},
      (trainer, batch) =>
        trainer['update'](['opt'], () => ({
          minimize: rows.mean(
            losses.squaredError(
              trainer.models.net.call(batch.x),
              ops.add(trainer.models.other.call(batch.x), 1),
            ),
          ),
        })),
    ),
  );
  for (const path of [...trained, ...kept]) {
    expect(of(states[0], `Other.${path}`)).toEqual(of(states[0], `Net.${path}`));
    expect(of(states[10], `Other.${path}`)).toEqual(of(states[0], `Other.${path}`));
  }
  expect(of(states[10], 'Net.head.weight')).not.toEqual(of(states[0], 'Net.head.weight'));
});

describe('refused', () => {
  test.each<readonly [string, () => NetTrainer, string]>([
    [
      'a model of another shape',
      () => new NetTrainer(ema(0.5), {}, undefined, new Net(2)),
      'copy Other is not like its model',
    ],
    [
      'a copy of itself',
      () => new NetTrainer(({ net }) => ({ Other: copies.frozen({ of: net, into: net }) })),
      'two instances',
    ],
    [
      'a model that is nowhere',
      () => new NetTrainer(({ other }) => ({ Other: copies.frozen({ of: new Net(), into: other }) })),
      'configureModels did not return',
    ],
    [
      'a copy of a copy',
      () =>
        new NetTrainer(({ net, other }) => ({
          Other: copies.frozen({ of: net, into: other }),
          Third: copies.frozen({ of: other, into: net }),
        })),
      'share a model',
    ],
    [
      'a copy that is trained',
      () => new NetTrainer(({ net, other }) => ({ Other: copies.frozen({ of: other, into: net }) })),
      'optimizer opt owns Net.norm.gamma, which is a copy of Other.norm.gamma',
    ],
  ])('%s', async (_name, make, message) => {
    await expect(train(make())).rejects.toThrow(message);
  });
});
