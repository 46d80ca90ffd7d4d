/** Points of a sweep: what their runs have come to, which of them is picked, and the table that says so. */
import type { Json } from '../addons/addon.js';
import { showNumber, showSeconds, table, wrapParts } from '../progress/format.js';
import { columnsOf, wrapWords } from '../../values/words.js';
import { jsonNumber } from '../run/folder.js';
import type { RunSummary } from '../run/sweep-folder.js';
import { counted } from '../../values/counted.js';
import { monitorName } from '../../values/monitor-name.js';
import { combinations, spreadOf, type Setting, type Spread, type SweepPlan } from '../../values/sweep.js';

/** How the user would run one point from here, with these words. */
type Command = (words: readonly string[]) => string;

type State = 'open' | 'finished' | 'failed' | 'interrupted';

export interface PointRun {
  readonly point: number;
  readonly settings: readonly Setting[];
  /** Below the sweep's folder. */
  readonly name: string;
  state: State;
  summary: RunSummary | null;
  error: string | null;
}

/** Whether a run is still to be done, or to go on. */
export const isLeft = ({ state }: PointRun): boolean => state === 'open' || state === 'interrupted';

interface Point {
  readonly settings: readonly Setting[];
  readonly runs: readonly PointRun[];
  /** Null where a run of it is not finished. */
  readonly metrics: ReadonlyMap<string, Spread> | null;
}

function pointsOf(plan: SweepPlan, runs: readonly PointRun[]): readonly Point[] {
  return combinations(plan.over).map((settings, point) => {
    const own = runs.filter((run) => run.point === point);
    const summaries = own.flatMap(({ summary }) => (summary === null ? [] : [summary]));
    const names = [...new Set(summaries.flatMap(({ metrics }) => [...metrics.keys()]))];
    const metrics = names.flatMap((name): [string, Spread][] => {
      const spread = spreadOf(summaries.flatMap((summary) => summary.metrics.get(name) ?? []));
      return spread === null ? [] : [[name, spread]];
    });
    return { settings, runs: own, metrics: summaries.length < own.length ? null : new Map(metrics) };
  });
}

/** Runs of a point that have no number for a metric, or one that is not finite. */
const without = ({ runs }: Point, metric: string): readonly PointRun[] =>
  runs.filter(({ summary }) => !Number.isFinite(summary?.metrics.get(metric)));

/** Why a point is not picked, whatever the others are: what is not finite is no best, and no mean of others stands in for it. */
function whyUnpicked(plan: SweepPlan, point: Point): string | null {
  const of = (some: readonly PointRun[]): string => {
    if (point.runs.length === 1) return '';
    const which = some.map(({ settings }) => wordsOf(settings.slice(point.settings.length)).join(' '));
    const shown = which.slice(0, mostNamed).join(', ');
    return ` in ${some.length} of its ${point.runs.length} runs (${shown}${which.length > mostNamed ? ', …' : ''})`;
  };
  const failed = point.runs.filter(({ state }) => state === 'failed');
  if (failed.length > 0) return point.runs.length === 1 ? 'its run failed' : `it failed${of(failed)}`;
  const { metric } = plan.pick;
  const lacking = without(point, metric);
  const [first] = lacking;
  if (first === undefined) return null;
  const value = first.summary?.metrics.get(metric);
  if (value !== undefined) return `${metric} is ${showNumber(value)}${of(lacking)}`;
  const unread = lacking.flatMap(({ summary }) => summary?.best?.unread ?? []);
  if (unread[0] !== undefined) return `${metric} is not known${of(lacking)}: ${unread[0]}`;
  const kept = stepsKept(lacking, metric);
  const after = kept === null ? '' : ` after ${kept}, whose weights were kept`;
  return `${metric} was not measured${after}${after === '' || point.runs.length === 1 ? '' : ','}${of(lacking)}`;
}

/** Steps of best checkpoints, where each of these runs measured a metric at others only; null where one did not. */
function stepsKept(runs: readonly PointRun[], metric: string): string | null {
  const steps = runs.flatMap(({ summary }) =>
    summary?.best?.elsewhere.has(metric) === true ? summary.best.step : [],
  );
  if (steps.length < runs.length) return null;
  const all = [...new Set(steps)].sort((a, b) => a - b);
  const shown = all.slice(0, mostNamed).join(', ');
  return `${all.length === 1 ? 'step' : 'steps'} ${shown}${all.length > mostNamed ? ', …' : ''}`;
}

