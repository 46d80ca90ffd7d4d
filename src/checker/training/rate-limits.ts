/** ZT3302: what a schedule decides stays within its limits in each step of the run, as a number must. */
import { outOfLimits } from '../../parser/messages.gen.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import { phaseOf } from './phase-values.js';
import { lengthNotes, type Run } from './run.js';
import { samplesOfRun, scheduleOf, schedulesIn, valuesOver, type ValuesOver } from './schedule-values.js';

interface Limited {
  readonly what: string;
  readonly value: IrExpr;
  /** The limits as the prelude has them. */
  readonly text: string;
  readonly holds: (value: number) => boolean;
}

/** Options that take a schedule, where they have one. */
const scheduled = ({ trainer }: TrainingInput): readonly Limited[] => {
  const rates = trainer.optimizers.flatMap(({ name, options, groups }) => [
    { what: `the learning rate of \`${name}\``, value: optionOf(options, 'lr') },
    ...groups.map((group) => ({
      what: `the learning rate of group \`${group.name}\` of \`${name}\``,
      value: optionOf(group.options, 'lr'),
    })),
  ]);
  const decays = trainer.models.map(({ name, copy }) => ({
    what: `the decay of \`${name}\``,
    value: copy?.kind === 'ema' ? optionOf(copy.options, 'decay') : null,
  }));
  return [
    ...rates.map((each) => ({ ...each, text: 'lr >= 0', holds: (value: number) => value >= 0 })),
    ...decays.map((each) => ({
      ...each,
      text: 'decay >= 0 and decay <= 1',
      holds: (value: number) => value >= 0 && value <= 1,
    })),
  ].flatMap(({ value, ...each }) => (value && schedulesIn(value).length > 0 ? [{ ...each, value }] : []));
};

/** The first update whose value is out of the limits; null where none was found. */
const firstBeyond = ({ total, valueAt, turns }: ValuesOver, holds: Limited['holds']): number | null => {
  // What is not known here is looked at when the run begins.
  const isBeyond = (update: number): boolean => {
    const value = valueAt(update);
    return !Number.isNaN(value) && !holds(value);
  };
  const stride = Math.max(1, Math.ceil(total / samplesOfRun));
  const grid = Array.from({ length: Math.ceil(total / stride) }, (_, index) => index * stride);
  const looked = [...grid, ...turns].sort((a, b) => a - b);
  const at = looked.findIndex(isBeyond);
  if (at < 0) return null;
  let [within, beyond] = [looked[at - 1] ?? -1, looked[at] ?? 0];
  while (beyond - within > 1) {
    const middle = Math.floor((within + beyond) / 2);
    if (isBeyond(middle)) beyond = middle;
    else within = middle;
  }
  return beyond;
};

const shown = (value: number): string => `${Number(value.toPrecision(6))}`;

/** Where the length of an epoch is not known, a phase ends at its end all the same. */
const checkEnds = (input: TrainingInput, run: Run, { what, value, text, holds }: Limited): void => {
  const [name, ...others] = schedulesIn(value);
  const schedule = name === undefined || others.length > 0 ? undefined : scheduleOf(input, name);
  if (!schedule) return;
  for (const { kind, options, span, extern } of schedule.phases) {
    const end =
      extern || optionOf(options, 'every') ? null : optionOf(options, kind === 'constant' ? 'value' : 'to');
    const own = end && phaseOf(input, kind, options, run) ? evaluateIr(end, run.names) : undefined;
    if (typeof own !== 'number') continue;
    const found = evaluateIr(value, { ...run.names, schedules: new Map([[schedule.name, own]]) });
    if (typeof found !== 'number' || holds(found)) continue;
    const related = [{ span, label: 'at the end of this phase' }];
    input.report(outOfLimits(value.span, { what, value: shown(found), text }, { related }));
    return;
  }
};

export const checkRateLimits = (input: TrainingInput, run: Run): void => {
  for (const limited of scheduled(input)) {
    const { what, value, text, holds } = limited;
    const values = valuesOver(input, run, value);
    if (values === null) {
      if (run.pace === null && (run.epochs !== null || run.steps !== null)) checkEnds(input, run, limited);
      continue;
    }
    const update = firstBeyond(values, holds);
    if (update === null) continue;
    const names = schedulesIn(value);
    const related = names.flatMap((name) => {
      const phase = values.phaseAt(name, update);
      return phase ? [{ span: phase.span, label: `step ${update + 1} is in this phase of \`${name}\`` }] : [];
    });
    input.report(
      outOfLimits(
        value.span,
        { what, value: `${shown(values.valueAt(update))} in step ${update + 1}`, text },
        { related, notes: lengthNotes(run) },
      ),
    );
  }
};
