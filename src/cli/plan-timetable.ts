/** The timetable in a run's plan: what is due when, in steps, for all that happens every so often or at one time. */
import { evaluateIr } from '../checker/evaluate.js';
import { readsRun, walkIr } from '../checker/ir-walk.js';
import type { IrExpr, IrNamed, IrStep, IrStepStmt, IrTrainer } from '../checker/ir.js';
import { isLeftNone, replacedOptions } from '../checker/training/idle-groups.js';
import { optionOf, type TrainingInput } from '../checker/training/input.js';
import { beginningOf, durationOf } from '../checker/training/lengths.js';
import { endlessData } from '../checker/training/live.js';
import { measurementsOf } from '../checker/training/measurements.js';
import { builtinLength, builtinNumber, type Run } from '../checker/training/run.js';
import { doneWhere, returnsRows, visitTimed, type Occasion } from '../checker/training/timetable.js';
import type { Span } from '../parser/source.js';
import { averageTakes } from '../values/averages.js';
import { counted, grouped } from '../values/counted.js';
import { dueAt, durationInSteps, type Pace } from '../values/durations.js';
import { phases, type Phase } from '../values/phases.js';
import { showQuantity, type Duration } from '../values/units.js';

/** `12 hours 30 minutes` */
export const showTime = (seconds: number): string => {
  const parts = [
    [Math.floor(seconds / 3600), 'hour'],
    [Math.floor((seconds % 3600) / 60), 'minute'],
    [seconds % 60, 'second'],
  ] as const;
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [counted(count, unit)])).join(' ');
};

/** `after 45, 90, 135, … (15 times)`; null for none. */
const listed = (steps: readonly number[]): string | null =>
  steps.length === 0
    ? null
    : `after ${steps.slice(0, 3).map(grouped).join(', ')}${steps.length > 3 ? ', …' : ''} (${counted(steps.length, 'time')})`;

// A longer run is counted without being gone through.
const mostSteps = 1_000_000;

/** Steps after which something is due that happens every `interval`; null where the run is too long to list them. */
const dueSteps = (interval: number, end: number): readonly number[] | null =>
  end > mostSteps
    ? null
    : Array.from({ length: end }, (_, index) => index + 1).filter((step) => dueAt(step, interval));

export interface TimesOptions {
  /** Done once more after the last step, where it is not due there. */
  readonly atEnd?: boolean;
  /** Not done where an epoch ends. */
  readonly betweenEpochs?: boolean;
}

/** What of it is the end of an epoch, at which the same is done anyway. */
const meetText = (count: number, betweenEpochs: boolean, pace: Pace): string => {
  if (!betweenEpochs) return '';
  if (pace.stepsPerEpoch === Number.POSITIVE_INFINITY) return ', or fewer where it meets the end of an epoch';
  return count === 0 ? '' : `; ${counted(count, 'more meets', 'more meet')} the end of an epoch`;
};

/** `every 1 epoch: after 45, 90, 135, … (15 times)` */
export const times = (
  every: Duration,
  pace: Pace,
  end: number | null,
  { atEnd = false, betweenEpochs = false }: TimesOptions = {},
): string => {
  if (every.unit === 'time')
    return `every ${showTime(every.value)}, at the end of the step in which they have passed${atEnd ? ', and at the end' : ''}`;
  const interval = durationInSteps(every, pace);
  const words = `every ${showQuantity(every)}`;
  const all = end === null ? null : dueSteps(interval, end);
  if (all === null || end === null)
    return `${words} (${counted(interval, 'step')})${atEnd ? ', and at the end' : ''}`;
  const steps = betweenEpochs ? all.filter((step) => step % pace.stepsPerEpoch !== 0) : all;
  const shown =
    listed(steps)?.replace(/\)$/, `${meetText(all.length - steps.length, betweenEpochs, pace)})`) ?? null;
  if (atEnd && steps.at(-1) !== end)
    return shown === null
      ? `${words}, which the run is too short for: at the end, after ${grouped(end)} (1 time)`
      : `${words}: ${listed(steps)?.replace(/ \(.*/, '') ?? ''}, and at the end, after ${grouped(end)} (${counted(steps.length + 1, 'time')})`;
  return shown === null ? `${words}: never, the run has ${counted(end, 'step')}` : `${words}: ${shown}`;
};

/** What a plan's run is, and where it ends. */
export interface Timed {
  readonly run: Run;
  /** The last step; null where it is not known. A dev run ends early. */
  readonly end: number | null;
  /** The spec's text at a place, in one line. */
  readonly textOf: (span: Span) => string;
}

/**
 * The run's numbers as far as these lengths need them; null where they are not known. How long an epoch is may not be known
 * before the run: a run of so many steps has an end all the same, and what is due every so many steps its steps.
 */
