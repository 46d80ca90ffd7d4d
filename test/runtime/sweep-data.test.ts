/** Folds of a table: a sweep that was killed in one of them goes on to the same bytes, and only over the same table. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import * as data from '../../src/runtime/data/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { checkpoints, filesIn, run, unsaid } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer, type LineData } from './tiny-trainer.js';

workInFolder('sweep-data');

const plan = addons.sweep({
  over: [addons.axis({ name: 'lr', values: [0.05, 0.2] })],
  average: [addons.axis({ name: 'fold', values: [0, 1, 2] })],
  pick: addons.min('validate.loss'),
});

/** Trains on all folds of `table.csv` but one, and measures that. */
class Folds extends LineTrainer {
  static override readonly spec = {
    ...LineTrainer.spec,
    params: [
      ...LineTrainer.spec.params,
      { name: 'fold', key: 'fold', type: 'int', default: 0, doc: '', where: null } as const,
    ],
    sweep: plan,
  };
  protected override configureData(): LineData {
    const fold = Number(Reflect.get(this.params, 'fold'));
    const part = (which: data.CommonOptions): LineData['train'] =>
      data.csv<{ readonly x: Tensor2D; readonly y: Tensor1D }>({
        file: 'table.csv',
        record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } },
        columns: { x: ['a', 'b'] },
        parts: data.folds({ count: 3 }),
        ...which,
      });
    return {
      train: part({ part: data.allBut({ fold }), batch: 4, shuffle: true }),
      test: part({ part: data.only({ fold }), batch: 4 }),
    };
  }
  protected override configureAddOns(): readonly addons.AddOn[] {
    return [addons.checkpoint({ every: units.steps(2), keep: 20 })];
  }
}

const table = (change = 0): void => {
  const rows = Array.from({ length: 30 }, (_, i) => [Math.sin(i), Math.cos(3 * i), Math.sin(i) / 2 + change]);
  writeFileSync('table.csv', ['a,b,y', ...rows.map((row) => row.join(','))].join('\n'));
};

/** The sweep as it was when it was killed in fold 2 of its first point, after step 6 of 10. */
function killed(name: string): string {
  cpSync('whole', name, { recursive: true });
  rmSync(join(name, 'point-2'), { recursive: true });
  rmSync(join(name, 'point-1', 'run-3'), { recursive: true });
  const second = join(name, 'point-1', 'run-2');
  rmSync(join(second, 'summary.json'));
  for (const each of checkpoints(second))
    if (each > 'step-00000006') rmSync(join(second, 'checkpoints', each), { recursive: true });
  writeFileSync(join(second, 'checkpoints', 'last'), 'step-00000006\n');
  unsaid(second);
  const path = join(name, 'sweep.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ended: false }));
  return name;
}

const runs = ['point-1', 'point-2'].flatMap((point) => [1, 2, 3].map((each) => join(point, `run-${each}`)));
const bytes = (name: string, file: string): Buffer =>
  readFileSync(join(name, 'checkpoints', 'step-00000010', file));

beforeAll(async () => {
  table();
  expect((await run(['--run-dir=whole', 'trainer.epochs=2'], Folds)).code).toBe(0);
});

test('killed in fold 2 it goes on to the same bytes', async () => {
  const name = killed('same');
  const { code, text } = await run([`--resume=${name}`], Folds);
  expect(code).toBe(0);
  expect(text).toContain('; 1 done before');
  expect(text).toContain(`goes on after step 6, from ${name}/point-1/run-2/checkpoints/step-00000006`);
  for (const each of runs)
    for (const file of ['model.safetensors', 'optimizer.safetensors'])
      expect(bytes(join(name, each), file).equals(bytes(join('whole', each), file)), each).toBe(true);
  // Each fold is another run.
  const weights = runs.map((each) => bytes(join(name, each), 'model.safetensors').toString('hex'));
  expect(new Set(weights).size).toBe(6);
  const points = (of: string): unknown =>
    JSON.parse(readFileSync(join(of, 'sweep.json'), 'utf8'), (key, value: unknown) =>
      key === 'seconds' ? null : value,
    );
  expect(points(name)).toEqual(points('whole'));
});

test.each([
  ['in the run that was cut off', (name: string) => name, 'point-1/run-1'],
  [
    'where nothing was cut off',
    (name: string) => {
      rmSync(join(name, 'point-1', 'run-2'), { recursive: true });
      return name;
    },
    'point-1/run-1',
  ],
])('over another table it is refused, %s, unless that is meant', async (which, change, since) => {
  const name = change(killed(which.replaceAll(' ', '-')));
  table(0.5);
  try {
    const before = filesIn(name).filter((line) => !line.includes('sweep.json'));
    for (const words of [[`--resume=${name}`], [`--run-dir=${name}`, 'trainer.epochs=2']]) {
      const { code, text } = await run(words, Folds);
      expect(code).toBe(3);
      expect(text).toMatch(
        new RegExp(`train: table\\.csv has changed since (${since}|point-1/run-2) has read it`),
      );
      expect(text).toContain(`--resume ${name} --allow data`);
      expect(text).not.toContain('run 3 of 6');
      if (words.length === 1)
        expect(filesIn(name).filter((line) => !line.includes('sweep.json'))).toEqual(before);
    }
    const { code, text } = await run([`--resume=${name}`, '--allow=data'], Folds);
    expect(code).toBe(0);
    expect(text.match(/allowed: train: table\.csv has changed since/g)).toHaveLength(1);
    expect(text).toContain('6 runs of 6 finished');
  } finally {
    table();
  }
});
