/** Images cut, turned over and resized, row by row on the host. */
import { allocate } from '../data/record.js';
import { drawn, filledLike, held, imageOf, sizesOf, wholeOf, type DrawOption, type Image } from './image.js';

/** Height and width. */
export type Size2 = readonly [height: number, width: number];

/** The part of an image from (top, left); what lies outside of it is 0. */
function cut(name: string, x: Image, top: number, left: number, [height, width]: Size2): Image {
  const [rows, columns, channels] = sizesOf(name, x);
  const out = allocate(x.dtype, height * width * channels);
  for (let row = 0; row < height; row += 1) {
    const from = top + row;
    if (from < 0 || from >= rows) continue;
    const first = Math.max(0, -left);
    const last = Math.min(width, columns - left);
    if (last <= first) continue;
    const at = (from * columns + left + first) * channels;
    const part = x.values.subarray(at, at + (last - first) * channels);
    out.set(part, (row * width + first) * channels);
  }
  return imageOf(x.dtype, [height, width, channels], out);
}

function requireRoom(name: string, x: Image, [height, width]: Size2, pad = 0): Size2 {
  const [rows, columns] = sizesOf(name, x);
  if (height > rows + 2 * pad || width > columns + 2 * pad)
    throw new Error(
      `${name} of ${height}×${width} does not fit an image of ${rows}×${columns}${pad > 0 ? ` with ${pad} around it` : ''}; resize it before`,
    );
  return [rows, columns];
}

/** The middle of an image. Where the rest is odd, one row more is left out below than above. */
export function centerCrop(x: Image, { size }: { readonly size: Size2 }): Image {
  const [rows, columns] = requireRoom('center_crop', x, size);
  return cut('center_crop', x, Math.floor((rows - size[0]) / 2), Math.floor((columns - size[1]) / 2), size);
}

/** A part of the size at a place that is drawn; before, `pad` rows and columns of 0 are put around the image. */
export function randomCrop(
  x: Image,
  { size, pad = 0, ...draw }: { readonly size: Size2; readonly pad?: number } & DrawOption,
): Image {
  const [rows, columns] = requireRoom('random_crop', x, size, pad);
  const [down, right] = drawn(draw, 2);
  const top = wholeOf(down, rows + 2 * pad - size[0] + 1) - pad;
  const left = wholeOf(right, columns + 2 * pad - size[1] + 1) - pad;
  return cut('random_crop', x, top, left, size);
}

/** The image, mirrored along an axis (0: top and bottom, 1: left and right) with the probability `rate`. */
export function randomFlip(
  x: Image,
  { axis = 1, rate = 0.5, ...draw }: { readonly axis?: number; readonly rate?: number } & DrawOption,
): Image {
  const [rows, columns, channels] = sizesOf('random_flip', x);
  const [number = 0] = drawn(draw, 1);
  if (number >= rate) return x;
  const out = allocate(x.dtype, x.values.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const from = axis === 0 ? (rows - 1 - row) * columns + column : row * columns + (columns - 1 - column);
      for (let channel = 0; channel < channels; channel += 1)
        out[(row * columns + column) * channels + channel] = x.values[from * channels + channel] ?? 0;
    }
  }
  return imageOf(x.dtype, x.shape, out);
}

/** Tries of `randomResizedCrop` before it takes the middle. */
const tries = 10;

/**
 * A part of the image of a drawn area (a fraction within `scale`) and a drawn ratio of width to height (within `ratio`, uniform in its
 * logarithm), resized (Szegedy et al., 2015). Where ten draws do not fit the image, its middle with the nearest ratio.
 */
export function randomResizedCrop(
  x: Image,
  {
    size,
    scale = [0.08, 1],
    ratio = [3 / 4, 4 / 3],
    ...draw
  }: {
    readonly size: Size2;
    readonly scale?: readonly [number, number];
    readonly ratio?: readonly [number, number];
  } & DrawOption,
): Image {
  const name = 'random_resized_crop';
  const [rows, columns] = sizesOf(name, x);
  const numbers = drawn(draw, 4 * tries);
  const between = (at: number, low: number, high: number): number => low + (numbers[at] ?? 0) * (high - low);
  for (let turn = 0; turn < tries; turn += 1) {
    const area = rows * columns * between(4 * turn, scale[0], scale[1]);
    const aspect = Math.exp(between(4 * turn + 1, Math.log(ratio[0]), Math.log(ratio[1])));
    const width = Math.round(Math.sqrt(area * aspect));
    const height = Math.round(Math.sqrt(area / aspect));
    if (width < 1 || height < 1 || width > columns || height > rows) continue;
    const top = wholeOf(numbers[4 * turn + 2], rows - height + 1);
    const left = wholeOf(numbers[4 * turn + 3], columns - width + 1);
    return resize(cut(name, x, top, left, [height, width]), { size });
  }
  const own = columns / rows;
  const height = own < ratio[0] ? Math.max(1, Math.round(columns / ratio[0])) : rows;
  const width = own > ratio[1] ? Math.max(1, Math.round(rows * ratio[1])) : columns;
  const part: Size2 = [Math.min(rows, height), Math.min(columns, width)];
  return resize(cut(name, x, Math.floor((rows - part[0]) / 2), Math.floor((columns - part[1]) / 2), part), {
    size,
  });
}

