/**
 * Names of classes that stand for 0, 1, 2, … in a batch: a field keeps them as far as it is handed on as it is. What is computed of it has
 * classes of its own, which have no names.
 */
import type { Tensor } from '@tensorflow/tfjs-core';

const known = new WeakMap<Tensor, readonly string[]>();

/** Says what the classes of a tensor of a batch are called. */
export function nameClasses(tensor: Tensor, names: readonly string[]): void {
  known.set(tensor, names);
}

/**
 * The names of a tensor's `count` classes, in the order of their numbers: those that are known, and the numbers of the classes behind them.
 * Null where nobody has said any, or there are more than `count`.
 */
export function classNamesOf(tensor: Tensor, count: number): readonly string[] | null {
  const names = known.get(tensor);
  if (names === undefined || names.length > count) return null;
  return Array.from({ length: count }, (_, at) => names[at] ?? String(at));
}
