/** ZT5021: a learning rate of 0 trains nothing; over an epoch or more, that is hardly meant. */
import { zeroRate } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { planSchedule, type SchedulePlan } from '../../values/schedule.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { counted, optionOf, type TrainingInput } from './input.js';
import { phaseOf } from './phase-values.js';
import { lengthNotes, type Run } from './run.js';

/** Names of the schedules that an expression reads. */
const schedulesIn = (expr: IrExpr): readonly string[] => {
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

/** The plans of schedules; null where one is not known before the run, or waits for measurements. */
const plansOf = (
  input: TrainingInput,
  run: Run,
  names: readonly string[],
): ReadonlyMap<string, SchedulePlan> | null => {
  const { trainer } = input;
  const { pace } = run;
  if (pace === null) return null;
  const plans = new Map<string, SchedulePlan>();
  for (const name of names) {
    const own = trainer.schedules.find((each) => each.name === name)?.phases ?? [];
    const phases = own.map(({ kind, options }) => phaseOf(input, kind, options, run));
    const known = phases.filter((phase) => phase !== null && phase.kind !== 'plateau');
    if (known.length === 0 || known.length < own.length) return null;
    try {
      plans.set(name, planSchedule(known, pace));
    } catch {
      // It does not fit the run, which is an error of its own.
      return null;
    }
  }
  return plans;
};

interface Zeros {
  /** The first update, from 0, and how many there are. */
  readonly from: number;
  readonly length: number;
}

/** The longest time in which `rate` is 0, of those that last `least` updates. It is looked at `samples` times in each. */
const longestZeros = (rate: (update: number) => number, total: number, least: number): Zeros | null => {
  const samples = 64;
  const stride = Math.max(1, Math.floor(least / samples));
  let longest: Zeros | null = null;
  for (let at = 0; at < total; at += stride) {
    if (rate(at) !== 0) continue;
    let from = at;
    while (from > 0 && rate(from - 1) === 0) from -= 1;
    let last = at;
    while (last + stride < total && rate(last + stride) === 0) last += stride;
    while (last + 1 < total && rate(last + 1) === 0) last += 1;
    const length = last + 1 - from;
    if (length >= least && length > (longest?.length ?? 0)) longest = { from, length };
    at = last;
  }
  return longest;
};

const timeOf = ({ from, length }: Zeros, total: number): string => {
  if (length === total) return 'in the whole run';
  const part = `${counted(length, 'step')}, ${from + 1} to ${from + length}`;
  return from + length === total ? `in the last ${part}` : from === 0 ? `in the first ${part}` : `in ${part}`;
};

const checkRate = (input: TrainingInput, run: Run, owner: string, rate: IrExpr, span: Span): void => {
  const { names, pace } = run;
  const reads = schedulesIn(rate);
  if (reads.length === 0) {
    if (evaluateIr(rate, names) === 0)
      input.report(
        zeroRate(
          span,
          { owner, time: 'in the whole run' },
          { help: 'where the weights are to be kept, write `freeze = rest`' },
        ),
      );
    return;
  }
  const plans = plansOf(input, run, reads);
  if (plans === null || pace === null || pace.totalSteps === null) return;
  const total = pace.totalSteps;
  const valueAt = (update: number): number => {
    const schedules = new Map([...plans].map(([name, plan]) => [name, plan.valueAt(update)]));
    const value = evaluateIr(rate, { ...names, schedules });
    return typeof value === 'number' ? value : Number.NaN;
  };
  const zeros = longestZeros(valueAt, total, Math.min(pace.stepsPerEpoch, total));
  if (zeros === null) return;
  const ends = zeros.from > 0 && zeros.from + zeros.length === total;
  input.report(
    zeroRate(
      span,
      { owner, time: timeOf(zeros, total) },
      {
        notes: lengthNotes(run),
        help: ends
          ? 'let the schedule last as long as the run, `over = rest`, or shorten the run'
          : 'let it begin above 0, or write `freeze` where the weights are to be kept for a time',
      },
    ),
  );
};

export const checkRates = (input: TrainingInput, run: Run): void => {
  for (const { name, options, groups } of input.trainer.optimizers) {
    const rate = optionOf(options, 'lr');
    if (rate) checkRate(input, run, `\`${name}\``, rate, rate.span);
    for (const group of groups) {
      const own = optionOf(group.options, 'lr');
      if (own) checkRate(input, run, `group \`${group.name}\` of \`${name}\``, own, own.span);
    }
  }
};
