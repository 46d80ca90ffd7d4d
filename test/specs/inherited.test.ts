/** What a command line says of a data set or optimizer holds for what is made of it, and for nothing that says otherwise. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settingsOf } from '../../src/cli/settings.js';
import { checkSpec, specFile } from '../../src/cli/specs.js';
import { evaluateIr } from '../../src/checker/evaluate.js';
import { adam } from '../../src/runtime/optim/index.js';
import { digits } from '../../src/runtime/data/index.js';
import { attributeOf, byOwner, overrideAttributes } from '../../src/runtime/trainer/attributes.js';
import type { Amends } from '../../src/values/amends.js';
import { optionTable } from '../../src/values/options.gen.js';
import { parseOverride } from '../../src/values/overrides.js';
import { batches } from '../../src/values/units.js';
import { openWorkplace, type Workplace } from './run-spec.js';

const text = `
data raw = digits {
  split = "all" batch = 64 parts = { a: 60.percent, b: 20.percent, c: 20.percent } prefetch = 2.batches
  map row -> { image: cast(row.image, f32) / 16, label: row.label }
}
data shuffled = raw { shuffle = true drop_last = true }
data train_set = shuffled { part = "a" }
data val_set = raw { part = "b" }
data test_set = val_set { part = "c" batch = 100 prefetch = none }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Other on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Third on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
optimizer opt = adam { of = Net lr = 1e-2 group bias { match = ["**.bias"] lr = 1e-3 } }
optimizer same = opt { of = Other }
optimizer slow = opt { of = Third lr = 1e-4 }
step train(batch in train_set) {
  update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
  update same { minimize mean(softmax_cross_entropy(Other(batch.image), batch.label)) }
  update slow { minimize mean(softmax_cross_entropy(Third(batch.image), batch.label)) }
}
step validate(batch in val_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
step test(batch in test_set) { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
trainer Inherited { epochs = 1 }
`;

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  writeFileSync(join(place.folder, 'inherited.ztrain'), text);
});
afterAll(() => place.remove());

const irOf = () => {
  const { ir } = checkSpec(specFile(join(place.folder, 'inherited.ztrain')));
  if (ir?.trainer === null || ir?.trainer === undefined) throw new Error('no trainer');
  return { ir, trainer: ir.trainer };
};

type Wanted = Readonly<Record<string, unknown>>;

/** Options by owner, as the checker has them with these words. */
const checkedWith = (words: readonly string[], option: string): Wanted => {
  const { ir, trainer } = irOf();
  const { trainer: amended, names } = settingsOf(trainer, ir, words.map(parseOverride));
  return Object.fromEntries(
    [...amended.data, ...amended.optimizers].flatMap(({ name, options }) => {
      const given = options.find((each) => each.name === option);
      return given ? [[name, evaluateIr(given.value, names)]] : [];
    }),
  );
};

const configured = () => {
  const { amends } = irOf().trainer;
  const set = (batch: number, isTrained = false) =>
    digits({ batch, dropLast: isTrained, shuffle: isTrained, prefetch: batches(2) });
  const plain = (lr: number) => adam({ of: [], lr });
  return {
    data: new Map([
      ['train_set', set(64, true)],
      ['val_set', set(64)],
      ['test_set', set(100)],
    ]),
    optimizers: new Map([
      ['opt', plain(1e-2)],
      ['same', plain(1e-2)],
      ['slow', plain(1e-4)],
    ]),
    addOns: [],
    amends: amends ?? {},
  };
};

const overridden = (words: readonly string[]) => {
  const before = configured();
  const { data, optimizers } = overrideAttributes(before, byOwner(words.map(parseOverride)), optionTable);
  return {
    data: Object.fromEntries([...before.data].map(([name, set]) => [name, (data.get(set) ?? set).options])),
    optimizers: Object.fromEntries(optimizers),
  };
};

test('a trainer knows what amends what, and what that names itself', () => {
  expect(irOf().trainer.amends).toEqual({
    data: [
      { name: 'shuffled', of: 'raw', own: ['shuffle', 'drop_last'] },
      { name: 'train_set', of: 'shuffled', own: [] },
      { name: 'val_set', of: 'raw', own: [] },
      { name: 'test_set', of: 'val_set', own: ['batch', 'prefetch'] },
    ],
    optimizers: [
      { name: 'same', of: 'opt', own: [] },
      { name: 'slow', of: 'opt', own: ['lr'] },
    ],
  } satisfies Amends);
});

