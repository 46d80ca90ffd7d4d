/** ZT5017: data files of a spec that are not there, where the compiler was asked to look. ZT5022 and ZT5007: what measuring leaves out or mixes. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const rest = `model Net on x: f32[n, 2] -> f32[n, 1] { return x |> dense(1) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x))) } }
trainer Rows { epochs = 1 }
`;

/** Code, the text at its place, and the message of each diagnostic. */
const told = (text: string, files: Readonly<Record<string, string>> = {}, looks = true) => {
  const host = { ...memoryHost({ '/p/a.ztrain': text, ...files }), looksForData: looks };
  return checkProgram('/p/a.ztrain', host).diagnostics.map(({ code, span, message }) => [
    code,
    text.slice(span.start, span.end),
    message,
  ]);
};

test.each([
  [
    'csv -> { x: f32[2] } { file = "d/rows.csv" columns = { x: ["a", "b"] } }',
    '"d/rows.csv"',
    'file d/rows.csv',
  ],
  ['jsonl -> { x: f32[2] } { file = "d/rows.jsonl" }', '"d/rows.jsonl"', 'file d/rows.jsonl'],
  ['npz -> { x: f32[2] } { file = "rows.npz" }', '"rows.npz"', 'file rows.npz'],
  [
    'image_folder -> { image: u8[1, 2, 3], label: i32 } { root = "flowers" map row -> { x: reshape(cast(row.image, f32), [6])[0:2] } }',
    '"flowers"',
    'folder flowers',
  ],
])('%s', (data, at, what) => {
  const text = `data train_set = ${data}\n${rest}`;
  expect(told(text)).toEqual([['ZT5017', at, `there is no ${what}`]]);
  const path = `/p/${at.slice(1, -1)}`;
  expect(told(text, { [path]: 'a,b\n1,2\n' })).toEqual([]);
  expect(told(text, {}, false)).toEqual([]);
  expect(told(text.replace('data train_set', '# allow ZT5017 "made later"\ndata train_set'))).toEqual([]);
});

test('both files of idx, a param, and the words of lookup', () => {
  const idx = `data train_set = idx -> { image: u8[1, 2], label: i32 } { images = "i" labels = "l" map row -> { x: reshape(cast(row.image, f32), [2]) } }\n${rest}`;
  expect(told(idx).map(([, at]) => at)).toEqual(['"i"', '"l"']);
  const words = `param file: path = "rows.jsonl"
data train_set = jsonl -> { words: string[len], x: f32[2] } {
  file = file
  map row -> { x: row.x, word: pad(lookup(row.words, "vocab.txt", unknown = 0), to = 3) }
}
${rest}`;
  expect(told(words)).toEqual([
    ['ZT5017', 'file', 'there is no file rows.jsonl'],
    ['ZT5017', '"vocab.txt"', 'there is no file of words vocab.txt'],
  ]);
  expect(told(words, { '/p/rows.jsonl': '', '/p/vocab.txt': '' })).toEqual([]);
});

const digits = (
  held: string,
  validate: string,
): string => `data train_set = digits { batch = 32 drop_last = true map row -> { x: cast(row.image, f32) / 16, y: one_hot(row.label, 10) } }
data val_set = ${held}
model Net on x: f32[n, 8, 8, 1] -> f32[n, 10] { return x |> flatten() |> dense(10) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) {
  let mixed = mixup(batch.x, batch.y, alpha = 0.2)
  update opt { minimize mean(softmax_cross_entropy(Net(mixed.x), mixed.y)) }
}
step ${validate}
trainer Rows { epochs = 1 }
`;
const measured =
  'validate(batch in val_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Net(batch.x), batch.y)) }';

test('rows that are left out are counted; what is said of the set itself, and predictions, are well', () => {
  const left = 'leaves out the last 7 rows of `val_set`';
  expect(told(digits('train_set { split = "test" }', measured))).toEqual([
    ['ZT5022', 'val_set', `\`step validate\` ${left}`],
  ]);
  expect(told(digits('train_set { split = "test" batch = 359 }', measured))).toEqual([]);
  expect(told(digits('train_set { split = "test" drop_last = true }', measured))).toEqual([]);
  expect(told(digits('train_set { split = "test" drop_last = false }', measured))).toEqual([]);
  expect(
    told(
      digits(
        'train_set { split = "test" }',
        'predict(batch in val_set) { return { y: argmax(Net(batch.x)) } }',
      ),
    ),
  ).toEqual([]);
  const unknown = `data train_set = csv -> { x: f32[2] } { file = "rows.csv" columns = { x: ["a", "b"] } drop_last = true }
data val_set = train_set { file = "val.csv" }
${rest}step test(batch in val_set) { metric loss = mean(square(Net(batch.x))) }\n`;
  expect(told(unknown, {}, false)).toEqual([
    ['ZT5022', 'val_set', '`step test` leaves out the rows of a last, shorter batch of `val_set`'],
  ]);
});

test('a step that measures mixes no rows, and may draw noise of its own', () => {
  const held =
    'digits { split = "test" map row -> { x: cast(row.image, f32) / 16, y: one_hot(row.label, 10) } }';
  const step = (body: string): string =>
    `validate(batch in val_set) every 1.epoch { ${body} metric loss = mean(softmax_cross_entropy(Net(mixed.x), mixed.y)) by mean }`;
  for (const name of ['mixup', 'cutmix'])
    expect(told(digits(held, step(`let mixed = ${name}(batch.x, batch.y, alpha = 1.0)`)))).toEqual([
      ['ZT5007', 'val_set', `\`step validate\` reads rows that \`${name}\` changes at random`],
    ]);
  const noise = step('let mixed = { x: batch.x + random_beta([batch.size, 8, 8, 1], 2, 2), y: batch.y }');
  expect(told(digits(held, noise))).toEqual([]);
});
