/**
 * Totals over rows that are no plain sum (a deviation, the largest value), or that keep axes of their own (a mean for each column).
 * Each batch gives its part; parts are joined on the device for a few batches and in f64 on the host beyond them.
 *
 * Known after this file: what comes out does not depend on how rows were cut into batches, but for rounding, and a deviation keeps
 * its digits where the mean is far from 0.
 */
import { offTape } from '../engine/tape.js';
import * as ops from '../ops/index.js';
import { tensorText } from '../ops/kernel.js';
import type { Tensor } from '../tensor.js';
import type { HostArray } from './arrays.js';
import type { Columns, Reduction, Total, Totals } from './reduction.js';

export type JoinedHow = 'mean' | 'sum' | 'variance' | 'std' | 'max_of' | 'min_of' | 'norm' | 'last';

export interface JoinedOptions {
  readonly how: JoinedHow;
  /** The axes that are joined, the rows' among them; all of them unless given, and then it is one number. */
  readonly axis?: readonly number[] | null;
  /** Of a mean: what each value counts for, of a shape that broadcasts to the values'. */
  readonly weight?: Tensor | null;
}

/** More numbers than this in one total would fill the device, the host and each checkpoint. */
export const mostNumbers = 2 ** 18;

/** What the values are joined to, by column; the newest value is kept whole. No gradient passes through it. */
export function joined(
  x: Tensor,
  options: JoinedOptions & ({ readonly axis: readonly number[] } | { readonly how: 'last' }),
): Columns;
export function joined(x: Tensor, options: JoinedOptions & { readonly axis?: null }): Reduction;
export function joined(x: Tensor, options: JoinedOptions): Columns | Reduction {
  const { how, axis = null } = options;
  const { shape, totals, finish } = offTape(() => made(x, options));
  if (axis !== null || how === 'last')
    return { totals, array: (sums): HostArray => ({ shape, values: finish(sums) }) };
  return { totals, finish: (sums) => finish(sums)[0] ?? Number.NaN, terms: null };
}

interface Made {
  readonly shape: readonly number[];
  readonly totals: ReadonlyMap<string, Total>;
  readonly finish: (totals: Totals) => Float64Array;
}

const valuesOf = (totals: Totals, name: string): Float64Array =>
  totals.get(name) ?? Float64Array.of(Number.NaN);

function made(given: Tensor, { how, axis = null, weight = null }: JoinedOptions): Made {
  const x = ops.toFloat(given);
  const axes = how === 'last' ? [] : (axis ?? x.shape.map((_, at) => at));
  const option = { axis: axes };
  const shape = x.shape.filter((_, at) => !axes.includes(at));
  const size = shape.reduce((product, each) => product * each, 1);
  if (size > mostNumbers)
    throw new Error(
      `a total of ${tensorText(given)} joined over the axes [${axes.join(', ')}] has ${size} numbers; at most ${mostNumbers} are kept: join more axes`,
    );
  const one = (name: string, total: Total): Pick<Made, 'totals' | 'finish'> => ({
    totals: new Map([[name, total]]),
    finish: (totals) => valuesOf(totals, name),
  });
  switch (how) {
    case 'last':
      return { shape, ...one('last', { kind: 'last', value: x }) };
    case 'sum':
      return { shape, ...one('sum', { kind: 'sum', value: ops.sum<Tensor>(x, option) }) };
    case 'norm': {
      const squares = ops.sum<Tensor>(ops.square<Tensor>(x), option);
      const { totals, finish } = one('squares', { kind: 'sum', value: squares });
      return { shape, totals, finish: (sums) => finish(sums).map(Math.sqrt) };
    }
    case 'mean':
      return { shape, ...meanOf(x, axes, weight) };
    case 'max_of':
    case 'min_of': {
      // Kernels differ in what they make of a NaN.
      const wrong = ops.greater<Tensor>(ops.sum<Tensor>(ops.toFloat(ops.notEqual<Tensor>(x, x)), option), 0);
      const extreme = how === 'max_of' ? ops.maxOf<Tensor>(x, option) : ops.minOf<Tensor>(x, option);
      const value = ops.select<Tensor>(wrong, Number.NaN, extreme);
      return { shape, ...one('extreme', { kind: how === 'max_of' ? 'max' : 'min', value }) };
    }
    case 'variance':
    case 'std': {
      const { totals, finish } = one('spread', { kind: 'spread', value: spreadOf(x, axes, size) });
      const variance = (sums: Totals): Float64Array => {
        const parts = finish(sums);
        return Float64Array.from(
          { length: size },
          (_, at) => (parts[3 * size + at] ?? Number.NaN) / (parts[at] ?? Number.NaN),
        );
      };
      return { shape, totals, finish: how === 'std' ? (sums) => variance(sums).map(Math.sqrt) : variance };
    }
  }
}

