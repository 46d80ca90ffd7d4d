/** What a spec writes in TypeScript, held against its declaration where it is made and where it runs; gradients by finite differences. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import { useDrawNames } from '../../src/runtime/engine/current.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as metrics from '../../src/runtime/metrics/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import { attach } from '../../src/runtime/nn/module.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as schedules from '../../src/runtime/schedules/index.js';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import {
  drawLabel,
  stepContext,
  withStepContext,
  type Mode,
} from '../../src/runtime/trainer/step-context.js';
import { rest, steps } from '../../src/values/units.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
  useDrawNames(drawLabel);
});

const clock = { seed: 1, step: 0, micro: 0, rowOffset: 0 };
const f32 = (shape: readonly number[], at: (index: number) => number): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => at(index)),
});

/** tanh(x · weight) with a running mean of the input, and a gate that x itself opens. */
class Gate extends nn.Module<[x: Tensor2D], Tensor2D> {
  readonly weight: nn.Weight<Tensor2D>;
  readonly mean: nn.Weight<Tensor1D>;
  constructor(options: { readonly inputs: number }) {
    super();
    const { inputs } = options;
    this.weight = this.addWeight(
      'weight',
      [inputs, inputs],
      nn.initializer('glorot_uniform', inputs ** 2, { inputs, outputs: inputs }),
    );
    this.mean = this.addState('mean', [inputs], nn.constantInitializer(inputs, 0.25));
  }
  protected override forward(x: Tensor2D): Tensor2D {
    const before = this.mean.read();
    if (nn.isTraining()) {
      this.mean.assign(
        ops.add<Tensor1D>(
          ops.mul<Tensor1D>(before, 0.5),
          ops.mul<Tensor1D>(ops.mean<Tensor1D>(x, { axis: 0 }), 0.5),
        ),
      );
    }
    const gate = ops.sigmoid<Tensor2D>(ops.sub<Tensor2D>(x, before));
    return ops.mul<Tensor2D>(ops.tanh(ops.matmul<Tensor2D>(x, this.weight.read())), gate);
  }
}
const declared: nn.ExternLayerDeclaration = {
  name: 'gate',
  file: './own.ts',
  takes: [['n', 'inputs']],
  gives: ['n', 'inputs'],
  weights: { weight: ['inputs', 'inputs'] },
  state: { mean: ['inputs'] },
};
const gate = (options: { readonly inputs: number }): Gate => new Gate(options);

let count = 0;
const placed = (layer: nn.ExternLayer) => {
  const name = `Extern${(count += 1)}`;
  const weights = attach(layer, name);
  for (const { path, weight } of weights) weight.bind(engine.variable(path, weight.initial(3, path)));
  return new Map(weights.map(({ path, weight }) => [path.slice(name.length + 1), weight.variable]));
};
const within = (mode: Mode, body: () => readonly Tensor[]): readonly Tensor[] => {
  const context = stepContext(engine, 'probe', mode, null);
  return withStepContext(context, () => {
    const made = body();
    for (const [variable, value] of context.pending) variable.assign(value);
    return made;
  });
};

