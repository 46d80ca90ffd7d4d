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

/** The names of a tensor's classes, in the order of their numbers; null where nobody has said so, or there are other than `count`. */
export function classNamesOf(tensor: Tensor, count: number): readonly string[] | null {
  const names = known.get(tensor);
  return names?.length === count ? names : null;
}