function meanOf(x: Tensor, axes: readonly number[], weight: Tensor | null): Pick<Made, 'totals' | 'finish'> {
  const option = { axis: axes };
  const finish = (totals: Totals): Float64Array => {
    const counts = valuesOf(totals, 'count');
    return valuesOf(totals, 'sum').map(
      (sum, at) => sum / ((counts.length === 1 ? counts[0] : counts[at]) ?? Number.NaN),
    );
  };
  if (weight === null) {
    const count = axes.reduce((product, at) => product * (x.shape[at] ?? 1), 1);
    const sum: Total = { kind: 'sum', value: ops.sum<Tensor>(x, option) };
    return {
      totals: new Map<string, Total>([
        ['sum', sum],
        ['count', { kind: 'constant', value: count }],
      ]),
      finish,
    };
  }
  const weights = ops.broadcastTo<Tensor>(ops.toFloat(weight), x.shape);
  // What weighs nothing does not count, whatever it is: 0 · NaN would be NaN.
  const weighed = ops.select<Tensor>(ops.equal<Tensor>(weights, 0), 0, ops.mul<Tensor>(x, weights));
  return {
    totals: new Map<string, Total>([
      ['sum', { kind: 'sum', value: ops.sum<Tensor>(weighed, option) }],
      ['count', { kind: 'sum', value: ops.sum<Tensor>(weights, option) }],
    ]),
    finish,
  };
}

/**
 * Four rows: counts, means as f32 has them, what those leave out of the means, and squares of what is apart from the means. Of the
 * values themselves squares would lose their digits, and so would means where values are far from 0.
 */
function spreadOf(x: Tensor, axes: readonly number[], size: number): Tensor {
  const option = { axis: axes };
  const count = axes.reduce((product, at) => product * (x.shape[at] ?? 1), 1);
  const counts = ops.add<Tensor>(ops.zeros<Tensor>({ shape: [size] }), count);
  return spread(x, axes, counts, {
    mean: (values) => ops.mean<Tensor>(values, option),
    sum: (values) => ops.sum<Tensor>(values, option),
  });
}

/**
 * The spread of numbers that count for their weights: count and squares are sums of weights, and of weighted squares. Both tensors have one
 * shape; what weighs nothing must be finite.
 */
export function weightedSpread(x: Tensor, weight: Tensor): Total {
  const axes = x.shape.map((_, at) => at);
  const sum = (values: Tensor): Tensor => ops.sum<Tensor>(ops.mul<Tensor>(values, weight));
  const count = ops.sum<Tensor>(weight);
  const whole = ops.select<Tensor>(ops.greater<Tensor>(count, 0), count, 1);
  const mean = (values: Tensor): Tensor => ops.div<Tensor>(sum(values), whole);
  return {
    kind: 'spread',
    value: spread(x, axes, ops.reshape<Tensor>(count, { shape: [1] }), { mean, sum }),
  };
}

/** Squares around the mean, of a spread of one column. */
export const squaresIn = (totals: Totals, name: string): number => totals.get(name)?.[3] ?? Number.NaN;

function spread(
  x: Tensor,
  axes: readonly number[],
  counts: Tensor,
  { mean: meanIn, sum }: Readonly<Record<'mean' | 'sum', (values: Tensor) => Tensor>>,
): Tensor {
  const kept = x.shape.map((each, at) => (axes.includes(at) ? 1 : each));
  const row = (values: Tensor): Tensor => ops.reshape<Tensor>(values, { shape: counts.shape });
  const mean = meanIn(x);
  const apart = ops.sub<Tensor>(x, ops.reshape<Tensor>(mean, { shape: kept }));
  const rest = row(meanIn(apart));
  const squares = ops.sub<Tensor>(
    row(sum(ops.square<Tensor>(apart))),
    ops.mul<Tensor>(ops.square<Tensor>(rest), counts),
  );
  return ops.stack<Tensor>([counts, row(mean), rest, squares], { axis: 0 });
}

