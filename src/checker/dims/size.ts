/** Sizes, for the rest of the checker. After this: a dimension is a value that can be added, shown and evaluated. */
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
export { normalise as simplify, substitute } from './operations.js';

/** A size as text that the `where` evaluator reads; the same as what messages show. */
export const sizeToText = showSize;
