/** What `../runtime/gradient-cases.ts` leaves out: whole numbers, truths, ties, edges of the number range, larger sizes. */
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { hostUniform } from '../../src/runtime/engine/philox.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Tensor, Tensor4D } from '../../src/runtime/tensor.js';
import { need } from '../runtime/gradient-cases.js';
import { bool, f32, i32 } from './all-engines.js';
import type { ValueCase } from './batched-cases.js';

const whole = i32([2, 3], [-7, -1, 0, 3, 8, 2]);
const others = i32([2, 3], [2, -1, 3, 3, -5, 1]);
const row = i32([3], [2, -3, 8]);
const truths = bool([2, 3], [0, 1, 1, 0, 1, 0]);
const column = bool([2, 1], [1, 0]);
const floats = f32([2, 3], [-1.5, -0.5, 0.5, 1.5, 2.5, 0]);
// None near 0: TensorFlow takes numbers below 2^-126 for 0, the embedded engine more of them in sign and mod.
const edges = f32([8], [Number.NaN, Infinity, -Infinity, 0, -0, 1e30, -1e-3, 100]);

const noise = (shape: readonly number[], name: string): HostTensor =>
  f32(
    shape,
    hostUniform(
      4,
      name,
      shape.reduce((a, b) => a * b, 1),
    ).map((value) => 2 * value - 1),
  );

const one = (
  name: string,
  inputs: readonly HostTensor[],
  run: (...inputs: Tensor[]) => Tensor,
): ValueCase => ({ name, inputs, run });

const each = <T extends object>(
  table: T,
  make: (name: string, op: T[keyof T]) => readonly ValueCase[],
): readonly ValueCase[] =>
  // Object.entries widens the keys of a table to text.
  Object.keys(table).flatMap((name) => {
    const op = Object.entries(table).find(([key]) => key === name)?.[1];
    return op === undefined ? [] : make(name, op);
  });

const comparisons = each(
  {
    equal: ops.equal,
    notEqual: ops.notEqual,
    less: ops.less,
    lessEqual: ops.lessEqual,
    greater: ops.greater,
    greaterEqual: ops.greaterEqual,
  },
  (name, op) => [
    one(`${name} of whole numbers`, [whole, others], (a, b) => op<Tensor>(a, b)),
    one(`${name} across axes`, [whole, row], (a, b) => op<Tensor>(b, a)),
    one(`${name} with NaN and infinity`, [edges], (a) => op<Tensor>(a, 0)),
    one(`${name} of floats and whole numbers`, [floats, whole], (a, b) => op<Tensor>(a, b)),
  ],
);

const arithmetic = each(
  { add: ops.add, sub: ops.sub, mul: ops.mul, div: ops.div, mod: ops.mod, min: ops.min, max: ops.max },
  (name, op) => [
    one(`${name} of whole numbers`, [whole, others], (a, b) => op<Tensor>(a, b)),
    one(`${name} across axes`, [row, whole], (a, b) => op<Tensor>(b, a)),
    one(`${name} with a number`, [whole], (a) => op<Tensor>(a, 3)),
    one(`${name} of mixed types`, [floats, others], (a, b) => op<Tensor>(a, b)),
    one(`${name} at the edges`, [edges], (a) => op<Tensor>(a, 2)),
  ],
);

const curves = each(
  {
    relu: ops.relu,
    elu: ops.elu,
    selu: ops.selu,
    sigmoid: ops.sigmoid,
    tanh: ops.tanh,
    softplus: ops.softplus,
    leakyRelu: (x: Tensor) => ops.leakyRelu(x, { slope: 0.1 }),
    abs: ops.abs,
    exp: ops.exp,
    expm1: ops.expm1,
    log: ops.log,
    log1p: ops.log1p,
    sqrt: ops.sqrt,
    rsqrt: ops.rsqrt,
    square: ops.square,
    sign: ops.sign,
    floor: ops.floor,
    ceil: ops.ceil,
    round: ops.round,
    clamp: (x: Tensor) => ops.clamp(x, { low: -1, high: 2 }),
    neg: ops.neg,
  },
  (name, op) => [
    one(`${name} of halves`, [floats], (x) => op(x)),
    one(`${name} of many`, [noise([33, 65], name)], (x) => op(x)),
    one(
      `${name} of numbers up to 20`,
      [
        f32(
          [41],
          Array.from({ length: 41 }, (_, i) => i - 20),
        ),
      ],
      (x) => op(x),
    ),
  ],
);

