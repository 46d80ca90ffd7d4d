/** Texts of rows: only the host has them. Functions of `map` make tensors of them; what is left goes around a step to its output. */

import type { Tensor } from '@tensorflow/tfjs-core';

/** What a field of texts holds. A path is a text that names a file. */
export type TextKind = 'string' | 'path';

/** Texts of one row on the host: one, or a list of them. */
export interface HostTexts {
  readonly dtype: TextKind;
  /** `[]` of one text. */
  readonly shape: readonly number[];
  readonly values: readonly string[];
  /** The field that they are of, for messages. */
  readonly column: string;
  /** Of paths: where relative ones start. */
  readonly folder?: string;
}

/** What a batch has in the place of a field of texts: a step can return it, and do nothing else with it. */
export class Texts {
  /** `batch` is the number of the batch among those of its step. */
  constructor(
    readonly batch: number,
    readonly field: string,
  ) {}
}

/** Bytes of each row of a tensor i32 [rows, length], which are decoded once a step has computed them. */
export class Decoded<T> {
  constructor(readonly bytes: T) {}
}

/** What a step can return as a text for each row. */
export type RowText = Texts | Decoded<Tensor>;

/** Texts of output: one for each row. */
export interface OutputTexts {
  readonly dtype: 'string';
  readonly shape: readonly [rows: number];
  readonly values: readonly string[];
}

let current = 0;

/** Runs `body`, which is synchronous, with the texts of a step's batch `index`. */
export function withBatch<T>(index: number, body: () => T): T {
  const before = current;
  current = index;
  try {
    return body();
  } finally {
    current = before;
  }
}

/** The texts of a field of the batch that is being made. */
export function textsHere(field: string): Texts {
  return new Texts(current, field);
}

/**
 * The text of UTF-8 bytes. Numbers that are no byte (below 0, above 255) are left out; each part that is not UTF-8 becomes U+FFFD, as
 * the WHATWG's decoder has it; a byte order mark is kept.
 */
export function textOfBytes(values: ArrayLike<number>): string {
  const bytes: number[] = [];
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? -1;
    if (value >= 0 && value <= 255) bytes.push(value);
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}
