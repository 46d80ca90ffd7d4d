/**
 * Schedules as pure functions: a chain of phases and a run's pace give the value of update k. A plan is checked when it
 * is made; after that, `valueAt` needs nothing but k, and where a plateau is waited for, the state that measurements have left.
 *
 * In each phase of n updates, update i (from 0) has done the fraction t = (i + 1) / n of the way: the last update of a
 * phase stands exactly at its end, and the first has already left its start. So `warmup(to = lr, over = 500.steps)`
 * never trains with a rate of 0, and reaches lr in update 500. `one_cycle` alone begins at its start, as PyTorch has it.
 *
 * A phase that keeps each value for `every` has m parts, and in part j (from 0) t = j / m, as a scheduler that is stepped
 * once in each has it: the first part stands at the start, and the end is reached when the last part is over. `warmup`
 * has t = (j + 1) / m there too. Parts in epochs end where epochs of the run end, wherever in one the phase begins.
 */
import { durationInSteps, wholeSteps, type Pace } from './durations.js';
import { monitorName } from './monitor-name.js';
import {
  observePlateau,
  plateauFault,
  plateauFrom,
  startOfPlateau,
  type PlateauPhase,
  type PlateauState,
  type Reduced,
  type Watched,
} from './plateau.js';
import { showQuantity, type Duration } from './units.js';
import { counted, grouped } from './counted.js';

interface Over {
  readonly over: Duration;
}

interface Moving extends Over {
  readonly to: number;
  readonly from: number | null;
  /** How long each value is kept; null: each update has its own. */
  readonly every?: Duration | null;
}

export type Phase =
  | (Moving & { readonly kind: 'warmup' | 'linear' | 'cosine' | 'exponential' })
  | (Moving & { readonly kind: 'polynomial'; readonly power: number })
  | (Over & {
      readonly kind: 'step';
      readonly factor: number;
      readonly every: Duration;
      readonly from: number | null;
    })
  | (Over & {
      readonly kind: 'one_cycle';
      readonly peak: number;
      readonly pctStart: number;
      readonly divFactor: number;
      readonly finalDivFactor: number;
      readonly anneal: 'cosine' | 'linear';
    })
  | PlateauPhase
  | (Over & {
      readonly kind: 'extern';
      readonly name: string;
      /** Whether it goes on from where the phase before ended. */
      readonly starts: boolean;
      readonly from: number | null;
      /** Made once the phase's length is known. */
      readonly curve: (phase: CurvePhase) => (index: number, from: number) => number;
    })
  | (Over & { readonly kind: 'constant'; readonly value: number });

/** What a curve of a spec's own is told of its phase. */
export interface CurvePhase {
  /** Updates in it, at least 1. */
  readonly length: number;
  /** A length in whole steps of the run, at least 1. */
  steps(length: Duration): number;
}

interface PlannedPhase {
  readonly start: number;
  readonly length: number;
  /** The value before the phase, where its own `from` does not take its place. */
  readonly from: number | null;
  /** The value of update `index` of the phase, which begins at `from`. */
  readonly at: (index: number, from: number) => number;
  /** What follows begins there: a value that is kept for a time may not have been reached in the phase. */
  readonly end: (from: number) => number;
  readonly plateau: PlateauPhase | null;
}

/** What measurements have left of the plateaus of a schedule, in the order of its phases. Empty where it has none. */
export type ScheduleState = readonly PlateauState[];

