/** What of a spec never comes about in a run of its length: updates, blocks, and metrics that are watched. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const loss = 'mean(softmax_cross_entropy(Net(batch.image), batch.label))';
const epochs = 'trainer Digits { epochs = 3 }';
const train = (body: string): string => `step train(batch in train_set) { ${body} }`;
const update = `update opt { minimize ${loss} }`;
const length = '`train_set` has 1,438 rows: 45 batches of 32 in an epoch; 3 epochs are 135 steps';

describe('an update', () => {
  test.each([
    ['in an interval that is longer than the run', `every 500.steps { ${update} }`],
    ['after its end', `if run.epoch >= 100.epochs { ${update} }`],
    ['in the other branch', `if run.step < 1_000.steps { metric m = ${loss} } else { ${update} }`],
    ['at a time between intervals', `every 2.steps { if run.step == 4.steps { ${update} } }`],
  ])('%s never runs', (_, body) => {
    expect(only({ train: train(body), trainer: epochs, validate: '' })).toMatchObject({
      code: 'ZT4213',
      message: 'the update of `opt` runs 0 times in 135 steps',
      notes: [length],
    });
  });
  test.each([
    ['once', `every 135.steps { ${update} }`],
    ['in the last epoch', `if run.epoch >= 2.epochs { ${update} }`],
    ['at the end of an interval', `every 2.steps { if run.step == 5.steps { ${update} } }`],
  ])('that runs %s is one', (_, body) => {
    expect(codesOf({ train: train(body), trainer: epochs, validate: '' })).toEqual([]);
  });
  test('that a param leaves out is the param’s', () => {
    expect(
      codesOf({
        param: 'param late: bool = false',
        train: train(`${update} if late { every 2.steps { ${update} } }`),
        trainer: epochs,
        validate: '',
      }),
    ).toEqual([]);
  });
  test('is not judged where the run’s length is not known', () => {
    const at = { train: train(`every 500.steps { ${update} }`), validate: '' };
    expect(codesOf({ ...at, trainer: 'trainer Digits { max_time = 2.hours }' })).toEqual([]);
    expect(codesOf({ ...at, trainer: 'trainer Digits { steps = 500 }' })).toEqual([]);
  });
});

describe('a metric that is watched', () => {
  const watch = 'addon early_stopping { monitor = min(train.late) patience = 1 }';
  const measured = (body: string, metric = 'train.late') =>
    found({ train: train(`${update} ${body}`), trainer: epochs, addon: watch.replace('train.late', metric) });

  test('has to be measured in the run', () => {
    for (const body of [
      `every 500.steps { metric late = ${loss} }`,
      `if run.epoch >= 100.epochs { metric late = ${loss} }`,
    ]) {
      const all = measured(body).filter(({ code }) => code !== 'ZT5020');
      expect(all).toMatchObject([
        { code: 'ZT4201', notes: ['`train.late` is measured 0 times in 135 steps', length] },
      ]);
    }
    expect(measured(`every 50.steps { metric late = ${loss} }`)).toEqual([]);
  });
  test('may be measured by one of several updates', () => {
    const both = (condition: string): string =>
      `if ${condition} { ${update} } else { ${update.replace('minimize', 'minimize 2.0 *')} }`;
    const at = { trainer: epochs, addon: watch.replace('train.late', 'train.loss') };
    expect(codesOf({ ...at, train: train(both('run.epoch >= 1.epochs')) })).toEqual([]);
  });
  test('is measured in a validation whose time comes', () => {
    const validate = (test: string): string =>
      `step validate(batch in test_set) every 1.epoch { metric loss = ${loss} if ${test} { metric late = ${loss} } }`;
    const at = (test: string) =>
      found({ validate: validate(test), trainer: epochs, addon: watch.replace('train', 'validate') });
    expect(at('run.epoch >= 3.epochs')).toEqual([]);
    expect(at('run.epoch >= 4.epochs')).toMatchObject([
      { code: 'ZT4201', notes: ['`validate.late` is measured 0 times in 3 validations', length] },
    ]);
  });
});

test('a block of metrics that never runs is a warning, with counts', () => {
  const at = { train: train(`${update} every 500.steps { metric late = ${loss} }`), trainer: epochs };
  expect(only(at)).toMatchObject({
    code: 'ZT5020',
    at: '500.steps',
    message: '`every 500 steps` changes nothing: its block runs 0 times in 135 steps',
    notes: [length],
  });
});

describe('what the run is too short for', () => {
  const epochs3 = (more: string): string => `trainer Digits { epochs = 3 ${more} }`;
  test.each([
    [
      'an early stop',
      { addon: 'addon early_stopping { monitor = min(validate.loss) patience = 3 }' },
      '3',
      '`patience = 3` changes nothing: `validate.loss` is measured 3 times, the first of which is the best so far',
    ],
    [
      'an interval of checkpoints',
      { addon: 'addon checkpoint { every = 10.epochs }' },
      '10.epochs',
      '`every = 10 epochs` changes nothing: the run has 135 steps',
    ],
    [
      'lines of the rates',
      { addon: 'addon lr_log { every = 136.steps }' },
      '136.steps',
      '`every = 136 steps` changes nothing: the run has 135 steps',
    ],
    [
      'lines of metrics',
      { trainer: epochs3('log_every = 500.steps') },
      '500.steps',
      '`log_every = 500 steps` changes nothing: the run has 135 steps',
    ],
    [
      'new data',
      { trainer: epochs3('reload_data = 3.epochs') },
      '3.epochs',
      '`reload_data = 3 epochs` changes nothing: the run has 3 epochs, and its data is open at the start',
    ],
    [
      'a plateau',
      {
        schedule: 'schedule s { plateau(validate.loss, from = 0.1, patience = 1, over = rest) }',
        optimizer: 'optimizer opt = adam { of = Net lr = s }',
      },
      '1',
      '`patience = 1` changes nothing: `validate.loss` is measured 2 times within this phase of `s`, and 3 are needed for a change',
    ],
  ])('%s', (_, parts, at, message) => {
    expect(only({ trainer: epochs, ...parts })).toMatchObject({
      code: 'ZT5020',
      at,
      message,
      notes: [length],
    });
  });
  test.each([
    { addon: 'addon early_stopping { monitor = min(validate.loss) patience = 2 }' },
    { addon: 'addon checkpoint { every = 3.epochs }' },
    { addon: 'addon lr_log { every = 135.steps }' },
    { trainer: epochs3('log_every = 135.steps') },
    { trainer: epochs3('reload_data = 2.epochs') },
    {
      schedule: 'schedule s { plateau(validate.loss, from = 0.1, patience = 0, over = rest) }',
      optimizer: 'optimizer opt = adam { of = Net lr = s }',
    },
  ])('not %j', (parts) => {
    expect(codesOf({ trainer: epochs, ...parts })).toEqual([]);
  });
});

describe('a patience that is the default', () => {
  const at = (addon: string, schedule = ''): ReturnType<typeof found> =>
    found({
      trainer: 'trainer Digits { epochs = 10 }',
      addon,
      ...(schedule === ''
        ? {}
        : { schedule: `schedule s { ${schedule} }`, optimizer: 'optimizer opt = adam { of = Net lr = s }' }),
    });
  test('of an early stop', () => {
    const addon = 'addon early_stopping { monitor = min(validate.loss) }';
    expect(at(addon)).toMatchObject([
      {
        code: 'ZT5020',
        at: addon,
        message:
          '`patience = 10` changes nothing: `validate.loss` is measured 10 times, the first of which is the best so far',
        help: 'give it a lower `patience`, or lengthen the run',
      },
    ]);
    expect(at(addon)[0]?.notes).toContain('`early_stopping` has a patience of 10 unless it says otherwise');
    expect(codesOf({ trainer: 'trainer Digits { epochs = 11 }', addon })).toEqual([]);
  });
  test.each(['stop_at = 0.1', 'diverge_at = 10.0', 'check_finite = true'])(
    'not where the stop is there for %s',
    (more) => {
      expect(at(`addon early_stopping { monitor = min(validate.loss) ${more} }`)).toEqual([]);
    },
  );
  test('of a plateau', () => {
    const phase = 'plateau(validate.loss, from = 0.1, over = rest)';
    expect(at('', phase)).toMatchObject([
      {
        code: 'ZT5020',
        at: phase,
        message:
          '`patience = 10` changes nothing: `validate.loss` is measured 9 times within this phase of `s`, and 12 are needed for a change',
      },
    ]);
  });
});

describe('a validation that is due after the run', () => {
  const validate = (every: string, as = ''): string =>
    `step validate${as}(batch in test_set) every ${every} { metric loss = ${loss} }`;
  test.each([
    ['4.epochs', 'epochs = 3', 'every 4 epochs', '135 steps', 'every 3.epochs'],
    ['200.steps', 'epochs = 3', 'every 200 steps', '135 steps', 'every 3.epochs'],
    ['46.steps', 'steps = 45', 'every 46 steps', '45 steps', 'every 45.steps'],
    ['2.epochs', 'steps = 45', 'every 2 epochs', '45 steps', 'every 45.steps'],
  ])('%s in %s', (every, trainer, shown, whole, help) => {
    expect(only({ validate: validate(every), trainer: `trainer Digits { ${trainer} }` })).toMatchObject({
      code: 'ZT5028',
      at: every,
      message: `\`validate\` comes once, at the end of the run: ${shown} is more than its ${whole}`,
      help: `shorten it, or lengthen the run; where once is meant, \`${help}\` says so`,
    });
  });
  test.each([
    ['3.epochs', 'epochs = 3'],
    ['135.steps', 'epochs = 3'],
    ['10.minutes', 'epochs = 3'],
    // What a step without `every` has.
    ['1.epoch', 'steps = 20'],
    ['1.epochs', 'steps = 20'],
    ['4.epochs', 'max_time = 1.hours'],
    ['4.epochs', 'epochs = 3 limit = { validate: 0.batches }'],
  ])('not %s in %s', (every, trainer) => {
    expect(codesOf({ validate: validate(every), trainer: `trainer Digits { ${trainer} }` })).toEqual([]);
  });
  test('is named, and what waits for it needs no word of its own', () => {
    const two = `${validate('1.epoch')}\n${validate('5.epochs', ' as rare')}`;
    const addon = 'addon early_stopping { monitor = min(rare.loss) patience = 3 }';
    const shown = found({ validate: two, trainer: epochs, addon });
    expect(shown.map(({ code, at }) => [code, at])).toEqual([['ZT5028', '5.epochs']]);
    expect(shown[0]?.message).toContain('`rare` comes once, at the end of the run');
  });
  test('where the length of an epoch is not known, in epochs', () => {
    const rows =
      'data train_set = csv -> { image: f32[8, 8, 1], label: i32 } { file = "rows.csv" batch = 32 shuffle = true }';
    const shown = found({
      train_set: rows,
      test_set:
        'data test_set = digits { map row -> { image: cast(row.image, f32) / 16, label: row.label } }',
      validate: validate('4.epochs'),
      trainer: epochs,
    });
    expect(shown).toMatchObject([{ code: 'ZT5028', at: '4.epochs', notes: [] }]);
    expect(shown[0]?.message).toContain('is more than its 3 epochs');
  });
});

test('predictions without a step that returns rows', () => {
  const addon = 'addon predictions { file = "rows.csv" }';
  expect(only({ addon })).toMatchObject({
    code: 'ZT5020',
    at: addon,
    message: '`predictions` changes nothing: no step of the spec returns rows',
    notes: [],
  });
  const returning = (stage: string): string =>
    `step ${stage}(batch in test_set) { return { guess: argmax(Net(batch.image)) } }`;
  for (const stage of ['validate', 'test', 'predict'])
    expect(codesOf({ addon, validate: returning(stage) })).toEqual([]);
});

describe('a phase that keeps its first value', () => {
  const at = (phases: string, epochs = 5): ReturnType<typeof found> =>
    found({
      trainer: `trainer Digits { epochs = ${epochs} }`,
      schedule: `schedule s { ${phases} }`,
      optimizer: 'optimizer opt = adam { of = Net lr = s }',
    });
  test.each([
    ['cosine', 'cosine(from = 1e-3, to = 0, over = rest, every = 10.epochs)'],
    ['step', 'step(from = 1e-3, factor = 0.1, over = rest, every = 10.epochs)'],
  ])('%s', (kind, phases) => {
    expect(at(phases)).toMatchObject([
      {
        code: 'ZT5020',
        at: '10.epochs',
        message: `\`${kind}\` changes nothing: this phase of \`s\` has 225 steps and keeps each value for 450 steps, so that it has only its first`,
        help: 'shorten `every`, or lengthen the phase',
      },
    ]);
  });
  test.each([
    // Two values, the second in the last epoch.
    'cosine(from = 1e-3, to = 1e-4, over = rest, every = 4.epochs)',
    // The first value of a warmup is above its start.
    'warmup(to = 1e-3, over = rest, every = 10.epochs)',
    // What follows takes its end up.
    'linear(from = 1e-3, to = 1e-4, over = 1.epoch, every = 1.epoch)',
    'linear(from = 1e-3, to = 1e-4, over = 1.epoch, every = 1.epoch) cosine(to = 1e-5, over = rest)',
  ])('not %s', (phases) => {
    expect(at(phases)).toEqual([]);
  });
});

test('a class is always among as many as there are', () => {
  const validate = (k: number): string =>
    `step validate(batch in test_set) { metric top = top_k_accuracy(Net(batch.image), batch.label, k = ${k}) }`;
  expect(codesOf({ validate: validate(9) })).toEqual([]);
  expect(only({ validate: validate(10) })).toMatchObject({ code: 'ZT3302', at: '10' });
});
