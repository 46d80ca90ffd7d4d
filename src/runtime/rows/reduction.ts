/**
 * Reductions over rows: what a step says about its batch, in parts that add up over batches. A reduction is a few totals
 * and a function that finishes them; a loss is a sum of terms, each with its own denominator.
 *
 * Known after this file: a metric over many batches equals the metric of the one big batch, and so does a gradient.
 */
import * as ops from '../ops/index.js';
import type { Scalar, Tensor } from '../tensor.js';
import type { HostArray } from './arrays.js';

/** One running total. */
export type Total =
  | { readonly kind: 'sum'; readonly value: Tensor }
  /** A number that the shapes alone give, e.g. how many values there are: it needs no place on the device. */
  | { readonly kind: 'constant'; readonly value: number }
  /** The newest value replaces the ones before. */
  | { readonly kind: 'last'; readonly value: Tensor }
  /** The largest or smallest one, element by element; NaN where there was one. */
  | { readonly kind: 'max' | 'min'; readonly value: Tensor }
  /** Counts, means in two parts and squares around the means, one row each: [4, numbers]. */
  | { readonly kind: 'spread'; readonly value: Tensor };

/** Totals after many batches, in f64, row-major. */
export type Totals = ReadonlyMap<string, Float64Array>;

/** A term of a loss: Σ numerator / Σ denominator over the batches of a window. */
export interface Term {
  readonly numerator: Scalar;
  /** Null: a plain sum, not divided. */
  readonly denominator: Denominator | null;
}

/** What a term is divided by, and what it counts: values of a tensor, weights of one, or micro-batches. */
export interface Denominator {
  readonly of: 'values' | 'weights' | 'batches';
  readonly value: Scalar | number;
}

export interface Reduction {
  readonly totals: ReadonlyMap<string, Total>;
  readonly finish: (totals: Totals) => number;
  /** What `minimize` differentiates; null for a metric that is no sum of means. */
  readonly terms: readonly Term[] | null;
}

/** A total that is several numbers: one for each column, of the shape that is left where rows are joined. */
export interface Columns {
  readonly totals: ReadonlyMap<string, Total>;
  readonly array: (totals: Totals) => HostArray;
}

/** Numbers in rows and columns. */
export type Table = readonly (readonly number[])[];

/** A metric that is several numbers, by name, or a table of them. It can be logged, and nothing else. */
export interface Figures {
  readonly totals: ReadonlyMap<string, Total>;
  readonly figures: (totals: Totals) => ReadonlyMap<string, number> | Table;
  /** Of a table: names of its rows and columns, where they are classes that have names. */
  readonly classes?: readonly string[];
}

const isCount = (name: string): boolean => /(^|\.)count\d*$/.test(name);

/** What stands for a mean of nothing where it is asked whether a value depends on it: no formula is undefined at all of them. */
const stand = [0.618, 2.718, -1.414];

/**
 * Whether a value that came out as NaN did so because nothing was counted in what it is made of: all weights of a mean were 0, or those of one
 * of its columns. A mean of nothing is no number. What is NaN with any number in the place of that mean is NaN by itself.
 */
export function isOfNothing(totals: Totals, finish: (totals: Totals) => unknown): boolean {
  const empty = [...totals].filter(([name, values]) => isCount(name) && values.includes(0));
  if (empty.length === 0) return false;
  return stand.some((mean) => {
    const filled = new Map(totals);
    for (const [name, counts] of empty) {
      const whose = name.replace(/count(?=\d*$)/, 'sum');
      const sums = totals.get(whose);
      const at = (place: number): number => counts[counts.length === 1 ? 0 : place] ?? Number.NaN;
      if (sums)
        filled.set(
          whose,
          sums.map((sum, place) => (at(place) === 0 ? mean : sum)),
        );
      filled.set(
        name,
        counts.map((count) => (count === 0 ? 1 : count)),
      );
    }
    return !Number.isNaN(finish(filled));
  });
}