/** For each place of the new axis where it starts to read, and the weights of what it reads: they add up to 1. */
function weightsOf(
  from: number,
  to: number,
): readonly { readonly first: number; readonly weights: readonly number[] }[] {
  const step = from / to;
  const reach = Math.max(1, step);
  return Array.from({ length: to }, (_, place) => {
    const middle = (place + 0.5) * step;
    const first = Math.max(0, Math.floor(middle - reach + 0.5));
    const last = Math.min(from, Math.floor(middle + reach + 0.5));
    const weights = Array.from({ length: last - first }, (__, at) =>
      Math.max(0, 1 - Math.abs(first + at + 0.5 - middle) / reach),
    );
    const sum = weights.reduce((all, one) => all + one, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * Another size, by linear interpolation between the middles of pixels, over as many of them as become one (antialiased, as Pillow's and
 * torchvision's `BILINEAR`). One number is the size of the shorter side; the other keeps the ratio, rounded down.
 */
export function resize(x: Image, { size }: { readonly size: number | Size2 }): Image {
  const [rows, columns, channels] = sizesOf('resize', x);
  const [height, width] = typeof size === 'number' ? shorterSide(rows, columns, size) : size;
  if (height === rows && width === columns) return x;
  const across = weightsOf(columns, width);
  const narrow = new Float64Array(rows * width * channels);
  for (let row = 0; row < rows; row += 1) {
    across.forEach(({ first, weights }, column) => {
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 0;
        for (let at = 0; at < weights.length; at += 1)
          sum += (weights[at] ?? 0) * (x.values[(row * columns + first + at) * channels + channel] ?? 0);
        narrow[(row * width + column) * channels + channel] = sum;
      }
    });
  }
  const line = width * channels;
  const out = allocate(x.dtype, height * line);
  weightsOf(rows, height).forEach(({ first, weights }, row) => {
    for (let place = 0; place < line; place += 1) {
      let sum = 0;
      for (let at = 0; at < weights.length; at += 1)
        sum += (weights[at] ?? 0) * (narrow[(first + at) * line + place] ?? 0);
      out[row * line + place] = held(x.dtype, sum);
    }
  });
  return imageOf(x.dtype, [height, width, channels], out);
}

function shorterSide(rows: number, columns: number, size: number): Size2 {
  return rows <= columns
    ? [size, Math.max(size, Math.floor((size * columns) / rows))]
    : [Math.max(size, Math.floor((size * rows) / columns)), size];
}

/** Fractions by which a colour may change; of the kind (1 - b, 1 + b). */
export interface JitterOptions extends DrawOption {
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
}

/** Weights of red, green and blue in the grey of a pixel (ITU-R BT.601). */
const greyWeights = [0.299, 0.587, 0.114];

/**
 * Brightness, contrast and saturation by factors drawn from [1 - b, 1 + b], in this order: x · f; f · x + (1 - f) · the mean grey;
 * f · x + (1 - f) · the pixel's grey. Held within [0, 1] (f32) or 0 to 255 (u8) after each.
 */
export function colorJitter(
  x: Image,
  { brightness = 0, contrast = 0, saturation = 0, ...draw }: JitterOptions,
): Image {
  const [rows, columns, channels] = sizesOf('color_jitter', x);
  if (channels !== 3 && channels !== 1)
    throw new Error(`color_jitter takes images of 3 channels or 1, got ${channels}`);
  const most = x.dtype === 'f32' ? 1 : 255;
  const [light = 0, apart = 0, rich = 0] = drawn(draw, 3).map((number) => 2 * number - 1);
  const values = Float64Array.from(x.values);
  const greyAt = (pixel: number): number =>
    channels === 1
      ? (values[pixel] ?? 0)
      : greyWeights.reduce((sum, weight, at) => sum + weight * (values[pixel * 3 + at] ?? 0), 0);
  const blend = (factor: number, grey: (pixel: number) => number): void => {
    if (factor === 1) return;
    for (let pixel = 0; pixel < rows * columns; pixel += 1) {
      const rest = (1 - factor) * grey(pixel);
      for (let channel = 0; channel < channels; channel += 1) {
        const at = pixel * channels + channel;
        values[at] = Math.min(most, Math.max(0, factor * (values[at] ?? 0) + rest));
      }
    }
  };
  blend(1 + brightness * light, () => 0);
  if (contrast > 0) {
    let sum = 0;
    for (let pixel = 0; pixel < rows * columns; pixel += 1) sum += greyAt(pixel);
    const mean = sum / Math.max(1, rows * columns);
    blend(1 + contrast * apart, () => mean);
  }
  blend(1 + saturation * rich, greyAt);
  return filledLike(x, x.shape, (at) => values[at] ?? 0);
}
