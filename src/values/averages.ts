/** When an average of a model takes its weights in. */
import { dueAt, durationInSteps, type Pace } from './durations.js';
import type { Duration } from './units.js';

/** Steps done when an average takes weights in for the first time: `from`, rounded. At 0 these are the first weights of the run. */
export const firstTaken = (from: Duration, pace: Pace): number =>
  Math.max(0, Math.round(durationInSteps(from, pace)));

/** Whether an average takes weights in when so many steps are done: at `from`, and at each `every` after it. */
export function averageTakes(from: Duration, every: Duration, pace: Pace): (done: number) => boolean {
  const first = firstTaken(from, pace);
  const interval = durationInSteps(every, pace);
  return (done) => done === first || (done > first && dueAt(done - first, interval));
}
