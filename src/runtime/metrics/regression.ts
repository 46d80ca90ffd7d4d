/** Metrics of predicted numbers that are no mean over rows. */
import { offTape } from '../engine/tape.js';
import * as ops from '../ops/index.js';
import { tensorText } from '../ops/kernel.js';
import type { Reduction, Total } from '../rows/reduction.js';
import { scalarTotal } from '../rows/reduction.js';
import { squaresIn, weightedSpread } from '../rows/joined.js';
import type { Tensor, Tensor2D } from '../tensor.js';
import { weightsOf, type WeightOption } from './decisions.js';

/**
 * Coefficient of determination: 1 - Σ w (y - p)² / Σ w (y - mean(y))²; NaN or -Infinity where all targets are equal.
 */
export function r2(
  prediction: Tensor,
  target: Tensor,
  { weight: given = null }: WeightOption = {},
): Reduction {
  if (prediction.shape.join() !== target.shape.join()) {
    throw new Error(
      `metrics.r2 takes two tensors of one shape, got ${tensorText(prediction)} and ${tensorText(target)}`,
    );
  }
  const totals = offTape(() => {
    const weight = weightsOf('r2', target, given);
    const shape = [target.size, 1] as const;
    // A row of weight 0 counts nothing, also where it holds NaN.
    const column = (x: Tensor): Tensor2D => {
      const values = ops.reshape<Tensor2D>(ops.toFloat(x), { shape });
      return given === null ? values : ops.select<Tensor2D>(ops.notEqual<Tensor2D>(weight, 0), values, 0);
    };
    const y = column(target);
    const squares = ops.square<Tensor2D>(ops.sub<Tensor2D>(y, column(prediction)));
    return new Map<string, Total>([
      ['squares', { kind: 'sum', value: ops.sum(ops.mul<Tensor2D>(squares, weight)) }],
      ['spread', weightedSpread(y, weight)],
      // Where nothing counts there is no coefficient.
      [
        'count',
        given === null ? { kind: 'constant', value: target.size } : { kind: 'sum', value: ops.sum(weight) },
      ],
    ]);
  });
  return {
    totals,
    finish: (sums) => 1 - scalarTotal(sums, 'squares') / squaresIn(sums, 'spread'),
    terms: null,
  };
}
