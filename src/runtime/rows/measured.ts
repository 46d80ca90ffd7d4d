/**
 * Figures over all rows of a data set, which may have axes of their own: a mean for each column, the largest value of each
 * channel. Each batch gives its part; the parts are joined on the host in f64.
 *
 * Known after this file: a figure does not depend on the batches, but for rounding, and a deviation keeps its digits where
 * the mean is far from 0.
 */
import type { HostTensor } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import type { Tensor } from '../tensor.js';

export type MeasuredHow = 'mean' | 'sum' | 'variance' | 'std' | 'max_of' | 'min_of';

export interface MeasuredOptions {
  readonly how: MeasuredHow;
  /** Rows in front. Values of other element types count as numbers. */
  readonly of: Tensor;
  /** The axes that are joined, the rows' (0) among them; all of them unless given. */
  readonly axis?: readonly number[] | null;
  /** Of a mean: what each value counts for, in a shape that broadcasts to the values'. */
  readonly weight?: Tensor | null;
}

/** One batch's part of a figure. */
export interface Measured {
  readonly how: MeasuredHow;
  readonly parts: Readonly<Record<string, Tensor>>;
  /** How many values of a row are joined in one of the figure. */
  readonly perRow: number;
}

/** Only in a step. Throws where the rows are not among the axes. */
export function measured({ how, of, axis = null, weight = null }: MeasuredOptions): Measured {
  const x = ops.toFloat(of);
  const axes = axis ?? x.shape.map((_, index) => index);
  if (!axes.includes(0))
    throw new Error(`a figure joins rows: axis 0 must be among its axes, got [${axes.join(', ')}]`);
  const perRow = axes.reduce((count, at) => count * (at === 0 ? 1 : (x.shape[at] ?? 1)), 1);
  const option = { axis: axes };
  if (weight !== null) {
    if (how !== 'mean') throw new Error(`a figure with a weight is a mean, but ${how} arrived`);
    const weights = ops.broadcastTo<Tensor>(ops.toFloat(weight), x.shape);
    const parts = {
      sum: ops.sum<Tensor>(ops.mul<Tensor>(x, weights), option),
      weights: ops.sum<Tensor>(weights, option),
    };
    return { how, parts, perRow };
  }
  if (how === 'max_of') return { how, parts: { most: ops.maxOf<Tensor>(x, option) }, perRow };
  if (how === 'min_of') return { how, parts: { least: ops.minOf<Tensor>(x, option) }, perRow };
  if (how === 'sum' || how === 'mean') return { how, parts: { sum: ops.sum<Tensor>(x, option) }, perRow };
  // Squares of what is left of the batch's own mean: of the values themselves they would lose its digits.
  const kept = x.shape.map((size, at) => (axes.includes(at) ? 1 : size));
  const mean = ops.mean<Tensor>(x, option);
  const apart = ops.sub<Tensor>(x, ops.reshape<Tensor>(mean, { shape: kept }));
  return { how, parts: { mean, squares: ops.sum<Tensor>(ops.square<Tensor>(apart), option) }, perRow };
}

/** Joins the parts of batches. */
export class Joined {
  #count = 0;
  #shape: readonly number[] = [];
  #first: Float64Array | null = null;
  #squares: Float64Array | null = null;
  /** What the values of a weighted mean count for. */
  #weights: Float64Array | null = null;

  constructor(private readonly how: MeasuredHow) {}

  /** Adds a batch of `count` values (rows times values of a row) for each of the figure's own. */
  add(parts: ReadonlyMap<string, HostTensor>, count: number): void {
    const { how } = this;
    const name =
      how === 'max_of'
        ? 'most'
        : how === 'min_of'
          ? 'least'
          : how === 'sum' || how === 'mean'
            ? 'sum'
            : 'mean';
    const part = parts.get(name);
    if (part === undefined) throw new Error(`a batch gave no ${name}; this is a fault of the runtime`);
    this.#shape = part.shape;
    const own = Float64Array.from(part.values);
    const squares = parts.get('squares');
    const weights = parts.get('weights');
    if (weights !== undefined) {
      const known = this.#weights;
      this.#weights = Float64Array.from(weights.values, (value, at) => value + (known?.[at] ?? 0));
    }
    const before = this.#first;
    if (before === null) {
      this.#first = own;
      this.#squares = squares === undefined ? null : Float64Array.from(squares.values);
    } else if (squares === undefined) {
      const join = (a: number, b: number): number =>
        how === 'max_of' ? Math.max(a, b) : how === 'min_of' ? Math.min(a, b) : a + b;
      this.#first = before.map((value, at) => join(value, own[at] ?? Number.NaN));
    } else {
      // Chan et al., 1983: squares around the two means, and what lies between them.
      const all = this.#count + count;
      const gaps = own.map((mean, at) => mean - (before[at] ?? Number.NaN));
      this.#squares = (this.#squares ?? own).map(
        (value, at) =>
          value + (squares.values[at] ?? Number.NaN) + ((gaps[at] ?? 0) ** 2 * this.#count * count) / all,
      );
      this.#first = before.map((mean, at) => mean + ((gaps[at] ?? 0) * count) / all);
    }
    this.#count += count;
  }

  /** The figure. Throws where no batch was added. */
  finish(): HostTensor {
    const { how } = this;
    const first = this.#first;
    if (first === null) throw new Error('a figure of no rows; this is a fault of the runtime');
    const squares = this.#squares ?? first;
    const weights = this.#weights;
    const values =
      how === 'mean'
        ? first.map((sum, at) => sum / (weights?.[at] ?? this.#count))
        : how === 'variance'
          ? squares.map((sum) => sum / this.#count)
          : how === 'std'
            ? squares.map((sum) => Math.sqrt(sum / this.#count))
            : first;
    return { dtype: 'f32', shape: this.#shape, values: Float32Array.from(values) };
  }
}
