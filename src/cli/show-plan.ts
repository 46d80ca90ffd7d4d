/** `show --plan`: how long the run is, and what falls where. */
import type { Checked } from '../checker/check.js';
import { durationOf } from '../checker/training/lengths.js';
import { evaluateIr, type HostValue } from '../checker/evaluate.js';
import type { IrData, IrExpr, IrStep, IrTrainer } from '../checker/ir.js';
import { loadPrelude } from '../checker/prelude.js';
import { optionOf, type TrainingInput } from '../checker/training/input.js';
import { endlessData } from '../checker/training/live.js';
import { axesIn } from '../checker/training/sweep.js';
import { builtinDefault, partIn, runOf, type Run } from '../checker/training/run.js';
import { textOf } from '../parser/source.js';
import type { Pace } from '../values/durations.js';
import { batchesIn, partOf, showPart } from '../values/limits.js';
import { monitorName } from '../values/monitor-name.js';
import { countOf, settingText, type Axis } from '../values/sweep.js';
import { showQuantity } from '../values/units.js';
import { counted, grouped } from '../values/counted.js';
import { countRows } from './row-counts.js';
import { mapLines } from './show-maps.js';
import type { Settings } from './settings.js';
import {
  addonLines,
  blockLines,
  copyLines,
  freezeLines,
  logLines,
  rowsWritten,
  paceFor,
  showTime,
  stopLines,
  times,
  type Timed,
} from './plan-timetable.js';
import { scheduleLines } from './plan-schedules.js';
import type { SpecFile } from './specs.js';

interface Rows {
  readonly rows: number;
  /** Of how many its part is. */
  readonly of: number;
  /** Classes are shared out one by one, so that only the run knows exactly. */
  readonly about: boolean;
}

interface Reader extends Timed {
  /** At most so many steps and batches; null for a whole run. */
  readonly dev: number | null;
  readonly rowsOf: (data: IrData) => Rows | null;
  /** Rows of a batch where a data set does not say. */
  readonly usualBatch: HostValue | undefined;
  readonly whyUnknown: (data: IrData) => string;
}

/** A line for each data set of a step, and one of its maps below. */
const dataLine = (step: IrStep, trainer: IrTrainer, reader: Reader): readonly string[] =>
  step.inputs.flatMap((input) => {
    const set = trainer.data.find((each) => each.name === input.data);
    const lines = rowLines({ ...step, inputs: [input] }, trainer, reader);
    return set === undefined ? lines : [...lines, ...skipLines(set, reader.run), ...mapLines(set)];
  });

/** Nothing but the run reads the rows. */
const skipLines = ({ options }: IrData, run: Run): readonly string[] => {
  const given = optionOf(options, 'on_bad_row');
  return given !== null && evaluateIr(given, run.names) === 'skip'
    ? [
        '    less the rows that do not fit, which are left out (on_bad_row = "skip"): a run finds out how many',
      ]
    : [];
};

const rowLines = (
  step: IrStep,
  trainer: IrTrainer,
  { run, rowsOf, usualBatch, whyUnknown }: Reader,
  { option, part } = partOf(step.stage, run.taken),
): readonly string[] =>
  step.inputs.flatMap(({ data }) => {
    const set = trainer.data.find((each) => each.name === data);
    if (set === undefined) return [];
    const given = optionOf(set.options, 'batch');
    const size = given === null ? usualBatch : evaluateIr(given, run.names);
    if (set.source.live === true) {
      const limited =
        part === null ? '' : `; ${counted(part.value, 'is', 'are')} taken (${showPart(option, part)})`;
      const rows = typeof size === 'number' ? grouped(size) : String(size);
      const { accumulate = 1 } = run;
      const each =
        step.stage !== 'train' || accumulate === 1
          ? ''
          : `, ${grouped(accumulate)} in each${typeof size === 'number' ? `: ${counted(accumulate * size, 'row')} a step` : ''}`;
      return [`  ${data}: live, batches of ${rows} as the step asks for them${each}${limited}`];
    }
    const found = rowsOf(set);
    const unknown = part === null ? '' : `; ${showPart(option, part)}`;
    if (found === null) return [`  ${data}: ${whyUnknown(set)}${unknown}`];
    const { rows, of, about } = found;
    const shown = rows === of ? counted(rows, 'row') : `${grouped(rows)} of ${counted(of, 'row')}`;
    if (about) return [`  ${data}: about ${shown}, by class, in batches of ${String(size)}${unknown}`];
    if (typeof size !== 'number') return [`  ${data}: ${shown}${unknown}`];
    const drop = optionOf(set.options, 'drop_last');
    const dropped = drop !== null && evaluateIr(drop, run.names) === true;
    const count = dropped ? Math.floor(rows / size) : Math.ceil(rows / size);
    const left = rows % size;
    const last =
      left === 0 ? '' : dropped ? `, ${counted(left, 'row')} left out` : `, the last of ${grouped(left)}`;
    const taken =
      part === null
        ? ''
        : `; ${counted(batchesIn(part, count), 'is', 'are')} taken (${showPart(option, part)}${option === 'overfit' ? ', unshuffled' : ''})`;
    return [`  ${data}: ${shown}, ${counted(count, 'batch', 'batches')} of ${grouped(size)}${last}${taken}`];
  });

