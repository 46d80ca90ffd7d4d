/** Numbers and lines as a run prints them. */
import { columnsOf, wrapWords } from '../../values/words.js';

/** Four significant digits, whole numbers in full; very large and very small ones with an exponent. */
export function showNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3)
    return value
      .toExponential(2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e');
  // From here on four digits are all before the point, also of what is rounded up to 10,000.
  if (Number.isInteger(value) || size >= 9999.5) return String(Math.round(value));
  return value.toPrecision(4);
}

/** `1,234,567`. */
export function showCount(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** `512 B`, `4.2 kB`, `17 MB`, in powers of 1000. */
export function showBytes(value: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let index = 0;
  // What would be rounded to 1000 of one is 1.0 of the next.
  while (scaled >= 999.5 && index < names.length - 1) {
    scaled /= 1000;
    index += 1;
  }
  return `${index === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${names[index] ?? ''}`;
}

/** `0.4s`, `12s`, `3m 05s`, `2h 07m`. */
export function showSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${pad(Math.floor((whole % 3600) / 60))}m`;
}

const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Rows that a text takes in a terminal of so many columns: a wide letter does not go over the edge, it stands in the next row. */
export function rowsOf(text: string, columns: number): number {
  let rows = 1;
  let taken = 0;
  for (const { segment } of letters.segment(text)) {
    const own = columnsOf(segment);
    if (taken + own > columns && taken > 0) {
      rows += 1;
      taken = 0;
    }
    taken += own;
  }
  return rows;
}

/** Cut to so many columns; the cut shows as `…`. */
export function fit(text: string, width: number): string {
  if (columnsOf(text) <= width) return text;
  if (width < 1) return '';
  let kept = '';
  let taken = 0;
  for (const { segment } of letters.segment(text)) {
    taken += columnsOf(segment);
    if (taken > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** The parts, in order, that fit a width; one that is too long gives way to those after it. At least the first, cut. */
export function fitParts(parts: readonly string[], width: number): string {
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`;
    if (columnsOf(longer) <= width) line = longer;
  }
  return line === '' ? fit(parts[0] ?? '', width) : line;
}

/** Parts of a line over as many lines as the width asks for: nothing is left out. A part that is longer goes on below, by words. */
export function wrapParts(parts: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  const [first = '', ...rest] = parts;
  let line = first;
  for (const part of rest) {
    const longer = `${line}  ${part}`;
    if (columnsOf(longer) <= width) line = longer;
    else {
      lines.push(...wrapWords(line, width, 4));
      line = `  ${part}`;
    }
  }
  return [...lines, ...wrapWords(line, width, 4)];
}

/** The widths of the columns that fit, at least of the first. */
export function fittingWidths(rows: readonly (readonly string[])[], width: number): readonly number[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths: number[] = [];
  let total = -2;
  for (let index = 0; index < columns; index += 1) {
    const own = Math.max(...rows.map((row) => columnsOf(row[index] ?? '')));
    total += own + 2;
    if (index > 0 && total > width) break;
    widths.push(own);
  }
  return widths;
}

/** Rows in columns: the first left-aligned, the others right-aligned; last columns are left out where they don't fit. */
export function table(rows: readonly (readonly string[])[], width: number): readonly string[] {
  const widths = fittingWidths(rows, width);
  return rows.map((row) => {
    const cells = widths.map((size, index) => {
      const cell = row[index] ?? '';
      const space = ' '.repeat(Math.max(0, size - columnsOf(cell)));
      return index === 0 ? `${cell}${space}` : `${space}${cell}`;
    });
    return fit(cells.join('  ').trimEnd(), width);
  });
}
