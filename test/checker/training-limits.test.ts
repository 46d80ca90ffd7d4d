/** How much of its data a run takes, and the least that it lasts: what a plan says is what is checked. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const trainer = (options: string) => ({ trainer: `trainer Digits { ${options} }` });
const scheduled = (phases: string, options: string) => ({
  schedule: `schedule warm { ${phases} }`,
  optimizer: 'optimizer opt = adam { of = Net lr = warm }',
  ...trainer(options),
});
const stopping = { addon: 'addon early_stopping { monitor = min(validate.loss) patience = 1 }' };

describe('limits', () => {
  test.each([
    'epochs = 1 limit = { train: 90.percent, validate: 50.batches, test: 100.percent }',
    'epochs = 1 limit = { validate: 0.batches, test: 0.batches }',
    'epochs = 1 limit = { train: 3.batches }',
    'epochs = 1 overfit = 3.batches',
    'epochs = 1 overfit = 34.percent',
    'epochs = 1 dev_run = 2.batches sanity = 2.batches limit = { train: 5.batches }',
    'epochs = 1 limit = {}',
    'epochs = 1 limit = none overfit = none',
  ])('%s is right', (options) => {
    expect(codesOf(trainer(options))).toEqual([]);
  });

  test('fields are those that are declared, in batches or percent', () => {
    expect(only(trainer('epochs = 1 limit = { training: 3.batches }'))).toMatchObject({
      code: 'ZT2002',
      message: 'unknown field `training` of `limit`',
    });
    expect(only(trainer('epochs = 1 limit = { train: 0.5 }'))).toMatchObject({
      code: 'ZT3202',
      at: '0.5',
      help: 'write `50.percent`',
    });
    expect(only(trainer('epochs = 1 limit = { train: 3.steps }')).code).toBe('ZT3202');
    expect(only(trainer('epochs = 1 limit = 3.batches')).code).toMatch(/^ZT3/);
  });

  test.each([
    [
      'limit = { train: 0.batches }',
      '`limit.train` of the trainer is 0 batches, a whole number of batches of at least 1 expected',
    ],
    [
      'limit = { validate: 1.5.batches }',
      '`limit.validate` of the trainer is 1.5 batches, a whole number of batches expected',
    ],
    [
      'limit = { validate: 101.percent }',
      '`limit.validate` of the trainer is 101 percent, more than 0 and at most 100 percent expected',
    ],
    [
      'limit = { validate: 0.percent }',
      '`limit.validate` of the trainer is 0 percent, more than 0 and at most 100 percent expected',
    ],
    ['overfit = 0.batches', '`overfit` of the trainer is 0, more than 0 expected'],
    [
      'overfit = 2.5.batches',
      '`overfit` of the trainer is 2.5 batches, a whole number of batches of at least 1 expected',
    ],
    ['sanity = 0.batches', '`sanity` of the trainer is 0, more than 0 expected'],
    [
      'dev_run = 0.5.batches',
      '`dev_run` of the trainer is 0.5 batches, a whole number of batches of at least 1 expected',
    ],
    ['max_time = 0.minutes', '`max_time` of the trainer is 0, more than 0 expected'],
  ])('%s', (option, message) => {
    expect(only(trainer(`epochs = 1 ${option}`))).toMatchObject({ code: 'ZT3203', message });
  });

  test('a percentage that is no batch, with counts, at the edge', () => {
    // 45 batches of training: 2.3 percent are 1.035, 2.2 are 0.99.
    expect(codesOf(trainer('epochs = 1 limit = { train: 2.3.percent }'))).toEqual([]);
    expect(only(trainer('epochs = 1 limit = { train: 2.2.percent }'))).toMatchObject({
      code: 'ZT4220',
      at: '2.2.percent',
      message: '`limit.train` takes none of the 45 batches of `train_set`',
      notes: ['2.2 percent of 45 batches is 0.99, rounded down to 0'],
      help: 'write `3.percent` or more, or a number of batches',
    });
    // 3 batches of validation: overfit takes a part of each.
    expect(only(trainer('epochs = 1 overfit = 33.percent'))).toMatchObject({
      code: 'ZT4220',
      message: '`overfit` takes none of the 3 batches of `test_set`',
    });
  });

  test('overfit excludes the limits of training and validation only', () => {
    expect(only(trainer('epochs = 1 overfit = 3.batches limit = { validate: 2.batches }'))).toMatchObject({
      code: 'ZT4203',
      message: '`overfit` and `limit.validate` exclude each other',
      at: '2.batches',
      related: [['3.batches', 'the other amount']],
    });
    expect(only(trainer('epochs = 1 limit = { train: 2.batches } overfit = 3.batches')).message).toBe(
      '`limit.train` and `overfit` exclude each other',
    );
    expect(codesOf(trainer('epochs = 1 overfit = 3.batches limit = { test: 2.batches }'))).toEqual([]);
  });

  test('what limits nothing is told of', () => {
    const none = { validate: '', ...trainer('epochs = 1 sanity = 2.batches') };
    expect(only(none)).toMatchObject({
      code: 'ZT5020',
      message: '`sanity` changes nothing: the spec has no `step validate`',
    });
    expect(only(trainer('epochs = 1 limit = { predict: 2.batches }')).code).toBe('ZT5020');
    // Validate steps stand in for test steps.
    expect(codesOf(trainer('epochs = 1 limit = { test: 2.batches }'))).toEqual([]);
  });

  test('a run without a sensible end is checked at once', () => {
    for (const monitor of ['train.loss', 'validate.loss'])
      expect(
        codesOf({
          addon: `addon early_stopping { monitor = min(${monitor}) }`,
          ...trainer('steps = 9_000_000_000_000_000'),
        }),
      ).toEqual([]);
  });

  test('a step that is turned off measures nothing to watch', () => {
    const shown = only({ ...stopping, ...trainer('epochs = 1 limit = { validate: 0.batches }') });
    expect(shown).toMatchObject({
      code: 'ZT4201',
      notes: ['`limit` turns the step of `validate.loss` off: it is never measured'],
    });
  });
});

describe('limits count', () => {
  test('a window fits into what is left of an epoch', () => {
    expect(codesOf(trainer('epochs = 1 accumulate = 4 limit = { train: 4.batches }'))).toEqual([]);
    expect(only(trainer('epochs = 1 accumulate = 5 limit = { train: 4.batches }'))).toMatchObject({
      code: 'ZT4204',
      message: '`accumulate` is 5, but an epoch has 4 batches',
      notes: ['`train_set` has 1,438 rows, a batch 32', '`limit.train = 4 batches` takes 4 of 45 batches'],
    });
    expect(only(trainer('epochs = 1 accumulate = 5 overfit = 3.batches')).code).toBe('ZT4204');
  });

  test('schedules are held against the run that is left', () => {
    const phases = 'warmup(to = 1e-3, over = 8.steps) constant(1e-3, over = rest)';
    expect(codesOf(scheduled(phases, 'epochs = 2 limit = { train: 20.percent }'))).toEqual([]);
    expect(only(scheduled(phases, 'epochs = 2 limit = { train: 4.batches }'))).toMatchObject({
      code: 'ZT4202',
      message: 'nothing is left for the last phase of schedule `warm`',
      notes: [
        "the phases before take 8 steps of the run's 8",
        '`train_set` has 1,438 rows: 45 batches of 32 in an epoch, of which limit.train = 4 batches takes 4 batches; 2 epochs are 8 steps',
      ],
    });
    expect(only(scheduled('constant(1e-3, over = 13.steps)', 'epochs = 4 overfit = 3.batches')).message).toBe(
      'schedule `warm` takes 13 steps, the run has 12',
    );
    expect(codesOf(scheduled('constant(1e-3, over = 12.steps)', 'epochs = 4 overfit = 3.batches'))).toEqual(
      [],
    );
  });
});

describe('the least and the most', () => {
  test('max_time alone is an end; times add up', () => {
    expect(codesOf(trainer('max_time = 12.hours + 30.minutes'))).toEqual([]);
    expect(codesOf(trainer('epochs = 3 max_time = 90.seconds'))).toEqual([]);
    expect(only(trainer('max_time = 30')).code).toBe('ZT3202');
    expect(only(trainer('max_time = 3.epochs')).code).toBe('ZT3202');
  });

  test('with max_time alone a schedule has nothing to be a part of', () => {
    expect(
      only(scheduled('warmup(to = 1e-3, over = 5.steps) cosine(to = 0, over = rest)', 'max_time = 1.hours')),
    ).toMatchObject({
      code: 'ZT4202',
      at: 'rest',
      message: '`rest` of schedule `warm` has no length: only `max_time` ends the run',
    });
    expect(only(scheduled('constant(1e-3, over = 5.percent)', 'max_time = 1.hours')).at).toBe('5.percent');
    expect(codesOf(scheduled('warmup(to = 1e-3, over = 500.steps)', 'max_time = 1.hours'))).toEqual([]);
    expect(
      codesOf(
        scheduled(
          'warmup(to = 1e-3, over = 5.steps) cosine(to = 0, over = rest)',
          'steps = 50 max_time = 1.hours',
        ),
      ),
    ).toEqual([]);
  });

  test('with max_time alone neither a freeze nor an average is a part of the run', () => {
    const timed = trainer('max_time = 1.hours');
    const frozen = (how: string) => ({
      ...timed,
      optimizer: `optimizer opt = adam { of = Net ${how} }`,
    });
    expect(only(frozen('freeze = 5.percent'))).toMatchObject({
      code: 'ZT4202',
      at: '5.percent',
      message: 'a percentage of `freeze` has no length: only `max_time` ends the run',
      help: 'give a time in steps or epochs, or the run `epochs` or `steps` besides `max_time`',
    });
    expect(only(frozen('group low { match = ["hidden.*"] freeze = 10.percent }')).at).toBe('10.percent');
    expect(codesOf(frozen('group low { match = ["hidden.*"] freeze = 2.epochs }'))).toEqual([]);
    // What is never to thaw needs no end.
    expect(codesOf(frozen('group low { match = ["hidden.*"] freeze = rest }'))).toEqual([]);
    expect(
      codesOf({
        ...frozen('group low { match = ["hidden.*"] freeze = 10.percent }'),
        ...trainer('epochs = 9 max_time = 1.hours'),
      }),
    ).toEqual([]);
    const averaged = (from: string, options = 'max_time = 1.hours') => ({
      ...trainer(options),
      schedule: `model Slow = average(Net, from = ${from})`,
      validate:
        'step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Slow(batch.image), batch.label)) }',
    });
    expect(only(averaged('50.percent'))).toMatchObject({
      code: 'ZT4202',
      at: '50.percent',
      message: 'a percentage of `average` of `Slow` has no length: only `max_time` ends the run',
    });
    expect(codesOf(averaged('5.epochs'))).toEqual([]);
    expect(codesOf(averaged('50.percent', 'steps = 100 max_time = 1.hours'))).toEqual([]);
  });

  test('the least is within the length, in its unit or in steps', () => {
    const codes = (options: string): readonly string[] =>
      found({ ...stopping, ...trainer(options) }).map(({ code }) => code);
    expect(codes('epochs = 3 min_epochs = 3')).toEqual([]);
    expect(codes('epochs = 3 min_epochs = 4')).toEqual(['ZT4203']);
    expect(codes('steps = 90 min_epochs = 2')).toEqual([]);
    expect(codes('steps = 89 min_epochs = 2')).toEqual(['ZT4203']);
    expect(codes('epochs = 2 min_steps = 90')).toEqual([]);
    expect(codes('epochs = 2 min_steps = 91')).toEqual(['ZT4203']);
    expect(codes('epochs = 2 min_steps = 9 limit = { train: 4.batches }')).toEqual(['ZT4203']);
    expect(only({ ...stopping, ...trainer('epochs = 2 min_steps = 91') })).toMatchObject({
      message: '`min_steps` is 91, more than the run has: 90 steps',
      at: '91',
    });
    expect(only(trainer('epochs = 3 min_epochs = 2'))).toMatchObject({
      code: 'ZT5020',
      message: '`min_epochs` changes nothing: it holds early stopping, and the spec has none',
    });
  });

  test('thresholds of early stopping stand in their order', () => {
    const addon = (text: string) => ({ addon: `addon early_stopping { ${text} }` });
    expect(
      codesOf(addon('monitor = min(validate.loss) stop_at = 0.01 diverge_at = 100 check_finite = true')),
    ).toEqual([]);
    expect(only(addon('monitor = min(validate.loss) stop_at = 100 diverge_at = 0.01'))).toMatchObject({
      code: 'ZT3203',
      at: '100',
      message: '`stop_at` of `early_stopping` is 100, a number below `diverge_at`, 0.01, expected',
    });
    expect(only(addon('monitor = max(validate.loss) stop_at = 1 diverge_at = 1')).code).toBe('ZT3203');
  });
});

test('validation may come by time', () => {
  const validate = (every: string) => ({
    validate: `step validate(batch in test_set) every ${every} { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }`,
  });
  expect(codesOf(validate('10.minutes'))).toEqual([]);
  expect(codesOf(validate('1.hours + 30.minutes'))).toEqual([]);
  expect(codesOf(validate('0.minutes'))).toEqual(['ZT3203']);
  expect(codesOf(validate('10.batches'))).toEqual(['ZT3202']);
});

test('deterministic excludes what goes by the clock; data is read again between epochs', () => {
  expect(codesOf(trainer('epochs = 1 deterministic = true compile = "graph"'))).toEqual([]);
  expect(codesOf(trainer('epochs = 1 deterministic = false compile = "xla"'))).toEqual([]);
  expect(only(trainer('epochs = 1 deterministic = true compile = "xla"'))).toMatchObject({
    code: 'ZT4203',
    at: '"xla"',
  });
  expect(codesOf(trainer('epochs = 1 detect_anomaly = true on_nan = "skip"'))).toEqual([]);
  expect(only(trainer('epochs = 1 detect_anomaly = true on_nan = "ignore"'))).toMatchObject({
    code: 'ZT4203',
    message: '`detect_anomaly` and `on_nan = "ignore"` exclude each other',
  });
  expect(codesOf(trainer('epochs = 9 reload_data = 5.epochs'))).toEqual([]);
  expect(only(trainer('epochs = 9 reload_data = 1.5.epochs')).message).toBe(
    '`reload_data` of the trainer is 1.5, a whole number of epochs expected',
  );
});

describe('data sets of different length that a step reads together', () => {
  const two = (stage: string, sets: string, body: string, trainer = 'trainer Digits { epochs = 1 }') => ({
    test_set: `data a_set = train_set { split = "test" shuffle = false }\ndata b_set = a_set { ${sets} }`,
    train: `step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }`,
    validate: `step ${stage}(a in a_set, b in b_set) ${stage === 'validate' ? 'every 1.epoch' : ''} { ${body} }`,
    trainer,
  });
  const figure = 'metric m = accuracy(Net(a.image), a.label) metric k = mean(b.label == 1)';

  test.each(['validate', 'test', 'predict'])('are refused in a %s step', (stage) => {
    const body = stage === 'predict' ? 'return { guess: argmax(Net(a.image)) }' : figure;
    expect(only(two(stage, 'batch = 100', body))).toMatchObject({
      code: 'ZT4223',
      at: 'b_set',
      message: `\`step ${stage}\` reads data sets of different length together: 12 batches of \`a_set\` and 4 batches of \`b_set\``,
      notes: ['`a_set` has 359 rows in batches of 32', '`b_set` has 359 rows in batches of 100'],
      help: `write a step for each data set, or take as many batches of each: \`limit = { ${stage}: 4.batches }\``,
    });
  });
  test('are none with as many batches each, also by a limit', () => {
    expect(codesOf(two('validate', 'batch = 30', figure))).toEqual([]);
    const limited = 'trainer Digits { epochs = 1 limit = { validate: 3.batches } }';
    expect(codesOf(two('validate', 'batch = 100', figure, limited))).toEqual([]);
    const share = 'trainer Digits { epochs = 1 limit = { validate: 50.percent } }';
    expect(codesOf(two('validate', 'batch = 100', figure, share))).toEqual(['ZT4223']);
  });

  const trained = (options: string, trainer?: string) =>
    found({
      train_set:
        'data easy = digits { split = "train" batch = 32 map row -> { image: cast(row.image, f32) / 16, label: row.label } }',
      test_set: `data hard = easy { split = "test" ${options} }`,
      train:
        'step train(a in easy, b in hard) { update opt { minimize mean(softmax_cross_entropy(Net(a.image), a.label)) + mean(softmax_cross_entropy(Net(b.image), b.label)) } }',
      validate: 'step predict(a in hard) { return { guess: argmax(Net(a.image)) } }',
      ...(trainer === undefined ? {} : { trainer }),
    });
  test('end an epoch of training, with what is left out', () => {
    expect(trained('')).toMatchObject([
      {
        code: 'ZT5023',
        message:
          'an epoch of `step train` ends with its shortest data set: 45 batches of `easy` and 12 batches of `hard`',
        notes: [
          'the last 1,054 rows of `easy` are never trained on: it is not shuffled',
          '`easy` has 1,438 rows in batches of 32',
          '`hard` has 359 rows in batches of 32',
        ],
      },
    ]);
    expect(trained('batch = 4 shuffle = true').map(({ notes }) => notes[0])).toEqual([
      'an epoch leaves 179 rows of `hard` out, others each time: it is shuffled',
    ]);
    expect(trained('batch = 8')).toEqual([]);
    expect(trained('', 'trainer Digits { epochs = 1 limit = { train: 12.batches } }')).toEqual([]);
  });
});
