/** The lines of a run's `metrics.jsonl` without what depends on the clock: those of equal runs are equal. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const timed: ReadonlySet<string> = new Set(['wall', 'steps_per_second', 'rows_per_second']);

export const metricsLines = (run: string): readonly unknown[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line, (key, value: unknown) => (timed.has(key) ? undefined : value)));