/** More runs of a point are not named one by one. */
const mostNamed = 3;

/** Why nothing is picked, where all runs are done; null where there is a pick, or a run that is left. */
export function unpickedText(plan: SweepPlan, runs: readonly PointRun[]): string | null {
  const points = pointsOf(plan, runs);
  if (runs.some(isLeft) || pickedOf(plan, points) !== null) return null;
  return `no point can be picked by ${monitorName(plan.pick)}: none has a finite ${plan.pick.metric} in all its runs`;
}

/** The best of the points whose runs are all finished, with a finite number in each; the first of several; null where there is none. */
function pickedOf(plan: SweepPlan, points: readonly Point[]): Point | null {
  let best: { readonly point: Point; readonly value: number } | null = null;
  for (const point of points) {
    const value = point.metrics?.get(plan.pick.metric)?.mean;
    if (value === undefined || whyUnpicked(plan, point) !== null) continue;
    const better = best === null || (plan.pick.mode === 'min' ? value < best.value : value > best.value);
    if (better) best = { point, value };
  }
  return best?.point ?? null;
}

export function pointsJson(plan: SweepPlan, runs: readonly PointRun[]): Json {
  return pointsOf(plan, runs).map(({ settings, runs: own, metrics }) => ({
    settings: settingsJson(settings),
    metrics: metrics === null ? null : metricsJson(metrics),
    runs: own.map((run) => ({
      folder: run.name,
      settings: settingsJson(run.settings),
      state: run.state,
      error: run.error,
      seconds: run.summary?.seconds ?? null,
      metrics:
        run.summary === null
          ? null
          : Object.fromEntries([...run.summary.metrics].map(([name, value]) => [name, jsonNumber(value)])),
    })),
  }));
}

const settingsJson = (settings: readonly Setting[]): Json =>
  Object.fromEntries(
    settings.map(({ name, value, text }) => [
      name,
      typeof value === 'object' && value !== null ? text : value,
    ]),
  );

const metricsJson = (metrics: ReadonlyMap<string, Spread>): Json =>
  Object.fromEntries(
    [...metrics].map(([name, { mean, deviation }]) => [
      name,
      { mean: jsonNumber(mean), deviation: deviation === null ? null : jsonNumber(deviation) },
    ]),
  );

export function pickedJson(plan: SweepPlan, runs: readonly PointRun[], command: Command): Json {
  const points = pointsOf(plan, runs);
  const picked = pickedOf(plan, points);
  if (picked === null) return null;
  return {
    point: points.indexOf(picked) + 1,
    settings: settingsJson(picked.settings),
    command: commandOf(plan, picked, command),
  };
}

/** A single run with the settings of a point. */
function commandOf(plan: SweepPlan, point: Point, command: Command): string {
  return command([...wordsOf(point.settings), ...(plan.average.length === 0 ? [] : ['--no-sweep'])]);
}

export const wordsOf = (settings: readonly Setting[]): readonly string[] =>
  settings.map(({ name, text }) => `${name}=${text}`);

/** What a run came to, in a few words. */
export function resultText({ pick }: SweepPlan, { metrics, seconds }: RunSummary): string {
  const value = metrics.get(pick.metric);
  const measured = value === undefined ? `no ${pick.metric}` : `${pick.metric} ${showNumber(value)}`;
  return `${measured} in ${showSeconds(seconds)}`;
}

const showSpread = ({ mean, deviation }: Spread): string =>
  deviation === null ? showNumber(mean) : `${showNumber(mean)} ± ${showNumber(deviation)}`;

/** Why a point has no figures. */
function openText({ runs }: Point, failed: number): string {
  if (failed > 0) return `failed (${failed} of ${runs.length})`;
  const done = runs.filter(({ state }) => state === 'finished').length;
  return done > 0 || runs.some(({ state }) => state === 'interrupted')
    ? `to go on (${done} of ${counted(runs.length, 'run')} done)`
    : 'still to run';
}

