/** Ends the run when a metric has stopped improving, has got where it was to get, or cannot get there any more. */
import { counted } from '../../values/counted.js';
import { exactNumber, fromExactNumber } from '../../values/exact-number.js';
import { monitorName } from '../../values/monitor-name.js';
import { record } from '../../values/json-record.js';
import { showNumber } from '../progress/format.js';
import {
  improves,
  monitorOrNone,
  otherMonitor,
  replaced,
  stop,
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
  /** The newest measurement; null where there was none, or the state is of a version that did not keep it. */
  readonly newest: number | null;
  /** Measurements done. */
  readonly measured: number;
  /** Each value that was better than all before it: what the best is with another `minDelta` is one of them. */
  readonly records: readonly Improvement[];
}

interface Improvement {
  readonly value: number;
  /** Which measurement it was, from 1. */
  readonly at: number;
}

/** So many of them are kept: of a run that improves all the time with thousands of validations, what is older says little. */
const mostRecords = 1000;

const unmeasured: Watched = { best: null, waited: 0, because: null, newest: null, measured: 0, records: [] };

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
    owns: [stop],
    watches: [monitor],
    liftedBy: (json) => {
      const { because, newest } = watchedOf(record('early_stopping', json));
      return because === null || newest === null ? null : liftedBy(options, newest);
    },
    options: { patience, minDelta, stopAt, divergeAt },
    withOptions: (values) => earlyStopping(replaced(options, values)),
    start: ({ notable, report, isPastEnd = false }, name = 'early_stopping') => {
      let watched = unmeasured;
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
          const measured = watched.measured + 1;
          const isRecord = improves(monitor, value, watched.records.at(-1)?.value ?? null);
          const records = isRecord
            ? [...watched.records.slice(1 - mostRecords), { value, at: measured }]
            : watched.records;
          const because = reasonToEnd(options, value, best, waited);
          watched = { best, waited, because, newest: value, measured, records };
          return answer();
        },
        // Only where the run was held: it ends as soon as it may.
        stepEnd: answer,
        nextStepEnd: (step) => (watched.because === null ? Number.POSITIVE_INFINITY : step + 1),
        state: (): Json => ({
          ...watched,
          best: exactOrNull(watched.best),
          newest: exactOrNull(watched.newest),
          records: watched.records.map(({ value, at }) => [exactNumber(value), at]),
          minDelta: exactNumber(minDelta),
          monitor: monitorOrNone(monitor),
        }),
        restore: (json) => {
          const state = record('early_stopping', json);
          const other = otherMonitor(name, state['monitor'], monitor);
          if (other !== null) {
            report(other);
            return;
          }
          const kept = watchedOf(state);
          const was = state['minDelta'];
          const isOther = was !== undefined && fromExactNumber(was) !== minDelta;
          const { best, waited } = isOther ? bestOf(monitor, kept, minDelta) : kept;
          watched = { ...kept, best, waited, because: null };
          // Who goes on past the end that this was is measured anew; a wish that is held stays one if it is one by the options of now.
          if (isPastEnd || kept.because === null) return;
          const because =
            kept.newest === null ? kept.because : reasonToEnd(options, kept.newest, best, waited);
          watched = { ...watched, because };
        },
      };
    },
  };
}

const exactOrNull = (value: number | null): Json => (value === null ? null : exactNumber(value));
const numberOrNull = (json: unknown): number | null =>
  (json ?? null) === null ? null : fromExactNumber(json);

function watchedOf(state: Readonly<Record<string, unknown>>): Watched {
  const { because, newest = null, measured, records } = state;
  const best = numberOrNull(state['best']);
  const waited = fromExactNumber(state['waited']);
  const kept = {
    best,
    waited,
    because: typeof because === 'string' ? because : null,
    newest: numberOrNull(newest),
  };
  // Of an older version: of what was measured, the best is known.
  if (!Array.isArray(records)) {
    const first = best === null ? [] : [{ value: best, at: 1 }];
    return { ...kept, measured: waited + first.length, records: first };
  }
  return { ...kept, measured: fromExactNumber(measured), records: records.map(improvementOf) };
}

function improvementOf(json: unknown): Improvement {
  const [value, at]: readonly unknown[] = Array.isArray(json) ? json : [];
  return { value: fromExactNumber(value), at: fromExactNumber(at) };
}

/** What the best is, and how many measurements ago, where only improvements by more than `minDelta` count. */
function bestOf(
  monitor: Monitor,
  { measured, records }: Watched,
  minDelta: number,
): Pick<Watched, 'best' | 'waited'> {
  const found = records.reduce<Improvement | null>(
    (best, each) => (improves(monitor, each.value, best?.value ?? null, minDelta) ? each : best),
    null,
  );
  return { best: found?.value ?? null, waited: measured - (found?.at ?? 0) };
}

const isBetter = ({ mode }: Monitor, value: number, than: number): boolean =>
  mode === 'min' ? value < than : value > than;

/** What a newest value says by itself, whatever was best. */
function endOf(
  { monitor, checkFinite = true, stopAt = null, divergeAt = null }: EarlyStoppingOptions,
  value: number,
) {
  if (checkFinite && !Number.isFinite(value)) return 'check_finite';
  if (stopAt !== null && (value === stopAt || isBetter(monitor, value, stopAt))) return 'stop_at';
  if (divergeAt !== null && (value === divergeAt || isBetter(monitor, divergeAt, value))) return 'diverge_at';
  return null;
}

function liftedBy(options: EarlyStoppingOptions, newest: number): string {
  const end = endOf(options, newest);
  if (end === null) return `patience=${2 * (options.patience ?? 10)}`;
  return end === 'check_finite' ? 'check_finite=false' : `${end}=none`;
}

function reasonToEnd(
  options: EarlyStoppingOptions,
  value: number,
  best: number | null,
  waited: number,
): string | null {
  const { monitor, patience = 10, minDelta = 0, stopAt, divergeAt } = options;
  const shown = `${monitor.metric} is ${showNumber(value)}`;
  const end = endOf(options, value);
  if (end === 'check_finite') return shown;
  const limit = end === 'stop_at' ? stopAt : divergeAt;
  if (end !== null) return `${shown}, which meets ${end} = ${showNumber(limit ?? value)}`;
  if (waited < patience) return null;
  const times = counted(waited, 'measurement');
  if (best === null) return `${monitor.metric} was NaN in ${times}`;
  const by = minDelta === 0 ? '' : ` by more than min_delta = ${showNumber(minDelta)}`;
  return `${monitor.metric} has not improved on ${showNumber(best)}${by} for ${times}`;
}
