/** ZT4224: rows that `rows_of` takes, and batches that do not have them. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const data = (options: string): string =>
  `data train_set = digits { ${options} shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }`;
const update = (rows: string): string =>
  `update opt { let mini = rows_of(batch, ${rows}) minimize mean(softmax_cross_entropy(Net(mini.image), mini.label)) }`;
const spec = (body: string, options = 'batch = 32', trainer = 'epochs = 1', param = '') => ({
  param,
  train_set: data(options),
  train: `step train(batch in train_set) { ${body} }`,
  trainer: `trainer Digits { ${trainer} }`,
});
const turns = `for part in 0..4 { ${update('from = part * 8, count = 8')} }`;

const beyond = (...of: Parameters<typeof spec>): readonly string[] =>
  found(spec(...of)).flatMap(({ code, message }) => (code === 'ZT4224' ? [message] : []));

test('the last batch is told of with counts', () => {
  // 1,438 rows: 44 batches of 32, and one of 30.
  expect(only(spec(turns))).toMatchObject({
    code: 'ZT4224',
    message: '`rows_of` takes 8 rows from row 24 on, but the last batch of `train_set` has 30',
    at: 'rows_of(batch, from = part * 8, count = 8)',
    notes: ['`train_set` has 1,438 rows: 45 batches of 32 in a pass'],
    help: 'write `drop_last = true` in the data set, or a `batch` that divides its rows',
  });
});

describe('told as well', () => {
  test.each([
    ['by numbers', update('from = 24, count = 8'), 'batch = 32', 'epochs = 1', ''],
    [
      'by a param',
      `for part in 0..4 { ${update('from = part * size, count = size')} }`,
      'batch = 32',
      'epochs = 1',
      'param size: int = 8 where size >= 1',
    ],
    [
      'in a branch that a param takes',
      `if parts > 2 { ${turns} }`,
      'batch = 32',
      'epochs = 1',
      'param parts: int = 4',
    ],
    ['where the run ends with the epoch', turns, 'batch = 32', 'steps = 45', ''],
  ])('%s', (_, body, options, trainer, param) => {
    expect(beyond(body, options, trainer, param)).toEqual([
      '`rows_of` takes 8 rows from row 24 on, but the last batch of `train_set` has 30',
    ]);
  });
  test('of every batch', () => {
    expect(beyond(update('from = 30, count = 8'), 'batch = 32 drop_last = true')).toEqual([
      '`rows_of` takes 8 rows from row 30 on, but a batch of `train_set` has 32',
    ]);
  });
  test('of batches that are larger than the data', () => {
    expect(beyond(update('from = 1400, count = 100'), 'batch = 2000')).toEqual([
      '`rows_of` takes 100 rows from row 1400 on, but the last batch of `train_set` has 1438',
    ]);
  });
});

describe('fine', () => {
  test.each([
    ['without the last batch', turns, 'batch = 32 drop_last = true', 'epochs = 1'],
    ['with batches that divide the rows', update('from = 1, count = 1'), 'batch = 2', 'epochs = 1'],
    ['rows that the last batch has', update('from = 0, count = 30'), 'batch = 32', 'epochs = 1'],
    ['parts of the batch at hand', update('from = batch.size - 8, count = 8'), 'batch = 32', 'epochs = 1'],
    ['a limit before the last batch', turns, 'batch = 32', 'epochs = 1 limit = { train: 44.batches }'],
    ['a run that ends before', turns, 'batch = 32', 'steps = 44'],
    [
      'a branch that is not taken',
      `if 1 > 2 { ${turns} } else { ${update('from = 0, count = 8')} }`,
      'batch = 32',
      'epochs = 1',
    ],
  ])('%s', (_, body, options, trainer) => {
    expect(beyond(body, options, trainer)).toEqual([]);
  });
  test('what is not told is no error of another kind', () => {
    expect(codesOf({ ...spec(turns, 'batch = 32 drop_last = true'), validate: '' })).toEqual([]);
  });
});
