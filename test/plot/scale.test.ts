import { describe, expect, test } from 'vitest';
import { linearScale, logScale, stepScale, tickLabel, timeScale, type Scale } from '../../src/plot/scale.js';

const labels = ({ ticks }: Scale): readonly string[] => ticks.map(({ label }) => label);

/** Whatever the values: the ends are finite, ticks lie inside of them, rise, and have labels that differ. */
function expectSound(scale: Scale): void {
  expect(Number.isFinite(scale.low) && Number.isFinite(scale.high)).toBe(true);
  const at = scale.ticks.map(({ value }) => scale.at(value));
  expect(at.length).toBeGreaterThan(0);
  at.forEach((each) => {
    expect(each).toBeGreaterThanOrEqual(-1e-6);
    expect(each).toBeLessThanOrEqual(1 + 1e-6);
  });
  expect([...at].sort((a, b) => a - b)).toEqual(at);
  expect(new Set(labels(scale)).size).toBe(scale.ticks.length);
}

describe('a linear scale', () => {
  test('has ticks at round numbers, and ends at them', () => {
    const scale = linearScale(0.131, 1.852, 5);
    expect(labels(scale)).toEqual(['0', '0.5', '1.0', '1.5', '2.0']);
    expect([scale.low, scale.high, scale.at(0), scale.at(2)]).toEqual([0, 2, 0, 1]);
    expect(labels(linearScale(-3, 7, 5))).toEqual(['-4', '-2', '0', '2', '4', '6', '8']);
    expect(labels(linearScale(0.1, 0.3, 4))).toEqual(['0.10', '0.15', '0.20', '0.25', '0.30']);
  });

  test('ends at the values where it is not to be rounded, with two ticks in between', () => {
    const scale = linearScale(45, 180, 1, false);
    expect([scale.low, scale.high]).toEqual([45, 180]);
    expect(labels(scale)).toEqual(['50', '100', '150']);
  });

  test('gives one value room on both sides', () => {
    expect(linearScale(5, 5, 4).at(5)).toBeCloseTo(0.5);
    expect(labels(linearScale(0, 0, 4))).toEqual(['-1.0', '-0.5', '0', '0.5', '1.0']);
    expect(linearScale(-2, -2, 4).at(-2)).toBeCloseTo(0.5);
    // Apart by rounding alone.
    expect(linearScale(0.3, 0.1 + 0.2, 4).at(0.3)).toBeCloseTo(0.5);
  });

  test('is sound for huge, tiny and negative values', () => {
    const most = Number.MAX_VALUE;
    const pairs: readonly (readonly [number, number])[] = [
      [-most, most],
      [most, most],
      [0, most],
      [1e300, 1e308],
      [5e-324, 5e-324],
      [0, 1e-300],
      [-1e-9, 1e-9],
      [123456789.001, 123456789.002],
      [-1e15, -1],
      [1e6, 1.000001e6],
    ];
    for (const [low, high] of pairs)
      for (const count of [1, 4, 8]) {
        expectSound(linearScale(low, high, count));
        const scale = linearScale(low, high, count, false);
        expect([scale.at(low), scale.at(high)].every((at) => at >= 0 && at <= 1)).toBe(true);
      }
  });

  test('has no place for what is not finite', () => {
    const { at } = linearScale(0, 1, 4);
    expect([Number.NaN, Number.POSITIVE_INFINITY].map(at)).toEqual([Number.NaN, Number.NaN]);
  });
});

test('labels have as many digits as tell ticks apart', () => {
  expect(tickLabel(0.30000000000000004, 0.1)).toBe('0.3');
  expect(tickLabel(-1e-17, 0.1)).toBe('0');
  expect([2.5e-6, 2e-6].map((value) => tickLabel(value, 5e-7))).toEqual(['2.5e-6', '2e-6']);
  expect([1e6, 1.5e6].map((value) => tickLabel(value, 5e5))).toEqual(['1e6', '1.5e6']);
  expect(tickLabel(2500, 500)).toBe('2500');
});

describe('a logarithmic scale', () => {
  test('has ticks at powers of ten, and more where there are few', () => {
    expect(labels(logScale(1e-3, 10, 5))).toEqual(['0.001', '0.01', '0.1', '1', '10']);
    expect(labels(logScale(0.02, 2.5, 5))).toEqual(['0.03', '0.1', '0.3', '1']);
    expect(labels(logScale(2, 9, 5))).toEqual(['2', '5']);
    expect(labels(logScale(1e-300, 1e300, 5)).length).toBeLessThanOrEqual(6);
  });

  test('puts equal ratios at equal distances, and has no place for 0 and below', () => {
    const { at } = logScale(0.01, 100, 5);
    expect([0.01, 1, 100].map((value) => Math.round(1e9 * at(value)) / 1e9)).toEqual([0, 0.5, 1]);
    expect([0, -1].map(at)).toEqual([Number.NaN, Number.NaN]);
  });

  test('is sound at edges', () => {
    const pairs = [
      [3, 3],
      [3, 4],
      [1, 1.01],
      [1e-300, 1e300],
      [1, 1000],
    ] as const;
    for (const [low, high] of pairs) expectSound(logScale(low, high, 5));
  });
});

describe('along a run', () => {
  test('steps are whole', () => {
    expect(labels(stepScale(1, 4, 8))).toEqual(['1', '2', '3', '4']);
    expect(labels(stepScale(7, 7, 8))).toEqual(['7']);
    expect(labels(stepScale(0, 40_000, 4))).toEqual(['0', '10k', '20k', '30k', '40k']);
    expect(labels(stepScale(0, 8000, 4))).toEqual(['0', '2,000', '4,000', '6,000', '8,000']);
    expect(labels(stepScale(0, 3e6, 3))).toEqual(['0', '1M', '2M', '3M']);
  });

  test('times are round and never before the start', () => {
    expect(labels(timeScale(0, 100, 4))).toEqual(['0', '30s', '1m', '1m30s']);
    expect(labels(timeScale(0, 3 * 3600, 4))).toEqual(['0', '1h', '2h', '3h']);
    expect(labels(timeScale(0, 200_000, 4))).toEqual(['0', '1d', '2d']);
    expect(labels(timeScale(0, 1, 4))).toEqual(['0', '0.5s', '1.0s']);
    expect(timeScale(0, 0, 4).ticks.every(({ value }) => value >= 0)).toBe(true);
    expectSound(timeScale(4.5, 11, 1));
  });
});
