/**
 * The order of rows: a function of the seed, the data set's label and the epoch alone, so that a resumed run, another
 * engine and another number of devices see the same rows at the same place.
 */
import { hostPermutation } from '../engine/philox.js';

/** Numbers (from 0) of the rows at places `from` to `to` of an epoch (counted from 0). */
export type EpochOrder = (epoch: number, from: number, to: number) => Int32Array;

export function epochOrder(rows: number, shuffle: boolean, seed: number, label: string): EpochOrder {
  if (!shuffle) {
    return (_, from, to) => {
      const order = new Int32Array(Math.max(0, Math.min(rows, to) - from));
      for (let place = 0; place < order.length; place += 1) order[place] = from + place;
      return order;
    };
  }
  let known: { readonly epoch: number; readonly order: Int32Array } | undefined;
  return (epoch, from, to) => {
    if (known?.epoch !== epoch) {
      known = { epoch, order: hostPermutation(seed, `data.${label}.epoch ${epoch}`, rows) };
    }
    return known.order.slice(from, to);
  };
}