/** A schedule whose lengths are known. */
export interface SchedulePlan {
  /** The value of update k, from 0. Past the last phase its end stays. `state` is the one at the start unless given. */
  valueAt(update: number, state?: ScheduleState): number;
  /** Updates in all phases. */
  readonly length: number;
  /** Updates up to the end of each phase. */
  readonly ends: readonly number[];
  /** Metrics that its phases wait for. */
  readonly watches: readonly Watched[];
  /** The same, with which way is better, `min(validate.loss)`: one for each state. */
  readonly monitors: readonly string[];
  /** Before anything was measured. */
  readonly initial: ScheduleState;
  /** The state after metrics were measured when `step` updates were done, and which values that lowered. */
  observe(
    step: number,
    metrics: ReadonlyMap<string, number>,
    state: ScheduleState,
  ): { readonly state: ScheduleState; readonly reduced: readonly Reduced[] };
  /** A state of a plan whose phases may have begun with other values: what was lowered is lowered as often from where they begin here. */
  taken(state: ScheduleState): ScheduleState;
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
    const called = phase.kind === 'extern' ? phase.name : phase.kind;
    const where = `${name}, phase ${index + 1} (${called})`;
    const wanted = phaseEnd(phase.over, { start, exact }, pace, index === phases.length - 1, where);
    const length = Math.max(1, Math.round(wanted) - start);
    exact = wanted;
    const { from, at, end } = phaseValues(phase, { start, length, pace, where }, value);
    planned.push({
      start,
      length,
      from: ownStart(phase),
      at,
      end,
      plateau: phase.kind === 'plateau' ? phase : null,
    });
    start += length;
    value = end(from);
  });
  if (pace.totalSteps !== null && start > pace.totalSteps) {
    throw new Error(
      `${name} is longer than the run: its phases take ${counted(start, 'step')}, the run ${grouped(pace.totalSteps)}; shorten a phase, or end with over = rest`,
    );
  }
  return {
    length: start,
    ends: planned.map((each) => each.start + each.length),
    watches: planned.flatMap(({ plateau }) => (plateau === null ? [] : [plateau.monitor])),
    monitors: planned.flatMap(({ plateau }) => (plateau === null ? [] : [monitorName(plateau.monitor)])),
    initial: planned.flatMap(({ plateau }) => (plateau === null ? [] : [startOfPlateau])),
    valueAt: (update, state = []) => valueAt(planned, update, state),
    observe: (step, metrics, state) => observe(planned, step, metrics, state),
    taken: (state) => taken(planned, state),
  };
}

function taken(planned: readonly PlannedPhase[], state: ScheduleState): ScheduleState {
  // In their order: a phase may begin where a plateau before it has ended.
  return planned
    .filter(({ plateau }) => plateau !== null)
    .reduce<ScheduleState>((done, { plateau, start }, index) => {
      const own = done[index];
      if (plateau === null || own === undefined) return done;
      // Its own value does not count: what it begins with is asked for.
      const begin = valueAt(planned, start, done.with(index, startOfPlateau));
      return done.with(index, plateauFrom(plateau, own, begin));
    }, state);
}

function valueAt(planned: readonly PlannedPhase[], update: number, state: ScheduleState): number {
  let before = Number.NaN;
  let plateaus = 0;
  for (const { start, length, from, at, end, plateau } of planned) {
    const begin = from ?? before;
    const lowered = plateau === null ? null : (state[plateaus++]?.value ?? null);
    if (update < start + length) return lowered ?? at(update - start, begin);
    before = lowered ?? end(begin);
  }
  return before;
}

function observe(
  planned: readonly PlannedPhase[],
  step: number,
  metrics: ReadonlyMap<string, number>,
  state: ScheduleState,
): { readonly state: ScheduleState; readonly reduced: readonly Reduced[] } {
  const reduced: Reduced[] = [];
  const waiting = planned.filter(({ plateau }) => plateau !== null);
  const next = waiting.map(({ plateau, start, length }, index): PlateauState => {
    const before = state[index] ?? startOfPlateau;
    const measured = plateau === null ? undefined : metrics.get(plateau.monitor.metric);
    // What was measured before the phase had a step, or after its last one, says nothing about it.
    if (plateau === null || measured === undefined || step <= start || step >= start + length) return before;
    const after = observePlateau(plateau, measured, before, valueAt(planned, start, state));
    if (after.reduced !== null) reduced.push(after.reduced);
    return after.state;
  });
  return { state: next, reduced };
}

/** Where a phase begins whatever came before it; null where that decides. */
function ownStart(phase: Phase): number | null {
  if (phase.kind === 'constant') return phase.value;
  if (phase.kind === 'one_cycle') return phase.peak / phase.divFactor;
  if (phase.kind === 'extern' && !phase.starts) return Number.NaN;
  return phase.from ?? (phase.kind === 'warmup' ? 0 : null);
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
        `${where}: nothing is left for it: the phases before take ${counted(start, 'step')}, the run ${grouped(pace.totalSteps)}; shorten them or lengthen the run`,
      );
    }
    return pace.totalSteps;
  }
  if (!(over.value > 0)) throw new Error(`${where}: a length must be above 0, got ${showQuantity(over)}`);
  return exact + durationInSteps(over, pace);
}

type PhaseValues = Pick<PlannedPhase, 'at' | 'end'> & { readonly from: number };

/** Where a phase lies in a run. */
interface Placed {
  readonly start: number;
  readonly length: number;
  readonly pace: Pace;
  /** Which one it is, for errors. */
  readonly where: string;
}

