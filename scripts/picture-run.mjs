// Writes docs/images/run.svg: what a terminal shows when `ztrainc run specs/digits.ztrain` has ended. The command really
// runs, in a terminal of `script` (util-linux); this file only draws what came out.
// Run: node scripts/build.mjs && node scripts/picture-run.mjs
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const columns = 92;
const shown = 'npx ztrainc run specs/digits.ztrain';

/** The raw output of a run in a terminal, in a folder that holds the spec alone. */
const record = () => {
  const folder = mkdtempSync(join(tmpdir(), 'ztrain-picture-'));
  cpSync(join(root, 'specs/digits.ztrain'), join(folder, 'specs/digits.ztrain'));
  const program = join(root, 'dist/ztrainc.mjs');
  const { status } = spawnSync(
    'script',
    ['-qec', `stty cols ${columns} rows 40; exec node '${program}' run specs/digits.ztrain`, 'log'],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        ...{ TERM: 'xterm-256color', CI: '', NO_COLOR: '' },
        // As npx calls it, for lines that name a command.
        ...{ npm_lifecycle_event: 'npx', npm_lifecycle_script: 'ztrainc' },
      },
    },
  );
  const text = readFileSync(join(folder, 'log'), 'utf8');
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(`the run ended with ${status}:\n${text}`);
  return text.replace(/^Script started[^\n]*\n/, '').replace(/\n?Script done[^\n]*\n?$/, '');
};

/** What stands in the terminal at the end: rows of cells `{ letter, style }`. */
const screenOf = (text) => {
  const rows = [[]];
  let row = 0;
  let column = 0;
  let style = '';
  const pattern = /\x1b\[([\d;?]*)([A-Za-z])|([\s\S])/gu;
  for (const [, numbers = '', kind, letter] of text.matchAll(pattern)) {
    const count = Number(numbers.split(';')[0] || 1);
    if (kind === 'm') style = numbers === '0' || numbers === '' ? '' : numbers;
    else if (kind === 'K') rows[row] = numbers === '2' ? [] : (rows[row] ?? []).slice(0, column);
    else if (kind === 'A') row = Math.max(0, row - count);
    else if (kind === 'G') column = count - 1;
    else if (kind === 'J') rows.length = row + 1;
    else if (letter === '\r') column = 0;
    else if (letter === '\n') {
      row += 1;
      rows[row] ??= [];
    } else if (letter !== undefined && letter >= ' ') {
      const line = (rows[row] ??= []);
      while (line.length < column) line.push({ letter: ' ', style: '' });
      line[column] = { letter, style };
      column += 1;
    }
  }
  return rows.map((line) => line.map((cell) => cell ?? { letter: ' ', style: '' }));
};

const colors = { 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341', 34: '#79c0ff', 35: '#d2a8ff', 36: '#76e3ea' };
const attributesOf = (style) => {
  const codes = style.split(';');
  const color = codes.map((code) => colors[code]).find((found) => found !== undefined);
  return [
    ...(color === undefined ? [] : [`fill="${color}"`]),
    ...(codes.includes('1') ? ['font-weight="bold"'] : []),
    ...(codes.includes('2') ? ['opacity="0.6"'] : []),
  ].join(' ');
};

// Not every viewer keeps runs of spaces; hard spaces are kept by all.
const escape = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(' ', '\u00a0');

const spans = (line) => {
  const parts = [];
  for (const { letter, style } of line) {
    const last = parts.at(-1);
    if (last !== undefined && last.style === style) last.text += letter;
    else parts.push({ text: letter, style });
  }
  return parts
    .map(({ text, style }) => {
      const attributes = attributesOf(style);
      return attributes === '' ? escape(text) : `<tspan ${attributes}>${escape(text)}</tspan>`;
    })
    .join('');
};

const draw = (lines) => {
  const [letter, height, margin] = [8.4, 19, 18];
  const width = Math.round(columns * letter + 2 * margin);
  const total = Math.round(lines.length * height + 2 * margin + 24);
  const texts = lines.map(
    (line, index) => `<text x="${margin}" y="${margin + 38 + index * height}">${line}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}" viewBox="0 0 ${width} ${total}" role="img" aria-label="A terminal after training on digits">`,
    '<style>text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }</style>',
    `<rect width="${width}" height="${total}" rx="8" fill="#0d1117"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, index) => `<circle cx="${margin + 6 + index * 20}" cy="18" r="6" fill="${fill}"/>`,
    ),
    ...texts,
    '</svg>',
    '',
  ].join('\n');
};

const screen = screenOf(record());
while (screen.at(-1)?.length === 0) screen.pop();
// The middle epochs look like the others: their place is marked.
const isEpoch = (line) => /^epoch +\d+\//.test(line.map(({ letter }) => letter).join(''));
const epochs = screen.flatMap((line, index) => (isEpoch(line) ? [index] : []));
const [from, to] = [epochs[4], epochs.at(-4)];
const kept = screen.flatMap((line, index) => {
  if (from === undefined || to === undefined || index < from || index >= to) return [spans(line)];
  return index === from ? ['<tspan opacity="0.6">   ⋮</tspan>'] : [];
});
mkdirSync(join(root, 'docs/images'), { recursive: true });
writeFileSync(join(root, 'docs/images/run.svg'), draw([`<tspan fill="#7ee787">$</tspan> ${shown}`, ...kept]));
