/** A spec's text and where things are in it. After this: lines, columns and offsets agree everywhere. */

/** A half-open range `[start, end)` of UTF-16 offsets in the file with number `file`. */
export interface Span {
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/** One file of a program. `id` is its index in the program; `path` is what messages print. */
export interface SourceFile {
  readonly id: number;
  readonly path: string;
  readonly text: string;
  /** Offset of the first character of each line. */
  readonly lineStarts: readonly number[];
}

/** Line and column, both from 1; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export const createSource = (id: number, path: string, text: string): SourceFile => {
  const lineStarts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lineStarts.push(at + 1);
  return { id, path, text, lineStarts };
};

export const positionAt = (source: SourceFile, offset: number): Position => {
  const { lineStarts } = source;
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
};

/** Whether a span lies in another, or is it. */
export const isWithin = (inner: Span, outer: Span): boolean =>
  inner.file === outer.file && inner.start >= outer.start && inner.end <= outer.end;

/** The smallest span that covers both. Both must be of one file. */
export const joinSpans = (a: Span, b: Span): Span => ({
  file: a.file,
  start: Math.min(a.start, b.start),
  end: Math.max(a.end, b.end),
});

export const textOf = (source: SourceFile, span: Span): string => source.text.slice(span.start, span.end);
