/** Ends the run when a metric has stopped improving, has got where it was to get, or cannot get there any more. */
import { exactNumber, fromExactNumber } from '../../values/exact-number.js';
import { monitorName } from '../../values/monitor-name.js';
import { record } from '../../values/json-record.js';
import { showNumber } from '../progress/format.js';
import {
  improves,
  monitorOrNone,
  otherMonitor,
  replaced,
  type AddOn,
  type Ending,
  type Json,
  type Monitor,
} from './addon.js';

export interface EarlyStoppingOptions {
  readonly monitor: Monitor;
  /** Measurements without improvement after which the run ends. */
  readonly patience?: number;
  /** A smaller improvement counts as none. */
  readonly minDelta?: number;
  /** Whether a value that is NaN or infinite ends the run; without, it is no improvement. */
  readonly checkFinite?: boolean;
  /** The run ends where the metric is as good as this, or better. */
  readonly stopAt?: number | null;
  /** The run ends where the metric is as bad as this, or worse. */
  readonly divergeAt?: number | null;
}

/** What is known of the metric so far: all of it goes into `state.json`. */
interface Watched {
  readonly best: number | null;
  /** Measurements since the best. */
  readonly waited: number;
  /** Why the run should end, by the newest measurement. */
  readonly because: string | null;
}

/**
 * Ends the run when `monitor` has not improved by more than `minDelta` for `patience` measurements, is not finite, or meets
 * `stopAt` or `divergeAt`. The newest measurement decides: before `min_epochs` and `min_steps` are met, the wish to end is held,
 * and gone where the metric improves meanwhile.
 */
export function earlyStopping(options: EarlyStoppingOptions): AddOn {
  const { monitor, patience = 10, minDelta = 0, stopAt = null, divergeAt = null } = options;
  if (!Number.isSafeInteger(patience) || patience < 1 || !(minDelta >= 0)) {
    throw new Error(
      `early_stopping takes a patience of at least 1 and a min_delta of at least 0, got ${patience} and ${minDelta}`,
    );
  }
  if (stopAt !== null && divergeAt !== null && !isBetter(monitor, stopAt, divergeAt)) {
    throw new Error(
      `early_stopping takes a stop_at that is better than diverge_at, got ${stopAt} and ${divergeAt} for ${monitorName(monitor)}`,
    );
  }
  return {
    kind: 'early_stopping',
    phase: 'trigger',
    owns: ['stop'],
    watches: [monitor],
    withOptions: (values) => earlyStopping(replaced(options, values)),
    start: ({ notable, report }, name = 'early_stopping') => {
      let watched: Watched = { best: null, waited: 0, because: null };
      const answer = (): Ending | undefined =>
        watched.because === null ? undefined : { end: 'run', because: watched.because };
      return {
        measured: (at, metrics) => {
          const value = metrics.get(monitor.metric);
          if (value === undefined) return undefined;
          const isBest = improves(monitor, value, watched.best, minDelta);
          if (isBest) notable(at.step);
          const best = isBest ? value : watched.best;
          const waited = isBest ? 0 : watched.waited + 1;
          watched = { best, waited, because: reasonToEnd(options, value, best, waited) };
          return answer();
        },
        // Only where the run was held: it ends as soon as it may.
        stepEnd: answer,
        nextStepEnd: (step) => (watched.because === null ? Number.POSITIVE_INFINITY : step + 1),
        state: (): Json => ({
          ...watched,
          best: watched.best === null ? null : exactNumber(watched.best),
          monitor: monitorOrNone(monitor),
        }),
        restore: (json) => {
          const { best, waited, because, monitor: before } = record('early_stopping', json);
          const other = otherMonitor(name, before, monitor);
          if (other !== null) {
            report(other);
            return;
          }
          watched = {
            best: (best ?? null) === null ? null : fromExactNumber(best),
            waited: fromExactNumber(waited),
            because: typeof because === 'string' ? because : null,
          };
        },
      };
    },
  };
}

const isBetter = ({ mode }: Monitor, value: number, than: number): boolean =>
  mode === 'min' ? value < than : value > than;

function reasonToEnd(
  options: EarlyStoppingOptions,
  value: number,
  best: number | null,
  waited: number,
): string | null {
  const {
    monitor,
    patience = 10,
    minDelta = 0,
    checkFinite = true,
    stopAt = null,
    divergeAt = null,
  } = options;
  const shown = `${monitor.metric} is ${showNumber(value)}`;
  if (checkFinite && !Number.isFinite(value)) return shown;
  if (stopAt !== null && (value === stopAt || isBetter(monitor, value, stopAt)))
    return `${shown}, which meets stop_at = ${showNumber(stopAt)}`;
  if (divergeAt !== null && (value === divergeAt || isBetter(monitor, divergeAt, value)))
    return `${shown}, which meets diverge_at = ${showNumber(divergeAt)}`;
  if (waited < patience) return null;
  const times = `${waited} measurement${waited === 1 ? '' : 's'}`;
  if (best === null) return `${monitor.metric} was NaN in ${times}`;
  const by = minDelta === 0 ? '' : ` by more than min_delta = ${showNumber(minDelta)}`;
  return `${monitor.metric} has not improved on ${showNumber(best)}${by} for ${times}`;
}
