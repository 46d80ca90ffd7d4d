/** ZT5020 and ZT5028: what comes every so often, or waits for so many measurements, in a run that is too short for it. */
import { idleOption, runsOnce } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { valuesIn } from '../../values/schedule.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, IrNamed, IrSchedule } from '../ir.js';
import { metricNames, stepsOff } from './addons.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
import { measurementsOf } from './measurements.js';
import { builtinLength, builtinNumber, lengthNotes, type Run } from './run.js';
import { beginningOf, lengthOf } from './lengths.js';
import { scaleOf, type Scale } from './schedules.js';
import { returnsRows } from './timetable.js';

/** Add-ons of the library that come every so often. */
const recurring: ReadonlySet<string> = new Set(['checkpoint', 'lr_log', 'image_grid']);

interface Idle {
  readonly option: string;
  readonly reason: string;
  readonly notes?: readonly string[];
  readonly help?: string;
  /** Whether the run's length decides. */
  readonly isOfLength?: boolean;
}

const reportIdle = (input: TrainingInput, run: Run, span: Span, idle: Idle): void => {
  const {
    option,
    reason,
    notes = [],
    help = 'lower it, lengthen the run, or leave it out',
    isOfLength = true,
  } = idle;
  const length = isOfLength ? lengthNotes(run) : [];
  input.report(idleOption(span, { option, reason }, { notes: [...length, ...notes], help }));
};

/** An interval that is longer than the run. */
const checkInterval = (
  input: TrainingInput,
  run: Run,
  scale: Scale,
  given: IrExpr | null,
  name: string,
): void => {
  const every = given && lengthOf(given, run);
  const length = every ? scale.lengthOf(every) : null;
  if (!given || !every || length === null || length <= scale.total) return;
  const whole = counted(scale.total, scale.one);
  reportIdle(input, run, given.span, {
    option: `${name} = ${showQuantity(every)}`,
    reason: `the run has ${whole}`,
  });
};

const numberIn = (options: readonly IrNamed[], name: string, run: Run): number | null => {
  const given = optionOf(options, name);
  const value = given ? evaluateIr(given, run.names) : undefined;
  return typeof value === 'number' ? value : null;
};

interface Patience {
  readonly value: number;
  readonly span: Span;
  readonly isDefault: boolean;
  /** What to say besides where it is the default. */
  readonly words: Pick<Idle, 'notes' | 'help'>;
}

/** How long something waits for an improvement; null where that is not known. */
const patienceOf = (
  input: TrainingInput,
  run: Run,
  what: 'addon' | 'schedule',
  own: { readonly kind: string; readonly span: Span; readonly options: readonly IrNamed[] },
): Patience | null => {
  const given = optionOf(own.options, 'patience');
  const value = given ? evaluateIr(given, run.names) : builtinNumber(input, what, own.kind, 'patience');
  if (typeof value !== 'number') return null;
  const words = {
    notes: [`\`${own.kind}\` has a patience of ${value} unless it says otherwise`],
    help: 'give it a lower `patience`, or lengthen the run',
  };
  return { value, span: given?.span ?? own.span, isDefault: !given, words: given ? {} : words };
};

/** Steps at which a metric of the spec is measured; null where that is not known, and where its step is turned off, which is an error. */
const measuredAt = (input: TrainingInput, metric: string, run: Run): readonly number[] | null =>
  metricNames(input).includes(metric) &&
  ![...stepsOff(input, run)].some((step) => metric.startsWith(`${step}.`))
    ? measurementsOf(input.trainer, metric, run)
    : null;

/** What an early stop may be there for besides its patience, where that is not said. */
const otherStops = ['stop_at', 'diverge_at', 'check_finite'];

/** The length of the run as a spec writes it: in epochs where it does. */
const wholeRun = ({ epochs }: Run, { total, one }: Scale): string => {
  const [count, unit] = typeof epochs === 'number' ? [epochs, 'epoch'] : [total, one];
  return `${count}.${unit}${count === 1 ? '' : 's'}`;
};

