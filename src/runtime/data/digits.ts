/** The handwritten digits that are shipped inside the runtime, so that a first run needs no file. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { gunzipSync } from 'node:zlib';
import type { Values } from '../engine/engine.js';
import { dataOf, type CommonOptions, type Data } from './data.js';
import { digitsPacked, digitsRows } from './digits.data.gen.js';
import { rowsInMemory } from './memory.js';
import type { RecordType } from './record.js';

const pixels = 64;

const record: RecordType = {
  image: { dtype: 'u8', shape: [8, 8, 1] },
  label: { dtype: 'i32', shape: [] },
};

export interface DigitsOptions extends CommonOptions {
  /** `test` is every fifth row (the 5th, the 10th, …), `train` the others. */
  readonly split?: 'train' | 'test' | 'all';
}

/**
 * Optical recognition of handwritten digits: 1,797 images of 8×8 pixels, values 0 to 16, labels 0 to 9.
 * UCI Machine Learning Repository, https://doi.org/10.24432/C50P49 (its test part, as in scikit-learn).
 */
export function digits({ split = 'train', ...options }: DigitsOptions = {}): Data<{
  readonly image: Tensor4D;
  readonly label: Tensor1D;
}> {
  const name = `digits ${split}`;
  return dataOf({ name, key: name, record, open: () => Promise.resolve(unpack(split)) }, options);
}

function unpack(split: 'train' | 'test' | 'all') {
  const bytes = gunzipSync(Buffer.from(digitsPacked, 'base64'));
  const kept = Int32Array.from({ length: digitsRows }, (_, row) => row).filter(
    (row) => split === 'all' || (row % 5 === 4) === (split === 'test'),
  );
  const image = new Uint8Array(kept.length * pixels);
  kept.forEach((row, i) => image.set(bytes.subarray(row * pixels, (row + 1) * pixels), i * pixels));
  const label = kept.map((row) => bytes[digitsRows * pixels + row] ?? 0);
  return rowsInMemory(
    record,
    new Map<string, Values>([
      ['image', image],
      ['label', label],
    ]),
    kept.length,
  );
}