const reloadText = (every: number, pace: Pace | null): string => {
  const steps = pace === null || pace.totalSteps === null ? null : pace.totalSteps;
  const epochs = steps === null || pace === null ? null : Math.ceil(steps / pace.stepsPerEpoch);
  const count = epochs === null ? null : Math.max(0, Math.ceil(epochs / every) - 1);
  if (count === 0) return `data is never opened again: the run has ${counted(epochs ?? 0, 'epoch')}`;
  const shown = Array.from({ length: Math.min(3, count ?? 3) }, (_, time) => grouped((time + 1) * every + 1));
  const all = count === null ? ', …' : `${count > shown.length ? ', …' : ''} (${counted(count, 'time')})`;
  return `data is opened again before epoch ${shown.join(', ')}${all}`;
};

/** What ends the run, and what holds it. */
const lengthLines = (trainer: IrTrainer, run: Run): readonly string[] => {
  const number = (name: string): number | null => {
    const given = optionOf(trainer.options, name);
    const value = given === null ? null : evaluateIr(given, run.names);
    return typeof value === 'number' ? value : null;
  };
  const { maxTime, pace } = run;
  const leastEpochs = number('min_epochs');
  const leastSteps = number('min_steps');
  const least = [
    ...(leastEpochs === null ? [] : [`min_epochs = ${grouped(leastEpochs)}`]),
    ...(leastSteps === null ? [] : [`min_steps = ${grouped(leastSteps)}`]),
  ];
  const step = pace === null ? 0 : Math.max(leastSteps ?? 0, (leastEpochs ?? 0) * pace.stepsPerEpoch);
  const total = pace?.totalSteps ?? null;
  const beyond =
    total !== null && step > total ? `, beyond the run's ${grouped(total)}: nothing ends it early` : '';
  const until = pace === null ? '' : ` (step ${grouped(step)}${beyond})`;
  const reload = number('reload_data');
  const dev = partIn(optionOf(trainer.options, 'dev_run'), run.names);
  return [
    ...(typeof maxTime === 'number'
      ? [`  ends after the step in which ${showTime(maxTime)} have passed`]
      : []),
    ...(least.length === 0 ? [] : [`  early stopping is held until ${least.join(' and ')}${until}`]),
    ...(reload === null ? [] : [`  ${reloadText(reload, pace)}`]),
    ...(dev === null
      ? []
      : [`  a dev run: at most ${counted(dev.value, 'step')} of one epoch, and nothing is written`]),
  ];
};

const trainLines = (step: IrStep, trainer: IrTrainer, reader: Reader): readonly string[] => {
  const { pace, batches, accumulate } = reader.run;
  const data = dataLine(step, trainer, reader);
  if (pace === null || batches === null) {
    const { steps, epochs } = reader.run;
    const length =
      typeof steps === 'number'
        ? counted(steps, 'step')
        : typeof epochs === 'number'
          ? counted(epochs, 'epoch')
          : 'no fixed length';
    return [`train: ${length}`, ...data, ...blockLines(step, reader), ...lengthLines(trainer, reader.run)];
  }
  const left = batches.count % pace.accumulate;
  const window =
    accumulate === undefined || accumulate === 1
      ? []
      : [
          `  ${counted(pace.stepsPerEpoch, 'window')} of ${counted(accumulate, 'batch', 'batches')}${left === 0 ? '' : `, the last has ${grouped(left)} of ${grouped(accumulate)} batches`}`,
        ];
  const total =
    reader.dev !== null
      ? `${grouped(reader.end ?? reader.dev)} in all (dev_run)`
      : pace.totalSteps === null
        ? 'no fixed end'
        : `${grouped(pace.totalSteps)} in all (${counted(pace.totalSteps / pace.stepsPerEpoch, 'epoch')})`;
  return [
    `train: ${counted(pace.stepsPerEpoch, 'step')} an epoch, ${total}`,
    ...data,
    ...window,
    ...blockLines(step, reader),
    ...lengthLines(trainer, reader.run),
  ];
};

