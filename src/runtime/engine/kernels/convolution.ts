/**
 * Gradients of convolutions as forward convolutions, the one thing that the backend does fast (milliseconds on one core, LeNet's
 * second layer: 14 and 18 instead of 125 and 206).
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { inputAt, listAt, sizeAlong, type Call, type Heap } from './heap.js';
import { windowOf, type Window } from './window.js';

type Pairs = [[number, number], [number, number], [number, number], [number, number]];

const plain = { dataFormat: 'NHWC', dimRoundingMode: 'floor' };

function around(top: number, bottom: number, left: number, right: number): Pairs {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/** The backend's own kernels, kept under these names. */
export const backendConv2d = 'BackendConv2D';
export const backendDepthwise = 'BackendDepthwiseConv2dNative';

/**
 * The backend's kernel with its padding written out: left to itself, "same" with a window smaller than its stride reads beyond
 * the image.
 */
export function withPadding(kernel: string): (call: Call) => TensorInfo {
  return (call) => {
    const x = inputAt(call, 'x');
    const filter = inputAt(call, 'filter');
    const strides = [...listAt(call, 'strides')];
    const dilations = [...listAt(call, 'dilations')];
    const { pad } = call.attributes;
    return call.heap.call(
      kernel,
      { x, filter },
      {
        ...plain,
        strides,
        dilations,
        pad: pad === 'same' ? samePadding(x.shape, filter.shape, strides) : asPairs(pad),
      },
    );
  };
}