/** How totals of a kind start, and how two of them become one: on the device, and on the host in f64. */
export interface Joint {
  readonly start: number;
  readonly device: (before: Tensor, value: Tensor) => Tensor;
  readonly host: (before: Float64Array, values: Float64Array) => Float64Array;
}

const element =
  (join: (a: number, b: number) => number): Joint['host'] =>
  (before, values) =>
    before.map((value, at) => join(value, values[at] ?? Number.NaN));

const extreme = (
  start: number,
  of: (a: Tensor, b: Tensor) => Tensor,
  host: (a: number, b: number) => number,
): Joint => ({
  start,
  device: (before, value) => {
    const known = ops.select<Tensor>(ops.notEqual<Tensor>(value, value), value, of(before, value));
    return ops.select<Tensor>(ops.notEqual<Tensor>(before, before), before, known);
  },
  host: element(host),
});

/** By kind of total; the newest of `last` takes the place of those before, and is no joint. */
export const joints: Readonly<Record<'sum' | 'max' | 'min' | 'spread', Joint>> = {
  sum: {
    start: 0,
    device: (before, value) => ops.add<Tensor>(before, value),
    host: element((a, b) => a + b),
  },
  max: extreme(Number.NEGATIVE_INFINITY, (a, b) => ops.max<Tensor>(a, b), Math.max),
  min: extreme(Number.POSITIVE_INFINITY, (a, b) => ops.min<Tensor>(a, b), Math.min),
  spread: { start: 0, device: joinedSpread, host: joinedSpreads },
};

/** Chan et al., 1983: squares around the two means, and what lies between them. Means are told from the first one. */
function joinedSpread(before: Tensor, value: Tensor): Tensor {
  const rows = (x: Tensor): readonly Tensor[] => [0, 1, 2, 3].map((row) => ops.slice<Tensor>(x, [row]));
  const [seen, first, rest, squares] = rows(before);
  const [count, own, more, around] = rows(value);
  if (!seen || !first || !rest || !squares || !count || !own || !more || !around)
    throw new Error('a spread has four rows; this is a fault of the runtime');
  const all = ops.add<Tensor>(seen, count);
  const share = ops.div<Tensor>(count, ops.select<Tensor>(ops.greater<Tensor>(all, 0), all, 1));
  const from = ops.select<Tensor>(ops.greater<Tensor>(seen, 0), first, own);
  const gap = ops.sub<Tensor>(ops.add<Tensor>(ops.sub<Tensor>(own, from), more), rest);
  const between = ops.mul<Tensor>(ops.mul<Tensor>(ops.mul<Tensor>(gap, seen), share), gap);
  return ops.stack<Tensor>(
    [
      all,
      from,
      ops.add<Tensor>(rest, ops.mul<Tensor>(gap, share)),
      ops.add<Tensor>(ops.add<Tensor>(squares, around), between),
    ],
    { axis: 0 },
  );
}

function joinedSpreads(before: Float64Array, values: Float64Array): Float64Array {
  const size = before.length / 4;
  const joined = new Float64Array(before.length);
  const at = (from: Float64Array, place: number): number => from[place] ?? Number.NaN;
  const meanIn = (from: Float64Array, column: number): number =>
    at(from, size + column) + at(from, 2 * size + column);
  for (let column = 0; column < size; column += 1) {
    const [seen, count] = [at(before, column), at(values, column)];
    const all = seen + count;
    const share = all > 0 ? count / all : 0;
    const gap = meanIn(values, column) - meanIn(before, column);
    joined[column] = all;
    joined[size + column] = meanIn(before, column) + gap * share;
    joined[3 * size + column] =
      at(before, 3 * size + column) + at(values, 3 * size + column) + gap * seen * share * gap;
  }
  return joined;
}
