/** `metrics.jsonl` that is not what it was when the checkpoint was written: no run goes on with it without a word. */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { differencesOf } from '../../src/cli/compare-runs.js';
import { readRun } from '../../src/plot/read-run.js';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { MetricsFile } from '../../src/runtime/run/metrics-file.js';
import { counted, grouped } from '../../src/values/counted.js';
import * as units from '../../src/values/units.js';
import { checkpoints, expectSameEnd, filesIn, killed, run } from './killed-runs.js';
import { metricsLines } from './metrics-lines.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

/** Whether the disk is full: it takes a part of what is written then. */
const disk = vi.hoisted(() => ({ isFull: false, isFullOfCopies: false }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const appendFileSync = (file: number, data: Buffer): void => {
    if (!disk.isFull) return real.appendFileSync(file, data);
    writeSync(file, data.subarray(0, 5));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  const copyFileSync = (from: string, to: string, mode: number): void => {
    real.copyFileSync(from, to, mode);
    if (!disk.isFullOfCopies) return;
    truncateSync(to, 5);
    throw Object.assign(new Error('ENOSPC: no space left on device, copyfile'), { code: 'ENOSPC' });
  };
  return { ...real, appendFileSync, copyFileSync };
});

workInFolder('damaged-metrics');

const corpus = fileURLToPath(new URL('run-corpus', import.meta.url));

class WithCsv extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(2), keep: 20 }), addons.csvLog()];
  }
}
/** That of the corpus. */
class Corpus extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(8), keep: 20, best: addons.min('validate.loss') })];
  }
}

const line = (step: number, stage: string): string => `{"step":${step},"stage":"${stage}","loss":0.5}\n`;
const metricsOf = (name: string): string => join(name, 'metrics.jsonl');
const linesOf = (name: string): readonly string[] =>
  readFileSync(metricsOf(name), 'utf8').trimEnd().split('\n');
const stepsOf = (name: string): readonly number[] =>
  linesOf(name).map((line) => Number(JSON.parse(line).step));
/** Without locks, which a refused start takes and leaves. */
const files = (name: string): readonly string[] => filesIn(name).filter((line) => !line.includes('.lock'));
const markOf = (name: string, checkpoint: string): Readonly<Record<string, unknown>> =>
  JSON.parse(readFileSync(join(name, 'checkpoints', checkpoint, 'state.json'), 'utf8')).files;
const lengthAt = (name: string, checkpoint: string): number =>
  Number(markOf(name, checkpoint)['metrics.jsonl']);

/** That each checkpoint has the length and the checksum of what is in the file up to there, which is whole lines. */
function expectRightMarks(name: string): void {
  const bytes = readFileSync(metricsOf(name));
  for (const each of checkpoints(name)) {
    const length = lengthAt(name, each);
    expect(markOf(name, each)).toEqual({
      'metrics.jsonl': length,
      'metrics.jsonl.sha256': createHash('sha256').update(bytes.subarray(0, length)).digest('hex'),
    });
    expect(length === 0 || bytes[length - 1] === 10).toBe(true);
  }
}

beforeAll(async () => {
  expect((await run(['--run-dir=whole'])).code).toBe(0);
  expect((await run(['--run-dir=longer', 'trainer.epochs=9', 'trainer.seed=7'])).code).toBe(0);
  await killed('left');
});

test('each checkpoint has the checksum of what the file was then, in a run that was never stopped and in one that goes on', async () => {
  cpSync('left', 'resumed', { recursive: true });
  expect((await run(['--resume=resumed'])).code).toBe(0);
  for (const name of ['whole', 'resumed']) {
    expectRightMarks(name);
  }
  expect(lengthAt('whole', 'step-00000015')).toBeGreaterThan(lengthAt('whole', 'step-00000002'));
  expect(await differencesOf('whole', 'resumed')).toEqual([]);
});

const damages: readonly (readonly [
  what: string,
  make: (file: string, length: number) => void,
  said: string | RegExp,
])[] = [
  [
    'zeros at its end',
    (file, length) => {
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0, length - 150));
    },
    /, and line \d+ is no line of metrics;/,
  ],
  [
    'zeros within',
    (file) => {
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0, 30, 60));
    },
    ', and line 1 is no line of metrics;',
  ],
  [
    'another number',
    (file) => writeFileSync(file, readFileSync(file, 'utf8').replace(/"loss":\d/, '"loss":7')),
    'of when the checkpoint was written;',
  ],
  [
    'the lines of another run, which are more',
    (file) => writeFileSync(file, readFileSync(metricsOf('longer'))),
    'is damaged, or another file: its first',
  ],
];

