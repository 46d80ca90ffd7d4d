/**
 * Every kernel that the runtime's ops and gradients call, as ops of TensorFlow. Each is stated once and serves both ways of
 * running: at once, and as nodes of a graph. Nothing here reads a value on the host.
 */
import { registerKernel } from '@tensorflow/tfjs-core';
import type { TensorFlowBackend } from './backend.js';
import { tf, type TfType } from './element-types.js';
import { noClass, noRow } from '../../run/index-error.js';
import { RunError } from '../../run/run-error.js';
import { Call, type Kernel } from './kernel-call.js';
import { fusedKernels } from './kernels-fused.js';
import type { Attributes, RefuseIndex, Value } from './values.js';

const unary =
  (op: string): Kernel =>
  (call) =>
    call.op(op, [call.input('x')]);

const binary =
  (op: string): Kernel =>
  (call) =>
    call.op(op, [call.input('a'), call.input('b')]);

/** `axes`: the attribute that names them. */
const reduction =
  (op: string, axes: string): Kernel =>
  (call) =>
    call.op(op, [call.input('x'), call.ints(call.numbers(axes))], { keep_dims: call.flag('keepDims') });

const typeOfAttribute = (call: Call): TfType => {
  switch (call.text('dtype')) {
    case 'float32':
      return tf.f32;
    case 'int32':
      return tf.i32;
    case 'bool':
      return tf.bool;
    default:
      throw new Error(`kernel ${call.kernel} got the type ${call.text('dtype')}; use f32, i32 or bool`);
  }
};

/**
 * What a kernel of one pixel sees of a convolution's input, or null where that is all of it. oneDNN's gradient by such a kernel is wrong
 * where strides are above 1, and reads past its input (TensorFlow 2.21 on processors without AVX-512).
 */
const seenByPixel = (call: Call, kernelShape: readonly number[]): Value | null => {
  const [height = 1, width = height] = call.numbers('strides');
  if (kernelShape[0] !== 1 || kernelShape[1] !== 1 || (height === 1 && width === 1)) return null;
  const x = call.input('x');
  const places = [call.ints([0, 0, 0, 0]), call.ints(call.shapeOf(x)), call.ints([1, height, width, 1])];
  return call.op('StridedSlice', [x, ...places]);
};

/** Strides, padding and layout of convolutions, as TensorFlow's ops take them. */
const convolution = (call: Call): Attributes => {
  const [height = 1, width = height] = call.numbers('strides');
  return { strides: [1, height, width, 1], padding: call.text('pad').toUpperCase(), data_format: 'NHWC' };
};

const pooling = (call: Call): Attributes => {
  const [height = 1, width = height] = call.numbers('filterSize');
  return { ...convolution(call), ksize: [1, height, width, 1] };
};

/**
 * What was picked by index, NaN where the index was not inside: XLA holds an index in bounds without a word, and a NaN ends the
 * run. `shape` is that of `inside` with axes of size 1 for what an index picks.
 */
const marked = (call: Call, picked: Value, inside: Value | null, shape: readonly number[]): Value => {
  if (inside === null) return picked;
  if (picked.type !== tf.f32) {
    throw new RunError(
      'an index that the step computes picks whole numbers or truths, and compile = "xla" cannot tell one that is outside; use compile = "graph"',
    );
  }
  const each = call.op('Reshape', [inside, call.ints(shape)]);
  return call.op('SelectV2', [each, picked, call.scalar(Number.NaN, tf.f32)]);
};

const sorted = (call: Call, k: number): readonly [values: Value, places: Value] => {
  const [values, places] = call.outputs(2, 'TopKV2', [call.input('x'), call.int(k)], { sorted: true });
  if (!values || !places) throw new Error('TopKV2 gives values and places');
  return [values, places];
};