/** Validations that are due every so often, and not within the run: which of them are measured once, at its end. */
const checkValidations = (input: TrainingInput, run: Run, scale: Scale): ReadonlySet<string> => {
  const once = new Set<string>();
  for (const { stage, name, every: given } of input.trainer.steps) {
    const every = given && lengthOf(given, run);
    const length = stage === 'validate' && every ? scale.lengthOf(every) : null;
    if (!given || !every || length === null || length <= scale.total || stepsOff(input, run).has(name))
      continue;
    // What it is unless it says otherwise is nothing that somebody has chosen.
    if (every.unit === 'epochs' && every.value === 1) continue;
    once.add(name);
    input.report(
      runsOnce(
        given.span,
        { step: name, every: showQuantity(every), run: counted(scale.total, scale.one) },
        {
          notes: lengthNotes(run),
          help: `shorten it, or lengthen the run; where once is meant, \`every ${wholeRun(run, scale)}\` says so`,
        },
      ),
    );
  }
  return once;
};

/** A patience that all measurements of the run together do not use up. What is measured `once` was told of. */
const checkPatience = (input: TrainingInput, run: Run, once: ReadonlySet<string>): void => {
  const { trainer } = input;
  for (const { name, module, options, span } of trainer.addons) {
    if (module !== null || name !== 'early_stopping') continue;
    const monitor = optionOf(options, 'monitor');
    const patience = patienceOf(input, run, 'addon', { kind: name, span, options });
    if (patience === null || monitor?.kind !== 'monitor') continue;
    const at = measuredAt(input, monitor.metric, run);
    if (at === null || at.length > patience.value) continue;
    if ([...once].some((step) => monitor.metric.startsWith(`${step}.`))) continue;
    const isTrial = at.length < 2;
    if (patience.isDefault && (isTrial || otherStops.some((each) => optionOf(options, each)))) continue;
    const times = counted(at.length, 'time');
    reportIdle(input, run, patience.span, {
      option: `patience = ${patience.value}`,
      reason: `\`${monitor.metric}\` is measured ${times}, the first of which is the best so far`,
      ...patience.words,
    });
  }
};

type Phase = IrSchedule['phases'][number];

/** Where a phase begins and ends, in the scale's own unit. */
interface Placed {
  readonly schedule: string;
  readonly phase: Phase;
  readonly start: number;
  readonly end: number;
}

/** A plateau that is too short for its patience: what is measured before its phase has a step, or at its end, does not count. */
const checkPlateau = (input: TrainingInput, run: Run, { schedule, phase, start, end }: Placed): void => {
  const { kind, options, extern } = phase;
  const monitor = optionOf(options, 'monitor');
  if (kind !== 'plateau' || extern || monitor?.kind !== 'monitor') return;
  const patience = patienceOf(input, run, 'schedule', phase);
  const all = measuredAt(input, monitor.metric, run);
  const at = all?.filter((step) => step > start && step < end);
  // The first sets the mark; more than `patience` have to miss it.
  if (patience === null || !all || at === undefined || at.length >= patience.value + 2) return;
  if (patience.isDefault && all.length < 2) return;
  const times = counted(at.length, 'time');
  reportIdle(input, run, patience.span, {
    option: `patience = ${patience.value}`,
    reason: `\`${monitor.metric}\` is measured ${times} within this phase of \`${schedule}\`, and ${patience.value + 2} are needed for a change`,
    ...patience.words,
  });
};

/** Phases whose value moves from the start to the end; the first value of a warmup is above its start. */
const moving: ReadonlySet<string> = new Set(['linear', 'cosine', 'exponential', 'polynomial']);

/** A phase that keeps its first value to the end, where nothing comes after it that takes its end up. */
const checkKept = (
  input: TrainingInput,
  run: Run,
  scale: Scale,
  { schedule, phase, start, end }: Placed,
): void => {
  const { kind, options, extern } = phase;
  if (extern || (kind !== 'step' && !(moving.has(kind) && end >= scale.total))) return;
  const given = optionOf(options, 'every');
  const every = given && lengthOf(given, run);
  if (!given || !every || run.pace === null || end <= start) return;
  const length = end - start;
  if (valuesIn(every, { start, length, pace: run.pace }) > 1) return;
  const [kept, lasts] = [scale.lengthOf(every) ?? length, counted(length, scale.one)];
  reportIdle(input, run, given.span, {
    option: kind,
    reason: `this phase of \`${schedule}\` has ${lasts} and keeps each value for ${counted(Math.round(kept), scale.one)}, so that it has only its first`,
    help: 'shorten `every`, or lengthen the phase',
  });
};

