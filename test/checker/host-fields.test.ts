/** Fields that are no tensors: texts, paths and lists whose sizes differ. What the host makes of them, and what cannot be. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const check = (text: string) =>
  checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text, 'rows.ts': '' }));
const found = (text: string): readonly string[] =>
  check(text).diagnostics.map(
    ({ code, message, span }) => `${code} ${message} @ ${text.slice(span.start, span.end)}`,
  );

/** A spec over one data set, whose step reads `x: f32[4]`. */
const over = (data: string, more = ''): string => `
${data}
model Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.label)) } }
${more}
trainer T { epochs = 1 }
`;

const csv = (map = '', more = ''): string =>
  over(
    `data rows = csv -> { id: string, file: path, x: f32[4], label: i32 } { file = "rows.csv" columns = { x: ["a", "b", "c", "d"] } ${map} }`,
    more,
  );
const jsonl = (map: string): string =>
  over(
    `data rows = jsonl -> { words: string[len], tags: i32[len], x: f32[4], label: i32 } { file = "rows.jsonl" ${map} }`,
  );
const tagger = (map: string, type = 'i32[n, 8]'): string => `
param vocab: path = "words.txt"
data rows = jsonl -> { words: string[len], tags: i32[len] } { file = "rows.jsonl" map row -> ${map} }
model Net on tokens: ${type} -> f32[n, 8, 3] { return tokens |> embedding(9, 3) as table }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(softmax_cross_entropy(Net(batch.tokens), batch.tags), weight = batch.mask) } }
trainer T { epochs = 1 }
`;

