/** Losses: one value a row (or position), to be reduced by a mean or a sum. */
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import {
  abs,
  add,
  exp,
  less,
  log1p,
  max,
  mul,
  neg,
  select,
  sigmoid,
  square,
  stopGradient,
  sub,
} from '../ops/index.js';
import { offTape } from '../engine/tape.js';
import {
  hasKernel,
  requireFloat,
  run,
  runSeveral,
  shapeText,
  sizeAt,
  sizeOf,
  tensorText,
  toFloat,
} from '../ops/kernel.js';
import { ownGradient, savedAt } from '../ops/own-gradient.js';

/**
 * Cross entropy of softmax(logits) over the last axis and class labels (i32, one axis less) or rows of probabilities (f32, the
 * logits' shape). Labels get no gradient; one that is
 * no class is refused. Smoothing s replaces a target p by (1 - s)p + s / classes (Szegedy et al., 2016).
 */
export function softmaxCrossEntropy<R extends Tensor>(
  logits: Tensor,
  label: Tensor,
  { labelSmoothing = 0 }: { readonly labelSmoothing?: number } = {},
): R {
  requireFloat('softmaxCrossEntropy', logits, 'logits');
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new Error(
      `softmaxCrossEntropy needs a label smoothing from 0 to below 1, but ${labelSmoothing} arrived`,
    );
  }
  if (label.dtype === 'int32' && hasKernel('NativeSparseSoftmaxCrossEntropy')) {
    checkTargets(logits, label);
    return ofClasses<R>(logits, label, labelSmoothing);
  }
  const target = smoothed(targets(logits, label), labelSmoothing, sizeAt(logits.shape, -1));
  const axis = [logits.rank - 1];
  const sum = (x: Tensor, keepDims: boolean): Tensor => run('Sum', { x }, { axis, keepDims });
  const backward = (dy: Tensor, probability: Tensor, wanted: Tensor): readonly Tensor[] => {
    const rows: Tensor = run('Reshape', { x: dy }, { shape: [...dy.shape, 1] });
    // Rows of probabilities that do not add up to 1 weigh the softmax by their sum.
    const weight = label.dtype === 'float32' ? sum(wanted, true) : 1;
    return [mul<Tensor>(sub<Tensor>(mul<Tensor>(probability, weight), wanted), rows)];
  };
  return ownGradient<R>(
    [logits],
    () => {
      const shifted: Tensor = sub(
        logits,
        run('Max', { x: logits }, { reductionIndices: axis, keepDims: true }),
      );
      const logProbability = sub(shifted, run('Log', { x: sum(exp(shifted), true) }));
      return { value: neg(sum(mul(target, logProbability), false)), saved: [exp(logProbability), target] };
    },
    (dy, saved) => backward(dy, savedAt(saved, 0), savedAt(saved, 1)),
    (dy) => backward(dy, softmaxOf(logits), stopGradient(target)),
  );
}

/** Cross entropy with class labels on engines that compute it and its gradient at once. */
function ofClasses<R extends Tensor>(logits: Tensor, label: Tensor, smoothing: number): R {
  const classes = sizeAt(logits.shape, -1);
  const rows = sizeOf(label.shape);
  const weighed = (slope: Tensor, dy: Tensor): readonly Tensor[] => {
    const weight: Tensor = run('Reshape', { x: dy }, { shape: [rows, 1] });
    return [run('Reshape', { x: mul<Tensor>(slope, weight) }, { shape: [...logits.shape] })];
  };
  // The pair is one kernel: outside of the tape, so that both outputs are at hand when the gradient is.
  const [loss, slope] = offTape(() => {
    const flat: Tensor = run('Reshape', { x: logits }, { shape: [rows, classes] });
    if (smoothing === 0) {
      const labels: Tensor = run('Reshape', { x: label }, { shape: [rows] });
      // Only the shape that they had tells which row of the batch a label is in.
      return runSeveral('NativeSparseSoftmaxCrossEntropy', { logits: flat, labels }, { shape: label.shape });
    }
    const wanted: Tensor = run('Reshape', { x: oneHot(label, classes) }, { shape: [rows, classes] });
    const labels = smoothed(wanted, smoothing, classes);
    return runSeveral('NativeSoftmaxCrossEntropy', { logits: flat, labels });
  });
  if (loss === undefined || slope === undefined) throw new Error('the cross entropy has no gradient');
  return ownGradient<R>(
    [logits],
    () => ({ value: run('Reshape', { x: loss }, { shape: [...label.shape] }), saved: [slope] }),
    (dy, saved) => weighed(savedAt(saved, 0), dy),
    (dy) => {
      const flat = (x: Tensor): Tensor => run('Reshape', { x }, { shape: [rows, classes] });
      const wanted = smoothed(flat(oneHot(label, classes)), smoothing, classes);
      return weighed(sub<Tensor>(softmaxOf(flat(logits)), wanted), dy);
    },
  );
}

