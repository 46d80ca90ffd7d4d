/** Diagnostics as people and programs read them: framed text with the lines of the spec, and records for JSON. */
import pc from 'picocolors';
import type { Diagnostic } from './diagnostic.js';
import { positionAt, type Position, type SourceFile, type Span } from './source.js';

/** Wider lines are cut around the marks. */
const widest = 140;
const tabWidth = 2;

type Paint = ReturnType<typeof pc.createColors>;

interface Mark {
  readonly line: number;
  /** Offsets in the line's own text. */
  readonly start: number;
  readonly end: number;
  readonly main: boolean;
  readonly label: string;
}

const lineText = (file: SourceFile, line: number): string => {
  const start = file.lineStarts[line - 1] ?? 0;
  const end = file.lineStarts[line] ?? file.text.length + 1;
  return file.text.slice(start, end - 1).replace(/\r$/, '');
};

const fileOf = (files: readonly SourceFile[], span: Span): SourceFile | undefined =>
  files.find(({ id }) => id === span.file);

/** A mark shows the first line of its span. */
const markOf = (file: SourceFile, span: Span, main: boolean, label: string): Mark => {
  const { line, column } = positionAt(file, span.start);
  const text = lineText(file, line);
  const start = Math.min(column - 1, text.length);
  const length = Math.max(1, Math.min(span.end - span.start, text.length - start));
  return { line, start, end: start + length, main, label };
};

const isWide =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}/u;
const isNarrow = /\p{M}|\u200B|\u200D/u;

/** Text as it is shown, and the column at which each of its UTF-16 units is shown. */
const layOut = (text: string): { readonly shown: string; readonly columns: readonly number[] } => {
  const columns: number[] = [];
  let shown = '';
  let column = 0;
  for (const letter of text) {
    const printed =
      letter === '\t' ? ' '.repeat(tabWidth - (column % tabWidth)) : /\p{Cc}/u.test(letter) ? '·' : letter;
    const width = letter === '\t' ? printed.length : isWide.test(letter) ? 2 : isNarrow.test(letter) ? 0 : 1;
    for (let unit = 0; unit < letter.length; unit++) columns.push(column);
    shown += printed;
    column += width;
  }
  columns.push(column);
  return { shown, columns };
};

interface Window {
  readonly text: string;
  /** Where the window starts in the line; marks are moved by it. */
  readonly from: number;
  readonly before: string;
}

/** The part of a long line that holds its marks. */
const windowOf = (text: string, marks: readonly Mark[]): Window => {
  if (text.length <= widest) return { text, from: 0, before: '' };
  const first = Math.min(...marks.map(({ start }) => start));
  const from = Math.max(0, Math.min(first - 40, text.length - widest));
  const part = text.slice(from, from + widest);
  const after = from + widest < text.length ? '…' : '';
  return { text: part + after, from, before: from > 0 ? '…' : '' };
};

/** Columns that a mark covers on the screen. */
const reach = (mark: Mark, window: Window, columns: readonly number[]): readonly [number, number] => {
  const at = (offset: number): number => {
    const inside = Math.min(Math.max(0, offset - window.from), columns.length - 1);
    return (columns[inside] ?? 0) + window.before.length;
  };
  const start = at(mark.start);
  return [start, Math.max(start + 1, at(mark.end))];
};

/** The lines of marks under one line of text: labels stand behind their marks where there is room. */
const underline = (
  marks: readonly Mark[],
  window: Window,
  columns: readonly number[],
  paint: Paint,
): string[] => {
  const rows: { text: string; width: number }[] = [];
  const sorted = [...marks].sort((a, b) => a.start - b.start || Number(b.main) - Number(a.main));
  for (const mark of sorted) {
    const [start, end] = reach(mark, window, columns);
    const sign = (mark.main ? '^' : '-').repeat(end - start);
    const words = mark.label === '' ? sign : `${sign} ${mark.label}`;
    const painted = mark.main ? paint.red(words) : paint.blue(words);
    let row = rows.at(-1);
    if (row === undefined || row.width > (row.width === 0 ? start : start - 1)) {
      row = { text: '', width: 0 };
      rows.push(row);
    }
    row.text += ' '.repeat(start - row.width) + painted;
    row.width = start + [...words].length;
  }
  return rows.map(({ text }) => text);
};

