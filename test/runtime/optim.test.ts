import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, StateVariable } from '../../src/runtime/engine/engine.js';
import * as optim from '../../src/runtime/optim/index.js';
import { bindOptimizer, type FoundWeight } from '../../src/runtime/optim/bound.js';
import { matchesPath } from '../../src/runtime/optim/patterns.js';
import { ranked, type Scalar, type Tensor } from '../../src/runtime/tensor.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

let count = 0;
const start = [0.5, -1.25, 2, 0.001];
const gradientAt = (step: number): readonly number[] =>
  start.map((_, i) => Math.sin(1.7 * step + i) * 10 ** (i - 2));

/** Weights after some steps with made-up gradients. */
async function run(
  make: (of: never[]) => optim.Optimizer,
  steps: number,
  clip: optim.Clip | null = null,
): Promise<{ readonly weights: readonly number[]; readonly norms: readonly number[] }> {
  const path = `M${(count += 1)}.dense.weight`;
  const variable = engine.variable(path, { dtype: 'f32', shape: [4], values: Float32Array.from(start) });
  const found: FoundWeight = { path, local: 'dense.weight', variable };
  const bound = bindOptimizer(engine, `opt${count}`, make([]), [found], clip, (clock) => clock);
  const norms: number[] = [];
  const step = engine.compile('update', ([gradient, ...rates]) => {
    if (gradient === undefined) throw new Error('no gradient');
    const scalars = rates.map((rate) => ranked<Scalar>(rate));
    const norm = bound.apply(new Map<StateVariable, Tensor>([[variable, gradient]]), scalars, null);
    return norm === null ? [] : [norm];
  });
  for (let index = 0; index < steps; index += 1) {
    const values = Float32Array.from(gradientAt(index));
    const rates = bound.ratesAt({ step: index, epoch: 0 }).map((rate) => ({
      dtype: 'f32' as const,
      shape: [],
      values: Float32Array.of(rate),
    }));
    const [norm] = await step.run([{ dtype: 'f32', shape: [4], values }, ...rates], {
      seed: 0,
      step: index,
      micro: 0,
      rowOffset: 0,
    });
    if (norm !== undefined) norms.push(norm.values[0] ?? 0);
  }
  const weights = [...(await variable.download()).values];
  [variable, ...bound.state].forEach((state) => state.dispose());
  return { weights, norms };
}

/** The same in f64, element by element. */
function reference(
  steps: number,
  update: (w: number, g: number, t: number, slots: number[]) => number,
): readonly number[] {
  return start.map((first, i) => {
    const slots = [0, 0, 0];
    let w = first;
    for (let t = 1; t <= steps; t += 1) w = update(w, gradientAt(t - 1)[i] ?? 0, t, slots);
    return w;
  });
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  actual.forEach((value, index) => {
    const want = expected[index] ?? Number.NaN;
    expect(Math.abs(value - want)).toBeLessThan(2e-6 * Math.max(1, Math.abs(want)));
  });
}

const lr = 0.05;
// Slots by position: 0 is the first moment or momentum, 1 the second moment.
const at = (slots: number[], index: number): number => slots[index] ?? 0;

function adamStep(
  g: number,
  t: number,
  slots: number[],
  [b1, b2]: readonly [number, number],
  epsilon: number,
): number {
  // Kingma & Ba, 2015, algorithm 1.
  slots[0] = b1 * at(slots, 0) + (1 - b1) * g;
  slots[1] = b2 * at(slots, 1) + (1 - b2) * g * g;
  const mean = at(slots, 0) / (1 - b1 ** t);
  const square = at(slots, 1) / (1 - b2 ** t);
  return mean / (Math.sqrt(square) + epsilon);
}

