/** A differentiable call for each op, loss and layer of the prelude. Inputs keep away from kinks by more than a step. */
import { forUnits, gruStates, lstmStates, type Passage } from '../../src/runtime/nn/recurrence.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '../../src/runtime/tensor.js';

export interface Case {
  readonly inputs: readonly (readonly number[])[];
  /** Maps the spaced values, in [-1.5, 1.5], to the op's domain. */
  readonly domain?: (value: number) => number;
  readonly run: (...inputs: Tensor[]) => Tensor;
}

const positive = (value: number): number => 2 + value;

function unary(op: (x: Tensor) => Tensor, domain?: (value: number) => number): readonly Case[] {
  const more = domain === undefined ? {} : { domain };
  return [
    { inputs: [[2, 3, 4]], run: (x) => op(need(x)), ...more },
    { inputs: [[5]], run: (x) => op(need(x)), ...more },
  ];
}

function binary(op: (a: Tensor, b: Tensor) => Tensor, domain?: (value: number) => number): readonly Case[] {
  const shapes = [
    [
      [3, 4],
      [3, 4],
    ],
    [[2, 3, 4], [4]],
    [[4], [2, 3, 4]],
    [
      [3, 1],
      [1, 4],
    ],
    [[], [2, 3]],
  ];
  return shapes.map((inputs) => ({
    inputs,
    run: (a, b) => op(need(a), need(b)),
    ...(domain === undefined ? {} : { domain }),
  }));
}

export function need(x: Tensor | undefined): Tensor {
  if (x === undefined) throw new Error('an input is missing');
  return x;
}

function four(x: Tensor | undefined): Tensor4D {
  return ops.reshape<Tensor4D>(need(x), { shape: need(x).shape });
}

function reduction(
  op: (x: Tensor, options: { axis: number | readonly number[] | null }) => Tensor,
): readonly Case[] {
  return [null, 0, -1, [0, 2], [1, 2], [0, 1, 2]].map((axis) => ({
    inputs: [[2, 3, 4]],
    run: (x: Tensor) => op(x, { axis }),
  }));
}

const label = (...ids: number[]): Tensor1D =>
  ops.cast(
    ops.concat<Tensor1D>(
      ids.map((id) => ops.reshape(ops.mul(ops.ones({ shape: [1] }), id), { shape: [1] })),
      { axis: 0 },
    ),
    { to: 'i32' },
  );

/** Kernel, stride, padding, height, width: even kernels, sizes that don't divide, windows that leave a rest. */
const windows = [
  [3, 1, 'same', 5, 4],
  [3, 1, 'valid', 5, 4],
  [3, 2, 'same', 5, 6],
  [3, 2, 'valid', 6, 7],
  [4, 2, 'same', 6, 6],
  [4, 2, 'same', 5, 7],
  [2, 3, 'valid', 5, 6],
  [2, 3, 'same', 5, 4],
  [1, 2, 'same', 5, 4],
  [1, 1, 'valid', 3, 3],
  [5, 1, 'same', 3, 3],
] as const;

function convolutions(
  channels: number,
  weight: (kernel: number) => readonly number[],
  op: typeof ops.conv2d,
): readonly Case[] {
  return windows
    .filter(([kernel, , padding, height, width]) => padding === 'same' || kernel <= Math.min(height, width))
    .map(([kernel, stride, padding, height, width]) => ({
      inputs: [[2, height, width, channels], weight(kernel)],
      run: (x: Tensor, w: Tensor) => op(four(x), four(w), { stride, padding }),
    }));
}

function pools(op: typeof ops.maxPool): readonly Case[] {
  return windows
    .filter(([kernel, , padding, height, width]) => padding === 'same' || kernel <= Math.min(height, width))
    .map(([size, stride, padding, height, width]) => ({
      inputs: [[2, height, width, 2]],
      run: (x: Tensor) => op(four(x), { size, stride, padding }),
    }));
}

export function normalized(x: Tensor, axis: readonly number[]): Tensor {
  const shape = x.shape.map((size, i) => (axis.includes(i) ? 1 : size));
  const centred = ops.sub<Tensor>(x, ops.reshape(ops.mean(x, { axis }), { shape }));
  return ops.mul<Tensor>(
    centred,
    ops.rsqrt(ops.add(ops.reshape(ops.variance(x, { axis }), { shape }), 1e-5)),
  );
}

