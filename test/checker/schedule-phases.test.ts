/** Phases of schedules as a spec says them: the metric of a plateau, and what starts from what. */
import { describe, expect, test } from 'vitest';
import { check, codesOf, only, specOf } from './training-spec.js';

const optimizer = 'optimizer opt = adam { of = Net lr = s }';
const phases = (text: string) => ({ schedule: `schedule s { ${text} }`, optimizer });

describe('accepted', () => {
  test.each([
    'polynomial(from = 1, to = 0, over = rest, power = 2)',
    'warmup(to = 1, over = 5.steps, every = 1.steps) polynomial(to = 0, over = rest, every = 20.steps)',
    'one_cycle(peak = 0.1, over = rest)',
    'one_cycle(0.1, over = 20.steps, pct_start = 0.5, anneal = "linear") linear(to = 0, over = rest)',
    'plateau(validate.loss, from = 1, over = rest)',
    'plateau(monitor = max(validate.loss), factor = 0.5, from = 1, over = rest)',
    'constant(1, over = 5.steps) plateau(min(train.loss), patience = 0, over = 3.epochs) exponential(to = 1e-3, over = rest)',
  ])('%s', (text) => {
    expect(codesOf({ ...phases(text), trainer: 'trainer Digits { epochs = 20 }' })).toEqual([]);
  });
});

test('a metric alone is to be small, and stands first in the options of the phase', () => {
  const { ir } = check(specOf(phases('plateau(validate.loss, factor = 0.5, from = 1, over = rest)')));
  const [phase] = ir?.trainer?.schedules[0]?.phases ?? [];
  expect(phase?.options.map(({ name }) => name)).toEqual(['monitor', 'factor', 'over', 'from']);
  expect(phase?.options[0]?.value).toMatchObject({ kind: 'monitor', mode: 'min', metric: 'validate.loss' });
});

describe('refused', () => {
  test('a metric that no step emits', () => {
    const found = only(phases('plateau(validate.los, from = 1, over = rest)'));
    expect(found).toMatchObject({ code: 'ZT4201', at: 'validate.los', help: 'write `min(validate.loss)`' });
    expect(found.fixed).toContain('plateau(min(validate.loss), from = 1');
  });

  test('a metric of a test step is too late', () => {
    const test_step =
      'step test(batch in test_set) { metric late = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }';
    const found = only({ ...phases('plateau(test.late, from = 1, over = rest)'), addon: test_step });
    expect(found).toMatchObject({ code: 'ZT4201' });
    expect(found.notes).toEqual(['`test.late` is measured after the run, which is too late for a schedule']);
  });

  test.each([
    ['plateau(factor = 0.5, from = 1, over = rest)', 'ZT2004'],
    ['plateau("validate.loss", from = 1, over = rest)', 'ZT3203'],
    ['plateau(validate.loss, over = rest)', 'ZT2004'],
    ['plateau(validate.loss, factor = 1.5, from = 1, over = rest)', 'ZT3302'],
    ['plateau(validate.loss, min = -1, from = 1, over = rest)', 'ZT3302'],
    ['plateau(validate.loss, wait = 3, from = 1, over = rest)', 'ZT2002'],
    ['polynomial(to = 0, power = 0, from = 1, over = rest)', 'ZT3302'],
    ['polynomial(to = 0, over = rest)', 'ZT2004'],
    ['one_cycle(to = 0.1, over = rest)', 'ZT2002'],
    ['one_cycle(peak = 0.1, pct_start = 2, over = rest)', 'ZT3302'],
    ['cosine(from = 1, to = 0, over = rest, every = 0.steps)', 'ZT3203'],
  ])('%s: %s', (text, code) => {
    expect(codesOf(phases(text))).toContain(code);
    expect(codesOf(phases(text)).filter((each) => each !== code && each !== 'ZT2004')).toEqual([]);
  });
});