describe('a layer', () => {
  test('has the gradients of finite differences, for its weights and its input', async () => {
    const layer = nn.extern(declared, gate, { inputs: 3 });
    const weight = placed(layer).get('weight');
    if (weight === undefined) throw new Error('no weight');
    const input = engine.variable(
      `input${count}`,
      f32([4, 3], (i) => Math.sin(1 + 2 * i)),
    );
    const by = f32([4, 3], (i) => 0.5 + Math.cos(i));
    const forward = engine.compile('forward', ([r]) =>
      within('eval', () => {
        const y = layer.call<Tensor2D>(input.read());
        return [ops.sum<Scalar>(r === undefined ? y : ops.mul<Tensor2D>(y, r))];
      }),
    );
    const backward = engine.compile('backward', ([r]) =>
      within('eval', () => {
        const { gradients } = engine.differentiate(() => {
          const y = layer.call<Tensor2D>(input.read());
          return {
            objectives: [ops.sum<Scalar>(r === undefined ? y : ops.mul<Tensor2D>(y, r))],
            result: null,
          };
        }, [weight, input]);
        return [weight, input].map((variable, at) => gradients[0]?.[at] ?? ops.zerosLike(variable.read()));
      }),
    );
    const found = await backward.run([by], clock);
    const h = 4e-3;
    for (const [at, variable] of [weight, input].entries()) {
      const { values, shape, dtype } = await variable.download();
      expect(values.length).toBeGreaterThan(8);
      for (let index = 0; index < values.length; index += 1) {
        const moved = async (delta: number): Promise<number> => {
          const others = Float32Array.from(values);
          others[index] = (others[index] ?? 0) + delta;
          variable.upload({ dtype, shape, values: others });
          const [sum] = await forward.run([by], clock);
          return sum?.values[0] ?? Number.NaN;
        };
        const slope = ((await moved(h)) - (await moved(-h))) / (2 * h);
        variable.upload({ dtype, shape, values });
        expect(Math.abs(slope - (found[at]?.values[index] ?? Number.NaN))).toBeLessThan(2e-3);
      }
    }
  });

  test('changes its state where it trains alone, and no gradient passes through it', async () => {
    const layer = nn.extern(declared, gate, { inputs: 2 });
    const mean = placed(layer).get('mean');
    const x = f32([2, 2], (i) => i);
    const run = (mode: Mode) =>
      engine
        .compile(mode, ([given]) => within(mode, () => (given ? [layer.call(given)] : [])))
        .run([x], clock);
    await run('eval');
    expect([...((await mean?.download())?.values ?? [])]).toEqual([0.25, 0.25]);
    await run('train');
    expect([...((await mean?.download())?.values ?? [])]).toEqual([0.625, 1.125]);
  });

  test.each([
    [
      'a weight',
      (layer: Gate) => layer.weight.assign(layer.weight.read()),
      'train',
      'is trained; only a state can be assigned',
    ],
    [
      'a state in evaluation',
      (layer: Gate) => layer.mean.assign(layer.mean.read()),
      'eval',
      'was assigned outside of training',
    ],
    [
      'a state of another shape',
      (layer: Gate) => layer.mean.assign(ops.zeros<Tensor1D>({ shape: [3] })),
      'train',
      'is [2] and was assigned [3]',
    ],
  ] as const)('assigning %s is refused', async (_name, assign, mode, message) => {
    const inner = new Gate({ inputs: 2 });
    placed(nn.extern(declared, () => inner, { inputs: 2 }));
    const step = engine.compile('assign', () =>
      within(mode, () => {
        assign(inner);
        return [];
      }),
    );
    await expect(step.run([], clock)).rejects.toThrow(message);
  });

  const made = (changes: Partial<nn.ExternLayerDeclaration>, inputs = 2) =>
    nn.extern({ ...declared, ...changes }, gate, { inputs });
  test.each([
    [{ weights: {} }, 'layer `gate` of ./own.ts owns weight, which the spec does not declare'],
    [
      { weights: { weight: ['inputs', 'inputs'], bias: ['inputs'] } },
      'has no weight bias, which the spec declares',
    ],
    [{ weights: { weight: ['inputs', 3] } }, 'has the weight weight as [2, 2]; declared is [2, 3]'],
    [
      { weights: { weight: ['inputs', 'inputs'], mean: ['inputs'] }, state: {} },
      'has mean as a state; declared is a weight',
    ],
    [
      { state: { mean: ['inputs'], weight: ['inputs', 'inputs'] }, weights: {} },
      'has weight as a weight; declared is a state',
    ],
  ] as const)('that owns other things than %j is refused where it is made', (changes, message) => {
    expect(() => made(changes)).toThrow(message);
  });
  test('what its maker throws has the name of its file', () => {
    const broken = (): Gate => {
      throw new Error('no such kind');
    };
    expect(() => nn.extern(declared, broken, { inputs: 2 })).toThrow(
      'layer `gate` of ./own.ts failed: no such kind',
    );
  });
  test.each([
    [{ gives: ['n', 2, 1] }, 'gives f32[5, 2] for f32[5, 2]; declared is [n, 2, 1]'],
    [{ gives: ['n', (size: (name: string) => number) => 2 * size('inputs')] }, 'gives f32[5, 2]'],
    [{ takes: [['...s', 'inputs', 'inputs']] }, 'takes [...s, inputs, inputs], got f32[5, 2]'],
    [{ takes: [['inputs', 'inputs']] }, 'takes [inputs, inputs], got f32[5, 2]'],
  ] as const)(
    'that gives or takes something else than %j is refused where it is called',
    async (changes, message) => {
      const layer = made(changes);
      placed(layer);
      const step = engine.compile('call', ([x]) => within('eval', () => (x ? [layer.call(x)] : [])));
      await expect(step.run([f32([5, 2], (i) => i)], clock)).rejects.toThrow(message);
    },
  );
  test.each([
    { takes: [['...s', 'inputs']], gives: ['...s', 'inputs'] },
    { takes: [['n', 'd']], gives: ['n', (size: (name: string) => number) => size('d') + size('inputs') - 2] },
    { takes: [['...', 2]], gives: ['...', 'inputs'] },
  ] as const)('that is as declared is none: %j', async (changes) => {
    const layer = made(changes);
    placed(layer);
    const step = engine.compile('call', ([x]) => within('eval', () => (x ? [layer.call(x)] : [])));
    const [y] = await step.run([f32([5, 2], (i) => i)], clock);
    expect(y?.shape).toEqual([5, 2]);
  });
});

