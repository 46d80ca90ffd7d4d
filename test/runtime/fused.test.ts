/** What an engine computes in kernels of its own against what the embedded engine composes of arithmetic: values, gradients and state. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import { createEmbeddedEngine } from '../../src/runtime/engine/embedded.js';
import type { Engine, HostTensor, StateVariable } from '../../src/runtime/engine/engine.js';
import { hostNormal, hostUniform } from '../../src/runtime/engine/philox.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import { attach } from '../../src/runtime/nn/module.js';
import * as ops from '../../src/runtime/ops/index.js';
import { bindOptimizer } from '../../src/runtime/optim/bound.js';
import { adagrad, adam, adamw, lamb, lion, rmsprop, sgd } from '../../src/runtime/optim/index.js';
import type { Clip, Optimizer } from '../../src/runtime/optim/optimizer.js';
import type { Scalar, Tensor } from '../../src/runtime/tensor.js';
import { stepContext, withStepContext } from '../../src/runtime/trainer/step-context.js';

let tested: Engine;
let reference: Engine;
beforeAll(async () => {
  reference = await createEmbeddedEngine();
  tested = await createEngineUnderTest();
});

const clock = { seed: 1, step: 0, micro: 0, rowOffset: 0 };
const random = (label: string, shape: readonly number[]): HostTensor => ({
  dtype: 'f32',
  shape,
  values: hostNormal(
    3,
    label,
    shape.reduce((size, n) => size * n, 1),
  ),
});
const classes = (shape: readonly number[], count: number): HostTensor => ({
  dtype: 'i32',
  shape,
  values: Int32Array.from(
    hostUniform(
      4,
      'label',
      shape.reduce((size, n) => size * n, 1),
    ),
    (x) => Math.floor(x * count),
  ),
});

/** Values that differ from one place to the next. */
function ramp(count: number, shape: readonly number[]): Tensor {
  return ops.cos(ops.cast<Tensor>(ops.reshape(ops.range({ count }), { shape: [...shape] }), { to: 'f32' }));
}

/** The error of each tensor, as a fraction of its largest value. */
function expectAlike(got: readonly HostTensor[], wanted: readonly HostTensor[], within = 1e-5): void {
  expect(got.map(({ shape }) => shape)).toEqual(wanted.map(({ shape }) => shape));
  wanted.forEach(({ values }, index) => {
    const scale = Math.max(1e-6, ...[...values].map(Math.abs));
    const errors = [...values].map((value, i) => Math.abs(value - (got[index]?.values[i] ?? Number.NaN)));
    expect(Math.max(...errors) / scale, `output ${index}`).toBeLessThan(within);
  });
}

interface Probe {
  readonly variables: readonly HostTensor[];
  readonly inputs?: readonly HostTensor[];
  readonly run: (variables: readonly Tensor[], inputs: readonly Tensor[]) => Tensor;
}

/** A function's value, and the gradients of its values (each by a weight of its own) by each variable. */
async function probe(engine: Engine, { variables, inputs = [], run }: Probe): Promise<readonly HostTensor[]> {
  const held = variables.map((value, i) => engine.variable(`x${i}`, value));
  const step = engine.compile('probe', (given) => {
    const context = stepContext(engine, 'probe', 'train', null);
    return withStepContext(context, () => {
      const { gradients, result } = engine.differentiate(() => {
        const value = run(
          held.map((one) => one.read()),
          given,
        );
        const weights = ramp(value.size, [...value.shape]);
        return { objectives: [ops.sum<Scalar>(ops.mul<Tensor>(value, weights))], result: value };
      }, held);
      return [result, ...(gradients[0] ?? []).flatMap((one) => one ?? [])];
    });
  });
  const outputs = await step.run(inputs, clock);
  for (const one of held) one.dispose();
  step.dispose();
  return outputs;
}

const cases: Readonly<Record<string, Probe>> = {
  'cross entropy of classes': {
    variables: [random('logits', [7, 5])],
    inputs: [classes([7], 5)],
    run: ([x], [label]) => losses.softmaxCrossEntropy(some(x), some(label)),
  },
  'cross entropy of classes at positions': {
    variables: [random('logits', [2, 3, 5])],
    inputs: [classes([2, 3], 5)],
    run: ([x], [label]) => losses.softmaxCrossEntropy(some(x), some(label)),
  },
  'cross entropy of classes, smoothed': {
    variables: [random('logits', [7, 5])],
    inputs: [classes([7], 5)],
    run: ([x], [label]) => losses.softmaxCrossEntropy(some(x), some(label), { labelSmoothing: 0.1 }),
  },
  'cross entropy of large logits': {
    variables: [{ ...random('logits', [4, 3]), values: random('logits', [4, 3]).values.map((x) => x * 300) }],
    inputs: [classes([4], 3)],
    run: ([x], [label]) => losses.softmaxCrossEntropy(some(x), some(label)),
  },
  gelu: { variables: [random('x', [4, 33])], run: ([x]) => ops.gelu(some(x)) },
  silu: { variables: [random('x', [4, 33])], run: ([x]) => ops.silu(some(x)) },
  'sigmoid, tanh and softplus': {
    variables: [random('x', [4, 33])],
    run: ([x]) => ops.add(ops.sigmoid(some(x)), ops.mul(ops.tanh(some(x)), ops.softplus(some(x)))),
  },
  softmax: { variables: [random('x', [2, 3, 9])], run: ([x]) => ops.softmax(some(x)) },
  'causal attention': {
    variables: ['q', 'k', 'v'].map((name) => random(name, [2, 3, 8, 4])),
    run: ([q, k, v]) => ops.attention(four(q), four(k), four(v), { causal: true }),
  },
  'masked scores': {
    variables: [random('s', [2, 3, 8, 8])],
    run: ([s]) => ops.softmax(ops.causalMask(some(s))),
  },
};