describe('optimizers follow their published rule', () => {
  test('sgd with decay', async () => {
    const { weights } = await run((of) => optim.sgd({ of, lr, weightDecay: 0.1 }), 5);
    expectClose(
      weights,
      reference(5, (w, g) => w - lr * (g + 0.1 * w)),
    );
  });

  test.each([false, true])('sgd with momentum, nesterov %s', async (nesterov) => {
    const { weights } = await run((of) => optim.sgd({ of, lr, momentum: 0.9, nesterov }), 7);
    const expected = reference(7, (w, g, _t, slots) => {
      slots[0] = 0.9 * at(slots, 0) + g;
      return w - lr * (nesterov ? g + 0.9 * at(slots, 0) : at(slots, 0));
    });
    expectClose(weights, expected);
  });

  test.each([
    [[0.9, 0.999] as const, 1],
    [[0.9, 0.999] as const, 40],
    [[0.5, 0.99] as const, 10],
    [[0, 0.9] as const, 3],
  ])('adam with betas %j, %d steps', async (betas, steps) => {
    const { weights } = await run((of) => optim.adam({ of, lr, betas, weightDecay: 0.01 }), steps);
    expectClose(
      weights,
      reference(steps, (w, g, t, slots) => w - lr * adamStep(g + 0.01 * w, t, slots, betas, 1e-8)),
    );
  });

  test('adamw decays beside the step', async () => {
    const { weights } = await run((of) => optim.adamw({ of, lr, weightDecay: 0.2 }), 20);
    expectClose(
      weights,
      reference(20, (w, g, t, slots) => w - lr * 0.2 * w - lr * adamStep(g, t, slots, [0.9, 0.999], 1e-8)),
    );
  });

  test.each([0, 0.8])('rmsprop with momentum %d', async (momentum) => {
    const { weights } = await run((of) => optim.rmsprop({ of, lr: 0.01, momentum }), 12);
    const expected = reference(12, (w, g, _t, slots) => {
      slots[1] = 0.99 * at(slots, 1) + 0.01 * g * g;
      slots[0] = momentum * at(slots, 0) + g / (Math.sqrt(at(slots, 1)) + 1e-8);
      return w - 0.01 * at(slots, 0);
    });
    expectClose(weights, expected);
  });
});

/** The same over a whole tensor, for rules in which its elements meet. */
function referenceOfAll(
  steps: number,
  update: (w: readonly number[], g: readonly number[], t: number) => readonly number[],
): readonly number[] {
  let w: readonly number[] = start;
  for (let t = 1; t <= steps; t += 1) w = update(w, gradientAt(t - 1), t);
  return w;
}

