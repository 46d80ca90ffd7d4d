/**
 * Specs with a frozen teacher whose model nothing else uses, compiled and run as programs: the model is not made beside its copy, and
 * the copy holds what it would hold if the model were there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { lastWeights, openWorkplace, type Run, type Workplace } from './run-spec.js';

const specOf = (teacher: string, more = ''): string => `
data train_set = digits { batch = 64 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data test_set = train_set { split = "test" shuffle = false }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Large on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return image |> flatten() |> dense(32) as hidden |> batch_norm() as norm |> relu() |> dense(10) as head
}
model Teacher = ${teacher}
optimizer opt = adam { of = Net lr = 1e-2 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.image) - Teacher(batch.image))) } }
${more}
trainer Digits { steps = 3 seed = 1 }
`;
/** The other model, called where nothing is trained: so it is made. */
const called = 'step validate(batch in test_set) every 3.steps { metric large = mean(Large(batch.image)) }';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
});
afterAll(() => place.remove());

const train = async (name: string, spec: string): Promise<Run> => {
  writeFileSync(join(place.folder, `${name}.ztrain`), spec);
  return place.train(await place.build(name), name, []);
};
const modelsOf = (run: Run): string[] => [
  ...new Set([...readSafetensors(lastWeights(run)).tensors.keys()].map((name) => name.split('.')[0] ?? '')),
];
/** Values below a model, by their names there. */
const valuesOf = (run: Run, model: string): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(
    [...readSafetensors(lastWeights(run)).tensors].flatMap(([name, { values }]) =>
      name.startsWith(`${model}.`) ? [[name.slice(model.length + 1), [...values]]] : [],
    ),
  );

test('it begins as the model would, which is not made beside it', async () => {
  const alone = await train('alone', specOf('frozen(Large)'));
  const beside = await train('beside', specOf('frozen(Large)', called));
  expect(modelsOf(alone).sort()).toEqual(['Net', 'Teacher']);
  expect(modelsOf(beside).sort()).toEqual(['Large', 'Net', 'Teacher']);
  expect(valuesOf(alone, 'Teacher')).toEqual(valuesOf(beside, 'Teacher'));
  expect(valuesOf(alone, 'Teacher')).toEqual(valuesOf(beside, 'Large'));
  expect(valuesOf(alone, 'Net')).toEqual(valuesOf(beside, 'Net'));
}, 240_000);

test('it has the weights of a run, and of a file by `addon pretrained` into its model', async () => {
  const first = await train(
    'first',
    specOf('frozen(Net)')
      .replace('of = Net', 'of = Large')
      .replace('square(Net(batch.image)', 'square(Large(batch.image)'),
  );
  const learned = valuesOf(first, 'Large');
  const ofRun = await train('of-run', specOf('frozen(Large, from = "runs/first")'));
  expect(modelsOf(ofRun).sort()).toEqual(['Net', 'Teacher']);
  expect(valuesOf(ofRun, 'Teacher')).toEqual(learned);
  const { tensors } = readSafetensors(lastWeights(first));
  const renamed = [...tensors].flatMap(([name, tensor]) =>
    name.startsWith('Large.') ? [[name.replace('Large.', 'Old.'), tensor] as const] : [],
  );
  writeFileSync(join(place.folder, 'old.safetensors'), Buffer.concat(writeSafetensors(new Map(renamed))));
  const addon =
    'addon pretrained { from = "old.safetensors" into = Large rename = [("Old.**", "Large.**")] }';
  const twice = specOf('frozen(Large)\nmodel Other = frozen(Large)', addon).replace(
    'Teacher(batch.image)))',
    'Teacher(batch.image) + 0 * Other(batch.image)))',
  );
  const ofFile = await train('of-file', twice);
  expect(modelsOf(ofFile).sort()).toEqual(['Net', 'Other', 'Teacher']);
  expect(valuesOf(ofFile, 'Teacher')).toEqual(learned);
  expect(valuesOf(ofFile, 'Other')).toEqual(learned);
}, 240_000);

test('what no optimizer has is not counted as trained', async () => {
  const { folder } = await train('counted', specOf('frozen(Large)', called));
  // 64 · 10 + 10 of Net; Large and Teacher have 2,538 each with their running statistics.
  expect(readFileSync(join(folder, 'console.log'), 'utf8')).toMatch(/5,?726 values .*, 650 trained/);
}, 120_000);
