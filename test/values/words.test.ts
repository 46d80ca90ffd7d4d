/** Words over the lines of a narrow terminal: none that fits is broken, and nothing is lost. */
import { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { helpColumns, helpLayout } from '../../src/cli/help-layout.js';
import { writeWords } from '../../src/runtime/progress/reporter.js';
import { columnsOf, indented, termLines, wrapWords } from '../../src/values/words.js';

/** The words of lines, whatever lies between them. */
const wordsOf = (lines: readonly string[]): readonly string[] => lines.join(' ').split(/ +/).filter(Boolean);

/** Lines that are wider than the terminal: only those of a single word may be. */
const tooWide = (lines: readonly string[], width: number): readonly string[] =>
  lines.filter((line) => columnsOf(line) > width && line.trim().includes(' '));

describe('words over lines', () => {
  test('all lines but the first are indented, except for a word that fits without', () => {
    const text = 'writing to runs/DigitsTrainer/20261127-053706-9a4d now';
    expect(wrapWords(text, 40)).toEqual(['writing to', 'runs/DigitsTrainer/20261127-053706-9a4d', '  now']);
    expect(wrapWords(text, 41)).toEqual(['writing to', '  runs/DigitsTrainer/20261127-053706-9a4d', '  now']);
    // A word that fits nowhere is not cut.
    expect(wrapWords(text, 20)).toEqual(['writing to', '  runs/DigitsTrainer/20261127-053706-9a4d', '  now']);
    expect(wrapWords('  indented before', 12)).toEqual(['  indented', '  before']);
    expect(wrapWords('数据 数据 数据', 9)).toEqual(['数据 数据', '  数据']);
    expect(wrapWords(text, Number.POSITIVE_INFINITY)).toEqual([text]);
    expect(indented('a b c', 7, 4)).toEqual(['    a b', '    c']);
  });

  test('what is said of a term stands beside it, or below where there is no room', () => {
    const layout = { termWidth: 8 };
    const text = 'one two three four five six seven';
    expect(termLines('--term', text, { ...layout, width: 80 })).toEqual([`  --term    ${text}`]);
    expect(termLines('--term', text, { ...layout, width: 36 })).toEqual([
      '  --term    one two three four five',
      '            six seven',
    ]);
    expect(termLines('--term', text, { ...layout, width: 20 })).toEqual([
      '  --term',
      '    one two three',
      '    four five six',
      '    seven',
    ]);
    expect(termLines('--term', '', { ...layout, width: 20 })).toEqual(['  --term']);
  });

  test('of any words and any width, none that fits is broken and none is lost', () => {
    const words = fc.array(fc.stringMatching(/^[a-z<>.]{1,30}$/), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(words, fc.integer({ min: 10, max: 120 }), (some, width) => {
        const [term = '', ...rest] = some;
        for (const lines of [
          wrapWords(some.join(' '), width),
          termLines(term, rest.join(' '), { termWidth: 12, width }),
        ]) {
          expect(wordsOf(lines)).toEqual(some);
          expect(tooWide(lines, width)).toEqual([]);
          const long = lines.filter((line) => columnsOf(line) > width);
          // What is too wide is a word that fits beside no indent.
          for (const line of long) expect(columnsOf(line.trim())).toBeGreaterThan(width - 6);
        }
      }),
    );
  });
});

describe('help of commands', () => {
  const text = 'go on with a run: its folder, one of its checkpoints, or auto, the newest that was left';
  const help = (stream: { readonly isTTY?: boolean; readonly columns?: number }): string => {
    let written = '';
    const command = new Command('program')
      .description('compiles and trains whatever a specification says')
      .argument('[name=value...]', 'params, and attributes as owner.name=value')
      .option('--resume <run>', text)
      .configureHelp(helpLayout)
      .configureOutput({
        getOutHelpWidth: () => helpColumns(stream),
        writeOut: (each) => void (written += each),
      });
    command.outputHelp();
    return written;
  };

  test.each([20, 40, 60, 80])('breaks between words in a terminal of %d columns', (columns) => {
    const narrow = help({ isTTY: true, columns });
    const lines = narrow.split('\n');
    expect(lines.filter((line) => columnsOf(line) > columns)).toEqual([]);
    expect(wordsOf(lines)).toEqual(wordsOf(help({}).split('\n')));
  });

  test('is not wrapped in a file or a pipe, and in one of 80 columns where a terminal does not know its own', () => {
    expect(help({ columns: 40 })).toContain(text);
    expect(help({ isTTY: true, columns: 0 })).toBe(help({ isTTY: true, columns: 80 }));
    expect(help({ isTTY: true, columns: 80 })).not.toContain(text);
  });
});

test('lines of an add-on stay lines, and what has columns of its own keeps them', () => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 20, write: (text: string) => void written.push(text) };
  writeWords(stream, 'harvested so many rows of it\nname    rows of the whole run');
  expect(written.join('')).toBe('harvested so many\n  rows of it\nname    rows of the whole run\n');
});
