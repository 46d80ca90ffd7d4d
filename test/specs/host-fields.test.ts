/** Rows with texts, pictures that they name, and lists whose sizes differ: from files to trained weights, predictions and pictures. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastCheckpoint, lastWeights, openWorkplace, type Run, type Workplace } from './run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
});
afterAll(() => place.remove());

const put = (file: string, content: string | Uint8Array): void => {
  mkdirSync(join(place.folder, file, '..'), { recursive: true });
  writeFileSync(join(place.folder, file), content);
};
const lines = (rows: readonly unknown[]): string => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
const json = (run: Run, file: string): unknown => JSON.parse(readFileSync(join(run.folder, file), 'utf8'));
const rowsIn = (file: string): readonly unknown[] =>
  readFileSync(join(place.folder, file), 'utf8')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

const faces = `
/// How bright a picture is, and whether more than half; some rows have no brightness.
data faces = csv -> { name: string, file: path, age: f32 | missing, smile: bool } {
  file = "faces/list.csv" parts = { train: 75.percent, validate: 25.percent } batch = 8 on_bad_row = "skip"
  map row -> {
    name: row.name, image: resize(decode_image(row.file, channels = 3), [8, 8]), age: fill(row.age, 0),
    has_age: not is_missing(row.age), smile: row.smile
  }
}
data train_set = faces { part = "train" shuffle = true }
data val_set = faces { part = "validate" }
model Faces on image: u8[n, 8, 8, 3] -> { age: f32[n], smile: f32[n] } {
  let h = flatten(cast(image, f32) / 255) |> dense(8) as trunk |> relu()
  return { age: h |> dense(1) as age |> squeeze(axis = -1), smile: h |> dense(1) as smile |> squeeze(axis = -1) }
}
optimizer opt = adam { of = Faces lr = 0.01 }
fn losses(batch: faces) -> { age: f32, smile: f32, accuracy: f32 } {
  let out = Faces(batch.image)
  return {
    age: mean(huber(out.age, batch.age), weight = batch.has_age),
    smile: mean(sigmoid_cross_entropy(out.smile, cast(batch.smile, f32))),
    accuracy: mean((out.smile > 0) == batch.smile)
  }
}
step train(batch in train_set) { update opt { let loss = losses(batch) minimize loss.age + loss.smile } }
step validate(batch in val_set) every 5.epochs { metric loss = losses(batch) return { name: batch.name, age: Faces(batch.image).age } }
step predict(batch in val_set) { return { name: batch.name, smile: Faces(batch.image).smile > 0 } }
trainer FacesTrainer { epochs = 40 seed = 1 }
addon checkpoint { best = max(validate.loss.accuracy) }
addon predictions { file = "guesses.csv" }
`;

test('pictures that rows name, with values that some rows lack', async () => {
  const list = ['name,file,age,smile'];
  for (let at = 0; at < 48; at += 1) {
    const level = (at * 37) % 256;
    const size = 6 + (at % 5);
    const picture = new PNG({ width: size, height: size + 1 });
    picture.data.fill(level);
    put(`faces/pictures/${at}.png`, at === 20 ? 'no picture' : PNG.sync.write(picture));
    list.push(`"no. ${at}, ${level}",pictures/${at}.png,${at % 3 === 0 ? '' : level / 255},${level > 127}`);
  }
  put('faces/list.csv', `${list.join('\n')}\n`);
  put('faces.ztrain', faces);
  const program = await place.build('faces');
  const run = await place.train(program, 'faces', []);
  expect(run.metrics.get('validate.loss.accuracy')).toBeGreaterThanOrEqual(0.9);
  // The row whose file is no picture is in one of the parts.
  const { data } = json(run, 'run.json') as { data: Record<string, { rows: number }> };
  expect((data['train_set']?.rows ?? 0) + (data['val_set']?.rows ?? 0)).toBe(47);
  await place.call(program, ['predict', '--from', run.folder]);
  const guesses = readFileSync(join(place.folder, 'guesses.csv'), 'utf8').trim().split('\n');
  expect(guesses[0]).toBe('name,smile');
  expect(guesses.length - 1).toBe(data['val_set']?.rows);
  const right = guesses.slice(1).filter((line) => {
    const [, level = '', smile] = /^"no\. \d+, (\d+)",(true|false)$/.exec(line) ?? [];
    return Number(level) > 127 === (smile === 'true');
  });
  expect(right.length).toBeGreaterThanOrEqual(0.9 * (guesses.length - 1));

  // A validation's rows have the texts that its batches have.
  const held = readFileSync(join(run.folder, 'guesses.validate.csv'), 'utf8').trim().split('\n');
  expect(held[0]).toBe('name,age');
  const nameOf = (line: string): string | undefined => /^"[^"]+"/.exec(line)?.[0];
  expect(held.slice(1).map(nameOf)).toEqual(guesses.slice(1).map(nameOf));

  // Workers make the same of it: the rows that are left out, the weights, the texts beside what is predicted.
  const words = ['train_set.workers=2', 'val_set.workers=1'];
  const other = await place.train(program, 'faces-workers', words);
  expect(lastWeights(other).equals(lastWeights(run))).toBe(true);
  expect(json(other, 'run.json')).toMatchObject({
    data: { train_set: { rows: data['train_set']?.rows }, val_set: { rows: data['val_set']?.rows } },
  });
  await place.call(program, ['predict', '--from', other.folder, ...words]);
  expect(readFileSync(join(place.folder, 'guesses.csv'), 'utf8').trim().split('\n')).toEqual(guesses);
}, 240_000);

const tagger = `
/// Tags of words, alone: what a word is does not depend on the others.
const tags = 3
const longest = 6
data sentences = jsonl -> { id: string, words: string[len], tags: i32[len] } {
  file = "tagger/rows.jsonl" parts = { train: 80.percent, validate: 20.percent } batch = 10
  map row -> {
    id: row.id, length: len,
    tokens: pad(lookup(row.words, "tagger/vocab.txt", unknown = 0), to = longest),
    tags: pad(row.tags, to = longest),
    mask: pad(ones_like(row.tags), to = longest) == 1
  }
}
data train_set = sentences { part = "train" shuffle = true }
data val_set = sentences { part = "validate" }
model Tagger on tokens: i32[n, t] -> f32[n, t, tags] { return tokens |> embedding(7, 8) as words |> dense(tags) as head }
optimizer opt = adam { of = Tagger lr = 0.05 }
fn loss_of(batch: sentences) -> f32 =
  mean(softmax_cross_entropy(Tagger(batch.tokens), batch.tags), weight = batch.mask)
step train(batch in train_set) { update opt { minimize loss_of(batch) } }
step validate(batch in val_set) every 2.epochs {
  let guess = argmax(Tagger(batch.tokens))
  metric loss = loss_of(batch)
  metric accuracy = mean(guess == batch.tags, weight = batch.mask)
  metric length = mean(batch.length)
}
step predict(batch in val_set) { return { id: batch.id, tags: argmax(Tagger(batch.tokens)) } }
trainer TaggerTrainer { epochs = 10 seed = 1 }
addon checkpoint { best = max(validate.accuracy) }
addon predictions { file = "tags.jsonl" }
`;

test('sentences of many lengths', async () => {
  const vocab = ['<unknown>', 'a', 'the', 'cat', 'dog', 'sees', 'hears'];
  put('tagger/vocab.txt', `${vocab.join('\n')}\n`);
  const tagOf = (word: string): number => Math.max(0, Math.floor((vocab.indexOf(word) - 1) / 2));
  const rows = Array.from({ length: 60 }, (_, at) => {
    const words = Array.from({ length: at % 7 }, (__, place) => vocab[1 + ((at * 5 + place * 3) % 6)] ?? '');
    return { id: `s${at}`, words, tags: words.map(tagOf) };
  }).filter(({ words }) => words.length <= 6);
  put('tagger/rows.jsonl', lines(rows));
  put('tagger.ztrain', tagger);
  const program = await place.build('tagger');
  const run = await place.train(program, 'tagger', []);
  expect(run.metrics.get('validate.accuracy')).toBe(1);
  const { data } = json(run, 'run.json') as {
    data: Record<string, { files: readonly { file: string; sha256: string }[] }>;
  };
  const digest = createHash('sha256')
    .update(`${vocab.join('\n')}\n`)
    .digest('hex');
  expect(data['train_set']?.files.map(({ file }) => file)).toEqual(['tagger/rows.jsonl', 'tagger/vocab.txt']);
  expect(data['train_set']?.files[1]?.sha256).toBe(digest);
  await place.call(program, ['predict', '--from', run.folder]);
  for (const row of rowsIn('tags.jsonl')) {
    const { id, tags } = row as { id: string; tags: readonly number[] };
    const own = rows.find((each) => each.id === id);
    expect(tags.slice(0, own?.tags.length), id).toEqual(own?.tags);
  }
}, 240_000);

const bytes = `
/// The next byte of an alphabet that goes round; 256 is padding.
data train_set = jsonl -> { tokens: i32[8] } { file = "bytes/rows.jsonl" batch = 26 }
data prompts = jsonl -> { tokens: i32[8] } { file = "bytes/prompts.jsonl" batch = 2 }
model Next on tokens: i32[b, t] -> f32[b, t, 257] { return tokens |> embedding(257, 32) as table |> dense(257) as head }
optimizer opt = adam { of = Next lr = 0.05 }
fn extend(tokens: i32[b, l], at: int where at >= 1 and at < l) -> i32[b, l] =
  put(tokens, argmax(Next(tokens)[:, at - 1]), at = at, axis = 1)
step train(batch in train_set) {
  update opt { minimize mean(softmax_cross_entropy(Next(batch.tokens[:, :-1]), batch.tokens[:, 1:])) }
}
step predict(batch in prompts) { return { text: utf8(batch.tokens |> repeat at in 3..6 { extend(at) }) } }
trainer BytesTrainer { epochs = 60 seed = 1 }
addon predictions { file = "texts.jsonl" }
`;

test('bytes that a model has written, as text', async () => {
  const letter = (at: number): number => 97 + (at % 26);
  put(
    'bytes/rows.jsonl',
    lines(
      Array.from({ length: 26 }, (_, from) => ({
        tokens: Array.from({ length: 8 }, (__, at) => letter(from + at)),
      })),
    ),
  );
  const prompts = [0, 10, 24].map((from) => ({
    tokens: [...[0, 1, 2].map((at) => letter(from + at)), ...Array(5).fill(256)],
  }));
  put('bytes/prompts.jsonl', lines([...prompts, { tokens: [0xc3, 0xbc, 97, ...Array(5).fill(256)] }]));
  put('bytes.ztrain', bytes);
  const program = await place.build('bytes');
  const run = await place.train(program, 'bytes', []);
  await place.call(program, ['predict', '--from', run.folder]);
  expect(rowsIn('texts.jsonl')).toEqual(
    ['abcdef', 'klmnop', 'yzabcd', 'übcd'].map((text) => ({ text: text === 'übcd' ? 'üabcd' : text })),
  );
}, 240_000);

const unet = `
/// Where a picture is bright, in its own size.
data cells = csv -> { file: path, mask: f32[4, 4] } {
  file = "cells/list.csv" columns = { mask: ["m*"] } batch = 4
  map row -> { image: cast(resize(decode_image(row.file, channels = 1), [4, 4]), f32) / 255, mask: row.mask }
}
data train_set = cells { shuffle = true }
data shown = cells { }
model Net on image: f32[n, h, w, 1] -> f32[n, h, w] { return image |> conv2d(1, kernel = 1) as head |> squeeze(axis = -1) }
optimizer opt = adam { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(sigmoid_cross_entropy(Net(batch.image), batch.mask)) } }
trainer UNetTrainer { epochs = 60 seed = 1 reload_data = 20.epochs }
addon image_grid { of = sigmoid(Net(first(shown, 3).image)) every = 30.epochs low = 0 }
addon image_grid as inputs { of = first(shown, 3).image every = 30.epochs low = 0 }
`;

test('a grid of what becomes of the same first rows', async () => {
  const list = [`file,${Array.from({ length: 16 }, (_, at) => `m${at}`).join(',')}`];
  const levels = Array.from({ length: 8 }, (_, row) =>
    Array.from({ length: 16 }, (__, at) => ((row + at) % 3 === 0 ? 230 : 20)),
  );
  for (const [row, values] of levels.entries()) {
    const picture = new PNG({ width: 4, height: 4 });
    values.forEach((level, at) => picture.data.set([level, level, level, 255], 4 * at));
    put(`cells/${row}.png`, PNG.sync.write(picture));
    list.push(`${row}.png,${values.map((level) => Number(level > 100)).join(',')}`);
  }
  put('cells/list.csv', `${list.join('\n')}\n`);
  put('cells.ztrain', unet);
  const run = await place.train(await place.build('cells'), 'cells', []);
  const pictureAt = (folder: string, step: number) =>
    PNG.sync.read(
      readFileSync(join(run.folder, 'images', folder, `step-${String(step).padStart(8, '0')}.png`)),
    );
  const levelsIn = ({ width, data }: PNG, count: number): readonly (readonly number[])[] =>
    Array.from({ length: count }, (_, image) =>
      Array.from({ length: 16 }, (__, at) => {
        const left = (image % 2) * 5 + (at % 4);
        const top = Math.floor(image / 2) * 5 + Math.floor(at / 4);
        return data[4 * (top * width + left)] ?? -1;
      }),
    );
  for (const step of [60, 120]) expect(levelsIn(pictureAt('inputs', step), 3)).toEqual(levels.slice(0, 3));
  const masks = levelsIn(pictureAt('.', 120), 3).map((image) => image.map((level) => Number(level > 127)));
  expect(masks).toEqual(levels.slice(0, 3).map((image) => image.map((level) => Number(level > 100))));
  expect(lastCheckpoint(run)).toMatch(/step-0*120$/);

  // Only the add-ons read these rows: workers may prepare them, alone or beside those of the steps.
  const fileAt = ({ folder }: Run, of: string): Buffer =>
    readFileSync(join(folder, 'images', of, 'step-00000120.png'));
  for (const [at, words] of [['shown.workers=2'], ['train_set.workers=2', 'shown.workers=1']].entries()) {
    const other = await place.train(join(place.folder, 'dist', 'cells.mjs'), `cells-${at}`, words);
    for (const of of ['.', 'inputs']) expect(fileAt(other, of).equals(fileAt(run, of))).toBe(true);
  }

  put(
    'few.ztrain',
    unet
      .replace('first(shown, 3).image) every', 'first(shown, 9).image) every')
      .replace('first(shown, 3).image))', 'first(shown, 9).image))'),
  );
  await expect(place.train(await place.build('few'), 'few', [])).rejects.toThrow(
    "data 'shown' has 8 rows, and an add-on takes the first 9; write first(shown, 8), or fewer",
  );
}, 240_000);
