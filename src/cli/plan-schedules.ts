/** The schedules in a run's plan: which steps a phase takes, and the values it goes through. */
import type { TrainingInput } from '../checker/training/input.js';
import { optionOf } from '../checker/training/input.js';
import { durationOf } from '../checker/training/lengths.js';
import { phaseOf } from '../checker/training/phase-values.js';
import type { Run } from '../checker/training/run.js';
import { counted, grouped } from '../values/counted.js';
import type { Pace } from '../values/durations.js';
import { planSchedule, valuesIn, type Phase } from '../values/schedule.js';
import { showQuantity, type Duration } from '../values/units.js';
import { paceFor } from './plan-timetable.js';

type IrPhase = TrainingInput['trainer']['schedules'][number]['phases'][number];

interface Read {
  readonly kind: string;
  readonly over: Duration | null;
  readonly every: Duration | null;
  readonly phase: Phase;
  /** Whether its values are known: those of a curve in TypeScript are not, nor those that begin where it ends. */
  readonly isKnown: boolean;
}

const shortNumber = (value: number): string => String(Number(value.toPrecision(4)));

const readPhases = (
  input: TrainingInput,
  phases: readonly IrPhase[],
  run: Run,
): readonly (Omit<Read, 'phase'> & { readonly phase: Phase | null })[] => {
  let isKnown = true;
  return phases.map(({ kind, options }) => {
    const over = durationOf(optionOf(options, 'over'), run);
    const own = phaseOf(input, kind, options, run);
    const every = own === null ? null : durationOf(optionOf(options, 'every'), run);
    const starts = own !== null && (!('from' in own) || own.from !== null || kind === 'warmup');
    isKnown = own !== null && (isKnown || starts);
    // What is not known stands as long as it lasts.
    const phase: Phase | null =
      isKnown || over === null ? own : { kind: 'constant', value: Number.NaN, over };
    return { kind, over, every, phase, isKnown };
  });
};

/** `, a new value every 1 epoch (3 values)` */
const keptText = ({ every }: Read, pace: Pace, start: number, length: number): string => {
  if (every === null) return '';
  const count = valuesIn(every, { start, length, pace });
  return `, a new value every ${showQuantity(every)} (${counted(count, 'value')})`;
};

const valuesText = (
  { phase, isKnown }: Read,
  valueAt: (update: number) => number,
  start: number,
  end: number,
): string => {
  if (!isKnown) return ', values not known before the run';
  const [from, to] = [shortNumber(valueAt(start)), shortNumber(valueAt(end - 1))];
  if (phase.kind === 'plateau') return `, from ${from} down whenever ${phase.monitor.metric} stops improving`;
  if (phase.kind === 'one_cycle') {
    const down = phase.pctStart >= 1 ? ' with the last update' : `, then down to ${to}`;
    return `, ${from} up to ${shortNumber(phase.peak)}${down}`;
  }
  return `, ${from} to ${to}`;
};

export const scheduleLines = (input: TrainingInput, run: Run): readonly string[] =>
  input.trainer.schedules.flatMap(({ name, phases }) => {
    const read = readPhases(input, phases, run);
    const known = read.filter((each): each is Read => each.phase !== null);
    const pace = paceFor(run, ...read.flatMap(({ over, every }) => [over, every]));
    if (pace === null || known.length < read.length) {
      const parts = read.map(
        ({ kind, over, every }) =>
          `${kind}${over === null ? '' : ` over ${showQuantity(over)}`}${every === null ? '' : `, a new value every ${showQuantity(every)}`}`,
      );
      return [`schedule ${name}: ${parts.join(', then ')}`];
    }
    const lines: string[] = [];
    let start = 0;
    try {
      planSchedule(
        known.map(({ phase }) => phase),
        pace,
        `schedule ${name}`,
      );
      known.forEach((each, index) => {
        const plan = planSchedule(
          known.slice(0, index + 1).map(({ phase }) => phase),
          pace,
          `schedule ${name}`,
        );
        const end = plan.length;
        const values = valuesText(each, (update) => plan.valueAt(update), start, end);
        const kept = keptText(each, pace, start, end - start);
        lines.push(`  ${each.kind}: steps ${grouped(start + 1)} to ${grouped(end)}${values}${kept}`);
        start = end;
      });
    } catch (error) {
      // The run would not start; its own words say why.
      return [error instanceof Error ? error.message : String(error)];
    }
    const rest = pace.totalSteps === null ? 0 : pace.totalSteps - start;
    if (rest > 0) lines.push(`  then the last value for ${counted(rest, 'step')}`);
    return [`schedule ${name}:`, ...lines];
  });
