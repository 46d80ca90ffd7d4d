/** Reductions along axes, or of everything. Sums and means of whole numbers and bools are f32. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { div, equal, exp, greater, less, log, max, mul, sqrt, square, sub, select } from './arithmetic.js';
import { ownGradient, savedAt } from './own-gradient.js';
import {
  axesOf,
  axisOf,
  broadcastTo,
  constant,
  filled,
  requireFloat,
  requireInteger,
  requireWhole,
  run,
  shapeText,
  sizeAt,
  sizeOf,
  tensorText,
  toFloat,
} from './kernel.js';
import { expandDims, range, reshape, stopGradient } from './shapes.js';

/** `axis`: one, several, or (null) all. */
export interface AxisOption {
  readonly axis?: number | readonly number[] | null;
}

function total<R extends Tensor>(x: Tensor, axes: readonly number[], keepDims = false): R {
  return axes.length === 0 ? run<R>('Identity', { x }) : run<R>('Sum', { x }, { axis: [...axes], keepDims });
}

function countOf(x: Tensor, axes: readonly number[]): number {
  return sizeOf(axes.map((axis) => sizeAt(x.shape, axis)));
}

/** The sum along axes, or of everything. */
export function sum<R extends Tensor>(x: Tensor, { axis }: AxisOption = {}): R {
  return total<R>(toFloat(x), axesOf('sum', axis, x.rank));
}

/** The mean along axes, or of everything; with a weight (of a shape that broadcasts to x's), sum(x · weight) / sum(weight). */
export function mean<R extends Tensor>(
  x: Tensor,
  { axis, weight }: AxisOption & { readonly weight?: Tensor | null | undefined } = {},
): R {
  const values = toFloat(x);
  const axes = axesOf('mean', axis, x.rank);
  if (weight === undefined || weight === null) {
    return mul<R>(total(values, axes), 1 / countOf(x, axes));
  }
  const weights = broadcastTo<Tensor>(toFloat(alignedWeight(values, weight)), values.shape);
  // 0 · NaN would be NaN: what weighs nothing does not count, whatever it is.
  const weighed = select<Tensor>(equal<Tensor>(weights, 0), 0, mul(values, weights));
  return div<R>(total(weighed, axes), total(weights, axes));
}

/** A weight with fewer axes than the values weighs their first axes (rows). */
function alignedWeight(x: Tensor, weight: Tensor): Tensor {
  if (weight.rank > x.rank || weight.shape.some((size, i) => size !== x.shape[i] && size !== 1)) {
    throw new Error(
      `mean got a weight of shape ${shapeText(weight.shape)} for ${tensorText(x)}; its axes must be the first ones of the values`,
    );
  }
  return weight.rank === x.rank
    ? weight
    : reshape(weight, { shape: [...weight.shape, ...x.shape.slice(weight.rank).map(() => 1)] });
}

/** The largest value along axes, or of everything. The gradient goes to all that are largest, in equal parts. */
export function maxOf<R extends Tensor>(x: Tensor, { axis }: AxisOption = {}): R {
  const axes = axesOf('maxOf', axis, x.rank);
  const values = x.dtype === 'bool' ? toFloat(x) : x;
  return run<R>('Max', { x: values }, { reductionIndices: axes, keepDims: false });
}

/** The smallest value along axes, or of everything. The gradient goes to all that are smallest, in equal parts. */
export function minOf<R extends Tensor>(x: Tensor, { axis }: AxisOption = {}): R {
  const axes = axesOf('minOf', axis, x.rank);
  const values = x.dtype === 'bool' ? toFloat(x) : x;
  return run<R>('Min', { x: values }, { axis: axes, keepDims: false });
}

/** Population variance along axes (divided by the count). */
export function variance<R extends Tensor>(x: Tensor, { axis }: AxisOption = {}): R {
  requireFloat('variance', x);
  const axes = axesOf('variance', axis, x.rank);
  const share = 1 / countOf(x, axes);
  const centred = sub<Tensor>(x, mul(total<Tensor>(x, axes, true), share));
  return mul<R>(total(square(centred), axes), share);
}

