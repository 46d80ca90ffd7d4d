/** What a start of a run says and refuses by the numbers that it finds, as the compiler does where it knows them. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';
import { RunError } from '../../src/runtime/run/run-error.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { parseOverride } from '../../src/values/overrides.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, setup, type LineData } from './tiny-trainer.js';

const withOptions = (options: TrainerOptions): LineTrainer => new LineTrainer(setup({}, options));

describe('a least length beyond the run, in whatever units', () => {
  /** The error that a start ends with, else what it says. */
  const said = async (trainer: LineTrainer, goesOn = false): Promise<string | readonly string[]> => {
    try {
      const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.', goesOn });
      await session.close();
      return session.notes;
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      return error.message;
    }
  };
  const given = (options: TrainerOptions, ...words: readonly string[]): LineTrainer =>
    new LineTrainer({ options, overrides: words.map(parseOverride) });
  const inSteps = "min_steps = 11 is more than the run's 10 steps (2 epochs of 5)";

  test('is refused where the spec says both, or the command line', async () => {
    expect(await said(withOptions({ epochs: 2, minSteps: 10 }))).toEqual([]);
    const refused = `${inSteps}; lower it by trainer.min_steps=10`;
    expect(await said(withOptions({ epochs: 2, minSteps: 11 }))).toBe(refused);
    expect(await said(given({}, 'trainer.epochs=2', 'trainer.min_steps=11'))).toBe(refused);
    expect(await said(withOptions({ epochs: null, steps: 10, minEpochs: 2 }))).toEqual([]);
    expect(await said(withOptions({ epochs: null, steps: 9, minEpochs: 2 }))).toBe(
      "min_epochs = 2 is 10 steps, more than the run's 9; lower it by trainer.min_epochs=1",
    );
    expect(await said(withOptions({ epochs: null, steps: 4, minEpochs: 1 }))).toBe(
      "min_epochs = 1 is 5 steps, more than the run's 4; lengthen the run by trainer.steps=5",
    );
  });

  test('is told where the command line alone says one of them, as for a short trial', async () => {
    const told = [
      `${inSteps}: nothing ends it early; lower it by trainer.min_steps=10 where something is to`,
    ];
    expect(await said(given({ epochs: 9, minSteps: 11 }, 'trainer.epochs=2'))).toEqual(told);
    expect(await said(given({ epochs: 2 }, 'trainer.min_steps=11'))).toEqual(told);
    expect(await said(given({ epochs: 9, minEpochs: 2 }, 'trainer.steps=9'))).toEqual([
      "min_epochs = 2 is 10 steps, more than the run's 9: nothing ends it early; lower it by trainer.min_epochs=1 where something is to",
    ]);
    for (const word of ['trainer.limit.train=1.batch', 'trainer.overfit=1.batch', 'train.batch=1000'])
      expect(await said(given({ epochs: 2, minSteps: 5 }, word))).toEqual([
        expect.stringContaining('min_steps = 5 is more than'),
      ]);
  });

  test('is told where a run goes on that was begun with it', async () => {
    expect(await said(withOptions({ epochs: 2, minSteps: 11 }), true)).toEqual([
      expect.stringContaining(`${inSteps}: `),
    ]);
  });

  test('is none where there is no end, and where nothing is trained', async () => {
    expect(await said(withOptions({ epochs: null, maxTime: units.seconds(5), minSteps: 99 }))).toEqual([]);
    const measuring = { kinds: ['validate'], dataRoot: '.' } as const;
    await (await withOptions({ epochs: 2, minSteps: 11 }).prepare(measuring)).session.close();
  });
});

/** 5 batches of train beside 3 of test. */
class Together extends LineTrainer {
  protected override configureSteps(from: LineData) {
    return [steps.train('train', [from.train, from.test], (batch, _other) => this.trainStep(batch))];
  }
}
class Allowing extends Together {
  static override readonly spec = { ...LineTrainer.spec, allowed: ['ZT5023'] };
}
/** An update that reads what another of its step has changed. */
class Reading extends LineTrainer {
  static override readonly spec: typeof LineTrainer.spec = {
    ...LineTrainer.spec,
    readsChanged: [{ update: 'other', weights: ['Line'], by: ['opt'] }],
  };
}
class AllowingReads extends Reading {
  static override readonly spec = { ...Reading.spec, allowed: ['ZT5026'] };
}
class AllowingOther extends Reading {
  static override readonly spec = { ...Reading.spec, allowed: ['ZT5023'] };
}

test('what a spec allows is not told at the start either', async () => {
  const notesOf = async (trainer: LineTrainer): Promise<readonly string[]> => {
    const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.' });
    await session.close();
    return session.notes;
  };
  expect(await notesOf(new Together(setup({}, { epochs: 2 })))).toEqual([
    expect.stringContaining('an epoch of train is over after the 3 batches of its shortest data set'),
  ]);
  expect(await notesOf(new Allowing(setup({}, { epochs: 2 })))).toEqual([]);
  const windows = { epochs: 2, accumulate: 5 };
  for (const telling of [Reading, AllowingOther])
    expect(await notesOf(new telling(setup({}, windows)))).toEqual([
      expect.stringContaining('accumulate = 5: update other reads Line'),
    ]);
  expect(await notesOf(new AllowingReads(setup({}, windows)))).toEqual([]);
});

