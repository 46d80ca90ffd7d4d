/** Gradients as values: each op's gradient, differentiated again. What has no curve of its own gets one by a square. */
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor } from '../../src/runtime/tensor.js';
import { cases, need, operatorCases, type Case } from './gradient-cases.js';

/** 0.5, …, 1.5 over the values of a tensor: no two gradients are alike by accident. */
const ramp = (x: Tensor): Tensor =>
  ops.add<Tensor>(
    ops.reshape<Tensor>(ops.mul(ops.cast(ops.range({ count: x.size }), { to: 'f32' }), 1 / x.size), {
      shape: x.shape,
    }),
    0.5,
  );

/** All gradients of Σ w · y² / 2 + Σ y of an op's result y, in one row. */
export const gradientsOf = (run: Case['run'], inputs: readonly Tensor[]): Tensor =>
  ops.recorded(() => {
    const out = run(...inputs);
    const curved = ops.mul<Tensor>(ops.mul(ops.square(out), ramp(out)), 0.5);
    const sum = ops.sum<Scalar>(ops.add<Tensor>(curved, out));
    const slopes = inputs.map((x) => ops.reshape<Tensor>(ops.gradient<Tensor>(sum, x), { shape: [x.size] }));
    return ops.concat<Tensor>(slopes, { axis: 0 });
  });

/** Where the second derivative jumps, values keep away from that place too. */
const away: Readonly<Record<string, (value: number) => number>> = { huber: (value) => 0.91 * value };

/** 1 / a near 0 has derivatives that no difference of f32 numbers shows. */
const tooSteep = (name: string, index: number): boolean => name === 'select' && index === 6;

const again = (table: Readonly<Record<string, readonly Case[]>>): Readonly<Record<string, readonly Case[]>> =>
  Object.fromEntries(
    Object.entries(table).map(([name, list]) => [
      `${name} again`,
      list
        .filter((_, index) => !tooSteep(name, index))
        .map((one): Case => ({
          ...one,
          ...(away[name] === undefined ? {} : { domain: away[name] }),
          run: (...inputs) => gradientsOf(one.run, inputs),
        })),
    ]),
  );

/** The second derivatives of every case of the prelude and of operators. */
export const secondCases = again({ ...cases, ...operatorCases });

const dot = (x: Tensor): Tensor => ops.mul<Tensor>(ops.sum(ops.square(x)), 0.5);

/** Gradients of gradients of gradients, and ways through a step that one op alone does not take. */
export const nestedCases: Readonly<Record<string, readonly Case[]>> = {
  'third derivative': [
    ops.exp,
    ops.tanh,
    ops.sigmoid,
    ops.softplus,
    ops.sin,
    ops.gelu,
    ops.silu,
    (x: Tensor) => ops.mul<Tensor>(ops.softmax(x), 10),
    ops.logSoftmax,
    (x: Tensor) => ops.norm<Tensor>(x),
    (x: Tensor) => ops.mul<Tensor>(ops.square(x), x),
  ].map((op) => ({
    inputs: [[2, 3]],
    run: (x) => gradientsOf((y) => gradientsOf((z) => op(need(z)), [need(y)]), [need(x)]),
  })),
  'by a value on the way': [
    {
      inputs: [[2, 3]],
      run: (x) =>
        ops.recorded(() => {
          const middle = ops.tanh(x);
          const slope = ops.gradient(ops.sum<Scalar>(ops.square(ops.mul<Tensor>(middle, x))), middle);
          return ops.mul<Tensor>(slope, x);
        }),
    },
  ],
  'a value that is used twice': [
    {
      inputs: [[2, 3]],
      run: (x) =>
        ops.recorded(() => {
          const y = ops.mul<Tensor>(x, x);
          return ops.gradient(ops.sum<Scalar>(ops.add<Tensor>(ops.exp(y), ops.sin(y))), x);
        }),
    },
  ],
  'two gradients in one pass': [
    {
      inputs: [[3], [3]],
      run: (x, y) =>
        ops.recorded(() => {
          const value = ops.sum<Scalar>(ops.mul<Tensor>(ops.square(x), ops.sin(y)));
          return ops.mul<Tensor>(ops.gradient(value, x), ops.gradient(value, y));
        }),
    },
  ],
  'a norm as a penalty': [
    {
      inputs: [
        [4, 3],
        [3, 5],
        [5, 1],
      ],
      run: (x, a, b) =>
        ops.recorded(() => {
          const score = ops.matmul<Tensor>(ops.elu(ops.matmul<Tensor>(x, a)), b);
          const slope = ops.norm<Tensor>(ops.gradient(ops.sum<Scalar>(score), x), { axis: 1 });
          return ops.square(ops.sub<Tensor>(slope, 1));
        }),
    },
  ],
  'half a square': [{ inputs: [[4]], run: (x) => gradientsOf(dot, [need(x)]) }],
};
