/** Lists as messages show them: the first few, and how many there are. */
import type { Pace } from '../../values/durations.js';
import type { OpenStage } from './open-stage.js';

const shownRows = 8;
const shownNames = 3;

export function someNames(names: readonly string[]): string {
  const more = names.length > shownNames ? ` and ${names.length - shownNames} more` : '';
  return `${names.slice(0, shownNames).join(', ')}${more}`;
}

/** Numbers of rows (from 0) as a reader counts them: `rows 3, 17, 1`. */
export function someRows(numbers: readonly number[]): string {
  const shown = numbers.slice(0, shownRows).map((number) => number + 1);
  const more = numbers.length > shownRows ? `, … (${numbers.length})` : '';
  return `row${numbers.length === 1 ? '' : 's'} ${shown.join(', ')}${more}`;
}

/**
 * The rows that step `step` (from 1) of these train steps has trained on, or one batch of its window (from 0): `rows 3, 17, 1 of train`.
 * Rows count from 1.
 */
export function rowsOfStep(
  train: readonly OpenStage[],
  pace: Pace,
  step: number,
  micro: number | null,
): string {
  const { stepsPerEpoch, accumulate } = pace;
  const epoch = Math.floor((step - 1) / stepsPerEpoch);
  const first = ((step - 1) % stepsPerEpoch) * accumulate + (micro ?? 0);
  const count = micro === null ? accumulate : 1;
  return train
    .flatMap(({ data, batches }) =>
      data.map((set) => {
        const end = Math.min(batches, first + count);
        if (set.live !== undefined) {
          const [one, last] = [first, end - 1].map((index) => set.live?.harvestAt(epoch, index));
          return `${one === last ? 'harvest' : `harvests ${one} to`} ${last} of ${set.label}`;
        }
        const numbers: number[] = [];
        for (let index = first; index < end; index += 1) numbers.push(...set.rowsOf(epoch, index));
        return `${someRows(numbers)} of ${set.label}`;
      }),
    )
    .join(', ');
}