describe.each(damages)('%s', (what, make, said) => {
  test('is refused, and with --allow metrics goes on with what can be read', async () => {
    const name = what.replaceAll(/\W+/g, '-');
    cpSync('left', name, { recursive: true });
    const length = lengthAt(name, 'step-00000008');
    make(metricsOf(name), length);
    const damaged = readFileSync(metricsOf(name));
    const before = files(name);
    for (const words of [[`--resume=${name}`], [`--run-dir=${name}`, '--resume=auto']]) {
      const { code, text } = await run(words);
      expect(text).toContain(
        `${metricsOf(name)} is damaged, or another file: its first ${counted(length, 'byte')}`,
      );
      expect(text).toMatch(said);
      expect(text).toContain('; put it back, or say that it is meant: --allow metrics\n');
      expect(code).toBe(3);
      expect(files(name)).toEqual(before);
    }
    const { code, text } = await run([`--resume=${name}`, '--allow=metrics']);
    expect(text).toMatch(/allowed: \S*metrics\.jsonl is damaged[^]* lines stay, and the file as it was is /);
    expect(text).toContain('goes on after step 8');
    expect(code).toBe(0);
    expect(readFileSync(`${metricsOf(name)}.damaged`).equals(damaged)).toBe(true);
    // Every line can be read, none is twice, and what comes later is what it would have been.
    const steps = stepsOf(name);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    const later = (of: string): readonly unknown[] =>
      metricsLines(of).filter((_line, at) => (stepsOf(of)[at] ?? 0) > 8);
    expect(later(name)).toEqual(later('whole'));
    expect((await readRun(name)).curves.length).toBeGreaterThan(0);
    // The tensors have nothing to do with it: what differs is said to be the lines.
    const differences = await differencesOf('whole', name);
    expect(differences).toHaveLength(1);
    expect(differences[0]).toContain('metrics.jsonl');
    // It is whole again.
    const again = await run([`--resume=${name}/checkpoints/step-00000010`]);
    expect(again.text).toContain('goes on after step 10');
    expect(again.code).toBe(0);
    expect(readdirSync(name).filter((each) => each.includes('tmp'))).toEqual([]);
  });
});

test.each([
  ['crlf', (text: string) => text.replaceAll('\n', '\r\n')],
  ['spaces', (text: string) => text.replaceAll(':', ': ')],
  ['inserted', (text: string) => `{"note":"${'x'.repeat(500)}"}\n${text}`],
])('no line up to the checkpoint is lost where bytes were put in: %s', async (name, change) => {
  cpSync('left', name, { recursive: true });
  const length = lengthAt(name, 'step-00000008');
  const text = readFileSync(metricsOf(name), 'utf8');
  const lines = text.slice(0, length).split('\n').length - 1;
  const isInserted = name === 'inserted';
  writeFileSync(metricsOf(name), change(text));
  const refused = await run([`--resume=${name}`]);
  expect(refused.code).toBe(3);
  expect(refused.text.includes('is no line of metrics')).toBe(isInserted);
  const { code, text: told } = await run([`--resume=${name}`, '--allow=metrics']);
  expect(told).toContain(`; ${lines} of ${lines + (isInserted ? 1 : 0)} lines stay, and the file as it was`);
  expect(code).toBe(0);
  expectSameEnd(name, 'whole');
  expect(readFileSync(`${metricsOf(name)}.damaged`, 'utf8')).toBe(change(text));
});

test('a line of the step of the checkpoint that was written after it is not kept, for it is measured again', () => {
  const before = line(4, 'train') + line(8, 'train');
  mkdirSync('within-step');
  writeFileSync(
    metricsOf('within-step'),
    (before + line(8, 'validate') + line(9, 'train')).replaceAll('\n', '\r\n'),
  );
  const mark = { 'metrics.jsonl': before.length, 'metrics.jsonl.sha256': '0' };
  const { metrics, cut } = MetricsFile.reopen('within-step', mark, { step: 8, allowed: true });
  expect(cut()).toContain('; 2 of 2 lines stay');
  metrics.close();
  expect(readFileSync(metricsOf('within-step'), 'utf8')).toBe(before);
});

