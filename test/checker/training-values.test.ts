/** Values that a run would refuse, or misread, are told when the spec is checked. */
import { expect, test } from 'vitest';
import { codesOf, only, type specOf } from './training-spec.js';

type Parts = NonNullable<Parameters<typeof specOf>[0]>;

const loss = 'mean(softmax_cross_entropy(Net(batch.image), batch.label))';
const train = (body: string): Parts => ({ train: `step train(batch in train_set) { ${body} }` });
const update = `update opt { minimize ${loss} }`;
const schedule = (phases: string): Parts => ({
  schedule: `schedule lr { ${phases} }`,
  optimizer: 'optimizer opt = adam { of = Net lr = lr }',
});

const refused: readonly (readonly [Parts, code: string, at: string])[] = [
  [train('metric brightness = mean(batch.image)'), 'ZT4205', 'train'],
  [train(`every 0.steps { ${update} }`), 'ZT3203', '0.steps'],
  [train(`every 1.5.steps { ${update} }`), 'ZT3203', '1.5.steps'],
  [
    { validate: 'step validate(batch in test_set) every 1.5.steps { metric a = mean(batch.image) }' },
    'ZT3203',
    '1.5.steps',
  ],
  [train(`${update} metric step = mean(batch.image)`), 'ZT4109', 'step'],
  [train(`${update} metric loss = mean(batch.image)`), 'ZT4109', 'loss'],
  [train(`update opt { let loss = ${loss} minimize 2 * loss metric loss }`), 'ZT4109', 'loss'],
  [train(`update opt { let loss = ${loss} minimize loss metric loss by last }`), 'ZT4109', 'loss'],
  [
    train(`update opt { let loss = ${loss} minimize loss } metric loss = mean(batch.image)`),
    'ZT4109',
    'loss',
  ],
  [train(`${update} metric grad_norm = mean(batch.image)`), 'ZT4109', 'grad_norm'],
  [
    train(
      update +
        [3, 4, 5, 6, 7].map((k) => ` if run.step < ${k}.steps { metric m${k} = mean(batch.image) }`).join(''),
    ),
    'ZT4111',
    'if run.step < 3.steps { metric m3 = mean(batch.image) }',
  ],
  [{ optimizer: 'optimizer opt = adam { of = Net betas = [0.9, 1.5] }' }, 'ZT3203', '1.5'],
  [schedule('exponential(to = 1e-3, over = rest)'), 'ZT2004', 'exponential(to = 1e-3, over = rest)'],
  [schedule('linear(to = 0.1, over = rest)'), 'ZT2004', 'linear(to = 0.1, over = rest)'],
  [
    schedule('linear(from = 0.1, to = 0.0, over = 5.steps) exponential(to = 1e-3, over = rest)'),
    'ZT3203',
    'exponential(to = 1e-3, over = rest)',
  ],
  [schedule('warmup(to = 0.1, over = 0.steps) constant(0.1, over = rest)'), 'ZT3203', '0.steps'],
  [{ trainer: 'trainer Digits { epochs = 1 clip = norm(0) }' }, 'ZT3302', '0'],
  [{ trainer: 'trainer Digits { epochs = 1 clip = value(-1) }' }, 'ZT3302', '-1'],
  [{ trainer: 'trainer Digits { epochs = 1 accumulate = 0 }' }, 'ZT3302', '0'],
  [{ trainer: 'trainer Digits { epochs = 1 log_every = 0.steps }' }, 'ZT3203', '0.steps'],
  [{ trainer: 'trainer Digits { epochs = 0 }' }, 'ZT3302', '0'],
  [{ trainer: 'trainer Digits { steps = 0 }' }, 'ZT3302', '0'],
  [{ trainer: 'trainer Digits { epochs = -1 }' }, 'ZT3302', '-1'],
  [{ trainer: 'trainer Digits { epochs = 1 sanity = 0.batches }' }, 'ZT3203', '0.batches'],
  [{ trainer: 'trainer Digits { epochs = 1 reload_data = 0.epochs }' }, 'ZT3203', '0.epochs'],
  [{ trainer: 'trainer Digits { epochs = 1 dev_run = 0.batches }' }, 'ZT3203', '0.batches'],
  [{ trainer: 'trainer Digits { epochs = 1 overfit = 0.batches }' }, 'ZT3203', '0.batches'],
  [{ trainer: 'trainer Digits { epochs = 1 overfit = 101.percent }' }, 'ZT3203', '101.percent'],
  [{ addon: 'addon early_stopping { monitor = min(validate.loss) patience = 0 }' }, 'ZT3302', '0'],
  [{ addon: 'addon checkpoint { keep = 0 }' }, 'ZT3302', '0'],
  [{ trainer: 'trainer Digits { epochs = 1 summary = 0 }' }, 'ZT3302', '0'],
  [{ trainer: 'trainer Digits { epochs = 1 summary = 1.5 }' }, 'ZT3203', '1.5'],
  [{ trainer: 'trainer Digits { epochs = 1 summary = "all" }' }, 'ZT3203', '"all"'],
  [
    {
      addon:
        'step predict(batch in test_set) { return { all: Net(batch.image) } }\naddon predictions { file = "x.parquet" }',
    },
    'ZT3203',
    '"x.parquet"',
  ],
  [{ addon: 'addon image_grid { of = zeros([4, 8, 8, 2]) }' }, 'ZT3203', 'zeros([4, 8, 8, 2])'],
  [
    {
      param: 'param k: bool = false',
      validate: 'step validate(batch in test_set) { if k { metric a = mean(batch.image) } }',
      addon: 'addon early_stopping { monitor = min(validate.a) }',
    },
    'ZT4201',
    'min(validate.a)',
  ],
];

test.each(refused)('%j', (parts, code, at) => {
  const found = only(parts);
  expect([found.code, found.at]).toEqual([code, at]);
});

const right: readonly Parts[] = [
  { validate: 'step validate(batch in test_set) { metric loss = mean(batch.image) }' },
  train(`update opt { let loss = ${loss} minimize loss metric loss }`),
  train(`update opt { let loss = ${loss} metric loss minimize loss metric again = loss }`),
  train(`update opt { let loss = ${loss} minimize 2 * loss + loss metric loss = 2 * loss + loss }`),
  train(`${update} every 2.steps { metric a = mean(batch.image) }`),
  train(
    `${update} if run.step < 3.steps { metric a = mean(batch.image) } else { if run.step < 9.steps { metric b = mean(batch.image) } }`,
  ),
  schedule('warmup(to = 0.1, over = 5.steps) exponential(to = 1e-3, over = rest)'),
  {
    addon:
      'step predict(batch in test_set) { return { all: Net(batch.image) } }\naddon predictions { file = "x.JSONL" }',
  },
  { trainer: 'trainer Digits { epochs = 1 summary = 2 }' },
  { trainer: 'trainer Digits { epochs = 1 summary = false }' },
];

test.each(right)('%j is right', (parts) => {
  expect(codesOf(parts)).toEqual([]);
});
