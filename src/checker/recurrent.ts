/** The result of a recurrent layer, and the parts that it is made of. */
import { notKnown } from '../parser/messages.gen.js';
import { constant, mul, noSize, type Size } from './dims/size.js';
import type { Env } from './env.js';
import { aType, tensorType, type TensorType } from './types.js';
import { constantOf, type Value } from './value.js';

export interface Recurrent {
  readonly type: TensorType;
  /** What paths of its weights begin with: one part for each direction where there are two. */
  readonly parts: readonly string[];
}

/** Null after an error: what decides over the result's shape must be written out. */
export const recurrentOf = (
  env: Env,
  bound: ReadonlyMap<string, Value>,
  { shape: [rows, steps] }: TensorType,
): Recurrent | null => {
  const [direction, last, units] = ['direction', 'last', 'units'].map((name) => bound.get(name));
  if (!direction || !last || !rows || !steps) return null;
  const unknown = [direction, last].find((each) => constantOf(each) === undefined);
  if (unknown) {
    const what = unknown === direction ? '`direction`' : '`last`';
    env.checker.report(notKnown(unknown.span, { what, name: aType(unknown.type) }));
    return null;
  }
  const isBoth = constantOf(direction) === 'both';
  const own: Size = units?.size ?? noSize;
  const width = isBoth ? mul(constant(2), own) : own;
  return {
    type: tensorType('f32', constantOf(last) === true ? [rows, width] : [rows, steps, width]),
    parts: isBoth ? ['forward.', 'backward.'] : [''],
  };
};
