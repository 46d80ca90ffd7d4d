/**
 * The order of rows: a function of the seed, the data set's label and the epoch alone, so that a resumed run, another
 * engine and another number of devices see the same rows at the same place.
 */
import { hostPermutation } from '../engine/philox.js';

/** Row numbers in the order of an epoch (counted from 0). */
export function epochOrder(
  rows: number,
  shuffle: boolean,
  seed: number,
  label: string,
  epoch: number,
): Int32Array {
  return shuffle
    ? hostPermutation(seed, `data.${label}.epoch ${epoch}`, rows)
    : Int32Array.from({ length: rows }, (_, i) => i);
}
