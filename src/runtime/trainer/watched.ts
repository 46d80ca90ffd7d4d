/** Metrics that add-ons and schedules watch: whether a step that runs measures them, and which were never measured. */
import { monitorName } from '../../values/monitor-name.js';
import { improves, nameOfAddOn, type AddOn, type Json, type Metric } from '../addons/addon.js';
import type { Best } from '../progress/training.js';
import { RunError } from '../run/run-error.js';
import type { LiveAddOn } from './hook-calls.js';
import type { Session } from './session.js';

/** A metric, and who waits for it. */
export interface Watch {
  readonly who: string;
  readonly metric: Metric;
}

/** What these add-ons and the run's schedules watch. */
export function watchesOf(addOns: readonly AddOn[], session: Session): readonly Watch[] {
  // What saves the run is first: the best that is told is the one that it has saved.
  const isSaver = ({ kind }: AddOn): number => (kind === 'checkpoint' ? 0 : 1);
  const sorted = [...addOns].sort((a, b) => isSaver(a) - isSaver(b));
  return [
    ...sorted.flatMap((addOn) =>
      (addOn.watches ?? []).map((metric) => ({ who: `add-on ${nameOfAddOn(addOn)}`, metric })),
    ),
    ...session.schedules.watches.map(({ name, monitor }) => ({ who: `schedule ${name}`, metric: monitor })),
  ];
}

/** Throws a RunError where a metric is of a step that this run does not come to. */
export function refuseUnmeasured(watches: readonly Watch[], session: Session): void {
  const running = (['train', 'validate'] as const).flatMap((kind) =>
    session.of(kind).map(({ stage }) => stage.plan.name),
  );
  for (const {
    who,
    metric: { metric },
  } of watches) {
    if (running.some((name) => metric.startsWith(`${name}.`))) continue;
    throw new RunError(
      `${who} watches ${metric}, and no step that runs measures it: the run has ${running.join(', ')}; watch a metric of these, or take back the limit that turns its step off`,
    );
  }
}

/** What was waited for in vain, a line each. */
export function neverMeasured(
  watches: readonly Watch[],
  measured: ReadonlyMap<string, number>,
): readonly string[] {
  return watches.flatMap(({ who, metric: { metric } }) =>
    measured.has(metric) ? [] : [`${who} watched ${metric}, which was never measured in this run`],
  );
}

/** Keeps the best value of each metric that is watched for it in `best`, by the metrics' names, beside what is in it. */
export function bestWatch(watches: readonly Watch[], best: Map<string, Best>): readonly LiveAddOn[] {
  const monitors = watches.flatMap(({ metric: { mode, metric } }) =>
    mode === null ? [] : [{ mode, metric }],
  );
  // Where two want opposite things of one metric, the first is told of.
  const first = monitors.filter(
    ({ metric }, index) => monitors.findIndex((each) => each.metric === metric) === index,
  );
  if (first.length === 0) return [];
  const own: LiveAddOn = {
    kind: 'best',
    isOwn: true,
    hooks: {
      measured: (at, metrics) => {
        for (const monitor of first) {
          const { metric } = monitor;
          const value = metrics.get(metric);
          if (value !== undefined && improves(monitor, value, best.get(metric)?.value ?? null))
            best.set(metric, { metric, value, at });
        }
        return undefined;
      },
    },
  };
  return [own];
}

/** Takes from `best` what add-ons watched when their states were written, and nobody watches now, or to be the opposite. */
export function forgetUnwatched(
  best: Map<string, Best>,
  states: Readonly<Record<string, Json>>,
  watches: readonly Watch[],
): void {
  const now = new Set(
    watches.flatMap(({ metric: { mode, metric } }) => (mode === null ? [] : [monitorName({ mode, metric })])),
  );
  for (const state of Object.values(states)) {
    const monitor =
      typeof state === 'object' && state !== null && 'monitor' in state ? state['monitor'] : null;
    if (typeof monitor !== 'string' || now.has(monitor)) continue;
    best.delete(monitor.slice('min('.length, -1));
  }
}

/** What was measured, and never had a value to be compared: a line each. */
export function neverComparable(
  watches: readonly Watch[],
  measured: ReadonlyMap<string, number>,
  best: ReadonlyMap<string, Best>,
): readonly string[] {
  return watches.flatMap(({ who, metric: { mode, metric } }) =>
    mode === null || !measured.has(metric) || best.has(metric)
      ? []
      : [`${who} watched ${metric}, which was NaN each time it was measured: it has no best value`],
  );
}
