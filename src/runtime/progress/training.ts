/** What a training run prints: lines of metrics, the live line, the final summary. */
import type { Measured, Moment } from '../addons/addon.js';
import type { Table } from '../rows/reduction.js';
import type { FitListener, FitResult, MetricsRecord } from '../trainer/fit.js';
import type { Session } from '../trainer/session.js';
import type { Throughput } from '../addons/addon.js';
import { tellStep } from '../../values/step-channel.js';
import { columnsOf, wrapWords } from '../../values/words.js';
import {
  fit,
  fitParts,
  fittingWidths,
  showCount,
  showNumber,
  showSeconds,
  table,
  wrapParts,
} from './format.js';
import { sayWords, type Reporter } from './reporter.js';
import { counted } from '../../values/counted.js';

/** The epoch of the step that ended last, counted from 1. */
function epochOf(step: number, { stepsPerEpoch }: { readonly stepsPerEpoch: number }): number {
  return Math.max(1, Math.ceil(step / stepsPerEpoch));
}

/** `epoch 3/10` for a run of epochs, else the epoch alone; nothing where an epoch has no end. */
function epochText(step: number, session: Session): readonly string[] {
  if (session.isEndless) return [];
  const { totalSteps } = session.pace;
  const epoch = epochOf(step, session.pace);
  return session.options.epochs === null || totalSteps === null
    ? [`epoch ${epoch}`]
    : [`epoch ${epoch}/${session.options.epochs}`];
}

function metricParts(metrics: Measured): readonly string[] {
  return [...metrics].map(([name, value]) => `${name} ${showNumber(value)}`);
}

// The live line is redrawn at most this often; plain lines of training come at most this often, and ever less so.
const liveSeconds = 0.1;
const plainSeconds = 5;
// With more epochs than this, lines of epochs and validations come at most this often, and ever less so.
const manyEpochs = 60;
const oftenSeconds = 1;
const seldomSeconds = 60;
// A run of fewer epochs than this has a line of training for each such part of it at least, as far as lines are measured.
const fewEpochs = 10;
const lineParts = 1 / 20;

/** How far apart lines are after so many seconds of a run: who follows a long run wants a line a minute, its log no more. */
export function spacing(least: number, seconds: number): number {
  return Math.max(least, Math.min(seldomSeconds, seconds / 200));
}

/** How a table is shown: in how many columns of a terminal, how many of its rows, and what its rows and columns are called. */
export interface TableStyle {
  readonly columns: number;
  readonly most?: number;
  readonly classes?: readonly string[] | undefined;
}

/**
 * A metric that is a table: its name, then its rows, the first `most`. Its name says how much is not shown. Where its classes have names, each
 * row begins with its own, and a line above the rows has those of the columns; where these would make columns of the table go, their
 * numbers, which stand before the names of the rows then; so do they where names that are cut cannot be told apart.
 */
export function tableLines(
  name: string,
  values: Table,
  { columns, most = Number.POSITIVE_INFINITY, classes }: TableStyle,
): readonly string[] {
  const rows = values.slice(0, most).map((row) => row.map(showNumber));
  const across = values[0]?.length ?? 0;
  const lines = classes === undefined ? rows : withNames(rows, classes, columns);
  const shown = fittingWidths(lines, columns).length - (classes === undefined ? 0 : 1);
  const whole = rows.length === values.length && shown === across;
  const size = (down: number, wide: number): string => `${showCount(down)} × ${showCount(wide)}`;
  return [
    whole ? name : `${name}: ${size(rows.length, shown)} of ${size(values.length, across)}`,
    ...table(lines, columns),
  ];
}

/** Names of classes are cut to so many columns, and where that makes numbers go, to as many as are left, but to no fewer than these. */
const longestName = 24;
const leastName = 8;

