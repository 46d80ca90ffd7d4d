/** Metrics over many batches are exact, or refused: a number of one batch is never averaged unasked. */
import { expect, test } from 'vitest';
import { check, codesOf, only, specOf } from './training-spec.js';

const validate = (body: string): { readonly validate: string } => ({
  validate: `step validate(batch in test_set) every 1.epoch { let y = Net(batch.image) let hit = argmax(y) == batch.label ${body} }`,
});

const exact = [
  'metric a = sum(hit) / batch.size',
  'metric a = (sum(hit) + 2 * sum(y ** 2)) / batch.size',
  'metric a = sqrt(mean(y ** 2) - mean(y) ** 2) + 1',
  'metric a = mean(mean(y, axis = 1))',
  'metric a = mean(softmax(y)[:, 0:2])',
  'metric a = sum(y * zeros([batch.size, 10]))',
  'metric a = mean(reshape(y, [batch.size, 5, 2]))',
  'metric a = max_of(y) by mean',
  'metric a = batch.size by last',
  'metric a = sum(hit) / (batch.size + 1) by mean',
  'metric a = mean(ones([3]))',
  'metric a = max_of(y)',
  'metric a = std(y) / variance(y) + min_of(y)',
  'metric a = 2 * norm(y)',
  'metric a = mean(mean(y, axis = 0))',
  'metric a = mean(std(unit(y), axis = 0))',
  'metric a = max_of(variance(batch.image, axis = [0, 1, -1]))',
  'metric a = mean(y, axis = 0)[3] - sum(y, axis = -2)[3]',
  'metric a = norm(mean(y, axis = 0, weight = ones_like(y))[2:4] - [0.5, 1.0])',
  'let s = std(y, axis = 0) let t = s / (1e-6 + max_of(s)) metric a = mean(t < 0.5) metric b = 1 - min_of(t)',
  'metric a = sqrt(mean(y ** 2)) / mean(std(y, axis = 0)) + f1(y, batch.label)',
  'metric a = mean(std(y, axis = 0) - std(y, axis = 0)[0])',
];

const valueOf = (body: string, name = 'a'): unknown => {
  const step = check(specOf(validate(body))).ir?.trainer?.steps.find(({ stage }) => stage === 'validate');
  return step?.body.flatMap((each) => (each.kind === 'log' && each.name === name ? [each.value] : []))[0];
};

test('what is left of rows that meet is a total over all rows, and what is around it is computed once', () => {
  expect(valueOf('metric a = max_of(y)')).toMatchObject({ kind: 'joined', how: 'max_of', axes: null });
  expect(valueOf('metric a = mean(std(y, axis = 0)) + 1')).toMatchObject({
    kind: 'derive',
    parts: [{ name: 'std', of: { kind: 'joined', how: 'std', axes: [0] } }],
    value: {
      kind: 'host',
      op: '+',
      args: [{ kind: 'op', home: 'arrays', name: 'mean', args: [{ kind: 'ref', ref: { name: 'std' } }] }, {}],
    },
  });
  // One total is kept once.
  expect(valueOf('metric a = mean(std(y, axis = 0) / norm(std(y, axis = 0)))')).toMatchObject({
    parts: [{ name: 'std' }],
  });
});

test('what a let makes of rows is computed once for all metrics that read it', () => {
  const body = 'let s = std(y * Net(batch.image), axis = 0) metric a = mean(s) metric b = max_of(s)';
  const step = check(specOf(validate(body))).ir?.trainer?.steps.find(({ stage }) => stage === 'validate');
  const text = JSON.stringify(step?.body);
  // `y` is one call of the model, and what `s` is made of the other.
  expect(text.match(/"kind":"model"/g)).toHaveLength(2);
  expect(valueOf(body, 'b')).toMatchObject({
    parts: [{ of: { values: { kind: 'ref', ref: { kind: 'local', name: 's_of' } } } }],
  });
});

test('a total of too many numbers is refused', () => {
  const found = only(
    validate(
      'metric a = mean(std(reshape(batch.image, [batch.size, 64, 1]) * ones([batch.size, 64, 5000]), axis = 0))',
    ),
  );
  expect(found).toMatchObject({
    code: 'ZT3203',
    message: 'the total of `std` is 320,000 numbers, at most 262,144 expected',
  });
});

test.each(exact)('%s', (body) => {
  expect(codesOf(validate(body)).filter((code) => code !== 'ZT5002')).toEqual([]);
});

const refused: readonly (readonly [body: string, at: string, help: RegExp])[] = [
  ['metric a = sum(hit) / (batch.size + 1)', 'batch.size', /`mean\(…\)`/],
  ['metric a = mean(y * batch.size)', 'batch.size', /`mean/],
  ['metric a = batch.size', 'batch.size', /`mean/],
  ['metric a = log_sum_exp(y)', 'log_sum_exp(y)', /log\(sum\(exp/],
  ['metric a = mean((y - mean(y, axis = 0)) ** 2)', 'mean(y, axis = 0)', /by mean/],
  ['let c = mean(y, axis = 0) metric a = mean((y - c) ** 2)', 'mean(y, axis = 0)', /by mean/],
  ['metric a = select(mean(y) > 2.0, 1.0, 0.0)', 'mean(y)', /by mean/],
  ['metric a = mean(std(y - mean(y, axis = 0), axis = 0))', 'mean(y, axis = 0)', /by mean/],
  ['metric a = mean(softmax(std(y, axis = 0)))', 'std(y, axis = 0)', /by mean/],
  ['metric a = mean(softmax(y, axis = 0))', 'softmax(y, axis = 0)', /by mean/],
  ['metric a = mean(y @ transpose(y))', 'y @ transpose(y)', /by mean/],
  ['metric a = mean(y[0:4])', 'y[0:4]', /by mean/],
];

test.each(refused)('%s is refused', (body, at, help) => {
  const found = only(validate(body));
  expect(found.code).toBe('ZT4108');
  expect(found.at).toBe(at);
  expect(found.help).toMatch(help);
});

test('a sum over the rows of the batch is a mean of all rows, in a loss as well', () => {
  const { ir } = check(
    specOf({
      train:
        'step train(batch in train_set) { update opt { minimize 3 * sum(Net(batch.image) ** 2) / batch.size } }',
    }),
  );
  const update = ir?.trainer?.steps[0]?.body.find((each) => each.kind === 'update');
  const minimize = update?.kind === 'update' ? update.body.at(-1) : undefined;
  const [term] = minimize?.kind === 'minimize' ? minimize.terms : [];
  expect(term?.kind === 'times' && term.of.kind).toBe('mean');
});

test('what depends on the size of a batch in other ways is taken batch by batch, with a warning', () => {
  expect(
    codesOf({
      train:
        'step train(batch in train_set) { update opt { minimize sum(Net(batch.image) ** 2) / (batch.size + 1) } }',
      trainer: 'trainer Digits { epochs = 1 accumulate = 3 }',
    }),
  ).toEqual(['ZT5008']);
});