/** Element 0 of a total, NaN where it was never written. */
export function scalarTotal(totals: Totals, name: string): number {
  return totals.get(name)?.[0] ?? Number.NaN;
}

function sumOf(x: Tensor): Scalar {
  return ops.sum<Scalar>(x);
}

/** Values of bool and i32 count as numbers. */
function floats(x: Tensor): Tensor {
  return ops.toFloat(x);
}

/**
 * The mean over rows and all other axes; with a weight, Σ value · weight / Σ weight. A weight has the values' shape, or
 * fewer axes from the front (one number a row). No gradient passes through a weight. Where it is 0 a value does not count, also one
 * that is not finite.
 */
export function mean(values: Tensor, { weight = null }: { readonly weight?: Tensor | null } = {}): Reduction {
  const value = floats(values);
  if (weight === null) {
    const numerator = sumOf(value);
    return fraction(numerator, { of: 'values', value: value.size });
  }
  const weights = ops.stopGradient(aligned(floats(weight), value));
  const numerator = sumOf(weighted(value, weights));
  // Weights that were broadcast count once for each value that they weigh.
  const repeated = value.size / Math.max(1, weights.size);
  const denominator = ops.mul<Scalar>(sumOf(weights), repeated);
  return fraction(numerator, { of: 'weights', value: denominator });
}

/** value · weight, and 0 where the weight is 0, whatever the value is there: 0 · NaN would be NaN. */
function weighted(value: Tensor, weight: Tensor): Tensor {
  return ops.select<Tensor>(ops.equal<Tensor>(weight, 0), 0, ops.mul<Tensor>(value, weight));
}

function aligned(weight: Tensor, value: Tensor): Tensor {
  const fits =
    weight.rank <= value.rank && weight.shape.every((size, axis) => size === value.shape[axis] || size === 1);
  if (!fits) {
    throw new Error(
      `a weight of shape [${weight.shape.join(', ')}] does not fit values of shape [${value.shape.join(', ')}]; give one for each row or for each value`,
    );
  }
  if (weight.rank === value.rank) return weight;
  return ops.reshape(weight, { shape: [...weight.shape, ...value.shape.slice(weight.rank).map(() => 1)] });
}

function fraction(numerator: Scalar, denominator: Denominator): Reduction {
  return {
    totals: new Map<string, Total>([
      ['sum', { kind: 'sum', value: numerator }],
      [
        'count',
        typeof denominator.value === 'number'
          ? { kind: 'constant', value: denominator.value }
          : { kind: 'sum', value: denominator.value },
      ],
    ]),
    finish: (totals) => scalarTotal(totals, 'sum') / scalarTotal(totals, 'count'),
    terms: [{ numerator, denominator }],
  };
}

/** The sum over rows and all other axes; with a weight, Σ value · weight. */
export function sum(values: Tensor, { weight = null }: { readonly weight?: Tensor | null } = {}): Reduction {
  const value = floats(values);
  const numerator = sumOf(weight === null ? value : weighted(value, aligned(floats(weight), value)));
  return {
    totals: new Map([['sum', { kind: 'sum', value: numerator }]]),
    finish: (totals) => scalarTotal(totals, 'sum'),
    terms: [{ numerator, denominator: null }],
  };
}

/** A number of the batch as a whole, in which rows meet: the mean over micro-batches. */
export function each(scalar: Scalar): Reduction {
  return fraction(scalarOnly('each', scalar), { of: 'batches', value: 1 });
}

/** The newest value. It cannot be minimized. */
export function last(scalar: Scalar | number): Reduction {
  if (typeof scalar === 'number') {
    return { totals: new Map(), finish: () => scalar, terms: null };
  }
  return {
    totals: new Map([['last', { kind: 'last', value: scalarOnly('last', scalar) }]]),
    finish: (totals) => scalarTotal(totals, 'last'),
    terms: null,
  };
}

