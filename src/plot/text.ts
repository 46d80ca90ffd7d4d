/** A figure as lines of text for a terminal: braille dots, or a mark for each curve where colours could not tell them apart. */
import type { Figure, Line, Panel } from './figure.js';
import type { Scale } from './scale.js';

export interface TextOptions {
  /** Of the terminal; at least 20 are used. */
  readonly columns: number;
  readonly color: boolean;
}

const height = 10;
/** A mark for each curve of a panel; as many are drawn. */
const marks = '*+ox#%@&abcdefghijklmnpqrstuvwyzABCDEFGHIJKLMNPQRSTUVWXYZ123456789';
/** Codes of a terminal's own colours: cyan, yellow, magenta, green, red, blue, default. */
const colours = [36, 33, 35, 32, 31, 34, 39] as const;

/** Keeps the end. */
const tail = (text: string, most: number): string => {
  const letters = Array.from(text);
  return letters.length <= most ? text : `…${letters.slice(letters.length - most + 1).join('')}`;
};

/** Nothing that a name holds may move the cursor. */
const clean = (text: string): string => text.replaceAll(/\p{C}/gu, '?');

/** A grid of dots, `fine` of them in each cell across and up; each cell knows the curve that was drawn last in it. */
class Canvas {
  readonly #dots: Uint8Array;
  readonly #owner: Int16Array;

  constructor(
    readonly columns: number,
    readonly rows: number,
    private readonly fine: { readonly across: number; readonly up: number },
  ) {
    this.#dots = new Uint8Array(columns * rows);
    this.#owner = new Int16Array(columns * rows).fill(-1);
  }

  get width(): number {
    return this.columns * this.fine.across;
  }

  get height(): number {
    return this.rows * this.fine.up;
  }

  #dot(x: number, y: number, owner: number): void {
    const { across, up } = this.fine;
    const cell = Math.floor(y / up) * this.columns + Math.floor(x / across);
    // Braille counts the left column, the right column, then the lowest line of both.
    const bits = [
      [0x01, 0x08],
      [0x02, 0x10],
      [0x04, 0x20],
      [0x40, 0x80],
    ];
    this.#dots[cell] = (this.#dots[cell] ?? 0) | (bits[y % up]?.[x % across] ?? 1);
    this.#owner[cell] = owner;
  }

  /** Between two dots, counted from the left and from the top. */
  line(x0: number, y0: number, x1: number, y1: number, owner: number): void {
    const count = Math.max(1, Math.abs(x1 - x0), Math.abs(y1 - y0));
    for (let i = 0; i <= count; i += 1)
      this.#dot(Math.round(x0 + ((x1 - x0) * i) / count), Math.round(y0 + ((y1 - y0) * i) / count), owner);
  }

  cell(row: number, column: number): { readonly dots: number; readonly owner: number } {
    const at = row * this.columns + column;
    return { dots: this.#dots[at] ?? 0, owner: this.#owner[at] ?? -1 };
  }
}

function draw(canvas: Canvas, { x, y }: Line, across: Scale, up: Scale, owner: number): void {
  let before: readonly [number, number] | null = null;
  for (const [index, value] of y.entries()) {
    const [h, v] = [across.at(x[index] ?? Number.NaN), up.at(value)];
    if (Number.isNaN(h) || Number.isNaN(v)) {
      before = null;
      continue;
    }
    const at = [Math.round(h * (canvas.width - 1)), Math.round((1 - v) * (canvas.height - 1))] as const;
    const [fromX, fromY] = before ?? at;
    canvas.line(fromX, fromY, at[0], at[1], owner);
    before = at;
  }
}

/** A row of cells; neighbours of one curve are painted together. */
function rowText(
  canvas: Canvas,
  row: number,
  mark: ((owner: number) => string) | null,
  paint: (text: string, owner: number) => string,
): string {
  let line = '';
  let run = { text: '', owner: -1 };
  const flush = (): void => {
    line += run.owner < 0 ? run.text : paint(run.text, run.owner);
  };
  for (let column = 0; column < canvas.columns; column += 1) {
    const { dots, owner } = canvas.cell(row, column);
    const sign = dots === 0 ? ' ' : (mark?.(owner) ?? String.fromCodePoint(0x2800 + dots));
    if (owner === run.owner) run.text += sign;
    else {
      flush();
      run = { text: sign, owner };
    }
  }
  flush();
  return line;
}

