/**
 * Schedules as pure functions: a chain of phases and a run's pace give the value of update k. A plan is checked when it
 * is made; after that, `valueAt` needs nothing but k.
 *
 * In each phase of n updates, update i (from 0) has done the fraction t = (i + 1) / n of the way: the last update of a
 * phase stands exactly at its end, and the first has already left its start. So `warmup(to = lr, over = 500.steps)`
 * never trains with a rate of 0, and reaches lr in update 500.
 */
import { durationInSteps, wholeSteps, type Pace } from './durations.js';
import { showQuantity, type Duration } from './units.js';

export type Phase =
  | {
      readonly kind: 'warmup' | 'linear' | 'cosine';
      readonly to: number;
      readonly over: Duration;
      readonly from: number | null;
    }
  | {
      readonly kind: 'exponential';
      readonly to: number;
      readonly over: Duration;
      readonly from: number | null;
    }
  | {
      readonly kind: 'step';
      readonly factor: number;
      readonly every: Duration;
      readonly over: Duration;
      readonly from: number | null;
    }
  | { readonly kind: 'constant'; readonly value: number; readonly over: Duration };

interface PlannedPhase {
  readonly start: number;
  readonly length: number;
  readonly end: number;
  readonly at: (index: number) => number;
}

/** A schedule whose lengths are known. */
export interface SchedulePlan {
  /** The value of update k, from 0. Past the last phase the last value stays. */
  valueAt(update: number): number;
  /** Updates in all phases. */
  readonly length: number;
}

/**
 * Lays phases end to end. Throws where a length is not above 0 or not a length, where `rest` is not the last phase or
 * the run has no end, where the phases are longer than the run, and where an exponential phase meets a value of 0 or
 * less. Phases shorter than the run are no error: the last value stays.
 */
export function planSchedule(phases: readonly Phase[], pace: Pace, name = 'schedule'): SchedulePlan {
  if (phases.length === 0) throw new Error(`${name} has no phases; give it at least one`);
  const planned: PlannedPhase[] = [];
  let start = 0;
  // Ends are rounded, not lengths: halves of an epoch of 45 steps are 23 and 22, and add up to the epoch.
  let exact = 0;
  let value: number | null = null;
  phases.forEach((phase, index) => {
    const where = `${name}, phase ${index + 1} (${phase.kind})`;
    const wanted = phaseEnd(phase.over, { start, exact }, pace, index === phases.length - 1, where);
    const length = Math.max(1, Math.round(wanted) - start);
    exact = wanted;
    const { at, end } = phaseValues(phase, length, value, pace, where);
    planned.push({ start, length, end, at });
    start += length;
    value = end;
  });
  if (pace.totalSteps !== null && start > pace.totalSteps) {
    throw new Error(
      `${name} is longer than the run: its phases take ${start} steps, the run ${pace.totalSteps}; shorten a phase, or end with over = rest`,
    );
  }
  return {
    length: start,
    valueAt: (update) => {
      for (const phase of planned) {
        if (update < phase.start + phase.length) return phase.at(update - phase.start);
      }
      return planned.at(-1)?.end ?? Number.NaN;
    },
  };
}

/** Where a phase ends, in steps from the run's start, before rounding. */
function phaseEnd(
  over: Duration,
  { start, exact }: { readonly start: number; readonly exact: number },
  pace: Pace,
  isLast: boolean,
  where: string,
): number {
  if (over.unit === 'rest') {
    if (!isLast) throw new Error(`${where}: only the last phase can take the rest; give this one a length`);
    if (pace.totalSteps === null) {
      throw new Error(`${where}: the rest of a run that has no end; give the trainer epochs or steps`);
    }
    if (pace.totalSteps - start < 1) {
      throw new Error(
        `${where}: nothing is left for it: the phases before take ${start} steps, the run ${pace.totalSteps}; shorten them or lengthen the run`,
      );
    }
    return pace.totalSteps;
  }
  if (!(over.value > 0)) throw new Error(`${where}: a length must be above 0, got ${showQuantity(over)}`);
  return exact + durationInSteps(over, pace);
}

function phaseValues(
  phase: Phase,
  length: number,
  before: number | null,
  pace: Pace,
  where: string,
): { readonly at: (index: number) => number; readonly end: number } {
  if (phase.kind === 'constant') return { at: () => phase.value, end: phase.value };
  const from = phase.from ?? (phase.kind === 'warmup' ? 0 : before);
  if (from === null) {
    throw new Error(
      `${where}: the first phase needs a value to start from; write from = …, or begin with warmup or constant`,
    );
  }
  if (phase.kind === 'step') {
    if (!(phase.every.value > 0))
      throw new Error(`${where}: every must be above 0, got ${showQuantity(phase.every)}`);
    const every = wholeSteps(phase.every, pace);
    const at = (index: number): number => from * phase.factor ** Math.floor(index / every);
    return { at, end: at(length - 1) };
  }
  const { to } = phase;
  switch (phase.kind) {
    case 'warmup':
    case 'linear':
      return { at: (index) => between(from, to, (index + 1) / length), end: to };
    case 'cosine':
      // Loshchilov & Hutter, 2017 (SGDR), eq. 5, from `from` to `to`.
      return {
        at: (index) => between(from, to, (1 - Math.cos((Math.PI * (index + 1)) / length)) / 2),
        end: to,
      };
    case 'exponential':
      if (!(from > 0 && to > 0)) {
        throw new Error(
          `${where}: both ends must be above 0, got ${from} and ${to}; use linear or cosine to reach 0`,
        );
      }
      return {
        at: (index) => (index + 1 === length ? to : from * (to / from) ** ((index + 1) / length)),
        end: to,
      };
  }
}

// Written so that t = 1 gives `to` exactly.
function between(from: number, to: number, t: number): number {
  return from * (1 - t) + to * t;
}
