/** What takes a kernel of its own on the native engine, and arithmetic on the embedded one. */
import { fusedBatchNorm, fusedLayerNorm } from '../../src/runtime/nn/fused-norm.js';
import { fusedLstm } from '../../src/runtime/nn/fused-lstm.js';
import { forUnits, handedOn, lstmStates, type Passage } from '../../src/runtime/nn/recurrence.js';
import * as ops from '../../src/runtime/ops/index.js';
import { hasKernel, run } from '../../src/runtime/ops/kernel.js';
import { gradientNorm } from '../../src/runtime/optim/update.js';
import type { Tensor, Tensor2D } from '../../src/runtime/tensor.js';
import { need, normalized, type Case } from '../runtime/gradient-cases.js';
import { gradientsOf, nestedCases, secondCases } from '../runtime/second-cases.js';
import { f32 } from './all-engines.js';
import type { ValueCase } from './batched-cases.js';

const epsilon = 1e-5;

function batchNorm(shape: readonly number[], channels: number): Case {
  const axes = shape.slice(0, -1).map((_, axis) => axis);
  return {
    inputs: [shape, [channels], [channels]],
    run: (x: Tensor, gamma: Tensor, beta: Tensor) =>
      fusedBatchNorm(x, gamma, beta, epsilon)?.value ??
      ops.add<Tensor>(ops.mul<Tensor>(normalized(x, axes), gamma), beta),
  };
}

function layerNorm(shape: readonly number[], width: number): Case {
  return {
    inputs: [shape, [width], [width]],
    run: (x: Tensor, gamma: Tensor, beta: Tensor) =>
      fusedLayerNorm(x, gamma, beta, epsilon) ??
      ops.add<Tensor>(ops.mul<Tensor>(normalized(x, [shape.length - 1]), gamma), beta),
  };
}

/** An LSTM over three steps of two rows, with the kernel for whole sequences where there is one; with gaps, one row has its first step alone. */
function sequence(backward: boolean, gaps: boolean, last: boolean): Case {
  return {
    inputs: [[6, 3], [3, 8], [2, 8], [8]],
    run: (x, weight, recurrent, bias) => {
      const mask = ops.greater<Tensor>(
        ops.concat<Tensor>(
          [1, 1, 0, 1, 0, 1].map((counts) => ops.mul<Tensor>(ops.ones({ shape: [1, 1] }), counts)),
          { axis: 0 },
        ),
        0,
      );
      const passage: Passage = { steps: 3, rows: 2, backward, kept: gaps ? forUnits(mask, 2) : null };
      const two = (of: Tensor): Tensor2D => ops.reshape<Tensor2D>(of, { shape: of.shape });
      const states =
        fusedLstm(two(x), two(weight), two(recurrent), bias, passage) ??
        handedOn(
          lstmStates(ops.add<Tensor>(ops.matmul<Tensor>(x, weight), bias), two(recurrent), passage),
          passage,
        );
      if (last) return states.last();
      return gaps ? ops.select<Tensor>(mask, states.all, 0) : states.all;
    },
  };
}

/** With gradients. */
export const fusedCases: Readonly<Record<string, readonly Case[]>> = {
  'fused batch_norm': [batchNorm([4, 2, 3, 2], 2), batchNorm([6, 3], 3), batchNorm([3, 4, 2], 2)],
  'fused lstm': [
    sequence(false, false, false),
    sequence(true, false, false),
    sequence(true, true, true),
    sequence(false, true, true),
  ],
  'fused layer_norm': [layerNorm([3, 4, 5], 5), layerNorm([4, 6], 6), layerNorm([7], 7)],
};

const differentiated = (list: readonly Case[]): readonly Case[] =>
  list.map((one) => ({ ...one, run: (...inputs) => gradientsOf(one.run, inputs) }));

/** Ops whose gradients are kernels of their own, which have gradients in turn; all second derivatives have a test of their own. */
const ownBackwards = [
  'relu',
  'gelu',
  'sigmoid',
  'tanh',
  'softplus',
  'norm',
  'take',
  'softmax_cross_entropy',
  'conv2d',
  'conv2d_transpose',
  'depthwise_conv2d',
  'max_pool',
  'avg_pool',
].map((name) => `${name} again`);

/** Gradients of gradients. */
export const secondOfFused: Readonly<Record<string, readonly Case[]>> = {
  ...Object.fromEntries(ownBackwards.map((name) => [name, (secondCases[name] ?? []).slice(0, 4)])),
  ...Object.fromEntries(
    Object.entries(fusedCases).map(([name, list]) => [
      `${name} again`,
      // Of a recurrence, whose second derivatives are many ops, the last.
      differentiated(list.length > 3 ? list.slice(-1) : list),
    ]),
  ),
  'max_pool a third time': (secondCases['max_pool again'] ?? []).slice(0, 2).map((one) => ({
    ...one,
    run: (x: Tensor) => gradientsOf((y) => one.run(need(y)), [x]),
  })),
  ...nestedCases,
};

/** What optimizers use: nothing is differentiated through it. */
export const fusedValueCases: readonly ValueCase[] = [
  {
    name: 'the norm of gradients',
    inputs: [f32([2, 3], [1, -2, 3, 0.5, 0, -1]), f32([2], [4, -5])],
    run: (a, b) => gradientNorm([a, b].map((x) => ops.stopGradient(x))),
  },
  {
    name: 'a product that is 0 where a factor is',
    inputs: [f32([4], [1, Number.NaN, Infinity, -2]), f32([4], [3, 0, 0, -0.5])],
    run: (x, by) => {
      const [a, b] = [ops.stopGradient(x), ops.stopGradient(by)];
      return hasKernel('NativeMultiplyNoNan')
        ? run<Tensor>('NativeMultiplyNoNan', { a, b })
        : ops.select<Tensor>(ops.equal(b, 0), 0, ops.mul<Tensor>(a, b));
    },
  },
];
