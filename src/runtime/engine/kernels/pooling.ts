/** Gradients of pooling. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { inputAt, listAt, sizeAlong, type Call } from './heap.js';
import { covered, windowOf } from './window.js';

/** To the first of the window's largest values. */
export function maxPoolGrad(call: Call): TensorInfo {
  const { heap } = call;
  const dy = inputAt(call, 'dy');
  const x = inputAt(call, 'input');
  const y = inputAt(call, 'output');
  const [kernelHeight = 1, kernelWidth = 1] = listAt(call, 'filterSize');
  const w = windowOf(call, x.shape, dy, [kernelHeight, kernelWidth]);
  const channels = sizeAlong(x, 3);
  const dx = heap.make(x.shape);
  const xs = heap.floats(x);
  const ys = heap.floats(y);
  const dys = heap.floats(dy);
  const out = heap.floats(dx).fill(0);
  let at = 0;
  for (let image = 0; image < w.batch; image++) {
    for (let row = 0; row < w.outHeight; row++) {
      const [top, bottom] = covered(row, w.strideHeight, kernelHeight, w.top, w.height);
      for (let column = 0; column < w.outWidth; column++) {
        const [left, right] = covered(column, w.strideWidth, kernelWidth, w.left, w.width);
        const first = ((image * w.height + top) * w.width + left) * channels;
        for (let channel = 0; channel < channels; channel++, at++) {
          const largest = ys[at];
          search: for (let h = top, line = first + channel; h < bottom; h++, line += w.width * channels) {
            for (let c = left, pixel = line; c < right; c++, pixel += channels) {
              if (xs[pixel] === largest) {
                out[pixel] = (out[pixel] ?? 0) + (dys[at] ?? 0);
                break search;
              }
            }
          }
        }
      }
    }
  }
  return dx;
}

/** In equal parts to the window's values; padding gets none. */
export function avgPoolGrad(call: Call): TensorInfo {
  const { heap } = call;
  const dy = inputAt(call, 'dy');
  const x = inputAt(call, 'input');
  const [kernelHeight = 1, kernelWidth = 1] = listAt(call, 'filterSize');
  const w = windowOf(call, x.shape, dy, [kernelHeight, kernelWidth]);
  const channels = sizeAlong(x, 3);
  const dx = heap.make(x.shape);
  const dys = heap.floats(dy);
  const out = heap.floats(dx).fill(0);
  for (let image = 0; image < w.batch; image++) {
    for (let row = 0; row < w.outHeight; row++) {
      const [top, bottom] = covered(row, w.strideHeight, kernelHeight, w.top, w.height);
      for (let column = 0; column < w.outWidth; column++) {
        const [left, right] = covered(column, w.strideWidth, kernelWidth, w.left, w.width);
        const share = 1 / ((bottom - top) * (right - left));
        const from = ((image * w.outHeight + row) * w.outWidth + column) * channels;
        for (let h = top; h < bottom; h++) {
          for (let c = left; c < right; c++) {
            const pixel = ((image * w.height + h) * w.width + c) * channels;
            for (let channel = 0; channel < channels; channel++) {
              out[pixel + channel] = (out[pixel + channel] ?? 0) + (dys[from + channel] ?? 0) * share;
            }
          }
        }
      }
    }
  }
  return dx;
}
