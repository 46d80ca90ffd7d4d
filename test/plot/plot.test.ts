import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { RunCurves } from '../../src/plot/curves.js';
import { figureOf, shortNames, smoothed, type FigureOptions } from '../../src/plot/figure.js';
import { readRun, runsOfSweep } from '../../src/plot/read-run.js';
import { escaped, svgOf } from '../../src/plot/svg.js';
import { textOf } from '../../src/plot/text.js';
import { partsOf, thinned } from '../../src/plot/thin.js';
import { fourEpochs, writeRun, type Line } from './made-up-run.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-plot-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
const runOf = (lines: readonly (Line | string)[]): Promise<RunCurves> => {
  made += 1;
  return readRun(writeRun(join(root, `run-${made}`), lines));
};

const usual: FigureOptions = { metrics: null, along: 'step', smooth: 1, log: null };
const valuesOf = (run: RunCurves, stage: string, metric: string): readonly number[] | undefined =>
  run.curves
    .find((curve) => curve.stage === stage && curve.metric === metric)
    ?.points.map(({ value }) => value);

const train = (step: number, loss: number | string, over = 'window'): Line => ({
  stage: 'train',
  over,
  step,
  epoch: Math.floor(step / 10),
  wall: step,
  loss,
});

describe('a run is read', () => {
  test('with its trainer, and epochs that have a fraction', async () => {
    const run = await runOf([train(5, 2), train(10, 1)]);
    expect(run.trainer).toBe('Made<Up>');
    expect(run.curves[0]?.points.map(({ epoch }) => epoch)).toEqual([0.5, 1]);
  });

  test('with where it was resumed, as far as those steps are still its own', async () => {
    const path = join(root, 'resumed');
    writeRun(path, fourEpochs);
    const about: unknown = JSON.parse(readFileSync(join(path, 'run.json'), 'utf8'));
    const starts = [0, 12, 35, 20, 30].map((step) => ({ step, seconds: step / 2 }));
    writeFileSync(join(path, 'run.json'), JSON.stringify({ ...Object(about), starts }));
    const run = await readRun(path);
    // The one after step 20 has replaced what came after that of step 35.
    expect(run.resumes).toEqual([
      { step: 12, epoch: 1.2, time: 6 },
      { step: 20, epoch: 2, time: 10 },
      { step: 30, epoch: 3, time: 15 },
    ]);
    const figure = figureOf([run], usual);
    expect(svgOf(figure)).toContain('dotted: resumed');
    expect(svgOf(figure).match(/stroke-dasharray="1 3"/g)).toHaveLength(3 * figure.panels.length);
    const lines = textOf(figure, { columns: 60, color: false });
    expect(lines.filter((line) => line.includes('┴ resumed'))).toHaveLength(figure.panels.length);
    const axis = lines.find((line) => line.includes('└')) ?? '';
    expect(axis.match(/┴/g)).toHaveLength(3);
    // Along time, seconds: the last of the curve's is before that of the last two.
    expect(figureOf([run], { ...usual, along: 'time' }).panels[0]?.resumes).toEqual([6]);
    expect(svgOf(figureOf([await runOf(fourEpochs)], usual))).not.toContain('resumed');
  });

  test('without a last line that is cut off', async () => {
    const run = await runOf([train(5, 2), '{"stage":"train","over":"window","step":1']);
    expect(valuesOf(run, 'train', 'loss')).toEqual([2]);
    // Whole but for its line break, it counts.
    const whole = await runOf([train(5, 2), JSON.stringify(train(6, 1))]);
    expect(valuesOf(whole, 'train', 'loss')).toEqual([2, 1]);
  });

  test('not where a line before the last is none of metrics', async () => {
    await expect(runOf([train(5, 2), 'hello\n', train(6, 1)])).rejects.toThrow(
      /metrics\.jsonl:2 is no line of metrics/,
    );
  });

  test('with NaN and infinities, which JSON has only as text', async () => {
    const run = await runOf([train(1, 'NaN'), train(2, '-Infinity'), train(3, 1)]);
    expect(valuesOf(run, 'train', 'loss')).toEqual([Number.NaN, Number.NEGATIVE_INFINITY, 1]);
  });

  test('by windows or by epochs, whichever are more; of as many, by epochs', async () => {
    const windows = await runOf([train(5, 3), train(10, 2), train(10, 9, 'epoch')]);
    expect(valuesOf(windows, 'train', 'loss')).toEqual([3, 2]);
    const epochs = await runOf([train(5, 3), train(10, 9, 'epoch')]);
    expect(valuesOf(epochs, 'train', 'loss')).toEqual([9]);
  });

  test('only where one is', async () => {
    await expect(readRun(join(root, 'nowhere'))).rejects.toMatchObject({ kind: 'absent' });
    await expect(runOf([])).rejects.toMatchObject({ kind: 'missing' });
    await expect(runOf(['{"sta'])).rejects.toThrow(/has measured nothing so far/);
    const inside = writeRun(join(root, 'many', 'one'), [train(1, 1)]);
    await expect(readRun(join(root, 'many'))).rejects.toThrow(`did you mean ${inside}?`);
    await expect(readRun(join(inside, 'run.json'))).rejects.toThrow(/is a file/);
  });

  test('as all runs of a sweep that have begun', () => {
    const folder = join(root, 'sweep');
    const first = writeRun(join(folder, 'point-1', 'run-1'), [train(1, 1)]);
    const runs = ['point-1/run-1', 'point-1/run-2'].map((name) => ({ folder: name }));
    writeFileSync(join(folder, 'sweep.json'), JSON.stringify({ points: [{ runs }] }));
    expect(runsOfSweep(folder)).toEqual([{ path: first, label: '' }]);
    expect(runsOfSweep(root)).toBeNull();
  });

  test('of a sweep by the settings that differ among them', async () => {
    const folder = join(root, 'settings');
    const all = [
      { lr: 0.01, units: 4, 'opt.clip': null, fold: 0 },
      { lr: 0.01, units: 4, 'opt.clip': '2.steps', fold: 1 },
      { lr: 1e-7, units: 4, 'opt.clip': null, fold: 0 },
    ];
    const runs = all.map((settings, at) => ({ folder: `point-${at}`, settings }));
    const paths = runs.map((run) => writeRun(join(folder, run.folder), fourEpochs));
    const write = (shown: typeof runs): void =>
      writeFileSync(
        join(folder, 'sweep.json'),
        JSON.stringify({ points: shown.map((run) => ({ runs: [run] })) }),
      );
    write(runs);
    const found = runsOfSweep(folder) ?? [];
    const labels = [
      'lr=0.01 opt.clip=none fold=0',
      'lr=0.01 opt.clip=2.steps fold=1',
      'lr=1e-7 opt.clip=none fold=0',
    ];
    expect(found).toEqual(paths.map((path, at) => ({ path, label: labels[at] })));
    const curves = await Promise.all(
      found.map(async ({ path, label }) => ({ ...(await readRun(path)), label })),
    );
    expect(figureOf(curves, usual).runs).toEqual(labels);
    // Beside a run of the same settings in another sweep, and one of none.
    const [one, two] = curves;
    if (one === undefined || two === undefined) throw new Error('no curves');
    const beside = [
      one,
      two,
      { ...one, path: join(root, 'other', 'point-0') },
      { ...two, path: join(root, 'runs', 'alone'), label: '' },
    ];
    expect(figureOf(beside, usual).runs.slice(1)).toEqual([
      labels[1],
      `other/point-0 ${labels[0]}`,
      'runs/alone',
    ]);
    write(runs.slice(2));
    expect(runsOfSweep(folder)?.map(({ label }) => label)).toEqual(['lr=1e-7 units=4 opt.clip=none fold=0']);
  });
});