describe.each<[readonly string[], string, 'batch' | 'dropLast' | 'shuffle' | 'workers', Wanted]>([
  [['raw.batch=16'], 'batch', 'batch', { train_set: 16, val_set: 16, test_set: 100 }],
  // The nearest holds, in whatever order they stand.
  [['val_set.batch=8', 'raw.batch=16'], 'batch', 'batch', { train_set: 16, val_set: 8, test_set: 100 }],
  [
    ['raw.batch=16', 'shuffled.batch=8', 'test_set.batch=4'],
    'batch',
    'batch',
    { train_set: 8, val_set: 16, test_set: 4 },
  ],
  [
    ['shuffled.drop_last=false'],
    'drop_last',
    'dropLast',
    { train_set: false, val_set: false, test_set: false },
  ],
  [['raw.drop_last=true'], 'drop_last', 'dropLast', { train_set: true, val_set: true, test_set: true }],
  [['val_set.shuffle=true'], 'shuffle', 'shuffle', { train_set: true, val_set: true, test_set: true }],
  [['raw.workers=2', 'val_set.workers=0'], 'workers', 'workers', { train_set: 2, val_set: 0, test_set: 0 }],
])('%j', (words, option, key, wanted) => {
  test('in the run', () => {
    const { data } = overridden(words);
    expect(Object.fromEntries(Object.entries(data).map(([name, each]) => [name, each[key]]))).toEqual(wanted);
  });
  test('in the checker', () => {
    const found = checkedWith(words, option);
    const fallback = option === 'workers' ? 0 : false;
    const names = Object.keys(wanted);
    expect(Object.fromEntries(names.map((name) => [name, found[name] ?? fallback]))).toEqual(wanted);
  });
});

test('optimizers, but for one with a rate of its own', () => {
  const { optimizers } = overridden(['opt.lr=0.5']);
  expect(Object.values(optimizers).map(({ lr }) => lr)).toEqual([0.5, 0.5, 1e-4]);
  expect(checkedWith(['opt.lr=0.5'], 'lr')).toMatchObject({ opt: 0.5, same: 0.5, slow: 1e-4 });
  const nearer = overridden(['same.lr=0.25', 'opt.lr=0.5']).optimizers;
  expect(Object.values(nearer).map(({ lr }) => lr)).toEqual([0.5, 0.25, 1e-4]);
});

test('what reaches nothing is refused, with what to set instead', () => {
  const message =
    'shuffled.batch changes nothing: no step reads shuffled, and train_set does not have batch from it; set train_set.batch';
  const words = ['shuffled.batch=8', 'train_set.batch=4'];
  expect(() => overridden(words)).toThrow(message);
  expect(() => checkedWith(words, 'batch')).toThrow(message);
});

test('an error names what was written', () => {
  for (const call of [overridden, (words: readonly string[]) => checkedWith(words, 'batch')]) {
    expect(() => call(['raw.batch=0'])).toThrow('raw.batch must keep batch >= 1, got 0');
    expect(() => call(['raw.bach=1'])).toThrow('raw has no option "bach"');
    expect(() => call(['row.batch=1'])).toThrow('did you mean raw?');
  }
});

test('what a resumed run compares with is what the heirs say', () => {
  const before = configured();
  expect(attributeOf(before, 'raw.batch', optionTable)?.inSpec).toBe(64);
  expect(attributeOf(before, 'shuffled.drop_last', optionTable)?.inSpec).toBe(true);
});

test('a run, and one that goes on with it', async () => {
  const program = await place.build('inherited');
  const run = await place.train(program, 'inherited', ['raw.batch=16']);
  // Of 1,797 rows, 1,078 are in part a: 67 whole batches.
  expect(run.summary['steps']).toBe(67);
  await place.call(program, ['--resume', run.folder, 'trainer.epochs=2', '--allow', 'epochs']);
  const again: unknown = JSON.parse(readFileSync(join(run.folder, 'summary.json'), 'utf8'));
  expect(again).toMatchObject({ steps: 134 });
});
