/** Sizes, for the rest of the checker. After this: a dimension is a value that can be added, shown and evaluated. */
import * as operations from './operations.js';
import type { Size } from './polynomial.js';
import { about, type Facts } from './relevant.js';
import { showSize } from './show.js';

export type { Size } from './polynomial.js';
export {
  add,
  asConstant,
  asSymbol,
  constant,
  evaluate,
  mul,
  noSize,
  sub,
  symbol,
  symbolsOf,
} from './polynomial.js';
export { showFraction, showSize } from './show.js';

/** The form in which sizes are compared: equal forms are equal sizes under these facts. */
export const simplify = (size: Size, facts: Facts): Size => operations.normalise(size, about(facts, size));

/** `size` with each symbol named in `values` replaced, and everything worked out again under `facts`. */
export const substitute = (size: Size, values: ReadonlyMap<string, Size>, facts: Facts): Size =>
  values.size === 0 ? size : operations.substitute(size, values, about(facts, size, ...values.values()));

/** A size as text that the `where` evaluator reads; the same as what messages show. */
export const sizeToText = showSize;