/** A sequence of two rows and three steps; with gaps, of which one row has its first step and the other its last two. */
const passage = (backward: boolean, gaps: boolean): Passage => ({
  steps: 3,
  rows: 2,
  backward,
  kept: gaps
    ? forUnits(ops.reshape<Tensor>(ops.greater(label(0, 1, 1, 0, 1, 0), 0), { shape: [6, 1] }), 2)
    : null,
});

function recurrences(run: (at: Passage) => Case): readonly Case[] {
  return [false, true].map((both) => {
    const { inputs } = run({ steps: 3, rows: 2, backward: both, kept: null });
    return { inputs, run: (...given) => run(passage(both, both)).run(...given) };
  });
}

const two = (x: Tensor): Tensor2D => ops.reshape<Tensor2D>(x, { shape: x.shape });

/** By name in the prelude. */
const product = (a: Tensor, b: Tensor): Tensor => ops.mul(a, b);

export const cases: Readonly<Record<string, readonly Case[]>> = {
  relu: unary((x) => ops.relu(x)),
  leaky_relu: unary((x) => ops.leakyRelu(x, { slope: 0.2 })),
  elu: unary((x) => ops.elu(x)),
  selu: unary((x) => ops.selu(x)),
  gelu: unary((x) => ops.gelu(x)),
  silu: unary((x) => ops.silu(x)),
  sigmoid: unary((x) => ops.sigmoid(x)),
  tanh: unary((x) => ops.tanh(x)),
  softplus: unary((x) => ops.softplus(x)),
  softmax: [-1, 0, 1].map((axis) => ({ inputs: [[2, 3, 4]], run: (x) => ops.softmax(x, { axis }) })),
  log_softmax: [-1, 0, 1].map((axis) => ({ inputs: [[2, 3, 4]], run: (x) => ops.logSoftmax(x, { axis }) })),
  abs: unary((x) => ops.abs(x)),
  exp: unary((x) => ops.exp(x)),
  log: unary((x) => ops.log(x), positive),
  log1p: unary((x) => ops.log1p(x), positive),
  expm1: unary((x) => ops.expm1(x)),
  sqrt: unary((x) => ops.sqrt(x), positive),
  rsqrt: unary((x) => ops.rsqrt(x), positive),
  square: unary((x) => ops.square(x)),
  sin: unary((x) => ops.sin(x)),
  cos: unary((x) => ops.cos(x)),
  clamp: unary((x) => ops.clamp(x, { low: -0.503, high: 0.702 })),
  min: binary((a, b) => ops.min(a, b)),
  max: binary((a, b) => ops.max(a, b)),
  select: [
    ...binary((a, b) => ops.select(ops.greater(a, b), a, ops.square(b))),
    { inputs: [[3, 4]], run: (a) => ops.select(ops.greater(a, 0), a, 0) },
    { inputs: [[3, 4]], run: (a) => ops.select(ops.greater(a, 0), ops.div<Tensor>(1, a), 2) },
    {
      inputs: [[3, 4], [4]],
      run: (a, b) =>
        ops.select(ops.reshape(ops.greater(ops.sum(a, { axis: 1 }), 0), { shape: [3, 1] }), a, b),
    },
  ],
  sum: reduction((x, axis) => ops.sum(x, axis)),
  mean: [
    ...reduction((x, axis) => ops.mean(x, axis)),
    { inputs: [[4, 3], [4]], run: (x, w) => ops.mean(x, { weight: ops.exp(w) }) },
    {
      inputs: [
        [4, 3],
        [4, 3],
      ],
      run: (x, w) => ops.mean(x, { axis: 0, weight: ops.exp(w) }),
    },
  ],
  max_of: reduction((x, axis) => ops.maxOf(x, axis)),
  min_of: reduction((x, axis) => ops.minOf(x, axis)),
  variance: reduction((x, axis) => ops.variance(x, axis)),
  std: reduction((x, axis) => ops.std(x, axis)),
  norm: reduction((x, axis) => ops.norm(x, axis)),
  unit: [-1, 0, 1].map((axis) => ({ inputs: [[2, 3, 4]], run: (x) => ops.unit(x, { axis }) })),
  outer: [{ inputs: [[3], [4]], run: (a, b) => ops.outer(a, b) }],
  shuffle_rows: [
    { inputs: [[5, 2]], run: (x) => ops.shuffleRows(x, { draw: 'rows', seed: 4 }) },
    {
      inputs: [[4], [4, 3]],
      run: (a, b) => {
        const mixed = ops.shuffleRows({ a, b }, { draw: 'rows', seed: 4 });
        return ops.mul<Tensor>(ops.reshape<Tensor>(mixed.a, { shape: [4, 1] }), mixed.b);
      },
    },
  ],
  rows_of: [{ inputs: [[5, 2]], run: (x) => ops.rowsOf(x, { from: 1, count: 3 }) }],
  gather: [{ inputs: [[3, 2]], run: (x) => ops.gather(ops.square(x)) }],
  log_sum_exp: reduction((x, axis) => ops.logSumExp(x, axis)),
  reshape: [{ inputs: [[2, 6]], run: (x) => ops.reshape(x, { shape: [3, -1] }) }],
  flatten: [{ inputs: [[2, 3, 2]], run: (x) => ops.flatten(x) }],
  squeeze: [{ inputs: [[2, 1, 3]], run: (x) => ops.squeeze(x, { axis: 1 }) }],
  expand_dims: [{ inputs: [[2, 3]], run: (x) => ops.expandDims(x, { axis: -1 }) }],
  transpose: [
    { inputs: [[2, 3, 4]], run: (x) => ops.transpose(x) },
    { inputs: [[2, 3, 4]], run: (x) => ops.transpose(x, { axes: [2, 0, 1] }) },
    { inputs: [[2, 3, 2, 2]], run: (x) => ops.transpose(x, { axes: [0, 2, 3, 1] }) },
  ],
  concat: [
    {
      inputs: [
        [2, 3],
        [2, 4],
      ],
      run: (a, b) => ops.concat([a, b]),
    },
    {
      inputs: [
        [2, 3],
        [1, 3],
      ],
      run: (a, b) => ops.concat([a, b, a], { axis: 0 }),
    },
  ],
  stack: [0, 1, -1].map((axis) => ({
    inputs: [
      [2, 3],
      [2, 3],
    ],
    run: (a: Tensor, b: Tensor) => ops.stack([a, b], { axis }),
  })),
  repeat_axis: [0, 1, -1].map((axis) => ({
    inputs: [[2, 3]],
    run: (x: Tensor) => ops.repeatAxis(x, { count: 3, axis }),
  })),
  put: [0, 1, 2].map((at) => ({
    inputs: [[2, 3], [2]],
    run: (x: Tensor, value: Tensor) => ops.put(x, value, { at, axis: 1 }),
  })),
  pad: [
    {
      inputs: [[2, 3]],
      run: (x) =>
        ops.pad(x, {
          by: [
            [1, 0],
            [2, 3],
          ],
          value: 0.5,
        }),
    },
  ],
  cast: [{ inputs: [[2, 3]], run: (x) => ops.cast(ops.mul(x, 2), { to: 'f32' }) }],
  take: [
    { inputs: [[4, 3]], run: (table) => ops.take(table, label(1, 3, 1)) },
    { inputs: [[4]], run: (table) => ops.take(table, label(0, 0, 2)) },
  ],
  matmul: [
    {
      inputs: [
        [3, 4],
        [4, 2],
      ],
      run: (a, b) => ops.matmul(a, b),
    },
    {
      inputs: [
        [2, 3, 4],
        [4, 2],
      ],
      run: (a, b) => ops.matmul(a, b),
    },
    {
      inputs: [
        [2, 3, 4],
        [2, 4, 2],
      ],
      run: (a, b) => ops.matmul(a, b),
    },
    {
      inputs: [
        [2, 2, 3, 4],
        [2, 2, 4, 2],
      ],
      run: (a, b) => ops.matmul(a, b),
    },
    {
      inputs: [
        [3, 4],
        [2, 4],
      ],
      run: (a, b) => ops.matmul(a, b, { transposeB: true }),
    },
    {
      inputs: [
        [2, 3, 4],
        [2, 2, 4],
      ],
      run: (a, b) => ops.matmul(a, b, { transposeB: true }),
    },
    {
      inputs: [
        [2, 16, 16],
        [2, 16, 17],
      ],
      run: (a, b) => ops.matmul(a, b),
    },
  ],
  gradient: [
    {
      inputs: [[2, 3]],
      run: (x) => ops.recorded(() => ops.gradient(ops.sum<Scalar>(ops.mul<Tensor>(ops.sin(x), x)), x)),
    },
    {
      inputs: [
        [4, 3],
        [3, 2],
      ],
      run: (x, w) => ops.recorded(() => ops.gradient(ops.sum<Scalar>(ops.tanh(ops.matmul<Tensor>(x, w))), x)),
    },
  ],
  split_heads: [
    {
      inputs: [[2, 3, 4]],
      run: (x) => ops.splitHeads(ops.reshape<Tensor3D>(x, { shape: [2, 3, 4] }), { heads: 2 }),
    },
  ],
  merge_heads: [{ inputs: [[2, 2, 3, 2]], run: (x) => ops.mergeHeads(four(x)) }],
  causal_mask: [{ inputs: [[2, 3, 3]], run: (x) => ops.softmax(ops.causalMask(x)) }],
  attention: [true, false].map((causal) => ({
    inputs: [
      [2, 2, 3, 4],
      [2, 2, 3, 4],
      [2, 2, 3, 5],
    ],
    run: (q: Tensor, k: Tensor, v: Tensor) => ops.attention(four(q), four(k), four(v), { causal }),
  })),
  max_pool: pools(ops.maxPool),
  avg_pool: pools(ops.avgPool),
  global_avg_pool: [{ inputs: [[2, 3, 4, 2]], run: (x) => ops.globalAvgPool(four(x)) }],
  global_max_pool: [{ inputs: [[2, 3, 4, 2]], run: (x) => ops.globalMaxPool(four(x)) }],
  softmax_cross_entropy: [
    { inputs: [[3, 4]], run: (x) => losses.softmaxCrossEntropy(x, label(0, 3, 1)) },
    { inputs: [[3, 4]], run: (x) => losses.softmaxCrossEntropy(x, label(0, 3, 1), { labelSmoothing: 0.1 }) },
    {
      inputs: [[3, 4]],
      run: (x) => losses.softmaxCrossEntropy(x, ops.oneHot(label(0, 3, 1), { classes: 4 })),
    },
    {
      inputs: [[3, 4]],
      run: (x) => losses.softmaxCrossEntropy(x, ops.mul(ops.oneHot(label(0, 3, 1), { classes: 4 }), 0.7)),
    },
    {
      inputs: [[2, 2, 3]],
      run: (x) => losses.softmaxCrossEntropy(x, ops.reshape<Tensor2D>(label(0, 2, 1, 1), { shape: [2, 2] })),
    },
  ],
  sigmoid_cross_entropy: [0, 1, 0.3].map((target) => ({
    inputs: [[3, 4]],
    run: (x: Tensor) => losses.sigmoidCrossEntropy(x, target),
  })),
  squared_error: binaryEqual((a, b) => losses.squaredError(a, b)),
  absolute_error: binaryEqual((a, b) => losses.absoluteError(a, b)),
  huber: [
    ...binaryEqual((a, b) => losses.huber(a, b)),
    ...binaryEqual((a, b) => losses.huber(a, b, { delta: 0.53 })),
  ],
  dense: [{ inputs: [[3, 4], [4, 2], [2]], run: (x, w, b) => ops.add(ops.matmul(x, w), b) }],
  conv2d: convolutions(2, (kernel) => [kernel, kernel, 2, 3], ops.conv2d),
  conv2d_transpose: convolutions(2, (kernel) => [kernel, kernel, 3, 2], ops.conv2dTranspose),
  depthwise_conv2d: [
    ...convolutions(2, (kernel) => [kernel, kernel, 2, 1], ops.depthwiseConv2d),
    ...convolutions(2, (kernel) => [kernel, kernel, 2, 2], ops.depthwiseConv2d),
  ],
  batch_norm: [{ inputs: [[4, 3, 2]], run: (x) => normalized(x, [0, 1]) }],
  layer_norm: [{ inputs: [[4, 5]], run: (x) => normalized(x, [1]) }],
  rms_norm: [
    {
      inputs: [[4, 5]],
      run: (x) =>
        ops.mul(x, ops.rsqrt(ops.reshape<Tensor>(ops.mean(ops.square(x), { axis: 1 }), { shape: [4, 1] }))),
    },
  ],
  dropout: [
    {
      inputs: [[4, 5]],
      run: (x) =>
        ops.mul(
          ops.div(x, 0.5),
          ops.cast(ops.greaterEqual(ops.uniformLike(x, { draw: 'd', seed: 3 }), 0.5), { to: 'f32' }),
        ),
    },
  ],
  lstm: [
    ...recurrences((at) => ({
      inputs: [
        [6, 8],
        [2, 8],
      ],
      run: (given, recurrent) => lstmStates(given, two(recurrent), at),
    })),
    {
      inputs: [
        [2, 8],
        [2, 8],
      ],
      run: (x, u) => lstmStates(x, two(u), { steps: 1, rows: 2, backward: false, kept: null }),
    },
  ],
  gru: recurrences((at) => ({
    inputs: [[6, 6], [2, 6], [6]],
    run: (given, recurrent, bias) =>
      gruStates(given, two(recurrent), ops.reshape<Tensor1D>(need(bias), { shape: [6] }), at),
  })),
  embedding: [
    {
      inputs: [[4, 3]],
      run: (w) => ops.take(w, ops.reshape<Tensor2D>(label(1, 3, 1, 0), { shape: [2, 2] })),
    },
  ],
};

