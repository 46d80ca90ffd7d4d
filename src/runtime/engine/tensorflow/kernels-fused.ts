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

const ofGates = ['input', 'cell', 'forget', 'output', 'candidate', 'curve', 'states'] as const;

/** What BlockLSTMV2 and its gradient take first: how many steps there are, the sequence, first states of 0, weights without peepholes. */
const sequenceInputs = (call: Call): readonly Value[] => {
  const [steps = 0, rows = 0] = call.shapeOf(call.input('x'));
  const units = (call.shapeOf(call.input('bias'))[0] ?? 0) / 4;
  const zeros = (shape: readonly number[]): Value =>
    call.op('Fill', [call.ints(shape), call.scalar(0, tf.f32)]);
  const first = zeros([rows, units]);
  const none = zeros([units]);
  const length = call.executor.constant(tf.i64, [], BigInt64Array.of(BigInt(steps)));
  return [length, call.input('x'), first, first, call.input('weights'), none, none, none, call.input('bias')];
};

/** The fused kernels, by name. */
export const fusedKernels: Readonly<Record<string, Kernel>> = {
  // Loss and its gradient by the logits, of rows of logits and one class a row; `shape` is what the classes were before.
  NativeSparseSoftmaxCrossEntropy: (call) => {
    const given = call.input('labels');
    const classes = call.shapeOf(call.input('logits')).at(-1) ?? 0;
    // TensorFlow refuses such a label on a CPU only, and in words of its own; with XLA it makes loss and gradient NaN.
    const shape = call.numbers('shape');
    const { indices: labels } = call.executor.requireIndex(given, classes, (label, place) =>
      noClass(label, place, shape, classes),
    );
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
  // An LSTM over [steps, rows, inputs] with weights [inputs + units, 4 · units]: input gate, cell, forget gate, output gate, tanh of the
  // candidate's and of the cell's sums, states, all [steps, rows, units].
  NativeLstm: (call) =>
    call.outputs(7, 'BlockLSTMV2', sequenceInputs(call), { cell_clip: 0, use_peephole: false }),
  // Its gradients by the sequence, the weights and the bias.
  NativeLstmGrad: (call) => {
    const kept = ofGates.map((name) => call.input(name));
    const dy = call.input('dy');
    const none = call.op('ZerosLike', [dy]);
    const inputs = [...sequenceInputs(call), ...kept, none, dy];
    const made = call.executor.op('BlockLSTMGradV2', inputs, { use_peephole: false });
    return [made[0], made[3], made[7]].flatMap((value) => value ?? []);
  },
  // The sum of tensors of one shape.
  NativeAddN: (call) => call.op('AddN', [call.all]),
};
