/** A confusion matrix has the names of its classes, wherever they are known: of choices in a file, and of folders of pictures. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkplace, type Workplace } from './run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
});
afterAll(() => place.remove());

const summaryOf = (run: { readonly folder: string }): unknown =>
  JSON.parse(readFileSync(join(run.folder, 'summary.json'), 'utf8'));

const flowers = `
data flowers = csv -> { x: f32[4], species: "setosa" | "versicolor" | "virginica" } {
  file = "data/iris-train.csv" columns = { x: ["sepal_*", "petal_*"] } batch = 30
  map row -> { x: row.x / 8, species: row.species, other: row.species % 2 }
}
model Net on x: f32[n, 4] -> f32[n, 3] { return x |> dense(3) as head }
model Two on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as head }
optimizer opt = adam { of = [Net, Two] lr = 0.1 }
step train(batch in flowers) {
  update opt {
    minimize mean(softmax_cross_entropy(Net(batch.x), batch.species)) + mean(softmax_cross_entropy(Two(batch.x), batch.other))
  }
}
# allow ZT5004 "it is about what is printed"
step validate(batch in flowers) every 1.epoch {
  metric confused = confusion_matrix(Net(batch.x), batch.species)
  metric other = confusion_matrix(Two(batch.x), batch.other)
}
trainer Flowers { epochs = 2 }
`;

test('of choices in a CSV file', async () => {
  writeFileSync(join(place.folder, 'flowers.ztrain'), flowers);
  const program = await place.build('flowers');
  const run = await place.train(program, 'flowers', []);
  const names = ['setosa', 'versicolor', 'virginica'];
  // What is computed of a class has others, which nobody has named.
  expect(summaryOf(run)).toMatchObject({ classes: { 'validate.confused': names } });
  expect(summaryOf(run)).not.toHaveProperty(['classes', 'validate.other']);
  const log = readFileSync(join(run.folder, 'console.log'), 'utf8');
  expect(log).toMatch(/validate\.confused\n +setosa +versicolor +virginica\nsetosa +\d+ +\d+ +\d+\n/);
  expect(log).toMatch(/validate\.other\n *\d+ +\d+\n/);
  const printed = await place.call(program, ['test', '--from', run.folder]);
  expect(printed).toMatch(/\n +setosa +versicolor +virginica\nsetosa +\d+/);
  const json: unknown = JSON.parse(await place.call(program, ['test', '--from', run.folder, '--json']));
  expect(json).toMatchObject({ 'validate.confused.classes': names });
  expect(json).not.toHaveProperty(['validate.other.classes']);
  // A run that went on has them too.
  await place.call(program, ['--resume', run.folder, 'trainer.epochs=3', '--allow', 'epochs']);
  expect(summaryOf(run)).toMatchObject({ epochs: 3, classes: { 'validate.confused': names } });
});

const pictures = `
data photos = image_folder -> { image: u8[height, width, 3], label: i32 } {
  root = "photos" batch = 4
  map row -> { image: cast(resize(row.image, [4, 4]), f32) / 255, label: row.label }
}
model Net on image: f32[n, 4, 4, 3] -> f32[n, 2] { return image |> flatten() |> dense(2) as head }
optimizer opt = adam { of = Net }
step train(batch in photos) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
# allow ZT5004 "it is about what is printed"
step validate(batch in photos) every 1.epoch { metric confused = confusion_matrix(Net(batch.image), batch.label) }
trainer Photos { epochs = 1 }
`;

test('of folders of pictures that are resized, in workers too', async () => {
  for (const name of ['cat', 'dog']) {
    mkdirSync(join(place.folder, 'photos', name), { recursive: true });
    for (let at = 0; at < 4; at += 1) {
      const picture = new PNG({ width: 6 + at, height: 6 });
      picture.data.fill(name === 'cat' ? 40 : 200);
      writeFileSync(join(place.folder, 'photos', name, `${at}.png`), PNG.sync.write(picture));
    }
  }
  writeFileSync(join(place.folder, 'photos.ztrain'), pictures);
  const program = await place.build('photos');
  for (const words of [[], ['photos.workers=1']]) {
    const run = await place.train(program, `photos${words.length}`, words);
    expect(summaryOf(run)).toMatchObject({ classes: { 'validate.confused': ['cat', 'dog'] } });
    expect(readFileSync(join(run.folder, 'console.log'), 'utf8')).toMatch(/\n +cat +dog\ncat +\d/);
  }
});

const answers = `
data answers = csv -> { x: f32, answer: string } {
  file = "answers.csv" batch = 2 map row -> { x: row.x, answer: lookup(row.answer, "kinds.txt") }
}
model Net on x: f32[n] -> f32[n, CLASSES] { return reshape(x, [n, 1]) |> dense(CLASSES) as head }
optimizer opt = adam { of = Net }
step train(batch in answers) {
  update opt {
    let out = Net(batch.x)
    minimize mean(softmax_cross_entropy(out, batch.answer))
    metric confused = confusion_matrix(out, batch.answer, normalize = "label")
  }
}
trainer Answers { epochs = 1 }
`;

test('of words that are looked up', async () => {
  writeFileSync(join(place.folder, 'kinds.txt'), 'no\nyes\n');
  writeFileSync(join(place.folder, 'answers.csv'), `x,answer\n1,yes\n2,no\n3,yes\n4,no\n`);
  const build = async (option: string, classes: number): Promise<string> => {
    const file = join(place.folder, 'answers.ztrain');
    writeFileSync(
      file,
      answers.replace('"kinds.txt"', `"kinds.txt"${option}`).replaceAll('CLASSES', String(classes)),
    );
    return place.build('answers');
  };
  const plain = await place.train(await build('', 2), 'answers', []);
  expect(summaryOf(plain)).toMatchObject({ classes: { 'train.confused': ['no', 'yes'] } });
  // Behind those that the file names.
  const more = await place.train(await build(', unknown = 2', 4), 'more', []);
  expect(summaryOf(more)).toMatchObject({ classes: { 'train.confused': ['no', 'yes', '2', '3'] } });
  // Other words are in the row of the first, which is not that of `no` then.
  const mixed = await place.train(await build(', unknown = 0', 2), 'mixed', []);
  expect(summaryOf(mixed)).not.toHaveProperty('classes');
});
