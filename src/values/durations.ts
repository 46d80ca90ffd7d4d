/**
 * Durations against a run's numbers: how many windows of the train step a quantity is, and whether something that
 * happens every so often is due. After this, only whole steps and seconds are left of units.
 */
import { showQuantity, type Duration, type Quantity } from './units.js';

/** The numbers of a run that durations are resolved against. */
export interface Pace {
  /** Windows of the train step in one epoch. */
  readonly stepsPerEpoch: number;
  /** Micro-batches in one full window. */
  readonly accumulate: number;
  /** Rows that the train step sees in one epoch. */
  readonly rowsPerEpoch: number;
  /** Windows in the whole run, or null where it has no fixed end. */
  readonly totalSteps: number | null;
}

/** A length that a run does not have: for its user to mend. */
export class LengthError extends Error {}

/**
 * How many steps a duration is, possibly a fraction. `percent` is of the whole run. Throws for `time`, which is not a
 * number of steps, and for `rest`, which only a schedule knows.
 */
export function durationInSteps(duration: Duration, pace: Pace): number {
  const { value } = duration;
  switch (duration.unit) {
    case 'steps':
      return value;
    case 'epochs':
      return value * pace.stepsPerEpoch;
    case 'batches':
      return value / pace.accumulate;
    case 'samples':
      // An epoch without an end has no such part.
      if (pace.rowsPerEpoch === Number.POSITIVE_INFINITY)
        throw new LengthError(`${showQuantity(duration)} of live data, which has no epochs; write steps`);
      return (value / pace.rowsPerEpoch) * pace.stepsPerEpoch;
    case 'percent':
      if (pace.totalSteps === null) {
        throw new LengthError(
          `${showQuantity(duration)} of a run that has no end; give the trainer epochs or steps`,
        );
      }
      return (value / 100) * pace.totalSteps;
    case 'time':
      throw new Error(
        `${showQuantity(duration)} is a time, not a number of steps; write steps or epochs here`,
      );
    case 'rest':
      throw new Error('rest stands only in a schedule; write steps or epochs here');
  }
}

/** Whole steps: rounded to the nearest, at least 1. Throws unless the duration is above 0. */
export function wholeSteps(duration: Duration, pace: Pace): number {
  if (!(duration.value > 0)) throw new Error(`a length must be above 0, got ${showQuantity(duration)}`);
  const steps = durationInSteps(duration, pace);
  if (steps === Number.POSITIVE_INFINITY)
    throw new LengthError(`${showQuantity(duration)} of live data, which has no epochs; write steps`);
  return Math.max(1, Math.round(steps));
}

// Products such as 0.1 * 30 fall a little short of whole numbers; without this an event would slip by a step.
const slack = 1e-9;

/**
 * Whether an event that happens every `interval` is due once `step` steps are done: an interval ended in the last step.
 * Intervals that are fractions of a step's multiple are kept exactly, so `0.25.epoch` happens four times an epoch.
 */
export function dueAt(step: number, interval: number): boolean {
  if (!(interval > 0)) throw new Error(`an interval must be above 0 steps, got ${interval}`);
  // Of live data an epoch has no end.
  if (interval === Number.POSITIVE_INFINITY) return false;
  return step > 0 && Math.floor(step / interval + slack) > Math.floor((step - 1) / interval + slack);
}

/**
 * When something that happens every so often is due. Of steps it follows from the step alone; of time from the seconds when it
 * was last asked, so that a run which is resumed goes on where it was.
 */
export interface Recurrence {
  /** Whether an interval ended since it was last asked. Seconds are since the run's start. */
  due(step: number, seconds: number): boolean;
  /** Lets intervals that ended by now pass: what was due has itself taken that long. */
  skipTo(seconds: number): void;
  /**
   * The first step after `step` at which it may be due. Of time, that depends on how long a step takes; without it, it is the
   * next step.
   */
  next(step: number, speed?: Speed): number;
}

/** Where a run is in time, and how long a step takes at most, in seconds. */
export interface Speed {
  readonly seconds: number;
  readonly perStep: number;
}

/** `from`: the seconds at which a run begins, other than 0 where it is resumed. */
export function recurrence(every: Duration, pace: Pace, from = 0): Recurrence {
  if (every.unit === 'time') {
    const interval = positive(every);
    let asked = Math.floor(from / interval);
    const pass = (seconds: number): boolean => {
      const before = asked;
      asked = Math.max(before, Math.floor(seconds / interval));
      return asked > before;
    };
    return {
      due: (_step, seconds) => pass(seconds),
      skipTo: (seconds) => void pass(seconds),
      next: (step, speed) => step + (speed === undefined ? 1 : stepsBefore((asked + 1) * interval, speed)),
    };
  }
  positive(every);
  const interval = durationInSteps(every, pace);
  return {
    due: (step) => dueAt(step, interval),
    skipTo: () => undefined,
    next: (step) => nextDue(step, interval),
  };
}

/** How many steps surely end before a time, at least 1: half of those that would, since a step may take longer. */
export function stepsBefore(time: number, { seconds, perStep }: Speed): number {
  return perStep > 0 ? Math.max(1, Math.floor((time - seconds) / (2 * perStep))) : 1;
}

/** The first step after `step` for which `dueAt` holds. */
export function nextDue(step: number, interval: number): number {
  if (interval === Number.POSITIVE_INFINITY) return interval;
  // The end of the interval that is open now, as far as arithmetic can be trusted to a step.
  let candidate = Math.max(
    step + 1,
    Math.ceil((Math.floor(step / interval + slack) + 1) * interval - slack) - 1,
  );
  while (!dueAt(candidate, interval)) candidate += 1;
  return candidate;
}

function positive(every: Quantity): number {
  if (!(every.value > 0)) throw new Error(`an interval must be above 0, got ${showQuantity(every)}`);
  return every.value;
}
