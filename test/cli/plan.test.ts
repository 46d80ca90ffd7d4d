/** `show --plan`: the timetable of a run with all that comes every so often or at one time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { planLines } from '../../src/cli/show-plan.js';
import { settingsOf } from '../../src/cli/settings.js';
import { checkSpec, specFile } from '../../src/cli/specs.js';
import { parseOverride } from '../../src/values/overrides.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-plan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const whole = `data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data test_set = train_set { split = "test" batch = 128 shuffle = false }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(16) as hidden |> relu() |> dense(10) as head }
model Smooth = ema(Net, decay = 0.99)
model Settled = average(Net, from = 2.epochs, every = 1.epoch)
optimizer opt = adam { of = Net group body { match = ["hidden.*"] freeze = 1.epoch } }
step train(batch in train_set) {
  update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
  every 50.steps { metric late = mean(softmax_cross_entropy(Smooth(batch.image), batch.label)) }
}
step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Settled(batch.image), batch.label)) }
step validate as rare(batch in test_set) every 20.epochs { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
step validate as odd(batch in test_set) every 50.steps { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
trainer Digits { epochs = 3 log_every = 20.steps }
addon checkpoint { every = 1.epoch best = min(validate.loss) }
addon early_stopping { monitor = min(validate.loss) patience = 1 }
addon lr_log { every = 40.steps }
addon csv_log { }
addon image_grid { of = Net(first(test_set, 16).image)[:, :9] |> reshape([16, 3, 3]) every = 1.epoch }
`;

const planOf = (text: string, ...overrides: readonly string[]): readonly string[] => {
  const path = join(folder, 'plan.ztrain');
  writeFileSync(path, text);
  const spec = specFile(path);
  const checked = checkSpec(spec);
  expect(checked.diagnostics).toEqual([]);
  const trainer = checked.ir?.trainer;
  if (!trainer || checked.ir === null) throw new Error('no trainer');
  return planLines(spec, checked, trainer, settingsOf(trainer, checked.ir, overrides.map(parseOverride)));
};

test('of a whole run', () => {
  expect(planOf(whole).join('\n')).toMatchInlineSnapshot(`
    "train: 45 steps an epoch, 135 in all (3 epochs)
      train_set: 1,438 rows, 45 batches of 32, the last of 30
        in the step: image
      every 50 steps (metric late): in steps 50, 100 (2 times)
    validate: every 1 epoch: after 45, 90, 135 (3 times)
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    rare: every 20 epochs, which the run is too short for: at the end, after 135 (1 time)
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    odd: every 50 steps: after 50, 100, and at the end, after 135 (3 times)
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    freeze: group body of \`opt\` in steps 1 to 45, trained from 46 on
    ema Smooth of Net: after every update
    average Settled of Net: takes weights in after 90, 135 (2 times)
    add-ons, in the order of their hooks: lr_log (independent), csv_log (independent), image_grid (independent), early_stopping (trigger), checkpoint (dependent)
    checkpoint: every 1 epoch: after 45, 90, 135 (3 times); after a validation with the best validate.loss; at the end
    early_stopping: validate.loss is measured 3 times, patience 1: a run that does not improve ends after step 90
    metrics of training: at the end of each epoch, and in between: every 20 steps: after 20, 40, 60, … (6 times)
    lr_log: every 40 steps: after 40, 80, 120 (3 times)
    csv_log: with each line of metrics
    image_grid: every 1 epoch: after 45, 90, 135 (3 times)"
  `);
});
test('what is frozen later on, or but for a time', () => {
  const frozen = (freeze: string, spec = whole): readonly string[] =>
    planOf(
      spec
        .replace(/^(?:  every 50.steps|model Smooth) .*$/gm, '')
        .replace('freeze = 1.epoch', `freeze = ${freeze}`),
    ).filter((line) => line.startsWith('freeze'));
  const group = 'freeze: group body of `opt`';
  expect(frozen('after(2.epochs)')).toEqual([`${group}, trained in steps 1 to 90, frozen from 91 on`]);
  expect(frozen('after(2.epochs, first = 10.steps)')).toEqual([
    `${group} in steps 1 to 10, trained from 11 to 90, frozen from 91 on`,
  ]);
  const short = whole.replace('epochs = 3', 'epochs = 3 dev_run = 20.batches');
  expect(frozen('after(2.epochs)', short)).toEqual([`${group} never, the run has 20 steps`]);
  expect(frozen('after(2.epochs, first = 10.steps)', short)).toEqual([
    `${group} in steps 1 to 10, trained from 11 on`,
  ]);
  expect(frozen('after(2.epochs, first = 1.epoch)', short)).toEqual([`${group} in all 20 steps`]);
  writeFileSync(join(folder, 'own.ts'), '');
  const unknown = `extern "./own.ts" { data own(number: int) -> { image: f32[8, 8, 1], label: i32 } }\n${whole
    .replace(/data train_set = .*/, 'data train_set = own { number = 1 }')
    .replace(/data test_set = .*/, 'data test_set = own { number = 2 }')}`;
  expect(frozen('after(2.epochs, first = 10.steps)', unknown)).toEqual([
    `${group} for 10 steps, and after 2 epochs, to the end`,
  ]);
  expect(frozen('10.steps', unknown)).toEqual([`${group} in steps 1 to 10, trained from 11 on`]);
});

const live = (more: string, trainer = 'steps = 50'): string =>
  `extern "./own.ts" { data own() -> { image: f32[8, 8, 1], label: i32 } { live = true } }
