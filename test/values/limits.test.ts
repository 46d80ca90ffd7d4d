import { describe, expect, test } from 'vitest';
import { dueAt, recurrence, stepsBefore, type Pace } from '../../src/values/durations.js';
import { batchesIn, faultOfPart, partOf } from '../../src/values/limits.js';
import * as units from '../../src/values/units.js';

describe('parts of an epoch', () => {
  test.each([
    [units.batches(3), 10, 3],
    [units.batches(11), 10, 10],
    [units.batches(0), 10, 0],
    [units.percent(90), 10, 9],
    [units.percent(99.9), 10, 9],
    [units.percent(100), 45, 45],
    [units.percent(9.9), 10, 0],
    [units.percent(10), 10, 1],
    // A third of 3,000 is not 999 for the sake of rounding.
    [units.percent(33.3), 1000, 333],
    [units.percent(14.7), 1000, 147],
    // 66.6 · 1500 / 100 falls short of 999 in f64.
    [units.percent(66.6), 1500, 999],
    [null, 7, 7],
  ] as const)('%j of %i is %i', (part, all, count) => {
    expect(batchesIn(part, all)).toBe(count);
  });

  test('overfit comes before the limits of training and validation, not before others', () => {
    const taken = { limit: { train: units.batches(9), test: units.batches(4) }, overfit: units.batches(2) };
    expect(partOf('train', taken)).toEqual({ option: 'overfit', part: units.batches(2) });
    expect(partOf('validate', taken).option).toBe('overfit');
    expect(partOf('test', taken)).toEqual({ option: 'limit.test', part: units.batches(4) });
    expect(partOf('predict', taken).part).toBe(null);
    // Figures are of all that is there.
    expect(partOf('measure', taken).part).toBe(null);
  });

  test('a part has a batch, is whole, and at most everything', () => {
    expect(faultOfPart(units.batches(0), true)).toBe(null);
    expect(faultOfPart(units.batches(0), false)).toBe('takes a whole number of batches of at least 1, got 0');
    expect(faultOfPart(units.batches(1.5), true)).toBe('takes a whole number of batches, got 1.5');
    expect(faultOfPart(units.percent(0), true)).toContain('more than 0');
    expect(faultOfPart(units.percent(100.5), true)).toContain('at most 100 percent, got 100.5');
    expect(faultOfPart(units.percent(100), true)).toBe(null);
  });
});

describe('what happens every so often', () => {
  const pace: Pace = { stepsPerEpoch: 45, accumulate: 1, rowsPerEpoch: 1438, totalSteps: 90 };
  const dueIn = (part: number, stepsPerEpoch: number, epochs: number): readonly number[] => {
    const every = recurrence(units.epochs(part), { ...pace, stepsPerEpoch });
    return Array.from({ length: epochs * stepsPerEpoch }, (_, index) => index + 1).filter((step) =>
      every.due(step, 0),
    );
  };

  test('a quarter of an epoch comes four times in each, the last at its end', () => {
    expect(dueIn(0.25, 45, 2)).toEqual([12, 23, 34, 45, 57, 68, 79, 90]);
    expect(dueIn(0.25, 4, 1)).toEqual([1, 2, 3, 4]);
  });
  test('a part of less than a step comes after each step, once', () => {
    expect(dueIn(0.25, 3, 2)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(dueIn(0.25, 1, 3)).toEqual([1, 2, 3]);
  });
  test('a third and a tenth of an epoch do not drift', () => {
    expect(dueIn(1 / 3, 3, 3)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(dueIn(0.1, 30, 100)).toEqual(Array.from({ length: 1000 }, (_, index) => 3 * (index + 1)));
    expect(dueAt(45, 45 / 4)).toBe(true);
  });

  test('of time: once for any number of intervals, and not for those that it took itself', () => {
    const every = recurrence(units.minutes(10), pace);
    expect([0, 599.9, 600, 601, 1199].map((now) => every.due(1, now))).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(every.due(1, 1900)).toBe(true);
    expect(every.due(1, 2000)).toBe(false);
    // A validation that was due at 2,400 seconds and took until 3,700.
    expect(every.due(1, 2400)).toBe(true);
    every.skipTo(3700);
    expect([3701, 4199, 4200].map((now) => every.due(1, now))).toEqual([false, false, true]);
  });
  test('of time, a resumed run goes on where it was', () => {
    const every = recurrence(units.minutes(10), pace, 1250);
    expect([1250, 1799, 1800].map((now) => every.due(1, now))).toEqual([false, false, true]);
  });
  test('steps are taken together only while they surely end before the time', () => {
    const every = recurrence(units.seconds(10), pace);
    expect(every.next(7)).toBe(8);
    expect(every.next(7, { seconds: 0, perStep: 0.1 })).toBe(57);
    expect(every.next(7, { seconds: 9.9, perStep: 0.1 })).toBe(8);
    expect(every.next(7, { seconds: 12, perStep: 0.1 })).toBe(8);
    expect(stepsBefore(10, { seconds: 0, perStep: 0 })).toBe(1);
    expect(stepsBefore(10, { seconds: 0, perStep: 100 })).toBe(1);
  });
});
