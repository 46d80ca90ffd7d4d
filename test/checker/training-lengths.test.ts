/** How long a run is, and what must fit into it; add-ons and what they watch. */
import { describe, expect, test } from 'vitest';
import { check, codesOf, only } from './training-spec.js';

const scheduled = (phases: string, trainer = 'trainer Digits { epochs = 2 }') => ({
  schedule: `schedule warm { ${phases} }`,
  optimizer: 'optimizer opt = adam { of = Net lr = warm }',
  trainer,
});

describe('schedules', () => {
  test('a phase may be a part of the run', () => {
    expect(codesOf(scheduled('warmup(to = 1e-3, over = 5.percent) cosine(to = 1e-5, over = rest)'))).toEqual(
      [],
    );
    const shown = only(scheduled('warmup(to = 1e-3, over = 60.percent) constant(1e-3, over = 40.steps)'));
    expect([shown.code, shown.message]).toEqual(['ZT4202', 'schedule `warm` takes 94 steps, the run has 90']);
  });

  test('a fraction of the run is percent, and a phase has a step', () => {
    const bare = only(scheduled('warmup(to = 1e-3, over = 0.05) cosine(to = 1e-5, over = rest)'));
    expect([bare.code, bare.help]).toEqual(['ZT3202', 'write `5.percent`']);
    const part = only(scheduled('warmup(to = 1e-3, over = 0.05.steps) cosine(to = 1e-5, over = rest)'));
    expect(part.message).toBe('`over` of `warmup` is 0.05, a whole number of steps expected');
    const none = only(scheduled('warmup(to = 1e-3, over = 0.005.epochs) cosine(to = 1e-5, over = rest)'));
    expect([none.code, none.message, none.at]).toEqual([
      'ZT4202',
      '`warmup` of schedule `warm` has no step: 0.005 epochs is less than one',
      '0.005.epochs',
    ]);
    expect(none.notes[0]).toBe('0.005 epochs is 0.225 steps, rounded to 0');
  });

  test('lines of training come after whole steps', () => {
    const shown = only({ trainer: 'trainer Digits { epochs = 1 log_every = 0.5.steps }' });
    expect([shown.code, shown.message, shown.at]).toEqual([
      'ZT3203',
      '`log_every` of the trainer is 0.5, a whole number of steps expected',
      '0.5.steps',
    ]);
    const kept = only({ addon: 'addon checkpoint { every = 1.5.steps }' });
    expect(kept.message).toBe('`every` of `checkpoint` is 1.5, a whole number of steps expected');
    expect(codesOf({ addon: 'addon checkpoint { every = 0.5.epochs }' })).toEqual([]);
  });

  test.each([
    ['warmup(to = 1e-3, over = 45.steps) cosine(to = 1e-5, over = 45.steps)'],
    ['warmup(to = 1e-3, over = 0.5.epoch) cosine(to = 1e-5, over = 1.5.epochs)'],
    ['warmup(to = 1e-3, over = 89.steps) cosine(to = 1e-5, over = rest)'],
    ['constant(1e-3, over = 10.steps)'],
  ])('%s fits into two epochs of 45 batches', (phases) => {
    expect(codesOf(scheduled(phases))).toEqual([]);
  });
  test('too long, in steps', () => {
    const shown = only(scheduled('warmup(to = 1e-3, over = 40.steps) cosine(to = 1e-5, over = 51.steps)'));
    expect(shown).toMatchObject({
      code: 'ZT4202',
      message: 'schedule `warm` takes 91 steps, the run has 90',
      at: '51.steps',
      related: [['40.steps', '40 steps']],
      notes: [
        'its phases take 40 + 51',
        '`train_set` has 1,438 rows: 45 batches of 32 in an epoch; 2 epochs are 90 steps',
      ],
    });
  });
  test('nothing left for the rest', () => {
    const shown = only(scheduled('warmup(to = 1e-3, over = 90.steps) cosine(to = 1e-5, over = rest)'));
    expect(shown).toMatchObject({
      code: 'ZT4202',
      at: 'rest',
      message: 'nothing is left for the last phase of schedule `warm`',
    });
  });
  test('rest before the end', () => {
    const shown = only(scheduled('warmup(to = 1e-3, over = rest) cosine(to = 1e-5, over = 10.steps)'));
    expect(shown).toMatchObject({
      code: 'ZT4202',
      at: 'rest',
      related: [['cosine(to = 1e-5, over = 10.steps)', 'would never begin']],
    });
  });
  test('accumulation makes fewer steps', () => {
    const phases = 'warmup(to = 1e-3, over = 24.steps) constant(1e-3, over = rest)';
    expect(codesOf(scheduled(phases, 'trainer Digits { epochs = 2 accumulate = 3 }'))).toEqual([]);
    const shown = only(scheduled(phases, 'trainer Digits { epochs = 2 accumulate = 5 }'));
    expect(shown.notes.at(-1)).toBe(
      '`train_set` has 1,438 rows: 45 batches of 32 in an epoch, 9 steps with accumulate = 5; 2 epochs are 18 steps',
    );
  });
  test('defaults of params count, and a param without one leaves it to the start', () => {
    const phases = 'warmup(to = 1e-3, over = warm_steps.steps) constant(1e-3, over = rest)';
    const own = scheduled(phases);
    expect(codesOf({ ...own, param: 'param warm_steps: int = 500 where warm_steps > 0' })).toEqual([
      'ZT4202',
    ]);
    expect(codesOf({ ...own, param: 'param warm_steps: int where warm_steps > 0' })).toEqual([]);
  });
  test('constants count, also those made of others', () => {
    const own = scheduled('warmup(to = 1e-3, over = ramp.steps) constant(1e-3, over = rest)');
    expect(codesOf({ ...own, param: 'const base = 30\nconst ramp = 3 * base' })).toEqual(['ZT4202']);
    expect(codesOf({ ...own, param: 'const base = 20\nconst ramp = 3 * base' })).toEqual([]);
  });
  test('where rows are not known, lengths in the unit of the run are compared', () => {
    const csv = {
      train_set:
        'data train_set = csv -> { x: f32[4], label: "a" | "b" } { file = "a.csv" batch = 8 shuffle = true }',
      test_set: 'data test_set = train_set { file = "b.csv" shuffle = false }',
      model: 'model Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as head }',
      train:
        'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.label)) } }',
      validate:
        'step test(batch in test_set) { metric loss = mean(softmax_cross_entropy(Net(batch.x), batch.label)) }',
    };
    expect(codesOf({ ...csv, ...scheduled('warmup(to = 1e-3, over = 3.epochs)') })).toEqual(['ZT4202']);
    expect(codesOf({ ...csv, ...scheduled('warmup(to = 1e-3, over = 500.steps)') })).toEqual([]);
    expect(
      codesOf({
        ...csv,
        ...scheduled('warmup(to = 1e-3, over = 500.steps)', 'trainer Digits { steps = 400 }'),
      }),
    ).toEqual(['ZT4202']);
  });
});