// relu is not among them: TensorFlow's gradient at NaN is 0, the embedded engine's NaN. Its values are.
const atEdges = each(
  {
    relu: (x: Tensor) => ops.relu(ops.stopGradient(x)),
    sigmoid: ops.sigmoid,
    tanh: ops.tanh,
    exp: ops.exp,
    sqrt: ops.sqrt,
    square: ops.square,
    abs: ops.abs,
    sign: ops.sign,
    floor: ops.floor,
    clamp: (x: Tensor) => ops.clamp(x, { low: -1, high: 2 }),
    neg: ops.neg,
  },
  (name, op) => [one(`${name} at the edges`, [edges], (x) => op(x))],
);

const logic: readonly ValueCase[] = [
  one('and across axes', [truths, column], (a, b) => ops.and<Tensor>(a, b)),
  one('or across axes', [truths, column], (a, b) => ops.or<Tensor>(a, b)),
  one('not', [truths], (a) => ops.not(a)),
  one('select of whole numbers', [truths, whole, others], (t, a, b) => ops.select<Tensor>(t, a, b)),
  one('select of truths', [column, truths, truths], (t, a, b) => ops.select<Tensor>(t, ops.not(a), b)),
  one('select across axes', [column, floats], (t, a) => ops.select<Tensor>(t, a, -1)),
  one('select keeps NaN out', [edges], (x) => ops.select<Tensor>(ops.greater(x, 0), x, 0)),
];

const types = (['f32', 'i32', 'bool'] as const).flatMap((to) => [
  one(`cast floats to ${to}`, [floats], (x) => ops.cast(x, { to })),
  one(`cast whole numbers to ${to}`, [whole], (x) => ops.cast(x, { to })),
  one(`cast truths to ${to}`, [truths], (x) => ops.cast(x, { to })),
  one(`cast bytes to ${to}`, [{ dtype: 'u8', shape: [3], values: Uint8Array.of(0, 1, 255) }], (x) =>
    ops.cast(x, { to }),
  ),
]);

const made: readonly ValueCase[] = [
  one('range', [], () => ops.range({ count: 7 })),
  one('zeros', [], () => ops.zeros<Tensor>({ shape: [2, 3] })),
  one('ones without axes', [], () => ops.ones<Tensor>({ shape: [] })),
  one('zerosLike whole numbers', [whole], (x) => ops.zerosLike(x)),
  one('zerosLike floats', [floats], (x) => ops.zerosLike(x)),
  one('onesLike whole numbers', [whole], (x) => ops.onesLike(x)),
  one('onesLike floats', [floats], (x) => ops.onesLike(x)),
  one('oneHot', [{ dtype: 'i32', shape: [2, 3], values: Int32Array.of(0, 3, 1, 2, 2, 0) }], (x) =>
    ops.oneHot<Tensor>(x, { classes: 4 }),
  ),
  one('oneHot of one class', [{ dtype: 'i32', shape: [3], values: new Int32Array(3) }], (x) =>
    ops.oneHot<Tensor>(x, { classes: 1 }),
  ),
];

const reductions = each({ sum: ops.sum, maxOf: ops.maxOf, minOf: ops.minOf, mean: ops.mean }, (name, op) => [
  one(`${name} of truths`, [truths], (x) => op<Tensor>(x, { axis: 0 })),
  one(`${name} of many`, [noise([16, 31, 17], name)], (x) => op<Tensor>(x, { axis: [0, 2] })),
  one(`${name} of all of many`, [noise([40_000], name)], (x) => op<Tensor>(x)),
  ...(name === 'mean' ? [] : [one(`${name} of whole numbers`, [whole], (x) => op<Tensor>(x, { axis: -1 }))]),
]);

