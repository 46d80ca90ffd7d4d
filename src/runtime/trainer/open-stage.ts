/** Stages with their open data, and how many batches of it a run takes. */
import type { OpenData } from '../data/data.js';
import { RunError } from '../run/run-error.js';
import { batchesIn, partOf, showPart, type Taken } from '../../values/limits.js';
import type { Stage } from './stage.js';
import type { StageKind } from './steps.js';

/** A stage with its open data. */
export interface OpenStage {
  readonly stage: Stage;
  readonly data: readonly OpenData[];
  /** How many batches a pass takes: those of the data set that ends first, as far as the run's limits let it. */
  readonly batches: number;
}

/** Whether a limit of no batches turns a kind of step off. */
export function isOff(kind: StageKind, taken: Taken): boolean {
  const { part } = partOf(kind, taken);
  return part?.unit === 'batches' && part.value === 0;
}

/** The batches that a pass over `data` takes. Throws a RunError where a percentage of them is none. */
export function takenBatches(kind: StageKind, data: readonly OpenData[], taken: Taken): number {
  const all = Math.min(...data.map((set) => set.batchesPerEpoch));
  const { option, part } = partOf(kind, taken);
  const count = batchesIn(part, all);
  if (count > 0 || part === null) return count;
  const labels = data.map(({ label }) => label).join(' and ');
  throw new RunError(
    `${showPart(option, part)} of the ${all} batches of ${labels} is none; write ${Math.ceil(100 / all)}.percent or more, or a number of batches`,
  );
}
