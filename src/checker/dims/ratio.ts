/** Exact fractions of sizes. After this: `d / m / 2 * 2` is `d / m` before anyone asks whether it is whole. */
import { type Division, divide } from './compare.js';
import type { Known } from './known.js';
import { ceilDiv, floorDiv } from './operations.js';
import { type Size, add, exactQuotient, mul, noSize, one, sub } from './polynomial.js';

/** A quotient of sizes that may not be whole. */
export interface Ratio {
  readonly numerator: Size;
  readonly denominator: Size;
}

const reduced = (numerator: Size, denominator: Size): Ratio => {
  const exact = exactQuotient(numerator, denominator);
  if (exact !== null) return { numerator: exact, denominator: one };
  const inverse = exactQuotient(denominator, numerator);
  return inverse === null ? { numerator, denominator } : { numerator: one, denominator: inverse };
};

export const ratioOf = (size: Size): Ratio => ({ numerator: size, denominator: one });

const combine = (a: Ratio, b: Ratio, op: (x: Size, y: Size) => Size): Ratio =>
  a.denominator.key === b.denominator.key
    ? reduced(op(a.numerator, b.numerator), a.denominator)
    : reduced(
        op(mul(a.numerator, b.denominator), mul(b.numerator, a.denominator)),
        mul(a.denominator, b.denominator),
      );

export const addRatios = (a: Ratio, b: Ratio): Ratio => combine(a, b, add);
export const subRatios = (a: Ratio, b: Ratio): Ratio => combine(a, b, sub);
export const mulRatios = (a: Ratio, b: Ratio): Ratio =>
  reduced(mul(a.numerator, b.numerator), mul(a.denominator, b.denominator));

/** `a / b`. Division by the size 0 is not followed. */
export const divRatios = (a: Ratio, b: Ratio): Ratio =>
  b.numerator.known && b.numerator.terms.length === 0
    ? ratioOf(noSize)
    : reduced(mul(a.numerator, b.denominator), mul(a.denominator, b.numerator));

/** The ratio as a size: whether it is whole, and if not, where. */
export const wholeOf = (ratio: Ratio, facts: Known): Division =>
  divide(ratio.numerator, ratio.denominator, facts);

export const floorOf = (ratio: Ratio, facts: Known): Size =>
  floorDiv(ratio.numerator, ratio.denominator, facts);
export const ceilOf = (ratio: Ratio, facts: Known): Size =>
  ceilDiv(ratio.numerator, ratio.denominator, facts);
