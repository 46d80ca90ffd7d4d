/** The geometry of a window that moves over an image: convolutions and pooling. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { listAt, sizeAlong, type Call } from './heap.js';

export interface Window {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  /** Zeros before the first row and column. */
  readonly top: number;
  readonly left: number;
}

/** Zeros before the first position; "same" puts the odd one after the last, as TensorFlow does. */
function before(size: number, out: number, kernel: number, stride: number, pad: unknown): number {
  return pad === 'same' ? Math.floor(Math.max((out - 1) * stride + kernel - size, 0) / 2) : 0;
}

/** `image` is what the window moves over, `out` has one position for each place of it. */
export function windowOf(
  call: Call,
  image: readonly number[],
  out: TensorInfo,
  kernel: readonly [number, number],
): Window {
  const strides = listAt(call, 'strides');
  const strideHeight = strides[0] ?? 1;
  const strideWidth = strides[1] ?? strideHeight;
  const pad = call.attributes['pad'];
  const [batch = 0, height = 0, width = 0] = image;
  const outHeight = sizeAlong(out, 1);
  const outWidth = sizeAlong(out, 2);
  return {
    batch,
    height,
    width,
    outHeight,
    outWidth,
    kernelHeight: kernel[0],
    kernelWidth: kernel[1],
    strideHeight,
    strideWidth,
    top: before(height, outHeight, kernel[0], strideHeight, pad),
    left: before(width, outWidth, kernel[1], strideWidth, pad),
  };
}

/** Positions of the image that a window place covers, as [from, to). */
export function covered(
  place: number,
  stride: number,
  kernel: number,
  pad: number,
  size: number,
): readonly [number, number] {
  const from = place * stride - pad;
  return [Math.max(from, 0), Math.min(from + kernel, size)];
}
