/** An index in the data that a table or a list of classes does not have, told with the row that holds it. */
import { RunError } from './run-error.js';

/** Thrown by kernels, which know the place in a tensor but not whose rows it has. */
export class IndexError extends RunError {
  override readonly name = 'RunError';

  /**
   * `place` counts values from 0 in a tensor of `shape`. The message is `found`, where it was found, `wrong`: `label 9`,
   * `at place 3 of [8]`, `is not one of 4 classes`.
   */
  constructor(
    private readonly found: string,
    private readonly place: number,
    private readonly shape: readonly number[],
    private readonly wrong: string,
  ) {
    super(`${found} at place ${place} of ${placesText(shape)} ${wrong}`);
  }

  /** The row of the tensor that holds the place; null where a tensor of another number of rows was read. */
  rowAmong(rows: number): number | null {
    return this.shape[0] === rows ? Math.floor((this.place * rows) / Math.max(1, sizeOf(this.shape))) : null;
  }

  /** The same, with the rows it is about: `row 17 of train_set`. */
  in(rows: string): RunError {
    return new RunError(`${this.found} in ${rows} ${this.wrong}`, { cause: this });
  }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const placesText = (shape: readonly number[]): string =>
  shape.length === 0 ? 'a scalar' : `[${shape.join(', ')}]`;