test('where the disk is full, no part of a copy takes the name of the whole one', async () => {
  cpSync('left', 'copied', { recursive: true });
  writeFileSync(metricsOf('copied'), readFileSync(metricsOf('copied')).fill(0, 30, 60));
  const damaged = readFileSync(metricsOf('copied'));
  disk.isFullOfCopies = true;
  const full = await run(['--resume=copied', '--allow=metrics']);
  disk.isFullOfCopies = false;
  expect(full.text).toContain('the disk is full');
  expect(full.code).not.toBe(0);
  expect(readdirSync('copied').filter((each) => /damaged|tmp/.test(each))).toEqual([]);
  expect(readFileSync(metricsOf('copied')).equals(damaged)).toBe(true);
  expect((await run(['--resume=copied', '--allow=metrics'])).code).toBe(0);
  expect(readFileSync(`${metricsOf('copied')}.damaged`).equals(damaged)).toBe(true);
});

test('what another program adds while the run is written is told once, and no damage to who goes on', async () => {
  const said: string[] = [];
  const write = (text: string): void => {
    said.push(text);
    if (/step (?:2|4) {2}train/.test(text)) appendFileSync(metricsOf('shared'), '{"note":"of another"}\n');
  };
  expect((await run(['--run-dir=shared'], undefined, { stdout: { write }, stderr: { write } })).code).toBe(0);
  expect(said.join('').match(/another program has added to \S*metrics\.jsonl; that is kept/g)).toHaveLength(
    1,
  );
  expect(readFileSync(metricsOf('shared'), 'utf8').match(/of another/g)).toHaveLength(2);
  expectRightMarks('shared');
  expect((await run(['--resume=shared/checkpoints/step-00000008'])).code).toBe(0);
});

test('what another program adds without an end of its line takes no line of ours', () => {
  mkdirSync('within-a-line');
  const metrics = MetricsFile.create('within-a-line');
  metrics.add(line(1, 'train'));
  appendFileSync(metricsOf('within-a-line'), 'foreign');
  metrics.add(line(2, 'train'));
  const text = `${line(1, 'train')}foreign\n${line(2, 'train')}`;
  expect(readFileSync(metricsOf('within-a-line'), 'utf8')).toBe(text);
  expect(metrics.mark()['metrics.jsonl.sha256']).toBe(createHash('sha256').update(text).digest('hex'));
  metrics.close();
});

/** Logs a line before the first step, also where it goes on. */
class LoggingEarly extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    const early: AddOn = {
      kind: 'early',
      phase: 'independent',
      owns: [],
      withOptions: () => early,
      start: (host) => {
        host.log({ step: 0, epoch: 0, seconds: 0 }, 'early', new Map([['value', 1]]));
        return {};
      },
    };
    return [early, addons.checkpoint({ every: units.steps(2), keep: 20 })];
  }
}

test('what an add-on logs as it starts comes after what the checkpoint had, and the checksums are right', async () => {
  await killed('early', [], LoggingEarly);
  appendFileSync(metricsOf('early'), line(9, 'train'));
  expect((await run(['--resume=early'], LoggingEarly)).code).toBe(0);
  expectRightMarks('early');
  expect(linesOf('early').filter((each) => each.includes('"early"'))).toHaveLength(2);
});

test('of one that another program has cut, the checkpoint keeps what it was, and who goes on is told', () => {
  mkdirSync('cut-by-others');
  const metrics = MetricsFile.create('cut-by-others');
  metrics.add('{"step":1,"stage":"train"}\n');
  truncateSync(metricsOf('cut-by-others'), 4);
  const said: string[] = [];
  for (let turn = 0; turn < 2; turn += 1)
    expect(metrics.mark((line) => said.push(line))['metrics.jsonl']).toBe(27);
  metrics.close();
  expect(said).toEqual([
    expect.stringContaining(
      'which has 4 bytes and had 27; a run that goes on from here needs --allow metrics',
    ),
  ]);
});

test('what came after the checkpoint is cut off, whatever it is', async () => {
  cpSync('left', 'later', { recursive: true });
  const length = lengthAt('later', 'step-00000008');
  const bytes = readFileSync(metricsOf('later'));
  writeFileSync(metricsOf('later'), Buffer.concat([bytes.subarray(0, length), Buffer.alloc(500)]));
  const { code, text } = await run(['--resume=later']);
  expect(text).not.toContain('damaged');
  expect(code).toBe(0);
  expectSameEnd('later', 'whole');
  expect(existsSync('later/metrics.jsonl.damaged')).toBe(false);
});