export function tableLines(
  plan: SweepPlan,
  runs: readonly PointRun[],
  columns: number,
  isTrial: boolean,
): readonly string[] {
  const points = pointsOf(plan, runs);
  const picked = isTrial || runs.some(isLeft) ? null : pickedOf(plan, points);
  const known = new Set(points.flatMap(({ metrics }) => [...(metrics?.keys() ?? [])]));
  known.delete(plan.pick.metric);
  // A lone point has no settings of its own.
  const names = plan.over.map(({ name }) => name);
  const shown = [plan.pick.metric, ...[...known].filter((name) => !name.startsWith('train.'))];
  const rows = points.map((point, index) => {
    const failed = point.runs.filter(({ state }) => state === 'failed').length;
    const cells =
      point.metrics === null
        ? [openText(point, failed)]
        : shown.map((name) => {
            const spread = point.metrics?.get(name);
            const lacking = without(point, name).length;
            // A mean of the others would be read as the point's.
            if (spread !== undefined && lacking > 0 && point.runs.length > 1)
              return `${Number.isFinite(spread.mean) ? 'none' : showNumber(spread.mean)} (${lacking} of ${point.runs.length} runs)`;
            return spread === undefined ? '' : showSpread(spread);
          });
    return { index, point, settings: point.settings.map(({ text }) => text), cells };
  });
  const mark = (point: Point): string => (point === picked ? '>' : ' ');
  const header = ['  point', ...names, ...shown];
  const lines = rows.map(({ index, point, settings, cells }) => [
    `${mark(point)} ${index + 1}`,
    ...settings,
    ...cells,
  ]);
  // Without the metric that is picked by, a table says nothing: in a narrow terminal each point has lines of its own.
  const least = [header, ...lines].map((row) => row.slice(0, names.length + 2));
  if (table(least, Number.POSITIVE_INFINITY).every((line) => columnsOf(line) <= columns))
    return table([header, ...lines], columns);
  return rows.flatMap(({ index, point, cells }) =>
    wrapParts(
      [
        `${mark(point)} point ${index + 1}`,
        ...wordsOf(point.settings),
        ...(point.metrics === null
          ? cells
          : cells.flatMap((cell, at) => (cell === '' ? [] : [`${shown[at] ?? ''} ${cell}`]))),
      ],
      columns,
    ),
  );
}

/** What it has come to, and what to do next. A dev run is a trial: its figures are of a few steps, and pick nothing. */
export function closing(
  plan: SweepPlan,
  runs: readonly PointRun[],
  command: Command,
  isTrial: boolean,
  columns: number,
): readonly string[] {
  const points = pointsOf(plan, runs);
  const picked = pickedOf(plan, points);
  const seconds = runs.reduce((sum, { summary }) => sum + (summary?.seconds ?? 0), 0);
  const left = runs.filter(isLeft).length;
  const finished = runs.filter(({ state }) => state === 'finished').length;
  const words = (line: string): readonly string[] => wrapWords(line, columns);
  const lines = [
    ...words(
      `${counted(finished, 'run')} of ${runs.length} finished${finished === 0 ? '' : ` in ${showSeconds(seconds)}`}${left === 0 ? '' : `, ${left} ${left === 1 ? 'is' : 'are'} left`}`,
    ),
  ];
  const { metric } = plan.pick;
  const by = monitorName(plan.pick);
  if (isTrial) lines.push(...words(`a dev run picks no point: ${metric} is that of a few steps`));
  else if (picked !== null && left > 0)
    lines.push(
      ...words(
        `best so far by ${by}: point ${points.indexOf(picked) + 1}; a point is picked once all runs are done`,
      ),
    );
  else if (picked !== null)
    lines.push(
      ...words(`picked by ${by}: point ${points.indexOf(picked) + 1}`),
      `run it: ${commandOf(plan, picked, command)}`,
    );
  if (!isTrial && left === 0)
    for (const [index, point] of points.entries()) {
      const why = whyUnpicked(plan, point);
      if (why !== null) lines.push(...words(`point ${index + 1} is not picked: ${why}`));
    }
  return lines;
}