describe('the length of a run', () => {
  test('two lengths exclude each other, whatever the schedule', () => {
    const shown = only(
      scheduled('warmup(to = 1e-3, over = 5_000.steps)', 'trainer Digits { epochs = 1 steps = 10 }'),
    );
    expect(shown).toMatchObject({ code: 'ZT4203', at: '10', related: [['1', 'the other length']] });
  });
  test('none is an error of its own, and a schedule with `rest` none beside it', () => {
    const shown = only(
      scheduled('warmup(to = 1e-3, over = 10.steps) constant(1e-3, over = rest)', 'trainer Digits {}'),
    );
    expect(shown).toMatchObject({
      code: 'ZT4203',
      help: 'write `epochs = 10`, `steps = 1_000` or `max_time = 2.hours` in the trainer',
    });
  });
  test('a window must fit into an epoch', () => {
    expect(codesOf({ trainer: 'trainer Digits { epochs = 1 accumulate = 45 }' })).toEqual([]);
    const shown = only({ trainer: 'trainer Digits { epochs = 1 accumulate = 46 }' });
    expect(shown).toMatchObject({
      code: 'ZT4204',
      message: '`accumulate` is 46, but an epoch has 45 batches',
      notes: ['`train_set` has 1,438 rows, a batch 32'],
    });
  });
  test('an epoch must have a batch', () => {
    const set =
      'data train_set = digits { batch = 2_000 drop_last = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }';
    expect(
      only({
        train_set: set,
        test_set: 'data test_set = train_set { split = "test" batch = 8 drop_last = false }',
      }),
    ).toMatchObject({ code: 'ZT4204', at: '2_000' });
  });
});