describe('newer rules', () => {
  test.each([
    [0, 0],
    [0.8, 0.1],
  ])('centered rmsprop with momentum %d and decay %d', async (momentum, weightDecay) => {
    const make = (of: never[]) => optim.rmsprop({ of, lr: 0.01, momentum, weightDecay, centered: true });
    const { weights } = await run(make, 12);
    const expected = reference(12, (w, given, _t, slots) => {
      const g = given + weightDecay * w;
      slots[1] = 0.99 * at(slots, 1) + 0.01 * g * g;
      slots[2] = 0.99 * at(slots, 2) + 0.01 * g;
      const spread = Math.sqrt(at(slots, 1) - at(slots, 2) ** 2);
      slots[0] = momentum * at(slots, 0) + g / (spread + 1e-8);
      return w - 0.01 * at(slots, 0);
    });
    expectClose(weights, expected);
  });

  test.each([0, 0.1])('adagrad from an accumulator of %d', async (initialAccumulator) => {
    const make = (of: never[]) => optim.adagrad({ of, lr, initialAccumulator, weightDecay: 0.05 });
    const { weights } = await run(make, 9);
    const expected = reference(9, (w, given, t, slots) => {
      const g = given + 0.05 * w;
      slots[0] = (t === 1 ? initialAccumulator : at(slots, 0)) + g * g;
      return w - (lr * g) / (Math.sqrt(at(slots, 0)) + 1e-10);
    });
    expectClose(weights, expected);
  });

  test.each([
    [[0.9, 0.99] as const, 0],
    [[0.95, 0.98] as const, 0.5],
  ])('lion with betas %j and decay %d', async (betas, weightDecay) => {
    const { weights } = await run((of) => optim.lion({ of, lr, betas, weightDecay }), 15);
    // Chen et al., 2023, algorithm 2.
    const expected = reference(15, (w, g, _t, slots) => {
      const sign = Math.sign(betas[0] * at(slots, 0) + (1 - betas[0]) * g);
      slots[0] = betas[1] * at(slots, 0) + (1 - betas[1]) * g;
      return w - lr * (sign + weightDecay * w);
    });
    expectClose(weights, expected);
  });

  test.each([0, 0.1])('lamb with decay %d', async (weightDecay) => {
    const { weights } = await run((of) => optim.lamb({ of, lr, weightDecay }), 10);
    const slots = start.map(() => [0, 0, 0]);
    // You et al., 2020, algorithm 2, without limits on the ratio.
    const expected = referenceOfAll(10, (w, g, t) => {
      const r = w.map(
        (one, i) => adamStep(g[i] ?? 0, t, slots[i] ?? [], [0.9, 0.999], 1e-6) + weightDecay * one,
      );
      const ratio = Math.hypot(...w) / Math.hypot(...r);
      return w.map((one, i) => one - lr * ratio * (r[i] ?? 0));
    });
    expectClose(weights, expected);
  });

  test('lamb moves weights that are all 0, and stays where there is no gradient', async () => {
    const zero = await runFrom([0, 0], [1, -1], (of) => optim.lamb({ of, lr: 0.1 }));
    expectClose(zero, [-0.1, 0.1]);
    expect(await runFrom([1, 2], [0, 0], (of) => optim.lamb({ of, lr: 0.1 }))).toEqual([1, 2]);
    // Neither square root of 0 makes a NaN.
    expect(await runFrom([1, 2], [0, 0], (of) => optim.adagrad({ of, lr: 0.1 }))).toEqual([1, 2]);
    expect(await runFrom([1, 2], [0, 0], (of) => optim.lion({ of, lr: 0.1 }))).toEqual([1, 2]);
  });

  test('numbers out of range are refused', () => {
    expect(() => optim.adagrad({ of: [], initialAccumulator: -1 })).toThrow(
      'initial_accumulator is a number of',
    );
    expect(() => optim.lion({ of: [], betas: [0.9, 1] })).toThrow('betas[1] is a number from 0 to below 1');
    expect(() => optim.lamb({ of: [], epsilon: 0 })).toThrow('epsilon is a number above 0');
  });
});

/** Weights of one update. */
async function runFrom(
  values: readonly number[],
  gradient: readonly number[],
  make: (of: never[]) => optim.Optimizer,
): Promise<readonly number[]> {
  const host = (given: readonly number[]) => ({
    dtype: 'f32' as const,
    shape: [given.length],
    values: Float32Array.from(given),
  });
  const path = `M${(count += 1)}.dense.weight`;
  const variable = engine.variable(path, host(values));
  const found: FoundWeight = { path, local: 'dense.weight', variable };
  const bound = bindOptimizer(engine, `opt${count}`, make([]), [found], null, (clock) => clock);
  const step = engine.compile('update', ([given, rate]) => {
    if (given === undefined || rate === undefined) throw new Error('no gradient');
    bound.apply(new Map<StateVariable, Tensor>([[variable, given]]), [ranked<Scalar>(rate)], null);
    return [];
  });
  const [rate = 0] = bound.ratesAt({ step: 0, epoch: 0 });
  const scalar = { dtype: 'f32' as const, shape: [], values: Float32Array.of(rate) };
  await step.run([host(gradient), scalar], { seed: 0, step: 0, micro: 0, rowOffset: 0 });
  const after = [...(await variable.download()).values];
  [variable, ...bound.state].forEach((state) => state.dispose());
  return after;
}

