/** F1, precision, recall and the confusion matrix: counts of classes, which add up over batches. */
import { classNamesOf } from '../data/class-names.js';
import { offTape } from '../engine/tape.js';
import * as ops from '../ops/index.js';
import { run } from '../ops/kernel.js';
import type { Figures, Reduction, Table, Total, Totals } from '../rows/reduction.js';
import type { Tensor, Tensor1D, Tensor2D } from '../tensor.js';
import { decisionsOf, holdsNaN, type ClassOptions, type WeightOption } from './decisions.js';

/**
 * How numbers of classes become one: the plain mean, of all decisions together, weighted by the labels' counts. `none`
 * keeps them apart, as `class_0`, `class_1`, ….
 */
export type Average = 'macro' | 'micro' | 'weighted' | 'none';

export interface AverageOptions extends ClassOptions {
  readonly average?: Average;
}

/** Counts of one class, or of all. */
interface Counts {
  readonly hits: number;
  readonly predicted: number;
  readonly actual: number;
}

type Score = (counts: Counts) => number;

/** A metric of classes: one number, or one for each class. */
export interface ClassMetric {
  (logits: Tensor, label: Tensor, options: AverageOptions & { readonly average: 'none' }): Figures;
  (
    logits: Tensor,
    label: Tensor,
    options?: AverageOptions & { readonly average?: Exclude<Average, 'none'> },
  ): Reduction;
  (logits: Tensor, label: Tensor, options?: AverageOptions): Reduction | Figures;
}

function classMetric(name: string, score: Score): ClassMetric {
  function metric(
    logits: Tensor,
    label: Tensor,
    options: AverageOptions & { readonly average: 'none' },
  ): Figures;
  function metric(logits: Tensor, label: Tensor, options?: AverageOptions): Reduction;
  function metric(logits: Tensor, label: Tensor, options: AverageOptions = {}): Reduction | Figures {
    const { average = 'macro' } = options;
    const { totals, binary } = offTape(() => countsOf(name, logits, label, options));
    if (average === 'none') return { totals, figures: (sums) => named(scores(sums, score)) };
    const finish = (sums: Totals): number =>
      holdsNaN(sums) ? Number.NaN : binary ? score(countsAt(sums, 1)) : averaged(sums, average, score);
    return { totals, finish, terms: null };
  }
  return metric;
}

function countsOf(
  name: string,
  logits: Tensor,
  label: Tensor,
  options: AverageOptions,
): { readonly totals: ReadonlyMap<string, Total>; readonly binary: boolean } {
  const { guess, truth, weight, common, binary } = decisionsOf(name, logits, label, options);
  if (binary && options.average !== undefined) {
    throw new Error(
      `metrics.${name} is the figure of class 1 where a row has one logit, and takes no average; leave it out`,
    );
  }
  const total = (value: Tensor2D): Total => ({
    kind: 'sum',
    value: ops.sum<Tensor1D>(ops.mul<Tensor2D>(value, weight), { axis: 0 }),
  });
  const totals = new Map<string, Total>([
    ['hits', total(ops.mul<Tensor2D>(guess, truth))],
    ['predicted', total(guess)],
    ['actual', total(truth)],
    ...common,
  ]);
  return { totals, binary };
}

function countsAt(totals: Totals, index: number): Counts {
  const at = (name: string): number => totals.get(name)?.[index] ?? 0;
  return { hits: at('hits'), predicted: at('predicted'), actual: at('actual') };
}

function averaged(totals: Totals, average: Average, score: Score): number {
  const classes = totals.get('actual')?.length ?? 0;
  const all = Array.from({ length: classes }, (_, index) => countsAt(totals, index));
  if (average === 'micro') {
    const sum = (of: (counts: Counts) => number): number => all.reduce((total, each) => total + of(each), 0);
    return score({
      hits: sum(({ hits }) => hits),
      predicted: sum(({ predicted }) => predicted),
      actual: sum(({ actual }) => actual),
    });
  }
  // A class that was neither seen nor predicted says nothing (as in scikit-learn).
  const seen = all.filter(({ predicted, actual }) => predicted + actual > 0);
  const weightOf = ({ actual }: Counts): number => (average === 'weighted' ? actual : 1);
  const weight = seen.reduce((sum, counts) => sum + weightOf(counts), 0);
  return seen.reduce((sum, counts) => sum + weightOf(counts) * score(counts), 0) / weight;
}