const validateLines = (step: IrStep, trainer: IrTrainer, reader: Reader): readonly string[] => {
  const every = durationOf(step.every, reader.run) ?? { unit: 'epochs', value: 1 };
  const { names } = reader.run;
  const pace = paceFor(reader.run, every);
  const limited = partOf(step.stage, reader.run.taken);
  if (limited.part?.unit === 'batches' && limited.part.value === 0)
    return [`${step.name}: never (${showPart(limited.option, limited.part)})`];
  const isOnce = step.every === null && endlessData(trainer) !== null;
  const when =
    reader.dev !== null
      ? `once, at the end (dev_run), of ${counted(reader.dev, 'batch', 'batches')} at most`
      : isOnce
        ? 'at the end'
        : pace === null
          ? `every ${showQuantity(every)}, and at the end`
          : times(every, pace, reader.end, { atEnd: true });
  const sanity = reader.dev === null ? partIn(optionOf(trainer.options, 'sanity'), names) : null;
  const before =
    sanity === null
      ? []
      : [`  before training: ${counted(sanity.value, 'batch', 'batches')}, whose metrics are thrown away`];
  return [
    `${step.name}: ${when}`,
    ...dataLine(step, trainer, reader),
    ...(reader.dev === null ? blockLines(step, reader) : []),
    ...before,
  ];
};

const isTrue = (expr: IrExpr | null, run: Run): boolean =>
  expr !== null && evaluateIr(expr, run.names) === true;

/** When a metric is measured. */
const measuredText = (trainer: IrTrainer, metric: string): string =>
  trainer.steps.find(({ name }) => metric.startsWith(`${name}.`))?.stage !== 'train'
    ? 'after a validation'
    : endlessData(trainer) === null
      ? 'after an epoch'
      : 'after a line of metrics';

const checkpointLines = (trainer: IrTrainer, { run, end, dev }: Reader): readonly string[] => {
  const saving = trainer.addons.filter(({ name }) => name === 'checkpoint');
  // Without the add-on a run saves as one without options does; a dev run saves nothing.
  if (saving.length === 0)
    return dev === null ? ['checkpoint: at the end, as there is no checkpoint add-on'] : [];
  return saving.map(({ options }) => {
    const every = durationOf(optionOf(options, 'every'), run);
    const pace = paceFor(run, every);
    const best = optionOf(options, 'best');
    const last = optionOf(options, 'last');
    const parts = [
      ...(every === null ? [] : [pace === null ? `every ${showQuantity(every)}` : times(every, pace, end)]),
      ...(best?.kind === 'monitor'
        ? [`${measuredText(trainer, best.metric)} with the best ${best.metric}`]
        : []),
      ...(last !== null && evaluateIr(last, run.names) === false ? [] : ['at the end']),
      ...(isTrue(optionOf(options, 'on_error'), run) ? ['where the run fails, as failed-N'] : []),
    ];
    return `checkpoint: ${parts.length === 0 ? 'never' : parts.join('; ')}`;
  });
};

/** What weights begin with, in the order in which it is loaded. */
const pretrainedLines = (trainer: IrTrainer, run: Run): readonly string[] =>
  trainer.addons
    .filter(({ name, module }) => name === 'pretrained' && module === null)
    .map((addon) => {
      const text = (name: string): string | null => {
        const expr = optionOf(addon.options, name);
        const value = expr === null ? null : evaluateIr(expr, run.names);
        return typeof value === 'string' ? value : null;
      };
      const layout = text('layout') ?? 'ztrain';
      const own = layout === 'ztrain' ? '' : `, in the layout of ${layout}`;
      return `${shownName(addon)}: ${text('into') ?? 'a part'} from ${text('from') ?? 'a file'}${own}`;
    });

/** `lr 0.01, 0.1`, cut where there are many. */
const axisText = ({ name, values }: Axis): string => {
  const shown = values.slice(0, 6).map(settingText);
  return `  ${name}: ${shown.join(', ')}${values.length > shown.length ? `, … (${values.length})` : ''}`;
};

const sweepLines = (trainer: IrTrainer, fixed: ReadonlySet<string>): readonly string[] =>
  trainer.addons
    .filter(({ name }) => name === 'sweep')
    .flatMap((addon) => {
      const open = (axes: readonly Axis[]): readonly Axis[] => axes.filter(({ name }) => !fixed.has(name));
      const [over, average] = [open(axesIn(addon, 'over')), open(axesIn(addon, 'average'))];
      const [points, each] = [countOf(over), countOf(average)];
      if (over.length + average.length === 0) return ['sweep: one run, every axis is set'];
      const pick = optionOf(addon.options, 'pick');
      const by = pick?.kind === 'monitor' ? `, picked by ${monitorName(pick)}` : '';
      const runs = each === 1 ? '' : `, ${counted(each, 'run')} each: ${counted(points * each, 'run')}`;
      return [`sweep: ${counted(points, 'point')}${runs}${by}`, ...[...over, ...average].map(axisText)];
    });