function some(x: Tensor | undefined): Tensor {
  if (x === undefined) throw new Error('a tensor is missing');
  return x;
}

function four(x: Tensor | undefined) {
  const shape = some(x).shape;
  const [a = 0, b = 0, c = 0, d = 0] = shape;
  return ops.reshape<ReturnType<typeof ops.splitHeads>>(some(x), { shape: [a, b, c, d] });
}

test.each(Object.entries(cases))('%s: value and gradients', async (_name, one) => {
  expectAlike(await probe(tested, one), await probe(reference, one));
});

describe.each([
  ['batch_norm', [4, 5, 6, 3]],
  ['batch_norm', [9, 3]],
  ['batch_norm', [4, 5, 3]],
  ['batch_norm', [1, 3]],
  ['layer_norm', [4, 5, 3]],
  ['layer_norm', [9, 16]],
  ['layer_norm', [16]],
] as const)('%s of %j', (layer, shape) => {
  test('value, gradients and running statistics', async () => {
    const channels = shape.at(-1) ?? 0;
    const all = async (engine: Engine): Promise<readonly HostTensor[]> => {
      const module =
        layer === 'batch_norm' ? nn.batchNorm({ inputs: channels }) : nn.layerNorm({ inputs: channels });
      const weights = [...attach(module, 'norm')].map(({ path, weight }): StateVariable => {
        const variable = engine.variable(path, {
          ...random(path, [channels]),
          values: random(path, [channels]).values.map(Math.abs),
        });
        weight.bind(variable);
        return variable;
      });
      const x = engine.variable('x', {
        ...random('x', shape),
        values: random('x', shape).values.map((v) => 2 * v + 1),
      });
      const by = [x, ...weights.slice(0, 2)];
      const step = engine.compile('norm', () => {
        const context = stepContext(engine, 'norm', 'train', null);
        return withStepContext(context, () => {
          const { gradients, result } = engine.differentiate(() => {
            const value = module.call(x.read());
            const along = ramp(value.size, [...shape]);
            return { objectives: [ops.sum<Scalar>(ops.mul<Tensor>(value, along))], result: value };
          }, by);
          return [result, ...(gradients[0] ?? []).flatMap((one) => one ?? []), ...context.pending.values()];
        });
      });
      const outputs = await step.run([], clock);
      for (const one of [x, ...weights]) one.dispose();
      step.dispose();
      return outputs;
    };
    const [got, wanted] = [await all(tested), await all(reference)];
    expect(got.length).toBe(layer === 'batch_norm' ? 6 : 4);
    // A batch of one row has a variance of 0, and a gradient that is all rounding.
    if (shape[0] === 1)
      expectAlike(
        [got[0], got[3], got[4], got[5]].flatMap((one) => one ?? []),
        [wanted[0], wanted[3], wanted[4], wanted[5]].flatMap((one) => one ?? []),
      );
    else expectAlike(got, wanted);
  });
});