export const paceFor = (
  { pace, steps, accumulate }: Run,
  ...lengths: readonly (Duration | null)[]
): Pace | null => {
  if (pace !== null) return pace;
  const ofEpochs = lengths.some((length) => length?.unit === 'epochs' || length?.unit === 'samples');
  if (typeof steps !== 'number' || accumulate === undefined || ofEpochs) return null;
  const open = Number.POSITIVE_INFINITY;
  return { stepsPerEpoch: open, rowsPerEpoch: open, accumulate, totalSteps: steps };
};

const asksForEpoch = (node: unknown): boolean => {
  let found = false;
  walkIr(node, ({ kind, ref }) => {
    if (kind === 'ref' && typeof ref === 'object' && ref !== null && 'name' in ref && 'kind' in ref)
      found ||= ref.kind === 'run' && ref.name === 'epoch';
  });
  return found;
};

/** The run as far as what stands in blocks needs it. */
const runFor = (step: IrStep, occasions: readonly Occasion[], run: Run): Run => {
  const intervals = occasions.flatMap((each) =>
    each.kind === 'every' ? [durationOf(each.interval, run)] : [],
  );
  const ofEpoch = occasions.some((each) => each.kind === 'if' && asksForEpoch(each.test));
  if (ofEpoch || (step.stage === 'validate' && step.every === null)) return run;
  return { ...run, pace: paceFor(run, durationOf(step.every, run), ...intervals) };
};

/** `1 to 20, 31 to 40`: steps as they follow one another; those that rarely do are listed. */
const rangesText = (steps: readonly number[], where: string): string => {
  const runs: [number, number][] = [];
  for (const step of steps) {
    const open = runs.at(-1);
    if (open !== undefined && open[1] === step - 1) open[1] = step;
    else runs.push([step, step]);
  }
  if (runs.length > 3) return listed(steps)?.replace('after', where) ?? '';
  const shown = runs.map(([from, to]) =>
    from === to ? grouped(from) : `${grouped(from)} to ${grouped(to)}`,
  );
  return `${where} ${shown.join(', ')} (${counted(steps.length, 'time')})`;
};

const isExpr = (node: unknown): node is IrExpr =>
  typeof node === 'object' && node !== null && 'kind' in node && 'span' in node && 'type' in node;

/** Tests of the run's step or epoch among the values of a statement. */
const decisions = (statement: IrStepStmt): readonly IrExpr[] => {
  const found: IrExpr[] = [];
  walkIr(statement, ({ kind, test }) => {
    if (kind === 'decide' && isExpr(test) && readsRun(test)) found.push(test);
  });
  return found;
};

/** What a block does, in a word or two each. */
const doings = (statements: readonly IrStepStmt[]): string =>
  statements
    .flatMap((each) =>
      each.kind === 'update'
        ? [`update ${each.optimizers.map(({ name }) => name).join(', ')}`]
        : each.kind === 'log'
          ? [`metric ${each.name}`]
          : [],
    )
    .join(', ');

/** When blocks of a step run, and which way it goes where it looks at the run's step or epoch. */
export const blockLines = (step: IrStep, { run, end, textOf }: Timed): readonly string[] => {
  const lines: string[] = [];
  const when = (
    occasions: readonly Occasion[],
    show: (steps: readonly number[], where: string) => string | null,
  ) => {
    const at = doneWhere(step, occasions, runFor(step, occasions, run));
    if (at === null) return '';
    if (step.stage !== 'train') return `: ${show(at, 'in passes after') ?? 'in no pass'}`;
    const steps = at.map((done) => done + 1).filter((one) => end === null || one <= end);
    return `: ${show(steps, 'in steps') ?? `never, the run has ${counted(end ?? 0, 'step')}`}`;
  };
  const every = (steps: readonly number[], where: string): string | null =>
    listed(steps)?.replace('after', where) ?? null;
  const ranges = (steps: readonly number[], where: string): string | null =>
    steps.length === 0 ? null : rangesText(steps, where);
  const inParentheses = (statements: readonly IrStepStmt[]): string => {
    const inside = doings(statements);
    return inside === '' ? '' : ` (${inside})`;
  };
  visitTimed(step.body, (statement, occasions) => {
    if (statement.kind === 'every') {
      const interval = durationOf(statement.interval, run);
      if (interval === null) return;
      const own = [...occasions, { kind: 'every' as const, interval: statement.interval }];
      lines.push(`  every ${showQuantity(interval)}${inParentheses(statement.body)}${when(own, every)}`);
    } else if (statement.kind === 'if') {
      const { test } = statement;
      if (!readsRun(test)) return;
      const branch = (holds: boolean): string => when([...occasions, { kind: 'if', test, holds }], ranges);
      lines.push(`  if ${textOf(test.span)}${inParentheses(statement.then)}${branch(true)}`);
      if (statement.else.length > 0) lines.push(`  else${inParentheses(statement.else)}${branch(false)}`);
    } else if (statement.kind !== 'for' && statement.kind !== 'update') {
      for (const test of decisions(statement))
        lines.push(
          `  if ${textOf(test.span)}, as a value${when([...occasions, { kind: 'if', test, holds: true }], ranges)}`,
        );
    }
  });
  return lines;
};

