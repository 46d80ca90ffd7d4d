/** Convolutions over [batch, height, width, channels]. */
import * as ops from '../ops/index.js';
import type { Tensor1D, Tensor4D } from '../tensor.js';
import { constantInitializer, initializer, type Fans } from './initializers.js';
import { checkCount, checkLast } from './layers.js';
import { Module } from './module.js';
import type { Weight } from './weight.js';

type Padding = 'valid' | 'same';

export interface Conv2dOptions {
  readonly inputs: number;
  readonly filters: number;
  /** The kernel's side. */
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: Padding;
  readonly bias?: boolean;
  readonly init?: string;
}

interface WeightPlan {
  readonly shape: readonly [number, number, number, number];
  readonly fans: Fans;
  readonly biases: number;
}

abstract class Convolution<O extends { readonly bias?: boolean; readonly init?: string }> extends Module<
  [x: Tensor4D],
  Tensor4D
> {
  readonly weight: Weight<Tensor4D>;
  readonly bias: Weight<Tensor1D> | null;

  constructor(
    readonly options: O,
    plan: WeightPlan,
  ) {
    super();
    const size = plan.shape.reduce((product, n) => product * n, 1);
    this.weight = this.addWeight(
      'weight',
      plan.shape,
      initializer(options.init ?? 'glorot_uniform', size, plan.fans),
    );
    this.bias =
      (options.bias ?? true)
        ? this.addWeight('bias', [plan.biases], constantInitializer(plan.biases, 0))
        : null;
  }

  protected biased(y: Tensor4D): Tensor4D {
    return this.bias === null ? y : ops.add<Tensor4D>(y, this.bias.read());
  }
}

/** 2-D convolution. weight is [kernel, kernel, inputs, filters], bias [filters]. */
export class Conv2d extends Convolution<Conv2dOptions> {
  constructor(options: Conv2dOptions) {
    const { inputs, filters, kernel } = options;
    checkConvolution('conv2d', { inputs, filters, kernel, stride: options.stride ?? 1 });
    const area = kernel * kernel;
    super(options, {
      shape: [kernel, kernel, inputs, filters],
      fans: { inputs: area * inputs, outputs: area * filters },
      biases: filters,
    });
  }

  protected override forward(x: Tensor4D): Tensor4D {
    const { inputs, stride = 1, padding = 'valid' } = this.options;
    checkLast('conv2d', x, inputs);
    return this.biased(ops.conv2d(x, this.weight.read(), { stride, padding }));
  }
}

export const conv2d = (options: Conv2dOptions): Conv2d => new Conv2d(options);

/** The gradient of conv2d to its input, as a layer. weight is [kernel, kernel, filters, inputs], bias [filters]. */
export class Conv2dTranspose extends Convolution<Conv2dOptions> {
  constructor(options: Conv2dOptions) {
    const { inputs, filters, kernel } = options;
    checkConvolution('conv2d_transpose', { inputs, filters, kernel, stride: options.stride ?? 1 });
    const area = kernel * kernel;
    super(options, {
      shape: [kernel, kernel, filters, inputs],
      fans: { inputs: area * inputs, outputs: area * filters },
      biases: filters,
    });
  }

  protected override forward(x: Tensor4D): Tensor4D {
    const { inputs, stride = 1, padding = 'valid' } = this.options;
    checkLast('conv2d_transpose', x, inputs);
    return this.biased(ops.conv2dTranspose(x, this.weight.read(), { stride, padding }));
  }
}

export const conv2dTranspose = (options: Conv2dOptions): Conv2dTranspose => new Conv2dTranspose(options);

export interface DepthwiseConv2dOptions {
  readonly inputs: number;
  readonly kernel: number;
  /** Filters for each channel. */
  readonly multiplier?: number;
  readonly stride?: number;
  readonly padding?: Padding;
  readonly bias?: boolean;
  readonly init?: string;
}

/** 2-D convolution of each channel by itself. weight is [kernel, kernel, inputs, multiplier], bias [inputs · multiplier]. */
export class DepthwiseConv2d extends Convolution<DepthwiseConv2dOptions> {
  constructor(options: DepthwiseConv2dOptions) {
    const { inputs, kernel, multiplier = 1 } = options;
    checkConvolution('depthwise_conv2d', { inputs, kernel, multiplier, stride: options.stride ?? 1 });
    const area = kernel * kernel;
    super(options, {
      shape: [kernel, kernel, inputs, multiplier],
      fans: { inputs: area, outputs: area * multiplier },
      biases: inputs * multiplier,
    });
  }

  protected override forward(x: Tensor4D): Tensor4D {
    const { inputs, stride = 1, padding = 'valid' } = this.options;
    checkLast('depthwise_conv2d', x, inputs);
    return this.biased(ops.depthwiseConv2d(x, this.weight.read(), { stride, padding }));
  }
}

export const depthwiseConv2d = (options: DepthwiseConv2dOptions): DepthwiseConv2d =>
  new DepthwiseConv2d(options);

function checkConvolution(layer: string, counts: Readonly<Record<string, number>>): void {
  for (const [option, value] of Object.entries(counts)) checkCount(layer, option, value);
}
