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
  /** Of a mean: what each value counts for, in a shape that broadcasts to the values'. Where it is 0 a value does nothing, also NaN. */
  readonly weight?: Tensor | null;
  /** Which of the values are missing, where some may be: the figure is of the others. Of the values' shape, bool. */
  readonly missing?: Tensor | null;
}

/** One batch's part of a figure. */
export interface Measured {
  readonly how: MeasuredHow;
  readonly parts: Readonly<Record<string, Tensor>>;
  /** How many values of a row are joined in one of the figure, where none is missing. */
  readonly perRow: number;
}

/** Only in a step. Throws where the rows are not among the axes. */
export function measured({ how, of, axis = null, weight = null, missing = null }: MeasuredOptions): Measured {
  const x = ops.toFloat(of);
  const axes = axis ?? x.shape.map((_, index) => index);
  if (!axes.includes(0))
    throw new Error(`a figure joins rows: axis 0 must be among its axes, got [${axes.join(', ')}]`);
  const perRow = axes.reduce((count, at) => count * (at === 0 ? 1 : (x.shape[at] ?? 1)), 1);
  const option = { axis: axes };
  if (weight !== null) {
    if (how !== 'mean') throw new Error(`a figure with a weight is a mean, but ${how} arrived`);
    const given = ops.broadcastTo<Tensor>(ops.toFloat(weight), x.shape);
    const weights = missing === null ? given : ops.select<Tensor>(missing, 0, given);
    // 0 · NaN would be NaN.
    const weighted = ops.select<Tensor>(ops.equal<Tensor>(weights, 0), 0, ops.mul<Tensor>(x, weights));
    const parts = { count: ops.sum<Tensor>(weights, option), sum: ops.sum<Tensor>(weighted, option) };
    return { how, parts, perRow };
  }
  if (missing !== null) return { how, parts: partsOfKnown(how, x, missing, axes), perRow };
  if (how === 'max_of') return { how, parts: { most: ops.maxOf<Tensor>(x, option) }, perRow };
  if (how === 'min_of') return { how, parts: { least: ops.minOf<Tensor>(x, option) }, perRow };
  if (how === 'sum' || how === 'mean') return { how, parts: { sum: ops.sum<Tensor>(x, option) }, perRow };
  // Squares of what is left of the batch's own mean: of the values themselves they would lose its digits.
  const kept = x.shape.map((size, at) => (axes.includes(at) ? 1 : size));
  const mean = ops.mean<Tensor>(x, option);
  const apart = ops.sub<Tensor>(x, ops.reshape<Tensor>(mean, { shape: kept }));
  return { how, parts: { mean, squares: ops.sum<Tensor>(ops.square<Tensor>(apart), option) }, perRow };
}

/** The parts of a batch in which values are missing, with the number of those that are there as a part of their own. */
function partsOfKnown(
  how: MeasuredHow,
  x: Tensor,
  missing: Tensor,
  axes: readonly number[],
): Measured['parts'] {
  const option = { axis: axes };
  const known = ops.toFloat(ops.not(missing));
  const count = ops.sum<Tensor>(known, option);
  const filled = (value: number): Tensor => ops.select<Tensor>(missing, value, x);
  if (how === 'max_of') return { count, most: ops.maxOf<Tensor>(filled(-Infinity), option) };
  if (how === 'min_of') return { count, least: ops.minOf<Tensor>(filled(Infinity), option) };
  const sum = ops.sum<Tensor>(filled(0), option);
  if (how === 'sum' || how === 'mean') return { count, sum };
  const kept = x.shape.map((size, at) => (axes.includes(at) ? 1 : size));
  const mean = ops.div<Tensor>(sum, ops.max<Tensor>(count, 1));
  const apart = ops.sub<Tensor>(x, ops.reshape<Tensor>(mean, { shape: kept }));
  return {
    count,
    mean,
    squares: ops.sum<Tensor>(ops.square<Tensor>(ops.select<Tensor>(missing, 0, apart)), option),
  };
}

/** Joins the parts of batches. */
export class Joined {
  /** How many values each number of the figure is of. */
  #counts: Float64Array | null = null;
  #shape: readonly number[] = [];
  #first: Float64Array | null = null;
  #squares: Float64Array | null = null;

  constructor(private readonly how: MeasuredHow) {}

  /**
   * Adds a batch of `count` values (rows times values of a row) for each of the figure's own; where some are missing, the batch says
   * itself how many there are.
   */
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
    const known = parts.get('count');
    const counts = known === undefined ? own.map(() => count) : Float64Array.from(known.values);
    const squares = parts.get('squares');
    const [before, seen] = [this.#first, this.#counts];
    if (before === null || seen === null) {
      this.#first = own;
      this.#counts = counts;
      this.#squares = squares === undefined ? null : Float64Array.from(squares.values);
      return;
    }
    const all = seen.map((each, at) => each + (counts[at] ?? 0));
    if (squares === undefined) {
      const join = (a: number, b: number): number =>
        how === 'max_of' ? Math.max(a, b) : how === 'min_of' ? Math.min(a, b) : a + b;
      this.#first = before.map((value, at) => join(value, own[at] ?? Number.NaN));
    } else {
      // Chan et al., 1983: squares around the two means, and what lies between them.
      const gaps = own.map((mean, at) => mean - (before[at] ?? Number.NaN));
      // What no batch has a value of yet has a mean of 0 and a weight of 0.
      const shareOf = (at: number): number => (counts[at] ?? 0) / Math.max(1, all[at] ?? 0);
      this.#squares = (this.#squares ?? own).map(
        (value, at) =>
          value + (squares.values[at] ?? Number.NaN) + (gaps[at] ?? 0) ** 2 * (seen[at] ?? 0) * shareOf(at),
      );
      this.#first = before.map((mean, at) => mean + (gaps[at] ?? 0) * shareOf(at));
    }
    this.#counts = all;
  }

  /** Whether some number of the figure is of no value at all: all of its values were missing. */
  get isOfNothing(): boolean {
    return this.#counts?.some((count) => count === 0) ?? false;
  }

  /** The figure. Throws where no batch was added. */
  finish(): HostTensor {
    const { how } = this;
    const [first, counts] = [this.#first, this.#counts];
    if (first === null || counts === null)
      throw new Error('a figure of no rows; this is a fault of the runtime');
    const squares = this.#squares ?? first;
    const over = (sums: Float64Array): Float64Array => sums.map((sum, at) => sum / (counts[at] ?? 0));
    const values =
      how === 'mean'
        ? over(first)
        : how === 'variance'
          ? over(squares)
          : how === 'std'
            ? over(squares).map(Math.sqrt)
            : first;
    return { dtype: 'f32', shape: this.#shape, values: Float32Array.from(values) };
  }
}