function samePadding(image: readonly number[], filter: readonly number[], strides: readonly number[]): Pairs {
  const along = (axis: 0 | 1): readonly [number, number] => {
    const size = image[axis + 1] ?? 0;
    const stride = strides[axis] ?? 1;
    const total = Math.max((Math.ceil(size / stride) - 1) * stride + (filter[axis] ?? 1) - size, 0);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  return around(...along(0), ...along(1));
}

function asPairs(pad: unknown): Pairs | 'valid' {
  if (!Array.isArray(pad)) {
    return 'valid';
  }
  const pairs = pad.map((pair: unknown): readonly [number, number] => {
    const [from, to]: unknown[] = Array.isArray(pair) ? pair : [];
    return [typeof from === 'number' ? from : 0, typeof to === 'number' ? to : 0];
  });
  return around(...(pairs[1] ?? [0, 0]), ...(pairs[2] ?? [0, 0]));
}

/** Zeros around an image. Negative numbers cut off instead. */
function fitted(
  heap: Heap,
  x: TensorInfo,
  top: number,
  bottom: number,
  left: number,
  right: number,
): TensorInfo {
  const cut = (n: number): number => Math.max(-n, 0);
  const fill = (n: number): number => Math.max(n, 0);
  let image = x;
  if (Math.min(top, bottom, left, right) < 0) {
    const height = sizeAlong(x, 1) - cut(top) - cut(bottom);
    const width = sizeAlong(x, 2) - cut(left) - cut(right);
    image = heap.call(
      'Slice',
      { x },
      { begin: [0, cut(top), cut(left), 0], size: [sizeAlong(x, 0), height, width, sizeAlong(x, 3)] },
    );
  }
  if (Math.max(top, bottom, left, right) <= 0) {
    return image;
  }
  return heap.call(
    'PadV2',
    { x: image },
    { paddings: around(fill(top), fill(bottom), fill(left), fill(right)), constantValue: 0 },
  );
}

/** The image with stride - 1 zeros between neighbours. */
function spread(heap: Heap, dy: TensorInfo, window: Window): TensorInfo {
  const { strideHeight, strideWidth, outHeight, outWidth, batch } = window;
  if (strideHeight === 1 && strideWidth === 1) {
    return dy;
  }
  const channels = sizeAlong(dy, 3);
  const height = (outHeight - 1) * strideHeight + 1;
  const width = (outWidth - 1) * strideWidth + 1;
  const wide = heap.make([batch, height, width, channels]);
  const from = heap.floats(dy);
  const to = heap.floats(wide).fill(0);
  for (let row = 0; row < batch * outHeight; row++) {
    const image = Math.floor(row / outHeight);
    const line = image * height + (row - image * outHeight) * strideHeight;
    for (let column = 0; column < outWidth; column++) {
      const source = (row * outWidth + column) * channels;
      to.set(from.subarray(source, source + channels), (line * width + column * strideWidth) * channels);
    }
  }
  return wide;
}

/** A filter turned by half a turn. */
function turned(heap: Heap, filter: TensorInfo): TensorInfo {
  return heap.call('Reverse', { x: filter }, { dims: [0, 1] });
}

/** Padding with which a forward pass over the spread gradient gives the image's size. */
function backPadding(window: Window): Pairs {
  const { height, width, outHeight, outWidth, kernelHeight, kernelWidth, strideHeight, strideWidth } = window;
  return around(
    kernelHeight - 1 - window.top,
    height + window.top - (outHeight - 1) * strideHeight - 1,
    kernelWidth - 1 - window.left,
    width + window.left - (outWidth - 1) * strideWidth - 1,
  );
}

/**
 * dy, filter → dx: with stride 1 a forward pass of the turned filter with its channels swapped. With a larger stride the rows (and
 * columns) of dx fall into as many classes, each of which sees every stride-th tap only: one small forward pass for each class, a
 * quarter of the work for stride 2 of one pass over dy with zeros between neighbours.
 */
export function conv2dBackpropInput(call: Call): TensorInfo {
  const { heap } = call;
  const dy = inputAt(call, 'dy');
  const filter = inputAt(call, 'filter');
  const shape = listAt(call, 'inputShape');
  const window = windowOf(call, shape, dy, [sizeAlong(filter, 0), sizeAlong(filter, 1)]);
  const swapped = heap.call('Transpose', { x: turned(heap, filter) }, { perm: [0, 1, 3, 2] });
  if (window.strideHeight === 1 && window.strideWidth === 1) {
    return heap.call(
      backendConv2d,
      { x: dy, filter: swapped },
      { ...plain, strides: [1, 1], dilations: [1, 1], pad: backPadding(window) },
    );
  }
  const dx = heap.make(shape);
  heap.floats(dx).fill(0);
  const {
    height,
    width,
    outHeight,
    outWidth,
    kernelHeight,
    kernelWidth,
    strideHeight,
    strideWidth,
    top,
    left,
  } = window;
  for (const down of classesOf(height, outHeight, kernelHeight, strideHeight, top)) {
    for (const across of classesOf(width, outWidth, kernelWidth, strideWidth, left)) {
      const taps = everyTap(heap, swapped, down, across, strideHeight, strideWidth);
      const image = fitted(heap, dy, down.before, down.after, across.before, across.after);
      const part = heap.call(
        backendConv2d,
        { x: image, filter: taps },
        { ...plain, strides: [1, 1], dilations: [1, 1], pad: 'valid' },
      );
      interleave(heap, part, dx, down, across, strideHeight, strideWidth);
      heap.free(taps, part);
    }
  }
  return dx;
}

/** Positions first, first + stride, … of an axis of dx, which see the same taps of the filter. */
interface PlaceClass {
  readonly first: number;
  /** The first of its taps in the turned filter, and how many. */
  readonly tap: number;
  readonly taps: number;
  /** Zeros (or, negative, positions of dy that are not seen) before and after. */
  readonly before: number;
  readonly after: number;
}

function classesOf(
  size: number,
  out: number,
  kernel: number,
  stride: number,
  pad: number,
): readonly PlaceClass[] {
  return Array.from({ length: Math.min(stride, size) }, (_, first) => {
    // dx[stride · i + first] = Σ over t of dy[i + shift - t] · w[stride · t + lead]
    const lead = (first + pad) % stride;
    const shift = Math.floor((first + pad) / stride);
    const taps = Math.max(Math.ceil((kernel - lead) / stride), 0);
    const count = Math.ceil((size - first) / stride);
    return {
      first,
      tap: kernel - 1 - lead - stride * (taps - 1),
      taps,
      before: taps - 1 - shift,
      after: count + shift - out,
    };
  }).filter(({ taps }) => taps > 0);
}

/** The taps of the turned filter that two classes see. */
function everyTap(
  heap: Heap,
  filter: TensorInfo,
  down: PlaceClass,
  across: PlaceClass,
  strideHeight: number,
  strideWidth: number,
): TensorInfo {
  const [, kernelWidth = 0, from = 0, to = 0] = filter.shape;
  const run = from * to;
  const taps = heap.make([down.taps, across.taps, from, to]);
  const all = heap.floats(filter);
  const some = heap.floats(taps);
  for (let i = 0, at = 0; i < down.taps; i++) {
    for (let j = 0; j < across.taps; j++, at += run) {
      const start = ((down.tap + i * strideHeight) * kernelWidth + across.tap + j * strideWidth) * run;
      some.set(all.subarray(start, start + run), at);
    }
  }
  return taps;
}

/** Puts the values of two classes to their places. */
function interleave(
  heap: Heap,
  part: TensorInfo,
  dx: TensorInfo,
  down: PlaceClass,
  across: PlaceClass,
  strideHeight: number,
  strideWidth: number,
): void {
  const [batch = 0, rows = 0, columns = 0, channels = 0] = part.shape;
  const height = sizeAlong(dx, 1);
  const width = sizeAlong(dx, 2);
  const values = heap.floats(part);
  const out = heap.floats(dx);
  for (let image = 0, from = 0; image < batch; image++) {
    for (let row = 0; row < rows; row++) {
      let to = ((image * height + row * strideHeight + down.first) * width + across.first) * channels;
      for (let column = 0; column < columns; column++, to += (strideWidth - 1) * channels) {
        for (const end = from + channels; from < end; from++, to++) {
          out[to] = values[from] ?? 0;
        }
      }
    }
  }
}

/** x, dy → dw: a convolution whose batch is x's channels, whose channels are the batch, and whose filter is dy, dilated by the stride. */
export function conv2dBackpropFilter(call: Call): TensorInfo {
  const { heap } = call;
  const x = inputAt(call, 'x');
  const dy = inputAt(call, 'dy');
  const [kernelHeight = 0, kernelWidth = 0] = listAt(call, 'filterShape');
  const window = windowOf(call, x.shape, dy, [kernelHeight, kernelWidth]);
  const { height, width, outHeight, outWidth, strideHeight, strideWidth, top, left } = window;
  const padded = fitted(
    heap,
    x,
    top,
    (outHeight - 1) * strideHeight + kernelHeight - height - top,
    left,
    (outWidth - 1) * strideWidth + kernelWidth - width - left,
  );
  const image = heap.call('Transpose', { x: padded }, { perm: [3, 1, 2, 0] });
  const filter = heap.call('Transpose', { x: dy }, { perm: [1, 2, 0, 3] });
  const made = heap.call(
    'Conv2D',
    { x: image, filter },
    { ...plain, strides: [1, 1], dilations: [strideHeight, strideWidth], pad: 'valid' },
  );
  return heap.call('Transpose', { x: made }, { perm: [1, 2, 0, 3] });
}

/** dy, filter → dx of a depthwise convolution: each channel of dy with its own turned filter, summed over the multiplier. */
export function depthwiseBackpropInput(call: Call): TensorInfo {
  const { heap } = call;
  const dy = inputAt(call, 'dy');
  const filter = inputAt(call, 'filter');
  const [kernelHeight = 0, kernelWidth = 0, channels = 0, multiplier = 0] = filter.shape;
  const shape = listAt(call, 'inputShape');
  const window = windowOf(call, shape, dy, [kernelHeight, kernelWidth]);
  const single = heap.call(
    'Reshape',
    { x: turned(heap, filter) },
    { shape: [kernelHeight, kernelWidth, channels * multiplier, 1] },
  );
  const pad = backPadding(window);
  const wide = fitted(heap, spread(heap, dy, window), ...pad[1], ...pad[2]);
  const each = heap.call(
    'DepthwiseConv2dNative',
    { x: wide, filter: single },
    { ...plain, strides: [1, 1], dilations: [1, 1], pad: 'valid' },
  );
  if (multiplier === 1) {
    return each;
  }
  const parts = heap.call('Reshape', { x: each }, { shape: [...shape, multiplier] });
  return heap.call('Sum', { x: parts }, { axis: [4], keepDims: false });
}

/** x, dy → dw of a depthwise convolution: a sum over places for each tap, channels innermost. */
export function depthwiseBackpropFilter(call: Call): TensorInfo {
  const { heap } = call;
  const x = inputAt(call, 'x');
  const dy = inputAt(call, 'dy');
  const [kernelHeight = 0, kernelWidth = 0, channels = 0, multiplier = 0] = listAt(call, 'filterShape');
  const window = windowOf(call, x.shape, dy, [kernelHeight, kernelWidth]);
  const { batch, height, width, outHeight, outWidth, strideHeight, strideWidth, top, left } = window;
  const dw = heap.make([kernelHeight, kernelWidth, channels, multiplier]);
  const xs = heap.floats(x);
  const dys = heap.floats(dy);
  const sums = heap.floats(dw).fill(0);
  for (let image = 0; image < batch; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        const from = ((image * outHeight + row) * outWidth + column) * channels * multiplier;
        for (let i = 0; i < kernelHeight; i++) {
          const h = row * strideHeight + i - top;
          for (let j = 0; h >= 0 && h < height && j < kernelWidth; j++) {
            const w = column * strideWidth + j - left;
            if (w >= 0 && w < width) {
              const pixel = ((image * height + h) * width + w) * channels;
              addOuter(
                sums,
                (i * kernelWidth + j) * channels * multiplier,
                xs,
                pixel,
                dys,
                from,
                channels,
                multiplier,
              );
            }
          }
        }
      }
    }
  }
  return dw;
}

function addOuter(
  sums: Float32Array,
  at: number,
  xs: Float32Array,
  pixel: number,
  dys: Float32Array,
  from: number,
  channels: number,
  multiplier: number,
): void {
  for (let channel = 0, k = 0; channel < channels; channel++) {
    const value = xs[pixel + channel] ?? 0;
    for (let m = 0; m < multiplier; m++, k++) {
      sums[at + k] = (sums[at + k] ?? 0) + value * (dys[from + k] ?? 0);
    }
  }
}
