/** Which rows steps get of data sets that share a source: parts never overlap, and predictions follow the source. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CommonOptions, Data } from '../../src/runtime/data/data.js';
import * as data from '../../src/runtime/data/index.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import { closeAll, openData } from '../../src/runtime/trainer/open-data.js';
import { thenClose } from '../../src/runtime/trainer/run.js';
import type { StageKind, StepPlan } from '../../src/runtime/trainer/steps.js';
import * as units from '../../src/values/units.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'ztrain-open-data-'));
  const rows = Array.from({ length: 10 }, (_, row) => (row === 4 ? 'bad' : String(row)));
  writeFileSync(join(root, 'rows.csv'), `x\n${rows.join('\n')}\n`);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const set = (options: CommonOptions): Data<unknown> =>
  data.csv<{ readonly x: Tensor1D }>({
    file: 'rows.csv',
    record: { x: { dtype: 'f32', shape: [] } },
    batch: 4,
    ...options,
  });

const plan = (kind: StageKind, ...sets: readonly Data<unknown>[]): StepPlan => ({
  kind,
  name: kind,
  data: sets,
  every: null,
  run: () => ({}),
});

async function open(kinds: readonly StageKind[], steps: readonly StepPlan[]) {
  const dataNames = new Map(
    steps.flatMap(({ name, data: sets }) => sets.map((each) => [each, name] as const)),
  );
  return openData({ options: { seed: 1 }, dataNames, steps, kinds, dataRoot: root });
}

test('parts are not shared out with bad rows here and without them there', async () => {
  const parts = { train: units.percent(50), validate: units.percent(50) };
  const mine = set({ parts, part: 'train', onBadRow: 'skip' });
  const strict = set({ parts, part: 'validate' });
  const steps = (other: Data<unknown>) => [plan('train', mine), plan('validate', other)];
  await expect(open(['train', 'validate'], steps(strict))).rejects.toThrow(
    /data 'train' has on_bad_row = "skip" and data 'validate' "error": they share out the rows of csv rows\.csv, and their parts would overlap/,
  );
  const { opened } = await open(
    ['train', 'validate'],
    steps(set({ parts, part: 'validate', onBadRow: 'skip' })),
  );
  const rows = [...opened.values()].flatMap((each) =>
    Array.from({ length: each.batchesPerEpoch }, (_, index) => [...each.rowsOf(0, index)]).flat(),
  );
  expect(rows.sort((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await closeAll(opened.values());
  // Each alone is as it says.
  const alone = await open(['train'], [plan('train', mine)]);
  await closeAll(alone.opened.values());
});

test('a prediction takes every row, in the order of the source', async () => {
  const shuffled = set({ shuffle: true, dropLast: true, onBadRow: 'skip' });
  const { opened } = await open(['predict'], [plan('predict', shuffled)]);
  const [one] = opened.values();
  expect(one?.batchesPerEpoch).toBe(3);
  expect([0, 1, 2].flatMap((index) => [...(one?.rowsOf(0, index) ?? [])])).toEqual([
    0, 1, 2, 3, 4, 5, 6, 7, 8,
  ]);
  await closeAll(opened.values());
  const trained = await open(['train'], [plan('train', shuffled)]);
  const [other] = trained.opened.values();
  expect(other?.batchesPerEpoch).toBe(2);
  expect([...(other?.rowsOf(0, 0) ?? [])]).not.toEqual([0, 1, 2, 3]);
  await closeAll(trained.opened.values());
});

describe('what cannot be closed', () => {
  const fails = (label: string, why: unknown) => ({ label, close: () => Promise.reject(why) });

  test('is named, with the first one as the cause', async () => {
    const first = new Error('one');
    const closing = closeAll([fails('a', first), fails('b', 'two')]);
    await expect(closing).rejects.toMatchObject({
      message: 'data a was not closed: one; data b was not closed: two',
      cause: first,
    });
  });

  test.each([
    ['an error that cannot be written to', new DOMException('gone', 'AbortError')],
    ['what is no error', 'gone'],
  ])('is told beside %s, which stays as it is', async (_what, thrown) => {
    const lines: string[] = [];
    const stream = { write: (line: string) => lines.push(line) > 0 };
    const session = { close: () => closeAll([fails('a', new Error('one'))]) };
    const work = () => Promise.reject(thrown);
    await expect(thenClose(session, { stream }, work)).rejects.toBe(thrown);
    expect(lines).toEqual(['not closed after an error: data a was not closed: one\n']);
    expect(thrown instanceof DOMException ? thrown.message : thrown).toBe('gone');
  });
});
