/** Functions of `map` that run on the host, row by row: the namespace `transforms` of generated code. */
export {
  add,
  and,
  cast,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  mul,
  neg,
  not,
  notEqual,
  onesLike,
  or,
  sub,
  zerosLike,
} from './arithmetic.js';
export { decodeImage } from './decode-image.js';
export {
  centerCrop,
  colorJitter,
  randomCrop,
  randomFlip,
  randomResizedCrop,
  resize,
  type JitterOptions,
  type Size2,
} from './geometry.js';
export type { DrawOption, Image } from './image.js';
export { padTo, sizeOf } from './pad.js';
export { lookup } from './words.js';
