/** What sorts the values of the last axis. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { inputAt, listAt, type Call } from './heap.js';

/** Of each row the k largest values, the largest first. NaN counts as the largest. */
export function topValues(call: Call): TensorInfo {
  const { heap } = call;
  const x = inputAt(call, 'x');
  const [k = 1] = listAt(call, 'k');
  const length = x.shape.at(-1) ?? 0;
  const made = heap.make([...x.shape.slice(0, -1), k]);
  const values = heap.floats(x);
  const out = heap.floats(made);
  for (let from = 0, to = 0; from < values.length; from += length, to += k) {
    const row = values.slice(from, from + length).sort();
    for (let i = 0; i < k; i++) out[to + i] = row[length - 1 - i] ?? Number.NaN;
  }
  return made;
}

/** Of each row the places of its values, the largest first; of equal ones the first. */
export function sortedOrder(call: Call): TensorInfo {
  const { heap } = call;
  const x = inputAt(call, 'x');
  const made = heap.make(x.shape, 'int32');
  const length = x.shape.at(-1) ?? 0;
  const values = heap.floats(x);
  const out = heap.integers(made);
  for (let from = 0; from < values.length; from += length) {
    const row = values.subarray(from, from + length);
    const order = Int32Array.from(row, (_, index) => index);
    out.set(
      order.sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b),
      from,
    );
  }
  return made;
}