/** What must stand in the code. */
const fine = {
  'texts that no map touches go around the step': [
    csv('', 'step predict(batch in rows) { return { id: batch.id, guess: argmax(Net(batch.x)) } }'),
    ["id: { dtype: 'string', shape: [] }", "file: { dtype: 'path', shape: [] }", 'id: batch.id'],
  ],
  'texts that a test step returns': [
    csv(
      '',
      'step test(batch in rows) { metric m = mean(Net(batch.x)) return { id: batch.id, t: utf8(cast(batch.x, i32)) } }',
    ),
    ['id: batch.id', 't: ops.utf8('],
  ],
  'texts beside what the step computes': [
    csv(
      'map row -> { x: row.x / 8, label: row.label, id: row.id }',
      'step predict(batch in rows) { return { id: batch.id, guess: argmax(Net(batch.x)) } }',
    ),
    ['readonly id: data.Texts', '.map((row) => ({ x: ops.div(row.x, 8), label: row.label, id: row.id, }))'],
  ],
  'a picture of a path': [
    `data rows = csv -> { file: path, age: f32 | missing, label: i32 } { file = "rows.csv"
  map row -> { image: resize(decode_image(row.file, channels = 3), [16, 16]), age: fill(row.age, 0), has_age: not is_missing(row.age), label: row.label } }
model Net on image: u8[n, 16, 16, 3] -> f32[n, 2] { return flatten(cast(image, f32)) |> dense(2) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) + mean(huber(batch.age, batch.age), weight = batch.has_age) } }
trainer T { epochs = 1 }
`,
    [
      'image: transforms.resize(transforms.decodeImage(row.file, { channels: 3 }), { size: [16, 16] }), age: row.age,',
    ],
  ],
  'words and tags, brought to one size': [
    tagger(
      '{ tokens: pad(lookup(row.words, vocab, unknown = 1), to = 8), tags: pad(row.tags, to = 8, truncate = true), mask: pad(ones_like(row.tags), to = 8) == 1, length: len }',
    ),
    [
      "words: { dtype: 'string', shape: [-1], names: ['len'] }",
      'tokens: transforms.padTo(transforms.lookup(row.words, { file: vocab, unknown: 1 }), { to: 8 })',
      'tags: transforms.padTo(row.tags, { to: 8, truncate: true })',
      'mask: transforms.padTo(transforms.onesLike(row.tags), { to: 8 })',
      'length: transforms.sizeOf(row.words, { axis: 0 })',
      '{ words: [vocab] }',
      'mask: ops.equal(row.mask, 1)',
    ],
  ],
  'a comparison of lists on the host, with a let': [
    tagger(
      '{ tokens: pad(lookup(row.words, vocab), to = 8), tags: pad(row.tags, to = 8), mask: known(row.tags) }',
    ).replace(
      'model Net',
      'fn known(tags: i32[l]) -> bool[8] {\n let is = tags > 0 and tags != 2\n return pad(is, to = 8)\n}\nmodel Net',
    ),
    ['transforms.and(transforms.greater(row.tags, 0), transforms.notEqual(row.tags, 2))'],
  ],
  'a name of the spec stays its own': [
    tagger(
      '{ tokens: pad(lookup(row.words, vocab), to = 8), tags: pad(row.tags, to = len(8)), mask: pad(row.tags > 0, to = 8) }',
    ).replace('model Net', 'fn len(x: int) -> int = x\nmodel Net'),
    ['tags: transforms.padTo(row.tags, { to: 8 })'],
  ],
  'a list that a second map pads': [
    tagger('{ words: row.words, tags: row.tags + 1 }')
      .replace(
        'model Net',
        'data padded = rows { map row -> { tokens: pad(lookup(row.words, vocab), to = 8), tags: pad(row.tags, to = 8), mask: pad(ones_like(row.tags), to = 8) == 1 } }\nmodel Net',
      )
      .replace('in rows', 'in padded'),
    ['tags: transforms.add(row.tags, 1)', "tags: { dtype: 'i32', shape: [-1] }"],
  ],
  'a source in TypeScript': [
    `extern "./rows.ts" { data rows_of(file: path) -> { words: string[len], tags: i32[len], name: string } }
data rows = rows_of { file = "x" map row -> { tokens: pad(lookup(row.words, "words.txt"), to = 8), tags: pad(row.tags, to = 8) } }
model Net on tokens: i32[n, 8] -> f32[n, 8, 3] { return tokens |> embedding(9, 3) as table }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(softmax_cross_entropy(Net(batch.tokens), batch.tags)) } }
trainer T { epochs = 1 }
`,
    ["name: { dtype: 'string', shape: [] }", "{ words: ['words.txt'] }"],
  ],
  'bytes as text': [
    `data rows = jsonl -> { tokens: i32[8] } { file = "rows.jsonl" }
model Net on tokens: i32[n, t] -> f32[n, t, 256] { return tokens |> embedding(257, 4) as table |> dense(256) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(softmax_cross_entropy(Net(batch.tokens), batch.tokens)) } }
step predict(batch in rows) { let next = argmax(Net(batch.tokens)) return { text: utf8(next), same: mean(next == batch.tokens, axis = 1) } }
trainer T { epochs = 1 }
`,
    ['text: ops.utf8(next)', 'readonly text: data.RowText'],
  ],
  'the first rows of a set': [
    `data rows = npz -> { image: f32[8, 8, 3], mask: f32[8, 8] } { file = "rows.npz" shuffle = true }
data shown = npz -> { image: f32[8, 8, 3], mask: f32[8, 8] } { file = "others.npz" map row -> { image: row.image / 2, mask: row.mask } }
param count: int = 4 where count > 0
model Net on image: f32[n, h, w, 3] -> f32[n, h, w] { return image |> conv2d(1, kernel = 1) as head |> squeeze(axis = -1) }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in rows) { update opt { minimize mean(sigmoid_cross_entropy(Net(batch.image), batch.mask)) } }
trainer T { epochs = 1 }
addon image_grid { of = sigmoid(Net(first(shown, count).image)) }
addon image_grid as both { of = concat([first(rows, 3).mask, sigmoid(Net(first(rows, 3).image)), first(shown, 2).mask], axis = 0) }
`,
    [
      "addons.over( { shown: addons.first({ data: 'shown', count }) }, ({ shown }: { readonly shown: { readonly image: Tensor4D; readonly mask: Tensor3D } }) => ops.sigmoid(models.net.call(shown.image)), )",
      "rows: addons.first({ data: 'rows', count: 3 }), shown: addons.first({ data: 'shown', count: 2 })",
      'readonly shown: Data<',
    ],
  ],
} as const;

