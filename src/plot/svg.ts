/** A figure as an SVG file: no scripts, no fonts or images of its own, the same text for the same figure. */
import type { Figure, Line, Panel } from './figure.js';
import type { Scale } from './scale.js';
import { partsOf, thinned, type Place } from './thin.js';

const width = 760;
const left = 66;
const right = 20;
const plotWidth = width - left - right;
const plotHeight = 190;
const panelHeight = plotHeight + 62;
const legendLine = 20;

/** Okabe and Ito's colours, which colour-blind readers tell apart; without yellow, which is lost on white. */
const colours = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000'] as const;
/** By step: a solid line for the first, `train`. */
const dashes = ['', '7 3', '2 3', '9 3 2 3'] as const;
// So few points that each is a measurement to be seen.
const fewPoints = 40;

/** Text for an element or an attribute. What XML cannot hold (controls, halves of a pair) becomes a question mark. */
export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return Array.from(text)
    .map((each) => {
      const code = each.codePointAt(0) ?? 0;
      const held =
        (code >= 0x20 || code === 0x09 || code === 0x0a || code === 0x0d) &&
        !(code >= 0xd800 && code <= 0xdfff) &&
        code !== 0xfffe &&
        code !== 0xffff;
      return entities[each] ?? (held ? each : '?');
    })
    .join('');
}

const rounded = (value: number): string => String(Math.round(value * 10) / 10);

/** Keeps the end, which tells runs apart. */
const tail = (text: string, most: number): string => {
  const letters = Array.from(text);
  return letters.length <= most ? text : `…${letters.slice(letters.length - most + 1).join('')}`;
};

interface Style {
  readonly colour: string;
  readonly dash: string;
  /** Written at the curve's end where there are more runs than colours. */
  readonly number: string;
}

/** One run: steps differ in colour and dashes. Several: runs in colour, steps in dashes. */
function styleOf({ runs, stages }: Figure, run: number, stage: string): Style {
  const at = Math.max(0, stages.indexOf(stage));
  const colour = colours[(runs.length === 1 ? at : run) % colours.length] ?? colours[0];
  const number = runs.length > colours.length ? String(run + 1) : '';
  return { colour, dash: dashes[at % dashes.length] ?? '', number };
}

const dashText = (dash: string): string => (dash === '' ? '' : ` stroke-dasharray="${dash}"`);

interface Entry {
  readonly text: string;
  readonly style: Style;
}

function entriesOf(figure: Figure): readonly Entry[] {
  const pairs = new Map<string, Entry>();
  const lines = figure.panels.flatMap((panel) => panel.lines);
  for (const [run, name] of figure.runs.entries())
    for (const stage of figure.stages) {
      if (!lines.some((line) => line.run === run && line.stage === stage)) continue;
      const style = styleOf(figure, run, stage);
      const text = figure.runs.length === 1 ? stage : `${tail(name, 48)} ${stage}`;
      const numbered = style.number === '' ? text : `${style.number} ${text}`;
      pairs.set(`${run} ${stage}`, { text: numbered, style });
    }
  return [...pairs.values()];
}

interface PlacedEntry extends Entry {
  readonly x: number;
  readonly row: number;
}

/** From left to right in rows. Widths are guessed, generously: no font is at hand here. */
function placed(entries: readonly Entry[]): readonly PlacedEntry[] {
  let x = left;
  let row = 0;
  return entries.map((entry) => {
    const wide = 34 + 7.2 * Array.from(entry.text).length + 14;
    if (x > left && x + wide > width - right) {
      x = left;
      row += 1;
    }
    const at = { ...entry, x, row };
    x += wide;
    return at;
  });
}

function legend(entries: readonly PlacedEntry[], top: number): readonly string[] {
  return entries.map(({ text, style, x, row }) => {
    const y = top + row * legendLine;
    return `<g><line x1="${rounded(x)}" y1="${y}" x2="${rounded(x + 26)}" y2="${y}" stroke="${style.colour}" stroke-width="2"${dashText(style.dash)}/><text x="${rounded(x + 32)}" y="${y + 4}" font-size="12">${escaped(text)}</text></g>`;
  });
}

function* placesOf(x: Float64Array, y: Float64Array, across: Scale, up: Scale, top: number): Iterable<Place> {
  for (const [index, value] of y.entries()) {
    yield {
      x: left + plotWidth * across.at(x[index] ?? Number.NaN),
      y: top + plotHeight * (1 - up.at(value)),
    };
  }
}

