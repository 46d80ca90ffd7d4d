/** The schedules of a run: their values for each update, and what measurements do to those that wait for a plateau. */
import type { Pace } from '../../values/durations.js';
import { exactNumber, fromExactNumber, type ExactNumber } from '../../values/exact-number.js';
import { showNumber } from '../progress/format.js';
import { RunError } from '../run/run-error.js';
import type { Schedule, SchedulePlan, ScheduleState } from '../schedules/index.js';
import type { Watched } from '../../values/plateau.js';
import { record } from '../../values/json-record.js';

/** A plateau as `state.json` has it. */
type PhaseState = Readonly<Record<string, ExactNumber | string | null>>;

const jsonState = (state: ScheduleState[number], monitor: string): PhaseState => ({
  ...Object.fromEntries(
    Object.entries(state).map(([key, value]: [string, number | null]) => [
      key,
      value === null ? null : exactNumber(value),
    ]),
  ),
  monitor,
});

interface ScheduledValue {
  readonly name: string;
  readonly plan: SchedulePlan | null;
  /** What measurements have left, where it waits for a plateau. */
  state: ScheduleState;
}

function stateOf(json: Readonly<Record<string, unknown>>): ScheduleState[number] {
  const maybe = (key: string): number | null => {
    const value = json[key] ?? null;
    return value === null ? null : fromExactNumber(value);
  };
  const { waited, cooling } = json;
  return {
    best: maybe('best'),
    waited: fromExactNumber(waited),
    cooling: fromExactNumber(cooling),
    value: maybe('value'),
    // States of before they were kept have none.
    begin: maybe('begin'),
    reductions: maybe('reductions') ?? 0,
  };
}

/** What was measured of another metric says nothing of this one; what it has lowered stays so. */
function watching(
  name: string,
  own: ScheduleState[number],
  before: unknown,
  monitor: string | undefined,
): { readonly state: ScheduleState[number]; readonly lines: readonly string[] } {
  if (typeof before !== 'string' || before === monitor) return { state: own, lines: [] };
  return {
    state: { ...own, best: null, waited: 0, cooling: 0 },
    lines: [`schedule ${name} watched ${before} and watches ${monitor ?? 'nothing'} now: it waits anew`],
  };
}

/** What became of values that a plateau had lowered, where they began with another value or that is not known. */
function scaleLines(
  name: string,
  before: ScheduleState,
  now: ScheduleState,
  isChanged: boolean,
): readonly string[] {
  return before.flatMap((was, index) => {
    const is = now[index];
    if (is === undefined || was.value === null || is.value === null) return [];
    if (was.begin === null || is.begin === null)
      return isChanged
        ? [
            `schedule ${name} stays at ${showNumber(was.value)}, to which a plateau has lowered it: the checkpoint does not say from where`,
          ]
        : [];
    if (was.begin === is.begin) return [];
    const times = was.reductions === 1 ? 'once' : `${was.reductions} times`;
    return [
      `schedule ${name} was lowered ${times}, from ${showNumber(was.begin)} to ${showNumber(was.value)}: as often from ${showNumber(is.begin)} is ${showNumber(is.value)}, with which it goes on`,
    ];
  });
}

/** A length set at the start of a run may leave a phase no room, which is for the user to mend. */
function planned(schedule: Schedule, pace: Pace, name: string): SchedulePlan {
  try {
    return schedule.plan(pace, `schedule ${name}`);
  } catch (error) {
    throw error instanceof Error ? new RunError(error.message) : error;
  }
}

export class Schedules {
  readonly #all: readonly ScheduledValue[];

