/** Phases against the loops of the systems that they come from, at their edges. */
import { describe, expect, test } from 'vitest';
import type { Pace } from '../../src/values/durations.js';
import type { PlateauPhase } from '../../src/values/plateau.js';
import { planSchedule, type Phase, type ScheduleState } from '../../src/values/schedule.js';
import * as units from '../../src/values/units.js';

const pace: Pace = { stepsPerEpoch: 10, accumulate: 1, rowsPerEpoch: 10, totalSteps: 100 };
const over = units.steps;

const values = (phases: readonly Phase[], count: number): readonly number[] => {
  const plan = planSchedule(phases, pace);
  return Array.from({ length: count }, (_, update) => plan.valueAt(update));
};

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, index) => expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 12));
}

describe('polynomial', () => {
  test.each([1, 2, 0.5])('Keras PolynomialDecay with power %d, one step on', (power) => {
    // (initial - end) · (1 - step / decay_steps)^power + end; update i has done step i + 1.
    const expected = Array.from({ length: 12 }, (_, update) => {
      const step = Math.min(update + 1, 8);
      return (0.4 - 0.1) * (1 - step / 8) ** power + 0.1;
    });
    const phase: Phase = { kind: 'polynomial', to: 0.1, power, over: over(8), from: 0.4 };
    expectClose(values([phase], 12), expected);
    expect(values([phase], 8)[7]).toBe(0.1);
    expect(values([{ ...phase, over: over(1) }], 1)).toEqual([0.1]);
  });

  test('a power of 0 is refused', () => {
    const phase: Phase = { kind: 'polynomial', to: 0, power: 0, over: over(8), from: 0.4 };
    expect(() => planSchedule([phase], pace, 's')).toThrow(
      's, phase 1 (polynomial): power is a number above 0',
    );
  });
});

/** PyTorch's OneCycleLR.get_lr for each step. */
function oneCycle(total: number, pct: number, anneal: 'cosine' | 'linear'): readonly number[] {
  const [max, initial] = [0.3, 0.3 / 25];
  const min = initial / 1e4;
  const phases = [
    { end: pct * total - 1, from: initial, to: max },
    { end: total - 1, from: max, to: min },
  ];
  const way = (a: number, b: number, t: number): number =>
    anneal === 'linear' ? (b - a) * t + a : b + ((a - b) / 2) * (1 + Math.cos(Math.PI * t));
  return Array.from({ length: total }, (_, step) => {
    let start = 0;
    for (const [index, { end, from, to }] of phases.entries()) {
      if (step <= end || index === phases.length - 1) return way(from, to, (step - start) / (end - start));
      start = end;
    }
    return Number.NaN;
  });
}

describe('one_cycle', () => {
  const cycle = (length: number, pctStart: number, anneal: 'cosine' | 'linear' = 'cosine'): Phase => ({
    kind: 'one_cycle',
    peak: 0.3,
    pctStart,
    divFactor: 25,
    finalDivFactor: 1e4,
    anneal,
    over: over(length),
  });
  test.each([
    [20, 0.3, 'cosine'],
    [20, 0.3, 'linear'],
    // A rise that does not end at a whole step.
    [17, 0.3, 'cosine'],
    [10, 1, 'cosine'],
  ] as const)('%d steps, %d of them up, %s', (length, pct, anneal) => {
    expectClose(values([cycle(length, pct, anneal)], length), oneCycle(length, pct, anneal));
  });

  test('begins at peak / 25, has its peak in step 6 of 20, ends at 1e-4 of its start', () => {
    const all = values([cycle(20, 0.3)], 21);
    expect(all[0]).toBeCloseTo(0.012, 12);
    expect(all[5]).toBeCloseTo(0.3, 12);
    expect(all[19]).toBeCloseTo(0.012e-4, 12);
    expect(all[20]).toBe(all[19]);
  });

  test('a rise of one step is the peak; without a rise it falls from the first step on', () => {
    expect(values([cycle(10, 0.1)], 1)[0]).toBeCloseTo(0.3, 12);
    const [first = 0, second = 0] = values([cycle(10, 0, 'linear')], 2);
    expect(first).toBeLessThan(0.3);
    expect(second).toBeLessThan(first);
    expect(values([cycle(1, 1)], 1)[0]).toBeCloseTo(0.3, 12);
  });

  test('the phase after it starts at its end', () => {
    const chain: readonly Phase[] = [cycle(10, 0.5), { kind: 'linear', to: 1, over: over(2), from: null }];
    expect(values(chain, 11)[10]).toBeCloseTo((0.012e-4 + 1) / 2, 12);
  });
});

