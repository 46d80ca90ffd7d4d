/** How far a call of a step had got when it failed: whether the state is one that training can go on from. */
import { IndexError } from '../run/index-error.js';

const done = new WeakMap<object, number>();

/** The error of a call that has done so many of its runs, and of the others nothing. */
export function failedAfter<T>(runs: number, error: T): T {
  if (typeof error === 'object' && error !== null) done.set(error, runs);
  return error;
}

/** How many runs a call has done that failed with this error, and nothing else; null where that is not known. */
export function runsBefore(error: unknown): number | null {
  return typeof error === 'object' && error !== null ? (done.get(error) ?? null) : null;
}

/** The error of a call that was made after so many other runs had been done. */
export function laterBy(runs: number, error: unknown): unknown {
  const own = runsBefore(error);
  const moved = error instanceof IndexError ? error.ofRun(runs + error.run) : error;
  return own === null ? moved : failedAfter(runs + own, moved);
}

/** Does what changes nothing yet: an error of it says so. */
export function beforeRuns<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw failedAfter(0, error);
  }
}
