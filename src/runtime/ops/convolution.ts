/** Convolutions and pooling over [batch, height, width, channels]. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { mul } from './arithmetic.js';
import { requireFloat, requireRank, requireWhole, run, sizeAt, tensorText } from './kernel.js';

export type Padding = 'valid' | 'same';

export interface ConvolutionOptions {
  readonly stride?: number;
  readonly padding?: Padding;
}

interface WindowOptions {
  readonly size: number;
  readonly stride?: number | null;
  readonly padding?: Padding;
}

function checkConvolution(
  op: string,
  x: Tensor4D,
  weight: Tensor4D,
  channelAxis: number,
  stride: number,
): void {
  requireRank(op, x, 4);
  requireRank(op, weight, 4, 'weight');
  requireFloat(op, x);
  requireFloat(op, weight, 'weight');
  requireWhole(op, 'stride', stride, 1);
  if (sizeAt(x.shape, 3) !== sizeAt(weight.shape, channelAxis)) {
    throw new Error(`${op} got ${tensorText(x)} and a weight ${tensorText(weight)}; their channels differ`);
  }
}

function checkWindow(op: string, x: Tensor4D, size: number, padding: Padding): void {
  if (padding === 'valid' && (x.shape[1] < size || x.shape[2] < size)) {
    throw new Error(
      `${op} of size ${size} does not fit into ${tensorText(x)}; pad with "same" or use a smaller one`,
    );
  }
}

/** 2-D convolution. `weight` is [height, width, in, out]. */
export function conv2d(
  x: Tensor4D,
  weight: Tensor4D,
  { stride = 1, padding = 'valid' }: ConvolutionOptions = {},
): Tensor4D {
  checkConvolution('conv2d', x, weight, 2, stride);
  checkWindow('conv2d', x, weight.shape[0], padding);
  return run(
    'Conv2D',
    { x, filter: weight },
    {
      strides: [stride, stride],
      pad: padding,
      dataFormat: 'NHWC',
      dilations: [1, 1],
      dimRoundingMode: 'floor',
    },
  );
}

/** The gradient of conv2d to its input, used as a layer. `weight` is [height, width, out, in]. Size n becomes n · stride, or with "valid" (n - 1) · stride + kernel. */
export function conv2dTranspose(
  x: Tensor4D,
  weight: Tensor4D,
  { stride = 1, padding = 'valid' }: ConvolutionOptions = {},
): Tensor4D {
  checkConvolution('conv2dTranspose', x, weight, 3, stride);
  const out = (n: number, kernel: number): number =>
    padding === 'same' ? n * stride : (n - 1) * stride + Math.max(kernel, stride);
  const [rows, height, width] = x.shape;
  const inputShape = [rows, out(height, weight.shape[0]), out(width, weight.shape[1]), weight.shape[2]];
  return run(
    'Conv2DBackpropInput',
    { dy: x, filter: weight },
    { strides: [stride, stride], pad: padding, dataFormat: 'NHWC', dimRoundingMode: 'floor', inputShape },
  );
}

/** 2-D convolution of each channel by itself. `weight` is [height, width, in, multiplier]. */
export function depthwiseConv2d(
  x: Tensor4D,
  weight: Tensor4D,
  { stride = 1, padding = 'valid' }: ConvolutionOptions = {},
): Tensor4D {
  checkConvolution('depthwiseConv2d', x, weight, 2, stride);
  checkWindow('depthwiseConv2d', x, weight.shape[0], padding);
  return run(
    'DepthwiseConv2dNative',
    { x, filter: weight },
    {
      strides: [stride, stride],
      pad: padding,
      dataFormat: 'NHWC',
      dilations: [1, 1],
      dimRoundingMode: 'floor',
    },
  );
}

function pool(
  op: string,
  kernel: string,
  x: Tensor4D,
  { size, stride, padding = 'valid' }: WindowOptions,
): Tensor4D {
  requireRank(op, x, 4);
  requireFloat(op, x);
  requireWhole(op, 'size', size, 1);
  const step = stride ?? size;
  requireWhole(op, 'stride', step, 1);
  checkWindow(op, x, size, padding);
  return run(
    kernel,
    { x },
    { filterSize: [size, size], strides: [step, step], pad: padding, dimRoundingMode: 'floor' },
  );
}

/** The largest value of each window. The gradient goes to the first of several. */
export function maxPool(x: Tensor4D, options: WindowOptions): Tensor4D {
  return pool('maxPool', 'MaxPool', x, options);
}

/** The mean of each window; padding does not count. */
export function avgPool(x: Tensor4D, options: WindowOptions): Tensor4D {
  return pool('avgPool', 'AvgPool', x, options);
}

/** The mean of each channel over the image. */
export function globalAvgPool(x: Tensor4D): Tensor2D {
  requireRank('globalAvgPool', x, 4);
  requireFloat('globalAvgPool', x);
  return mul(run<Tensor2D>('Sum', { x }, { axis: [1, 2], keepDims: false }), 1 / (x.shape[1] * x.shape[2]));
}

/** The largest value of each channel over the image. */
export function globalMaxPool(x: Tensor4D): Tensor2D {
  requireRank('globalMaxPool', x, 4);
  requireFloat('globalMaxPool', x);
  return run('Max', { x }, { reductionIndices: [1, 2], keepDims: false });
}
