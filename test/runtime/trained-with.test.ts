/** What a test or a prediction knows of the run whose weights it takes: its attributes, and what has changed since. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import { dataNotes } from '../../src/runtime/trainer/open-data.js';
import { killed, run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer, type LineData, type Row } from './tiny-trainer.js';

workInFolder('trained-with');

/** An open data set, as far as notes look at it. */
const nothing = { label: '', rows: 20, skipped: 0, leftOut: [] };

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
  const words = [
    '--run-dir=few',
    'trainer.limit.validate=1.batches',
    'test.batch=2',
    'test.prefetch=3.batches',
  ];
  expect((await run(words)).code).toBe(0);
  const shown = async (...more: readonly string[]): Promise<string> =>
    (await run(['predict', '--from=few', '--dev-run=1', ...more])).text;
  // A header and two rows.
  expect((await shown()).match(/^-?\d.*$/gm)).toHaveLength(2);
  const { text } = await run([
    'predict',
    '--from=few',
    '--dev-run=1',
    'test.batch=5',
    'test.prefetch=1.batches',
  ]);
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

test('code of an extern that has changed since the training is named', async () => {
  const withCode = (sha256: string): typeof LineTrainer =>
    class extends Saving {
      static override readonly spec = { ...LineTrainer.spec, externs: [{ path: 'net.ts', sha256 }] };
    };
  expect((await run(['--run-dir=coded'], withCode('aa'))).code).toBe(0);
  for (const command of ['test', 'predict']) {
    const same = await run([command, '--from=coded'], withCode('aa'));
    expect(same.text).not.toContain('extern');
    const { code, text } = await run([command, '--from=coded'], withCode('bb'));
    expect(text).toContain('note: net.ts, code of an extern, has changed; the weights must still fit\n');
    expect(code).toBe(0);
  }
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

test('rows that are left out are named at the start, and all of them in a file of the run', async () => {
  class Skipping extends OfFile {
    protected override configureData(): LineData {
      const { train, test: held } = super.configureData();
      return { train: train.withOptions({ onBadRow: 'skip' }), test: held.withOptions({ onBadRow: 'skip' }) };
    }
  }
  const bad = (many: number): string => Array.from({ length: many }, (_, at) => `no,${at},1\n`).join('');
  appendFileSync('rows.csv', `1,2\n${bad(1100)}`);
  const { code, text } = await run(['--run-dir=left-out'], Skipping);
  expect(code).toBe(0);
  const problem = "column 'a': 'no' is not a finite number";
  expect(text).toContain(
    `1,101 bad rows of train and test are left out, 20 and 20 are used: rows.csv:22: row 21: the row has 2 cells and the header 3; rows.csv:23: row 22, ${problem}; rows.csv:24: row 23, ${problem}; and 1098 more`,
  );
  expect(text).toContain('rows that are left out: left-out/skipped-rows.jsonl');
  const lines = readFileSync('left-out/skipped-rows.jsonl', 'utf8').trim().split('\n');
  expect(lines).toHaveLength(1001);
  expect([0, 1, 1000].map((at): unknown => JSON.parse(lines[at] ?? ''))).toEqual([
    {
      data: 'train, test',
      file: 'rows.csv',
      line: 22,
      row: 21,
      reason: 'the row has 2 cells and the header 3',
    },
    {
      data: 'train, test',
      file: 'rows.csv',
      line: 23,
      row: 22,
      column: 'a',
      reason: "'no' is not a finite number",
    },
    { data: 'train, test', more: 101 },
  ]);
  // Where nothing is left out there is no such file, and a test writes none.
  expect(existsSync('changed/skipped-rows.jsonl')).toBe(false);
  expect((await run(['test', '--from=left-out'], Skipping)).text).toContain(
    '1,101 bad rows of test are left out',
  );
});

test('more workers than processors are told, and workers without work where nobody has said so before', () => {
  const set = rows(4).withOptions({ workers: 2 });
  const busy = data
    .digits({ workers: 64 })
    .prepare({ image: { dtype: 'u8', shape: [8, 8, 1] } }, ({ image }) => ({ image }));
  const told = (isChecked: boolean) => {
    const of = (each: data.Data<unknown>, label: string) => [each, { ...nothing, label }] as const;
    const parts = { dataNames: new Map(), isChecked: () => isChecked };
    return dataNotes(parts, new Map<data.Data<unknown>, typeof nothing>([of(set, 'a'), of(busy, 'b')]), 8);
  };
  const many =
    'b has 64 workers, and this machine 8 processors: more threads than that take memory and are no faster';
  expect(told(false)).toEqual([expect.stringMatching(/^workers of a have nothing to do/), many]);
  expect(told(true)).toEqual([many]);
});
