/** Convolutions over [batch, height, width, channels]. */
import * as ops from '../ops/index.js';
import type { Tensor1D, Tensor4D } from '../tensor.js';
import { constantInitializer, initializer, type Fans } from './initializers.js';
import { checkCount, checkLast } from './layers.js';
import { Module } from './module.js';
import type { Weight } from './weight.js';

type Padding = 'valid' | 'same';

/** What all convolutions take. Counts are whole numbers of at least 1. */
interface WindowOptions {
  /** Channels of the input. */
  readonly inputs: number;
  /** The kernel's side. */
  readonly kernel: number;
  /** Steps from one place of the kernel to the next; 1 unless given. */
  readonly stride?: number;
  /** `valid` (unless given): the kernel stays inside the image; `same`: as many places as pixels, divided by the stride. */
  readonly padding?: Padding;
  /** Whether a learned number is added to each channel; true unless given. */
  readonly bias?: boolean;
  /** First values of the kernel, by name (see `initializer`); `glorot_uniform` unless given. */
  readonly init?: string;
}

export interface Conv2dOptions extends WindowOptions {
  /** Channels of the output; a whole number of at least 1. */
  readonly filters: number;
}

export interface DepthwiseConv2dOptions extends WindowOptions {
  /** Filters for each channel; a whole number of at least 1, 1 unless given. */
  readonly multiplier?: number;
}

/** How a kind of convolution differs from the others. */
interface Kind {
  /** As in messages. */
  readonly layer: string;
  readonly convolve: (
    x: Tensor4D,
    weight: Tensor4D,
    options: { readonly stride: number; readonly padding: Padding },
  ) => Tensor4D;
  /** Sizes of the weight's last two axes. */
  readonly channels: readonly [number, number];
  /** Channels that one output sums, and that one input feeds. */
  readonly fans: Fans;
  /** Channels of the output. */
  readonly outputs: number;
  /** The option that says how many there are. */
  readonly count: readonly [option: string, value: number];
}

abstract class Convolution<O extends WindowOptions> extends Module<[x: Tensor4D], Tensor4D> {
  readonly weight: Weight<Tensor4D>;
  readonly bias: Weight<Tensor1D> | null;
  readonly #kind: Kind;

  constructor(
    readonly options: O,
    kind: Kind,
  ) {
    super();
    this.#kind = kind;
    const { inputs, kernel, stride = 1, bias = true, init = 'glorot_uniform' } = options;
    const { layer, channels, fans, outputs, count } = kind;
    const counts = [
      ['inputs', inputs] as const,
      ['kernel', kernel] as const,
      ['stride', stride] as const,
      count,
    ];
    for (const [option, value] of counts) checkCount(layer, option, value);
    const area = kernel * kernel;
    this.weight = this.addWeight(
      'weight',
      [kernel, kernel, ...channels],
      initializer(init, area * channels[0] * channels[1], {
        inputs: area * fans.inputs,
        outputs: area * fans.outputs,
        columns: channels[1],
      }),
    );
    this.bias = bias ? this.addWeight('bias', [outputs], constantInitializer(outputs, 0)) : null;
  }

  protected override forward(x: Tensor4D): Tensor4D {
    const { inputs, stride = 1, padding = 'valid' } = this.options;
    const { layer, convolve } = this.#kind;
    checkLast(layer, x, inputs);
    const y = convolve(x, this.weight.read(), { stride, padding });
    return this.bias === null ? y : ops.add<Tensor4D>(y, this.bias.read());
  }
}

/** 2-D convolution. weight is [kernel, kernel, inputs, filters], bias [filters]. */
export class Conv2d extends Convolution<Conv2dOptions> {
  constructor(options: Conv2dOptions) {
    const { inputs, filters } = options;
    super(options, {
      layer: 'conv2d',
      convolve: ops.conv2d,
      channels: [inputs, filters],
      fans: { inputs, outputs: filters },
      outputs: filters,
      count: ['filters', filters],
    });
  }
}

export const conv2d = (options: Conv2dOptions): Conv2d => new Conv2d(options);

/** The gradient of conv2d to its input, as a layer. weight is [kernel, kernel, filters, inputs], bias [filters]. */
export class Conv2dTranspose extends Convolution<Conv2dOptions> {
  constructor(options: Conv2dOptions) {
    const { inputs, filters } = options;
    super(options, {
      layer: 'conv2d_transpose',
      convolve: ops.conv2dTranspose,
      channels: [filters, inputs],
      fans: { inputs, outputs: filters },
      outputs: filters,
      count: ['filters', filters],
    });
  }
}

export const conv2dTranspose = (options: Conv2dOptions): Conv2dTranspose => new Conv2dTranspose(options);

/** 2-D convolution of each channel by itself. weight is [kernel, kernel, inputs, multiplier], bias [inputs · multiplier]. */
export class DepthwiseConv2d extends Convolution<DepthwiseConv2dOptions> {
  constructor(options: DepthwiseConv2dOptions) {
    const { inputs, multiplier = 1 } = options;
    super(options, {
      layer: 'depthwise_conv2d',
      convolve: ops.depthwiseConv2d,
      channels: [inputs, multiplier],
      fans: { inputs: 1, outputs: multiplier },
      outputs: inputs * multiplier,
      count: ['multiplier', multiplier],
    });
  }
}

export const depthwiseConv2d = (options: DepthwiseConv2dOptions): DepthwiseConv2d =>
  new DepthwiseConv2d(options);
