import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dueAt, durationInSteps, recurrence, wholeSteps, type Pace } from '../../src/values/durations.js';
import { planSchedule, type Phase } from '../../src/values/schedule.js';
import * as units from '../../src/values/units.js';

const pace: Pace = { stepsPerEpoch: 10, accumulate: 2, rowsPerEpoch: 160, totalSteps: 100 };
const over = units.steps;

describe('durations', () => {
  test('in steps of the run', () => {
    expect(durationInSteps(units.steps(7), pace)).toBe(7);
    expect(durationInSteps(units.epochs(0.25), pace)).toBe(2.5);
    expect(durationInSteps(units.batches(6), pace)).toBe(3);
    expect(durationInSteps(units.samples(32), pace)).toBe(2);
    expect(durationInSteps(units.percent(5), pace)).toBe(5);
    expect(wholeSteps(units.epochs(0.01), pace)).toBe(1);
    expect(() => durationInSteps(units.minutes(1), pace)).toThrow('60 seconds is a time');
    expect(() => durationInSteps(units.percent(5), { ...pace, totalSteps: null })).toThrow(
      'a run that has no end',
    );
    expect(() => wholeSteps(units.steps(0), pace)).toThrow('got 0 steps');
  });

  test('as a reader says them', () => {
    expect(units.showQuantity(units.batches(2))).toBe('2 batches');
    expect(units.showQuantity(units.epochs(1))).toBe('1 epoch');
    expect(units.showQuantity(units.percent(5))).toBe('5 percent');
    expect(units.showQuantity(units.rest)).toBe('the rest of the run');
  });

  test('an event of every interval happens once in each, whatever the interval', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 8 }), (steps, parts) => {
        const interval = steps / parts;
        const count = Array.from({ length: 40 * steps }, (_, step) => dueAt(step + 1, interval)).filter(
          Boolean,
        ).length;
        return count === (interval >= 1 ? 40 * parts : 40 * steps);
      }),
    );
    expect([1, 2, 3, 4, 5, 6].filter((step) => dueAt(step, 3))).toEqual([3, 6]);
    expect(dueAt(0, 1)).toBe(false);
  });

  test('an event of time waits for the clock', () => {
    const every = recurrence(units.seconds(10), pace);
    expect([1, 9.9, 10, 15, 20.1].map((now) => every.due(1, now))).toEqual([false, false, true, false, true]);
  });
});

function values(phases: readonly Phase[], count: number, of: Pace = pace): readonly number[] {
  const plan = planSchedule(phases, of);
  return Array.from({ length: count }, (_, update) => plan.valueAt(update));
}

describe('schedules', () => {
  test('parts of an epoch add up to it, whatever rounding does to each', () => {
    const odd: Pace = { ...pace, stepsPerEpoch: 45, totalSteps: 90 };
    const half = (value: number): Phase => ({ kind: 'constant', value, over: units.epochs(0.5) });
    const plan = planSchedule([half(1), half(2), half(3), half(4)], odd);
    expect(plan.length).toBe(90);
    expect([22, 23, 44, 45, 67, 68].map((update) => plan.valueAt(update))).toEqual([1, 2, 2, 3, 3, 4]);
  });

  test('warmup leaves its start at once and reaches its end in its last update', () => {
    expect(values([{ kind: 'warmup', to: 1, over: over(4), from: null }], 6)).toEqual([
      0.25, 0.5, 0.75, 1, 1, 1,
    ]);
    expect(values([{ kind: 'warmup', to: 1, over: over(1), from: null }], 2)).toEqual([1, 1]);
  });

  test('phases start where the last ended', () => {
    const chained = values(
      [
        { kind: 'warmup', to: 1, over: over(2), from: null },
        { kind: 'constant', value: 1, over: over(1) },
        { kind: 'linear', to: 0, over: over(4), from: null },
      ],
      8,
    );
    expect(chained).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]);
  });

  test('cosine is half way in the middle, and ends exactly', () => {
    const [first, , , last] = [...values([{ kind: 'cosine', to: 0.1, over: over(4), from: 1 }], 4)];
    // 0.1 + 0.9 (1 + cos(π / 4)) / 2
    expect(first).toBeCloseTo(0.868198, 6);
    expect(values([{ kind: 'cosine', to: 0.1, over: over(4), from: 1 }], 4)[1]).toBeCloseTo(0.55, 12);
    expect(last).toBe(0.1);
  });

  test('exponential goes by equal ratios', () => {
    const [a = 0, b = 0, c = 0, d = 0] = values(
      [{ kind: 'exponential', to: 0.01, over: over(4), from: 1 }],
      4,
    );
    expect(b / a).toBeCloseTo(c / b, 12);
    expect(d).toBe(0.01);
    expect(() => values([{ kind: 'exponential', to: 0, over: over(4), from: 1 }], 1)).toThrow(
      'above 0, got 1 and 0',
    );
  });

  test('step drops by its factor', () => {
    const phase: Phase = { kind: 'step', factor: 0.5, every: over(2), over: over(6), from: 1 };
    expect(() => planSchedule([{ ...phase, every: over(0) }], pace, 'warm')).toThrow(
      'warm, phase 1 (step): every must be above 0, got 0 steps',
    );
    expect(values([phase], 7)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]);
  });

  test('rest takes what remains, and must leave something', () => {
    const phases = (steps: number): readonly Phase[] => [
      { kind: 'warmup', to: 1, over: over(steps), from: null },
      { kind: 'cosine', to: 0, over: units.rest, from: null },
    ];
    expect(planSchedule(phases(10), pace).length).toBe(100);
    expect(planSchedule(phases(10), pace).valueAt(99)).toBe(0);
    expect(planSchedule(phases(99), pace).length).toBe(100);
    expect(() => planSchedule(phases(100), pace, 'warm')).toThrow(
      'warm, phase 2 (cosine): nothing is left for it',
    );
    expect(() => planSchedule(phases(10), { ...pace, totalSteps: null })).toThrow('no end');
    expect(() =>
      planSchedule([{ kind: 'constant', value: 1, over: units.rest }, ...phases(1)], pace),
    ).toThrow('only the last phase can take the rest');
  });

  test('a schedule longer than its run is refused', () => {
    expect(() => values([{ kind: 'constant', value: 1, over: over(101) }], 1)).toThrow(
      'take 101 steps, the run 100',
    );
    expect(() => values([{ kind: 'linear', to: 1, over: over(5), from: null }], 1)).toThrow(
      'a value to start from',
    );
    expect(() => values([], 1)).toThrow('no phases');
    expect(() => values([{ kind: 'constant', value: 1, over: over(0) }], 1)).toThrow('above 0, got 0 steps');
  });

  test('every value is between the ends of its phase', () => {
    const kinds = fc.constantFrom('warmup' as const, 'linear' as const, 'cosine' as const);
    const phase = fc.record({
      kind: kinds,
      to: fc.double({ min: -1, max: 1, noNaN: true }),
      length: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(phase, ({ kind, to, length }) => {
        const plan = planSchedule([{ kind, to, over: over(length), from: 0.5 }], pace);
        const all = Array.from({ length }, (_, update) => plan.valueAt(update));
        return (
          all.every((value) => value >= Math.min(0.5, to) - 1e-12 && value <= Math.max(0.5, to) + 1e-12) &&
          all.at(-1) === to + 0
        );
      }),
    );
  });
});