describe('fields that the host alone has', () => {
  test('are cut off from what the step gets, and typed', async () => {
    const files: EmittedFile[] = [];
    for (const [index, [name, [text, parts]]] of Object.entries(fine).entries()) {
      const { ir, diagnostics } = check(text);
      expect(
        diagnostics.filter(({ code }) => !code.startsWith('ZT5')).map(({ message }) => message),
        name,
      ).toEqual([]);
      if (ir === null) continue;
      for (const file of await emit(ir, { compilerVersion: '0.1.0' })) {
        for (const part of parts) expect(file.text.replace(/\s+/g, ' '), name).toContain(part);
        // The extern's own file is not there.
        if (!text.includes('extern')) files.push({ ...file, fileName: `case${index}.ts` });
      }
    }
    const { faults } = await typecheck(files, { folder: '/host-fields' });
    expect(faults).toEqual([]);
  }, 120_000);

  test.each([
    [
      'a text in a step',
      csv('', 'step test(batch in rows) { metric m = mean(exp(batch.id)) }'),
      'ZT3203 `x` of `exp` is string[batch.size], a tensor expected @ batch.id',
    ],
    [
      'a text in a model',
      csv('', 'step test(batch in rows) { metric m = mean(Net(batch.file)) }'),
      'ZT3203 ',
    ],
    ['a text in arithmetic', csv('map row -> { x: row.x + row.id, label: row.label }'), 'ZT3'],
    [
      'texts that are compared',
      csv('', 'step predict(batch in rows) { return { same: batch.id == batch.id } }'),
      'ZT3204 ',
    ],
    [
      'texts alone',
      over('data rows = csv -> { id: string, file: path } { file = "rows.csv" }'),
      'ZT3203 a batch of `rows` is of texts alone, a tensor in it expected @ rows',
    ],
    [
      'a text in a function of tensors',
      csv('map row -> { x: cast(row.id, f32), label: row.label }'),
      'ZT3203 `x` of `cast` is a string of a row, a tensor expected @ row.id',
    ],
    [
      'a string that is no path',
      csv(
        'map row -> { x: row.x, label: row.label, image: resize(decode_image(row.id, channels = 3), [4, 4]) }',
      ),
      'ZT3203 `file` of `decode_image` is a string of a row, a path of a row expected @ row.id',
    ],
    [
      'a path that is no word',
      csv('map row -> { x: row.x, label: lookup(row.file, "w.txt") }'),
      'ZT3203 `words` of `lookup` is a path of a row, a string of a row, or a list of them expected @ row.file',
    ],
    [
      'channels that no picture has',
      csv(
        'map row -> { x: row.x, label: row.label, image: resize(decode_image(row.file, channels = 2), [4, 4]) }',
      ),
      'ZT3302 `channels` of `decode_image` is 2, but `channels == 1 or channels == 3` must hold @ 2',
    ],
    [
      'a picture of its own size',
      csv('map row -> { x: row.x, label: row.label, image: decode_image(row.file, channels = 1) }'),
      'ZT3203 `image` of `rows` is u8[n, image_height?, image_width?, 1], whose sizes differ from row to row, one size for all rows of a batch expected @ rows',
    ],
    [
      'decoding in a step',
      csv(
        '',
        'step test(batch in rows) { metric m = mean(cast(decode_image(batch.file, channels = 3), f32)) }',
      ),
      'ZT2006 `decode_image` is a function of the host, but one that runs in a step is needed here @ decode_image(batch.file, channels = 3)',
    ],
    [
      'texts that may be missing',
      csv().replace('id: string', 'id: string | missing'),
      'ZT3203 field `id` is string | missing, a text in every row expected @ string | missing',
    ],
    [
      'texts of arrays',
      over('data rows = npz -> { id: string, x: f32[4], label: i32 } { file = "rows.npz" }'),
      'ZT3203 field `id` is a string of a row, numbers in `npz` expected @ string',
    ],
    [
      'a size that csv does not know',
      csv().replace('label: i32', 'label: i32, y: f32[len]'),
      'ZT2001 unknown size `len` @ len',
    ],
    [
      'lists that a step gets',
      jsonl(''),
      'ZT3203 `words` of `rows` is string[n, len?], a list of texts, one size for all rows of a batch expected @ rows',
    ],
    [
      'a list of numbers that a step gets',
      jsonl('map row -> { x: row.x, label: row.label, tags: row.tags }'),
      'ZT3203 `tags` of `rows` is i32[n, len?], whose sizes differ from row to row, one size for all rows of a batch expected @ rows',
    ],
    [
      'a list in what the step computes',
      jsonl('map row -> { x: row.x, label: row.label, mean: mean(row.tags) }'),
      'ZT3203 `tags` is i32[len?], whose sizes differ from row to row, one size for all rows, as the step that computes this wants it, expected @ row.tags',
    ],
    [
      'lists of other sizes',
      jsonl('map row -> { x: row.x, label: row.label, y: pad(row.tags + range(3), to = 4) }'),
      'ZT3102 ',
    ],
    [
      'a value that bytes do not hold',
      jsonl('map row -> { x: row.x, label: row.label, y: pad(row.tags, to = 4, value = 0.5) }'),
      'ZT3203 `value` of `pad` is 0.5, a value that i32 holds expected @ 0.5',
    ],
    [
      'no size',
      jsonl('map row -> { x: row.x, label: row.label, y: pad(row.tags, to = 0) }'),
      'ZT3302 `to` of `pad` is 0, but `to >= 1` must hold @ 0',
    ],
    [
      'one number',
      jsonl('map row -> { x: row.x, label: pad(row.label, to = 4) }'),
      'ZT3101 `x` of `pad` has 0 axes, 1 or more expected @ row.label',
    ],
    [
      'words in the place of numbers',
      jsonl('map row -> { x: row.x, label: row.label, y: pad(row.words, to = 4) }'),
      'ZT3203 `x` of `pad` is string[len?], a tensor expected @ row.words',
    ],
    [
      'padding in a step',
      csv('', 'step test(batch in rows) { metric m = mean(pad(batch.x, to = 8)) }'),
      'ZT2006 `pad` is a function of the host, but one that runs in a step is needed here @ pad(batch.x, to = 8)',
    ],
    ['bytes in a map', csv('map row -> { x: row.x, label: row.label, t: utf8(row.label) }'), 'ZT2006 '],
    [
      'no bytes',
      csv('', 'step predict(batch in rows) { return { t: utf8(batch.label) } }'),
      'ZT3101 `tokens` of `utf8` has 1 (i32[batch.size]) axes, 2 expected @ batch.label',
    ],
    [
      'first rows in a step',
      csv('', 'step test(batch in rows) { metric m = mean(Net(first(rows, 3).x)) }'),
      'ZT2006 `first` is for what an add-on shows, but a function is needed here @ first(rows, 3)',
    ],
    [
      'first rows of nothing',
      csv('', 'addon image_grid { of = first(row, 3).x }'),
      'ZT2001 unknown data set `row` @ row',
    ],
    [
      'no first row',
      csv('', 'addon image_grid { of = first(rows, 0).x }'),
      'ZT3302 `count` of `first` is 0, but `count >= 1` must hold @ 0',
    ],
    ['first rows that are no picture', csv('', 'addon image_grid { of = first(rows, 3).x }'), 'ZT3101 '],
  ])('%s', (_, text, message) => {
    const all = found(text).filter((each) => !each.startsWith('ZT5'));
    expect(all).toHaveLength(1);
    expect(all[0]?.slice(0, message.length)).toBe(message);
  });
});
