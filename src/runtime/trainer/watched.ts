/** Metrics that add-ons and schedules watch: whether a step that runs measures them, and which were never measured. */
import { nameOfAddOn, type AddOn } from '../addons/addon.js';
import { RunError } from '../run/run-error.js';
import type { Session } from './session.js';

/** A metric, and who waits for it. */
export interface Watch {
  readonly who: string;
  /** With its step's name: `validate.accuracy`. */
  readonly metric: string;
}

/** What these add-ons and the run's schedules watch. */
export function watchesOf(addOns: readonly AddOn[], session: Session): readonly Watch[] {
  return [
    ...addOns.flatMap((addOn) =>
      (addOn.watches ?? []).map((metric) => ({ who: `add-on ${nameOfAddOn(addOn)}`, metric })),
    ),
    ...session.schedules.watches.map(({ name, metric }) => ({ who: `schedule ${name}`, metric })),
  ];
}

/** Throws a RunError where a metric is of a step that this run does not come to. */
export function refuseUnmeasured(watches: readonly Watch[], session: Session): void {
  const running = (['train', 'validate'] as const).flatMap((kind) =>
    session.of(kind).map(({ stage }) => stage.plan.name),
  );
  for (const { who, metric } of watches) {
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
  return watches.flatMap(({ who, metric }) =>
    measured.has(metric) ? [] : [`${who} watched ${metric}, which was never measured in this run`],
  );
}
