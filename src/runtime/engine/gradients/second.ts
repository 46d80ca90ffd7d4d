/** Gradients of what gradients are made of: where a gradient is a value of a step, there are gradients of it as well. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { mul, sub } from '../../ops/arithmetic.js';
import { broadcastTo, run, sizeAt, sizeOf } from '../../ops/kernel.js';
import { convolution, pooling } from './linear.js';
import { numbersAt, type Rule, type Rules } from './rule.js';

/** The kernel is linear in dy, and its gradient by it the same kernel again; `flat` is the other input. */
function sameOf(kernel: string, flat: string): Rule {
  return {
    inputs: [flat],
    flat: [flat],
    gradient: (dd, kept) => ({ dy: () => run(kernel, { dy: dd, [flat]: kept.at(0) }) }),
  };
}

/** Pooling backwards and its own gradient: each picks or shares out by the same windows. */
function pooled(kernel: string, of: string, made: string): Rule {
  return {
    inputs: ['input', 'output'],
    flat: ['input', 'output'],
    gradient: (dd, kept, attributes) => ({
      [of]: () => run(kernel, { [made]: dd, input: kept.at(0), output: kept.at(1) }, pooling(attributes)),
    }),
  };
}

export const second: Rules = {
  ReluGrad: sameOf('ReluGrad', 'y'),
  Conv2DBackpropFilter: {
    inputs: ['x', 'dy'],
    gradient: (dd, kept, attributes) => {
      const x = kept.at(0);
      const options = convolution(attributes);
      return {
        x: () =>
          run(
            'Conv2DBackpropInput',
            { dy: kept.at(1), filter: dd },
            { ...options, inputShape: [...x.shape] },
          ),
        dy: () => run('Conv2D', { x, filter: dd }, { ...options, dilations: [1, 1] }),
      };
    },
  },
  DepthwiseConv2dNativeBackpropInput: {
    inputs: ['dy', 'filter'],
    gradient: (dd, kept, attributes) => {
      const filter = kept.at(1);
      const options = convolution(attributes);
      return {
        dy: () => run('DepthwiseConv2dNative', { x: dd, filter }, { ...options, dilations: [1, 1] }),
        filter: () =>
          run(
            'DepthwiseConv2dNativeBackpropFilter',
            { x: dd, dy: kept.at(0) },
            { ...options, filterShape: [...filter.shape] },
          ),
      };
    },
  },
  DepthwiseConv2dNativeBackpropFilter: {
    inputs: ['x', 'dy'],
    gradient: (dd, kept, attributes) => {
      const x = kept.at(0);
      const options = convolution(attributes);
      return {
        x: () =>
          run(
            'DepthwiseConv2dNativeBackpropInput',
            { dy: kept.at(1), filter: dd },
            { ...options, inputShape: [...x.shape] },
          ),
        dy: () => run('DepthwiseConv2dNative', { x, filter: dd }, { ...options, dilations: [1, 1] }),
      };
    },
  },
  MaxPoolGrad: pooled('MaxPoolGradGrad', 'dy', 'ddx'),
  MaxPoolGradGrad: pooled('MaxPoolGrad', 'ddx', 'dy'),
  AvgPoolGrad: {
    inputs: [],
    flat: ['input', 'output'],
    gradient: (dd, _, attributes) => ({ dy: () => run('AvgPool', { x: dd }, pooling(attributes)) }),
  },
  UnsortedSegmentSum: {
    inputs: ['segmentIds'],
    gradient: (dd, kept) => ({
      x: () => run('GatherV2', { x: dd, indices: kept.at(0) }, { axis: 0, batchDims: 0 }),
    }),
  },
};

/** Of kernels that only some engines have. */
export const secondOfFused: Rules = {
  // dy · y(1 - y)
  NativeSigmoidGrad: {
    inputs: ['y', 'dy'],
    gradient: (dd, kept) => {
      const y = kept.at(0);
      return {
        y: () => mul(mul<Tensor>(dd, kept.at(1)), sub<Tensor>(1, mul<Tensor>(y, 2))),
        dy: () => run('NativeSigmoidGrad', { y, dy: dd }),
      };
    },
  },
  // dy · (1 - y²)
  NativeTanhGrad: {
    inputs: ['y', 'dy'],
    gradient: (dd, kept) => {
      const y = kept.at(0);
      return {
        y: () => mul(mul<Tensor>(dd, kept.at(1)), mul<Tensor>(y, -2)),
        dy: () => run('NativeTanhGrad', { y, dy: dd }),
      };
    },
  },
  // dy · σ(x)
  NativeSoftplusGrad: {
    inputs: ['dy', 'x'],
    gradient: (dd, kept) => {
      const x = kept.at(1);
      return {
        x: () => run('NativeSigmoidGrad', { y: run('Sigmoid', { x }), dy: mul<Tensor>(dd, kept.at(0)) }),
        dy: () => run('NativeSoftplusGrad', { dy: dd, x }),
      };
    },
  },
  // The axes stay, with size 1.
  NativeMean: {
    inputs: ['x'],
    gradient: (dd, kept, attributes) => ({
      x: () => {
        const { shape } = kept.at(0);
        const count = sizeOf(numbersAt(attributes, 'axis').map((axis) => sizeAt(shape, axis)));
        return broadcastTo(mul<Tensor>(dd, 1 / count), shape);
      },
    }),
  },
};
