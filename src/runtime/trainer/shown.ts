/** Lists as messages show them: the first few, and how many there are. */

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
