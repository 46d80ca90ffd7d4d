/** Points of a sweep: what their runs have come to, which is the best, and how they are shown. */
import { columnsOf, showNumber, table, wrapParts } from '../progress/format.js';
import type { RunSummary } from '../run/sweep-folder.js';
import { counted } from '../../values/counted.js';
import { combinations, spreadOf, type Setting, type Spread, type SweepPlan } from '../../values/sweep.js';

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

export interface Point {
  readonly settings: readonly Setting[];
  readonly runs: readonly PointRun[];
  /** Null where a run of it is not finished. */
  readonly metrics: ReadonlyMap<string, Spread> | null;
}

export function pointsOf(plan: SweepPlan, runs: readonly PointRun[]): readonly Point[] {
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

/** The best of the points whose runs are all finished, the first of several; null where there is none. */
export function pickedOf(plan: SweepPlan, points: readonly Point[]): Point | null {
  let best: { readonly point: Point; readonly value: number } | null = null;
  for (const point of points) {
    const value = point.metrics?.get(plan.pick.metric)?.mean;
    if (value === undefined || Number.isNaN(value)) continue;
    const better = best === null || (plan.pick.mode === 'min' ? value < best.value : value > best.value);
    if (better) best = { point, value };
  }
  return best?.point ?? null;
}

export const wordsOf = (settings: readonly Setting[]): readonly string[] =>
  settings.map(({ name, text }) => `${name}=${text}`);

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