/** The kernels, by name. */
export const kernels: Readonly<Record<string, Kernel>> = {
  Add: binary('AddV2'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('RealDiv'),
  Maximum: binary('Maximum'),
  Minimum: binary('Minimum'),
  Mod: binary('FloorMod'),
  Pow: binary('Pow'),
  Equal: binary('Equal'),
  NotEqual: binary('NotEqual'),
  Greater: binary('Greater'),
  GreaterEqual: binary('GreaterEqual'),
  Less: binary('Less'),
  LessEqual: binary('LessEqual'),
  LogicalAnd: binary('LogicalAnd'),
  LogicalOr: binary('LogicalOr'),
  LogicalNot: unary('LogicalNot'),
  Abs: unary('Abs'),
  Neg: unary('Neg'),
  Sign: unary('Sign'),
  Exp: unary('Exp'),
  Expm1: unary('Expm1'),
  Log: unary('Log'),
  Log1p: unary('Log1p'),
  Sqrt: unary('Sqrt'),
  Rsqrt: unary('Rsqrt'),
  Square: unary('Square'),
  Sin: unary('Sin'),
  Cos: unary('Cos'),
  Floor: unary('Floor'),
  Ceil: unary('Ceil'),
  Round: unary('Round'),
  Relu: unary('Relu'),
  Elu: unary('Elu'),
  Selu: unary('Selu'),
  Sigmoid: unary('Sigmoid'),
  Tanh: unary('Tanh'),
  Softplus: unary('Softplus'),
  ZerosLike: unary('ZerosLike'),
  OnesLike: unary('OnesLike'),
  LeakyRelu: (call) => call.op('LeakyRelu', [call.input('x')], { alpha: call.number('alpha') }),
  // dy where the output is above 0.
  ReluGrad: (call) => call.op('ReluGrad', [call.input('dy'), call.input('y')]),
  Softmax: (call) => call.op('Softmax', [call.input('logits')]),
  // 1 above 0, alpha elsewhere.
  Step: (call) => {
    const x = call.input('x');
    const zero = call.scalar(0, tf.f32);
    const alpha = call.scalar(call.has('alpha') ? call.number('alpha') : 0, tf.f32);
    return call.op('SelectV2', [call.op('Greater', [x, zero]), call.scalar(1, tf.f32), alpha]);
  },
  ClipByValue: (call) =>
    call.op('ClipByValue', [
      call.input('x'),
      call.scalar(call.number('clipValueMin'), call.input('x').type),
      call.scalar(call.number('clipValueMax'), call.input('x').type),
    ]),
  Select: (call) => call.op('SelectV2', [call.input('condition'), call.input('t'), call.input('e')]),
  Cast: (call) => call.op('Cast', [call.input('x')], { DstT: typeOfAttribute(call) }),
  Fill: (call) => {
    const value = call.scalar(call.number('value'), typeOfAttribute(call));
    const shape = call.numbers('shape');
    return shape.length === 0 ? value : call.op('Fill', [call.ints(shape), value]);
  },
  Range: (call) => {
    const type = typeOfAttribute(call);
    const ends = ['start', 'stop', 'step'].map((name) => call.scalar(call.number(name), type));
    return call.op('Range', ends);
  },
  Sum: reduction('Sum', 'axis'),
  Max: reduction('Max', 'reductionIndices'),
  Min: reduction('Min', 'axis'),
  ArgMax: (call) =>
    call.op('ArgMax', [call.input('x'), call.int(call.number('axis'))], { output_type: tf.i32 }),
  ArgMin: (call) =>
    call.op('ArgMin', [call.input('x'), call.int(call.number('axis'))], { output_type: tf.i32 }),
  Reshape: (call) => call.op('Reshape', [call.input('x'), call.ints(call.numbers('shape'))]),
  Transpose: (call) => call.op('Transpose', [call.input('x'), call.ints(call.numbers('perm'))]),
  Tile: (call) => call.op('Tile', [call.input('x'), call.ints(call.numbers('reps'))]),
  Slice: (call) =>
    call.op('Slice', [call.input('x'), call.ints(call.numbers('begin')), call.ints(call.numbers('size'))]),
  PadV2: (call) => {
    const pairs = call.pairs('paddings');
    const paddings = call.executor.constant(tf.i32, [pairs.length, 2], Int32Array.from(pairs.flat()));
    const x = call.input('x');
    return call.op('PadV2', [x, paddings, call.scalar(call.number('constantValue'), x.type)]);
  },
  Concat: (call) => call.op('ConcatV2', [call.all, call.int(call.number('axis'))]),
  GatherV2: (call) => {
    const x = call.input('x');
    const given = call.input('indices');
    const axis = call.number('axis');
    const rows = call.shapeOf(x).at(axis) ?? 0;
    const shape = call.shapeOf(given);
    const refuse: RefuseIndex = (index, place) => noRow(index, place, shape, rows);
    const { indices, inside } = call.has('inside')
      ? { indices: given, inside: null }
      : call.executor.requireIndex(given, rows, refuse);
    const shared = call.has('batchDims') ? call.number('batchDims') : 0;
    const picked = call.op('GatherV2', [x, indices, call.int(axis)], { batch_dims: shared });
    const ones = (count: number): readonly number[] => new Array<number>(count).fill(1);
    return marked(call, picked, inside, [
      ...shape.slice(0, shared),
      ...ones(axis - shared),
      ...shape.slice(shared),
      ...ones(call.shapeOf(x).length - axis - 1),
    ]);
  },
  // The k largest values of the last axis; the places of all, the largest first.
  TopValues: (call) => sorted(call, call.number('k'))[0],
  SortedOrder: (call) => sorted(call, call.shapeOf(call.input('x')).at(-1) ?? 0)[1],
  UnsortedSegmentSum: (call) =>
    call.op('UnsortedSegmentSum', [
      call.input('x'),
      call.input('segmentIds'),
      call.int(call.number('numSegments')),
    ]),
  OneHot: (call) => {
    const given = call.input('indices');
    const depth = call.number('depth');
    const shape = call.shapeOf(given);
    const refuse: RefuseIndex = (label, place) => noClass(label, place, shape, depth);
    const { indices, inside } = call.executor.requireIndex(given, depth, refuse);
    const values = [call.int(depth), call.scalar(1, tf.f32), call.scalar(0, tf.f32)];
    return marked(call, call.op('OneHot', [indices, ...values]), inside, [...shape, 1]);
  },
  BatchMatMul: (call) => {
    const a = call.input('a');
    const b = call.input('b');
    const transposeA = call.flag('transposeA');
    const transposeB = call.flag('transposeB');
    return call.shapeOf(a).length === 2 && call.shapeOf(b).length === 2
      ? call.op('MatMul', [a, b], { transpose_a: transposeA, transpose_b: transposeB })
      : call.op('BatchMatMulV2', [a, b], { adj_x: transposeA, adj_y: transposeB });
  },
  Conv2D: (call) => call.op('Conv2D', [call.input('x'), call.input('filter')], convolution(call)),
  Conv2DBackpropInput: (call) =>
    call.op(
      'Conv2DBackpropInput',
      [call.ints(call.numbers('inputShape')), call.input('filter'), call.input('dy')],
      convolution(call),
    ),
  Conv2DBackpropFilter: (call) => {
    const shape = call.numbers('filterShape');
    const seen = seenByPixel(call, shape);
    const strides = seen === null ? {} : { strides: [1, 1, 1, 1] };
    const inputs = [seen ?? call.input('x'), call.ints(shape), call.input('dy')];
    return call.op('Conv2DBackpropFilter', inputs, { ...convolution(call), ...strides });
  },
  DepthwiseConv2dNative: (call) =>
    call.op('DepthwiseConv2dNative', [call.input('x'), call.input('filter')], convolution(call)),
  DepthwiseConv2dNativeBackpropInput: (call) =>
    call.op(
      'DepthwiseConv2dNativeBackpropInput',
      [call.ints(call.numbers('inputShape')), call.input('filter'), call.input('dy')],
      convolution(call),
    ),
  DepthwiseConv2dNativeBackpropFilter: (call) =>
    call.op(
      'DepthwiseConv2dNativeBackpropFilter',
      [call.input('x'), call.ints(call.numbers('filterShape')), call.input('dy')],
      convolution(call),
    ),
  MaxPool: (call) => call.op('MaxPool', [call.input('x')], pooling(call)),
  AvgPool: (call) => call.op('AvgPool', [call.input('x')], pooling(call)),
  MaxPoolGrad: (call) =>
    call.op('MaxPoolGrad', [call.input('input'), call.input('output'), call.input('dy')], pooling(call)),
  // What of ddx stands where each window's gradient went. Where the shapes are equal the op writes into ddx while it still reads it,
  // unless something after it needs ddx as well.
  MaxPoolGradGrad: (call) => {
    const ddx = call.input('ddx');
    const output = call.input('output');
    const picked = call.op('MaxPoolGradGrad', [call.input('input'), output, ddx], pooling(call));
    const shape = call.shapeOf(output);
    if (call.shapeOf(ddx).some((size, axis) => size !== shape[axis])) return picked;
    const both = call.op('ConcatV2', [[picked, ddx], call.int(0)]);
    return call.op('Slice', [both, call.ints(shape.map(() => 0)), call.ints(shape)]);
  },
  AvgPoolGrad: (call) =>
    call.op('AvgPoolGrad', [call.ints(call.shapeOf(call.input('input'))), call.input('dy')], pooling(call)),
};

/** Registers them under a backend's name. Called once. */
export function registerTensorFlowKernels(backendName: string): void {
  // The same value under another handle.
  registerKernel({
    kernelName: 'Identity',
    backendName,
    kernelFunc: ({ inputs, backend }) => {
      const { x } = inputs;
      if (x === undefined) throw new Error('kernel Identity needs an input `x`');
      return own(backend).reshaped(x, x.shape);
    },
  });
  for (const [kernelName, kernel] of Object.entries({ ...kernels, ...fusedKernels })) {
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const device = own(backend);
        const values = new Map(
          Object.entries(inputs).flatMap(([name, info]): [string, Value][] =>
            info === undefined ? [] : [[name, device.valueFor(info)]],
          ),
        );
        const call = new Call(kernelName, device.executor, values, attrs ?? {});
        const made = device.executor.tidy(() => kernel(call));
        return isSeveral(made)
          ? made.map((value) => device.wrap(value, kernelName))
          : device.wrap(made, kernelName);
      },
    });
  }
}

function isSeveral(made: Value | readonly Value[]): made is readonly Value[] {
  return Array.isArray(made);
}

type OwnBackend = Pick<TensorFlowBackend, 'valueFor' | 'wrap' | 'executor' | 'reshaped'>;

function own(backend: unknown): OwnBackend {
  if (!isOwn(backend)) throw new Error('a kernel of TensorFlow was called on another backend');
  return backend;
}

function isOwn(backend: unknown): backend is OwnBackend {
  return typeof backend === 'object' && backend !== null && 'valueFor' in backend && 'executor' in backend;
}