const places: readonly ValueCase[] = [
  one('argmax with ties', [f32([3, 3], [1, 2, 2, 5, 5, 5, -1, -2, -1])], (x) => ops.argmax<Tensor>(x)),
  one('argmin with ties', [f32([3, 3], [1, 1, 2, 5, 5, 5, -1, -2, -2])], (x) => ops.argmin<Tensor>(x)),
  one('argmax along the first axis', [whole], (x) => ops.argmax<Tensor>(x, { axis: 0 })),
  one('argmin along the first axis', [whole], (x) => ops.argmin<Tensor>(x, { axis: 0 })),
  one('argmax of truths', [truths], (x) => ops.argmax<Tensor>(x)),
  one('argmax of a middle axis', [noise([3, 5, 4], 'argmax')], (x) => ops.argmax<Tensor>(x, { axis: 1 })),
  one('inTop', [noise([6, 5], 'top'), i32([6], [0, 1, 2, 3, 4, 0])], (x, l) => ops.inTop(x, l, { k: 2 })),
  one('take by a table of indices', [noise([5, 2, 3], 'take'), i32([2, 2], [4, 0, 4, 1])], (t, i) =>
    ops.take<Tensor>(t, i),
  ),
];

const movement: readonly ValueCase[] = [floats, whole, truths].flatMap((x) => [
  one(`transpose ${x.dtype}`, [x], (a) => ops.transpose<Tensor>(a)),
  one(`reshape ${x.dtype}`, [x], (a) => ops.reshape<Tensor>(a, { shape: [3, 1, 2] })),
  one(`concat ${x.dtype}`, [x, x, x], (a, b, c) => ops.concat<Tensor>([a, b, c], { axis: 0 })),
  one(`stack ${x.dtype}`, [x, x], (a, b) => ops.stack<Tensor>([a, b])),
  one(`slice ${x.dtype}`, [x], (a) => ops.slice<Tensor>(a, [-1, [0, 2]])),
  one(`repeatAxis ${x.dtype}`, [x], (a) => ops.repeatAxis<Tensor>(a, { count: 3, axis: 0 })),
  ...(x.dtype === 'bool'
    ? []
    : [
        one(`pad ${x.dtype}`, [x], (a) =>
          ops.pad<Tensor>(a, {
            by: [
              [1, 0],
              [0, 2],
            ],
            value: 3,
          }),
        ),
      ]),
]);

const four = (x: Tensor | undefined): Tensor4D => ops.reshape<Tensor4D>(need(x), { shape: need(x).shape });

