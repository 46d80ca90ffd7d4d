/** What the training loop tells while it runs. */
import type { MetricsLine, Moment } from '../addons/addon.js';

/** A finished line of metrics. */
export type MetricsRecord = MetricsLine;

/** What the loop tells while it runs. */
export interface FitListener {
  /** After each window; `rows` are the rows trained on so far. */
  step(at: Moment, rows: number): void;
  metrics(record: MetricsRecord): void;
  validating(name: string, done: number, of: number): void;
  /** While figures of the data are found, before training. */
  measuring?(name: string, done: number, of: number): void;
  /** Something to know about how the run is done, once. */
  note(line: string): void;
}
