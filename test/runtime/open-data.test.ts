/** Which rows steps get of data sets that share a source: parts never overlap, and predictions follow the source. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CommonOptions, Data } from '../../src/runtime/data/data.js';
import * as data from '../../src/runtime/data/index.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import { closeAll, openData } from '../../src/runtime/trainer/open-data.js';
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
