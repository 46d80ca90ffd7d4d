/** Schedules, the namespace `schedules` of generated code: phases one after the other, planned when a run's length is known. */
import { planSchedule, type Phase, type SchedulePlan } from '../../values/schedule.js';
import type { Pace } from '../../values/durations.js';
import type { Duration } from '../../values/units.js';

export type { Phase, SchedulePlan } from '../../values/schedule.js';

/** A number that follows the clock. */
export interface Schedule {
  readonly phases: readonly Phase[];
  /** Its values in a run. Throws where a phase does not fit; the message begins with `name`. */
  plan(pace: Pace, name: string): SchedulePlan;
}

interface Over {
  readonly over: Duration;
  readonly from?: number | null;
}

/** From `from` (0) to `to` in a straight line, reached in the last update. */
export const warmup = ({ to, over, from }: Over & { readonly to: number }): Phase => ({
  kind: 'warmup',
  to,
  over,
  from: from ?? null,
});
/** In a straight line to `to`. */
export const linear = ({ to, over, from }: Over & { readonly to: number }): Phase => ({
  kind: 'linear',
  to,
  over,
  from: from ?? null,
});
/** Along half a cosine to `to` (Loshchilov & Hutter, 2017). */
export const cosine = ({ to, over, from }: Over & { readonly to: number }): Phase => ({
  kind: 'cosine',
  to,
  over,
  from: from ?? null,
});
/** By equal ratios to `to`; both ends above 0. */
export const exponential = ({ to, over, from }: Over & { readonly to: number }): Phase => ({
  kind: 'exponential',
  to,
  over,
  from: from ?? null,
});
/** Multiplied by `factor` each `every`. */
export const step = ({
  factor,
  every,
  over,
  from,
}: Over & { readonly factor: number; readonly every: Duration }): Phase => ({
  kind: 'step',
  factor,
  every,
  over,
  from: from ?? null,
});
/** The same value. */
export const constant = ({ value, over }: { readonly value: number; readonly over: Duration }): Phase => ({
  kind: 'constant',
  value,
  over,
});

/** Phases one after the other; each starts where the last ended unless `from` says otherwise. */
export function chain(phases: readonly Phase[]): Schedule {
  return { phases, plan: (pace, name) => planSchedule(phases, pace, name) };
}
