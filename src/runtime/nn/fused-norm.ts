/** Normalization on engines that have kernels for it; elsewhere layers compose it of arithmetic. */
import { offTape } from '../engine/tape.js';
import { add, mul, rsqrt, square, sub } from '../ops/arithmetic.js';
import { hasKernel, run, runSeveral, sizeAt, sizeOf } from '../ops/kernel.js';
import { ownGradient, savedAt } from '../ops/own-gradient.js';
import type { Tensor } from '../tensor.js';

export interface BatchNormalized {
  readonly value: Tensor;
  readonly mean: Tensor;
  /** The population's. */
  readonly variance: Tensor;
}

function reshaped(x: Tensor, shape: readonly number[]): Tensor {
  return run('Reshape', { x }, { shape: [...shape] });
}

/** Batch normalization while training, over all axes but the last, or null where the engine has no kernel for it. */
export function fusedBatchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  epsilon: number,
): BatchNormalized | null {
  if (!hasKernel('NativeBatchNorm')) return null;
  const channels = sizeAt(x.shape, -1);
  const rows = sizeOf(x.shape) / Math.max(channels, 1);
  if (rows === 0 || channels === 0) return null;
  const images = x.rank === 4 ? x.shape : [rows, 1, 1, channels];
  const [y, mean, spread, first, second, third] = offTape(() =>
    runSeveral('NativeBatchNorm', { x: reshaped(x, images), gamma, beta }, { epsilon }),
  );
  if (!y || !mean || !spread || !first || !second || !third) {
    throw new Error('batch normalization has no statistics');
  }
  const value = ownGradient(
    [x, gamma, beta],
    () => ({ value: reshaped(y, x.shape), saved: [first, second, third] }),
    (dy, saved) => {
      const [dx, dGamma, dBeta] = runSeveral(
        'NativeBatchNormGrad',
        {
          dy: reshaped(dy, images),
          x: reshaped(x, images),
          gamma,
          first: savedAt(saved, 0),
          second: savedAt(saved, 1),
          third: savedAt(saved, 2),
        },
        { epsilon },
      );
      if (!dx || !dGamma || !dBeta) throw new Error('batch normalization has no gradient');
      return [reshaped(dx, x.shape), dGamma, dBeta];
    },
    (dy) => {
      const [dx, dGamma, dBeta] = batchNormBackward(
        reshaped(dy, [rows, channels]),
        reshaped(x, [rows, channels]),
        gamma,
        epsilon,
      );
      return [reshaped(dx, x.shape), dGamma, dBeta];
    },
  );
  // The kernel's variance is the sample's: divided by one less than the count.
  return { value, mean, variance: offTape(() => mul<Tensor>(spread, Math.max(rows - 1, 1) / rows)) };
}

/** The gradients by x, γ and β of rows of channels that were normalized over the rows, of ops that have gradients themselves. */
function batchNormBackward(
  dy: Tensor,
  x: Tensor,
  gamma: Tensor,
  epsilon: number,
): readonly [Tensor, Tensor, Tensor] {
  const overRows = (of: Tensor): Tensor => run('Sum', { x: of }, { axis: [0], keepDims: false });
  const mean = (of: Tensor): Tensor => mul<Tensor>(overRows(of), 1 / sizeAt(x.shape, 0));
  const centred = sub<Tensor>(x, mean(x));
  const scale = rsqrt(add<Tensor>(mean(square(centred)), epsilon));
  const normal = mul<Tensor>(centred, scale);
  const slope = mul<Tensor>(dy, gamma);
  const along = mul<Tensor>(normal, mean(mul<Tensor>(slope, normal)));
  const dx = mul<Tensor>(sub<Tensor>(sub<Tensor>(slope, mean(slope)), along), scale);
  return [dx, overRows(mul<Tensor>(dy, normal)), overRows(dy)];
}

/** Layer normalization over the last axis, or null where the engine has no kernels for it. */
export function fusedLayerNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor | null {
  if (!hasKernel('NativeMean')) return null;
  const last = [x.rank - 1];
  const outer = x.shape.slice(0, -1).map((_, axis) => axis);
  const mean = (of: Tensor): Tensor => run('NativeMean', { x: of }, { axis: last });
  const overRows = (of: Tensor): Tensor =>
    outer.length === 0 ? of : run('Sum', { x: of }, { axis: outer, keepDims: false });
  const normalize = (): readonly [normal: Tensor, scale: Tensor] => {
    const centred = sub<Tensor>(x, mean(x));
    const scale = rsqrt(add<Tensor>(mean(square(centred)), epsilon));
    return [mul<Tensor>(centred, scale), scale];
  };
  const backward = (dy: Tensor, normal: Tensor, scale: Tensor): readonly Tensor[] => {
    // With g = dy · γ and n the normal values: (g - mean(g) - n · mean(g · n)) / σ.
    const slope = mul<Tensor>(dy, gamma);
    const along = mul<Tensor>(normal, mean(mul<Tensor>(slope, normal)));
    const dx = mul<Tensor>(sub<Tensor>(sub<Tensor>(slope, mean(slope)), along), scale);
    return [dx, overRows(mul<Tensor>(dy, normal)), overRows(dy)];
  };
  return ownGradient(
    [x, gamma, beta],
    () => {
      const [normal, scale] = normalize();
      return { value: add<Tensor>(mul<Tensor>(normal, gamma), beta), saved: [normal, scale] };
    },
    (dy, saved) => backward(dy, savedAt(saved, 0), savedAt(saved, 1)),
    (dy) => backward(dy, ...normalize()),
  );
}