/** Whole steps of a length; null where an epoch's are not known. */
const stepsIn = (duration: Duration, run: Run): number | null => {
  if (duration.unit === 'steps') return Math.round(duration.value);
  const pace = paceFor(run, duration);
  return pace === null ? null : Math.round(durationInSteps(duration, pace));
};

/** `after(from, first)`: frozen at first where it says so, and again to the end of the run. */
const frozenAfter = (
  { from, first }: Extract<IrExpr, { kind: 'freezeAfter' }>,
  whose: string,
  { run, end }: Pick<Timed, 'run' | 'end'>,
): readonly string[] => {
  const [later, sooner] = [durationOf(from, run), durationOf(first, run)];
  if (later === null || later.unit === 'rest' || (first !== null && sooner === null)) return [];
  const start = stepsIn(later, run);
  const least = sooner === null ? 0 : stepsIn(sooner, run);
  if (start === null || least === null) {
    const before = sooner === null ? '' : `for ${showQuantity(sooner)}, and `;
    return [`freeze: ${whose} ${before}after ${showQuantity(later)}, to the end`];
  }
  if (end !== null && least >= end) return [`freeze: ${whose} in all ${counted(end, 'step')}`];
  const before = least === 0 ? '' : ` in steps 1 to ${grouped(least)}`;
  if (end !== null && start >= end)
    return [
      least === 0
        ? `freeze: ${whose} never, the run has ${counted(end, 'step')}`
        : `freeze: ${whose}${before}, trained from ${grouped(least + 1)} on`,
    ];
  const trained = `${least === 0 ? 'in steps 1' : `from ${grouped(least + 1)}`} to ${grouped(start)}`;
  return [`freeze: ${whose}${before}, trained ${trained}, frozen from ${grouped(start + 1)} on`];
};

/** What is frozen, and when. */
export const freezeLines = (
  input: TrainingInput,
  { run, end }: Pick<Timed, 'run' | 'end'>,
): readonly string[] =>
  input.trainer.optimizers.flatMap((optimizer) => {
    const { name, options, groups } = optimizer;
    const replaced = new Set(
      replacedOptions(input, optimizer).flatMap(({ group, option }) =>
        option.name === 'freeze' ? [group] : [],
      ),
    );
    const line = (own: readonly IrNamed[], whose: string): readonly string[] => {
      const given = optionOf(own, 'freeze');
      if (given?.kind === 'freezeAfter') return frozenAfter(given, whose, { run, end });
      const freeze = durationOf(given, run);
      if (freeze === null) return [];
      if (freeze.unit === 'rest') return [`freeze: ${whose} for the whole run`];
      const until = stepsIn(freeze, run);
      if (until === null) return [`freeze: ${whose} for ${showQuantity(freeze)}`];
      if (until === 0) return [];
      if (end !== null && until >= end) return [`freeze: ${whose} in all ${counted(end, 'step')}`];
      return [`freeze: ${whose} in steps 1 to ${grouped(until)}, trained from ${grouped(until + 1)} on`];
    };
    return [
      ...line(options, `\`${name}\``),
      ...groups.flatMap((group) =>
        replaced.has(group) || isLeftNone(input, optimizer, group)
          ? []
          : line(group.options, `group ${group.name} of \`${name}\``),
      ),
    ];
  });

/** When copies of models take weights in. */
export const copyLines = (input: TrainingInput, { run, end }: Timed): readonly string[] =>
  input.trainer.models.flatMap(({ name, copy }) => {
    if (!copy || copy.kind === 'frozen') return [];
    const head = `${copy.kind} ${name} of ${copy.of}`;
    if (copy.kind === 'ema') return [`${head}: after every update`];
    const from = beginningOf(optionOf(copy.options, 'from'), run);
    const every =
      durationOf(optionOf(copy.options, 'every'), run) ?? builtinLength(input, 'model', copy.kind, 'every');
    const pace = paceFor(run, from, every);
    if (pace === null || from === null || every === null || end === null || end > mostSteps) return [head];
    const takes = averageTakes(from, every, pace);
    const steps = Array.from({ length: end }, (_, done) => done + 1).filter(takes);
    const later = listed(steps);
    if (!takes(0)) return [`${head}: takes weights in ${later ?? 'after no step'}`];
    return [`${head}: takes weights in at the start${later === null ? '' : `, and ${later}`}`];
  });

