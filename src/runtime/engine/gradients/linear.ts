/** Gradients of matrix products, convolutions and pooling. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { run } from '../../ops/kernel.js';
import { numbersAt, unbroadcast, type Attributes, type Rule, type Rules } from './rule.js';

function product(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  return run('BatchMatMul', { a, b }, { transposeA, transposeB });
}

/** Strides and padding of a convolution as kernels take them. */
export function convolution(attributes: Attributes) {
  const strides = numbersAt(attributes, 'strides');
  return {
    strides: [...strides],
    pad: padding(attributes),
    dataFormat: 'NHWC',
    dimRoundingMode: 'floor',
  };
}

function padding(attributes: Attributes): 'same' | 'valid' {
  const { pad } = attributes;
  if (pad !== 'same' && pad !== 'valid') {
    throw new Error(`the gradient of a convolution knows padding "same" and "valid", not ${String(pad)}`);
  }
  return pad;
}

/** The windows of a pooling as kernels take them. */
export function pooling(attributes: Attributes) {
  return {
    filterSize: [...numbersAt(attributes, 'filterSize')],
    strides: [...numbersAt(attributes, 'strides')],
    pad: padding(attributes),
    dimRoundingMode: 'floor',
  };
}

function pool(kernel: string): Rule {
  return {
    inputs: ['x'],
    output: true,
    gradient: (dy, kept, attributes) => ({
      x: () => run(kernel, { dy, input: kept.at(0), output: kept.output }, pooling(attributes)),
    }),
  };
}

export const linear: Rules = {
  BatchMatMul: {
    inputs: ['a', 'b'],
    gradient: (dy, kept, attributes) => {
      const a = kept.at(0);
      const b = kept.at(1);
      const ta = attributes['transposeA'] === true;
      const tb = attributes['transposeB'] === true;
      return {
        a: () => unbroadcast(ta ? product(b, dy, tb, true) : product(dy, b, false, !tb), a.shape),
        b: () => unbroadcast(tb ? product(dy, a, true, ta) : product(a, dy, !ta, false), b.shape),
      };
    },
  },
  Conv2D: {
    inputs: ['x', 'filter'],
    gradient: (dy, kept, attributes) => {
      const x = kept.at(0);
      const filter = kept.at(1);
      const options = convolution(attributes);
      return {
        x: () => run('Conv2DBackpropInput', { dy, filter }, { ...options, inputShape: [...x.shape] }),
        filter: () => run('Conv2DBackpropFilter', { x, dy }, { ...options, filterShape: [...filter.shape] }),
      };
    },
  },
  Conv2DBackpropInput: {
    inputs: ['dy', 'filter'],
    gradient: (ddx, kept, attributes) => {
      const dy = kept.at(0);
      const filter = kept.at(1);
      const options = convolution(attributes);
      return {
        dy: () => run('Conv2D', { x: ddx, filter }, { ...options, dilations: [1, 1] }),
        filter: () =>
          run('Conv2DBackpropFilter', { x: ddx, dy }, { ...options, filterShape: [...filter.shape] }),
      };
    },
  },
  DepthwiseConv2dNative: {
    inputs: ['x', 'filter'],
    gradient: (dy, kept, attributes) => {
      const x = kept.at(0);
      const filter = kept.at(1);
      const options = convolution(attributes);
      return {
        x: () =>
          run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { ...options, inputShape: [...x.shape] }),
        filter: () =>
          run(
            'DepthwiseConv2dNativeBackpropFilter',
            { x, dy },
            { ...options, filterShape: [...filter.shape] },
          ),
      };
    },
  },
  MaxPool: pool('MaxPoolGrad'),
  AvgPool: pool('AvgPoolGrad'),
};
