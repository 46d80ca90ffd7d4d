/**
 * Metrics of how scores rank rows: the area under the ROC curve and average precision. They need every pair of scores,
 * which does not add up over batches; what does is how many rows of either kind have a score in each of many bins. Scores
 * that are equal share a bin and are ties, as they should be; scores that only share a bin are taken for ties too, which is
 * the whole error. Bins have equal width in x / (1 + |x|): any scale of scores fits, logits as well as probabilities.
 */
import { offTape } from '../engine/tape.js';
import * as ops from '../ops/index.js';
import { run, tensorText } from '../ops/kernel.js';
import type { Figures, Reduction, Total, Totals } from '../rows/reduction.js';
import type { Tensor, Tensor1D, Tensor2D } from '../tensor.js';
import { named } from './classes.js';
import { commonTotals, holdsNaN, positive, rowsWithNaN, weightsOf, type WeightOption } from './decisions.js';

export interface RankingOptions extends WeightOption {
  /** Of several classes, each against all others: the plain mean, weighted by the labels' counts, or (`none`) apart. */
  readonly average?: 'macro' | 'weighted' | 'none';
  /** At least 2, 2048 unless given. */
  readonly bins?: number;
}

/** A metric of scores: one number, or one for each class. */
export interface RankingMetric {
  (logits: Tensor, label: Tensor, options: RankingOptions & { readonly average: 'none' }): Figures;
  (
    logits: Tensor,
    label: Tensor,
    options?: RankingOptions & { readonly average?: 'macro' | 'weighted' },
  ): Reduction;
  (logits: Tensor, label: Tensor, options?: RankingOptions): Reduction | Figures;
}

/** What the rows in each bin weigh, from the lowest scores to the highest. */
interface Histogram {
  readonly positives: readonly number[];
  readonly negatives: readonly number[];
}

type Area = (histogram: Histogram) => number;

function rankingMetric(name: string, area: Area): RankingMetric {
  function metric(
    logits: Tensor,
    label: Tensor,
    options: RankingOptions & { readonly average: 'none' },
  ): Figures;
  function metric(logits: Tensor, label: Tensor, options?: RankingOptions): Reduction;
  function metric(logits: Tensor, label: Tensor, options: RankingOptions = {}): Reduction | Figures {
    const { average = 'macro', bins = 2048 } = options;
    const totals = offTape(() => histogramsOf(name, logits, label, { ...options, bins }));
    if (average === 'none') {
      return { totals, figures: (sums) => named(areas(sums, bins, area).map((each) => each.value)) };
    }
    return { totals, finish: (sums) => averaged(areas(sums, bins, area), average), terms: null };
  }
  return metric;
}

function histogramsOf(
  name: string,
  logits: Tensor,
  label: Tensor,
  { bins, average, weight: given = null }: RankingOptions & { readonly bins: number },
): ReadonlyMap<string, Total> {
  const rows = label.size;
  const one = logits.shape.join() === label.shape.join();
  const several = logits.rank === label.rank + 1 && logits.shape.slice(0, -1).join() === label.shape.join();
  if (logits.dtype !== 'float32' || !(one || (several && label.dtype === 'int32'))) {
    throw new Error(
      `metrics.${name} takes logits [n, classes] and labels i32[n], or one logit a row [n] and labels [n]; got ${tensorText(logits)} and ${tensorText(label)}`,
    );
  }
  if (one && average !== undefined) {
    throw new Error(
      `metrics.${name} is the figure of class 1 where a row has one logit, and takes no average; leave it out`,
    );
  }
  const classes = one ? 1 : (logits.shape.at(-1) ?? 1);
  // Segments are counted in f32 on the way, which holds whole numbers up to 2^24.
  if (!Number.isSafeInteger(bins) || bins < 2 || bins * classes > 2 ** 24) {
    throw new Error(
      `metrics.${name} takes a whole number of at least 2 bins, and at most ${2 ** 24} for all classes together; got ${bins} for ${classes} classes`,
    );
  }
  const x = ops.reshape<Tensor2D>(logits, { shape: [rows, classes] });
  const labelNaN = label.dtype === 'float32' ? rowsWithNaN(label, rows) : null;
  const bad = labelNaN === null ? rowsWithNaN(x, rows) : ops.max<Tensor2D>(rowsWithNaN(x, rows), labelNaN);
  const weight = weightsOf(name, label, given);
  const truth = ops.oneHot<Tensor2D>(
    ops.reshape<Tensor1D>(label.dtype === 'int32' ? label : positive(label), { shape: [rows] }),
    { classes: one ? 2 : classes },
  );
  const isClass = one
    ? ops.slice<Tensor2D>(truth, [
        [null, null],
        [1, 2],
      ])
    : truth;
  const segment = ops.add<Tensor2D>(
    binOf(one ? x : logOdds(x), bins),
    ops.mul<Tensor1D>(ops.toFloat(ops.range({ count: classes })), bins),
  );
  const counts = ops.concat<Tensor2D>(
    [isClass, ops.sub<Tensor2D>(1, isClass)].map((each) =>
      ops.reshape<Tensor2D>(ops.mul<Tensor2D>(each, weight), { shape: [rows * classes, 1] }),
    ),
    { axis: 1 },
  );
  const segmentIds = ops.reshape<Tensor1D>(ops.cast<Tensor2D>(segment, { to: 'i32' }), {
    shape: [rows * classes],
  });
  const histogram = run<Tensor2D>(
    'UnsortedSegmentSum',
    { x: counts, segmentIds },
    {
      numSegments: classes * bins,
    },
  );
  return new Map<string, Total>([
    ['histogram', { kind: 'sum', value: histogram }],
    ...commonTotals(weight, bad, rows, given !== null),
  ]);
}

