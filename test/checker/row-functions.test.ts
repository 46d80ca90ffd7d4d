/** Functions of a batch's rows, of probabilities and of vectors: their shapes, what they mean for losses and metrics, what is refused. */
import { expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const train = (body: string): string => `step train(batch in train_set) { ${body} }`;
const validate = (body: string): string => `step validate(batch in test_set) every 1.epoch { ${body} }`;
const loss = (of: string): string => `mean(softmax_cross_entropy(Net(${of}.image), ${of}.label))`;

test('a batch is shuffled and gone through in parts, of which each loss and metric is one over rows', () => {
  const body = `for turn in 0..2 {
    let mixed = shuffle_rows(batch)
    for part in 0..4 {
      update opt {
        let mini = rows_of(mixed, from = part * 8, count = 8)
        let logp = log_prob(Net(mini.image), mini.label)
        minimize -mean(logp) - 0.01 * mean(entropy(Net(mini.image)))
        metric logp = mean(logp)
      }
    }
  }`;
  const train_set =
    'data train_set = digits { batch = 32 shuffle = true drop_last = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }';
  expect(codesOf({ train_set, train: train(body), validate: '' })).toEqual([]);
});

test('a loss that compares each row with all is told of small batches', () => {
  const contrast = `fn contrast(q: f32[n, d], k: f32[n, d]) -> f32 {
    let keys = gather(unit(k))
    return mean(softmax_cross_entropy(unit(q) @ transpose(keys) / 0.2, own_rows(keys)))
  }`;
  const body = `update opt { let z = Net(batch.image) minimize contrast(z, stop_gradient(z)) }`;
  expect(codesOf({ block: contrast, train: train(body) })).toEqual([]);
  const trainer = 'trainer Digits { epochs = 1 accumulate = 3 }';
  expect(codesOf({ block: contrast, train: train(body), trainer })).toEqual(['ZT5008']);
});

test('outer gives a table of products', () => {
  const body = 'metric sum = mean(Net(batch.image) @ outer(range(10), 2 ** (-range(3) / 3)))';
  expect(codesOf({ validate: validate(body) })).toEqual([]);
  expect(only({ validate: validate('metric sum = mean(outer(Net(batch.image), range(3)))') })).toMatchObject({
    code: 'ZT3101',
    at: 'Net(batch.image)',
  });
});

test('as many classes are drawn from as there are', () => {
  const predict = (k: string): string =>
    `step predict(batch in test_set) { return { guess: choose(Net(batch.image), top_k = ${k}) } }`;
  expect(codesOf({ addon: predict('10') })).toEqual([]);
  expect(only({ addon: predict('11') })).toMatchObject({ code: 'ZT3302' });
  expect(only({ addon: predict('0') })).toMatchObject({ code: 'ZT3302' });
});

test.each([
  ['a number', 'rows_of(3, from = 0, count = 8)', 'ZT3203'],
  ['no row', 'rows_of(batch, from = 0, count = 0)', 'ZT3302'],
  ['shuffling one number', 'shuffle_rows(mean(Net(batch.image)))', 'ZT3203'],
])('%s is refused', (_name, expr, code) => {
  const body = `let mini = ${expr} update opt { minimize ${loss('batch')} + 0 * mean(mini.image) }`;
  expect(found({ train: train(body) })[0]?.code).toBe(code);
});

test('some of the rows are no row of output for each row', () => {
  const addon =
    'step predict(batch in test_set) { let few = rows_of(batch, from = 0, count = 2) return { guess: argmax(Net(few.image)) } }';
  expect(only({ addon })).toMatchObject({ code: 'ZT3101' });
});

test('in a map a row is alone', () => {
  const train_set =
    'data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(shuffle_rows(row.image), f32), label: row.label } }';
  expect(found({ train_set, validate: '' }).map(({ code }) => code)).toEqual(['ZT4900']);
});
