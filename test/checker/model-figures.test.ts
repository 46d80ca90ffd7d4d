/** A number of one batch is one wherever it is computed: in a model, in a block of it, in one field of what it gives. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { check, codesOf, only, specOf } from './training-spec.js';

const models = `
model Pool on image: f32[n, 8, 8, 1] -> { m: f32[64], x: f32[n, 64] } {
  let x = flatten(image)
  return { m: mean(x, axis = 0), x: x }
}
model Centred on image: f32[n, 8, 8, 1] -> f32[n, 64] { let x = flatten(image) return x - mean(x, axis = 0) }
block Centre on x: f32[n, d] -> f32[n, d] { return x - mean(x, axis = 0) }
model Blocks on image: f32[n, 8, 8, 1] -> f32[n, 64] { return image |> flatten() |> repeat 2 { Centre() } }
model Named on image: f32[n, 8, 8, 1] -> f32[n, 64] { layer c = Centre() let x = flatten(image) return c(x) }
model Counted on image: f32[n, 8, 8, 1] -> f32[n, 64] { let x = flatten(image) return x / n }
model Both on image: f32[n, 8, 8, 1] -> { own: f32[n, 64], met: f32[n, 64] } {
  let x = flatten(image)
  return { own: x |> dense(64), met: x - x[0] }
}
model Norm on image: f32[n, 8, 8, 1] -> f32[n, 64] { return image |> flatten() |> batch_norm() }
model Frames on image: f32[n, 8, 8, 1] -> f32[n, 8, 4] {
  return image |> reshape([n * 8, 8]) |> dense(4) |> reshape([n, 8, 4])
}`;

const spec = (body: string): Parameters<typeof only>[0] => ({
  block: models,
  validate: `step validate(batch in test_set) every 1.epoch { let p = Pool(batch.image) ${body} }`,
});

const refused: readonly (readonly [body: string, at: string])[] = [
  ['metric a = max_of(p.m)', 'Pool(batch.image)'],
  ['metric a = mean(Pool(batch.image).m)', 'Pool(batch.image)'],
  ['metric a = mean(Centred(batch.image))', 'Centred(batch.image)'],
  ['metric a = mean(Blocks(batch.image))', 'Blocks(batch.image)'],
  ['metric a = mean(Named(batch.image))', 'Named(batch.image)'],
  ['metric a = mean(Counted(batch.image))', 'Counted(batch.image)'],
  ['let b = Both(batch.image) metric a = mean(b.met)', 'Both(batch.image)'],
  ['metric a = mean(std(Centred(batch.image), axis = 0))', 'Centred(batch.image)'],
];

const codes = (body: string): readonly string[] =>
  codesOf(spec(body)).filter((code) => code !== 'ZT5001' && code !== 'ZT5002');

test.each(refused)('%s is refused', (body, at) => {
  const { diagnostics } = check(specOf(spec(body)));
  const [found, ...others] = diagnostics.filter(({ severity }) => severity === 'error');
  expect(others).toEqual([]);
  expect(found?.code).toBe('ZT4108');
  expect(specOf(spec(body)).slice(found?.span.start, found?.span.end)).toBe(at);
  expect(codes(`${body} by mean`)).toEqual([]);
});

test.each([
  'metric a = mean(p.x)',
  'metric a = max_of(mean(Pool(batch.image).x, axis = 0))',
  'let b = Both(batch.image) metric a = mean(b.own)',
  'metric a = mean(Norm(batch.image))',
  'metric a = mean(Frames(batch.image))',
  // A let that is split keeps what is known of the calls beside the part.
  'let y = Net(batch.image) let s = std(y * y, axis = 0) metric a = mean(s) metric b = max_of(s)',
])('%s is exact', (body) => {
  expect(codes(body)).toEqual([]);
});

test.each([
  ['meets_rows = true', []],
  ['', []],
])('of a layer in TypeScript with { %s }', (setting, expected) => {
  const text = specOf({
    block: `extern "./own.ts" { layer crowd(rate: float = 0.5) on x: f32[n, d] -> f32[n, d] { ${setting} } }
model Crowd on image: f32[n, 8, 8, 1] -> f32[n, 64] { return image |> flatten() |> crowd() }`,
    validate: 'step validate(batch in test_set) every 1.epoch { metric a = mean(Crowd(batch.image)) }',
  });
  const { diagnostics } = checkProgram('spec.ztrain', memoryHost({ 'own.ts': '', 'spec.ztrain': text }));
  expect(diagnostics.map(({ code }) => code)).toEqual(expected);
});

const validate = (body: string): Parameters<typeof only>[0] => ({
  validate: `step validate(batch in test_set) every 1.epoch { let y = Net(batch.image) ${body} }`,
});

test.each([
  ['metric a = mean(reshape(y, [10, batch.size])[0])', 'reshape(y, [10, batch.size])'],
  ['metric a = max_of(max_of(reshape(y, [10, batch.size]), axis = 1))', 'reshape(y, [10, batch.size])'],
  ['metric a = mean(max_of(reshape(y, [2, batch.size, 5]), axis = 2))', 'reshape(y, [2, batch.size, 5])'],
  [
    'metric a = mean(reshape(concat([y, -y], axis = 0), [batch.size, 20])[:, 0:15])',
    'reshape(concat([y, -y], axis = 0), [batch.size, 20])',
  ],
  ['metric a = mean(shuffle_rows(y) * y)', 'shuffle_rows(y)'],
  ['metric a = mean(rows_of(batch, from = 0, count = 2).label)', 'rows_of(batch, from = 0, count = 2)'],
  ['metric a = mean(concat([y, ones([1, 10])], axis = 0))', 'concat([y, ones([1, 10])], axis = 0)'],
  ['metric a = mean(pad(y, [(1, 0), (0, 0)]))', 'pad(y, [(1, 0), (0, 0)])'],
  ['metric a = mean(put(y, ones([10]), at = 0, axis = 0))', 'put(y, ones([10]), at = 0, axis = 0)'],
])('rows meet in %s', (body, at) => {
  const found = only(validate(body));
  expect(found).toMatchObject({ code: 'ZT4108', at });
});

test.each([
  'metric a = mean(reshape(y, [batch.size, 2, 5]))',
  'metric a = max_of(max_of(reshape(y, [batch.size * 2, 5]), axis = 0))',
  'metric a = mean(reshape(reshape(y, [batch.size * 2, 5]), [batch.size, 10])[:, 0])',
  'metric a = mean(reshape(transpose(y), [10, batch.size])[0])',
  'metric a = mean(concat([y, -y], axis = 0))',
  'metric a = mean(concat([y, y], axis = 1))',
  'metric a = mean(pad(y, [(0, 0), (1, 1)]))',
  'metric a = mean(shuffle_rows(ones([4, 2])))',
])('rows stay apart in %s', (body) => {
  expect(codesOf(validate(body)).filter((code) => code !== 'ZT5002')).toEqual([]);
});

test('a step that trains on a part of the rows has metrics of that part', () => {
  expect(
    codesOf({
      train: `step train(batch in train_set) { let mixed = shuffle_rows(batch) let mini = rows_of(mixed, from = 0, count = 8)
        update opt { let y = Net(mini.image) minimize mean(softmax_cross_entropy(y, mini.label)) metric hit = mean(argmax(y) == mini.label) } }`,
      train_set:
        'data train_set = digits { batch = 32 shuffle = true drop_last = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }',
      validate: '',
    }),
  ).toEqual([]);
});
