/** Activations. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { add, exp, mul, square, sub } from './arithmetic.js';
import { axisOf, hasKernel, requireFloat, run } from './kernel.js';
import { ownGradient, savedAt } from './own-gradient.js';
import { moveAxisLast } from './shapes.js';

function unary(op: string, kernel: string): <T extends Tensor>(x: T) => T {
  return <T extends Tensor>(x: T): T => {
    requireFloat(op, x);
    return run<T>(kernel, { x });
  };
}

/** max(x, 0). */
export const relu = unary('relu', 'Relu');
/** x where x > 0, else exp(x) - 1. */
export const elu = unary('elu', 'Elu');
/**
 * λx where x > 0, else λα(exp(x) - 1), with λ = 1.0507009873554805 and λα = 1.7580993408473768: the fixed point of Klambauer et
 * al., "Self-normalizing neural networks", 2017.
 */
export const selu = unary('selu', 'Selu');
/** 1 / (1 + exp(-x)). */
export const sigmoid = unary('sigmoid', 'Sigmoid');
export const tanh = unary('tanh', 'Tanh');
/** log(1 + exp(x)). */
export const softplus = unary('softplus', 'Softplus');

/** x where x > 0, else slope · x. */
export function leakyRelu<T extends Tensor>(x: T, { slope = 0.01 }: { readonly slope?: number } = {}): T {
  requireFloat('leakyRelu', x);
  return run<T>('LeakyRelu', { x }, { alpha: slope });
}

/** x · sigmoid(x). */
export function silu<T extends Tensor>(x: T): T {
  return mul<T>(x, sigmoid(x));
}

const geluScale = 2 * Math.sqrt(2 / Math.PI);
const geluCubic = 0.044715;

/**
 * 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))): the tanh form of Hendrycks and Gimpel, "Gaussian error linear units", 2016. Computed as
 * x · sigmoid(2√(2/π)(x + 0.044715x³)), which is the same.
 */
export function gelu<T extends Tensor>(x: T): T {
  requireFloat('gelu', x);
  if (hasKernel('NativeSigmoidGrad')) return shortGelu(x);
  const gateOf = (): Tensor => sigmoid(mul(mul(x, add(mul(square<Tensor>(x), geluCubic), 1)), geluScale));
  const backward = (dy: Tensor, gate: Tensor): readonly Tensor[] => {
    // d/dx = g + x · g(1 - g) · 2√(2/π)(1 + 3 · 0.044715x²)
    const slope = mul(add(mul(square<Tensor>(x), 3 * geluCubic), 1), geluScale);
    const curve = mul<Tensor>(mul<Tensor>(x, slope), sub<Tensor>(1, gate));
    return [mul(dy, mul<Tensor>(gate, add(curve, 1)))];
  };
  return ownGradient<T>(
    [x],
    () => {
      const gate = gateOf();
      return { value: mul<Tensor>(x, gate), saved: [gate] };
    },
    (dy, saved) => backward(dy, savedAt(saved, 0)),
    (dy) => backward(dy, gateOf()),
  );
}

/** The same with fewer ops, on engines that have the sigmoid's gradient as one. */
function shortGelu<T extends Tensor>(x: T): T {
  const gateOf = (squared: Tensor): Tensor =>
    sigmoid(mul<Tensor>(x, add(mul(squared, geluScale * geluCubic), geluScale)));
  const backward = (dy: Tensor, squared: Tensor, gate: Tensor): readonly Tensor[] => {
    const slope = add(mul(squared, 3 * geluScale * geluCubic), geluScale);
    const inner: Tensor = run('NativeSigmoidGrad', { y: gate, dy: mul<Tensor>(dy, x) });
    return [add<Tensor>(mul<Tensor>(dy, gate), mul<Tensor>(inner, slope))];
  };
  return ownGradient<T>(
    [x],
    () => {
      const squared = square<Tensor>(x);
      const gate = gateOf(squared);
      return { value: mul<Tensor>(x, gate), saved: [squared, gate] };
    },
    (dy, saved) => backward(dy, savedAt(saved, 0), savedAt(saved, 1)),
    (dy) => {
      const squared = square<Tensor>(x);
      return backward(dy, squared, gateOf(squared));
    },
  );
}

/** exp(x) / sum(exp(x)) along one axis. */
export function softmax<T extends Tensor>(x: T, { axis = -1 }: { readonly axis?: number } = {}): T {
  requireFloat('softmax', x);
  return moveAxisLast(x, axisOf('softmax', axis, x.rank), (last) =>
    run('Softmax', { logits: last }, { dim: last.rank - 1 }),
  );
}

/** log(softmax(x)) along one axis. */
export function logSoftmax<T extends Tensor>(x: T, { axis = -1 }: { readonly axis?: number } = {}): T {
  requireFloat('logSoftmax', x);
  return moveAxisLast(x, axisOf('logSoftmax', axis, x.rank), logSoftmaxOfLast);
}

function logSoftmaxOfLast(x: Tensor): Tensor {
  const axis = [x.rank - 1];
  const sum = (values: Tensor): Tensor => run('Sum', { x: values }, { axis, keepDims: true });
  const backward = (dy: Tensor, value: Tensor): readonly Tensor[] => [
    sub<Tensor>(dy, mul<Tensor>(exp(value), sum(dy))),
  ];
  return ownGradient(
    [x],
    () => {
      const shifted = sub(x, run('Max', { x }, { reductionIndices: axis, keepDims: true }));
      const value = sub(shifted, run('Log', { x: sum(exp(shifted)) }));
      return { value, saved: [value] };
    },
    (dy, saved) => backward(dy, savedAt(saved, 0)),
    (dy) => backward(dy, logSoftmaxOfLast(x)),
  );
}