describe('a figure', () => {
  test('has a panel for each metric, with train and validate together, and no rates unless asked', async () => {
    const run = await runOf(fourEpochs);
    const figure = figureOf([run], usual);
    expect(figure.panels.map(({ metric, lines }) => [metric, lines.map(({ stage }) => stage)])).toEqual([
      ['loss', ['train', 'validate']],
      ['accuracy', ['validate']],
    ]);
    const asked = figureOf([run], { ...usual, metrics: ['lr', 'validate.loss', 'steps_per_second'] });
    expect(asked.panels.map(({ metric, lines }) => [metric, lines.map(({ stage }) => stage)])).toEqual([
      ['lr.opt', ['train']],
      ['loss', ['validate']],
      ['steps_per_second', ['train']],
    ]);
    expect(asked.stages).toEqual(['train', 'validate']);
  });

  test('names what a misspelt metric may have meant', async () => {
    const run = await runOf(fourEpochs);
    const ask = (name: string) => () => figureOf([run], { ...usual, metrics: [name] });
    expect(ask('validate.acuracy')).toThrow('"validate.acuracy"; did you mean validate.accuracy?');
    expect(ask('train.accuracy')).toThrow(/no run has measured "train\.accuracy"/);
    expect(ask('zzzzzzz')).toThrow('there are steps_per_second, lr.opt, loss, accuracy');
  });

  test('is logarithmic where values are far apart and above 0, or where asked', async () => {
    const kindOf = async (values: readonly number[], log: boolean | null = null) => {
      const run = await runOf(values.map((value, index) => train(index + 1, value)));
      const [panel] = figureOf([run], { ...usual, log }).panels;
      return [panel?.scaleY(5).kind, panel?.note];
    };
    expect(await kindOf([100, 1])).toEqual(['linear', '']);
    expect(await kindOf([101, 1])).toEqual(['log', '']);
    expect(await kindOf([101, 1], false)).toEqual(['linear', '']);
    expect(await kindOf([101, 0])).toEqual(['linear', '']);
    expect(await kindOf([3, 0], true)).toEqual(['log', '1 of 0 or less']);
    expect(await kindOf([-1, 0], true)).toEqual(['linear', 'no value above 0 for a log scale']);
  });

  test('says how many values are not finite, and stands without any that is', async () => {
    const run = await runOf([train(1, 'NaN'), train(2, 'Infinity')]);
    const figure = figureOf([run], usual);
    expect(figure.panels[0]?.note).toBe('2 values are not finite');
    expect(svgOf(figure)).not.toContain('NaN');
    expect(textOf(figure, { columns: 40, color: false }).join('\n')).toContain('train Infinity');
  });

  test('is smoothed over the newest points; gaps stay gaps', () => {
    const values = Float64Array.of(1, 3, Number.NaN, 5, 7);
    expect([...smoothed(values, 2)]).toEqual([1, 2, Number.NaN, 4, 6]);
    expect([...smoothed(values, 1)]).toEqual([...values]);
    const most = Number.MAX_VALUE;
    expect(smoothed(Float64Array.of(most, most), 2)[1]).toBe(most);
  });

  test('names runs by as much of their paths as tells them apart', () => {
    expect(shortNames(['runs/a/1', './runs/a/2'])).toEqual(['1', '2']);
    expect(shortNames(['runs/a/1', 'runs/b/1'])).toEqual(['a/1', 'b/1']);
    expect(shortNames(['runs/a/1'])).toEqual(['1']);
  });
});

