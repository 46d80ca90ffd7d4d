/** Layers that multiply, look up and drop. They keep the axes before the last. */
import * as ops from '../ops/index.js';
import { ranked, type Tensor, type Tensor1D, type Tensor2D } from '../tensor.js';
import { currentStep } from '../trainer/step-context.js';
import { constantInitializer, initializer } from './initializers.js';
import { Module } from './module.js';
import type { Weight } from './weight.js';
import { counted } from '../../values/counted.js';

/** A whole number of at least 1, or an error that names the layer and the option. */
export function checkCount(layer: string, option: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`${layer} takes a whole number of at least 1 as ${option}, got ${value}`);
  }
}

/** The last axis must have this size. */
export function checkLast(layer: string, x: Tensor, size: number): void {
  if (x.rank === 0 || x.shape.at(-1) !== size) {
    throw new Error(
      `${layer} was made for ${counted(size, 'value')} in the last axis, got [${x.shape.join(', ')}]; check what comes before it`,
    );
  }
}

export interface DenseOptions {
  /** Values in the last axis of the input; a whole number of at least 1. */
  readonly inputs: number;
  /** Values in the last axis of the output; a whole number of at least 1. */
  readonly units: number;
  /** Whether a learned number is added to each unit; true unless given. */
  readonly bias?: boolean;
  /** First values of the weight, by name (see `initializer`); `glorot_uniform` unless given. */
  readonly init?: string;
}

/** x · weight + bias over the last axis. weight is [inputs, units], bias [units]. */
export class Dense extends Module<[x: Tensor], Tensor> {
  readonly weight: Weight<Tensor2D>;
  readonly bias: Weight<Tensor1D> | null;

  constructor(readonly options: DenseOptions) {
    super();
    const { inputs, units, bias = true, init = 'glorot_uniform' } = options;
    checkCount('dense', 'inputs', inputs);
    checkCount('dense', 'units', units);
    this.weight = this.addWeight(
      'weight',
      [inputs, units],
      initializer(init, inputs * units, { inputs, outputs: units }),
    );
    this.bias = bias ? this.addWeight('bias', [units], constantInitializer(units, 0)) : null;
  }

  override call<T extends Tensor>(x: T): T {
    return ranked<T>(super.call(x));
  }

  protected override forward(x: Tensor): Tensor {
    checkLast('dense', x, this.options.inputs);
    const weight = this.weight.read();
    // The product takes two axes or more.
    const rows: Tensor = x.rank === 1 ? ops.expandDims(x, { axis: 0 }) : x;
    const product: Tensor = ops.matmul(rows, weight);
    const y: Tensor = x.rank === 1 ? ops.squeeze(product, { axis: 0 }) : product;
    return this.bias === null ? y : ops.add<Tensor>(y, this.bias.read());
  }
}

export const dense = (options: DenseOptions): Dense => new Dense(options);

export interface EmbeddingOptions {
  /** Rows of the table; a whole number of at least 1. Indices are 0 to count - 1. */
  readonly count: number;
  /** Values in a row; a whole number of at least 1. */
  readonly width: number;
  /** First values of the table, by name (see `initializer`); `normal_0.02` unless given. */
  readonly init?: string;
}

/** A learned row for each index below `count`. weight is [count, width]. */
export class Embedding extends Module<[index: Tensor], Tensor> {
  readonly weight: Weight<Tensor2D>;

  constructor(readonly options: EmbeddingOptions) {
    super();
    const { count, width, init = 'normal_0.02' } = options;
    checkCount('embedding', 'count', count);
    checkCount('embedding', 'width', width);
    this.weight = this.addWeight(
      'weight',
      [count, width],
      initializer(init, count * width, { inputs: count, outputs: width }),
    );
  }

  override call<R extends Tensor>(index: Tensor): R {
    return ranked<R>(super.call(index));
  }

  protected override forward(index: Tensor): Tensor {
    return ops.take(this.weight.read(), index);
  }
}

export const embedding = (options: EmbeddingOptions): Embedding => new Embedding(options);

export interface DropoutOptions {
  /** The fraction that is set to 0: from 0 to below 1. */
  readonly rate: number;
}

/** Sets a fraction `rate` of values to 0 while training and scales the others by 1 / (1 - rate) (Srivastava et al., 2014). */
export class Dropout extends Module<[x: Tensor], Tensor> {
  constructor(readonly options: DropoutOptions) {
    super();
    const { rate } = options;
    if (!(rate >= 0 && rate < 1)) throw new Error(`dropout takes a rate from 0 to below 1, got ${rate}`);
  }

  override call<T extends Tensor>(x: T): T {
    return ranked<T>(super.call(x));
  }

  protected override forward(x: Tensor): Tensor {
    const { rate } = this.options;
    if (rate === 0 || currentStep().mode === 'eval') return x;
    const kept = ops.greaterEqual(ops.uniformLike(x, { draw: 'dropout' }), rate);
    return ops.mul<Tensor>(x, ops.mul<Tensor>(ops.cast(kept, { to: 'f32' }), 1 / (1 - rate)));
  }
}

export const dropout = (options: DropoutOptions): Dropout => new Dropout(options);
