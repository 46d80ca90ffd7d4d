/** When the metrics of a run are measured. */
import type { IrTrainer } from '../ir.js';
import type { Run } from './run.js';
import { mostSteps, passesOf } from './timetable.js';

/**
 * Steps done when a metric is measured, in order; null where that is not known before the run. Those of training are measured at the end
 * of each epoch and of the run, those of a validation in each pass, of which there is one at the end.
 */
export const measurementsOf = (trainer: IrTrainer, metric: string, run: Run): readonly number[] | null => {
  const step = trainer.steps.find(({ name }) => metric.startsWith(`${name}.`));
  const { pace } = run;
  if (step === undefined || pace === null || pace.totalSteps === null) return null;
  if (step.stage === 'validate') return passesOf(step, run);
  if (step.stage !== 'train') return null;
  const { stepsPerEpoch, totalSteps } = pace;
  const epochs = Math.ceil(totalSteps / stepsPerEpoch);
  // Live data has no epochs.
  if (epochs > mostSteps || !Number.isFinite(stepsPerEpoch)) return null;
  return Array.from({ length: epochs }, (_, epoch) => Math.min(totalSteps, (epoch + 1) * stepsPerEpoch));
};
