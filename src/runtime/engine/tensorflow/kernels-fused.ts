/**
 * Kernels that no other engine has: each does in one op, or few, what takes many kernels elsewhere. Ops ask for them by
 * `hasKernel`; what they compute is the same to float tolerance. Their names are not the library's, which has others of these names.
 */
import { tf } from './element-types.js';
import { noClass } from '../../run/index-error.js';
import type { Call, Kernel } from './kernel-call.js';
import type { Attributes, Value } from './values.js';

const batchNorm = (call: Call): Attributes => ({
  epsilon: call.number('epsilon'),
  is_training: true,
  data_format: 'NHWC',
});

/** `x` must hold rows of classes; the loss is one number a row, the other output the gradient of each row's loss. */
const crossEntropy = (call: Call, op: string, target: Value): readonly Value[] =>
  call.outputs(2, op, [call.input('logits'), target]);

/** The fused kernels, by name. */
export const fusedKernels: Readonly<Record<string, Kernel>> = {
  // Loss and its gradient by the logits, of rows of logits and one class a row; `shape` is what the classes were before.
  NativeSparseSoftmaxCrossEntropy: (call) => {
    const labels = call.input('labels');
    const classes = call.shapeOf(call.input('logits')).at(-1) ?? 0;
    // TensorFlow refuses such a label on a CPU only, and in words of its own; with XLA it makes loss and gradient NaN.
    const shape = call.numbers('shape');
    call.executor.requireIndex(labels, classes, (label, place) => noClass(label, place, shape, classes));
    return crossEntropy(call, 'SparseSoftmaxCrossEntropyWithLogits', labels);
  },
  // The same, of rows of probabilities that add up to 1.
  NativeSoftmaxCrossEntropy: (call) =>
    crossEntropy(call, 'SoftmaxCrossEntropyWithLogits', call.input('labels')),
  // The normalized values of [batch, height, width, channels], their mean, their variance times n / (n - 1), and three values
  // for the gradient, of which the last has a shape of the device's choice.
  NativeBatchNorm: (call) => {
    const none = call.executor.constant(tf.f32, [0], new Float32Array());
    const made = call.outputs(
      6,
      'FusedBatchNormV3',
      [call.input('x'), call.input('gamma'), call.input('beta'), none, none],
      batchNorm(call),
    );
    return made.map((value) =>
      value.shape === null && value.kind === 'graph' ? { ...value, shape: [0] } : value,
    );
  },
  NativeBatchNormGrad: (call) =>
    call.outputs(
      3,
      'FusedBatchNormGradV3',
      ['dy', 'x', 'gamma', 'first', 'second', 'third'].map((name) => call.input(name)),
      batchNorm(call),
    ),
  // The mean along axes, kept as axes of size 1.
  NativeMean: (call) =>
    call.op('Mean', [call.input('x'), call.ints(call.numbers('axis'))], { keep_dims: true }),
  // dy · y(1 - y).
  NativeSigmoidGrad: (call) => call.op('SigmoidGrad', [call.input('y'), call.input('dy')]),
  // dy · (1 - y²).
  NativeTanhGrad: (call) => call.op('TanhGrad', [call.input('y'), call.input('dy')]),
  // dy · σ(x).
  NativeSoftplusGrad: (call) => call.op('SoftplusGrad', [call.input('dy'), call.input('x')]),
  // a · b, and 0 where b is 0 whatever a is.
  NativeMultiplyNoNan: (call) => call.op('MulNoNan', [call.input('a'), call.input('b')]),
  // Σ x² / 2 of all values.
  NativeHalfSquareSum: (call) => call.op('L2Loss', [call.input('x')]),
  // The sum of tensors of one shape.
  NativeAddN: (call) => call.op('AddN', [call.all]),
};
