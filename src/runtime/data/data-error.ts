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

/** `file:line: row 3, column 'age': `, as far as it is known. */
function placeText({ file, line, row, column }: DataPlace): string {
  const where = [
    ...(row === undefined ? [] : [`row ${row}`]),
    ...(column === undefined ? [] : [`column '${column}'`]),
  ].join(', ');
  const start = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}: `;
  return where === '' ? start : `${start}${where}: `;
}