describe('clipping', () => {
  test('by norm keeps the direction and reports the norm before', async () => {
    const gradient = gradientAt(0);
    const norm = Math.hypot(...gradient);
    const clipped = await run((of) => optim.sgd({ of, lr: 1, clip: optim.clipNorm({ most: 0.5 }) }), 1);
    expect(clipped.norms[0]).toBeCloseTo(norm, 5);
    expectClose(
      clipped.weights,
      start.map((w, i) => w - (0.5 / norm) * (gradient[i] ?? 0)),
    );
  });

  test('leaves a small gradient alone, and comes from the trainer by default', async () => {
    const free = await run((of) => optim.sgd({ of, lr: 1, clip: null }), 1, optim.clipNorm({ most: 0.5 }));
    expect(free.norms).toEqual([]);
    expect(free.weights).toEqual((await run((of) => optim.sgd({ of, lr: 1 }), 1)).weights);
    const large = await run((of) => optim.sgd({ of, lr: 1 }), 1, optim.clipNorm({ most: 1e6 }));
    expect(large.norms).toHaveLength(1);
    expectClose(
      large.weights,
      start.map((w, i) => w - (gradientAt(0)[i] ?? 0)),
    );
  });

  test('by value', async () => {
    const { weights } = await run((of) => optim.sgd({ of, lr: 1, clip: optim.clipValue({ most: 0.05 }) }), 1);
    expectClose(
      weights,
      start.map((w, i) => w - Math.max(-0.05, Math.min(0.05, gradientAt(0)[i] ?? 0))),
    );
  });
});

describe('groups', () => {
  test('patterns', () => {
    expect(matchesPath('**.bias', 'blocks.0.up.bias')).toBe(true);
    expect(matchesPath('**.bias', 'bias')).toBe(true);
    expect(matchesPath('*.bias', 'blocks.0.bias')).toBe(false);
    expect(matchesPath('**.norm*.*', 'blocks.0.norm1.gamma')).toBe(true);
    expect(matchesPath('**.norm*.*', 'norm_out.beta')).toBe(true);
    expect(matchesPath('embed.*', 'embed.weight')).toBe(true);
    expect(matchesPath('embed.*', 'embedded.weight')).toBe(false);
    expect(matchesPath('*a*b', 'xaab')).toBe(true);
    expect(matchesPath('*ab*ab', 'ab')).toBe(false);
    expect(matchesPath('**', 'a.b.c')).toBe(true);
  });

  test('later groups win key by key', async () => {
    const group = (name: string, match: string, more: object) => ({ name, match: [match], ...more });
    const { weights } = await run(
      (of) =>
        optim.sgd({
          of,
          lr: 0.1,
          weightDecay: 0.5,
          groups: [group('a', '**', { lr: 0.01, weightDecay: 0 }), group('b', '*.weight', { lr: 0.02 })],
        }),
      1,
    );
    expectClose(
      weights,
      start.map((w, i) => w - 0.02 * (gradientAt(0)[i] ?? 0)),
    );
  });

  test('a pattern without a weight is an error', async () => {
    const wrong = run((of) => optim.sgd({ of, lr, groups: [{ name: 'g', match: ['**.gamma'] }] }), 1);
    await expect(wrong).rejects.toThrow('group g of opt');
  });
});

test('rates follow the clock, and must be numbers', async () => {
  const { weights } = await run(
    (of) => optim.sgd({ of, lr: ({ step }: optim.Clock) => 0.1 / (1 + step) }),
    3,
  );
  expectClose(
    weights,
    reference(3, (w, g, t) => w - (0.1 / t) * g),
  );
  await expect(run((of) => optim.sgd({ of, lr: () => Number.NaN }), 1)).rejects.toThrow('is NaN at step 1');
  expect(() => optim.adam({ of: [], betas: [0.9] })).toThrow('betas[1]');
  expect(() => optim.sgd({ of: [], lr, momentum: 1 })).toThrow(
    'momentum is a number from 0 to below 1, got 1',
  );
  expect(() => optim.clipNorm({ most: 0 })).toThrow('above 0, got 0');
});