describe('an SVG file', () => {
  test('is the golden one', async () => {
    const lines = [...fourEpochs.slice(0, 6), train(35, 'NaN', 'epoch'), ...fourEpochs.slice(6)];
    const a = await readRun(writeRun(join(root, 'golden', 'a&b'), lines));
    const b = await readRun(writeRun(join(root, 'golden', 'c'), fourEpochs.slice(0, 4)));
    const golden = fileURLToPath(new URL('goldens/two-runs.svg', import.meta.url));
    const svg = svgOf(figureOf([a, b], { ...usual, along: 'epoch', smooth: 2 }));
    if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(golden, svg);
    expect(svg).toBe(readFileSync(golden, 'utf8'));
  });

  test('parts a curve at a gap, and shows a point that stands alone', async () => {
    const run = await runOf(
      [1, 2, 3, 4, 5, 6].map((step) => train(step, step === 3 || step === 5 ? 'NaN' : step)),
    );
    const svg = svgOf(figureOf([run], usual));
    const [, d = ''] = /<path d="(M[^"]*)" fill="none" stroke="#0072B2"/.exec(svg) ?? [];
    expect(d.match(/M/g)).toHaveLength(1);
    expect(svg.match(/<circle/g)).toHaveLength(4);
  });

  test('has names of runs and metrics as text alone', async () => {
    const nasty = `"><script>alert('&')</script>`;
    const run = await runOf([{ stage: nasty, over: 'pass', step: 1, epoch: 0, wall: 0, [nasty]: 1 }]);
    const svg = svgOf(figureOf([run], usual));
    expect(svg).not.toContain('<script');
    expect(svg).toContain('&quot;&gt;&lt;script&gt;');
    expect(escaped('a\u0000b\ud800c\ud83d\ude00')).toBe('a?b?c😀');
  });

  test('keeps what a long run shows at this width, and no more', () => {
    const places = Array.from({ length: 100_000 }, (_, x) => ({ x: x / 1000, y: x === 51_234 ? 9 : x % 2 }));
    const kept = thinned(places);
    expect(kept.length).toBeLessThanOrEqual(400);
    expect(kept).toContainEqual({ x: 51.234, y: 9 });
    expect([kept.at(0), kept.at(-1)]).toEqual([places.at(0), places.at(-1)]);
    const gaps = [1, Number.NaN, 2, 3].map((y, x) => ({ x, y }));
    expect(partsOf(gaps).map((part) => part.length)).toEqual([1, 2]);
  });

  test('numbers curves where there are more runs than colours', async () => {
    const run = await runOf(fourEpochs);
    const runs = Array.from({ length: 8 }, (_, index) => ({ ...run, path: `runs/${index}` }));
    expect(svgOf(figureOf(runs, usual))).toMatch(/>8<\/text>/);
    expect(svgOf(figureOf(runs.slice(1), usual))).not.toMatch(/>7<\/text>/);
  });
});

