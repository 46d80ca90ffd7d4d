/** The values that options take over a run where schedules decide them, as far as they are known before the run. */
import { planSchedule, type Phase, type SchedulePlan } from '../../values/schedule.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, IrSchedule } from '../ir.js';
import type { TrainingInput } from './input.js';
import { phaseOf } from './phase-values.js';
import type { Run } from './run.js';

/** Names of the schedules that an expression reads. */
export const schedulesIn = (expr: IrExpr): readonly string[] => {
  switch (expr.kind) {
    case 'ref':
      return expr.ref.kind === 'schedule' ? [expr.ref.name] : [];
    case 'host':
    case 'hostCall':
      return expr.args.flatMap(schedulesIn);
    case 'choose':
      return [expr.test, expr.then, expr.else].flatMap(schedulesIn);
    default:
      return [];
  }
};

/** Times that are looked at in a whole run, at most: checking takes as long for a run without a sensible end. */
export const samplesOfRun = 4096;

interface Planned {
  readonly plan: SchedulePlan;
  readonly phases: readonly Phase[];
}

/** The plans of schedules; null where one is not known before the run, or waits for measurements. */
const plansOf = (
  input: TrainingInput,
  run: Run,
  names: readonly string[],
): ReadonlyMap<string, Planned> | null => {
  const { pace } = run;
  if (pace === null) return null;
  const plans = new Map<string, Planned>();
  for (const name of names) {
    const own = scheduleOf(input, name)?.phases ?? [];
    const phases = own.map(({ kind, options, extern }) =>
      extern ? null : phaseOf(input, kind, options, run),
    );
    const known = phases.filter((phase) => phase !== null && phase.kind !== 'plateau');
    if (known.length === 0 || known.length < own.length) return null;
    try {
      plans.set(name, { plan: planSchedule(known, pace), phases: known });
    } catch {
      // It does not fit the run, which is an error of its own.
      return null;
    }
  }
  return plans;
};

export const scheduleOf = ({ trainer }: TrainingInput, name: string): IrSchedule | undefined =>
  trainer.schedules.find((each) => each.name === name);

/** Updates of a phase at which its value is least or greatest: its first and its last one, and those around a peak between. */
const turnsOf = (phase: Phase, start: number, end: number): readonly number[] => {
  const top = phase.kind === 'one_cycle' ? start + phase.pctStart * (end - start) - 1 : start;
  return [start, Math.floor(top), Math.ceil(top), end - 1];
};

export interface ValuesOver {
  /** Updates of the run. */
  readonly total: number;
  /** Of update k, from 0; NaN where it is not known. */
  readonly valueAt: (update: number) => number;
  /** Updates, in order, between which values go one way. */
  readonly turns: readonly number[];
  /** The phase of a schedule in which an update is; past the last one, that. */
  readonly phaseAt: (name: string, update: number) => IrSchedule['phases'][number] | undefined;
}

/** The values of an option that reads schedules; null where they are not known before the run. */
export const valuesOver = (input: TrainingInput, run: Run, expr: IrExpr): ValuesOver | null => {
  const plans = plansOf(input, run, schedulesIn(expr));
  const total = run.pace?.totalSteps ?? null;
  if (plans === null || total === null) return null;
  // Thousands of times are looked at: what they need is made once.
  const schedules = new Map<string, number>();
  const names = { ...run.names, schedules };
  const alone = expr.kind === 'ref' && expr.ref.kind === 'schedule' ? expr.ref.name : null;
  const valueAt = (update: number): number => {
    run.watch?.scanned();
    for (const [name, { plan }] of plans) schedules.set(name, plan.valueAt(update));
    const value = alone === null ? evaluateIr(expr, names) : schedules.get(alone);
    return typeof value === 'number' ? value : Number.NaN;
  };
  const turns = [...plans.values()].flatMap(({ plan: { ends }, phases }) =>
    phases.flatMap((phase, index) => turnsOf(phase, ends[index - 1] ?? 0, ends[index] ?? total)),
  );
  const within = [...new Set([0, ...turns, total - 1])].filter((update) => update >= 0 && update < total);
  const phaseAt: ValuesOver['phaseAt'] = (name, update) => {
    const index = plans.get(name)?.plan.ends.findIndex((end) => update < end) ?? -1;
    return scheduleOf(input, name)?.phases.at(index);
  };
  return { total, valueAt, turns: within.sort((a, b) => a - b), phaseAt };
};
