import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { gridPng } from '../../src/runtime/addons/image-grid.js';
import * as addons from '../../src/runtime/addons/index.js';
import { csvHeader, csvLines, jsonLines } from '../../src/runtime/addons/predictions.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as format from '../../src/runtime/progress/format.js';
import { wrapWords } from '../../src/values/words.js';
import { liveReporter, reporterFor } from '../../src/runtime/progress/reporter.js';
import type { Tensor } from '../../src/runtime/tensor.js';
import { spacing, summaryLines, tableLines } from '../../src/runtime/progress/training.js';
import { seconds, steps } from '../../src/values/units.js';
import { createEngineUnderTest } from '../engine-under-test.js';
import { LineTrainer } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-progress-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('numbers', () => {
  test('as a run prints them', () => {
    expect([12345.6, 99999.6].map(format.showNumber)).toEqual(['12346', '100000']);
    expect([9999.4, 9999.6, -9999.7].map(format.showNumber)).toEqual(['9999', '10000', '-10000']);
    expect([999, 999_400, 999_600, 999.6e6].map(format.showBytes)).toEqual([
      '999 B',
      '999 kB',
      '1.0 MB',
      '1.0 GB',
    ]);
    expect([0.123456, 12, 0, 1e-5, 123456.7, Number.NaN, -0.5].map(format.showNumber)).toEqual([
      '0.1235',
      '12',
      '0',
      '1e-5',
      '1.23e5',
      'NaN',
      '-0.5000',
    ]);
    expect([999, 1500, 4_200_000].map(format.showBytes)).toEqual(['999 B', '1.5 kB', '4.2 MB']);
    expect([0.42, 12.4, 185, 7620, Number.POSITIVE_INFINITY].map(format.showSeconds)).toEqual([
      '0.4s',
      '12s',
      '3m 05s',
      '2h 07m',
      '?',
    ]);
    expect(format.showCount(1234567)).toBe('1,234,567');
    expect(format.fitParts(['step 3', 'loss 0.5', 'lr 0.1'], 17)).toBe('step 3  loss 0.5');
    expect(format.fitParts(['a long first part'], 5)).toBe('a lo…');
    // What does not fit gives way to what does.
    expect(format.fitParts(['12%', 'step 12345/675000', 'ETA 3m 05s'], 19)).toBe('12%  ETA 3m 05s');
    // A part that is longer than a line goes on below.
    expect(format.wrapParts(['step 1', 'a_long_metric 0.5', 'lr 1'], 16)).toEqual([
      'step 1',
      '  a_long_metric',
      '    0.5',
      '  lr 1',
    ]);
    expect(wrapWords('best a.very.long.name 0.5 at step 3', 12)).toEqual([
      'best',
      '  a.very.long.name',
      '  0.5 at',
      '  step 3',
    ]);
    expect(
      format.table(
        [
          ['a', 'bb'],
          ['ccc', 'd'],
        ],
        80,
      ),
    ).toEqual(['a    bb', 'ccc   d']);
    expect(
      format.table(
        [
          ['a', 'bb'],
          ['ccc', 'd'],
        ],
        4,
      ),
    ).toEqual(['a', 'ccc']);
  });

  test('a table that does not fit says how much of it is shown', () => {
    const wide = Array.from({ length: 1000 }, (_, row) =>
      Array.from({ length: 1000 }, (__, column) => (row === column ? 12 : 0)),
    );
    const lines = tableLines('validate.confusion', wide, { columns: 20, most: 3 });
    expect(lines).toEqual([
      'validate.confusion: 3 × 6 of 1,000 × 1,000',
      '12   0   0  0  0  0',
      '0   12   0  0  0  0',
      '0    0  12  0  0  0',
    ]);
    expect(tableLines('m', wide.slice(0, 3), { columns: Number.POSITIVE_INFINITY, most: 3 })[0]).toBe('m');
    expect(
      tableLines(
        'm',
        [
          [1, 2],
          [3, 4],
        ],
        { columns: 80 },
      ),
    ).toEqual(['m', '1  2', '3  4']);
  });

  describe('a table of classes with names', () => {
    const counts = (size: number): readonly (readonly number[])[] =>
      Array.from({ length: size }, (_, row) =>
        Array.from({ length: size }, (__, column) => (row === column ? 10 : 0)),
      );
    const classes = ['setosa', 'versicolor', 'virginica'];
    test('has them beside the rows and above the columns', () => {
      expect(tableLines('m', counts(3), { columns: 80, classes })).toEqual([
        'm',
        '            setosa  versicolor  virginica',
        'setosa          10           0          0',
        'versicolor       0          10          0',
        'virginica        0           0         10',
      ]);
    });
    test('has their numbers where the names above are too wide', () => {
      expect(tableLines('m', counts(3), { columns: 24, classes })).toEqual([
        'm',
        '               0   1   2',
        '0 setosa      10   0   0',
        '1 versicolor   0  10   0',
        '2 virginica    0   0  10',
      ]);
      expect(tableLines('m', counts(3), { columns: 22, classes })[3]).toBe('1 versico…   0  10   0');
      expect(tableLines('m', counts(3), { columns: 18, classes })[0]).toBe('m: 3 × 2 of 3 × 3');
    });
    test('has their numbers where names are alike as far as they are shown', () => {
      const alike = ['a long name of many a class: red', 'a long name of many a class: blue'];
      expect(tableLines('m', counts(2), { columns: 80, classes: alike })).toEqual([
        'm',
        '                             0   1',
        '0 a long name of many a c…  10   0',
        '1 a long name of many a c…   0  10',
      ]);
    });
    test('sends nothing but letters to the terminal', () => {
      const controls = ['\u001b[31mred', 'b\u009bl\u0007ue\n'];
      expect(tableLines('m', counts(2), { columns: 80, classes: controls })).toEqual([
        'm',
        '           [31mred  b l ue',
        ' [31mred        10        0',
        'b l ue           0       10',
      ]);
    });
    test('stays in the line with twenty of them, in a terminal and where nobody cuts it', () => {
      const twenty = Array.from({ length: 20 }, (_, at) => `a rather long name of the class ${at}`);
      for (const columns of [100, 132, Number.POSITIVE_INFINITY]) {
        const [head = '', above = '', ...rows] = tableLines('m', counts(20), { columns, classes: twenty });
        expect(head).toBe('m');
        expect(above.trim().split(/ +/)).toEqual(Array.from({ length: 20 }, (_, at) => String(at)));
        expect(rows).toHaveLength(20);
        expect(rows[7]).toMatch(/^ 7 a rather/);
        expect(new Set(rows.map((row) => row.length)).size).toBe(1);
        expect(rows[0]?.length).toBeLessThanOrEqual(Math.min(columns, 120));
      }
    });
    test('shows so many columns as there is room for, and the names of the rows', () => {
      const twenty = Array.from({ length: 20 }, (_, at) => `class ${at}`);
      const lines = tableLines('m', counts(20), { columns: 40, most: 2, classes: twenty });
      expect(lines).toEqual([
        'm: 2 × 9 of 20 × 20',
        '             0   1  2  3  4  5  6  7  8',
        ' 0 class 0  10   0  0  0  0  0  0  0  0',
        ' 1 class 1   0  10  0  0  0  0  0  0  0',
      ]);
    });
  });
});