// Beyond it x / (1 + |x|) is 1 in f32, and infinity would be NaN.
const farthest = 1e6;

/** The bin of each score, from 0 to bins - 1, as f32. NaN has some bin: that it is there is counted apart. */
function binOf(scores: Tensor2D, bins: number): Tensor2D {
  const known = ops.select<Tensor2D>(ops.equal<Tensor2D>(scores, scores), scores, 0);
  const x = ops.clamp<Tensor2D>(known, { low: -farthest, high: farthest });
  const place = ops.div<Tensor2D>(x, ops.add<Tensor2D>(ops.abs(x), 1));
  const scaled = ops.floor(ops.mul<Tensor2D>(ops.add<Tensor2D>(place, 1), bins / 2));
  return ops.clamp<Tensor2D>(scaled, { low: 0, high: bins - 1 });
}

/** log(p / (1 - p)) of each class by softmax: ranks rows as p does, and tells large p apart for longer. */
function logOdds(logits: Tensor2D): Tensor2D {
  const logP = ops.logSoftmax<Tensor2D>(logits);
  const rest = ops.clamp<Tensor2D>(ops.sub<Tensor2D>(1, ops.exp(logP)), { low: 1e-8, high: 1 });
  return ops.sub<Tensor2D>(logP, ops.log(rest));
}

interface ClassArea {
  readonly value: number;
  readonly positives: number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function areas(totals: Totals, bins: number, area: Area): readonly ClassArea[] {
  const histogram = totals.get('histogram') ?? new Float64Array();
  const classes = histogram.length / 2 / bins;
  return Array.from({ length: classes }, (_, index) => {
    const at = (column: number): readonly number[] =>
      Array.from({ length: bins }, (__, bin) => histogram[2 * (index * bins + bin) + column] ?? 0);
    const positives = at(0);
    const value = holdsNaN(totals) ? Number.NaN : area({ positives, negatives: at(1) });
    return { value, positives: sum(positives) };
  });
}

/** Classes that have no value (without rows, or all rows) say nothing, unless a NaN is why. */
function averaged(classes: readonly ClassArea[], average: 'macro' | 'weighted'): number {
  const known = classes.filter(({ value }) => !Number.isNaN(value));
  const weightOf = ({ positives }: ClassArea): number => (average === 'weighted' ? positives : 1);
  return sum(known.map((each) => weightOf(each) * each.value)) / sum(known.map(weightOf));
}

/**
 * The area under the ROC curve: the share of pairs of a row of the class and another row in which the first has the larger
 * score, ties counting half (Hanley & McNeil, 1982). NaN where all rows are of one kind. It is off by at most half the
 * share of pairs that share a bin without being equal: for scores spread evenly over the bins at most 1 / (2 · bins).
 */
export const auroc: RankingMetric = rankingMetric('auroc', ({ positives, negatives }) => {
  let below = 0;
  let won = 0;
  positives.forEach((count, bin) => {
    const others = negatives[bin] ?? 0;
    won += count * (below + others / 2);
    below += others;
  });
  return won / (sum(positives) * below);
});

/**
 * Average precision: the precision at each score that rows of the class have, weighted by how many have it; no
 * interpolation. NaN where there is no such row. Scores in one bin count as equal: a bin's rows of the class get the
 * precision at the bin's lower edge.
 */
export const averagePrecision: RankingMetric = rankingMetric(
  'averagePrecision',
  ({ positives, negatives }) => {
    const all = sum(positives);
    let hits = 0;
    let others = 0;
    let value = 0;
    for (let bin = positives.length - 1; bin >= 0; bin -= 1) {
      const count = positives[bin] ?? 0;
      hits += count;
      others += negatives[bin] ?? 0;
      if (count > 0) value += (count / all) * (hits / (hits + others));
    }
    return all > 0 ? value : Number.NaN;
  },
);
