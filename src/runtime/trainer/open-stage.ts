/** Stages with their open data, and how many batches of it a run takes. */
import type { OpenData } from '../data/data.js';
import type { ReopenableData } from '../data/reopened.js';
import { RunError } from '../run/run-error.js';
import { counted, grouped } from '../../values/counted.js';
import { batchesIn, partOf, showPart, type Part, type Taken } from '../../values/limits.js';
import type { Pace } from '../../values/durations.js';
import { areEndless } from './endless.js';
import type { Stage } from './stage.js';
import type { StageKind } from './steps.js';

/** A stage with its open data. */
export interface OpenStage {
  readonly stage: Stage;
  readonly data: readonly ReopenableData[];
  /** How many batches a pass takes: those of the data set that ends first, as far as the run's limits let it. */
  readonly batches: number;
}

/** A stage over its data. Throws where `count` does; counts again when the data was opened again. */
export function openStage(stage: Stage, data: readonly ReopenableData[], count: () => number): OpenStage {
  count();
  return {
    stage,
    data,
    get batches() {
      return count();
    },
  };
}

/**
 * Closes all data and opens it again. Throws a RunError where the train step then has another number of windows in an
 * epoch: its clock, schedules and checkpoints count with it.
 */
export async function reloadData(
  stages: readonly OpenStage[],
  open: ReadonlySet<ReopenableData>,
  { stepsPerEpoch, accumulate }: Pace,
  epoch: number,
): Promise<string> {
  // Live data goes on as it is: it reads nothing anew, and would lose its state.
  const sets = [...open].filter(({ live }) => live === undefined);
  // Sets that share a source read it again when all of them have left it.
  for (const set of sets) await set.close();
  for (const set of sets) await set.reopen();
  for (const { stage, data, batches } of stages) {
    if (stage.plan.kind !== 'train') continue;
    const steps = Math.ceil(batches / accumulate);
    if (steps === stepsPerEpoch) continue;
    const labels = data.map(({ label, rows }) => `${label} (${counted(rows, 'row')})`).join(' and ');
    throw new RunError(
      `read again before epoch ${epoch + 1}, ${labels} makes ${counted(steps, 'step')} an epoch, not ${grouped(stepsPerEpoch)}, with which the run's lengths and schedules count; keep the number of rows, or take a fixed part of them: trainer.limit.train=${Math.min(batches, stepsPerEpoch * accumulate)}.batches`,
    );
  }
  return `epoch ${epoch + 1}: data is read again, ${sets.map(({ label, rows }) => `${label} ${counted(rows, 'row')}`).join(', ')}`;
}

/** Whether a limit of no batches turns a kind of step off. */
export function isOff(kind: StageKind, taken: Taken): boolean {
  const { part } = partOf(kind, taken);
  return part?.unit === 'batches' && part.value === 0;
}

/** Batches of a pass over live data, which has no end: so many as the limit says, in training all that are asked for. */
function endlessBatches(
  kind: StageKind,
  data: readonly OpenData[],
  option: string,
  part: Part | null,
): number {
  const labels = data.map(({ label }) => label).join(' and ');
  if (kind === 'train') return Number.POSITIVE_INFINITY;
  if (kind === 'predict' || kind === 'measure')
    throw new RunError(
      `a ${kind} step reads all rows of its data, and live data (${labels}) has no end; give it another data set`,
    );
  if (part?.unit === 'batches') return part.value;
  throw new RunError(
    `live data (${labels}) has no end: say how much of it a pass takes, trainer.${option}=10.batches${part === null ? '' : `, instead of ${showPart(option, part)}`}`,
  );
}

/** A set by its batches, as many as a pass takes of it by itself. */
interface Length {
  readonly label: string;
  readonly count: number;
}

/** The sets that have an end; null where they are as long as one another, and where one has no batch, which is told of as such. */
function unevenLengths(data: readonly OpenData[], part: Part | null): readonly Length[] | null {
  const lengths = data
    .filter(({ live }) => live === undefined)
    .map(({ label, batchesPerEpoch }) => ({ label, count: batchesIn(part, batchesPerEpoch) }));
  if (lengths.some(({ count }) => count < 1)) return null;
  return new Set(lengths.map(({ count }) => count)).size < 2 ? null : lengths;
}

/** Throws a RunError where an evaluation would end with one of its sets and leave out what the others have besides. */
function checkEven(
  kind: StageKind,
  data: readonly OpenData[],
  { option, part }: ReturnType<typeof partOf>,
): void {
  // An epoch of training ends with its shortest set; measured sets are read each to its own end; live ones have none.
  if (kind === 'train' || kind === 'measure') return;
  const lengths = unevenLengths(data, part);
  if (lengths === null) return;
  const least = Math.min(...lengths.map(({ count }) => count));
  throw new RunError(
    `a ${kind} step reads its data sets together, whole, and they have different lengths: ${lengths.map(({ label, count }) => `${label} ${counted(count, 'batch', 'batches')}`).join(', ')}; give each a step of its own, or take as many batches of each: ${option} = ${least}.batches`,
  );
}

/** What an epoch of training over several data sets leaves out, for the start of a run; null where it reads them whole. `shuffled`: their labels. */
export function shortEpochNote(
  step: string,
  data: readonly OpenData[],
  shuffled: ReadonlySet<string>,
  taken: Taken,
): string | null {
  const { part } = partOf('train', taken);
  const lengths = unevenLengths(data, part);
  if (lengths === null) return null;
  const least = Math.min(...lengths.map(({ count }) => count));
  const longer = lengths.flatMap(({ label, count }) => {
    if (count === least) return [];
    const left = count - least;
    return shuffled.has(label)
      ? [
          `${grouped(left)} of the ${grouped(count)} batches of ${label} ${left === 1 ? 'is' : 'are'} left out, others each time`,
        ]
      : [
          `the last ${grouped(left)} of the ${grouped(count)} batches of ${label} ${left === 1 ? 'is' : 'are'} never trained on: it is not shuffled`,
        ];
  });
  return `an epoch of ${step} is over after the ${counted(least, 'batch', 'batches')} of its shortest data set; ${longer.join('; ')}`;
}

/**
 * The batches that a pass over `data` takes. Throws a RunError where a percentage of them is none, and where an evaluation reads
 * sets of different lengths.
 */
export function takenBatches(kind: StageKind, data: readonly OpenData[], taken: Taken): number {
  const all = Math.min(...data.map((set) => set.batchesPerEpoch));
  const { option, part } = partOf(kind, taken);
  if (areEndless(data)) return endlessBatches(kind, data, option, part);
  checkEven(kind, data, { option, part });
  const count = batchesIn(part, all);
  if (count > 0 || part === null) return count;
  const labels = data.map(({ label }) => label).join(' and ');
  throw new RunError(
    `${showPart(option, part)} of the ${all} batches of ${labels} is none; write ${Math.ceil(100 / all)}.percent or more, or a number of batches`,
  );
}
