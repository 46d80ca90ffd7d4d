/** Layers that normalize. All compute in f32 over the last axis' channels. */
import * as ops from '../ops/index.js';
import { ranked, type Tensor, type Tensor1D } from '../tensor.js';
import { assignLater, currentStep } from '../trainer/step-context.js';
import { fusedBatchNorm, fusedLayerNorm } from './fused-norm.js';
import { constantInitializer } from './initializers.js';
import { checkCount, checkLast } from './layers.js';
import { Module } from './module.js';
import type { Weight } from './weight.js';

export interface NormOptions {
  /** Values in the last axis; a whole number of at least 1. */
  readonly inputs: number;
  /** Added to what is divided by, under the root; above 0. 1e-5 unless given, 1e-6 for rms_norm. */
  readonly epsilon?: number;
}

export interface BatchNormOptions extends NormOptions {
  /** The fraction of the running statistics that is kept at each step, from 0 to below 1; 0.9 unless given. */
  readonly momentum?: number;
}

abstract class Norm<O extends NormOptions> extends Module<[x: Tensor], Tensor> {
  readonly gamma: Weight<Tensor1D>;

  constructor(
    readonly options: O,
    layer: string,
  ) {
    super();
    checkCount(layer, 'inputs', options.inputs);
    const { epsilon } = options;
    if (epsilon !== undefined && !(epsilon > 0))
      throw new Error(`${layer} takes an epsilon above 0, got ${epsilon}`);
    this.gamma = this.addWeight('gamma', [options.inputs], constantInitializer(options.inputs, 1));
  }

  override call<T extends Tensor>(x: T): T {
    return ranked<T>(super.call(x));
  }
}

/**
 * Normalizes each channel over the batch and every other axis (Ioffe & Szegedy, 2015), while training by the batch's mean
 * and population variance, in evaluation by running ones. Both running statistics move by (1 - momentum) of the batch's
 * in each call; the variance is the population's, as Keras keeps it.
 */
export class BatchNorm extends Norm<BatchNormOptions> {
  readonly beta: Weight<Tensor1D>;
  readonly mean: Weight<Tensor1D>;
  readonly variance: Weight<Tensor1D>;

  constructor(options: BatchNormOptions) {
    super(options, 'batch_norm');
    const { inputs, momentum = 0.9 } = options;
    if (!(momentum >= 0 && momentum < 1))
      throw new Error(`batch_norm takes a momentum from 0 to below 1, got ${momentum}`);
    this.beta = this.addWeight('beta', [inputs], constantInitializer(inputs, 0));
    this.mean = this.addState('mean', [inputs], constantInitializer(inputs, 0));
    this.variance = this.addState('variance', [inputs], constantInitializer(inputs, 1));
  }

  protected override forward(x: Tensor): Tensor {
    const { inputs, epsilon = 1e-5 } = this.options;
    checkLast('batch_norm', x, inputs);
    if (currentStep().mode === 'eval') {
      // One multiplication and one addition per value: scale = γ / √(σ² + ε), shift = β - μ · scale.
      const scale: Tensor = ops.mul<Tensor>(
        this.gamma.read(),
        ops.rsqrt(ops.add(this.variance.read(), epsilon)),
      );
      const shift: Tensor = ops.sub<Tensor>(this.beta.read(), ops.mul<Tensor>(this.mean.read(), scale));
      return ops.add<Tensor>(ops.mul<Tensor>(x, scale), shift);
    }
    if (x.rank < 2)
      throw new Error(`batch_norm needs a batch axis and a channel axis, got [${x.shape.join(', ')}]`);
    const fused = fusedBatchNorm(x, this.gamma.read(), this.beta.read(), epsilon);
    if (fused !== null) {
      this.#keep(this.mean, fused.mean);
      this.#keep(this.variance, fused.variance);
      return fused.value;
    }
    const axis = x.shape.slice(0, -1).map((_, index) => index);
    const mean: Tensor = ops.mean(x, { axis });
    const centred = ops.sub<Tensor>(x, mean);
    const variance: Tensor = ops.mean(ops.square(centred), { axis });
    this.#keep(this.mean, mean);
    this.#keep(this.variance, variance);
    const scale: Tensor = ops.mul<Tensor>(ops.rsqrt(ops.add<Tensor>(variance, epsilon)), this.gamma.read());
    return ops.add<Tensor>(ops.mul<Tensor>(centred, scale), this.beta.read());
  }

  #keep(running: Weight<Tensor1D>, batch: Tensor): void {
    const { momentum = 0.9 } = this.options;
    const kept = ops.mul<Tensor>(running.read(), momentum);
    assignLater(
      running.variable,
      ops.add<Tensor>(kept, ops.mul<Tensor>(ops.stopGradient(batch), 1 - momentum)),
    );
  }
}

export const batchNorm = (options: BatchNormOptions): BatchNorm => new BatchNorm(options);

/** Normalizes over the last axis by mean and population variance (Ba et al., 2016). */
export class LayerNorm extends Norm<NormOptions> {
  readonly beta: Weight<Tensor1D>;

  constructor(options: NormOptions) {
    super(options, 'layer_norm');
    this.beta = this.addWeight('beta', [options.inputs], constantInitializer(options.inputs, 0));
  }

  protected override forward(x: Tensor): Tensor {
    const { inputs, epsilon = 1e-5 } = this.options;
    checkLast('layer_norm', x, inputs);
    const fused = fusedLayerNorm(x, this.gamma.read(), this.beta.read(), epsilon);
    if (fused !== null) return fused;
    const centred = ops.sub<Tensor>(x, lastMean(x));
    const scale = ops.rsqrt(ops.add<Tensor>(lastMean(ops.square(centred)), epsilon));
    const normal = ops.mul<Tensor>(centred, scale);
    return ops.add<Tensor>(ops.mul<Tensor>(normal, this.gamma.read()), this.beta.read());
  }
}

export const layerNorm = (options: NormOptions): LayerNorm => new LayerNorm(options);

/** Divides by the root mean square over the last axis (Zhang & Sennrich, 2019). */
export class RmsNorm extends Norm<NormOptions> {
  constructor(options: NormOptions) {
    super(options, 'rms_norm');
  }

  protected override forward(x: Tensor): Tensor {
    const { inputs, epsilon = 1e-6 } = this.options;
    checkLast('rms_norm', x, inputs);
    const scale = ops.rsqrt(ops.add<Tensor>(lastMean(ops.square(x)), epsilon));
    return ops.mul<Tensor>(ops.mul<Tensor>(x, scale), this.gamma.read());
  }
}

export const rmsNorm = (options: NormOptions): RmsNorm => new RmsNorm(options);

function lastMean(x: Tensor): Tensor {
  return ops.expandDims(ops.mean<Tensor>(x, { axis: -1 }), { axis: -1 });
}