function scalarOnly(name: string, value: Tensor): Scalar {
  if (value.size !== 1) {
    throw new Error(
      `rows.${name} takes one number, got shape [${value.shape.join(', ')}]; reduce it with rows.mean or rows.sum`,
    );
  }
  return ops.reshape<Scalar>(floats(value), { shape: [] });
}

/** A multiple of a reduction that is a mean or sum. */
export function times(factor: number | Scalar, reduction: Reduction): Reduction {
  const { terms } = reduction;
  if (terms === null) throw new Error('rows.times takes a mean or sum over rows; use rows.derive for others');
  const scaled = terms.map((term) => ({ ...term, numerator: ops.mul<Scalar>(term.numerator, factor) }));
  const [only, ...others] = scaled;
  if (only === undefined || others.length > 0) return total(scaled);
  if (only.denominator === null) {
    return {
      totals: new Map([['sum', { kind: 'sum', value: only.numerator }]]),
      finish: reduction.finish,
      terms: scaled,
    };
  }
  return fraction(only.numerator, only.denominator);
}

/** The sum of means and sums, each over its own denominator. */
export function plus(...reductions: readonly Reduction[]): Reduction {
  const terms = reductions.flatMap((reduction) => {
    if (reduction.terms === null)
      throw new Error('rows.plus takes means and sums over rows; use rows.derive for others');
    return reduction.terms;
  });
  return total(terms);
}

function total(terms: readonly Term[]): Reduction {
  const totals = new Map<string, Total>();
  terms.forEach(({ numerator, denominator }, index) => {
    totals.set(`sum${index}`, { kind: 'sum', value: numerator });
    if (denominator !== null) {
      const { value } = denominator;
      totals.set(
        `count${index}`,
        typeof value === 'number' ? { kind: 'constant', value } : { kind: 'sum', value },
      );
    }
  });
  const divided = terms.map(({ denominator }) => denominator !== null);
  return {
    totals,
    finish: (sums) => {
      // A term whose weights are all 0 adds nothing, as it gives no gradient; where there is no other, there is no value.
      const values = divided.map((isDivided, index): number | null => {
        const sum = scalarTotal(sums, `sum${index}`);
        const count = isDivided ? scalarTotal(sums, `count${index}`) : 1;
        return sum === 0 && count === 0 ? null : sum / count;
      });
      const known = values.filter((value) => value !== null);
      return known.length === 0 ? Number.NaN : known.reduce((all, value) => all + value, 0);
    },
    terms,
  };
}

type Parts = Readonly<Record<string, Reduction | Columns>>;

type Finished<P extends Parts> = { readonly [N in keyof P]: P[N] extends Columns ? HostArray : number };

/** A number computed once, at the end, from finished reductions. It cannot be minimized. */
export function derive<P extends Parts>(of: P, compute: (finished: Finished<P>) => number): Reduction {
  const totals = new Map<string, Total>();
  for (const name in of) {
    for (const [key, value] of of[name]?.totals ?? []) totals.set(`${name}.${key}`, value);
  }
  return {
    totals,
    finish: (sums) => compute(finished(of, sums)),
    terms: null,
  };
}

function finished<P extends Parts>(of: P, sums: Totals): Finished<P> {
  const values: Record<string, HostArray | number> = {};
  for (const [name, part] of Object.entries(of)) {
    const prefix = `${name}.`;
    const own = new Map(
      [...sums]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => [key.slice(prefix.length), value]),
    );
    values[name] = 'array' in part ? part.array(own) : part.finish(own);
  }
  return complete(values, of) ? values : unreachable();
}

function complete<P extends Parts>(values: object, of: P): values is Finished<P> {
  return Object.keys(of).every((name) => name in values);
}

function unreachable(): never {
  throw new Error('a derived metric lost one of its parts; this is a fault of the runtime');
}

/** Rows in a batch: the size of its first axis. */
export function count(tensor: Tensor): number {
  const [rows] = tensor.shape;
  if (rows === undefined)
    throw new Error('a tensor without axes has no rows; count rows of a field of the batch');
  return rows;
}
