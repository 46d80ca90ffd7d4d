/** Ends the run when a metric has stopped improving. */
import { showNumber } from '../progress/format.js';
import { improves, replaced, type AddOn, type Monitor } from './addon.js';

export interface EarlyStoppingOptions {
  readonly monitor: Monitor;
  /** Measurements without improvement after which the run ends. */
  readonly patience?: number;
  /** A smaller improvement counts as none. */
  readonly minDelta?: number;
}

/** Ends the run when `monitor` has not improved by more than `minDelta` for `patience` measurements. NaN is no improvement. */
export function earlyStopping(options: EarlyStoppingOptions): AddOn {
  const { monitor, patience = 10, minDelta = 0 } = options;
  if (!Number.isSafeInteger(patience) || patience < 1 || !(minDelta >= 0)) {
    throw new Error(
      `early_stopping takes a patience of at least 1 and a min_delta of at least 0, got ${patience} and ${minDelta}`,
    );
  }
  return {
    kind: 'early_stopping',
    phase: 'trigger',
    owns: ['stop'],
    withOptions: (values) => earlyStopping(replaced(options, values)),
    start: ({ report, notable }) => {
      let best: number | null = null;
      let waited = 0;
      return {
        measured: (at, metrics) => {
          const value = metrics.get(monitor.metric);
          if (value === undefined) return undefined;
          if (improves(monitor, value, best, minDelta)) {
            best = value;
            notable(at.step);
            waited = 0;
            return undefined;
          }
          waited += 1;
          if (waited < patience) return undefined;
          report(
            `${monitor.metric} has not improved on ${showNumber(best ?? Number.NaN)} for ${waited} measurements: stopping`,
          );
          return 'end-run';
        },
        state: () => ({ best, waited }),
      };
    },
  };
}
