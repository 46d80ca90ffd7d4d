/** Metrics of predicted numbers that are no mean over rows. */
import { offTape } from '../engine/tape.js';
import * as ops from '../ops/index.js';
import { tensorText } from '../ops/kernel.js';
import type { Reduction, Total } from '../rows/reduction.js';
import { scalarTotal } from '../rows/reduction.js';
import type { Tensor, Tensor2D } from '../tensor.js';
import { weightsOf, type WeightOption } from './decisions.js';

/**
 * Coefficient of determination: 1 - Σ w (y - p)² / Σ w (y - mean(y))²; NaN or -Infinity where all targets are equal. The
 * second sum comes from Σ w y and Σ w y², so targets far from 0 against their spread lose digits; standardize them.
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
    const weighted = (x: Tensor2D): Total => ({
      kind: 'sum',
      value: ops.sum(given === null ? x : ops.mul<Tensor2D>(x, weight)),
    });
    return new Map<string, Total>([
      ['squares', weighted(ops.square(ops.sub<Tensor2D>(y, column(prediction))))],
      ['y', weighted(y)],
      ['yy', weighted(ops.square(y))],
      [
        'count',
        given === null ? { kind: 'constant', value: target.size } : { kind: 'sum', value: ops.sum(weight) },
      ],
    ]);
  });
  return {
    totals,
    finish: (sums) => {
      const sumY = scalarTotal(sums, 'y');
      const spread = scalarTotal(sums, 'yy') - (sumY * sumY) / scalarTotal(sums, 'count');
      return 1 - scalarTotal(sums, 'squares') / spread;
    },
    terms: null,
  };
}
