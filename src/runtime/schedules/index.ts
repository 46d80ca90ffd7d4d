/** Schedules, the namespace `schedules` of generated code: phases one after the other, planned when a run's length is known. */
import type { Monitor } from '../addons/addon.js';
import { planSchedule, type Phase, type SchedulePlan } from '../../values/schedule.js';
import type { Pace } from '../../values/durations.js';
import type { Duration } from '../../values/units.js';

export type { Phase, SchedulePlan, ScheduleState } from '../../values/schedule.js';

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

interface Moving extends Over {
  readonly to: number;
  /**
   * How long each value is kept, e.g. `units.epochs(1)`, which ends with an epoch of the run; each update has its own unless given. The
   * first value that is kept is the phase's start, of `warmup` one above it.
   */
  readonly every?: Duration | null;
}

type PhaseOf<K extends Phase['kind']> = Extract<Phase, { readonly kind: K }>;

const moving = <K extends 'warmup' | 'linear' | 'cosine' | 'exponential'>(
  kind: K,
  { to, over, from, every }: Moving,
): Phase => ({ kind, to, over, from: from ?? null, every: every ?? null });

/** From `from` (0) to `to` in a straight line, reached in the last update. */
export const warmup = (options: Moving): Phase => moving('warmup', options);
/** In a straight line to `to`. */
export const linear = (options: Moving): Phase => moving('linear', options);
/** Along half a cosine to `to` (Loshchilov & Hutter, 2017). */
export const cosine = (options: Moving): Phase => moving('cosine', options);
/** By equal ratios to `to`; both ends above 0. */
export const exponential = (options: Moving): Phase => moving('exponential', options);
/** To `to` as (1 - t)^power falls to 0; a straight line unless `power` is given, which is above 0. */
export const polynomial = ({
  power = 1,
  to,
  over,
  from,
  every,
}: Moving & { readonly power?: number }): Phase => ({
  kind: 'polynomial',
  power,
  to,
  over,
  from: from ?? null,
  every: every ?? null,
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

export interface OneCycleOptions {
  /** The largest value, which stands at the end of the rise. */
  readonly peak: number;
  readonly over: Duration;
  /** The part of the phase that rises, from 0 to 1; 0.3 unless given. */
  readonly pctStart?: number;
  /** It begins at peak / divFactor; 25 unless given. */
  readonly divFactor?: number;
  /** It ends at its start / finalDivFactor; 1e4 unless given. */
  readonly finalDivFactor?: number;
  readonly anneal?: 'cosine' | 'linear';
}

/** Up to `peak` and down again, below where it began (Smith & Topin, 2018; PyTorch's OneCycleLR). */
export const oneCycle = ({
  peak,
  over,
  pctStart = 0.3,
  divFactor = 25,
  finalDivFactor = 1e4,
  anneal = 'cosine',
}: OneCycleOptions): Phase => {
  if (!(pctStart >= 0 && pctStart <= 1)) throw new Error(`pct_start is a part from 0 to 1, got ${pctStart}`);
  if (!(divFactor > 0 && finalDivFactor > 0))
    throw new Error(`div_factor and final_div_factor are above 0, got ${divFactor} and ${finalDivFactor}`);
  return { kind: 'one_cycle', peak, over, pctStart, divFactor, finalDivFactor, anneal };
};

export interface PlateauOptions extends Over, Partial<Omit<PhaseOf<'plateau'>, 'kind' | 'over' | 'from'>> {
  /** The metric, as `addons.min('validate.loss')` names it. */
  readonly monitor: Monitor;
}

/** Multiplied by `factor` when a metric has not improved for more than `patience` measurements (PyTorch's ReduceLROnPlateau). */
export const plateau = ({
  monitor,
  factor = 0.1,
  patience = 10,
  threshold = 1e-4,
  thresholdMode = 'relative',
  cooldown = 0,
  min = 0,
  over,
  from,
}: PlateauOptions): Phase => ({
  kind: 'plateau',
  monitor,
  factor,
  patience,
  threshold,
  thresholdMode,
  cooldown,
  min,
  over,
  from: from ?? null,
});
/** The same value. */
export const constant = ({ value, over }: { readonly value: number; readonly over: Duration }): Phase => ({
  kind: 'constant',
  value,
  over,
});

export { extern } from './extern-phase.js';
export type { Curve, ExternPhase, StartedCurve } from './extern-phase.js';
export type { CurvePhase } from '../../values/schedule.js';

/** Phases one after the other; each starts where the last ended unless `from` says otherwise. */
export function chain(phases: readonly Phase[]): Schedule {
  return { phases, plan: (pace, name) => planSchedule(phases, pace, name) };
}