/** The rows of a table with the names of their classes, under a line with those of the columns. */
function withNames(
  rows: readonly (readonly string[])[],
  classes: readonly string[],
  columns: number,
): readonly (readonly string[])[] {
  const width = Math.min(columns, widest);
  // A line break or a colour in the name of a folder is none in the table.
  const cut = (longest: number): readonly string[] =>
    classes.map((each) => fit(each.replaceAll(/[\s\p{Cc}\p{Bidi_Control}]/gu, ' '), longest));
  const under = (above: readonly string[], before: readonly string[]): readonly (readonly string[])[] => [
    ['', ...above],
    ...rows.map((row, at) => [before[at] ?? '', ...row]),
  ];
  const widthOf = (lines: readonly (readonly string[])[]): number =>
    fittingWidths(lines, Number.POSITIVE_INFINITY).reduce((sum, each) => sum + each + 2, -2);
  const whole = cut(longestName);
  const named = under(whole, whole);
  // Names that are cut may be alike.
  if (new Set(whole).size === whole.length && widthOf(named) <= width) return named;
  const digits = String(classes.length - 1).length;
  const numbers = classes.map((_, at) => String(at));
  const room =
    width -
    widthOf(
      under(
        numbers,
        numbers.map((each) => `${each.padStart(digits)} `),
      ),
    );
  const names = cut(Math.max(leastName, Math.min(longestName, room)));
  return under(
    numbers,
    numbers.map((each, at) => `${each.padStart(digits)} ${names[at] ?? ''}`),
  );
}

/** Columns of a table that nobody cuts, as where it goes to a file: names above them do not make it wider than this. */
const widest = 120;

/** Prints what the loop tells. */
export class TrainingProgress implements FitListener {
  #drawn = Number.NEGATIVE_INFINITY;
  #lined = Number.NEGATIVE_INFINITY;
  /** Which part of the run was done at the newest line. */
  #linedAt = 0;
  #started: Moment | null = null;
  #shownStep = -1;
  /** Lines of the newest moment that were left out. */
  #leftOut: MetricsRecord[] = [];
  #running: readonly string[] = [];
  #throughput: Throughput | null = null;
  #newest: Moment | null = null;
  /** When a batch of a validation was shown last, by the process's clock. */
  #validated = Number.NEGATIVE_INFINITY;
  readonly #tables = new Map<string, Table>();
  readonly #classes = new Map<string, readonly string[]>();

  constructor(
    private readonly session: Session,
    private readonly reporter: Reporter,
    private readonly total: number,
    private readonly record: (record: MetricsRecord) => void,
  ) {}

