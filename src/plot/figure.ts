/** Chooses what is drawn: panels of metrics, each with the curves of all runs and their scales. Neither SVG nor text yet. */
import { didYouMean } from '../values/near.js';
import { PlotError, type Curve, type Point, type RunCurves } from './curves.js';
import { linearScale, logScale, stepScale, timeScale, type Scale } from './scale.js';

export type Along = 'step' | 'epoch' | 'time';

export interface FigureOptions {
  /** Names as `loss`, `validate.accuracy` or `lr`; all metrics but rates and speeds where null. */
  readonly metrics: readonly string[] | null;
  readonly along: Along;
  /** Each point is the mean of so many newest ones; 1 is none. */
  readonly smooth: number;
  /** Null: logarithmic where the values are above 0 and more than two powers of ten apart. */
  readonly log: boolean | null;
}

/** A curve of a panel, as numbers along both axes. NaN parts the curve. */
export interface Line {
  /** Index of its run. */
  readonly run: number;
  readonly stage: string;
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Values before they were smoothed; null where they were not. */
  readonly raw: Float64Array | null;
}

export interface Panel {
  readonly metric: string;
  readonly lines: readonly Line[];
  /** Where runs of these lines were resumed, along x. */
  readonly resumes: readonly number[];
  /** With about so many ticks; the ranges are the same for each count. */
  readonly scaleX: (ticks: number) => Scale;
  readonly scaleY: (ticks: number) => Scale;
  /** What the curves do not show, in words; empty for nothing. */
  readonly note: string;
}

export interface Figure {
  readonly title: string;
  /** Short names of the runs, all different. */
  readonly runs: readonly string[];
  /** Names of the steps, in order of appearance: `train`, `validate`. */
  readonly stages: readonly string[];
  readonly along: Along;
  readonly panels: readonly Panel[];
}

const speeds: ReadonlySet<string> = new Set(['steps_per_second', 'rows_per_second']);
const isRate = (metric: string): boolean => metric.startsWith('lr.');

interface Wanted {
  readonly metric: string;
  /** Null: of every stage. */
  readonly stage: string | null;
}

/** Throws a PlotError for a name that no run has measured. */
function choose(asked: readonly string[] | null, curves: readonly Curve[]): readonly Wanted[] {
  const metrics = [...new Set(curves.map(({ metric }) => metric))];
  if (asked === null) {
    const usual = metrics.filter((metric) => !isRate(metric) && !speeds.has(metric));
    return (usual.length > 0 ? usual : metrics).map((metric) => ({ metric, stage: null }));
  }
  const full = [...new Set(curves.map(({ stage, metric }) => `${stage}.${metric}`))];
  return asked.flatMap((name): readonly Wanted[] => {
    if (metrics.includes(name)) return [{ metric: name, stage: null }];
    const found = curves.find(({ stage, metric }) => `${stage}.${metric}` === name);
    if (found !== undefined) return [{ metric: found.metric, stage: found.stage }];
    const rates = metrics.filter(isRate);
    if (name === 'lr' && rates.length > 0) return rates.map((metric) => ({ metric, stage: null }));
    const known = [...metrics, ...full, ...(rates.length > 0 ? ['lr'] : [])];
    throw new PlotError(
      `no run has measured ${JSON.stringify(name)}${didYouMean(name, known) || `; there are ${metrics.join(', ')}`}`,
      'misuse',
    );
  });
}

/** Means of the `count` newest values that are finite; a value that is not stays as it is. */
export function smoothed(values: Float64Array, count: number): Float64Array {
  const window: number[] = [];
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    window.push(value);
    if (window.length > count) window.shift();
    // Each divided before it is added: the sum of large values need not be finite.
    return window.reduce((sum, each) => sum + each / window.length, 0);
  });
}

function lineOf(run: number, { stage, points }: Curve, { along, smooth }: FigureOptions): Line {
  const y = Float64Array.from(points, ({ value }: Point) => value);
  const x = Float64Array.from(points, (point: Point) => point[along]);
  return smooth > 1 ? { run, stage, x, y: smoothed(y, smooth), raw: y } : { run, stage, x, y, raw: null };
}

interface Range {
  low: number;
  high: number;
}

function rangeOf(arrays: readonly Float64Array[], counts: (value: number) => boolean): Range {
  const range: Range = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  for (const values of arrays)
    for (const value of values) {
      if (!counts(value)) continue;
      range.low = Math.min(range.low, value);
      range.high = Math.max(range.high, value);
    }
  return range;
}

const ratioForLog = 100;

