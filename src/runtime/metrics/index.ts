/** Metrics with a state that adds up over batches, the namespace `metrics` of generated code. */
import * as ops from '../ops/index.js';
import type { Reduction, Total, Totals } from '../rows/reduction.js';
import { scalarTotal } from '../rows/reduction.js';
import type { Tensor, Tensor1D, Tensor2D } from '../tensor.js';

/** How numbers of classes become one: the plain mean, of all decisions together, or weighted by the labels' counts. */
export type Average = 'macro' | 'micro' | 'weighted';

interface AverageOption {
  readonly average?: Average;
}

/** Counts of one class. */
interface Counts {
  readonly hits: number;
  readonly predicted: number;
  readonly actual: number;
}

function classCounts(
  name: string,
  logits: Tensor2D,
  label: Tensor1D,
  average: Average,
  score: (counts: Counts) => number,
): Reduction {
  if (logits.rank !== 2 || label.rank !== 1 || logits.shape[0] !== label.shape[0]) {
    throw new Error(
      `metrics.${name} takes logits [n, classes] and labels [n], got [${logits.shape.join(', ')}] and [${label.shape.join(', ')}]`,
    );
  }
  const classes = logits.shape[1];
  const guess = ops.oneHot<Tensor2D>(ops.argmax<Tensor1D>(logits), { classes });
  const truth = ops.oneHot<Tensor2D>(label, { classes });
  const total = (value: Tensor): Total => ({ kind: 'sum', value: ops.sum<Tensor1D>(value, { axis: 0 }) });
  return {
    totals: new Map([
      ['hits', total(ops.mul(guess, truth))],
      ['predicted', total(guess)],
      ['actual', total(truth)],
    ]),
    finish: (totals) => averaged(totals, average, score),
    terms: null,
  };
}

function averaged(totals: Totals, average: Average, score: (counts: Counts) => number): number {
  const hits = totals.get('hits') ?? new Float64Array();
  const predicted = totals.get('predicted') ?? new Float64Array();
  const actual = totals.get('actual') ?? new Float64Array();
  const all = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
  if (average === 'micro') return score({ hits: all(hits), predicted: all(predicted), actual: all(actual) });
  // A class that was neither seen nor predicted says nothing (as in scikit-learn).
  const seen = [...hits].flatMap((hit, index) => {
    const counts = { hits: hit, predicted: predicted[index] ?? 0, actual: actual[index] ?? 0 };
    return counts.predicted + counts.actual > 0 ? [counts] : [];
  });
  const weightOf = (counts: Counts): number => (average === 'weighted' ? counts.actual : 1);
  const weight = seen.reduce((sum, counts) => sum + weightOf(counts), 0);
  return seen.reduce((sum, counts) => sum + weightOf(counts) * score(counts), 0) / weight;
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** F1 of classes: 2 tp / (2 tp + fp + fn) (van Rijsbergen, 1979). */
export function f1(logits: Tensor2D, label: Tensor1D, { average = 'macro' }: AverageOption = {}): Reduction {
  return classCounts('f1', logits, label, average, ({ hits, predicted, actual }) =>
    ratio(2 * hits, predicted + actual),
  );
}

/** Precision of classes: tp / (tp + fp), 0 where nothing was predicted. */
export function precision(
  logits: Tensor2D,
  label: Tensor1D,
  { average = 'macro' }: AverageOption = {},
): Reduction {
  return classCounts('precision', logits, label, average, ({ hits, predicted }) => ratio(hits, predicted));
}

/** Recall of classes: tp / (tp + fn), 0 where there is none. */
export function recall(
  logits: Tensor2D,
  label: Tensor1D,
  { average = 'macro' }: AverageOption = {},
): Reduction {
  return classCounts('recall', logits, label, average, ({ hits, actual }) => ratio(hits, actual));
}

/**
 * Coefficient of determination: 1 - Σ(y - p)² / Σ(y - mean(y))². The second sum comes from Σy and Σy², so targets far from
 * 0 against their spread lose digits; standardize them.
 */
export function r2(prediction: Tensor1D, target: Tensor1D): Reduction {
  if (prediction.shape.join() !== target.shape.join()) {
    throw new Error(
      `metrics.r2 takes two tensors of one shape, got [${prediction.shape.join(', ')}] and [${target.shape.join(', ')}]`,
    );
  }
  const y = ops.toFloat(target);
  return {
    totals: new Map<string, Total>([
      ['squares', { kind: 'sum', value: ops.sum(ops.square(ops.sub(y, prediction))) }],
      ['y', { kind: 'sum', value: ops.sum(y) }],
      ['yy', { kind: 'sum', value: ops.sum(ops.square(y)) }],
      ['count', { kind: 'constant', value: y.size }],
    ]),
    finish: (totals) => {
      const sumY = scalarTotal(totals, 'y');
      const spread = scalarTotal(totals, 'yy') - (sumY * sumY) / scalarTotal(totals, 'count');
      return 1 - scalarTotal(totals, 'squares') / spread;
    },
    terms: null,
  };
}

export type { Reduction } from '../rows/reduction.js';
