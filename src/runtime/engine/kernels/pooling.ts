/** Pooling that lets NaN through, and its gradients. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { inputAt, listAt, sizeAlong, type Call } from './heap.js';
import { covered, windowOf } from './window.js';

/** The backend's own kernels, kept under these names. */
export const backendMaxPool = 'BackendMaxPool';
export const backendAvgPool = 'BackendAvgPool';

/** The backend's max leaves a NaN out. */
export const maxPool = lettingNanThrough(backendMaxPool);

/** The backend's mean of a window with a NaN is -Infinity. */
export const avgPool = lettingNanThrough(backendAvgPool);

/** A NaN is rare, and looking for one is cheaper than another pass of kernels: windows are visited only where there is one. */
function lettingNanThrough(kernel: string): (call: Call) => TensorInfo {
  return (call) => {
    const { heap } = call;
    const x = inputAt(call, 'x');
    const filterSize = [...listAt(call, 'filterSize')];
    const strides = [...listAt(call, 'strides')];
    const pad = call.attributes['pad'] === 'same' ? 'same' : 'valid';
    const pooled = heap.call(kernel, { x }, { filterSize, strides, pad, dimRoundingMode: 'floor' });
    if (!hasNan(heap.floats(x))) {
      return pooled;
    }
    // A window of one pixel gives the input itself, which must not be written to.
    const made = heap.make(pooled.shape);
    const out = heap.floats(made);
    out.set(heap.floats(pooled));
    markNan(call, x, made, out);
    return made;
  };
}

function hasNan(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) {
      return true;
    }
  }
  return false;
}

/** Makes each value NaN whose window holds one. */
function markNan(call: Call, x: TensorInfo, made: TensorInfo, out: Float32Array): void {
  const [kernelHeight = 1, kernelWidth = 1] = listAt(call, 'filterSize');
  const w = windowOf(call, x.shape, made, [kernelHeight, kernelWidth]);
  const channels = sizeAlong(x, 3);
  const xs = call.heap.floats(x);
  let at = 0;
  for (let image = 0; image < w.batch; image++) {
    for (let row = 0; row < w.outHeight; row++) {
      const [top, bottom] = covered(row, w.strideHeight, kernelHeight, w.top, w.height);
      for (let column = 0; column < w.outWidth; column++, at += channels) {
        const [left, right] = covered(column, w.strideWidth, kernelWidth, w.left, w.width);
        for (let h = top; h < bottom; h++) {
          const end = ((image * w.height + h) * w.width + right) * channels;
          for (let i = ((image * w.height + h) * w.width + left) * channels, c = 0; i < end; i++) {
            if (Number.isNaN(xs[i])) {
              out[at + c] = Number.NaN;
            }
            c = c + 1 === channels ? 0 : c + 1;
          }
        }
      }
    }
  }
}

/** To the first of the window's largest values, or of its NaNs. */
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
              if (Object.is(xs[pixel], largest) || xs[pixel] === largest) {
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

/** Of each window the value of ddx at the place that its gradient goes to: the gradient of `maxPoolGrad` by its dy. */
export function maxPoolGradGrad(call: Call): TensorInfo {
  const { heap } = call;
  const ddx = inputAt(call, 'ddx');
  const x = inputAt(call, 'input');
  const y = inputAt(call, 'output');
  const [kernelHeight = 1, kernelWidth = 1] = listAt(call, 'filterSize');
  const w = windowOf(call, x.shape, y, [kernelHeight, kernelWidth]);
  const channels = sizeAlong(x, 3);
  const picked = heap.make(y.shape);
  const xs = heap.floats(x);
  const ys = heap.floats(y);
  const slopes = heap.floats(ddx);
  const out = heap.floats(picked).fill(0);
  let at = 0;
  for (let image = 0; image < w.batch; image++) {
    for (let row = 0; row < w.outHeight; row++) {
      const [top, bottom] = covered(row, w.strideHeight, kernelHeight, w.top, w.height);
      for (let column = 0; column < w.outWidth; column++) {
        const [left, right] = covered(column, w.strideWidth, kernelWidth, w.left, w.width);
        for (let channel = 0; channel < channels; channel++, at++) {
          search: for (let h = top; h < bottom; h++) {
            for (let c = left; c < right; c++) {
              const pixel = ((image * w.height + h) * w.width + c) * channels + channel;
              if (Object.is(xs[pixel], ys[at]) || xs[pixel] === ys[at]) {
                out[at] = slopes[pixel] ?? 0;
                break search;
              }
            }
          }
        }
      }
    }
  }
  return picked;
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
