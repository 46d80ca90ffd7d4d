/** ZT5021: a learning rate of 0 trains nothing; over an epoch or more, that is hardly meant. */
import { zeroRate } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
import { lengthNotes, type Run } from './run.js';
import { samplesOfRun, schedulesIn, valuesOver } from './schedule-values.js';

interface Zeros {
  /** The first update, from 0, and how many there are. */
  readonly from: number;
  readonly length: number;
}

/** Times that are looked at in an epoch. */
const samplesOfEpoch = 64;

/** The longest time in which `rate` is 0, of those that last `least` updates. */
const longestZeros = (rate: (update: number) => number, total: number, least: number): Zeros | null => {
  const stride = Math.max(1, Math.floor(least / samplesOfEpoch), Math.ceil(total / samplesOfRun));
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
  const values = valuesOver(input, run, rate);
  if (values === null || pace === null) return;
  const { total, valueAt } = values;
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
