/** What a run has written, without what depends on the clock or on where it lies: that of equal runs is equal. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const speeds = ['wall', 'steps_per_second', 'rows_per_second'];
const without = (names: readonly string[], text: string): unknown =>
  JSON.parse(text, (key, value: unknown) => (names.includes(key) ? undefined : value));

/** A JSON text such as `state.json`. */
export const withoutTime = (text: string): unknown => without([...speeds, 'seconds', 'files'], text);

/** The lines of a run's `metrics.jsonl`. */
export const metricsLines = (run: string): readonly unknown[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => without(speeds, line));