/** What the language's operators and indexing come to. */
export const operatorCases: Readonly<Record<string, readonly Case[]>> = {
  add: binary((a, b) => ops.add(a, b)),
  sub: binary((a, b) => ops.sub(a, b)),
  mul: binary((a, b) => ops.mul(a, b)),
  div: binary((a, b) => ops.div(a, b), positive),
  // Between the steps of the quotient.
  mod: binary((a, b) => ops.mod(ops.add(ops.mul(a, 0.2), 1.7), ops.add(ops.mul(b, 0.05), 1.1))),
  pow: [
    ...binary((a, b) => ops.pow(a, b), positive),
    ...unary((x) => ops.pow(x, 2)),
    ...unary((x) => ops.pow(x, 3)),
  ],
  neg: unary((x) => ops.neg(x)),
  slice: [
    { inputs: [[3, 4, 5]], run: (x) => ops.slice(x, [null, -1, [1, 4]]) },
    { inputs: [[3, 4, 5]], run: (x) => ops.slice(x, [[1, null], 'ellipsis', 0]) },
    // Several of one tensor: in any order, with gaps, over one another, and along both axes.
    { inputs: [[3, 6]], run: (x) => product(ops.slice(x, [null, [3, 6]]), ops.slice(x, [null, [0, 3]])) },
    { inputs: [[7, 2]], run: (x) => product(ops.slice(x, [[5, 7]]), ops.slice(x, [[1, 3]])) },
    { inputs: [[4, 5]], run: (x) => product(ops.slice(x, [null, [0, 3]]), ops.slice(x, [null, [2, 5]])) },
    {
      inputs: [[4, 4]],
      run: (x) =>
        product(
          ops.slice(x, [
            [0, 2],
            [1, 3],
          ]),
          ops.slice(x, [
            [2, 4],
            [0, 2],
          ]),
        ),
    },
    { inputs: [[3, 4]], run: (x) => product(ops.slice(x, [1]), ops.slice(x, [0])) },
    {
      inputs: [[3, 4]],
      run: (x) => ops.add(ops.mul(ops.slice(x, [null, [1, 3]]), 2), ops.slice(ops.square(x), [null, [2, 4]])),
    },
  ],
  sameTwice: [{ inputs: [[3]], run: (x) => ops.mul(ops.add(x, x), x) }],
  scalarOperand: [{ inputs: [[3], []], run: (x, s) => ops.mul(x, ops.sum<Scalar>(s)) }],
};

function binaryEqual(op: (a: Tensor, b: Tensor) => Tensor): readonly Case[] {
  return [
    {
      inputs: [
        [3, 4],
        [3, 4],
      ],
      run: (a, b) => op(need(a), need(b)),
    },
  ];
}
