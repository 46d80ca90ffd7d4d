/** Metrics of the prelude: what fits them, what they are called, and what can be done with them. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { codesOf, specOf } from './training-spec.js';

const validate = (statements: string): string =>
  `step validate(batch in test_set) every 1.epoch { let logits = Net(batch.image) metric loss = mean(softmax_cross_entropy(logits, batch.label)) ${statements} }`;
const codes = (statements: string, more: Parameters<typeof codesOf>[0] = {}): readonly string[] =>
  codesOf({ validate: validate(statements), ...more });

const metricsOf = (statements: string): readonly unknown[] => {
  const files = { 'spec.ztrain': specOf({ validate: validate(statements) }) };
  const { ir } = checkProgram('spec.ztrain', memoryHost(files));
  return ir?.trainer?.steps.find(({ name }) => name === 'validate')?.metrics.map(({ name }) => name) ?? [];
};

describe('what is right', () => {
  test.each([
    'metric m = f1(logits, batch.label)',
    'metric m = f1(logits, batch.label, average = "none")',
    'metric m = f1(argmax(logits), batch.label, classes = 10)',
    'metric m = precision(logits[..., 0], batch.label == 0, threshold = 0.5)',
    'metric m = recall(logits[..., 0], cast(batch.label == 0, f32))',
    'metric m = confusion_matrix(logits, batch.label, normalize = "label", weight = batch.label != 3)',
    'metric m = auroc(logits[..., 0], batch.label == 0, bins = 500)',
    'metric m = average_precision(logits, batch.label, average = "weighted", weight = cast(batch.label, f32))',
    'metric m = r2(logits, one_hot(batch.label, 10), weight = ones_like(logits))',
    'metric m = top_k_accuracy(logits, batch.label, 3)',
    'metric m = accuracy(logits, batch.label, weight = batch.label != 3)',
    'metric m = binary_accuracy(logits[..., 0], batch.label == 0)',
    'metric m = mse(logits, one_hot(batch.label, 10)) metric k = mae(logits, one_hot(batch.label, 10), weight = ones_like(logits))',
    'let m = f1(logits, batch.label) metric m metric k = 2 * m - 1',
    'metric m = perplexity(mean(softmax_cross_entropy(logits, batch.label)))',
  ])('%s', (statements) => {
    expect(codes(statements)).toEqual([]);
  });

  test('figures of classes have names, which can be watched', () => {
    const apart = 'metric m = f1(logits, batch.label, average = "none")';
    expect(metricsOf(apart)).toEqual([
      'loss',
      ...Array.from({ length: 10 }, (_, index) => `m.class_${index}`),
    ]);
    expect(codes(apart, { addon: 'addon checkpoint { best = max(validate.m.class_9) }' })).toEqual([]);
    expect(codes(apart, { addon: 'addon checkpoint { best = max(validate.m.class_10) }' })).toEqual([
      'ZT4201',
    ]);
    expect(codes(apart, { addon: 'addon checkpoint { best = max(validate.m) }' })).toEqual(['ZT4201']);
  });
});

describe('what is wrong', () => {
  test.each([
    ['logits of another number of rows', 'metric m = f1(logits[:2], batch.label)', 'ZT3102'],
    ['labels as floats', 'metric m = f1(logits, cast(batch.label, f32))', 'ZT3201'],
    ['classes without their number', 'metric m = f1(argmax(logits), batch.label)', 'ZT3203'],
    ['classes with logits', 'metric m = f1(logits, batch.label, classes = 10)', 'ZT3203'],
    ['an average of one logit', 'metric m = f1(logits[..., 0], batch.label, average = "micro")', 'ZT3203'],
    ['a weight a logit', 'metric m = f1(logits, batch.label, weight = logits)', 'ZT3101'],
    ['no bins', 'metric m = auroc(logits, batch.label, bins = 1)', 'ZT3302'],
    ['micro auroc', 'metric m = auroc(logits, batch.label, average = "micro")', 'ZT3203'],
    ['targets of another shape', 'metric m = r2(logits, logits[..., 0])', 'ZT3101'],
    ['arithmetic on figures', 'metric m = f1(logits, batch.label, average = "none") * 2', 'ZT3204'],
    [
      'a field of figures',
      'let f = f1(logits, batch.label, average = "none") metric m = f.class_1',
      'ZT2003',
    ],
    ['a metric by last', 'metric m = f1(logits, batch.label) by last', 'ZT3203'],
    ['a table by mean', 'metric m = confusion_matrix(logits, batch.label) by mean', 'ZT3203'],
    [
      'figures under a name twice',
      'metric m = { class_1: mean(logits) } metric m = f1(logits, batch.label, average = "none")',
      'ZT2011',
    ],
  ])('%s', (_name, statements, code) => {
    expect(codes(statements)).toEqual([code]);
  });

  test('a table is not watched, and the message says why', () => {
    const spec = specOf({
      validate: validate('metric m = confusion_matrix(logits, batch.label)'),
      addon: 'addon checkpoint { best = max(validate.m) }',
    });
    const [first, ...others] = checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec })).diagnostics;
    expect(others).toEqual([]);
    expect(first?.code).toBe('ZT4201');
    expect(first?.notes).toEqual(['`validate.m` is a table, and no one number that could be watched']);
  });

  test('an average of one logit says what is allowed', () => {
    const spec = specOf({
      validate: validate('metric m = f1(logits[..., 0], batch.label, average = "none")'),
    });
    expect(
      checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec })).diagnostics.map(
        ({ message }) => message,
      ),
    ).toEqual(['`average` of `f1` is "none", "macro" or nothing at all expected']);
  });

  test('classes whose number depends on a param are not kept apart', () => {
    const model =
      'param count: int = 10 where count > 0\nmodel Net on image: f32[n, 8, 8, 1] -> f32[n, count] { return image |> flatten() |> dense(count) as head }';
    expect(codes('metric m = f1(logits, batch.label, average = "none")', { model })).toEqual(['ZT3206']);
    expect(codes('metric m = f1(logits, batch.label)', { model })).toEqual([]);
  });

  test('a metric is not minimized', () => {
    const train = (loss: string): string =>
      `step train(batch in train_set) { update opt { let logits = Net(batch.image) ${loss} } }`;
    for (const loss of [
      'minimize f1(logits, batch.label)',
      'let f = f1(logits, batch.label) minimize f',
      'minimize 1 - f1(logits, batch.label)',
    ])
      expect(codesOf({ train: train(loss) })).toEqual(['ZT4104']);
  });
});