function panelOf(
  metric: string,
  lines: readonly Line[],
  resumes: readonly number[],
  options: FigureOptions,
): Panel {
  const ys = lines.flatMap(({ y, raw }) => (raw === null ? [y] : [y, raw]));
  const finite = rangeOf(ys, Number.isFinite);
  const positive = rangeOf(ys, (value) => Number.isFinite(value) && value > 0);
  const log =
    options.log === null
      ? finite.low > 0 && finite.high > finite.low * ratioForLog
      : options.log && positive.low <= positive.high;
  const { low, high } = log ? positive : finite;
  const drawn = (value: number): boolean => Number.isFinite(value) && (!log || value > 0);
  const counted = lines.map(({ y, raw }) => raw ?? y);
  const lost = counted.reduce((sum, y) => sum + y.filter((value) => !Number.isFinite(value)).length, 0);
  const below = counted.reduce(
    (sum, y) => sum + y.filter((value) => Number.isFinite(value) && !drawn(value)).length,
    0,
  );
  const notes = [
    ...(lost > 0 ? [`${lost} ${lost === 1 ? 'value is' : 'values are'} not finite`] : []),
    ...(below > 0 ? [`${below} of 0 or less`] : []),
    ...(options.log === true && !log ? ['no value above 0 for a log scale'] : []),
  ];
  const across = rangeOf(
    lines.map(({ x }) => x),
    Number.isFinite,
  );
  const scaleX = { step: stepScale, epoch: epochScale, time: timeScale }[options.along];
  return {
    metric,
    lines,
    // Beyond the last point there is nothing that goes on.
    resumes: resumes.filter((x) => x >= across.low && x <= across.high),
    scaleX: (ticks) => scaleX(across.low, across.high, ticks),
    scaleY: (ticks) =>
      low > high
        ? linearScale(0, 1, ticks)
        : log
          ? logScale(low, high, ticks)
          : linearScale(low, high, ticks),
    note: notes.join(', '),
  };
}

const epochScale = (low: number, high: number, ticks: number): Scale => linearScale(low, high, ticks, false);

/** The last part of each path, or as many as tell the runs apart. */
export function shortNames(paths: readonly string[]): readonly string[] {
  const parts = paths.map((path) => path.split(/[\\/]+/).filter((part) => part !== '' && part !== '.'));
  const longest = Math.max(1, ...parts.map((each) => each.length));
  for (let count = 1; count <= longest; count += 1) {
    const names = parts.map((each) => each.slice(-count).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  return paths;
}

/** Names of the runs, all different: their settings in a sweep, with their paths where two have the same, else their paths. */
function namesOf(runs: readonly RunCurves[]): readonly string[] {
  const paths = shortNames(runs.map(({ path }) => path));
  const labels = runs.map(({ label = '' }) => label);
  return paths.map((path, run) => {
    const label = labels[run] ?? '';
    if (label === '') return path;
    return labels.filter((other) => other === label).length === 1 && !paths.includes(label)
      ? label
      : `${path} ${label}`;
  });
}

/** Throws a PlotError where a name is no metric of any run. */
export function figureOf(runs: readonly RunCurves[], options: FigureOptions): Figure {
  const wanted = choose(
    options.metrics,
    runs.flatMap(({ curves }) => curves),
  );
  const panels = [...new Set(wanted.map(({ metric }) => metric))].map((metric) => {
    const stages = wanted.filter((each) => each.metric === metric).map(({ stage }) => stage);
    const lines = runs.flatMap(({ curves }, run) =>
      curves
        .filter((curve) => curve.metric === metric && (stages.includes(null) || stages.includes(curve.stage)))
        .map((curve) => lineOf(run, curve, options)),
    );
    const drawn = new Set(lines.map(({ run }) => run));
    const resumes = runs.flatMap((run, index) =>
      drawn.has(index) ? run.resumes.map((at) => at[options.along]) : [],
    );
    return panelOf(metric, lines, [...new Set(resumes)], options);
  });
  const shown = new Set(panels.flatMap(({ lines }) => lines.map(({ stage }) => stage)));
  const order = [...new Set(runs.flatMap(({ curves }) => curves.map(({ stage }) => stage)))];
  const names = namesOf(runs);
  const trainers = [...new Set(runs.map(({ trainer }) => trainer).filter((name) => name !== ''))];
  const many = `${runs.length} runs`;
  const what = runs.length === 1 ? (names[0] ?? '') : many;
  return {
    title: [trainers.join(', '), what].filter((text) => text !== '').join(' · '),
    runs: names,
    stages: order.filter((stage) => shown.has(stage)),
    along: options.along,
    panels,
  };
}