  step(at: Moment): void {
    tellStep(at.step);
    this.#started ??= at;
    this.#newest = at;
    if (!this.reporter.isLive || at.seconds - this.#drawn < liveSeconds) return;
    this.#drawn = at.seconds;
    this.reporter.live(this.#live(at));
  }

  /** The newest of each metric that is a table, by its full name. */
  get tables(): ReadonlyMap<string, Table> {
    return this.#tables;
  }

  /** What the rows and columns of those are called, where they have names. */
  get classes(): ReadonlyMap<string, readonly string[]> {
    return this.#classes;
  }

  note(line: string): void {
    sayWords(this.reporter, line);
  }

  validating(name: string, done: number, of: number): void {
    if (!this.reporter.isLive) return;
    const now = performance.now() / 1000;
    if (done < of && now - this.#validated < liveSeconds) return;
    this.#validated = now;
    // Before the first step there is no place in the run yet.
    const where = this.#newest === null ? [] : this.#place(this.#newest);
    this.reporter.live(fitParts([`${name} ${done}/${of}`, ...where], this.reporter.columns() - 1));
  }

  measuring(name: string, done: number, of: number): void {
    if (this.reporter.isLive)
      this.reporter.live(fitParts([`${name} ${done}/${of}`], this.reporter.columns() - 1));
  }

  metrics(record: MetricsRecord): void {
    this.record(record);
    const { stage, tables, classes } = record;
    for (const [name, values] of tables) this.#tables.set(`${stage}.${name}`, values);
    for (const [name, values] of classes ?? []) this.#classes.set(`${stage}.${name}`, values);
    const { over, at } = record;
    if (over !== 'pass') this.#running = metricParts(record.metrics);
    // On a terminal the live line shows windows; elsewhere a line now and then is enough.
    if (over === 'window' && (this.reporter.isLive || !this.#isTime(at))) return;
    // A run of very many short epochs would drown its reader; the file has every line.
    const often = this.total / this.session.pace.stepsPerEpoch > manyEpochs && at.step < this.total;
    if (
      often &&
      at.step !== this.#shownStep &&
      at.seconds - this.#lined < spacing(oftenSeconds, at.seconds)
    ) {
      this.#leftOut = [...this.#leftOut.filter((line) => line.at.step === at.step), record];
      return;
    }
    this.#line(record);
  }

  /** Whether a line of training is due: after a time, and in a run of few epochs or none after each part of it, however fast it is. */
  #isTime(at: Moment): boolean {
    if (at.seconds - this.#lined >= spacing(plainSeconds, at.seconds)) return true;
    // Halves of a step are lost in rounding.
    return this.#hasFewEpochs && this.#done(at) - this.#linedAt > lineParts - 1e-9;
  }

  get #hasFewEpochs(): boolean {
    return !(this.total / this.session.pace.stepsPerEpoch >= fewEpochs);
  }

  /** Which part of the run is done, from 0 to 1; 0 where nobody knows. */
  #done(at: Moment): number {
    const time = this.session.options.maxTime ?? Number.POSITIVE_INFINITY;
    return Math.min(1, Math.max(at.step / this.total, at.seconds / time));
  }

  /** Shows the passes measured at this step that were left out: one of them is what the run will be known by. */
  best(step: number): void {
    const lines = this.#leftOut.filter(({ over, at }) => over === 'pass' && at.step === step);
    this.#leftOut = [];
    lines.forEach((line) => this.#line(line));
  }

  #line(record: MetricsRecord): void {
    const { stage, over, at } = record;
    this.#lined = at.seconds;
    this.#linedAt = this.#done(at);
    this.#shownStep = at.step;
    const rates = over === 'pass' ? [] : this.#rates(record);
    const width = this.reporter.isLive ? this.reporter.columns() : Number.POSITIVE_INFINITY;
    const where = [...epochText(at.step, this.session), `step ${at.step}`];
    const parts = [
      ...(columnsOf(where.join(' ')) <= width ? [where.join(' ')] : where),
      stage,
      ...metricParts(record.metrics),
      ...rates,
    ];
    const rate = over === 'pass' ? [] : this.#rate(at, record.throughput);
    for (const line of wrapParts([...parts, ...rate], width)) this.reporter.usual(line);
  }

  /** Learning rates of the step that ended, and which of them moved nothing. */
  #rates(record: MetricsRecord): readonly string[] {
    const frozen = this.session.frozenRates(Math.max(0, record.at.step - 1));
    return [...record.rates].map(
      ([name, value]) => `${rateName(name, record)} ${frozen.has(name) ? 'frozen' : showNumber(value)}`,
    );
  }

  /** Of the line's own steps, without what happens between them; else of all since the first, which also compiles. */
  #rate(at: Moment, throughput = this.#throughput): readonly string[] {
    this.#throughput = throughput;
    if (throughput !== null) {
      const { stepsPerSecond, rowsPerSecond } = throughput;
      return [`${showNumber(stepsPerSecond)} steps/s`, `${showNumber(rowsPerSecond)} rows/s`];
    }
    const speed = this.#speed(at);
    return speed === null ? [] : [`${showNumber(speed)} steps/s`];
  }

  /** Steps a second since the first step, which also compiles. */
  #speed(at: Moment): number | null {
    const start = this.#started;
    if (start === null || at.step <= start.step || at.seconds <= start.seconds) return null;
    return (at.step - start.step) / (at.seconds - start.seconds);
  }

  /** How far the run is: percent, step, epoch, and what is left. */
  #place(at: Moment): readonly string[] {
    const speed = this.#speed(at);
    const { maxTime } = this.session.options;
    const time = maxTime ?? Number.POSITIVE_INFINITY;
    const seconds =
      speed === null ? null : Math.min((this.total - at.step) / speed, Math.max(0, time - at.seconds));
    const left = seconds === null ? [] : [`ETA ${showSeconds(seconds)}`];
    const percent = `${Math.floor(100 * this.#done(at))}%`;
    const of = Number.isFinite(this.total) ? `/${this.total}` : '';
    const where = [`step ${at.step}${of}`, ...epochText(at.step, this.session)];
    const all = [percent, ...where, ...left];
    // Where there is no room for all, how long it will take tells more than the step.
    return columnsOf(all.join('  ')) < this.reporter.columns() ? all : [percent, ...left, ...where];
  }

  #live(at: Moment): string {
    const clock = this.session.clockAt(at.step - 1);
    const frozen = this.session.frozenRates(at.step - 1);
    const isOnly = this.session.optimizers.size === 1;
    const rates = [...this.session.optimizers.values()].flatMap((optimizer) => {
      const all = optimizer.ratesAt(clock);
      // The optimizer's own comes first; where what has it stands still, that of a group says more.
      const first = Math.max(
        0,
        optimizer.rateNames.findIndex((name) => !frozen.has(name)),
      );
      const [rate, name] = [all[first], optimizer.rateNames[first]];
      if (rate === undefined || name === undefined) return [];
      return [
        `${isOnly && first === 0 ? 'lr' : `lr ${name}`} ${frozen.has(name) ? 'frozen' : showNumber(rate)}`,
      ];
    });
    return fitParts(
      [...this.#place(at), ...this.#running, ...this.#rate(at), ...rates],
      this.reporter.columns() - 1,
    );
  }
}

