/** Workers and batches ahead of the step: what they say in a spec, and where there is nothing for them to do. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const rest = (size: string): string => `
model Net on image: f32[n, ${size}] -> f32[n, 10] { return flatten(image) |> dense(10) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
trainer T { epochs = 1 }
`;
const inStep = '{ image: cast(row.image, f32), label: row.label }';
const onHost = '{ image: cast(random_crop(row.image, [8, 8], pad = 1), f32), label: row.label }';

const check = (text: string) =>
  checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text, 'own.ts': '' }));
const found = (text: string): readonly string[] =>
  check(text).diagnostics.map(
    ({ code, message, span }) => `${code} ${message} @ ${text.slice(span.start, span.end)}`,
  );

const photos = `data photos = image_folder -> { image: u8[height, width, 3], label: i32 } { root = "photos" batch = 8 workers = 4 prefetch = 8.batches }
data train_set = photos { map row -> { image: cast(resize(row.image, [8, 8]), f32), label: row.label } }
${rest('8, 8, 3')}`;
const idle =
  "ZT5020 `workers` changes nothing: rows of `digits` are in memory, and nothing of this data's `map` runs on the host";

test('they are in the trainer, with the file that workers import', async () => {
  const { ir, diagnostics } = check(photos);
  expect(diagnostics).toEqual([]);
  if (ir === null) throw new Error('no IR');
  const files = await emit(ir, { compilerVersion: '0.1.0' });
  const text = files.map((file) => file.text).join('\n');
  expect(text).toMatch(/workers: 4,\s+prefetch: units\.batches\(8\)/);
  expect(text).toContain('module: import.meta.url');
  expect((await typecheck(files, { folder: '/workers' })).faults).toEqual([]);
}, 60_000);

test('a trainer whose data takes no work on the host does not say where it is', async () => {
  const { ir } = check(`data train_set = digits { map row -> ${inStep} }${rest('8, 8, 1')}`);
  if (ir === null) throw new Error('no IR');
  const [file] = await emit(ir, { compilerVersion: '0.1.0' });
  expect(file?.text).not.toContain('import.meta');
});

describe('workers that have nothing to do', () => {
  test.each([
    ['rows in memory', `data train_set = digits { workers = 4 map row -> ${inStep} }`, [`${idle} @ 4`]],
    [
      'a set that others amend, said once',
      `data all = digits { workers = 2 }\ndata train_set = all { map row -> ${inStep} }`,
      [`${idle} @ 2`],
    ],
    [
      'but pictures that rows name, and words',
      'data train_set = csv -> { file: path, kind: string } { file = "list.csv" workers = 2 map row -> { image: cast(resize(decode_image(row.file, channels = 1), [8, 8]), f32), label: lookup(row.kind, "words.txt") } }',
      [],
    ],
    ['none of them', `data train_set = digits { workers = 0 map row -> ${inStep} }`, []],
    [
      'as many as a param says',
      `param w: int = 3 where w >= 0\ndata train_set = digits { workers = w map row -> ${inStep} }`,
      [`${idle} @ w`],
    ],
    ['a function of images', `data train_set = digits { workers = 4 map row -> ${onHost} }`, []],
    [
      'a function of images in one of those that amend it',
      `data all = digits { workers = 4 }\ndata train_set = all { map row -> ${onHost} }`,
      [],
    ],
    [
      'an extern source',
      `extern "./own.ts" { data scans(file: path) -> { image: u8[8, 8, 1], label: i32 } }\ndata train_set = scans { file = "a" workers = 2 map row -> ${inStep} }`,
      [],
    ],
    ['batches ahead alone', `data train_set = digits { prefetch = 4.batches map row -> ${inStep} }`, []],
  ])('%s', (_, text, wanted) => {
    expect(found(text + rest('8, 8, 1'))).toEqual(wanted);
  });

  test.each([
    ['workers = -1', 'ZT3302'],
    ['workers = 1.5', 'ZT3203'],
    ['prefetch = 4', 'ZT3202'],
    ['prefetch = 4.steps', 'ZT3202'],
    ['prefetch = 1.5.batches', 'ZT3203'],
    ['prefetch = (0 - 1).batches', 'ZT3203'],
    ['num_workers = 4', 'ZT2002'],
    ['prefetch_factor = 4.batches', 'ZT2002'],
  ])('%s is refused', (option, code) => {
    const text = photos.replace('workers = 4 prefetch = 8.batches', option);
    expect(check(text).diagnostics.map((each) => each.code)).toEqual([code]);
  });
});
