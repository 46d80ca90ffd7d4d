/** Rows whose sizes differ, brought to one size. */
import { allocate, fits, rangeText } from '../data/record.js';
import { BadValue } from '../data/data-error.js';
import type { HostTexts } from '../data/texts.js';
import { imageOf, type Image } from './image.js';

export interface PadOptions {
  /** The size of the first axis afterwards, at least 1. */
  readonly to: number;
  /** What is put behind a row's own values, 0 unless given. */
  readonly value?: number;
  /** Leave out what is behind place `to`, where a row is longer. */
  readonly truncate?: boolean;
}

/** The first axis brought to the size `to`: `value` behind a shorter row. A longer row is bad, unless it is to be cut. */
export function padTo(x: Image, { to, value = 0, truncate = false }: PadOptions): Image {
  const [length, ...inner] = x.shape;
  if (length === undefined) throw new Error('pad takes a list, got one number');
  if (!fits(x.dtype, value)) throw new Error(`pad: the value ${value} is not ${rangeText(x.dtype)}`);
  if (length > to && !truncate)
    throw new BadValue(
      `the row has ${length} values, more than the ${to} that pad makes of it`,
      'make `to` larger, or write truncate = true',
    );
  const size = inner.reduce((all, one) => all * one, 1);
  const values = allocate(x.dtype, to * size);
  values.fill(value, Math.min(length, to) * size);
  values.set(x.values.subarray(0, to * size));
  return imageOf(x.dtype, [to, ...inner], values);
}

/** The size of an axis: i32 []. */
export function sizeOf({ shape }: Image | HostTexts, { axis }: { readonly axis: number }): Image {
  return imageOf('i32', [], Int32Array.of(shape[axis] ?? 0));
}
