/** Every op of the language, under the name that emitted code uses. */
export * from './activations.js';
export * from './arithmetic.js';
export * from './attention.js';
export * from './convolution.js';
export { element } from './element.js';
export { extern, type ExternFunction } from './extern.js';
export { gradient, recorded } from './gradient.js';
export { matmul, outer } from './matmul.js';
export * from './random.js';
export {
  argmax,
  argmin,
  inTop,
  logSumExp,
  maxOf,
  mean,
  minOf,
  norm,
  std,
  sum,
  unit,
  variance,
  type AxisOption,
} from './reductions.js';
export { gather, ownRows, rowsOf, shuffleRows, type Rows } from './rows.js';
export { broadcastTo, toFloat } from './kernel.js';
export {
  cast,
  concat,
  expandDims,
  flatten,
  oneHot,
  ones,
  onesLike,
  pad,
  put,
  range,
  repeatAxis,
  reshape,
  slice,
  squeeze,
  stack,
  stopGradient,
  take,
  transpose,
  zeros,
  zerosLike,
  vector,
  type Index,
} from './shapes.js';
export { utf8 } from './text.js';
