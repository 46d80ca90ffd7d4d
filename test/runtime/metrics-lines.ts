/** What a run has written, without what depends on the clock or on where it lies: that of equal runs is equal. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const passing: ReadonlySet<string> = new Set([
  'seconds',
  'wall',
  'steps_per_second',
  'rows_per_second',
  'files',
]);

/** A JSON text such as `state.json` or a line of metrics. */
export const withoutTime = (text: string): unknown =>
  JSON.parse(text, (key, value: unknown) => (passing.has(key) ? undefined : value));

/** The lines of a run's `metrics.jsonl`. */
export const metricsLines = (run: string): readonly unknown[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').map(withoutTime);