describe('text', () => {
  const widthOf = (line: string): number => Array.from(line.replaceAll(/\u001b\[\d+m/g, '')).length;

  test.each([20, 33, 80, 200])('fits %d columns', async (columns) => {
    const long: readonly Line[] = fourEpochs.map((line) => ({
      ...line,
      'a.metric.of.a.very.long.name': -1.5e-7,
    }));
    const run = await runOf(long);
    const other = { ...run, path: join(root, 'a-run-that-has-a-rather-long-name-itself') };
    for (const color of [true, false])
      for (const along of ['step', 'epoch', 'time'] as const) {
        const figure = figureOf([run, other], { ...usual, along });
        const lines = textOf(figure, { columns, color });
        lines.forEach((line) => expect(widthOf(line), line).toBeLessThanOrEqual(columns));
        expect(lines.filter((line) => line.includes('└'))).toHaveLength(3);
      }
  });

  test('has no escapes without colour, and letters where curves would look alike', async () => {
    const figure = figureOf([await runOf(fourEpochs)], usual);
    const plain = textOf(figure, { columns: 60, color: false }).join('\n');
    expect(plain).not.toContain('\u001b');
    const [loss = '', accuracy = ''] = plain.split('accuracy');
    expect(loss).toMatch(/\* train 0\.125\n\+ validate 0\.225/);
    expect(loss).not.toMatch(/[\u2801-\u28ff]/);
    expect(accuracy).toMatch(/[\u2801-\u28ff]/);
    expect(textOf(figure, { columns: 60, color: true }).join('\n')).toMatch(/\u001b\[36m[\u2801-\u28ff]/);
  });

  test.each([true, false])('of many runs gives each curve a mark of its own (colour: %s)', async (color) => {
    const one = await runOf([train(1, 0), train(2, 1)]);
    const runs = (count: number): readonly RunCurves[] =>
      Array.from({ length: count }, (_, run) => ({ ...one, path: join(root, `point-${run + 1}`) }));
    const textFor = (count: number): readonly string[] =>
      textOf(figureOf(runs(count), usual), { columns: 80, color }).map((line) =>
        line.replaceAll(/\u001b\[\d+m/g, ''),
      );
    const signs = (lines: readonly string[]): readonly string[] =>
      lines.flatMap((line) => /^(.) \S+ train 1$/.exec(line)?.[1] ?? []);
    for (const count of [color ? 8 : 2, 20, 66]) {
      const found = signs(textFor(count));
      expect(found).toHaveLength(count);
      expect(new Set(found).size).toBe(count);
      expect(textFor(count).join('\n')).not.toContain('name fewer');
    }
    expect(signs(textFor(70))).toHaveLength(66);
    expect(textFor(70).join('\n')).toContain(
      'loss (66 of 70 curves: name fewer runs, or one step by --metrics)',
    );
    // Up to seven are told apart by their colours.
    if (color) expect(new Set(signs(textFor(7)))).toEqual(new Set(['━']));
  });

  test('draws what the numbers say', async () => {
    const run = await runOf([train(1, 0), train(2, 1)]);
    const lines = textOf(figureOf([run], usual), { columns: 20, color: false });
    // From the lowest dot at the left to the highest at the right.
    const drawn = lines.filter((line) => /[│┤]/.test(line)).map((line) => line.replace(/^.*[│┤]/, ''));
    expect(drawn[0]?.length).toBe(15);
    expect(drawn.at(-1)?.at(0)).toMatch(/[\u2801-\u28ff]/);
    expect(lines.slice(0, 4)).toEqual([`Made<Up> · run-${made}`, '', 'loss', '━ train 1']);
  });

  test('no name moves the cursor', async () => {
    const run = await runOf([{ stage: 'a\u001b[2J', over: 'pass', step: 1, epoch: 0, wall: 0, 'm\n': 1 }]);
    const text = textOf(figureOf([run], usual), { columns: 40, color: false });
    expect(text.join('')).not.toMatch(/\u001b|\n/);
  });
});
