/** Where wrong data was found. Rows count from 1 and leave the header out; lines count from 1 in the file. */
export interface DataPlace {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly row?: number | undefined;
  readonly column?: string | undefined;
}

/** Data that is missing or is not what its declaration says. The message names the place, what arrived and what to do. */
export class DataError extends Error {
  override readonly name = 'DataError';
  /** What is wrong, without the place. */
  readonly problem: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly row: number | undefined;
  readonly column: string | undefined;

  constructor(problem: string, place: DataPlace = {}) {
    super(placeText(place) + problem);
    this.problem = problem;
    this.file = place.file;
    this.line = place.line;
    this.row = place.row;
    this.column = place.column;
  }
}

/**
 * A value of a row that a function of `map` cannot take: a picture that does not decode, a word that is not in its file. The row is bad, as
 * one that does not fit its declaration.
 */
export class BadValue extends Error {
  override readonly name = 'BadValue';

  /** `advice` says what to do about it, before `or set on_bad_row`. */
  constructor(
    problem: string,
    readonly advice: string,
    readonly column?: string,
  ) {
    super(problem);
  }
}

/** A row that is bad in a function of `map`: it can be skipped. */
export class BadRow extends DataError {
  /** `reason` is what is wrong with it, without what to do. */
  constructor(
    problem: string,
    place: DataPlace,
    readonly reason = problem,
  ) {
    super(problem, place);
  }
}

/** A row that was left out, and why. Plain data: workers send it. */
export interface LeftOut extends DataPlace {
  readonly reason: string;
}

/** So many rows of a data set are told one by one; what is more is counted. */
export const mostLeftOut = 1000;

/** As a message has it: `rows.csv:4: row 3, column 'age': '' is not a finite number`. */
export function leftOutText({ reason, ...place }: LeftOut): string {
  return placeText(place) + reason;
}

/** `file:line: row 3, column 'age': `, as far as it is known. */
function placeText({ file, line, row, column }: DataPlace): string {
  const where = [
    ...(row === undefined ? [] : [`row ${row}`]),
    ...(column === undefined ? [] : [`column '${column}'`]),
  ].join(', ');
  const start = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}: `;
  return where === '' ? start : `${start}${where}: `;
}