/** One score a class; NaN for a class that was neither seen nor predicted. */
function scores(totals: Totals, score: Score): readonly number[] {
  const classes = totals.get('actual')?.length ?? 0;
  return Array.from({ length: classes }, (_, index) => {
    const counts = countsAt(totals, index);
    return holdsNaN(totals) || counts.predicted + counts.actual === 0 ? Number.NaN : score(counts);
  });
}

/** `class_0`, `class_1`, … */
export function named(values: readonly number[]): ReadonlyMap<string, number> {
  return new Map(values.map((value, index) => [`class_${index}`, value]));
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** F1 of classes: 2 tp / (2 tp + fp + fn) (van Rijsbergen, 1979). */
export const f1: ClassMetric = classMetric('f1', ({ hits, predicted, actual }) =>
  ratio(2 * hits, predicted + actual),
);

/** Precision of classes: tp / (tp + fp), 0 where nothing was predicted. */
export const precision: ClassMetric = classMetric('precision', ({ hits, predicted }) =>
  ratio(hits, predicted),
);

/** Recall of classes: tp / (tp + fn), 0 where there is none. */
export const recall: ClassMetric = classMetric('recall', ({ hits, actual }) => ratio(hits, actual));

export interface ConfusionOptions extends WeightOption, ClassOptions {
  /** Divides by the row's sum (`label`), the column's (`guess`) or everything (`all`). */
  readonly normalize?: 'none' | 'label' | 'guess' | 'all';
}

/** Row i, column j: how many rows of class i were taken for class j (or what they weigh). All NaN where a logit is. */
export function confusionMatrix(logits: Tensor, label: Tensor, options: ConfusionOptions = {}): Figures {
  const { normalize = 'none' } = options;
  let size = 0;
  const totals = offTape(() => {
    const { guess, truth, weight, common, classes } = decisionsOf('confusionMatrix', logits, label, options);
    // Sums by label, in f32 also where products are narrow. What is no label was refused, or is NaN in `truth` and stays so.
    const rows = ops.mul<Tensor2D>(
      ops.mul<Tensor2D>(guess, weight),
      ops.expandDims(kept(truth), { axis: 1 }),
    );
    const counts = run<Tensor2D>(
      'UnsortedSegmentSum',
      { x: rows, segmentIds: ops.argmax<Tensor1D>(truth) },
      { numSegments: classes },
    );
    size = classes;
    return new Map<string, Total>([['counts', { kind: 'sum', value: counts }], ...common]);
  });
  const names = classNamesOf(label, size);
  const figures = (sums: Totals): Table => normalized(sums, normalize);
  return names === null ? { totals, figures } : { totals, figures, classes: names };
}

const kept = (truth: Tensor2D): Tensor1D => ops.maxOf<Tensor1D>(truth, { axis: 1 });

function normalized(
  totals: Totals,
  normalize: 'none' | 'label' | 'guess' | 'all',
): readonly (readonly number[])[] {
  const counts = totals.get('counts') ?? new Float64Array();
  const classes = Math.round(Math.sqrt(counts.length));
  const all = Array.from({ length: classes }, (_, index) => index);
  const at = (row: number, column: number): number =>
    holdsNaN(totals) ? Number.NaN : (counts[row * classes + column] ?? 0);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const byRow = all.map((row) => sum(all.map((column) => at(row, column))));
  const byColumn = all.map((column) => sum(all.map((row) => at(row, column))));
  const whole = sum(byRow);
  return all.map((row) =>
    all.map((column) => {
      const count = at(row, column);
      if (normalize === 'none' || Number.isNaN(count)) return count;
      const by = normalize === 'label' ? byRow[row] : normalize === 'guess' ? byColumn[column] : whole;
      return ratio(count, by ?? 0);
    }),
  );
}
