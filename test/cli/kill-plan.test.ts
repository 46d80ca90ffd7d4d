/** When `ztrainc verify-resume` kills a run. */
import { expect, test } from 'vitest';
import { killsOf } from '../../src/cli/kill-plan.js';

/** A slow start, then 100 steps of 2 ms, the tenth followed by a validation of 300 ms. */
const timeline = {
  steps: 100,
  times: Array.from(
    { length: 101 },
    (_, step) => [step, 5000 + 2 * step + (step > 0 ? 4000 : 0) + (step > 10 ? 300 : 0)] as const,
  ),
};

const draw = (kills: number, random: () => number, firstSave = 8) =>
  killsOf(kills, timeline, firstSave, random).map((next) => next());

test('kills are spread over the steps after the first save, whatever the start took', () => {
  expect(draw(2, () => 0).map(({ step }) => step)).toEqual([9, 54]);
  expect(draw(2, () => 0.999).map(({ step }) => step)).toEqual([54, 99]);
  const many = Array.from({ length: 200 }, () => draw(2, Math.random).map(({ step }) => step ?? -1));
  const [early, late] = [0, 1].map((kill) => new Set(many.map((steps) => steps[kill])));
  for (const steps of [early, late]) expect(steps?.size).toBeGreaterThan(30);
  expect(Math.max(...many.flat())).toBeLessThan(100);
});

test('each third, and the first of all, comes while it gets ready, where there are three', () => {
  expect(draw(7, () => 0.5).map(({ step }) => step === null)).toEqual([
    true,
    false,
    false,
    true,
    false,
    false,
    true,
  ]);
  expect(draw(4, () => 0.5)[0]).toEqual({ step: null, after: 2500 });
  expect(draw(2, () => 0.5).some(({ step }) => step === null)).toBe(false);
});

test('within a step the moment is drawn from the time that this step took', () => {
  expect(draw(1, () => 0.5)[0]).toEqual({ step: 54, after: 1 });
  // The step after which it validates.
  expect(killsOf(1, timeline, 9, () => 0)[0]?.()).toEqual({ step: 10, after: 0 });
  const draws = [0, 0.5];
  expect(killsOf(1, timeline, 9, () => draws.shift() ?? 0)[0]?.()).toEqual({ step: 10, after: 151 });
});

test('a run of one step, or of none that is saved before the end, has a moment all the same', () => {
  const short = { steps: 1, times: [[0, 10] as const, [1, 20] as const] };
  expect(killsOf(1, short, 1, () => 0.5)[0]?.()).toEqual({ step: 0, after: 5 });
  expect(draw(1, () => 0.5, 500)[0]).toEqual({ step: 99, after: 1 });
});
