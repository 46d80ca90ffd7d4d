/** ZT5008 in what is minimized: where rows of a batch meet, or are counted, within a mean. */
import { describe, expect, test } from 'vitest';
import { codesOf, found } from './training-spec.js';

const spec = (loss: string, accumulate = 3, model = '') => ({
  block: model,
  train: `step train(batch in train_set) {
    let label = cast(batch.label, f32)
    update opt {
      let each = softmax_cross_entropy(Net(batch.image), batch.label)
      let y = cast(batch.label, f32)
      minimize ${loss}
    }
  }`,
  trainer: `trainer Digits { epochs = 1 accumulate = ${accumulate} }`,
});

const shown = (...of: Parameters<typeof spec>) =>
  found(spec(...of))
    .filter(({ code }) => code !== 'ZT5002')
    .map(({ code, at, message }) => `${code} ${at}: ${message}`);

const meets = (at: string, what: string): string =>
  `ZT5008 ${at}: rows of the batch meet in ${what}, and only those of one batch of a window`;

const normed = `
model Big on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(8) as hidden |> batch_norm() as bn |> dense(10) as head }
model Kept = frozen(Big)`;
const centred = `
model Big on image: f32[n, 8, 8, 1] -> f32[n, 10] { let y = image |> flatten() |> dense(10) as head return y - mean(y, axis = 0) }
model Kept = frozen(Big)`;
const toKept = 'mean(each) + mean(squared_error(Net(batch.image), Kept(batch.image)))';

describe('within a mean', () => {
  test.each([
    ['mean((y - mean(y)) / std(y) * each)', 'mean(y)', 'this `mean`'],
    ['mean((label - mean(label)) * each)', 'mean(label)', 'this `mean`'],
    ['mean(each / norm(each))', 'norm(each)', 'this `norm`'],
    ['mean(softmax(each) * each)', 'softmax(each)', 'this `softmax`'],
    ['mean(stop_gradient(each / mean(each)) * each)', 'mean(each)', 'this `mean`'],
    ['mean(each, weight = y / sum(y))', 'sum(y)', 'this `sum`'],
    ['mean(each + sum(each))', 'sum(each)', 'this `sum`'],
    ['mean(each * batch.size)', 'batch.size', '`batch.size`'],
    ['mean(each) + 2 * mean(each - max_of(each))', 'max_of(each)', 'this `max_of`'],
    [toKept, 'Kept(batch.image)', '`Kept`', centred],
  ])('%s', (loss, at, what, model = '') => {
    expect(shown(loss, 3, model)).toEqual([meets(at, what)]);
    expect(shown(loss, 1, model)).toEqual([]);
  });
  test('of a name that is made before the update', () => {
    const named = {
      ...spec('mean(y * each)'),
      train: spec('mean(made * each)').train.replace(
        'let label =',
        'let made = cast(batch.label, f32) / sum(cast(batch.label, f32)) let label =',
      ),
    };
    expect(codesOf(named).filter((code) => code !== 'ZT5002')).toEqual(['ZT5008']);
  });
});

describe('rows that stay apart', () => {
  test.each([
    ['mean(each)', ''],
    ['sum(each) / batch.size', ''],
    ['mean(each, weight = y)', ''],
    ['sum(y * each) / sum(y)', ''],
    ['mean(each) + 0.1 * mean(sum(softmax(Net(batch.image)), axis = -1))', ''],
    ['mean(squared_error(Net(batch.image), uniform([batch.size, 10])))', ''],
    // A frozen model is in evaluation mode: its running statistics keep rows apart.
    [toKept, normed],
  ])('%s', (loss, model) => {
    expect(shown(loss, 3, model)).toEqual([]);
  });
  test('the model itself, in training, is told of once', () => {
    const own = spec(toKept, 3, normed);
    const ownTrain = own.train.replaceAll('Net(', 'Big(');
    const all = {
      ...own,
      train: ownTrain,
      optimizer: 'optimizer opt = adam { of = Big }',
      validate: '',
      model: '',
    };
    expect(found(all).filter(({ code }) => code !== 'ZT5002')).toMatchObject([
      { code: 'ZT5008', at: 'Big(batch.image)', help: expect.stringContaining('`layer_norm`') as unknown },
    ]);
  });
});
