/** ZT4203, ZT4220 and ZT5020: how much of its data a run takes, and the least that it lasts. */
import {
  excludingOptions,
  idleOption,
  leastTooLong,
  partOfNone,
  wrongType,
} from '../../parser/messages.gen.js';
import { batchesIn, faultOfPart, partOf, showPart, type Limits, type Part } from '../../values/limits.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
import { lengthNotes, limitFields, partIn, stepBatches, type Run } from './run.js';

interface Given {
  readonly option: string;
  readonly value: IrExpr;
  readonly part: Part;
  /** Kinds of steps that it limits. */
  readonly kinds: readonly (keyof Limits)[];
  readonly isOffAllowed: boolean;
}

const givenParts = (input: TrainingInput, run: Run): readonly Given[] => {
  const { options } = input.trainer;
  const read = (
    option: string,
    value: IrExpr | null,
    kinds: Given['kinds'],
    isOffAllowed: boolean,
  ): readonly Given[] => {
    const part = partIn(value, run.names);
    return value && part ? [{ option, value, part, kinds, isOffAllowed }] : [];
  };
  return [
    ...limitFields(input).flatMap(({ name, value }) =>
      read(`limit.${name}`, value, [name], name !== 'train'),
    ),
    ...read('overfit', optionOf(options, 'overfit'), ['train', 'validate'], false),
    ...read('dev_run', optionOf(options, 'dev_run'), [], false),
    ...read('sanity', optionOf(options, 'sanity'), ['validate'], false),
  ];
};

/** Whether a part by itself makes sense; what is 0 where that is wrong was told of already. */
const isPart = ({ report }: TrainingInput, { option, value, part, isOffAllowed }: Given): boolean => {
  const fault = faultOfPart(part, isOffAllowed);
  if (fault === null) return true;
  const isTold = !option.startsWith('limit.') && part.value <= 0;
  if (!isTold) {
    const [, expected = ''] = /^takes (.*), got /.exec(fault) ?? [];
    report(
      wrongType(value.span, { what: `\`${option}\` of the trainer`, found: showQuantity(part), expected }),
    );
  }
  return false;
};

const checkNone = (input: TrainingInput, run: Run, { option, value, part, kinds }: Given): void => {
  if (part.unit !== 'percent') return;
  for (const step of input.trainer.steps) {
    const { stage } = step;
    if (stage === 'measure' || !kinds.includes(stage) || partOf(stage, run.taken).option !== option) continue;
    const batches = stepBatches(input, step, run.names, run.taken);
    if (!batches || batches.all < 1 || batchesIn(part, batches.all) > 0) continue;
    const all = counted(batches.all, 'batch', 'batches');
    input.report(
      partOfNone(
        value.span,
        { option, batches: all, data: batches.data.name },
        {
          notes: [
            `${showQuantity(part)} of ${all} is ${Number(((batches.all * part.value) / 100).toPrecision(3))}, rounded down to 0`,
          ],
          help: `write \`${Math.ceil(100 / batches.all)}.percent\` or more, or a number of batches`,
        },
      ),
    );
    return;
  }
};

export const checkLimits = (input: TrainingInput, run: Run): void => {
  const { trainer, report } = input;
  const given = optionOf(trainer.options, 'overfit');
  const overfit = given && evaluateIr(given, run.names) === null ? null : given;
  for (const { name, value } of limitFields(input)) {
    if (!overfit || (name !== 'train' && name !== 'validate')) continue;
    const [first, second] = overfit.span.start < value.span.start ? [overfit, value] : [value, overfit];
    const names = first === overfit ? ['overfit', `limit.${name}`] : [`limit.${name}`, 'overfit'];
    report(
      excludingOptions(
        second.span,
        { first: names[0] ?? '', second: names[1] ?? '' },
        {
          related: [{ span: first.span, label: 'the other amount' }],
          help: '`overfit` says how much is trained and validated on; leave one of them out',
        },
      ),
    );
    return;
  }
  const has = (stage: string): boolean => trainer.steps.some((step) => step.stage === stage);
  for (const given of givenParts(input, run)) {
    if (!isPart(input, given)) continue;
    checkNone(input, run, given);
    const [kind] = given.kinds;
    // Validate steps stand in for test steps.
    const isIdle = given.kinds.length === 1 && kind && !has(kind) && !(kind === 'test' && has('validate'));
    if (isIdle)
      report(
        idleOption(
          given.value.span,
          { option: given.option, reason: `the spec has no \`step ${kind}\`` },
          { help: 'leave it out' },
        ),
      );
  }
};

