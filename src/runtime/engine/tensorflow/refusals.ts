/** Indices that an op of a graph has refused: TensorFlow's words for it, read back. */
import { IndexError } from '../../run/index-error.js';
import type { StepRun } from '../engine.js';
import { clockWords } from './random.js';
import { operationsIn } from './places.js';
import { checkIndices, type RefuseIndex } from './values.js';

/** What an op refuses: whole numbers outside of 0 to `count` - 1. */
export interface Refusals {
  readonly count: number;
  readonly refuse: RefuseIndex;
}

export interface Refusal {
  /** The op that has refused it. */
  readonly op: string;
  readonly error: IndexError;
  /** Which of the runs in one call it was. */
  readonly run: number;
}

/**
 * What an `Assert` of `Graph.requireIndex` says that has failed: after the words of the run's clock it prints the indices, all of them. Null
 * where the error is another one.
 */
export function refusalIn(
  detail: string,
  refusals: ReadonlyMap<string, Refusals>,
  runs: readonly StepRun[],
): Refusal | null {
  const op = operationsIn(detail).findLast((name) => refusals.has(name));
  const rule = op === undefined ? undefined : refusals.get(op);
  const [, printed] = /assertion failed: ([-\d\s[\]]*)/.exec(detail) ?? [];
  if (op === undefined || rule === undefined || printed === undefined) return null;
  const numbers = [...printed.matchAll(/-?\d+/g)].map(([text]) => Number(text));
  const run = runs.findIndex(({ clock }) => clockWords(clock).every((word, i) => word === numbers[i]));
  const [first] = runs;
  if (first === undefined || run < 0) return null;
  try {
    checkIndices(numbers.slice(clockWords(first.clock).length), rule.count, rule.refuse);
  } catch (error) {
    if (error instanceof IndexError) return { op, error, run };
  }
  return null;
}
