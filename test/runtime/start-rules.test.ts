/** What a start of a run says and refuses by the numbers that it finds, as the compiler does where it knows them. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { parseOverride } from '../../src/values/overrides.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, setup, type LineData } from './tiny-trainer.js';

const withOptions = (options: TrainerOptions): LineTrainer => new LineTrainer(setup({}, options));

test('a least length beyond the run is refused before it starts, in whatever units, and by a command line as well', async () => {
  const refusal = async (trainer: LineTrainer): Promise<unknown> => {
    try {
      const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.' });
      await session.close();
      return null;
    } catch (error) {
      return error;
    }
  };
  const given = (text: string): LineTrainer =>
    new LineTrainer({ options: { epochs: 2 }, overrides: [parseOverride(text)] });
  expect(await refusal(given('trainer.min_steps=10'))).toBeNull();
  expect(await refusal(given('trainer.min_steps=11'))).toMatchObject({
    name: 'RunError',
    message: "min_steps = 11 is more than the run's 10 steps (2 epochs of 5); lower it",
  });
  expect(await refusal(withOptions({ epochs: null, steps: 10, minEpochs: 2 }))).toBeNull();
  expect(await refusal(withOptions({ epochs: null, steps: 9, minEpochs: 2 }))).toMatchObject({
    message: "min_epochs = 2 is 10 steps, more than the run's 9; lower it",
  });
  // Without an end there is none to be beyond; who measures does not train.
  expect(await refusal(withOptions({ epochs: null, maxTime: units.seconds(5), minSteps: 99 }))).toBeNull();
  const measuring = { kinds: ['validate'], dataRoot: '.' } as const;
  await (await withOptions({ epochs: 2, minSteps: 11 }).prepare(measuring)).session.close();
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

test('so it has the code of updates that read what the step has changed', async () => {
  const [first, second] = ['opt', 'other'].map(
    (name) =>
      `update ${name} { minimize mean(softmax_cross_entropy(Net(batch.image) + Other(batch.image), batch.label)) }`,
  );
  const model = (name: string): string =>
    `model ${name} on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`;
  const spec = `data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
${model('Net')}
${model('Other')}
optimizer opt = adam { of = Net }
optimizer other = adam { of = Other }
# allow ZT5026 "the mixture is meant"
step train(batch in train_set) { ${first} ${second} }
trainer Digits { epochs = 1 accumulate = 5 }`;
  const { ir, diagnostics } = checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec }));
  expect(diagnostics).toEqual([]);
  const [file] = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
  expect(file?.text).toContain("allowed: ['ZT5026'],");
});