  /** `pace` is null outside of training: schedules have no values then. Throws a RunError where one does not fit the run. */
  constructor(schedules: Readonly<Record<string, Schedule>>, pace: Pace | null) {
    this.#all = Object.entries(schedules).map(([name, schedule]): ScheduledValue => {
      const plan = pace === null ? null : planned(schedule, pace, name);
      return { name, plan, state: plan?.initial ?? [] };
    });
  }

  get names(): readonly string[] {
    return this.#all.map(({ name }) => name);
  }

  /** Whether it has values. */
  has(name: string): boolean {
    return this.#all.some((schedule) => schedule.name === name && schedule.plan !== null);
  }

  /** Metrics that phases wait for, with the schedule's name. */
  get watches(): readonly { readonly name: string; readonly monitor: Watched }[] {
    return this.#all.flatMap(({ name, plan }) => (plan?.watches ?? []).map((monitor) => ({ name, monitor })));
  }

  /** Values for the update after `step` windows. */
  valuesAt(step: number): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#all.map(({ name, plan, state }) => [name, plan?.valueAt(step, state) ?? Number.NaN]),
    );
  }

  /** Learns what was measured when `step` windows were done. What that changed, a line each. */
  observe(step: number, metrics: ReadonlyMap<string, number>): readonly string[] {
    return this.#all.flatMap((schedule) => {
      if (schedule.plan === null) return [];
      const { state, reduced } = schedule.plan.observe(step, metrics, schedule.state);
      schedule.state = state;
      return reduced.map(
        ({ metric, best, from, to }) =>
          `${metric} has not improved on ${showNumber(best ?? Number.NaN)}: ${schedule.name} goes from ${showNumber(from)} to ${showNumber(to)}`,
      );
    });
  }

  /** What a checkpoint keeps, by name: of those that measurements have a part in. */
  get states(): Readonly<Record<string, readonly PhaseState[]>> {
    return Object.fromEntries(
      this.#all.flatMap(({ name, plan, state }) =>
        state.length === 0
          ? []
          : [[name, state.map((one, index) => jsonState(one, plan?.monitors[index] ?? ''))] as const],
      ),
    );
  }

  /**
   * Takes it back. A value that a plateau has lowered from another start than it has here is lowered as often from this one, and one that
   * watched another metric waits anew: a line for each. `isChanged`: whether anything of the run is not as it was. Throws where it is
   * not of these schedules.
   */
  restore(states: Readonly<Record<string, unknown>>, isChanged: boolean): readonly string[] {
    return this.#all.flatMap((schedule) => {
      const { name, plan } = schedule;
      if (schedule.state.length === 0 || plan === null) return [];
      const own = states[name];
      if (!Array.isArray(own) || own.length !== schedule.state.length)
        throw new Error(`schedule ${name} has ${schedule.state.length} phases that wait for a plateau`);
      const kept = own.map((one: unknown, index) => {
        const json = record(name, one);
        return watching(name, stateOf(json), json['monitor'], plan.monitors[index]);
      });
      const before = kept.map(({ state }) => state);
      schedule.state = plan.taken(before);
      return [...kept.flatMap(({ lines }) => lines), ...scaleLines(name, before, schedule.state, isChanged)];
    });
  }
}

/** Rates of the last update before measurements changed them. */
export class LastRates {
  #kept: { readonly step: number; readonly rates: ReadonlyMap<string, number> } | null = null;

  /** Of the update after `step` windows. */
  keep(step: number, rates: ReadonlyMap<string, number>): void {
    this.#kept = { step, rates };
  }

  /** Null where measurements have changed nothing since that update. */
  of(step: number): ReadonlyMap<string, number> | null {
    return this.#kept?.step === step ? this.#kept.rates : null;
  }

  /** What a checkpoint keeps: a run that goes on in the middle of a step has still lines of it to write. */
  get state(): { readonly step: number; readonly rates: Readonly<Record<string, ExactNumber>> } | null {
    if (this.#kept === null) return null;
    const { step, rates } = this.#kept;
    return {
      step,
      rates: Object.fromEntries([...rates].map(([name, value]) => [name, exactNumber(value)])),
    };
  }

  /** Takes it back. Throws where it is none. */
  restore(state: unknown): void {
    if (state === null || state === undefined) return;
    const { step, rates } = record('rates', state);
    const values = Object.entries(record('rates', rates)).map(
      ([name, value]) => [name, fromExactNumber(value)] as const,
    );
    this.#kept = { step: fromExactNumber(step), rates: new Map(values) };
  }
}