test('of one that is cut, whole lines stay, and all of it is kept where a line is not whole', async () => {
  const length = lengthAt('left', 'step-00000008');
  const bytes = readFileSync(metricsOf('left')).subarray(0, length);
  const end = bytes.lastIndexOf('\n', length - 2) + 1;
  for (const [name, size, isAside] of [
    ['cut-whole', end, false],
    ['cut-within', end + 20, true],
  ] as const) {
    cpSync('left', name, { recursive: true });
    truncateSync(metricsOf(name), size);
    const { code, text } = await run([`--resume=${name}`, '--allow=metrics']);
    expect(text).toContain(`metrics.jsonl has ${counted(size, 'byte')}, and had ${grouped(length)}`);
    expect(text).toContain(isAside ? 'stay, and the file as it was is' : 'what is left of it stays, ');
    expect(code).toBe(0);
    expect(existsSync(`${metricsOf(name)}.damaged`)).toBe(isAside);
    expect(metricsLines(name)).toHaveLength(metricsLines('whole').length - 1);
  }
});

test('a csv_log goes on beside it, and one that is gone is made anew of the lines that can be read', async () => {
  for (const [name, isGone] of [
    ['csv', false],
    ['csv-gone', true],
  ] as const) {
    await killed(name, [], WithCsv);
    const bytes = readFileSync(metricsOf(name));
    writeFileSync(metricsOf(name), bytes.fill(0, 30, 60));
    if (isGone) rmSync(join(name, 'logs'), { recursive: true });
    const { code } = await run([`--resume=${name}`, '--allow=metrics'], WithCsv);
    expect(code).toBe(0);
    const rows = readFileSync(join(name, 'logs', 'metrics.csv'), 'utf8')
      .trimEnd()
      .split('\n');
    // Of the csv no line was damaged.
    const lines = linesOf(name).length + (isGone ? 0 : 1);
    expect(rows).toHaveLength(1 + lines);
  }
});

describe('of checkpoints that have no checksum', () => {
  test.each(['format-2', 'format-3'])('lines that are none are told (%s)', async (format) => {
    const make = (name: string, change: (bytes: Buffer, length: number) => Buffer): number => {
      cpSync(join(corpus, format), name, { recursive: true });
      const last = checkpoints(name).at(-1) ?? '';
      const length = lengthAt(name, last);
      expect(markOf(name, last)).not.toHaveProperty('metrics.jsonl.sha256');
      writeFileSync(metricsOf(name), change(readFileSync(metricsOf(name)), length));
      return length;
    };
    make(`zeros-${format}`, (bytes, length) => bytes.fill(0, length - 40));
    make(`within-${format}`, (bytes) => Buffer.concat([Buffer.from(' '), bytes]));
    for (const [name, why] of [
      [`zeros-${format}`, /metrics\.jsonl is damaged: line \d+ is no line of metrics; put it back, or/],
      [`within-${format}`, /is damaged, or another file: no line of it ends after [\d,]+ bytes, as one did/],
    ] as const) {
      const before = files(name);
      const refused = await run([`--resume=${name}`], Corpus);
      expect(refused.text).toMatch(why);
      expect(refused.code).toBe(3);
      expect(files(name)).toEqual(before);
      const { code } = await run([`--resume=${name}`, '--allow=metrics'], Corpus);
      expect(code).toBe(0);
      expect(existsSync(`${metricsOf(name)}.damaged`)).toBe(true);
      expect((await readRun(name)).curves.length).toBeGreaterThan(0);
    }
  });
});

test('a line that the disk took a part of is not there, and the next one is whole', () => {
  mkdirSync('full');
  const metrics = MetricsFile.create('full');
  metrics.add('{"step":1}\n');
  const mark = metrics.mark();
  disk.isFull = true;
  expect(() => metrics.add('{"step":2}\n')).toThrow('ENOSPC');
  disk.isFull = false;
  expect(metrics.mark()).toEqual(mark);
  metrics.add('{"step":3}\n');
  metrics.close();
  expect(readFileSync('full/metrics.jsonl', 'utf8')).toBe('{"step":1}\n{"step":3}\n');
});