/** Population standard deviation along axes (divided by the count). */
export function std<R extends Tensor>(x: Tensor, options: AxisOption = {}): R {
  return sqrt(variance<R>(x, options));
}

/** Euclidean norm along axes. Its gradient at 0 is 0. */
export function norm<R extends Tensor>(x: Tensor, { axis }: AxisOption = {}): R {
  requireFloat('norm', x);
  const axes = axesOf('norm', axis, x.rank);
  const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  return ownGradient<R>(
    [x],
    () => {
      const value = sqrt(total<Tensor>(square(x), axes));
      return { value, saved: [value] };
    },
    (dy, saved) => {
      const length = savedAt(saved, 0);
      const share = select<Tensor>(greater(length, 0), div<Tensor>(dy, length), 0);
      return [mul<Tensor>(x, reshape(share, { shape: kept }))];
    },
    (dy) => {
      // Divided by 1 where the norm is 0, so that the gradient of what is left out there is no NaN.
      const length = norm<Tensor>(x, { axis: axes });
      const some = greater<Tensor>(length, 0);
      const share = select<Tensor>(some, div<Tensor>(dy, select<Tensor>(some, length, 1)), 0);
      return [mul<Tensor>(x, reshape(share, { shape: kept }))];
    },
  );
}

/** Vectors along one axis brought to length 1; one that is shorter than 1e-12 is divided by that. */
export function unit<T extends Tensor>(x: T, { axis = -1 }: { readonly axis?: number } = {}): T {
  const at = axisOf('unit', axis, x.rank);
  const shape = x.shape.map((size, i) => (i === at ? 1 : size));
  const length = max<Tensor>(norm<Tensor>(x, { axis: at }), 1e-12);
  return div<T>(x, reshape<T>(length, { shape }));
}

/** log(sum(exp(x))) along axes, without overflow. */
export function logSumExp<R extends Tensor>(x: Tensor, { axis }: AxisOption = {}): R {
  requireFloat('logSumExp', x);
  const axes = axesOf('logSumExp', axis, x.rank);
  const shape = x.shape.filter((_, i) => !axes.includes(i));
  const largest = stopGradient(run<Tensor>('Max', { x }, { reductionIndices: axes, keepDims: true }));
  const rest = log(total<Tensor>(exp(sub<Tensor>(x, largest)), axes));
  return run<R>('Add', { a: rest, b: reshape(largest, { shape }) });
}

/** The index of the largest value along one axis, the first of several. */
export function argmax<R extends Tensor>(x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): R {
  const at = axisOf('argmax', axis, x.rank);
  return run<R>('ArgMax', { x: x.dtype === 'bool' ? toFloat(x) : x }, { axis: at });
}

/** The index of the smallest value along one axis, the first of several. */
export function argmin<R extends Tensor>(x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): R {
  const at = axisOf('argmin', axis, x.rank);
  return run<R>('ArgMin', { x: x.dtype === 'bool' ? toFloat(x) : x }, { axis: at });
}

/** Whether fewer than `k` classes have a larger logit than the label's. */
export function inTop<T extends Tensor>(logits: Tensor, label: T, { k }: { readonly k: number }): T {
  requireWhole('inTop', 'k', k, 1);
  requireFloat('inTop', logits, 'logits');
  requireInteger('inTop', label, 'label');
  const classes = logits.shape.at(-1);
  if (classes === undefined || shapeText(logits.shape.slice(0, -1)) !== shapeText(label.shape)) {
    throw new Error(
      `inTop got logits ${tensorText(logits)} and labels ${tensorText(label)}; they must differ by the last axis only`,
    );
  }
  const last = [logits.rank - 1];
  const own = run<Tensor>('Equal', {
    a: expandDims(label, { axis: label.rank }),
    b: range({ count: classes }),
  });
  const lowest = filled<Tensor>(logits.shape, Number.NEGATIVE_INFINITY);
  const picked = run<Tensor>(
    'Max',
    { x: run('Select', { condition: own, t: logits, e: lowest }) },
    { reductionIndices: last, keepDims: true },
  );
  const above = run<Tensor>(
    'Sum',
    { x: toFloat(greater<Tensor>(logits, picked)) },
    { axis: last, keepDims: false },
  );
  return less<T>(above, constant(k));
}