describe('every: a value is kept for so long', () => {
  const epochs = (phase: { readonly to: number; readonly from: number }) => ({
    ...phase,
    over: units.epochs(3),
    every: units.epochs(1),
  });
  const kept = (each: readonly number[], length = 10): readonly number[] =>
    each.flatMap((value) => Array.from({ length }, () => value));

  test('the first part stands at the start, what follows the phase at its end', () => {
    const all = values([{ kind: 'linear', ...epochs({ to: 0, from: 0.9 }) }], 40);
    expectClose(all, kept([0.9, 0.6, 0.3, 0]));
  });

  test('CosineAnnealingLR of PyTorch, stepped once in each epoch', () => {
    const all = values([{ kind: 'cosine', ...epochs({ to: 0, from: 1e-3 }) }], 40);
    expectClose(all, kept([1e-3, 7.5e-4, 2.5e-4, 0]));
  });

  test('PolynomialLR and ExponentialLR of PyTorch, stepped once in each epoch', () => {
    const polynomial: Phase = { kind: 'polynomial', power: 2, ...epochs({ to: 0, from: 0.9 }) };
    expectClose(values([polynomial], 40), kept([0.9, 0.4, 0.1, 0]));
    const exponential: Phase = { kind: 'exponential', ...epochs({ to: 0.001, from: 1 }) };
    expectClose(values([exponential], 40), kept([1, 0.1, 0.01, 0.001]));
    expect(values([exponential], 40)[39]).toBe(0.001);
  });

  test('a warm-up has no part of rate 0, and its last part is its end', () => {
    const all = values([{ kind: 'warmup', ...epochs({ to: 0.9, from: 0 }) }], 31);
    expectClose(all, [...kept([0.3, 0.6, 0.9]), 0.9]);
  });

  test('the next phase begins at the end, also where no update had it', () => {
    const chain: readonly Phase[] = [
      { kind: 'cosine', ...epochs({ to: 0.1, from: 1 }) },
      { kind: 'linear', to: 0, over: over(4), from: null },
    ];
    expectClose(values(chain, 34).slice(29), [0.325, 0.075, 0.05, 0.025, 0]);
  });

  test('the last part may be shorter: 25 steps are 3 parts', () => {
    const short = values([{ kind: 'linear', ...epochs({ to: 0, from: 0.9 }), over: over(25) }], 26);
    expectClose(short, [...kept([0.9, 0.6]), ...kept([0.3], 5), 0]);
  });

  test('a part whose length is not exact in f64 changes at its step, not one later', () => {
    // 0.07 · 100 is a little more than 7.
    expect(0.07 * 100).toBeGreaterThan(7);
    const phase: Phase = { kind: 'step', factor: 0.5, from: 1, over: units.rest, every: units.epochs(0.07) };
    const plan = planSchedule([phase], { ...pace, stepsPerEpoch: 100, totalSteps: 100 });
    expect([6, 7, 13, 14, 20, 21].map((update) => plan.valueAt(update))).toEqual([
      1, 0.5, 0.5, 0.25, 0.25, 0.125,
    ]);
  });

  test('parts in epochs end where epochs of the run end', () => {
    const later: Pace = { ...pace, stepsPerEpoch: 45, totalSteps: 135 };
    const warm: Phase = { kind: 'warmup', to: 1, over: over(20), from: null };
    const changes = (phase: Phase, of = later): readonly number[] => {
      const plan = planSchedule([warm, phase], of);
      return Array.from({ length: 114 }, (_, index) => 21 + index).filter(
        (update) => plan.valueAt(update) !== plan.valueAt(update - 1),
      );
    };
    const rest = { over: units.rest, from: null };
    expect(changes({ kind: 'cosine', to: 0, ...rest, every: units.epochs(1) })).toEqual([45, 90]);
    expect(changes({ kind: 'exponential', to: 0.1, ...rest, every: units.epochs(2) })).toEqual([90]);
    expect(changes({ kind: 'step', factor: 0.5, ...rest, every: units.epochs(1) })).toEqual([45, 90]);
    // Quarters of an epoch as a validation has them: after steps 12, 23, 34 and 45.
    expect(changes({ kind: 'linear', to: 0, ...rest, every: units.epochs(0.25) }).slice(0, 4)).toEqual([
      23, 34, 45, 57,
    ]);
    // Steps are counted from the phase's first one.
    expect(changes({ kind: 'step', factor: 0.5, ...rest, every: over(50) })).toEqual([70, 120]);
    const plan = planSchedule([warm, { kind: 'linear', to: 0, ...rest, every: units.epochs(1) }], later);
    expectClose(
      [20, 44, 45, 89, 90, 134].map((update) => plan.valueAt(update)),
      [1, 1, 2 / 3, 2 / 3, 1 / 3, 1 / 3],
    );
  });

  test('epochs are counted from the one in which the phase begins', () => {
    // StepLR(30) behind a warm-up of 5 epochs: it has been stepped 30 times at the start of the 36th.
    const chain: readonly Phase[] = [
      { kind: 'warmup', to: 1, over: units.epochs(5), from: null },
      { kind: 'step', factor: 0.1, every: units.epochs(30), over: units.epochs(40), from: null },
    ];
    const plan = planSchedule(chain, { ...pace, totalSteps: 450 });
    expectClose(
      [349, 350, 449].map((update) => plan.valueAt(update)),
      [1, 0.1, 0.1],
    );
  });

  test('less than a step is a step', () => {
    const often: Phase = { kind: 'linear', to: 0, from: 1, over: over(4), every: units.epochs(0.01) };
    expectClose(values([often], 5), [1, 0.75, 0.5, 0.25, 0]);
  });
});

