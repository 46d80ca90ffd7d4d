/**
 * What metrics of classes count: rows with a guess, a label and a weight. Rows of any number of axes are one list of rows
 * here. A row of weight 0 counts nothing, whatever stands in it; one of another weight that holds NaN makes the metric NaN.
 */
import * as ops from '../ops/index.js';
import { sizeOf, tensorText } from '../ops/kernel.js';
import type { Total, Totals } from '../rows/reduction.js';
import { scalarTotal } from '../rows/reduction.js';
import type { Tensor, Tensor1D, Tensor2D } from '../tensor.js';

export interface WeightOption {
  /** One number for each row; those of weight 0 do not count. */
  readonly weight?: Tensor | null;
}

export interface ClassOptions extends WeightOption {
  /** How many classes there are, where the first argument is classes and not logits. */
  readonly classes?: number | null;
  /** Of one logit a row: class 1 is guessed above it. */
  readonly threshold?: number;
}

/** Rows by class. `rows` is how many there are, whatever they weigh. */
export interface Decisions {
  readonly rows: number;
  readonly classes: number;
  /** Whether the rows have one logit: class 1 or class 0. */
  readonly binary: boolean;
  /** 1 at the class: [rows, classes], f32. */
  readonly guess: Tensor2D;
  readonly truth: Tensor2D;
  /** [rows, 1], f32. */
  readonly weight: Tensor2D;
  /** Totals that every metric of rows has: what all of them weigh, and what of it is NaN. */
  readonly common: readonly (readonly [string, Total])[];
}

const isNaN = (x: Tensor): Tensor => ops.toFloat(ops.notEqual<Tensor>(x, x));

/** Whether a row holds NaN, as 0 or 1: [rows, 1]. */
export function rowsWithNaN(x: Tensor, rows: number): Tensor2D {
  const wide = ops.reshape<Tensor2D>(isNaN(x), { shape: [rows, sizeOf(x.shape) / Math.max(1, rows)] });
  return ops.reshape<Tensor2D>(ops.maxOf<Tensor1D>(wide, { axis: 1 }), { shape: [rows, 1] });
}

/** Weights as [rows, 1]; ones where none are given. Throws where there is not one for each label. */
export function weightsOf(name: string, label: Tensor, weight: Tensor | null | undefined): Tensor2D {
  const shape = [label.size, 1] as const;
  if (weight === undefined || weight === null) return ops.ones<Tensor2D>({ shape });
  if (weight.shape.join() !== label.shape.join()) {
    throw new Error(
      `metrics.${name} takes one weight for each label, got ${tensorText(weight)} for labels ${tensorText(label)}`,
    );
  }
  return ops.reshape<Tensor2D>(ops.stopGradient(ops.toFloat(weight)), { shape });
}

/** What is common to metrics of rows. `bad` is 1 where a row holds NaN, [rows, 1]. */
export function commonTotals(
  weight: Tensor2D,
  bad: Tensor2D,
  rows: number,
  isWeighted: boolean,
): readonly (readonly [string, Total])[] {
  const counts = ops.toFloat(ops.notEqual<Tensor2D>(weight, 0));
  return [
    ['count', isWeighted ? { kind: 'sum', value: ops.sum(weight) } : { kind: 'constant', value: rows }],
    ['bad', { kind: 'sum', value: ops.sum(ops.mul<Tensor2D>(bad, counts)) }],
  ];
}

/** Whether a row that counts held NaN. */
export function holdsNaN(totals: Totals): boolean {
  return !(scalarTotal(totals, 'bad') === 0);
}

/**
 * Rows of logits `f32[..., classes]`, of guessed classes `i32[...]` (with `classes`), or of one logit each, `f32[...]`; labels
 * are `i32[...]`, for one logit also bool or f32 (1 above 0.5). Throws where shapes do not fit each other.
 */
export function decisionsOf(
  name: string,
  given: Tensor,
  label: Tensor,
  { classes: stated = null, threshold = 0, weight: weights = null }: ClassOptions,
): Decisions {
  const rows = label.size;
  const same = given.shape.join() === label.shape.join();
  const leading = given.shape.slice(0, -1).join() === label.shape.join() && given.rank === label.rank + 1;
  const classes = given.dtype === 'int32' ? stated : same ? 2 : (given.shape.at(-1) ?? null);
  const binary = given.dtype === 'float32' && same;
  if (
    classes === null ||
    !(same || leading) ||
    (given.dtype === 'int32' && !same) ||
    (!binary && label.dtype !== 'int32')
  ) {
    throw new Error(
      `metrics.${name} takes logits [n, classes] and labels i32[n], one logit a row [n] and labels [n], or i32[n] twice and how many classes there are; got ${tensorText(given)} and ${tensorText(label)}`,
    );
  }
  const flat = (x: Tensor): Tensor1D => ops.reshape<Tensor1D>(x, { shape: [rows] });
  const guess =
    given.dtype === 'int32'
      ? flat(given)
      : binary
        ? ops.cast<Tensor1D>(ops.greater<Tensor1D>(flat(given), threshold), { to: 'i32' })
        : ops.argmax<Tensor1D>(ops.reshape<Tensor2D>(given, { shape: [rows, classes] }));
  const truth = label.dtype === 'int32' ? flat(label) : flat(positive(label));
  const bad = ops.max<Tensor2D>(
    given.dtype === 'float32' ? rowsWithNaN(given, rows) : ops.zeros<Tensor2D>({ shape: [rows, 1] }),
    label.dtype === 'float32' ? rowsWithNaN(label, rows) : ops.zeros<Tensor2D>({ shape: [rows, 1] }),
  );
  const weight = weightsOf(name, label, weights);
  return {
    rows,
    classes,
    binary,
    guess: ops.oneHot<Tensor2D>(guess, { classes }),
    truth: ops.oneHot<Tensor2D>(truth, { classes }),
    weight,
    common: commonTotals(weight, bad, rows, weights !== null),
  };
}

/** Class 1 where a label is true, or above 0.5, as i32. */
export function positive(label: Tensor): Tensor {
  const isOne = label.dtype === 'bool' ? label : ops.greater<Tensor>(label, 0.5);
  return ops.cast<Tensor>(isOne, { to: 'i32' });
}
