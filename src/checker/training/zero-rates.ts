/** ZT5021: a learning rate of 0 trains nothing; over an epoch or more, that is hardly meant. */
import { zeroRate } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { planSchedule, type SchedulePlan } from '../../values/schedule.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
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

/** Times that are looked at in an epoch, and at most in the whole run: checking takes as long for a run without a sensible end. */
const samples = { epoch: 64, run: 4096 };

/** The longest time in which `rate` is 0, of those that last `least` updates. */
const longestZeros = (rate: (update: number) => number, total: number, least: number): Zeros | null => {
  const stride = Math.max(1, Math.floor(least / samples.epoch), Math.ceil(total / samples.run));
  const isZero = (update: number): boolean => rate(update) === 0;
  /** The update of 0 that is nearest to `other`, which has none: there is one change between them. */
  const edge = (zero: number, other: number): number => {
    let [inside, outside] = [zero, other];
    while (Math.abs(outside - inside) > 1) {
      const middle = Math.trunc((inside + outside) / 2);
      if (isZero(middle)) inside = middle;
      else outside = middle;
    }
    return inside;
  };
  let longest: Zeros | null = null;
  for (let at = 0; at < total; at += stride) {
    if (!isZero(at)) continue;
    const from = edge(at, Math.max(-1, at - stride));
    let last = at;
    while (last + stride < total && isZero(last + stride)) last += stride;
    const after = Math.min(total, last + stride);
    const length = (after === total && isZero(total - 1) ? total - 1 : edge(last, after)) + 1 - from;
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