/** A terminal of some columns, as a screen of lines. */
function terminal(columns: number) {
  const written: string[] = [];
  return { columns, isTTY: true, write: (text: string) => written.push(text), text: () => written.join('') };
}

describe('the live line', () => {
  test('is taken back before each line that stays', () => {
    const screen = terminal(30);
    const reporter = liveReporter(screen, () => undefined);
    reporter.live('step 1');
    reporter.line('epoch done');
    reporter.end();
    expect(screen.text()).toBe('\r\u001b[2Kstep 1\r\u001b[2Kepoch done\nstep 1\r\u001b[2K');
  });

  test('only on a terminal that wants it', () => {
    const on = (environment: Readonly<Record<string, string>>, isTTY = true): boolean =>
      reporterFor('auto', { ...terminal(80), isTTY }, environment, () => undefined).isLive;
    expect([on({}), on({ CI: '1' }), on({ NO_COLOR: '1' }), on({ TERM: 'dumb' }), on({}, false)]).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(reporterFor('bar', terminal(80), { CI: '1' }, () => undefined).isLive).toBe(true);
  });

  test.each([20, 80])('a whole run fits %d columns', async (columns) => {
    const screen = terminal(columns);
    const trainer = new LineTrainer({ options: { epochs: 4 } });
    await trainer.fit({ stream: screen, environment: {}, runDir: null });
    const lines = screen.text().split(/\n|\r\u001b\[2K/);
    expect(lines.some((line) => line.startsWith('epoch 4/4'))).toBe(true);
    const fixed = lines.filter((line) => /%|epoch \d|^Line\.|^weights|values \(/.test(line));
    expect(fixed.length).toBeGreaterThan(5);
    fixed.forEach((line) => expect(line.length).toBeLessThanOrEqual(columns));
    // What is too long for a line goes on in the next: nothing of it is lost.
    const shown = lines.map((line) => line.trim()).join(' ');
    expect(shown).toContain('3 values (12 B), 3 trained LineTrainer on ');
    const isWord = (line: string): boolean => !line.trim().includes(' ');
    const said = lines.filter((line) => !isWord(line));
    said.forEach((line) => expect(line.length, line).toBeLessThanOrEqual(columns));
  });

  test('the table of weights is as deep as it was asked for', async () => {
    const tableOf = async (summary: boolean | number | undefined): Promise<readonly string[]> => {
      const screen = terminal(80);
      const trainer = new LineTrainer({
        options: { epochs: 1, progress: 'plain', ...(summary === undefined ? {} : { summary }) },
      });
      await trainer.fit({ stream: screen, environment: {}, runDir: null });
      return screen
        .text()
        .split('\n')
        .filter((line) => /^Line\.|^weights|values \(/.test(line))
        .map((line) => line.trim().replaceAll(/ +/g, ' '));
    };
    const head = 'weights shape count bytes';
    const total = '3 values (12 B), 3 trained';
    const all = [head, 'Line.dense.weight [2, 1] 2 8 B', 'Line.dense.bias [1] 1 4 B', total];
    expect(await tableOf(undefined)).toEqual(all);
    expect(await tableOf(true)).toEqual(all);
    expect(await tableOf(2)).toEqual(all);
    expect(await tableOf(50)).toEqual(all);
    expect(await tableOf(1)).toEqual([head, 'Line.dense 3 12 B', total]);
    expect(await tableOf(false)).toEqual([]);
  });

  test('is taken back from all rows that it has where the terminal became narrower', () => {
    const screen = { ...terminal(40), columns: 40 };
    const reporter = liveReporter(screen, () => undefined);
    reporter.live('x'.repeat(39));
    screen.columns = 20;
    reporter.live('y'.repeat(39));
    expect(screen.text()).toBe(`\r\u001b[2K${'x'.repeat(39)}\r\u001b[1A\u001b[J${'y'.repeat(18)}…`);
    screen.columns = 10;
    reporter.line('stays');
    expect(screen.text().endsWith(`…\r\u001b[1A\u001b[Jstays\n${'y'.repeat(8)}…`)).toBe(true);
    screen.columns = 40;
    reporter.end();
    expect(screen.text().endsWith(`${'y'.repeat(8)}…\r\u001b[2K`)).toBe(true);
  });

  test('a terminal that does not know its width counts as one of 80 columns', () => {
    const reporter = liveReporter({ ...terminal(0) }, () => undefined);
    expect(reporter.columns()).toBe(80);
  });

  test.each([20, 40, 80])('a run that only time ends is timed in %d columns', async (columns) => {
    const screen = terminal(columns);
    const trainer = new LineTrainer({ options: { epochs: null, maxTime: seconds(0.5) } });
    await trainer.fit({ stream: screen, environment: {}, runDir: null });
    const live = [...screen.text().matchAll(/\r\u001b\[2K([^\r\n]*)/g)].map(([, line = '']) => line);
    const timed = live.filter((line) => /^\d+%/.test(line));
    expect(timed.length).toBeGreaterThan(1);
    timed.forEach((line) => {
      expect(line.length).toBeLessThan(columns);
      expect(line).not.toMatch(/NaN|Infinity|\?/);
    });
    expect(timed.some((line) => /ETA 0\.\ds/.test(line))).toBe(true);
    // While validating, the run's place stays in sight where there is room.
    const validating = live.filter((line) => line.startsWith('validate '));
    validating.forEach((line) => expect(line.length).toBeLessThan(columns));
    if (columns === 80)
      expect(validating.at(-1)).toMatch(/^validate \d+\/\d+ {2}\d+% {2}step \d+ {2}epoch \d+/);
  });

  test('lines of a long run grow apart, to one a minute', () => {
    expect([1, 200, 1000, 4000].map((at) => spacing(1, at))).toEqual([1, 1, 5, 20]);
    expect([1, 1000, 12_000, 1e6].map((at) => spacing(5, at))).toEqual([5, 5, 60, 60]);
  });

  test('none prints nothing', async () => {
    const screen = terminal(80);
    await new LineTrainer({ options: { progress: 'none' } }).fit({ stream: screen, runDir: null });
    expect(screen.text()).toBe('');
  });
});

describe('the summary', () => {
  const result = {
    reason: 'stopped',
    because: 'validate.loss did not improve',
    signal: null,
    at: { step: 180, epoch: 4, seconds: 90 },
    rows: 5760,
    metrics: new Map([
      ['train.loss', 0.1881],
      ['validate.a_metric_of_a_long_name', 0.5],
    ]),
  } as const;
  const best = [{ metric: 'validate.loss', value: 0.131, at: { step: 91, epoch: 2, seconds: 40 } }];
  const files = {
    folder: 'runs/a',
    checkpoints: ['runs/a/checkpoints/best'],
    resumes: [],
    plot: null,
    goOn: null,
  };
  const at = (columns: number, plot: ((folder: string) => string) | null = null): readonly string[] =>
    summaryLines(result, best, { stepsPerEpoch: 45 }, { ...files, plot }, columns);

  test('says why the run ended, what it came to, the best and where, and where the files are', () => {
    expect(at(120, (folder) => `ztrainc plot ${folder}`)).toEqual([
      'stopped early (validate.loss did not improve) after 180 steps in 1m 30s, 2 steps/s, 64 rows/s',
      'train.loss                        0.1881',
      'validate.a_metric_of_a_long_name  0.5000',
      // The 91st step is the first of the third epoch.
      'best validate.loss 0.1310 at step 91, epoch 3',
      'checkpoint: runs/a/checkpoints/best',
      'run: runs/a',
      'plot: ztrainc plot runs/a',
    ]);
  });

  test('fits 20 columns but for names and paths, which are to be copied', () => {
    const lines = at(20);
    expect(lines.at(-1)).toBe('run: runs/a');
    expect(lines.slice(0, 2)).toEqual(['stopped early', '  (validate.loss did']);
    expect(lines.slice(3, 7)).toEqual(['  180 steps in 1m', '  30s', '  2 steps/s', '  64 rows/s']);
    const wide = lines.filter((line) => line.length > 20);
    expect(wide).toEqual(['validate.a_metric_of_a_long_name', 'checkpoint: runs/a/checkpoints/best']);
    expect(lines.slice(-5, -2)).toEqual(['best validate.loss', '  0.1310 at step 91,', '  epoch 3']);
  });

  test('says where it was resumed', () => {
    const lines = (resumes: readonly number[]): readonly string[] =>
      summaryLines(result, best, { stepsPerEpoch: 45 }, { ...files, resumes }, 120);
    expect(lines([30])[1]).toBe('resumed after step 30');
    expect(lines([30, 90])[1]).toBe('resumed after steps 30, 90');
  });

  test('says how to go on, where it was interrupted', () => {
    const lines = (reason: 'interrupted' | 'finished'): readonly string[] =>
      summaryLines(
        { ...result, reason, because: null },
        [],
        { stepsPerEpoch: 45 },
        { ...files, goOn: (folder) => `ztrainc run a.ztrain --resume ${folder}` },
        200,
      );
    expect(lines('interrupted').at(-1)).toBe('go on: ztrainc run a.ztrain --resume runs/a');
    expect(lines('finished').join()).not.toContain('go on');
  });

  test('names no plot where nothing was written', () => {
    const none = {
      folder: null,
      checkpoints: [],
      resumes: [],
      plot: () => 'ztrainc plot',
      goOn: () => 'again',
    };
    expect(summaryLines(result, [], { stepsPerEpoch: 45 }, none, 200)).toHaveLength(3);
  });
});

describe('a run of very many short epochs', () => {
  class Watched extends LineTrainer {
    protected override configureAddOns() {
      return [
        addons.checkpoint({ best: { metric: 'validate.loss', mode: 'min' } }),
        addons.earlyStopping({ monitor: { metric: 'validate.rmse', mode: 'max' }, patience: 1000 }),
      ];
    }
  }

  test('shows each validation that is the best so far, and leaves others out', async () => {
    const runDir = join(root, 'long');
    const stream = { write: () => undefined };
    const options = { epochs: 120, seed: 1 };
    await new Watched({ options, params: { lr: 0.002 } }).fit({ runDir, stream, environment: {} });
    const all = readFileSync(join(runDir, 'metrics.jsonl'), 'utf8').match(/"validate"/g) ?? [];
    expect(all).toHaveLength(120);
    const shown = (path: string): readonly string[] =>
      readFileSync(join(path, 'console.log'), 'utf8')
        .split('\n')
        .filter((line) => line.includes('  validate  '));
    // The loss falls in each epoch: each is the best.
    expect(shown(runDir)).toHaveLength(120);
    const other = join(root, 'unwatched');
    await new LineTrainer({ options, params: { lr: 0.002 } }).fit({ runDir: other, stream, environment: {} });
    expect(shown(other).length).toBeLessThan(30);
  });
});

describe('add-ons that write', () => {
  test('an image grid', async () => {
    class Images extends LineTrainer {
      protected override configureAddOns() {
        return [
          addons.imageGrid({
            of: () => ops.uniform({ shape: [5, 4, 3, 1], seed: 1, draw: 'grid' }),
            every: steps(5),
            low: 0,
          }),
          addons.imageGrid({
            label: 'dark',
            of: () => ops.zeros({ shape: [1, 2, 2, 1] }),
            every: steps(10),
          }),
        ];
      }
    }
    const runDir = join(root, 'images');
    await new Images({ options: { progress: 'none', epochs: 2 } }).fit({ runDir });
    expect(readdirSync(join(runDir, 'images', 'dark'))).toEqual(['step-00000010.png']);
    const names = readdirSync(join(runDir, 'images')).filter((name) => name !== 'dark');
    expect(names).toEqual(['step-00000005.png', 'step-00000010.png']);
    const [first, second] = names.map((name) => readFileSync(join(runDir, 'images', name)));
    expect(first).toEqual(second);
    const png = PNG.sync.read(first ?? Buffer.alloc(0));
    // 5 images: 3 columns, 2 lines, one pixel between.
    expect([png.width, png.height]).toEqual([3 * 4 - 1, 2 * 5 - 1]);
  });

  test('what an add-on has evaluated again and again is compiled once, and freed at the end', async () => {
    const engine = await createEngineUnderTest();
    const { session } = await new LineTrainer().prepare({ kinds: ['train'], dataRoot: root, engine });
    const compile = vi.spyOn(engine, 'compile');
    const body = (): readonly Tensor[] => [ops.uniform<Tensor>({ shape: [3], draw: 'grid' })];
    const [first] = await session.evaluate('grid', body);
    expect(await session.evaluate('grid', body)).toEqual([first]);
    expect(compile).toHaveBeenCalledTimes(1);
    // Draws are keyed by the name.
    expect(await session.evaluate('other', body)).not.toEqual([first]);
    const disposals = compile.mock.results.map(({ value }) => vi.spyOn(value, 'dispose'));
    for (let i = 0; i < 7; i++) await session.evaluate('fresh', () => body());
    expect(disposals.map(({ mock }) => mock.calls.length)).toEqual([1, 0]);
    await session.close();
    expect(disposals.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });

  test('colours, and values beyond the limits', () => {
    const values = Float32Array.of(-1, 0, 1, 5, -5, 1);
    const png = PNG.sync.read(gridPng({ dtype: 'f32', shape: [1, 1, 2, 3], values }, -1, 1));
    expect([...png.data]).toEqual([0, 128, 255, 255, 255, 0, 255, 255]);
    expect(() => gridPng({ dtype: 'f32', shape: [1, 2, 2, 2], values: new Float32Array(8) }, 0, 1)).toThrow(
      '1, 3 or 4',
    );
  });

  const rows = new Map<string, HostTensor>([
    ['guess', { dtype: 'i32', shape: [2], values: Int32Array.of(3, 1) }],
    ['scores', { dtype: 'f32', shape: [2, 2], values: Float32Array.of(0.1, Number.NaN, 1e-7, 2) }],
    ['sure', { dtype: 'bool', shape: [2], values: Uint8Array.of(1, 0) }],
  ]);

  test('rows as CSV and as JSON lines', () => {
    expect([csvHeader(rows), ...csvLines(rows)]).toEqual([
      'guess,scores.0,scores.1,sure',
      '3,0.1,NaN,true',
      '1,1e-7,2,false',
    ]);
    expect(jsonLines(rows).map((line): unknown => JSON.parse(line))).toEqual([
      { guess: 3, scores: [0.1, 'NaN'], sure: true },
      { guess: 1, scores: [1e-7, 2], sure: false },
    ]);
    // The shortest text that reads back as the same f32, also where that takes nine digits.
    const long = Float32Array.of(0.11107749491930008, 16777216, 1 / 3, 3.4028234663852886e38);
    const texts = csvLines(new Map([['v', { dtype: 'f32', shape: [4], values: long }]]));
    expect(texts).toEqual(['0.111077495', '16777216', '0.33333334', '3.4028235e+38']);
    expect(Float32Array.from(texts, Number)).toEqual(long);
    const uneven = new Map(rows).set('more', { dtype: 'f32', shape: [3], values: new Float32Array(3) });
    expect(() => csvLines(uneven)).toThrow('fields of 2 and 3 rows');
  });

  test('predictions to a file', async () => {
    class Predicting extends LineTrainer {
      protected override configureAddOns() {
        return [addons.predictions({ file: join(root, 'out', 'rows.csv') })];
      }
    }
    const runDir = join(root, 'predicted');
    await new Predicting({ options: { progress: 'none' } }).fit({ runDir });
    const count = await new Predicting({ options: { progress: 'none' } }).predict(runDir, () => undefined, {
      dataRoot: root,
    });
    expect(count).toBe(8);
    expect(
      readFileSync(join(root, 'out', 'rows.csv'), 'utf8')
        .trim()
        .split('\n'),
    ).toHaveLength(9);
    expect(() => addons.predictions({ file: 'x.txt' })).toThrow('.csv or .jsonl');
    // A dev run or one that fails leaves the whole file as it was, and nothing beside it.
    const before = readFileSync(join(root, 'out', 'rows.csv'), 'utf8');
    const seen: number[] = [];
    const dev = await new Predicting({ options: { progress: 'none' } }).predict(
      runDir,
      (part) => void seen.push(part.get('guess')?.values.length ?? 0),
      { dataRoot: root, devRun: 1 },
    );
    expect([dev, ...seen]).toEqual([3, 3]);
    class Failing extends Predicting {
      protected override configureAddOns() {
        const breaks: AddOn = {
          kind: 'breaks',
          phase: 'dependent',
          owns: [],
          withOptions: () => breaks,
          start: () => ({
            predicted: () => {
              throw new Error('broken');
            },
          }),
        };
        return [...super.configureAddOns(), breaks];
      }
    }
    await expect(
      new Failing({ options: { progress: 'none' } }).predict(runDir, () => undefined, { dataRoot: root }),
    ).rejects.toThrow('add-on breaks failed in predicted: broken');
    expect(readFileSync(join(root, 'out', 'rows.csv'), 'utf8')).toBe(before);
    expect(readdirSync(join(root, 'out'))).toEqual(['rows.csv']);
  });

  test('predictions that cannot be written say what to do', async () => {
    class Full extends LineTrainer {
      protected override configureAddOns() {
        return [addons.predictions({ file: join(root, 'occupied', 'rows.csv') })];
      }
    }
    const runDir = join(root, 'unwritten');
    writeFileSync(join(root, 'occupied'), '');
    await new Full({ options: { progress: 'none' } }).fit({ runDir });
    await expect(
      new Full({ options: { progress: 'none' } }).predict(runDir, () => undefined),
    ).rejects.toThrow(/cannot write .*rows\.csv: .*choose another file for predictions/);
  });

  test('two that own the same are refused', async () => {
    class Two extends LineTrainer {
      protected override configureAddOns() {
        return [addons.checkpoint(), addons.checkpoint({ keep: 2 })];
      }
    }
    await expect(new Two({ options: { progress: 'none' } }).fit({ runDir: null })).rejects.toThrow(
      'both own "checkpoint"',
    );
  });
});
