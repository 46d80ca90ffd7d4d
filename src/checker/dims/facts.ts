/** Facts and what they decide, for the rest of the checker. After this: a comparison of sizes has a verdict. */
import * as compare from './compare.js';
import type { Division, Judgement } from './compare.js';
import * as operations from './operations.js';
import type { Size } from './polynomial.js';
import * as ratios from './ratio.js';
import type { Ratio } from './ratio.js';
import { about, type Facts } from './relevant.js';

export type { Facts } from './relevant.js';
export { assume, assumeNot, noFacts, withLower } from './relevant.js';
export type { Comparison } from './assume.js';
export type { Division, Judgement, Verdict } from './compare.js';
export type { Ratio } from './ratio.js';
export { addRatios, divRatios, mulRatios, ratioOf, subRatios } from './ratio.js';
export type { Witness } from './witness.js';

/** Is `left == right` for all numbers that the facts allow? Fractions inside are taken to be whole. */
export const compareSizes = (left: Size, right: Size, facts: Facts): Judgement =>
  compare.compareSizes(left, right, about(facts, left, right));

/** Is `left <= right`? As `compareSizes`, with numbers where it fails and a condition that would make it hold. */
export const compareOrder = (left: Size, right: Size, facts: Facts): Judgement =>
  compare.compareOrder(left, right, about(facts, left, right));

/** Is `left <= right` for all numbers that the facts allow? False says only that no proof was found. */
export const proveLessEqual = (left: Size, right: Size, facts: Facts): boolean =>
  compare.proveLessEqual(left, right, about(facts, left, right));

/** `a / b` as a size. Where it is not proven to be whole: numbers for which it is not, and a condition for which it is. */
export const divide = (a: Size, b: Size, facts: Facts): Division => compare.divide(a, b, about(facts, a, b));

type Operation = (a: Size, b: Size, facts: Facts) => Size;

export const floorDiv: Operation = (a, b, facts) => operations.floorDiv(a, b, about(facts, a, b));
export const ceilDiv: Operation = (a, b, facts) => operations.ceilDiv(a, b, about(facts, a, b));
export const modulo: Operation = (a, b, facts) => operations.modulo(a, b, about(facts, a, b));
export const minOf: Operation = (a, b, facts) => operations.minOf(a, b, about(facts, a, b));
export const maxOf: Operation = (a, b, facts) => operations.maxOf(a, b, about(facts, a, b));
export const power: Operation = (a, b, facts) => operations.power(a, b, about(facts, a, b));

const aboutRatio = ({ numerator, denominator }: Ratio, facts: Facts) => about(facts, numerator, denominator);

/** The ratio as a size: whether it is whole, and if not, where. */
export const wholeOf = (ratio: Ratio, facts: Facts): Division =>
  ratios.wholeOf(ratio, aboutRatio(ratio, facts));
export const floorOf = (ratio: Ratio, facts: Facts): Size => ratios.floorOf(ratio, aboutRatio(ratio, facts));
export const ceilOf = (ratio: Ratio, facts: Facts): Size => ratios.ceilOf(ratio, aboutRatio(ratio, facts));