test('a generated trainer has the codes that its train step allows, where a run would tell of them', async () => {
  const specOf = async (allow: string): Promise<string> => {
    const spec = `data easy = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data hard = easy { split = "test" }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
optimizer opt = adam { of = Net }
${allow}
step train(a in easy, b in hard) {
  update opt { minimize mean(softmax_cross_entropy(Net(a.image), a.label)) + mean(softmax_cross_entropy(Net(b.image), b.label)) }
}
trainer Digits { epochs = 1 }`;
    const { ir, diagnostics } = checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec }));
    expect(diagnostics.map(({ code }) => code)).toEqual(allow.includes('ZT5023') ? [] : ['ZT5023']);
    const [file] = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
    return file?.text ?? '';
  };
  expect(await specOf('# allow ZT5023 "the hard ones come often"')).toContain("allowed: ['ZT5023'],");
  expect(await specOf('# allow ZT5007 "no draws"')).not.toContain('allowed');
  expect(await specOf('')).not.toContain('allowed');
});

/** A spec of `step train`, with windows of five batches, as a trainer's text; it must have no warning. */
const emitted = async (body: string, more = ''): Promise<string> => {
  const model = (name: string): string =>
    `model ${name} on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`;
  const spec = `data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
${model('Net')}
${model('Other')}
optimizer opt = adam { of = Net }
optimizer other = adam { of = Other }
${more}
step train(batch in train_set) { ${body} }
trainer Digits { epochs = 1 accumulate = 5 }`;
  const { ir, diagnostics } = checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec }));
  expect(diagnostics).toEqual([]);
  const [file] = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
  return file?.text ?? '';
};
const update = (name: string, of: string): string =>
  `update ${name} { minimize mean(softmax_cross_entropy(${of}, batch.label)) }`;
const [first, own, second] = [
  update('opt', 'Net(batch.image)'),
  update('other', 'Other(batch.image)'),
  update('other', 'Net(batch.image) + Other(batch.image)'),
];

test('so it has the code of updates that read what the step has changed', async () => {
  const allow = '# allow ZT5026 "the mixture is meant"';
  expect(await emitted(`${first} ${second}`, allow)).toContain("allowed: ['ZT5026'],");
});

const opt = "{ update: 'opt', weights: ['Net'], by: ['opt'] }";
const other = "{ update: 'other', weights: ['Net'], by: ['opt'] }";
test.each([
  [
    'the turns of a loop',
    'param turns: int = 1 where turns >= 1',
    `for turn in 0..turns { ${first} } ${own}`,
    `({ turns }) => (turns > 1 ? [${opt}] : [])`,
  ],
  [
    'of a loop that may have none',
    'param turns: int = 0 where turns >= 0',
    `for turn in 0..turns { ${first} } ${second}`,
    `({ turns }) => [ ...(turns > 1 ? [${opt}] : []), ...(turns > 0 ? [${other}] : []), ]`,
  ],
  [
    'of two loops',
    'param turns: int = 1 where turns > 0\nparam parts: int = 1 where parts > 0',
    `for turn in 0..turns { for part in 0..parts { ${first} } } ${own}`,
    `({ turns, parts }) => (turns > 1 ? parts > 0 : turns > 0 && parts > 1) ? [${opt}] : []`,
  ],
  [
    'a branch',
    'param tied: bool = false',
    `${first} if tied { ${second} } else { ${own} }`,
    `({ tied }) => (tied ? [${other}] : [])`,
  ],
  [
    'a value',
    'param tied: bool = false',
    `${first} let a = if tied then Net(batch.image) else Other(batch.image) ${update('other', 'a + Other(batch.image)')}`,
    `({ tied }) => (tied ? [${other}] : [])`,
  ],
])('what it tells of such updates is for the params of the run: %s', async (_, param, body, told) => {
  const text = await emitted(body, param);
  expect(text.replaceAll(/\s+/g, ' ')).toContain(`readsChanged: ${told}, }`);
});

test('and it tells of nothing where the params have their defaults', async () => {
  class Turning extends LineTrainer {
    static override readonly spec: typeof LineTrainer.spec = {
      ...LineTrainer.spec,
      readsChanged: ({ lr }) => (lr > 1 ? [{ update: 'opt', weights: ['Line'], by: ['opt'] }] : []),
    };
  }
  const notesOf = async (lr: number): Promise<readonly string[]> => {
    const trainer = new Turning(setup({ lr }, { epochs: 1, accumulate: 5 }));
    const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.' });
    await session.close();
    return session.notes;
  };
  expect(await notesOf(0.1)).toEqual([]);
  expect(await notesOf(2)).toEqual([expect.stringContaining('update opt reads Line')]);
});