function rateName(name: string, { rates }: MetricsRecord): string {
  return rates.size === 1 ? 'lr' : `lr ${name}`;
}

/** A best value and where it was reached. */
export interface Best {
  readonly metric: string;
  readonly value: number;
  readonly at: Moment;
}

function endText({ reason, signal, because }: FitResult): string {
  switch (reason) {
    case 'interrupted':
      return signal === null ? 'ended by hand' : `interrupted by ${signal}`;
    case 'stopped':
      return because === null ? 'stopped early' : `stopped early (${because})`;
    case 'out-of-time':
      return 'ended by max_time';
    case 'finished':
      return 'finished';
  }
}

/** Where a run's files are, as a reader would type it. */
export interface RunFiles {
  readonly folder: string | null;
  readonly checkpoints: readonly string[];
  /** Steps after which it was resumed. */
  readonly resumes: readonly number[];
  /** The command that draws a folder's curves; null where it is not at hand. */
  readonly plot: ((folder: string) => string) | null;
  /** The command that goes on with a run; null where it is not at hand. */
  readonly goOn: ((folder: string) => string) | null;
}

/** The final lines: why it ended, best and last values, time and rate, where the files are. Paths alone may be wider. */
export function summaryLines(
  result: FitResult,
  best: readonly Best[],
  pace: { readonly stepsPerEpoch: number },
  files: RunFiles,
  columns: number,
): readonly string[] {
  const { at, rows } = result;
  const rates =
    at.seconds > 0
      ? [`${showNumber(at.step / at.seconds)} steps/s`, `${showNumber(rows / at.seconds)} rows/s`]
      : [];
  const ended = [endText(result), `after ${counted(at.step, 'step')}`, `in ${showSeconds(at.seconds)}`];
  const whole = [ended.join(' '), ...rates].join(', ');
  const values = [...result.metrics].map(([name, value]) => [name, showNumber(value)]);
  return [
    ...(columnsOf(whole) <= columns
      ? [whole]
      : [...wrapWords(ended.join(' '), columns), ...wrapParts(['', ...rates], columns)]),
    ...(files.resumes.length === 0
      ? []
      : wrapWords(
          `resumed after ${files.resumes.length === 1 ? 'step' : 'steps'} ${files.resumes.join(', ')}`,
          columns,
        )),
    // A name without its value says nothing: in a narrow terminal the columns go, not the values.
    ...(values.every((row) => columnsOf(row.join('  ')) <= columns)
      ? table(values, columns)
      : values.flatMap((row) => wrapWords(row.join(' '), columns))),
    ...best.flatMap(({ metric, value, at: when }) => {
      const epoch = Number.isFinite(pace.stepsPerEpoch) ? `, epoch ${epochOf(when.step, pace)}` : '';
      const where = `at step ${when.step}${epoch}`;
      return wrapWords(`best ${metric} ${showNumber(value)} ${where}`, columns);
    }),
    ...files.checkpoints.map((checkpoint) => `checkpoint: ${checkpoint}`),
    ...(files.folder === null ? [] : [`run: ${files.folder}`]),
    ...(files.folder === null || files.goOn === null || result.reason !== 'interrupted' || at.step === 0
      ? []
      : [`go on: ${files.goOn(files.folder)}`]),
    ...(files.folder === null || files.plot === null ? [] : [`plot: ${files.plot(files.folder)}`]),
  ];
}
