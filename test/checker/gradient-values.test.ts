/** `gradient(of = …, by = x)`: what it needs, what a checker can tell of it, and where its tape comes from. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const update = (body: string, before = ''): string =>
  `step train(batch in train_set) { ${before} update opt { ${body} } }`;
const loss = 'mean(softmax_cross_entropy(Net(batch.image), batch.label))';

test.each([
  ['a field of the batch', 'let slope = gradient(of = sum(Net(batch.image)), by = batch.image)', ''],
  ['another name of it', 'let x = batch.image let slope = gradient(of = sum(Net(batch.image)), by = x)', ''],
  ['a name', 'let x = 2 * batch.image let slope = gradient(of = sum(Net(x)), by = x)', ''],
  [
    'a name from before the update',
    'let slope = gradient(of = sum(Net(x)), by = x)',
    'let x = 2 * batch.image',
  ],
  ['a mean', 'let x = 2 * batch.image let slope = gradient(of = mean(Net(x)), by = x)', ''],
  [
    'a gradient of a gradient',
    'let x = 2 * batch.image let first = gradient(of = sum(Net(x)), by = x) let slope = gradient(of = sum(first ** 2), by = x)',
    '',
  ],
])('%s is differentiated', (_name, body, before) => {
  expect(codesOf({ train: update(`${body} minimize ${loss} + mean(slope ** 2)`, before) })).toEqual([]);
});

test('the gradient of a function of a parameter, which is a name there', () => {
  const block = 'fn slope(x: f32[n, 8, 8, 1]) -> f32[n, 8, 8, 1] = gradient(of = sum(Net(x)), by = x)';
  expect(codesOf({ block, train: update(`minimize ${loss} + mean(slope(2 * batch.image) ** 2)`) })).toEqual(
    [],
  );
});

test('a loss that is a function of a gradient alone reaches the weights', () => {
  const body = 'let x = 2 * batch.image minimize mean(gradient(of = sum(Net(x)), by = x) ** 2)';
  expect(codesOf({ train: update(body), validate: '' })).toEqual([]);
});

describe('what is refused, on its place', () => {
  const slope = (expr: string, before = ''): Parameters<typeof only>[0] => ({
    train: update(`${before} let slope = ${expr} minimize ${loss} + mean(slope ** 2)`),
  });
  test('a value for each row', () => {
    expect(only(slope('gradient(of = Net(batch.image), by = batch.image)'))).toMatchObject({
      code: 'ZT4116',
      at: 'Net(batch.image)',
      help: 'write `sum(…)`: then each row has its own gradient',
    });
  });
  test('a metric', () => {
    expect(only(slope('gradient(of = f1(Net(batch.image), batch.label), by = batch.image)'))).toMatchObject({
      code: 'ZT4116',
    });
  });
  test('by what is computed there', () => {
    expect(only(slope('gradient(of = sum(Net(2 * batch.image)), by = 2 * batch.image)'))).toMatchObject({
      code: 'ZT4117',
      at: '2 * batch.image',
    });
  });
  test('by whole numbers', () => {
    expect(only(slope('gradient(of = sum(Net(batch.image)), by = batch.label)'))).toMatchObject({
      code: 'ZT3201',
      at: 'batch.label',
    });
  });
  test('by what was left out', () => {
    expect(
      only(slope('gradient(of = sum(Net(stop_gradient(x))), by = x)', 'let x = 2 * batch.image let y = x')),
    ).toMatchObject({
      code: 'ZT4118',
      message: 'no gradient of `of` reaches `x`',
      at: 'x',
      related: [['stop_gradient(x)', '`stop_gradient` lets no gradient through']],
      help: 'leave `stop_gradient` out of the loss',
    });
  });
  test('a value from before the update', () => {
    const train = update(
      `let slope = gradient(of = sum(score), by = x) minimize ${loss} + mean(slope ** 2)`,
      'let x = 2 * batch.image let score = Net(x)',
    );
    expect(only({ train })).toMatchObject({ code: 'ZT4118', help: 'move it into the `update`' });
  });
  test('in a map', () => {
    const train_set =
      'data train_set = digits { batch = 32 shuffle = true map row -> { image: gradient(of = sum(cast(row.image, f32)), by = cast(row.image, f32)), label: row.label } }';
    expect(found({ train_set, validate: '' }).map(({ code }) => code)).toEqual(['ZT4116']);
  });
});

describe('metrics', () => {
  const validate = (metric: string): Parameters<typeof only>[0] => ({
    validate: `step validate(batch in test_set) every 1.epoch { let x = batch.image ${metric} }`,
  });
  test('a gradient for each row is one of all batches', () => {
    expect(
      codesOf(validate('metric slope = mean(norm(gradient(of = -sum(Net(x)), by = x), axis = [1, 2, 3]))')),
    ).toEqual([]);
  });
  test('that of a mean depends on the size of the batch', () => {
    expect(
      only(validate('metric slope = mean(norm(gradient(of = mean(Net(x)), by = x), axis = [1, 2, 3]))')),
    ).toMatchObject({ code: 'ZT4108', at: 'mean(Net(x))' });
  });
});
