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
  expect(planOf(whole).join('\n')).toMatchInlineSnapshot();
});
test('of a dev run', () => {
  const dev = whole.replace('epochs = 3', 'epochs = 3 dev_run = 2.batches');
  expect(planOf(dev).join('\n')).toMatchInlineSnapshot();
});