const shownName = ({ name, label }: IrTrainer['addons'][number]): string =>
  label === name ? name : `${name} as ${label}`;

export const planLines = (
  spec: SpecFile,
  checked: Checked,
  _trainer: IrTrainer,
  settings: Settings,
): readonly string[] => {
  const { trainer, names } = settings;
  const reasons = new Map<string, string>();
  const found = new Map<string, number>();
  for (const data of trainer.data) {
    const count = countRows(spec.path, data, names);
    if ('rows' in count) found.set(data.name, count.rows);
    else reasons.set(data.name, count.unknown);
  }
  const input: TrainingInput = {
    trainer,
    classes: new Map(),
    weights: checked.weights,
    meetsRows: new Set(),
    ...(names.consts === undefined ? {} : { consts: names.consts }),
    params: names.params,
    rows: found,
    prelude: loadPrelude(),
    report: () => undefined,
  };
  const run = runOf(input);
  const dev = partIn(optionOf(trainer.options, 'dev_run'), run.names)?.value ?? null;
  const whole = run.pace?.totalSteps ?? run.steps ?? null;
  const reader: Reader = {
    run,
    dev,
    usualBatch: builtinDefault(input, 'data', 'options', 'batch'),
    textOf: (span) => {
      const file = checked.files[span.file];
      return file === undefined ? '' : textOf(file, span).replaceAll(/\s+/g, ' ');
    },
    end: dev === null ? whole : Math.min(whole ?? Infinity, dev, run.pace?.stepsPerEpoch ?? Infinity),
    rowsOf: (data) => {
      const read = (without: readonly string[]): number | undefined => {
        const options = data.options.filter(({ name }) => !without.includes(name));
        return runOf({ ...input, trainer: readingOnly(trainer, { ...data, options }) }).batches?.rows;
      };
      const of = read(['part']) ?? found.get(data.name);
      if (of === undefined) return null;
      const rows = optionOf(data.options, 'part') === null ? of : read([]);
      const about = rows === undefined ? read(['stratify']) : undefined;
      return rows !== undefined
        ? { rows, of, about: false }
        : about === undefined
          ? null
          : { rows: about, of, about: true };
    },
    whyUnknown: (data) => reasons.get(data.name) ?? 'its rows are not known before the run',
  };
  // A dev run neither saves nor stops early.
  const untried = new Set(dev === null ? [] : ['checkpoint', 'stop']);
  const taken = {
    ...trainer,
    addons: trainer.addons.filter(({ owns }) => !owns.some((effect) => untried.has(effect))),
  };
  const stage = (name: IrStep['stage']): readonly IrStep[] =>
    trainer.steps.filter((step) => step.stage === name);
  return [
    // One over several data sets is a step for each.
    ...[...new Set(stage('measure').map(({ name }) => name))].flatMap((name) => [
      `${name}: once, before training`,
      ...stage('measure')
        .filter((step) => step.name === name)
        .flatMap((step) => dataLine(step, trainer, reader)),
    ]),
    ...stage('train').flatMap((step) => trainLines(step, trainer, reader)),
    ...stage('validate').flatMap((step) => validateLines(step, trainer, reader)),
    ...[...stage('test'), ...stage('predict')].flatMap((step) => {
      const { option, part } = partOf(step.stage, run.taken);
      return part?.unit === 'batches' && part.value === 0
        ? [`${step.name}: never (${showPart(option, part)})`]
        : [`${step.name}: on demand`, ...dataLine(step, trainer, reader)];
    }),
    ...testLines(trainer, run),
    ...freezeLines(input, reader),
    ...copyLines(input, reader),
    ...addonLines(taken, dev === null),
    ...pretrainedLines(trainer, run),
    ...checkpointLines(taken, reader),
    ...stopLines({ ...input, trainer: taken }, reader),
    ...logLines({ ...input, trainer: taken }, reader),
    ...(dev === null ? rowsWritten(trainer) : []),
    ...sweepLines(trainer, settings.overridden),
    ...scheduleLines(input, run),
  ];
};

/** Validate steps that `test` takes, where they take another part of their data then. */
const testLines = (trainer: IrTrainer, { taken }: Run): readonly string[] => {
  const { option, part } = partOf('test', taken);
  if (part === null || trainer.steps.some(({ stage }) => stage === 'test')) return [];
  return [`test: the validate steps, ${showPart(option, part)}`];
};

/** The trainer as if its train step read this one data set. */
const readingOnly = (trainer: IrTrainer, data: IrData): IrTrainer => ({
  ...trainer,
  data: trainer.data.map((each) => (each.name === data.name ? data : each)),
  steps: trainer.steps.map((step) =>
    step.stage === 'train'
      ? { ...step, inputs: [{ span: data.span, name: data.name, data: data.name }] }
      : step,
  ),
});
