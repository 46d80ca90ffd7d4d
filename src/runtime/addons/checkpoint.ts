/** Saves the run: at its end, every so often, and when a metric is best. */
import { recurrence } from '../../values/durations.js';
import type { Quantity } from '../../values/units.js';
import { exactNumber, fromExactNumber, fromExactNumbers } from '../../values/exact-number.js';
import { record } from '../../values/json-record.js';
import {
  improves,
  monitorOrNone,
  otherMonitor,
  replaced,
  type AddOn,
  type Monitor,
  type SavedCheckpoint,
} from './addon.js';

export interface CheckpointOptions {
  readonly every?: Quantity<'steps'> | Quantity<'epochs'> | Quantity<'time'> | null;
  /** How many of the newest checkpoints are kept, besides the best; at least 1. */
  readonly keep?: number;
  readonly best?: Monitor | null;
  /** Whether the end of the run is saved. */
  readonly last?: boolean;
  /** Whether a run that fails saves the state it left, in `checkpoints/failed-N`: neither the last nor the best. */
  readonly onError?: boolean;
  /**
   * Whether a checkpoint holds the weights without the optimizers' state: smaller by their slots (two of three parts with Adam), and
   * nothing that a run goes on from. Not with `resume`.
   */
  readonly weightsOnly?: boolean;
  /** What the run goes on with unless the command line says otherwise: `auto`, or the path of a run or a checkpoint. */
  readonly resume?: string | null;
  /** Whether a checkpoint is a folder, or one file with the same in it. */
  readonly format?: 'folder' | 'ckpt';
}

/**
 * Saves the run. The newest checkpoint is `checkpoints/last`, the best `checkpoints/best`; an old one is deleted once the new one
 * is on disk. Throws for a `keep` that is no whole number of at least 1, and for `weightsOnly` with `resume`.
 */
export function checkpoint(options: CheckpointOptions = {}): AddOn {
  const { every = null, keep = 1, best: monitor = null, last = true, onError = false } = options;
  if (!Number.isSafeInteger(keep) || keep < 1) {
    throw new Error(`checkpoint takes a whole number of at least 1 as keep, got ${keep}`);
  }
  const { weightsOnly = false, resume = null, format = 'folder' } = options;
  if (weightsOnly && resume !== null)
    throw new Error('checkpoint takes no resume with weights_only: weights are not enough to go on from');
  return {
    kind: 'checkpoint',
    phase: 'dependent',
    owns: ['checkpoint'],
    watches: monitor === null ? [] : [monitor],
    resume,
    weightsOnly,
    format,
    options: { every, keep, last, onError, weightsOnly, resume, format },
    withOptions: (values) => checkpoint(replaced(options, values)),
    start: (host, name = 'checkpoint') => {
      const due = every === null ? null : recurrence(every, host.pace);
      let saved: readonly SavedCheckpoint[] = [];
      // Its value is null where the metric has become another one.
      let best: { readonly value: number | null; readonly checkpoint: SavedCheckpoint | null } | null = null;
      // Whether a run that goes on watches nothing any more.
      let isDropped = false;
      let improved = false;
      // The step of the checkpoint that is being written, whose own state must name it where it is the best.
      let saving: number | null = null;
      let writing: { readonly step: number; readonly isBest: boolean; readonly done: Promise<void> } | null =
        null;
      let failure: readonly [unknown] | null = null;

      // The old ones go only after the new one is on disk.
      const keepNewest = async (): Promise<void> => {
        const newest = saved.slice(-keep);
        for (const old of saved) {
          if (newest.includes(old) || old.folder === best?.checkpoint?.folder) continue;
          await host.forget(old);
          saved = saved.filter((one) => one !== old);
        }
      };
      /** Waits until nothing is being written; throws what went wrong. */
      const finish = async (): Promise<void> => {
        await writing?.done;
        if (failure === null) return;
        const [error] = failure;
        failure = null;
        throw error;
      };
      const written = async (checkpoint: SavedCheckpoint, isBest: boolean): Promise<void> => {
        if (saved.at(-1)?.step !== checkpoint.step) saved = [...saved, checkpoint];
        await host.point('last', checkpoint);
        if (isBest && best !== null) {
          best = { ...best, checkpoint };
          await host.point('best', checkpoint);
        }
        await keepNewest();
      };
      // The run goes on while the checkpoint is written; one at a time.
      const save = async (at: Parameters<typeof host.save>[0]): Promise<void> => {
        await finish();
        saving = at.step;
        const begun = await host.beginSave(at);
        saving = null;
        if (begun === null) return;
        const isBest = improved && best !== null;
        improved = false;
        const done = begun.written
          .then((checkpoint) => written(checkpoint, isBest))
          .catch((error: unknown) => {
            failure = [error];
          })
          .finally(() => {
            writing = null;
          });
        writing = { step: at.step, isBest, done };
      };
      return {
        measured: (at, metrics) => {
          const value = monitor === null ? undefined : metrics.get(monitor.metric);
          if (monitor === null || value === undefined || !improves(monitor, value, best?.value ?? null))
            return undefined;
          // What was best before stays on disk until the new one is.
          best = { value, checkpoint: best?.checkpoint ?? null };
          improved = true;
          host.best(monitor.metric, value, at);
          host.notable(at.step);
          return undefined;
        },
        // A run that goes on has been saved just now.
        fitStart: async ({ seconds }) => {
          due?.skipTo(seconds);
          // Its checkpoint goes with the next one that is saved, as every old one.
          if (isDropped) await host.unpointBest();
        },
        // All else of the step is done then, so that a run which goes on from here goes on with the next one.
        settled: async (at) => {
          if (failure !== null) await finish();
          const now = due?.due(at.step, at.seconds) ?? false;
          if (now || improved) await save(at);
        },
        // What goes wrong with a write is told after the next step.
        nextSettled: (step) =>
          writing === null && failure === null ? (due?.next(step) ?? Number.POSITIVE_INFINITY) : step + 1,
        fitEnd: async (at) => {
          if (last || improved) await save(at);
          await finish();
        },
        failed: async (at, error) => {
          await writing?.done;
          const folder = onError ? await host.saveFailed(at, error) : null;
          if (folder !== null) host.report(`the state as it failed: ${folder}`);
        },
        state: () => ({
          monitor: monitorOrNone(monitor),
          best: best === null || best.value === null ? null : exactNumber(best.value),
          bestStep:
            (improved ? saving : null) ??
            (writing?.isBest === true ? writing.step : null) ??
            best?.checkpoint?.step ??
            null,
          saved: [...new Set([...saved.map(({ step }) => step), writing?.step ?? [], saving ?? []].flat())],
        }),
        restore: (json) => {
          const state = record('checkpoint', json);
          const steps = fromExactNumbers(state['saved']);
          // What a signal or an end has saved knows nothing of itself.
          const own = host.goesOnFrom;
          const all = own === null || steps.includes(own.step) ? steps : [...steps, own.step];
          saved = all.flatMap((step) => host.savedAt(step) ?? []);
          const bestStep = state['bestStep'] ?? null;
          const other = otherMonitor(name, state['monitor'], monitor);
          if (other !== null) host.report(other);
          const value = state['best'] ?? null;
          isDropped = other !== null && monitor === null;
          best =
            isDropped || (value === null && bestStep === null)
              ? null
              : {
                  value: value === null || other !== null ? null : fromExactNumber(value),
                  checkpoint: bestStep === null ? null : host.savedAt(fromExactNumber(bestStep)),
                };
        },
      };
    },
  };
}