const dueText = (every: Duration, pace: Pace | null, end: number | null, options: TimesOptions): string =>
  pace === null
    ? `every ${showQuantity(every)}${options.atEnd === true ? ', and at the end' : ''}`
    : times(every, pace, end, options);

/** Lines of training metrics, and add-ons that come every so often. */
export const logLines = (input: TrainingInput, { run, end }: Timed): readonly string[] => {
  const { trainer } = input;
  const due = (label: string, every: Duration | null, options: TimesOptions = {}): readonly string[] =>
    every === null ? [] : [`${label}: ${dueText(every, paceFor(run, every), end, options)}`];
  const logEvery =
    durationOf(optionOf(trainer.options, 'log_every'), run) ??
    builtinLength(input, 'trainer', 'options', 'log_every');
  return [
    ...(endlessData(trainer) !== null
      ? due('metrics of training', logEvery, { atEnd: true })
      : due('metrics of training: at the end of each epoch, and in between', logEvery, {
          betweenEpochs: true,
        })),
    ...trainer.addons.flatMap(({ name, label, module, options }) =>
      module !== null || (name !== 'lr_log' && name !== 'image_grid')
        ? module === null && (name === 'csv_log' || name === 'device_stats')
          ? [`${label}: with each line of ${name === 'csv_log' ? '' : 'training '}metrics`]
          : []
        : due(
            label,
            durationOf(optionOf(options, 'every'), run) ?? builtinLength(input, 'addon', name, 'every'),
          ),
    ),
  ];
};

/** Which steps' rows are written. */
export const rowsWritten = ({ addons, steps }: IrTrainer): readonly string[] => {
  const names = steps.filter(returnsRows).map(({ name }) => `\`${name}\``);
  const what = names.length === 0 ? 'nothing, as no step returns rows' : `the rows of ${names.join(', ')}`;
  return addons.flatMap(({ name, module }) =>
    module === null && name === 'predictions' ? [`predictions: writes ${what}`] : [],
  );
};

/** When early stopping may end the run, at the earliest, for want of improvement. */
export const stopLines = (input: TrainingInput, { run, end }: Timed): readonly string[] =>
  input.trainer.addons.flatMap(({ name, module, options }) => {
    const { trainer } = input;
    const monitor = optionOf(options, 'monitor');
    if (module !== null || name !== 'early_stopping' || monitor?.kind !== 'monitor') return [];
    const given = optionOf(options, 'patience');
    const patience =
      given === null ? builtinNumber(input, 'addon', name, 'patience') : evaluateIr(given, run.names);
    const at = measurementsOf(trainer, monitor.metric, run)?.filter((step) => end === null || step <= end);
    if (at === undefined || typeof patience !== 'number' || run.pace === null) return [];
    const least = (option: string): number => {
      const value = optionOf(trainer.options, option);
      const number = value === null ? 0 : evaluateIr(value, run.names);
      return typeof number === 'number' ? number : 0;
    };
    const [epochs, steps] = [least('min_epochs'), least('min_steps')];
    const held = Math.max(steps, (steps > 0 && epochs === 0 ? 1 : epochs) * run.pace.stepsPerEpoch);
    const stop = at[patience];
    const head = `early_stopping: ${monitor.metric} is measured ${counted(at.length, 'time')}, patience ${grouped(patience)}`;
    // What is not improved on by the last step ends nothing.
    return stop === undefined || (end !== null && Math.max(stop, held) >= end)
      ? [`${head}: a run that does not improve is not ended early`]
      : [`${head}: a run that does not improve ends after step ${grouped(Math.max(stop, held))}`];
  });

/** What a phase is for, for who reads a plan. */
const phaseMeaning: Readonly<Record<Phase, string>> = {
  core: 'before all others',
  independent: 'by itself',
  trigger: 'may end or change the run',
  dependent: 'after all others, by what they have done',
};

/** Add-ons in the order in which their hooks are called: by phase, then as the spec has them. */
export const addonLines = (trainer: IrTrainer, saves = true): readonly string[] => {
  const placed = trainer.addons.map((addon) => ({
    name: addon.label === addon.name ? addon.name : `${addon.name} as ${addon.label}`,
    phase: addon.phase,
  }));
  const all =
    !saves || trainer.addons.some(({ name }) => name === 'checkpoint')
      ? placed
      : [...placed, { name: 'checkpoint', phase: 'dependent' }];
  const lines = phases.flatMap((phase) => {
    const names = all.filter((addon) => addon.phase === phase).map(({ name }) => name);
    return names.length === 0 ? [] : [`  ${phase} (${phaseMeaning[phase]}): ${names.join(', ')}`];
  });
  return lines.length === 0 ? [] : ['add-ons, phase by phase in the order of their hooks:', ...lines];
};
