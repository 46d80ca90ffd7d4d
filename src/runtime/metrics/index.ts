/** Metrics with a state that adds up over batches, the namespace `metrics` of generated code. */
export { confusionMatrix, f1, precision, recall } from './classes.js';
export type { Average, AverageOptions, ClassMetric, ConfusionOptions } from './classes.js';
export type { ClassOptions, WeightOption } from './decisions.js';
export { extern, figuresFromSums, fromSums } from './extern-metric.js';
export type { ExternMetric, NamedFigures, SumOf, Summand } from './extern-metric.js';
export { auroc, averagePrecision } from './ranking.js';
export type { RankingMetric, RankingOptions } from './ranking.js';
export { r2 } from './regression.js';
export type { Figures, Reduction } from '../rows/reduction.js';
