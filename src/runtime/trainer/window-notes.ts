/** What a window of several batches does not do as one large batch would, for the start of a run. */
import type { DataParts } from './open-data.js';
import type { ResolvedOptions } from './resolved-options.js';
import type { ReadsChanged } from './spec.js';
import type { StageKind } from './steps.js';

/** What is known of the windows of a run. */
export interface WindowParts extends Pick<DataParts, 'allowed'> {
  readonly readsChanged?: readonly ReadsChanged[];
  readonly options: Pick<ResolvedOptions, 'accumulate'>;
  /** Which kinds of steps will run. */
  readonly kinds: readonly StageKind[];
}

/** One sentence for each update that reads weights which the same step has changed before; none where a window is one batch. */
export function windowNotes({
  options,
  kinds,
  allowed = [],
  readsChanged = [],
}: WindowParts): readonly string[] {
  const { accumulate } = options;
  if (accumulate === 1 || !kinds.includes('train') || allowed.includes('ZT5026')) return [];
  return readsChanged.map(
    ({ update, weights, by }) =>
      `accumulate = ${accumulate}: update ${update} reads ${listed(weights)} after ${listed(by.map((each) => `update ${each}`))} ${by.length === 1 ? 'has' : 'have'} changed ${weights.length === 1 ? 'it' : 'them'}, which only the last batch of a window sees: its gradient is not that of one large batch; for that, take a batch ${accumulate} times as large, with accumulate = 1`,
  );
}

/** `a`, `a and b`, `a, b and c`. */
function listed(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ');
}