const frame = (file: SourceFile, marks: readonly Mark[], gutter: number, paint: Paint): string[] => {
  const lines = [...new Set(marks.map(({ line }) => line))].sort((a, b) => a - b);
  const rows: string[] = [];
  lines.forEach((line, index) => {
    const previous = lines[index - 1];
    if (previous !== undefined && line > previous + 1) rows.push(`${' '.repeat(gutter)} ${paint.dim('┆')}`);
    const own = marks.filter((mark) => mark.line === line);
    const window = windowOf(lineText(file, line), own);
    const { shown, columns } = layOut(window.text);
    rows.push(`${paint.dim(`${String(line).padStart(gutter)} │`)} ${window.before}${shown}`.trimEnd());
    for (const row of underline(own, window, columns, paint))
      rows.push(`${' '.repeat(gutter)} ${paint.dim('│')} ${row}`);
  });
  return rows;
};

/** A diagnostic as text: what is wrong, where, in which lines, and what to do. Ends without a line break. */
export const renderDiagnostic = (
  diagnostic: Diagnostic,
  files: readonly SourceFile[],
  options: { readonly color: boolean },
): string => {
  const paint = pc.createColors(options.color);
  const { code, severity, message, span } = diagnostic;
  const head = severity === 'error' ? paint.red(`error[${code}]`) : paint.yellow(`warning[${code}]`);
  const rows = [`${paint.bold(head)}${paint.bold(`: ${message}`)}`];

  const all = [
    { span, main: true, label: diagnostic.label ?? '' },
    ...(diagnostic.related ?? []).map((related) => ({ ...related, main: false })),
  ];
  const order = [...new Set(all.map((each) => each.span.file))];
  const groups = order.flatMap((id) => {
    const file = files.find((each) => each.id === id);
    if (file === undefined) return [];
    const own = all.filter((each) => each.span.file === id);
    const [first] = own;
    const marks = own.map((each) => markOf(file, each.span, each.main, each.label));
    return first === undefined ? [] : [{ file, marks, place: positionAt(file, first.span.start) }];
  });
  const lastLine = Math.max(0, ...groups.flatMap(({ marks }) => marks.map(({ line }) => line)));
  const gutter = String(lastLine).length;
  for (const { file, marks, place } of groups) {
    const where = `${file.path}:${place.line}:${place.column}`;
    rows.push(`${' '.repeat(gutter)} ${paint.dim('┌')} ${where}`, ...frame(file, marks, gutter, paint));
  }

  const indent = `${' '.repeat(gutter)} ${paint.dim('=')}`;
  for (const note of diagnostic.notes ?? []) rows.push(`${indent} note: ${note}`);
  const more = paint.dim(`more: ztrainc explain ${code}`);
  if (diagnostic.help === undefined) rows.push(`${indent} ${more}`);
  else {
    rows.push(`${indent} help: ${diagnostic.help}          ${more}`);
  }
  return rows.join('\n');
};

export interface JsonPlace {
  readonly file: string | null;
  readonly range: { readonly start: Position; readonly end: Position };
}

export interface JsonDiagnostic extends JsonPlace {
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly notes: readonly string[];
  readonly related: readonly (JsonPlace & { readonly label: string })[];
  readonly help: string | null;
  readonly fix: {
    readonly title: string;
    readonly edits: readonly (JsonPlace & { readonly text: string })[];
  } | null;
}

const nowhere: Position = { line: 1, column: 1 };

const placeOf = (files: readonly SourceFile[], span: Span): JsonPlace => {
  const file = fileOf(files, span);
  if (file === undefined) return { file: null, range: { start: nowhere, end: nowhere } };
  return { file: file.path, range: { start: positionAt(file, span.start), end: positionAt(file, span.end) } };
};

/** A diagnostic as a record for `--json`; lines and columns count from 1, the end is exclusive. */
export const diagnosticToJson = (diagnostic: Diagnostic, files: readonly SourceFile[]): JsonDiagnostic => ({
  code: diagnostic.code,
  severity: diagnostic.severity,
  message: diagnostic.message,
  ...placeOf(files, diagnostic.span),
  notes: diagnostic.notes ?? [],
  related: (diagnostic.related ?? []).map(({ span, label }) => ({ label, ...placeOf(files, span) })),
  help: diagnostic.help ?? null,
  fix:
    diagnostic.fix === undefined
      ? null
      : {
          title: diagnostic.fix.title,
          edits: diagnostic.fix.edits.map(({ span, text }) => ({ text, ...placeOf(files, span) })),
        },
});