const checkPhases = (input: TrainingInput, run: Run, scale: Scale): void => {
  for (const { name, phases } of input.trainer.schedules) {
    let exact = 0;
    for (const phase of phases) {
      const start = Math.round(exact);
      const over = optionOf(phase.options, 'over');
      const duration = over && lengthOf(over, run);
      const length = over?.kind === 'rest' ? scale.total - start : duration && scale.lengthOf(duration);
      if (length === null) break;
      exact += length;
      const placed = { schedule: name, phase, start, end: Math.round(exact) };
      checkPlateau(input, run, placed);
      checkKept(input, run, scale, placed);
    }
  }
};

/** An average that takes weights in once, or never, is none: it has what its model had at that time. */
const checkAverages = (input: TrainingInput, run: Run, scale: Scale): void => {
  for (const { name, copy } of input.trainer.models) {
    if (copy?.kind !== 'average') continue;
    const [given, often] = [optionOf(copy.options, 'from'), optionOf(copy.options, 'every')];
    const start = beginOf(given, run, scale);
    const every = often ? lengthOf(often, run) : builtinLength(input, 'model', copy.kind, 'every');
    const interval = every && scale.lengthOf(every);
    if (!given || start === null || !every || interval === null) continue;
    // A start beyond the run is an error of its own.
    if (start > scale.total || start + interval <= scale.total + slack) continue;
    const [from, again] = [lengthOf(given, run), showQuantity(every)];
    const length = `the run has ${counted(scale.total, scale.one)}`;
    const atEnd = start >= scale.total;
    const reason =
      from === null
        ? `${length}, \`${name}\` takes weights in for the first time after ${again}: it keeps those that \`${copy.of}\` begins with`
        : atEnd
          ? `${length}, after which \`${name}\` takes weights in for the first time: it is \`${copy.of}\` itself`
          : `${length}, in which \`${name}\` takes weights in once, at ${showQuantity(from)}: it is \`${copy.of}\` as it was then`;
    const isFrom = from !== null && (atEnd || !often);
    reportIdle(input, run, isFrom ? given.span : (often?.span ?? given.span), {
      option: isFrom ? `from = ${showQuantity(from)}` : `every = ${again}`,
      reason,
      help: 'begin earlier, take weights in more often, `every = …`, or lengthen the run',
    });
  }
};

// Sums such as 0.1 + 0.2 epochs come out a little above what is written.
const slack = 1e-9;

/** When something begins, in the scale's unit, as the run itself rounds it; null where that is not known. */
const beginOf = (given: IrExpr | null, run: Run, scale: Scale): number | null => {
  const from = beginningOf(given, run);
  if (from?.value === 0) return 0;
  const start = from && from.unit !== 'rest' && from.unit !== 'time' ? scale.lengthOf(from) : null;
  return start !== null && scale.whole ? Math.round(start) : start;
};

/** Rows that no step returns are written nowhere. */
const checkRowsReturned = (input: TrainingInput, run: Run): void => {
  const { addons, steps } = input.trainer;
  for (const { name, module, span } of addons)
    if (module === null && name === 'predictions' && !steps.some(returnsRows))
      reportIdle(input, run, span, {
        option: name,
        reason: 'no step of the spec returns rows',
        isOfLength: false,
        help: 'end a `validate`, `test` or `predict` step with `return { … }`, or leave it out',
      });
};

export const checkIdle = (input: TrainingInput, run: Run): void => {
  const { trainer } = input;
  checkRowsReturned(input, run);
  const scale = (run.epochs === null) !== (run.steps === null) ? scaleOf(run) : null;
  if (scale === null) return;
  checkInterval(input, run, scale, optionOf(trainer.options, 'log_every'), 'log_every');
  for (const { name, module, options } of trainer.addons)
    if (module === null && recurring.has(name))
      checkInterval(input, run, scale, optionOf(options, 'every'), `every`);
  const reload = optionOf(trainer.options, 'reload_data');
  const every = numberIn(trainer.options, 'reload_data', run);
  const { pace } = run;
  const epochs =
    pace === null || pace.totalSteps === null ? run.epochs : pace.totalSteps / pace.stepsPerEpoch;
  if (reload && every !== null && typeof epochs === 'number' && every >= epochs)
    reportIdle(input, run, reload.span, {
      option: `reload_data = ${counted(every, 'epoch')}`,
      reason: `the run has ${counted(epochs, 'epoch')}, and its data is open at the start`,
    });
  checkPatience(input, run, checkValidations(input, run, scale));
  checkAverages(input, run, scale);
  if (scale.whole) checkPhases(input, run, scale);
};