function softmaxOf(logits: Tensor): Tensor {
  return run('Softmax', { logits }, { dim: logits.rank - 1 });
}

// A label that is no class would cost nothing and still move the weights: the kernel refuses it.
function oneHot(indices: Tensor, classes: number): Tensor {
  return run('OneHot', { indices }, { depth: classes });
}

function targets(logits: Tensor, label: Tensor): Tensor {
  checkTargets(logits, label);
  return label.dtype === 'int32' ? oneHot(label, sizeAt(logits.shape, -1)) : label;
}

function checkTargets(logits: Tensor, label: Tensor): void {
  const rows = shapeText(logits.shape.slice(0, -1));
  const classes = logits.rank >= 1 && label.dtype === 'int32' && shapeText(label.shape) === rows;
  if (classes || (label.dtype === 'float32' && shapeText(label.shape) === shapeText(logits.shape))) return;
  throw new Error(
    `softmaxCrossEntropy got logits ${tensorText(logits)} and labels ${tensorText(label)}; labels are i32${rows} or f32${shapeText(logits.shape)}`,
  );
}

function smoothed(target: Tensor, smoothing: number, classes: number): Tensor {
  return smoothing === 0 ? target : add(mul(target, 1 - smoothing), smoothing / classes);
}

/**
 * Cross entropy of sigmoid(logits) and labels in [0, 1]: max(x, 0) - x·z + log(1 + exp(-|x|)), which does not overflow. A
 * number is a label for all. Labels get no gradient.
 */
export function sigmoidCrossEntropy<T extends Tensor>(logits: T, label: Tensor | number | Scalar): T {
  requireFloat('sigmoidCrossEntropy', logits, 'logits');
  const target = typeof label === 'number' ? label : toFloat(label);
  if (
    typeof target !== 'number' &&
    target.rank !== 0 &&
    shapeText(target.shape) !== shapeText(logits.shape)
  ) {
    throw new Error(
      `sigmoidCrossEntropy got logits ${tensorText(logits)} and labels ${tensorText(target)}; their shapes must be equal`,
    );
  }
  return ownGradient<T>(
    [logits],
    () => {
      const linear: Tensor = sub<Tensor>(max<Tensor>(logits, 0), mul<Tensor>(logits, target));
      return { value: add(linear, log1p(exp(neg(abs<Tensor>(logits))))), saved: [] };
    },
    (dy) => [mul<Tensor>(dy, sub<Tensor>(sigmoid(logits), target))],
    (dy) => {
      const fixed = typeof target === 'number' ? target : stopGradient<Tensor>(target);
      return [mul<Tensor>(dy, sub<Tensor>(sigmoid(logits), fixed))];
    },
  );
}

function difference<T extends Tensor>(op: string, prediction: T, target: Tensor | number): T {
  requireFloat(op, prediction, 'prediction');
  if (
    typeof target !== 'number' &&
    target.rank !== 0 &&
    shapeText(target.shape) !== shapeText(prediction.shape)
  ) {
    throw new Error(
      `${op} got ${tensorText(prediction)} and a target ${tensorText(target)}; their shapes must be equal`,
    );
  }
  return sub<T>(prediction, typeof target === 'number' ? target : toFloat(target));
}

/** (prediction - target)². */
export function squaredError<T extends Tensor>(prediction: T, target: T | number | Scalar): T {
  return square(difference('squaredError', prediction, target));
}

/** |prediction - target|. */
export function absoluteError<T extends Tensor>(prediction: T, target: T | number | Scalar): T {
  return abs(difference('absoluteError', prediction, target));
}

/** Half the squared error below `delta`, delta · (|error| - delta / 2) beyond (Huber, "Robust estimation of a location parameter", 1964). */
export function huber<T extends Tensor>(
  prediction: T,
  target: T | number | Scalar,
  { delta = 1 }: { readonly delta?: number } = {},
): T {
  if (!(delta > 0)) {
    throw new Error(`huber needs a delta above 0, but ${delta} arrived`);
  }
  const error = difference('huber', prediction, target);
  const size = abs(error);
  return select<T>(less(size, delta), mul<T>(square(error), 0.5), mul<T>(sub<T>(size, delta / 2), delta));
}