function path(parts: readonly (readonly Place[])[], attributes: string): readonly string[] {
  const d = parts
    .filter((part) => part.length > 1)
    .map((part) => `M${part.map(({ x, y }) => `${rounded(x)} ${rounded(y)}`).join('L')}`)
    .join('');
  return d === '' ? [] : [`<path d="${d}" fill="none" ${attributes}/>`];
}

function curve(figure: Figure, line: Line, across: Scale, up: Scale, top: number): readonly string[] {
  const { colour, dash, number } = styleOf(figure, line.run, line.stage);
  const draw = (y: Float64Array) => partsOf(placesOf(line.x, y, across, up, top)).map(thinned);
  const parts = draw(line.y);
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  // A point between two gaps has no line through it.
  const dots = parts.flatMap((part) => (part.length === 1 || count <= fewPoints ? part : []));
  const end = parts.at(-1)?.at(-1);
  return [
    ...(line.raw === null
      ? []
      : path(draw(line.raw), `stroke="${colour}" stroke-width="1" stroke-opacity="0.3"`)),
    ...path(parts, `stroke="${colour}" stroke-width="1.75" stroke-linejoin="round"${dashText(dash)}`),
    ...dots.map(({ x, y }) => `<circle cx="${rounded(x)}" cy="${rounded(y)}" r="2.5" fill="${colour}"/>`),
    ...(number === '' || end === undefined
      ? []
      : [
          `<text x="${rounded(Math.min(end.x + 4, width - 14))}" y="${rounded(end.y + 4)}" font-size="10" fill="${colour}">${number}</text>`,
        ]),
  ];
}

function panel(
  figure: Figure,
  { metric, lines, resumes, scaleX, scaleY, note }: Panel,
  top: number,
): readonly string[] {
  const across = scaleX(8);
  const up = scaleY(5);
  const from = top + 24;
  const bottom = from + plotHeight;
  const remarks = [
    ...(up.kind === 'log' ? ['log scale'] : []),
    ...(note === '' ? [] : [note]),
    ...(resumes.length === 0 ? [] : ['dotted: resumed']),
  ].join(', ');
  const marks = resumes.map((value) => {
    const x = rounded(left + plotWidth * across.at(value));
    return `<path d="M${x} ${from}V${bottom}" stroke="#888" stroke-dasharray="1 3"/>`;
  });
  const grid = up.ticks.map(({ value, label }) => {
    const y = rounded(from + plotHeight * (1 - up.at(value)));
    return `<line x1="${left}" y1="${y}" x2="${width - right}" y2="${y}" stroke="#e3e3e3"/><text x="${left - 8}" y="${rounded(Number(y) + 4)}" font-size="11" text-anchor="end" fill="#444">${escaped(label)}</text>`;
  });
  const below = across.ticks.map(({ value, label }) => {
    const x = rounded(left + plotWidth * across.at(value));
    return `<line x1="${x}" y1="${bottom}" x2="${x}" y2="${bottom + 4}" stroke="#444"/><text x="${x}" y="${bottom + 17}" font-size="11" text-anchor="middle" fill="#444">${escaped(label)}</text>`;
  });
  return [
    `<g>`,
    `<text x="${left}" y="${top + 14}" font-size="13" font-weight="bold">${escaped(tail(metric, 60))}${remarks === '' ? '' : `<tspan dx="6" font-size="11" font-weight="normal" fill="#666">(${escaped(remarks)})</tspan>`}</text>`,
    ...grid,
    ...below,
    ...marks,
    `<path d="M${left} ${from}V${bottom}H${width - right}" fill="none" stroke="#444"/>`,
    ...lines.flatMap((line) => curve(figure, line, across, up, from)),
    `<text x="${width - right}" y="${bottom + 32}" font-size="11" text-anchor="end" fill="#444">${figure.along}</text>`,
    `</g>`,
  ];
}

/** The whole file, with a line break at its end. */
export function svgOf(figure: Figure): string {
  const entries = placed(entriesOf(figure));
  const rows = (entries.at(-1)?.row ?? -1) + 1;
  const first = 40 + rows * legendLine + 6;
  const height = first + figure.panels.length * panelHeight;
  const title = escaped(figure.title);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" fill="#111" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="24" font-size="16" font-weight="bold">${escaped(tail(figure.title, 70))}</text>`,
    ...legend(entries, 44),
    ...figure.panels.flatMap((each, index) => panel(figure, each, first + index * panelHeight)),
    `</svg>`,
  ].join('\n')}\n`;
}
