/** What an add-on computes with weights as they are: by itself, or of rows of data sets that are the same each time. */
import type { Batch } from '../data/record.js';

/** The first rows of a data set, in the order of its source. */
export interface FirstRows {
  /** The data set's name in the spec. */
  readonly data: string;
  /** At least 1, and no more than it has. */
  readonly count: number;
}

/** A body that computes with rows, a batch for each of `reads`. */
export interface Over<T> {
  readonly reads: readonly FirstRows[];
  readonly body: (batches: readonly Batch[]) => T;
}

export type Computed<T> = (() => T) | Over<T>;

/** The first `count` rows of the data set `data`. Throws where that is no number of rows. */
export function first({ data, count }: FirstRows): FirstRows {
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`first takes at least 1 row of ${data}, got ${count}`);
  return { data, count };
}

/** `body` over rows of data sets: it gets a batch under each name of `reads`. B says what they are. */
export function over<B extends Readonly<Record<string, Batch>>, T>(
  reads: { readonly [K in keyof B]: FirstRows },
  body: (batches: B) => T,
): Over<T> {
  const names = Object.keys(reads);
  return {
    reads: Object.values<FirstRows>(reads),
    body: (batches) => {
      const named = Object.fromEntries(names.map((name, at) => [name, batches[at]]));
      if (!isNamed<B>(named, names)) throw new Error(`rows of ${names.join(', ')} are not there`);
      return body(named);
    },
  };
}

// Generated code writes B and `reads` from one declaration.
function isNamed<B>(batches: object, names: readonly string[]): batches is B & object {
  return names.every((name) => new Map(Object.entries(batches)).get(name) !== undefined);
}

/** What a body gives, turned into something else. */
export function mapped<T, U>(computed: Computed<T>, change: (value: T) => U): Computed<U> {
  return typeof computed === 'function'
    ? () => change(computed())
    : { reads: computed.reads, body: (batches) => change(computed.body(batches)) };
}
