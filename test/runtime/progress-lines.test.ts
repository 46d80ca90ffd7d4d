/** Lines of progress: how many there are, how wide they are, and what they say of learning rates. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as optim from '../../src/runtime/optim/index.js';
import * as format from '../../src/runtime/progress/format.js';
import { columnsOf } from '../../src/values/words.js';
import { liveReporter, reporterFor } from '../../src/runtime/progress/reporter.js';
import { steps } from '../../src/values/units.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import { LineTrainer, type LineModels, type LineParams } from './tiny-trainer.js';

/** A terminal of some columns. */
function terminal(columns: number) {
  const written: string[] = [];
  return { columns, isTTY: true, write: (text: string) => written.push(text), text: () => written.join('') };
}

describe('lines of progress', () => {
  test('wide letters have two columns, marks none', () => {
    const wide = '数据集';
    expect([wide, '🎉', 'e\u0301', 'abc', '👨‍👩‍👧'].map(columnsOf)).toEqual([6, 2, 1, 3, 2]);
    expect(format.fit(wide, 6)).toBe(wide);
    // No letter is cut in two, nor is a mark taken from its letter.
    expect([5, 4, 3, 2, 1, 0].map((width) => format.fit(wide, width))).toEqual([
      '数据…',
      '数…',
      '数…',
      '…',
      '…',
      '',
    ]);
    expect(format.fit('e\u0301e\u0301e\u0301', 2)).toBe('e\u0301…');
    expect(format.fitParts([wide, 'ab'], 9)).toBe(wide);
    expect(format.fitParts([wide, 'ab'], 10)).toBe(`${wide}  ab`);
    expect(format.wrapParts([wide, 'ab'], 9)).toEqual([wide, '  ab']);
    expect(
      format.table(
        [
          [wide, '1'],
          ['a', '据'],
        ],
        80,
      ),
    ).toEqual([`${wide}   1`, 'a       据']);
  });

  test('a line of wide letters is never wider than the terminal, and is taken back from its rows', () => {
    const screen = { ...terminal(20), columns: 20 };
    const reporter = liveReporter(screen, () => undefined);
    reporter.live('数'.repeat(30));
    expect(screen.text()).toBe(`\r\u001b[2K${'数'.repeat(9)}…`);
    // Of 9 columns a letter of two leaves the last one free: 19 columns take three rows.
    screen.columns = 9;
    reporter.end();
    expect(screen.text().endsWith('…\r\u001b[2A\u001b[J')).toBe(true);
  });

  test('bar without a terminal is plain lines, and says so once', () => {
    const written: string[] = [];
    const logged: string[] = [];
    const pipe = { isTTY: false, write: (text: string) => written.push(text) };
    for (let run = 0; run < 3; run += 1) {
      const reporter = reporterFor('bar', pipe, { CI: '1' }, (line) => logged.push(line));
      expect(reporter.isLive).toBe(false);
      reporter.line(`run ${run}`);
    }
    const note = 'note: progress = "bar" needs a terminal; plain lines are printed instead';
    expect(logged).toEqual([note, 'run 0', 'run 1', 'run 2']);
    expect(written).toEqual(logged.map((line) => `${line}\n`));
    reporterFor('auto', { ...pipe, write: () => expect.unreachable() }, {}, () => undefined);
  });

  test('of a run of few epochs, plain lines come at each twentieth part, however fast it is', async () => {
    const linesOf = async (
      options: TrainerOptions,
      params: Partial<LineParams>,
    ): Promise<readonly string[]> => {
      const written: string[] = [];
      const stream = { write: (text: string) => written.push(text) };
      const trainer = new LineTrainer({ options, params });
      await trainer.fit({ stream, environment: {}, runDir: null });
      return written
        .join('')
        .split('\n')
        .filter((line) => /^epoch \d+.*  train  /.test(line));
    };
    const one = await linesOf({ epochs: 1 }, { rows: 400, batchSize: 1 });
    expect(one.length).toBeGreaterThanOrEqual(20);
    // A slow machine adds no more than a line in 5 seconds.
    expect(one.length).toBeLessThanOrEqual(40);
    const places = one.map((line) => Number(/step (\d+)/.exec(line)?.[1]));
    places.slice(1).forEach((step, at) => expect(step - (places[at] ?? 0)).toBeLessThanOrEqual(22));
    // Of many epochs, those are the lines, after the first one.
    expect(await linesOf({ epochs: 12 }, { rows: 20, batchSize: 1 })).toHaveLength(1 + 12);
  });

  test.each([20, 40])('in a terminal of %d columns lines break between words', async (columns) => {
    const screen = terminal(columns);
    const folder = mkdtempSync(join(tmpdir(), 'ztrain-narrow-'));
    try {
      const trainer = new LineTrainer({ options: { epochs: 2 } });
      await trainer.fit({ stream: screen, environment: {}, runDir: join(folder, 'run') });
    } finally {
      rmSync(folder, { recursive: true });
    }
    const lines = screen
      .text()
      .split(/\n|\r\u001b\[2K/)
      .filter((line) => !/^(checkpoint|run): /.test(line));
    expect(lines.join(' ')).toContain('an epoch');
    expect(lines.filter((line) => line.length > columns && line.trim().includes(' '))).toEqual([]);
  });

  test('the learning rate of what is frozen is shown as frozen', async () => {
    class Thawing extends LineTrainer {
      protected override configureOptimizers(models: LineModels) {
        const group = { name: 'bias', match: ['dense.bias'], lr: 0.5, freeze: steps(5) };
        return { opt: optim.sgd({ of: [models.line], lr: 0.1, groups: [group] }) };
      }
    }
    class Ending extends LineTrainer {
      protected override configureOptimizers(models: LineModels) {
        const groups = [{ name: 'bias', match: ['dense.bias'], lr: 0.5, freeze: steps(0) }];
        return {
          opt: optim.sgd({
            of: [models.line],
            lr: 0.1,
            freeze: optim.freezeAfter({ from: steps(5) }),
            groups,
          }),
        };
      }
    }
    const shown = async (trainer: LineTrainer, isTTY: boolean): Promise<readonly string[]> => {
      const screen = { ...terminal(200), isTTY };
      await trainer.fit({ stream: screen, environment: {}, runDir: null });
      return screen.text().split(/\n|\r\u001b\[2K/);
    };
    const options = { epochs: 2 };
    const ratesIn = (lines: readonly string[]): readonly string[] =>
      lines
        .filter((line) => / step (?:5|10) {2}train {2}/.test(line))
        .map((line) => line.replace(/.*?(lr .*?) {2}[\d.]+ steps.*/, '$1'));
    expect(ratesIn(await shown(new Thawing({ options }), false))).toEqual([
      'lr opt 0.1000  lr opt.bias frozen',
      'lr opt 0.1000  lr opt.bias 0.5000',
    ]);
    expect(ratesIn(await shown(new Ending({ options }), false))).toEqual([
      'lr opt 0.1000  lr opt.bias 0.5000',
      'lr opt frozen  lr opt.bias 0.5000',
    ]);
    // The live line has the rate of what moves.
    const live = (await shown(new Ending({ options, params: { rows: 400 } }), true)).filter((line) =>
      /^\d+%/.test(line),
    );
    expect(live.some((line) => line.endsWith('lr opt.bias 0.5000'))).toBe(true);
  });
});
