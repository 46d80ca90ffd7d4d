/** The timetable in a run's plan: what is due when, in steps, for all that happens every so often or at one time. */
import { evaluateIr } from '../checker/evaluate.js';
import type { IrExpr, IrNamed, IrStep, IrStepStmt, IrTrainer } from '../checker/ir.js';
import { optionOf, type TrainingInput } from '../checker/training/input.js';
import { durationOf } from '../checker/training/lengths.js';
import { endlessData } from '../checker/training/live.js';
import { measurementsOf } from '../checker/training/measurements.js';
import { builtinLength, builtinNumber, type Run } from '../checker/training/run.js';
import { doneWhere, visitTimed } from '../checker/training/timetable.js';
import { dueAt, durationInSteps, type Pace } from '../values/durations.js';
import { phases } from '../values/phases.js';
import { showQuantity, type Duration } from '../values/units.js';
import { grouped } from './tables.js';

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

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
  if (all === null || end === null) return `${words} (${counted(interval, 'step')})`;
  const steps = betweenEpochs ? all.filter((step) => step % pace.stepsPerEpoch !== 0) : all;
  const shown = listed(steps);
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
}

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

/** Blocks of a step that run every so often. */
export const blockLines = (step: IrStep, { run, end }: Timed): readonly string[] => {
  const lines: string[] = [];
  visitTimed(step.body, (statement, occasions) => {
    if (statement.kind !== 'every') return;
    const every = durationOf(statement.interval, run);
    if (every === null) return;
    const at = doneWhere(step, [...occasions, { kind: 'every', interval: statement.interval }], run);
    const inside = doings(statement.body);
    const what = `  every ${showQuantity(every)}${inside === '' ? '' : ` (${inside})`}`;
    if (at === null) lines.push(what);
    else if (step.stage === 'train') {
      const steps = at.map((done) => done + 1).filter((one) => end === null || one <= end);
      lines.push(
        `${what}: ${listed(steps)?.replace('after', 'in steps') ?? `never, the run has ${counted(end ?? 0, 'step')}`}`,
      );
    } else lines.push(`${what}: ${listed(at)?.replace('after', 'in passes after') ?? 'in no pass'}`);
  });
  return lines;
};

/** Whole steps of a length; null where an epoch's are not known. */
const stepsIn = (duration: Duration, { pace }: Run): number | null =>
  duration.unit === 'steps'
    ? Math.round(duration.value)
    : pace === null
      ? null
      : Math.round(durationInSteps(duration, pace));

/** `after(from, first)`: frozen at first where it says so, and again to the end of the run. */
const frozenAfter = (
  { from, first }: Extract<IrExpr, { kind: 'freezeAfter' }>,
  whose: string,
  { run, end }: Timed,
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
export const freezeLines = (trainer: IrTrainer, { run, end }: Timed): readonly string[] =>
  trainer.optimizers.flatMap(({ name, options, groups }) => {
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
      ...groups.flatMap((group) => line(group.options, `group ${group.name} of \`${name}\``)),
    ];
  });

/** When copies of models take weights in. */
export const copyLines = (trainer: IrTrainer, { run, end }: Timed): readonly string[] =>
  trainer.models.flatMap(({ name, copy }) => {
    if (!copy || copy.kind === 'frozen') return [];
    const head = `${copy.kind} ${name} of ${copy.of}`;
    const { pace } = run;
    const from = durationOf(optionOf(copy.options, 'from'), run);
    const every = durationOf(optionOf(copy.options, 'every'), run);
    if (copy.kind === 'ema') return [`${head}: after every update`];
    if (pace === null || end === null || end > mostSteps) return [head];
    const first = from === null ? 0 : Math.max(0, Math.round(durationInSteps(from, pace)));
    const interval = durationInSteps(every ?? { unit: 'steps', value: 1 }, pace);
    const steps = Array.from({ length: end + 1 }, (_, done) => done).filter(
      (done) => done > 0 && (done === first || (done > first && dueAt(done - first, interval))),
    );
    return [`${head}: takes weights in ${listed(steps) ?? 'after no step'}`];
  });

/** Lines of training metrics, and add-ons that come every so often. */
export const logLines = (input: TrainingInput, { run, end }: Timed): readonly string[] => {
  const { trainer } = input;
  const { pace } = run;
  const due = (label: string, every: Duration | null, options: TimesOptions = {}): readonly string[] =>
    every === null
      ? []
      : [`${label}: ${pace === null ? `every ${showQuantity(every)}` : times(every, pace, end, options)}`];
  const logEvery =
    durationOf(optionOf(trainer.options, 'log_every'), run) ??
    builtinLength(input, 'trainer', 'options', 'log_every');
  const isEndless = endlessData(trainer) !== null;
  const isLast =
    typeof run.steps === 'number' && logEvery?.unit === 'steps' && dueAt(run.steps, logEvery.value);
  return [
    ...(isEndless
      ? due('metrics of training', logEvery).map((line) => `${line}${isLast ? '' : ', and at the end'}`)
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
  const inOrder = phases.flatMap((phase) => all.filter((addon) => addon.phase === phase));
  if (inOrder.length === 0) return [];
  return [
    `add-ons, in the order of their hooks: ${inOrder.map(({ name, phase }) => `${name} (${phase})`).join(', ')}`,
  ];
};