const large: readonly ValueCase[] = [
  one('matmul 65 × 130 × 33', [noise([65, 130], 'a'), noise([130, 33], 'b')], (a, b) => ops.matmul(a, b)),
  one('matmul transposed', [noise([64, 128], 'a'), noise([32, 128], 'b')], (a, b) =>
    ops.matmul(a, b, { transposeB: true }),
  ),
  one('matmul of batches', [noise([6, 20, 30], 'a'), noise([6, 30, 10], 'b')], (a, b) => ops.matmul(a, b)),
  one('conv2d 3 × 3', [noise([4, 14, 14, 8], 'a'), noise([3, 3, 8, 16], 'b')], (a, b) =>
    ops.conv2d(four(a), four(b), { padding: 'same' }),
  ),
  one('conv2d with stride', [noise([2, 15, 13, 3], 'a'), noise([4, 4, 3, 8], 'b')], (a, b) =>
    ops.conv2d(four(a), four(b), { padding: 'same', stride: 2 }),
  ),
  one('conv2d of one pixel', [noise([2, 7, 7, 16], 'a'), noise([1, 1, 16, 4], 'b')], (a, b) =>
    ops.conv2d(four(a), four(b)),
  ),
  one('conv2dTranspose', [noise([2, 7, 7, 8], 'a'), noise([4, 4, 4, 8], 'b')], (a, b) =>
    ops.conv2dTranspose(four(a), four(b), { padding: 'same', stride: 2 }),
  ),
  one('depthwiseConv2d', [noise([2, 9, 9, 8], 'a'), noise([3, 3, 8, 2], 'b')], (a, b) =>
    ops.depthwiseConv2d(four(a), four(b), { padding: 'same' }),
  ),
  one('maxPool', [noise([2, 15, 15, 8], 'a')], (a) => ops.maxPool(four(a), { size: 3, stride: 2 })),
  one('avgPool', [noise([2, 15, 15, 8], 'a')], (a) =>
    ops.avgPool(four(a), { size: 3, stride: 2, padding: 'same' }),
  ),
  one(
    'attention',
    [1, 2, 3].map((i) => noise([2, 4, 16, 8], `q${i}`)),
    (q, k, v) => ops.attention(four(q), four(k), four(v), { causal: true }),
  ),
  one('logSoftmax of large logits', [f32([2, 3], [1000, -1000, 0, 80, 81, 82])], (x) => ops.logSoftmax(x)),
  one('softmax of minus infinity', [f32([4], [-Infinity, 0, 1, -Infinity])], (x) => ops.softmax(x)),
  one('logSumExp of large logits', [f32([2, 2], [1000, 1000, -1000, -1001])], (x) =>
    ops.logSumExp<Tensor>(x, { axis: 1 }),
  ),
  one('softmaxCrossEntropy of many classes', [noise([32, 100], 'l')], (x) =>
    losses.softmaxCrossEntropy(x, ops.argmax<Tensor>(x)),
  ),
];

const rowsOfBatch: readonly ValueCase[] = [
  one('outer of whole numbers and floats', [i32([3], [2, -1, 4]), f32([2], [0.5, -1.5])], (a, b) =>
    ops.outer(a, b),
  ),
  one('unit with a row of zeros', [f32([3, 2], [3, 4, 0, 0, -1, 0])], (x) => ops.unit(x)),
  one('rowsOf whole numbers', [whole], (x) => ops.rowsOf(x, { from: 1, count: 1 })),
  one('gather truths', [truths], (x) => ops.gather(x)),
  one('ownRows', [whole], (x) => ops.ownRows(x)),
  ...[
    noise([16, 3], 'rows'),
    i32(
      [16],
      Array.from({ length: 16 }, (_, i) => i * i),
    ),
    bool(
      [16, 1],
      Array.from({ length: 16 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
    ),
  ].map((x) =>
    one(`shuffleRows ${x.dtype}`, [x], (given) =>
      ops.shuffleRows(ops.stopGradient(given), { draw: 'rows', seed: 2 }),
    ),
  ),
  ...[
    [0.2, 0.2],
    [1, 3],
    [400, 0.001],
  ].map(([a = 1, b = 1]) =>
    one(`randomBeta of ${a} and ${b}`, [noise([1], 'beta')], () =>
      ops.randomBeta<Tensor>({ shape: [64, 3], a, b, draw: 'beta', seed: 2 }),
    ),
  ),
  one('choose of the two largest', [noise([64, 5], 'choose')], (x) =>
    ops.choose<Tensor>(ops.stopGradient(x), { draw: 'choose', seed: 2, topK: 2, temperature: 2 }),
  ),
  one(
    'choose where logits are equal',
    [
      f32(
        [32, 4],
        Array.from({ length: 128 }, (_, i) => (i % 4 === 1 ? -5 : 1)),
      ),
    ],
    (x) => ops.choose<Tensor>(ops.stopGradient(x), { draw: 'choose', seed: 2, topK: 2 }),
  ),
];

/** Each with a name of its own. */
export const valueCases: readonly ValueCase[] = [
  ...comparisons,
  ...arithmetic,
  ...curves,
  ...atEdges,
  ...logic,
  ...types,
  ...made,
  ...reductions,
  ...places,
  ...movement,
  ...rowsOfBatch,
  ...large,
];
