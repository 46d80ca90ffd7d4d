/** ZT3302 of learning rates and decays that a schedule decides: each step of the run is within the limits, or the first that is not is told. */
import { describe, expect, test } from 'vitest';
import { check, found, specOf } from './training-spec.js';

const at = (schedule: string, optimizer: string, model = '', trainer = 'epochs = 3', param = '') => ({
  param,
  schedule: `schedule s { ${schedule} }\n${model}`,
  optimizer: `optimizer opt = adam { of = Net ${optimizer} }`,
  trainer: `trainer Digits { ${trainer} }`,
});
const ofRate = (schedule: string, lr = 's', trainer?: string) =>
  found(at(schedule, `lr = ${lr}`, '', trainer));
const ofDecay = (schedule: string, decay = 's', trainer?: string, param?: string) =>
  found({
    ...at(schedule, '', `model E = ema(Net, decay = ${decay})`, trainer, param),
    validate:
      'step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(E(batch.image), batch.label)) }',
  });

describe('a decay that leaves 0 to 1', () => {
  test('is told with the first step, its value and its phase', () => {
    const warmup = 'warmup(to = 1.9, over = 3.steps)';
    const shown = ofDecay(`${warmup} constant(value = 0.9, over = rest)`);
    expect(shown).toMatchObject([
      {
        code: 'ZT3302',
        at: 's',
        message: 'the decay of `E` is 1.26667 in step 2, but `decay >= 0 and decay <= 1` must hold',
        related: [[warmup, 'step 2 is in this phase of `s`']],
      },
    ]);
    expect(shown[0]?.notes[0]).toContain('3 epochs are 135 steps');
  });

  test.each([
    ['constant(value = 1.5, over = 20.steps) constant(value = 0.9, over = rest)', 1],
    [
      'constant(value = 0.9, over = 20.steps) constant(value = -0.5, over = 1.step) constant(value = 0.9, over = rest)',
      21,
    ],
    ['linear(from = 0.9, to = 1.1, over = rest)', 68],
    ['linear(from = 0.9, to = 1.1, over = rest, every = 1.epoch)', 91],
    ['one_cycle(peak = 1.01, over = rest)', 38],
  ])('%s: from step %d on', (schedule, step) => {
    const message = expect.stringContaining(` in step ${step}, but`);
    expect(ofDecay(schedule)).toMatchObject([{ code: 'ZT3302', message }]);
  });

  test('of a formula, and with the defaults of params', () => {
    const rising = 'linear(from = 0.4, to = 0.6, over = rest)';
    expect(ofDecay(rising, 's * 1.5')).toEqual([]);
    expect(ofDecay(rising, 's * 2')).toMatchObject([{ code: 'ZT3302', at: 's * 2' }]);
    const top = 'linear(from = 0.4, to = top, over = rest)';
    const param = (value: string) => `param top: float${value}`;
    expect(ofDecay(top, 's', undefined, param(' = 0.9'))).toEqual([]);
    expect(ofDecay(top, 's', undefined, param(' = 1.9'))).toMatchObject([{ code: 'ZT3302' }]);
    // Without a default the run says it, when it begins.
    expect(ofDecay(top, 's', undefined, param(''))).toEqual([]);
  });

  test('is none at its ends, nor beyond the run', () => {
    for (const schedule of [
      'linear(from = 0, to = 1, over = rest)',
      'cosine(from = 1, to = 0, over = rest)',
      'exponential(from = 0.9, to = 1, over = rest)',
      // Its end is not reached: the last part stands at two thirds.
      'linear(from = 0.9, to = 1.04, over = rest, every = 1.epoch)',
    ])
      expect(ofDecay(schedule)).toEqual([]);
  });

  test('for a step in a million is found', () => {
    const brief =
      'constant(value = 0.9, over = 500_001.steps) constant(value = 1.5, over = 1.step) constant(value = 0.9, over = rest)';
    const message = expect.stringContaining('is 1.5 in step 500002,');
    expect(ofDecay(brief, 's', 'steps = 1_000_000')).toMatchObject([{ code: 'ZT3302', message }]);
    const late = 'linear(from = 0.9, to = 1.1, over = rest)';
    const first = expect.stringContaining(' in step 500001,');
    expect(ofDecay(late, 's', 'steps = 1_000_000')).toMatchObject([{ code: 'ZT3302', message: first }]);
  });
});

describe('a learning rate below 0', () => {
  const falling = 'linear(from = 1e-3, to = -1e-3, over = rest)';
  test('is told, of an optimizer and of a group', () => {
    expect(ofRate(falling)).toMatchObject([
      {
        code: 'ZT3302',
        at: 's',
        message: 'the learning rate of `opt` is -0.00000740741 in step 68, but `lr >= 0` must hold',
      },
    ]);
    const group = found(at(falling, 'lr = 1e-3 group head { match = ["head.*"] lr = s / 2 }'));
    expect(group).toMatchObject([
      { at: 's / 2', message: expect.stringContaining('group `head` of `opt` is -0.0000037037 in step 68,') },
    ]);
  });
  test('is none at 0, nor above 1', () => {
    expect(ofRate('linear(from = 5, to = 0, over = rest)')).toEqual([]);
    // What is measured decides.
    expect(ofRate('plateau(validate.loss, from = 1e-3, patience = 0, over = rest)')).toEqual([]);
  });
});

describe('where the length of an epoch is not known', () => {
  const rows = (schedule: string) => {
    const spec = specOf({
      ...at(schedule, 'lr = s'),
      train_set:
        'data train_set = csv -> { image: f32[8, 8, 1], label: i32 } { file = "rows.csv" batch = 32 shuffle = true }',
      test_set: '',
      validate: '',
    });
    return check(spec).diagnostics.filter(({ code }) => code !== 'ZT5004');
  };
  test('the ends of phases are told, which the run comes to', () => {
    const [one, ...others] = rows('warmup(to = 1e-3, over = 1.epoch) linear(to = -1, over = rest)');
    expect(others).toEqual([]);
    expect(one?.message).toBe('the learning rate of `opt` is -1, but `lr >= 0` must hold');
    expect(one?.related?.map(({ label }) => label)).toEqual(['at the end of this phase']);
    expect(rows('warmup(to = 1e-3, over = 1.epoch) linear(to = 0, over = rest)')).toEqual([]);
  });
});