data play = own { batch = 8 }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
optimizer opt = adam { of = Net }
step train(batch in play) {
  update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
}
trainer Play { ${trainer} }
${more}
`;

test('of a run on live data, which has no epochs', () => {
  writeFileSync(join(folder, 'own.ts'), '');
  const best = 'addon checkpoint { every = 10.steps best = min(train.loss) }';
  expect(planOf(live(best)).join('\n')).toMatchInlineSnapshot(`
    "train: 50 steps
      play: live, batches of 8 as the step asks for them
    add-ons, in the order of their hooks: checkpoint (dependent)
    checkpoint: every 10 steps; after a line of metrics with the best train.loss; at the end
    metrics of training: every 50 steps"
  `);
  const metrics = (trainer: string): string | undefined =>
    planOf(live('', trainer)).find((line) => line.startsWith('metrics'));
  expect(metrics('steps = 55')).toBe('metrics of training: every 50 steps, and at the end');
  expect(metrics('steps = 50 log_every = 5.steps')).toBe('metrics of training: every 5 steps');
  expect(metrics('max_time = 1.hour')).toBe('metrics of training: every 50 steps, and at the end');
  expect(planOf(live('', 'steps = 50 accumulate = 4')).slice(0, 2)).toEqual([
    'train: 50 steps',
    '  play: live, batches of 8 as the step asks for them, 4 in each: 32 rows a step',
  ]);
});

test('a best figure of training is that of an epoch', () => {
  const text = whole.replace('best = min(validate.loss)', 'best = min(train.loss)');
  expect(planOf(text).find((line) => line.startsWith('checkpoint'))).toContain(
    '; after an epoch with the best train.loss; ',
  );
});

test('of a dev run', () => {
  const dev = whole.replace('epochs = 3', 'epochs = 3 dev_run = 2.batches');
  expect(planOf(dev).join('\n')).toMatchInlineSnapshot(`
    "train: 45 steps an epoch, 2 in all (dev_run)
      train_set: 1,438 rows, 45 batches of 32, the last of 30
        in the step: image
      every 50 steps (metric late): never, the run has 2 steps
      a dev run: at most 2 steps of one epoch, and nothing is written
    validate: once, at the end (dev_run), of 2 batches at most
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    rare: once, at the end (dev_run), of 2 batches at most
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    odd: once, at the end (dev_run), of 2 batches at most
      test_set: 359 rows, 3 batches of 128, the last of 103
        in the step: image
    freeze: group body of \`opt\` in all 2 steps
    ema Smooth of Net: after every update
    average Settled of Net: takes weights in after no step
    add-ons, in the order of their hooks: lr_log (independent), csv_log (independent), image_grid (independent)
    metrics of training: at the end of each epoch, and in between: every 20 steps: never, the run has 2 steps
    lr_log: every 40 steps: never, the run has 2 steps
    csv_log: with each line of metrics
    image_grid: every 1 epoch: never, the run has 2 steps"
  `);
});