describe('add-ons', () => {
  const addon = (text: string) => ({ addon: text });

  test('metrics of validation and training can be watched', () => {
    for (const name of ['validate.loss', 'train.loss'])
      expect(codesOf(addon(`addon early_stopping { monitor = min(${name}) }`))).toEqual([]);
  });
  test('the norm of gradients can be watched where it is logged', () => {
    const watched = (metric: string, optimizer: string) => ({
      ...addon(`addon early_stopping { monitor = min(${metric}) }`),
      optimizer,
    });
    const clipped = 'optimizer opt = adam { of = Net clip = norm(1.0) }';
    expect(codesOf(watched('train.grad_norm', clipped))).toEqual([]);
    for (const clip of ['', ' clip = value(1.0)'])
      expect(only(watched('train.grad_norm', `optimizer opt = adam { of = Net${clip} }`))).toMatchObject({
        code: 'ZT4201',
        notes: [
          'the norm of gradients is logged where they are clipped by it: `clip = norm(…)` of the optimizer',
        ],
      });
  });
  test.each([
    ['validate.los', 'write `min(validate.loss)`'],
    ['validation.loss', 'write `min(validate.loss)`'],
    ['validate.accuracy', 'the metrics are `train.loss` and `validate.loss`'],
  ])('min(%s) is answered by: %s', (name, help) => {
    expect(only(addon(`addon checkpoint { best = min(${name}) }`))).toMatchObject({
      code: 'ZT4201',
      at: `min(${name})`,
      help,
    });
  });
  test('a metric without its step has its steps as help', () => {
    expect(only(addon('addon checkpoint { best = min(loss) }')).help).toBe(
      'the nearest are `train.loss` and `validate.loss`',
    );
  });
  test('a fix writes the nearest', () => {
    expect(
      check(only(addon('addon checkpoint { best = min(validate.lss) }')).fixed ?? '').diagnostics,
    ).toEqual([]);
  });
  test('a metric of the test step comes too late', () => {
    const shown = only({
      validate:
        'step test(batch in test_set) { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }',
      addon: 'addon checkpoint { best = min(test.loss) }',
    });
    expect(shown).toMatchObject({
      code: 'ZT4201',
      notes: ['`test.loss` is measured after the run, which is too late for an add-on'],
    });
  });
  test('with several optimizers, losses bear their names', () => {
    const own = {
      model: `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
model Other on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`,
      optimizer: 'optimizer a = adam { of = Net }\noptimizer b = adam { of = Other }',
      train: `step train(batch in train_set) { update a, b { minimize mean(softmax_cross_entropy(Net(batch.image) + Other(batch.image), batch.label)) } }`,
    };
    expect(codesOf({ ...own, addon: 'addon checkpoint { best = min(train.a_b_loss) }' })).toEqual([]);
    expect(codesOf({ ...own, addon: 'addon checkpoint { best = min(train.loss) }' })).toEqual(['ZT4201']);
  });
  test('what one add-on owns, no other does', () => {
    expect(only(addon('addon checkpoint { keep = 1 }\naddon checkpoint { keep = 2 }'))).toMatchObject({
      code: 'ZT4206',
      message: 'one `checkpoint` and another both own the checkpoints',
    });
    expect(only(addon('addon checkpoint { keep = 1 }\naddon checkpoint as more { keep = 2 }'))).toMatchObject(
      { message: '`checkpoint` and `checkpoint as more` both own the checkpoints' },
    );
    expect(
      codesOf(addon('addon checkpoint { keep = 1 }\naddon early_stopping { monitor = min(validate.loss) }')),
    ).toEqual([]);
  });
  test('what owns nothing may stand twice, under two names', () => {
    const grid = (as: string): string => `addon image_grid${as} { of = normal([4, 8, 8, 1], seed = 1) }`;
    expect(codesOf(addon(`${grid('')}\n${grid(' as other')}`))).toEqual([]);
    expect(codesOf(addon(`${grid('')}\n${grid('')}`))).toEqual(['ZT4206']);
  });
});
