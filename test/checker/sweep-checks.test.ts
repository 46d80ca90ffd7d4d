/** How many checks a sweep costs, however many runs it has. */
import { describe, expect, test } from 'vitest';
import { loadPrelude } from '../../src/checker/prelude.js';
import type { TrainingInput } from '../../src/checker/training/input.js';
import { hostNamesOf } from '../../src/checker/training/run.js';
import { checkRuns, mostChecks } from '../../src/checker/training/sweep-runs.js';
import type { PlacedAxis } from '../../src/checker/training/sweep.js';
import { check, specOf } from './training-spec.js';

const axis = (name: string, count: number): PlacedAxis => ({
  name,
  span: { file: 0, start: 0, end: 0 },
  values: Array.from({ length: count }, (_, at) => at + 1),
  spans: Array.from({ length: count }, (_, at) => ({ file: 0, start: at, end: at })),
});

const looked = (
  axes: readonly PlacedAxis[],
  look: (read: (name: string) => unknown, input: TrainingInput) => void,
): readonly TrainingInput[] => {
  const { trainer } =
    check(
      specOf({
        param: 'param a: float = 1\nparam b: int = 1',
        optimizer: 'optimizer opt = adam { of = Net lr = a * b }',
      }),
    ).ir ?? {};
  if (!trainer) throw new Error('the spec has no trainer');
  const seen: TrainingInput[] = [];
  const input: TrainingInput = {
    trainer,
    classes: new Map(),
    weights: new Map(),
    meetsRows: new Set(),
    prelude: loadPrelude(),
    report: () => undefined,
  };
  checkRuns(input, axes, (own) => {
    seen.push(own);
    const { params } = hostNamesOf(own);
    look((name) => params.get(name), own);
  });
  return seen;
};

describe('the runs of a sweep are checked', () => {
  test('once for all values of a param that the check does not read', () => {
    expect(looked([axis('a', 1000)], () => undefined)).toHaveLength(1);
    expect(looked([axis('a', 50), axis('b', 50)], (read) => read('b'))).toHaveLength(50);
  });
  test('once where it is a seed', () => {
    expect(looked([axis('trainer.seed', 100)], () => undefined)).toHaveLength(1);
  });
  test('for what is read only at some values of another', () => {
    // b is read where a is 2 alone: 2 values of a, one of which has 3 of b.
    expect(looked([axis('a', 2), axis('b', 3)], (read) => read('a') === 2 && read('b'))).toHaveLength(4);
  });
  test('so many times at most, evenly over the values', () => {
    const seen = looked([axis('a', 1000), axis('b', 3)], (read) => [read('a'), read('b')]);
    expect(seen).toHaveLength(mostChecks);
    const of = (name: string) =>
      [...new Set(seen.map(({ params }) => Number(params?.get(name))))].sort((a, b) => a - b);
    expect(of('b')).toEqual([1, 2, 3]);
    const values = of('a');
    expect([values[0], values.at(-1)]).toEqual([1, 1000]);
    const gaps = values.slice(1).map((value, index) => value - (values[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(15);
    expect(looked([axis('trainer.epochs', 1000)], () => undefined)).toHaveLength(mostChecks);
  });
  test('fewer times where each looks at very many steps', () => {
    const seen = looked([axis('trainer.epochs', 150)], (_, { watch }) => {
      for (let step = 0; step < 180_000; step += 1) watch?.scanned();
    });
    expect(seen.length).toBeGreaterThan(4);
    expect(seen.length).toBeLessThan(10);
  });
});
