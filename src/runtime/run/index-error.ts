/** An index in the data that a table or a list of classes does not have, told with the row that holds it. */
import { currentStep } from '../engine/current.js';
import { placeOf, withDeepStacks } from '../engine/tensorflow/places.js';
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
    /** Which of several runs in one call it was. */
    readonly run = 0,
    /** The place in the spec that the op comes from; null where it is not known. */
    readonly line: string | null = lineNow(),
  ) {
    super(`${before(line)}${found} at place ${place} of ${placesText(shape)} ${wrong}`);
  }

  /** The row of the tensor that holds the place; null where a tensor of another number of rows was read. */
  rowAmong(rows: number): number | null {
    return this.shape[0] === rows ? Math.floor((this.place * rows) / Math.max(1, sizeOf(this.shape))) : null;
  }

  /** The same, of that run. */
  ofRun(run: number): IndexError {
    return new IndexError(this.found, this.place, this.shape, this.wrong, run, this.line);
  }

  /** The same, of the op at that place in the spec. */
  at(line: string | null): IndexError {
    return new IndexError(this.found, this.place, this.shape, this.wrong, this.run, line);
  }

  /** The same, with the rows it is about: `row 17 of train_set`. */
  in(rows: string): RunError {
    return new RunError(`${before(this.line)}${this.found} in ${rows} ${this.wrong}`, { cause: this });
  }
}

/** Of an index that picks a row of a table. */
export function noRow(index: number, place: number, shape: readonly number[], rows: number): IndexError {
  const wrong = `is no row of a table of ${rows} (0 to ${rows - 1}); correct the data, or the table's size`;
  return new IndexError(`index ${index}`, place, shape, wrong);
}

/** Of a label that picks a class. */
export function noClass(label: number, place: number, shape: readonly number[], classes: number): IndexError {
  const range = classes === 1 ? 'class (0)' : `classes (0 to ${classes - 1})`;
  const wrong = `is not one of ${classes} ${range}; correct the data, or the number of classes`;
  return new IndexError(`label ${label}`, place, shape, wrong);
}

/** Where the body of a step is now. One that is traced runs its ops later: who ran it finds the place. */
const lineNow = (): string | null =>
  currentStep() === null ? null : placeOf(withDeepStacks(() => new Error('here').stack));

const before = (line: string | null): string => (line === null ? '' : `${line}: `);

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const placesText = (shape: readonly number[]): string =>
  shape.length === 0 ? 'a scalar' : `[${shape.join(', ')}]`;
