/** Functions of `map` that run on the host, row by row: the namespace `images` of generated code. */
export { add, cast, div, mul, sub } from './arithmetic.js';
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