// 0.001 and 1 - 0.999 in f32 differ by this much, and with them two ways to keep an average of squares.
const rounding = 2e-5;
const optimizers: readonly (readonly [string, Optimizer<object>, Clip | null])[] = [
  ['sgd', sgd({ of: [], lr: 0.1 }), null],
  [
    'sgd with decay, clipped by value',
    sgd({ of: [], lr: 0.1, weightDecay: 0.1 }),
    { kind: 'value', most: 0.5 },
  ],
  ['momentum', sgd({ of: [], lr: 0.1, momentum: 0.9 }), { kind: 'norm', most: 1 }],
  ['momentum with decay', sgd({ of: [], lr: 0.1, momentum: 0.9, weightDecay: 0.1 }), null],
  ['nesterov', sgd({ of: [], lr: 0.1, momentum: 0.9, nesterov: true }), null],
  ['adam', adam({ of: [], lr: 0.01 }), null],
  ['adam with decay', adam({ of: [], lr: 0.01, weightDecay: 0.1 }), { kind: 'norm', most: 1 }],
  ['adamw', adamw({ of: [], lr: 0.01, weightDecay: 0.1 }), { kind: 'norm', most: 1 }],
  ['adam with a large epsilon', adam({ of: [], lr: 0.01, epsilon: 0.1 }), null],
  ['rmsprop', rmsprop({ of: [], lr: 0.01, momentum: 0.5 }), null],
  ['centered rmsprop', rmsprop({ of: [], lr: 0.01, centered: true }), null],
  ['adagrad', adagrad({ of: [], lr: 0.01, weightDecay: 0.1 }), { kind: 'norm', most: 1 }],
  ['lamb', lamb({ of: [], lr: 0.01, weightDecay: 0.1 }), { kind: 'norm', most: 1 }],
  ['lion', lion({ of: [], lr: 0.01, weightDecay: 0.1 }), null],
];

describe.each(optimizers)('%s', (_name, optimizer, clip) => {
  const shapes = [[5, 3], [3]] as const;
  /** Weights and slots after some steps, of which those in `bad` have a gradient that is not finite. */
  const train = async (engine: Engine, bad: readonly number[] | null): Promise<readonly HostTensor[]> => {
    const weights = shapes.map((shape, i) => engine.variable(`w${i}`, random(`w${i}`, shape)));
    const found = weights.map((variable) => ({ path: variable.path, local: variable.path, variable }));
    const bound = bindOptimizer(engine, 'opt', optimizer, found, clip, (at) => ({ ...at }));
    const step = engine.compile('train', ([rate, good, ...given]) => {
      const gradients = new Map(weights.map((weight, i) => [weight, some(given[i])]));
      const fine = bad === null ? null : ops.greater<Tensor>(some(good), 0);
      const norm = bound.apply(gradients, [ops.reshape<Scalar>(some(rate), { shape: [] })], fine);
      // What a later part of the step reads is what the update left.
      return [ops.sum<Tensor>(some(weights[0]?.read())), ...(norm === null || bad !== null ? [] : [norm])];
    });
    const seen: HostTensor[] = [];
    for (let i = 0; i < 12; i++) {
      const isBad = bad?.includes(i) ?? false;
      const gradients = shapes.map((shape, k): HostTensor => {
        const { values } = random(`g${i}.${k}`, shape);
        if (isBad) values[0] = i % 2 === 0 ? Number.NaN : Number.POSITIVE_INFINITY;
        return { dtype: 'f32', shape, values };
      });
      const number = (x: number): HostTensor => ({ dtype: 'f32', shape: [], values: Float32Array.of(x) });
      seen.push(
        ...(await step.run([number(0.01 / (i + 1)), number(isBad ? 0 : 1), ...gradients], {
          ...clock,
          step: i,
        })),
      );
    }
    const state = [...weights, ...bound.state];
    const after = await Promise.all(state.map((variable) => variable.download()));
    for (const one of state) one.dispose();
    step.dispose();
    return [...after, ...seen];
  };

  test('weights and slots after some steps', async () => {
    expectAlike(await train(tested, null), await train(reference, null), rounding);
  });

  test('steps that are not fine change nothing', async () => {
    expectAlike(await train(tested, [0, 3, 4]), await train(reference, [0, 3, 4]), rounding);
  });
});

test('a step reads what it has changed, and keeps what it read before', async () => {
  const run = async (engine: Engine): Promise<readonly HostTensor[]> => {
    const weight = engine.variable('w', random('w', [4]));
    const bound = bindOptimizer(
      engine,
      'opt',
      sgd({ of: [], lr: 0.1, momentum: 0.9 }),
      [{ path: 'w', local: 'w', variable: weight }],
      null,
      (at) => ({ ...at }),
    );
    const step = engine.compile('twice', ([gradient, rate]) => {
      const update = () =>
        bound.apply(
          new Map([[weight, some(gradient)]]),
          [ops.reshape<Scalar>(some(rate), { shape: [] })],
          null,
        );
      const first = weight.read();
      update();
      const second = weight.read();
      update();
      update();
      const third = ops.mul<Tensor>(weight.read(), 1);
      weight.assign(ops.mul<Tensor>(third, 2));
      update();
      return [first, second, third, weight.read()].map((one) => ops.mul<Tensor>(one, 1));
    });
    const rate: HostTensor = { dtype: 'f32', shape: [], values: Float32Array.of(0.1) };
    const seen = [
      ...(await step.run([random('g', [4]), rate], clock)),
      ...(await step.run([random('g', [4]), rate], clock)),
    ];
    const after = await weight.download();
    for (const one of [weight, ...bound.state]) one.dispose();
    step.dispose();
    return [...seen, after];
  };
  expectAlike(await run(tested), await run(reference));
});