/** Guards and the values of other options that leave nothing of them. */
const guards = [
  {
    guard: 'deterministic',
    label: 'the same bits each time',
    option: 'compile',
    value: 'xla',
    note: 'XLA may choose kernels by the clock',
    help: 'write `compile = "graph"`, or leave it out',
  },
  {
    guard: 'detect_anomaly',
    label: 'looks for values that are not finite',
    option: 'on_nan',
    value: 'ignore',
    note: 'what is ignored is not looked for',
    help: 'write `on_nan = "stop"` or `"skip"`, or leave `detect_anomaly` out',
  },
] as const;

export const checkGuards = ({ trainer, report }: TrainingInput, run: Run): void => {
  for (const { guard, label, option, value, note, help } of guards) {
    const given = optionOf(trainer.options, guard);
    const other = optionOf(trainer.options, option);
    if (!given || !other || evaluateIr(given, run.names) !== true) continue;
    if (evaluateIr(other, run.names) !== value) continue;
    report(
      excludingOptions(
        other.span,
        { first: guard, second: `${option} = "${value}"` },
        { related: [{ span: given.span, label }], notes: [note], help },
      ),
    );
  }
};

/** `sanity` runs validations, which a limit may turn off. That there are none is told of as of a limit. */
export const checkSanity = ({ trainer, report }: TrainingInput, run: Run): void => {
  const given = optionOf(trainer.options, 'sanity');
  const { option, part } = partOf('validate', run.taken);
  if (!given || part?.unit !== 'batches' || part.value !== 0) return;
  if (!trainer.steps.some(({ stage }) => stage === 'validate')) return;
  report(
    idleOption(
      given.span,
      { option: 'sanity', reason: `\`${showPart(option, part)}\` turns every validation off` },
      { help: 'leave one of them out' },
    ),
  );
};

/** `min_epochs` and `min_steps`: within the run's length, and something there that they hold. */
export const checkLeast = (input: TrainingInput, run: Run): void => {
  const { trainer, report } = input;
  const { pace, epochs, steps } = run;
  for (const [option, unit] of [
    ['min_epochs', 'epoch'],
    ['min_steps', 'step'],
  ] as const) {
    const given = optionOf(trainer.options, option);
    const value = given ? evaluateIr(given, run.names) : undefined;
    if (!given || typeof value !== 'number') continue;
    const own = unit === 'epoch' ? epochs : steps;
    const stepsIn = unit === 'step' ? value : pace ? value * pace.stepsPerEpoch : null;
    const total = pace?.totalSteps ?? null;
    const isTooLong =
      typeof own === 'number' ? value > own : stepsIn !== null && total !== null && stepsIn > total;
    if (isTooLong) {
      const length = typeof own === 'number' ? counted(own, unit) : counted(total ?? 0, 'step');
      report(
        leastTooLong(
          given.span,
          { least: option, value: value.toLocaleString('en-US'), length },
          { notes: lengthNotes(run), help: 'lower it, or lengthen the run' },
        ),
      );
    } else if (!trainer.addons.some(({ name }) => name === 'early_stopping')) {
      report(
        idleOption(
          given.span,
          { option, reason: 'it holds early stopping, and the spec has none' },
          { help: 'add `addon early_stopping { monitor = min(…) }`, or leave it out' },
        ),
      );
    }
  }
};
