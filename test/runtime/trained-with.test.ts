/** What a test or a prediction knows of the run whose weights it takes: its attributes, and what has changed since. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import { killed, run, Saving } from './killed-runs.js';
import { LineTrainer, type LineData, type Row } from './tiny-trainer.js';

let folder: string;
let before: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-trained-with-'));
  before = process.cwd();
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

const line = (row: number): string => `${row / 20},${1 - row / 20},${row / 10}\n`;
beforeEach(() =>
  writeFileSync('rows.csv', `a,b,y\n${Array.from({ length: 20 }, (_, row) => line(row)).join('')}`),
);

const rows = (batch: number): data.Data<Row> =>
  data.csv<{ readonly x: Row['x']; readonly y: Row['y'] }>({
    file: 'rows.csv',
    record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } },
    columns: { x: ['a', 'b'] },
    batch,
  });

class OfFile extends Saving {
  protected override configureData(): LineData {
    return { train: rows(4), test: rows(3) };
  }
}

test('attributes of the run hold for what its weights are tested with', async () => {
  class Narrow extends Saving {
    static override readonly spec = {
      ...LineTrainer.spec,
      options: { ...LineTrainer.spec.options, precision: 'bf16' as const },
    };
  }
  const embedded = '--engine=embedded';
  // The engine here computes in f32 alone: where the spec's own were taken, it would be refused.
  expect((await run(['--run-dir=refused', embedded], Narrow)).code).not.toBe(0);
  expect((await run(['--run-dir=wide', embedded, 'trainer.precision=f32'], Narrow)).code).toBe(0);
  for (const command of ['test', 'predict']) {
    const { code, text } = await run([command, '--from=wide', embedded], Narrow);
    expect(text).not.toContain('error');
    expect(code).toBe(0);
  }
  const other = await run(['test', '--from=wide', embedded, 'trainer.precision=bf16'], Narrow);
  expect(other.text).toContain(
    'note: trainer.precision was f32 when these weights were trained, and is bf16 here',
  );
  expect(other.code).not.toBe(0);
});

test('attributes of data sets hold as well, and what only changes how fast it is does not', async () => {
  const words = ['--run-dir=few', 'trainer.limit.validate=1.batches', 'test.batch=2', 'test.prefetch=3'];
  expect((await run(words)).code).toBe(0);
  const shown = async (...more: readonly string[]): Promise<string> =>
    (await run(['predict', '--from=few', '--dev-run=1', ...more])).text;
  // A header and two rows.
  expect((await shown()).match(/^-?\d.*$/gm)).toHaveLength(2);
  const { text } = await run(['predict', '--from=few', '--dev-run=1', 'test.batch=5', 'test.prefetch=1']);
  expect(text.match(/^-?\d.*$/gm)).toHaveLength(5);
  expect(text).toContain('note: test.batch was 2 when these weights were trained, and is 5 here');
  expect(text).not.toContain('prefetch');
});

test('weights of a checkpoint whose state is damaged are tested, and that is said', async () => {
  expect((await run(['--run-dir=damaged'])).code).toBe(0);
  appendFileSync('damaged/checkpoints/step-00000015/state.json', ' ');
  const { code, text } = await run(['test', '--from=damaged/checkpoints/step-00000015']);
  expect(text).toContain('note: which attributes the run was given is not known: ');
  expect(code).toBe(0);
});

test('a file that has changed since the training is named, once', async () => {
  expect((await run(['--run-dir=changed'], OfFile)).code).toBe(0);
  const note = 'rows.csv has changed since these weights were trained';
  expect((await run(['test', '--from=changed'], OfFile)).text).not.toContain(note);
  appendFileSync('rows.csv', line(20));
  for (const command of ['test', 'predict']) {
    const { code, text } = await run([command, '--from=changed'], OfFile);
    expect(text.split(note)).toHaveLength(2);
    expect(code).toBe(0);
  }
});

test('a run that goes on is told of a changed file once, with the sets that read it', async () => {
  await killed('going', [], OfFile);
  writeFileSync('rows.csv', `a,b,y\n${Array.from({ length: 20 }, (_, row) => line(row + 1)).join('')}`);
  const { code, text } = await run(['--resume=going'], OfFile);
  expect(code).toBe(3);
  expect(text.match(/^ .*rows\.csv.*$/gm)).toEqual(['  train, test: rows.csv has changed since']);
});