/** Labels below their ticks, as many as stand apart. */
function labelsBelow(scale: Scale, columns: number): string {
  let text = '';
  for (const { value, label } of scale.ticks) {
    const middle = Math.round(scale.at(value) * (columns - 1));
    const start = Math.min(Math.max(0, middle - Math.floor(label.length / 2)), columns - label.length);
    if (start < 0 || (text !== '' && start < text.length + 1)) continue;
    text = `${text.padEnd(start)}${label}`;
  }
  return text;
}

const lastOf = (y: Float64Array): string => {
  const value = y.at(-1);
  return value === undefined ? '' : String(Number(value.toPrecision(4)));
};

function panelLines(figure: Figure, panel: Panel, { columns, color }: TextOptions): readonly string[] {
  const up = panel.scaleY(4);
  const drawn = panel.lines.slice(0, marks.length);
  // Two curves of one row of dots differ in nothing but colour, and there are only so many colours.
  const letters = drawn.length > (color ? colours.length : 1);
  const gutter = Math.max(1, ...up.ticks.map(({ label }) => label.length));
  const inner = Math.max(4, columns - gutter - 2);
  const across = panel.scaleX(Math.max(1, Math.floor(inner / 12)));
  const canvas = new Canvas(inner, height, letters ? { across: 1, up: 1 } : { across: 2, up: 4 });
  drawn.forEach((line, owner) => draw(canvas, line, across, up, owner));
  const labels = new Map(
    up.ticks.map(({ value, label }) => [Math.round((1 - up.at(value)) * (height - 1)), label] as const),
  );
  const paint = (text: string, owner: number): string =>
    color ? `\u001b[${colours[owner % colours.length] ?? 39}m${text}\u001b[39m` : text;
  const mark = (owner: number): string => marks[owner] ?? '?';
  const rows = Array.from({ length: height }, (_, row) => {
    const label = labels.get(row);
    const cells = rowText(canvas, row, letters ? mark : null, paint);
    return `${(label ?? '').padStart(gutter)} ${label === undefined ? '│' : '┤'}${cells}`.trimEnd();
  });
  const names = drawn.map(({ run, stage, y }, owner) => {
    const name = figure.runs.length === 1 ? stage : `${figure.runs[run] ?? ''} ${stage}`;
    const sign = paint(letters ? mark(owner) : '━', owner);
    const value = lastOf(y);
    const room = columns - 2;
    // Where a name and its value do not fit, the name gives way.
    const short = tail(clean(name), Math.max(6, room - value.length - 1));
    return `${sign} ${short.length + 1 + value.length <= room ? `${short} ${value}` : tail(short, room)}`;
  });
  const remarks = [
    ...(up.kind === 'log' ? ['log scale'] : []),
    ...(panel.note === '' ? [] : [panel.note]),
    ...(drawn.length === panel.lines.length
      ? []
      : [`${drawn.length} of ${panel.lines.length} curves: name fewer runs, or one step by --metrics`]),
    ...(panel.resumes.length === 0 ? [] : ['┴ resumed']),
  ];
  const resumed = new Set(panel.resumes.map((value) => Math.round(across.at(value) * (inner - 1))));
  const axis = Array.from({ length: inner }, (_, column) => (resumed.has(column) ? '┴' : '─')).join('');
  const head = tail(clean(panel.metric), columns);
  const full = remarks.length === 0 ? head : `${head} (${remarks.join(', ')})`;
  const below = labelsBelow(across, inner);
  const pad = ' '.repeat(gutter + 2);
  const along = `${below}  ${figure.along}`;
  return [
    ...(full.length <= columns ? [full] : [head, ...remarks.map((remark) => tail(remark, columns))]),
    ...names,
    ...rows,
    `${' '.repeat(gutter + 1)}└${axis}`,
    ...(along.length <= inner
      ? [`${pad}${below.padEnd(inner - figure.along.length)}${figure.along}`]
      : [`${pad}${below}`, figure.along.padStart(Math.min(columns, gutter + 2 + inner))]),
  ];
}

/** Lines of at most `columns` columns, without what colours them. */
export function textOf(figure: Figure, options: TextOptions): readonly string[] {
  const columns = Math.max(20, Math.min(160, options.columns));
  return [
    tail(clean(figure.title), columns),
    ...figure.panels.flatMap((panel) => ['', ...panelLines(figure, panel, { ...options, columns })]),
  ];
}
