/** Metrics of a spec that are written in TypeScript: totals that add up over batches, and what is made of them in the end. */
import { Tensor } from '@tensorflow/tfjs-core';
import { offTape } from '../engine/tape.js';
import * as ops from '../ops/index.js';
import { tensorText } from '../ops/kernel.js';
import type { Figures, Reduction, Total, Totals } from '../rows/reduction.js';
import { externError, inExtern, type Extern } from '../run/extern-error.js';
import type { Scalar } from '../tensor.js';

/** A number that the shapes alone give (how many rows there are), or a tensor: each batch's is added to those before. */
export type Summand = Tensor | number;

/** What a summand is after all batches: a number for a scalar, else its values in row-major order. */
export type SumOf<T extends Summand> = T extends number | Scalar
  ? number
  : Scalar extends T
    ? number | Float64Array
    : Float64Array;

type Sums<T extends Readonly<Record<string, Summand>>> = { readonly [K in keyof T]: SumOf<T[K]> };

/** A metric that is several numbers, by name. */
export interface NamedFigures<N extends string> extends Figures {
  readonly parts: Readonly<Record<N, (totals: Totals) => number>>;
}

/**
 * A metric of sums over all rows. `summands` are what this batch adds: f32, i32 or bool, of a shape that is the same in each
 * batch. `finish` makes a number of their sums over all batches, in f64. It runs on the host, once a logging window and once a
 * pass, and may be any JavaScript.
 */
export function fromSums<T extends Readonly<Record<string, Summand>>>(
  summands: T,
  finish: (sums: Sums<T>) => number,
): Reduction {
  const { totals, sumsOf } = summed(summands);
  return { totals, finish: (all) => finish(sumsOf(all)), terms: null };
}

/** As `fromSums`, of which several numbers are made, each by a function under its name. */
export function figuresFromSums<T extends Readonly<Record<string, Summand>>, N extends string>(
  summands: T,
  finish: Readonly<Record<N, (sums: Sums<T>) => number>>,
): NamedFigures<N> {
  const { totals, sumsOf } = summed(summands);
  const parts: Partial<Record<N, (all: Totals) => number>> = {};
  const names: N[] = [];
  for (const name in finish) {
    names.push(name);
    parts[name] = (all) => finish[name](sumsOf(all));
  }
  const figures = (all: Totals): ReadonlyMap<string, number> => {
    const sums = sumsOf(all);
    return new Map(names.map((name) => [name, finish[name](sums)]));
  };
  return isWhole<Record<N, (all: Totals) => number>>(parts, names)
    ? { totals, figures, parts }
    : unreachable();
}

function summed<T extends Readonly<Record<string, Summand>>>(
  summands: T,
): { readonly totals: ReadonlyMap<string, Total>; readonly sumsOf: (all: Totals) => Sums<T> } {
  const names = Object.keys(summands);
  const totals = new Map<string, Total>();
  const lone = new Set<string>();
  for (const name of names) {
    const summand = summands[name];
    if (summand instanceof Tensor) {
      totals.set(name, { kind: 'sum', value: ops.stopGradient(ops.toFloat(summand)) });
      if (summand.rank === 0) lone.add(name);
    } else if (summand !== undefined && Number.isFinite(summand)) {
      totals.set(name, { kind: 'constant', value: summand });
      lone.add(name);
    } else throw new Error(`the summand ${name} is ${summand}; give a tensor or a finite number`);
  }
  const sumsOf = (all: Totals): Sums<T> => {
    const sums = Object.fromEntries(
      names.map((name) => {
        const values = all.get(name) ?? Float64Array.of(Number.NaN);
        return [name, lone.has(name) ? (values[0] ?? Number.NaN) : values];
      }),
    );
    return isWhole<Sums<T>>(sums, names) ? sums : unreachable();
  };
  return { totals, sumsOf };
}

function isWhole<S extends object>(made: object, names: readonly string[]): made is S {
  return names.every((name) => name in made);
}

function unreachable(): never {
  throw new Error('a metric lost one of its parts; this is a fault of the runtime');
}

/** What a spec declares of a metric of its own; `figures` are the names of its numbers where it is several. */
export interface ExternMetric {
  readonly name: string;
  readonly file: string;
  readonly figures?: readonly string[];
}

/**
 * The metric that `compute` gives, held against its declaration. What goes wrong in it, now or when its sums are finished, is an
 * error that names the metric, its file and its line. No gradient passes through it.
 */
export function extern<R extends Reduction | Figures>(declared: ExternMetric, compute: () => R): R {
  const { name, file, figures: wanted } = declared;
  const about: Extern = { what: 'metric', name, file };
  const made = offTape(() => inExtern(about, compute));
  for (const [key, { kind, value }] of made.totals) {
    if (kind !== 'constant' && value.dtype !== 'float32')
      throw externError(about, `gives the total ${key} as ${tensorText(value)}; totals are f32`);
  }
  if ('figures' in made) {
    const { figures } = made;
    return {
      ...made,
      figures: (all: Totals) =>
        checked(
          about,
          wanted,
          inExtern(about, () => figures(all)),
        ),
    };
  }
  const { finish } = made;
  return {
    ...made,
    finish: (all: Totals) => {
      const value: unknown = inExtern(about, () => finish(all));
      if (typeof value === 'number') return value;
      throw externError(about, `was finished as ${String(value)}; it must be a number`);
    },
    terms: null,
  };
}

function checked<F extends ReturnType<Figures['figures']>>(
  about: Extern,
  wanted: readonly string[] = [],
  figures: F,
): F {
  const names = figures instanceof Map ? [...figures.keys()].map(String) : [];
  if (names.length === wanted.length && wanted.every((name) => names.includes(name))) return figures;
  throw externError(
    about,
    `has the numbers ${names.join(', ')}, and is declared with ${wanted.join(', ')}; give just those`,
  );
}
