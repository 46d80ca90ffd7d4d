/** Facts and what they decide, for the rest of the checker. After this: a comparison of sizes has a verdict. */
export type { Facts } from './known.js';
export { noFacts } from './known.js';
export type { Comparison } from './assume.js';
export { assume, assumeNot, withLower } from './assume.js';
export { ceilDiv, floorDiv, maxOf, minOf, modulo, power } from './operations.js';
export type { Division, Judgement, Verdict } from './compare.js';
export { compareOrder, compareSizes, divide, proveLessEqual } from './compare.js';
export type { Ratio } from './ratio.js';
export { addRatios, ceilOf, divRatios, floorOf, mulRatios, ratioOf, subRatios, wholeOf } from './ratio.js';
export type { Witness } from './witness.js';
