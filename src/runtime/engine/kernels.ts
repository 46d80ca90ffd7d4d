/** Kernels that the WebAssembly backend lacks, gets wrong or computes slowly. */
import { getKernel, registerKernel, unregisterKernel, type TensorInfo } from '@tensorflow/tfjs-core';
import {
  backendConv2d,
  backendDepthwise,
  conv2dBackpropFilter,
  conv2dBackpropInput,
  depthwiseBackpropFilter,
  depthwiseBackpropInput,
  withPadding,
} from './kernels/convolution.js';
import {
  backendClip,
  backendGather,
  backendMaximum,
  backendMinimum,
  backendSign,
  clipByValue,
  gather,
  leakyRelu,
  maximum,
  minimum,
  oneHot,
  reluGrad,
  sign,
  sum,
  tanh,
  unsortedSegmentSum,
} from './kernels/elementwise.js';
import { Heap, type Call } from './kernels/heap.js';
import { backendMatMul, batchMatMul } from './kernels/matmul.js';
import {
  avgPool,
  avgPoolGrad,
  backendAvgPool,
  backendMaxPool,
  maxPool,
  maxPoolGrad,
  maxPoolGradGrad,
} from './kernels/pooling.js';
import { sortedOrder, topValues } from './kernels/sorting.js';

/** Our own kernels, by name. Where the backend has one of the name, ours takes its place. */
export const ownKernels: Readonly<Record<string, (call: Call) => TensorInfo>> = {
  BatchMatMul: batchMatMul,
  OneHot: oneHot,
  Sum: sum,
  ReluGrad: reluGrad,
  ClipByValue: clipByValue,
  LeakyRelu: leakyRelu,
  Tanh: tanh,
  UnsortedSegmentSum: unsortedSegmentSum,
  Conv2D: withPadding(backendConv2d),
  DepthwiseConv2dNative: withPadding(backendDepthwise),
  Conv2DBackpropInput: conv2dBackpropInput,
  Conv2DBackpropFilter: conv2dBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  Maximum: maximum,
  Minimum: minimum,
  Sign: sign,
  GatherV2: gather,
  MaxPool: maxPool,
  AvgPool: avgPool,
  MaxPoolGrad: maxPoolGrad,
  MaxPoolGradGrad: maxPoolGradGrad,
  AvgPoolGrad: avgPoolGrad,
  TopValues: topValues,
  SortedOrder: sortedOrder,
};

/** The backend's own kernels that ours are made of, and the names they are kept under. */
const keptKernels: Readonly<Record<string, string>> = {
  BatchMatMul: backendMatMul,
  ClipByValue: backendClip,
  Conv2D: backendConv2d,
  DepthwiseConv2dNative: backendDepthwise,
  Maximum: backendMaximum,
  Minimum: backendMinimum,
  Sign: backendSign,
  GatherV2: backendGather,
  MaxPool: backendMaxPool,
  AvgPool: backendAvgPool,
};

/** Registers them. Called once, before the backend starts. */
export function registerKernels(): void {
  for (const [kernel, keptAs] of Object.entries(keptKernels)) {
    const config = getKernel(kernel, 'wasm');
    registerKernel({ ...config, kernelName: keptAs });
  }
  for (const [kernelName, kernel] of Object.entries(ownKernels)) {
    if (getKernel(kernelName, 'wasm') !== undefined) {
      unregisterKernel(kernelName, 'wasm');
    }
    registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs, backend }) => runOwn(kernel, inputs, attrs ?? {}, backend),
    });
  }
}

function runOwn(
  kernel: (call: Call) => TensorInfo,
  inputs: Call['inputs'],
  attributes: Call['attributes'],
  backend: unknown,
): TensorInfo {
  const heap = new Heap(backend);
  let result: TensorInfo | null = null;
  try {
    result = kernel({ inputs, attributes, heap });
    return result;
  } finally {
    heap.release(result);
  }
}