function phaseValues(phase: Phase, placed: Placed, before: number | null): PhaseValues {
  const { length, pace, where } = placed;
  const from = ownStart(phase) ?? before;
  if (from === null) {
    throw new Error(
      `${where}: the first phase needs a value to start from; write from = …, or begin with warmup or constant`,
    );
  }
  const lasting = (at: PlannedPhase['at']): PhaseValues => ({
    from,
    at,
    end: (start) => at(length - 1, start),
  });
  switch (phase.kind) {
    case 'constant':
      return lasting(() => phase.value);
    case 'plateau': {
      const fault = plateauFault(phase);
      if (fault !== null) throw new Error(`${where}: ${fault}`);
      return lasting((_index, start) => start);
    }
    case 'extern':
      return lasting(phase.curve({ length, steps: (own) => intervalOf(own, pace, where) }));
    case 'one_cycle':
      return lasting(oneCycle(phase, length));
    case 'step': {
      const { partOf } = partsOf(phase.every, placed);
      return lasting((index, start) => start * phase.factor ** partOf(index));
    }
    default: {
      const at = moving(phase, from, where);
      if (!phase.every) return lasting((index, start) => at((index + 1) / length, start));
      const { partOf, count } = partsOf(phase.every, placed);
      const first = phase.kind === 'warmup' ? 1 : 0;
      return {
        from,
        at: (index, start) => at((partOf(index) + first) / count, start),
        end: (start) => at(1, start),
      };
    }
  }
}

// Products such as 0.1 * 30 fall a little short of whole numbers.
const slack = 1e-9;

/**
 * The parts of a phase in which a value is kept: which one an update of the phase lies in, and how many there are. Epochs
 * are counted from the first one that the phase has a part in, so that a whole number of them ends with an epoch of the run.
 */
function partsOf(
  every: Duration,
  { start, length, pace, where }: Placed,
): { readonly partOf: (index: number) => number; readonly count: number } {
  const whole = intervalOf(every, pace, where);
  const epochs = every.unit === 'epochs';
  // At least a step, as every other length.
  const interval = epochs ? Math.max(1, durationInSteps(every, pace)) : whole;
  const offset = epochs ? start % pace.stepsPerEpoch : 0;
  const passed = (index: number): number => Math.floor((offset + index) / interval + slack);
  const first = passed(0);
  const partOf = (index: number): number => passed(index) - first;
  return { partOf, count: partOf(length - 1) + 1 };
}

/** How many values a phase has that keeps each for `every`. Throws where that is no length. */
export function valuesIn(every: Duration, placed: Omit<Placed, 'where'>): number {
  return partsOf(every, { ...placed, where: 'a phase' }).count;
}

function intervalOf(every: Duration, pace: Pace, where: string): number {
  if (!(every.value > 0)) throw new Error(`${where}: every must be above 0, got ${showQuantity(every)}`);
  return wholeSteps(every, pace);
}

type MovingPhase = Extract<Phase, { readonly to: number }>;

/** The value at the fraction t of the way. */
function moving(phase: MovingPhase, from: number, where: string): (t: number, start: number) => number {
  const { to } = phase;
  switch (phase.kind) {
    case 'warmup':
    case 'linear':
      return (t, start) => between(start, to, t);
    case 'cosine':
      // Loshchilov & Hutter, 2017 (SGDR), eq. 5, from `from` to `to`.
      return (t, start) => between(start, to, (1 - Math.cos(Math.PI * t)) / 2);
    case 'polynomial':
      if (!(phase.power > 0)) throw new Error(`${where}: power is a number above 0, got ${phase.power}`);
      return (t, start) => to + (start - to) * (1 - t) ** phase.power;
    case 'exponential':
      if (!(from > 0 && to > 0)) {
        throw new Error(
          `${where}: both ends must be above 0, got ${from} and ${to}; use linear or cosine to reach 0`,
        );
      }
      return (t, start) => (t === 1 ? to : start * (to / start) ** t);
  }
}

/**
 * Smith & Topin, 2018, with the numbers of PyTorch's OneCycleLR: update `pctStart` · n - 1 has the peak, the last one the end,
 * and update 0 the start.
 */
function oneCycle(
  { peak, pctStart, divFactor, finalDivFactor, anneal }: Extract<Phase, { kind: 'one_cycle' }>,
  length: number,
): PhaseValues['at'] {
  const top = pctStart * length - 1;
  const end = peak / divFactor / finalDivFactor;
  const along = (a: number, b: number, t: number): number =>
    between(a, b, anneal === 'linear' ? t : (1 - Math.cos(Math.PI * t)) / 2);
  return (index, start) => {
    // A rise of no more than one update has no way to go: it is the peak.
    if (index <= top) return top > 0 ? along(start, peak, index / top) : peak;
    return along(peak, end, (index - top) / (length - 1 - top));
  };
}

// Written so that t = 1 gives `to` exactly.
function between(from: number, to: number, t: number): number {
  return from * (1 - t) + to * t;
}
