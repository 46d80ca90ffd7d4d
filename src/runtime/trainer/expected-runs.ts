/** How often a step will run, as far as the run's length is known: what takes long to compile may not be worth it. */
import { durationInSteps, type Pace } from '../../values/durations.js';
import type { OpenStage } from './open-stage.js';
import type { StepPlan } from './steps.js';

/** What says how long a run is. */
interface Length {
  readonly pace: Pace;
  readonly options: { readonly maxTime: number | null };
  /** Of a dev run: at most so many windows, and batches of other steps; else null. */
  readonly devRun: number | null;
}

/** Steps a second, where a run's time is known and its steps are not. */
const likelySteps = 20;

/** Runs of a stage on batches of `rows` rows (null: on any); 0 where that is not known. */
export function expectedRuns(
  { stage: { plan }, data, batches }: OpenStage,
  rows: number | null,
  run: Length,
): number {
  const isShort = rows !== null && data.some((set) => rows < set.rowsOf(0, 0).length);
  // Of live data an epoch has no end.
  if (plan.kind === 'train' && batches === Number.POSITIVE_INFINITY)
    return stepsOf(run) * run.pace.accumulate;
  const each = plan.kind === 'train' ? batches : Math.min(batches, run.devRun ?? Infinity);
  return Math.round(passes(plan, run) * (isShort ? 1 : each));
}

/** Steps of the run; 0 where they are not known. */
function stepsOf({ pace, options, devRun }: Length): number {
  const whole = pace.totalSteps ?? (options.maxTime ?? 0) * likelySteps;
  return devRun === null ? whole : Math.min(whole || devRun, devRun, pace.stepsPerEpoch);
}

/** How often a step goes over its data. */
function passes({ kind, every }: StepPlan, run: Length): number {
  const { pace } = run;
  const total = stepsOf(run);
  switch (kind) {
    case 'train':
      return total / pace.stepsPerEpoch;
    case 'validate':
      if (every?.unit === 'time') return 0;
      // Whatever the length, once at the end.
      return Math.max(1, total / (every === null ? pace.stepsPerEpoch : durationInSteps(every, pace)));
    default:
      return 1;
  }
}