describe('plateau', () => {
  const phase: PlateauPhase = {
    kind: 'plateau',
    monitor: { mode: 'min', metric: 'validate.loss' },
    factor: 0.5,
    patience: 1,
    threshold: 0.1,
    thresholdMode: 'relative',
    cooldown: 0,
    min: 0,
    over: units.rest,
    from: 1,
  };

  /** The value after each measurement; one is made every second step, from step 2 on. */
  function after(of: PlateauPhase, measured: readonly number[]): readonly number[] {
    const plan = planSchedule([of], pace);
    let state: ScheduleState = plan.initial;
    return measured.map((value, index) => {
      const step = 2 * (index + 1);
      ({ state } = plan.observe(step, new Map([[of.monitor.metric, value]]), state));
      return plan.valueAt(step, state);
    });
  }

  /** ReduceLROnPlateau.step of PyTorch, with eps = 0. */
  function reference(of: PlateauPhase, measured: readonly number[]): readonly number[] {
    const { mode } = of.monitor;
    let best = mode === 'min' ? Infinity : -Infinity;
    let [bad, cooling, lr] = [0, 0, 1];
    return measured.map((current) => {
      const edge =
        of.thresholdMode === 'relative'
          ? best * (mode === 'min' ? 1 - of.threshold : 1 + of.threshold)
          : best + (mode === 'min' ? -of.threshold : of.threshold);
      if (mode === 'min' ? current < edge : current > edge) {
        best = current;
        bad = 0;
      } else bad += 1;
      if (cooling > 0) {
        cooling -= 1;
        bad = 0;
      }
      if (bad > of.patience) {
        lr = Math.max(lr * of.factor, of.min);
        cooling = of.cooldown;
        bad = 0;
      }
      return lr;
    });
  }

  const wavy = Array.from({ length: 45 }, (_, i) => 2 / (1 + i / 4) + 0.4 * Math.sin(2.3 * i));
  test.each<Partial<PlateauPhase>>([
    {},
    { patience: 0 },
    { patience: 3, cooldown: 2 },
    { thresholdMode: 'absolute', threshold: 0.05, cooldown: 1 },
    { monitor: { mode: 'max', metric: 'validate.loss' }, patience: 0, min: 0.1 },
    { monitor: { mode: 'max', metric: 'validate.loss' }, thresholdMode: 'absolute' },
  ])('as PyTorch has it: %j', (replaced) => {
    const of = { ...phase, ...replaced };
    const expected = reference(of, wavy);
    expect(new Set(expected).size).toBeGreaterThan(1);
    expectClose(after(of, wavy), expected);
  });

  test('patience 1 lets one measurement pass and acts at the second; an improvement must exceed the threshold', () => {
    expect(after(phase, [1, 1, 1, 1])).toEqual([1, 1, 0.5, 0.5]);
    // 0.91 is less than a tenth better, 0.89 is more.
    expect(after(phase, [1, 0.91, 0.91])).toEqual([1, 1, 0.5]);
    expect(after(phase, [1, 0.95, 0.89, 0.89, 0.89])).toEqual([1, 1, 1, 1, 0.5]);
    expect(after(phase, [1, Number.NaN, Number.NaN])).toEqual([1, 1, 0.5]);
  });

  test.each<Partial<PlateauPhase>>([
    { threshold: 0 },
    { threshold: 0.25 },
    { threshold: 0.25, thresholdMode: 'absolute' },
    { threshold: 0, monitor: { mode: 'max', metric: 'validate.loss' } },
  ])('what is as good as is asked for, and no better, is no improvement: %j', (replaced) => {
    const of = { ...phase, patience: 0, ...replaced };
    const edge = 1 - of.threshold;
    expect(after(of, [1, edge])).toEqual([1, 0.5]);
    expect(reference(of, [1, edge])).toEqual([1, 0.5]);
  });

  test('never below min, and a value below it stays', () => {
    const low = { ...phase, patience: 0, min: 0.4 };
    expect(after(low, [1, 1, 1, 1])).toEqual([1, 0.5, 0.4, 0.4]);
    expect(after({ ...low, from: 0.1 }, [1, 1, 1])).toEqual([0.1, 0.1, 0.1]);
  });

  test('at min nothing is told any more', () => {
    const plan = planSchedule([{ ...phase, patience: 0, min: 0.5 }], pace);
    let state = plan.initial;
    const told = [2, 4, 6, 8].map((step) => {
      const found = plan.observe(step, new Map([['validate.loss', 1]]), state);
      ({ state } = found);
      return found.reduced.map(({ from, to }) => [from, to]);
    });
    expect(told).toEqual([[], [[1, 0.5]], [], []]);
  });

  test('only measurements within the phase count, and what follows starts where it ended', () => {
    const plan = planSchedule(
      [
        { kind: 'warmup', to: 1, over: over(4), from: null },
        { ...phase, patience: 0, over: over(6), from: null },
        { kind: 'linear', to: 0, over: over(2), from: null },
      ],
      pace,
    );
    const worse = new Map([['validate.loss', 2]]);
    const begun = plan.observe(4, new Map([['validate.loss', 1]]), plan.initial).state;
    expect(begun).toEqual(plan.initial);
    const first = plan.observe(5, new Map([['validate.loss', 1]]), begun);
    const second = plan.observe(7, worse, first.state);
    expect(second.reduced).toEqual([{ metric: 'validate.loss', best: 1, from: 1, to: 0.5 }]);
    expect([3, 7, 9, 10, 11, 12].map((update) => plan.valueAt(update, second.state))).toEqual([
      1, 0.5, 0.5, 0.25, 0, 0,
    ]);
    expect(plan.observe(10, worse, second.state).state).toEqual(second.state);
    expect(plan.observe(9, new Map([['validate.other', 9]]), second.state).state).toEqual(second.state);
  });

  test.each([
    [{ factor: 1 }, 'factor is a number above 0 and below 1, got 1'],
    [{ patience: 0.5 }, 'patience is a whole number of at least 0, got 0.5'],
    [{ cooldown: -1 }, 'cooldown'],
    [{ threshold: -1 }, 'threshold'],
    [{ min: -1 }, 'min is'],
    [{ from: null }, 'a value to start from'],
  ])('%j is refused', (replaced, message) => {
    expect(() => planSchedule([{ ...phase, ...replaced }], pace)).toThrow(message);
  });
});