describe('an optimizer', () => {
  const about = { name: 'own', file: './own.ts', slots: ['m'] as const };
  const rule = (): optim.UpdateRule<'m'> => ({
    slots: { m: 0 },
    update: ({ weight, slots }) => ({ weight, slots }),
  });
  const common = { of: [], lr: 0.1 };
  test('keeps numbers to start its slots with', () => {
    expect(() => optim.extern(about, () => ({ ...rule(), slots: { m: Number.NaN } }), {}, common)).toThrow(
      'optimizer `own` of ./own.ts starts the slot m with NaN; give a finite number',
    );
    const slots = { m: 0 };
    const more = (): optim.UpdateRule => ({ slots, update: ({ weight }) => ({ weight, slots: {} }) });
    expect(() => optim.extern({ ...about, slots: [] }, more, {}, common)).toThrow(
      'has the slot m, which the spec does not declare',
    );
  });
  test('has the options of every optimizer, with their limits', () => {
    expect(() => optim.extern(about, rule, {}, { ...common, weightDecay: -1 })).toThrow('weight_decay');
    expect(optim.extern(about, rule, {}, { ...common, match: ['a.**'] }).owns).toEqual({
      match: ['a.**'],
      except: [],
    });
  });
});

describe('a schedule phase', () => {
  const pace = { stepsPerEpoch: 10, accumulate: 1, rowsPerEpoch: 10, totalSteps: 20 };
  const about = { name: 'wave', file: './own.ts', starts: true };
  const goes =
    (): schedules.StartedCurve =>
    ({ length, steps: of }) =>
    (index, from) =>
      from + (index + 1) / length + of(steps(2));
  const values = (
    phases: Parameters<typeof schedules.chain>[0],
    at: readonly number[],
  ): readonly number[] => {
    const plan = schedules.chain(phases).plan(pace, 'schedule s');
    return at.map((update) => plan.valueAt(update));
  };
  test('goes on from the phase before, or from its own start, and the next goes on from it', () => {
    const phases = [
      schedules.constant({ value: 3, over: steps(4) }),
      schedules.extern(about, goes, {}, { over: steps(8) }),
      schedules.linear({ to: 0, over: rest }),
    ];
    expect(values(phases, [3, 4, 11, 19])).toEqual([3, 5.125, 6, 0]);
    expect(values([schedules.extern(about, goes, {}, { over: rest, from: -1 })], [0, 19])).toEqual([1.05, 2]);
    expect(values(phases, [15])[0]).toBeCloseTo(3, 12);
  });
  test('needs a start only where it declares one', () => {
    expect(() => values([schedules.extern(about, goes, {}, { over: rest })], [0])).toThrow(
      'schedule s, phase 1 (wave): the first phase needs a value to start from',
    );
    const flat = (): schedules.Curve => () => () => 7;
    expect(
      values([schedules.extern({ ...about, starts: false }, flat, {}, { over: rest })], [0, 19]),
    ).toEqual([7, 7]);
  });
  test('gives finite numbers', () => {
    const broken = (): schedules.Curve => () => (index) => (index < 5 ? 1 : Number.NaN);
    const phase = schedules.extern({ ...about, starts: false }, broken, {}, { over: rest });
    expect(() => values([phase], [0])).toThrow('schedule `wave` of ./own.ts gives NaN for update 19 of 20');
  });
});

describe('a metric', () => {
  const about = { name: 'own', file: './own.ts' };
  test('is finished with sums of the shapes that it gave', () => {
    const sums: unknown[] = [];
    const metric = metrics.fromSums({ a: 2, rows: 3 }, (all) => {
      sums.push(all);
      return all.a / all.rows;
    });
    expect(
      metric.finish(
        new Map([
          ['a', Float64Array.of(6)],
          ['rows', Float64Array.of(4)],
        ]),
      ),
    ).toBe(1.5);
    expect(sums).toEqual([{ a: 6, rows: 4 }]);
    expect(() => metrics.fromSums({ a: Number.NaN }, () => 0)).toThrow('the summand a is NaN');
  });
  test('has the numbers that are declared', () => {
    const make = () => metrics.figuresFromSums({ a: 1 }, { low: ({ a }) => a, high: ({ a }) => a });
    const totals = new Map([['a', Float64Array.of(6)]]);
    const fine = metrics.extern({ ...about, figures: ['low', 'high'] }, make);
    expect(fine.figures(totals)).toEqual(
      new Map([
        ['low', 6],
        ['high', 6],
      ]),
    );
    const other = metrics.extern({ ...about, figures: ['low'] }, make);
    expect(() => other.figures(totals)).toThrow(
      'metric `own` of ./own.ts has the numbers low, high, and is declared with low; give just those',
    );
  });
  test('is minimized by nobody, and ends as a number', () => {
    const one = metrics.extern(about, () => metrics.fromSums({ a: 1 }, () => 4));
    expect(one.terms).toBeNull();
    const text = metrics.extern(about, (): metrics.Reduction => ({
      totals: new Map(),
      terms: null,
      finish: () => JSON.parse('"x"') as number,
    }));
    expect(() => text.finish(new Map())).toThrow(
      'metric `own` of ./own.ts was finished as x; it must be a number',
    );
  });
});
