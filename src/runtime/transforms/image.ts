/** Values of one row on the host, and what random functions of `map` draw for it. */
import type { DType, HostTensor, Values } from '../engine/engine.js';
import { hostUniform } from '../engine/philox.js';
import { allocate, fits } from '../data/record.js';
import type { Vocabulary } from './words.js';

/** A tensor of one row: an image [height, width, channels], a label. */
export type Image = HostTensor;

/** The row whose values are computed. With a draw's label it is all that its numbers depend on. */
export interface RowPlace {
  readonly seed: number;
  /** The data set's name in the spec. */
  readonly label: string;
  readonly epoch: number;
  /** Its number in the source, from 0. */
  readonly row: number;
  /** Files of words, by their paths as written. */
  readonly words?: ReadonlyMap<string, Vocabulary>;
}

/** The place of a random function in the spec, `map.random_crop`. */
export interface DrawOption {
  readonly draw: string;
}

/** So many numbers may a function draw for one row. */
const mostDraws = 64;

let current: RowPlace | null = null;

/** Runs `body`, which is synchronous, with the draws of a row. */
export function withRow<T>(place: RowPlace, body: () => T): T {
  const before = current;
  current = place;
  try {
    return body();
  } finally {
    current = before;
  }
}

/** The words of a file. Throws where the row's data set does not read it. */
export function wordsOf(file: string): Vocabulary {
  const found = current?.words?.get(file);
  if (found === undefined)
    throw new Error(`lookup reads ${file}, which its data set does not name among its words`);
  return found;
}

/** `count` (up to 64) uniform numbers from [0, 1) of the row at hand. Throws outside a row. */
export function drawn({ draw }: DrawOption, count: number): Float32Array {
  if (current === null) throw new Error(`${draw} draws for a row: use it in the rows of a data set`);
  if (count > mostDraws) throw new Error(`${draw} draws ${count} numbers for a row, more than ${mostDraws}`);
  const { seed, label, epoch, row } = current;
  return hostUniform(seed, `data.${label}.${draw}`, count, { step: epoch, offset: row * mostDraws });
}

/** A whole number from 0 to `count - 1`, of a uniform one. */
export function wholeOf(uniform: number | undefined, count: number): number {
  return Math.min(count - 1, Math.floor((uniform ?? 0) * count));
}

/** Height, width and channels. Throws where `x` is no image. */
export function sizesOf(name: string, { shape }: Image): readonly [number, number, number] {
  const [height, width, channels] = shape;
  if (shape.length !== 3 || height === undefined || width === undefined || channels === undefined)
    throw new Error(`${name} takes an image [height, width, channels], got [${shape.join(', ')}]`);
  return [height, width, channels];
}

export function imageOf(dtype: DType, shape: readonly number[], values: Values): Image {
  return { dtype, shape, values };
}

/** An image of the same element type with values that `f` gives from the index; rounded and held where it is u8. */
export function filledLike({ dtype }: Image, shape: readonly number[], f: (index: number) => number): Image {
  const values = allocate(
    dtype,
    shape.reduce((all, one) => all * one, 1),
  );
  for (let i = 0; i < values.length; i += 1) values[i] = held(dtype, f(i));
  return imageOf(dtype, shape, values);
}

/** A number as the element type holds it: bytes are rounded to the nearest. */
export function held(dtype: DType, value: number): number {
  if (dtype === 'f32' || fits(dtype, value)) return value;
  const whole = Math.round(value);
  return dtype === 'u8' ? Math.min(255, Math.max(0, whole)) : whole;
}
