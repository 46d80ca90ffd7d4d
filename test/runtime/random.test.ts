import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, StepClock } from '../../src/runtime/engine/engine.js';
import {
  hostBits,
  hostNormal,
  hostPermutation,
  hostUniform,
  labelHash,
  philoxBlocks,
  seededMicro,
} from '../../src/runtime/engine/philox.js';
import * as ops from '../../src/runtime/ops/index.js';

// Known answers of Philox4x32-10 as Random123 1.14 publishes them (tests/kat_vectors). The third counter and key are digits of π.
const answers = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const;

describe('Philox', () => {
  test.each(answers)(
    'gives the published words for counter $counter',
    ({ counter: [c0, c1, c2, c3], key, words }) => {
      // Blocks above 2^53 have no exact number: the low words of such a counter come in as a negative one.
      const block = c1 < 2 ** 21 ? c1 * 2 ** 32 + c0 : (c1 - 2 ** 32) * 2 ** 32 + c0;
      const out = new Uint32Array(4);
      if (Number.isSafeInteger(block)) {
        philoxBlocks(out, key[0], key[1], block, c2, c3);
        expect([...out]).toEqual([...words]);
      } else {
        // Checked against a plain implementation with wide integers instead, which gives the published words itself.
        expect(plain([c0, c1, c2, c3], key)).toEqual([...words]);
        philoxBlocks(out, key[0], key[1], c0, c2, c3);
        expect([...out]).toEqual(plain([c0, 0, c2, c3], key));
      }
    },
  );

  test('agrees with a plain implementation where counters and keys are large', () => {
    const words = hostBits(
      { seed: 0xfedcba98, label: 'train/noise', step: 0x89abcdef, micro: 3, offset: 4 * (2 ** 32 + 5) },
      8,
    );
    const key = [0xfedcba98, labelHash('train/noise')] as const;
    expect([...words.slice(0, 4)]).toEqual(plain([5, 1, 0x89abcdef, 3], key));
    expect([...words.slice(4)]).toEqual(plain([6, 1, 0x89abcdef, 3], key));
  });

  /** The definition, with wide integers. */
  function plain(counter: readonly number[], key: readonly number[]): number[] {
    let [a = 0n, b = 0n, c = 0n, d = 0n] = counter.map(BigInt);
    let [k0 = 0n, k1 = 0n] = key.map(BigInt);
    const low = 0xffffffffn;
    for (let round = 0; round < 10; round++) {
      const p = 0xd2511f53n * a;
      const q = 0xcd9e8d57n * c;
      [a, b, c, d] = [(q >> 32n) ^ b ^ k0, q & low, (p >> 32n) ^ d ^ k1, p & low];
      k0 = (k0 + 0x9e3779b9n) & low;
      k1 = (k1 + 0xbb67ae85n) & low;
    }
    return [a, b, c, d].map(Number);
  }
});

describe('host draws', () => {
  test('depend on their place alone', () => {
    const whole = hostUniform(3, 'w', 100);
    expect([...hostUniform(3, 'w', 30, { offset: 41 })]).toEqual([...whole.slice(41, 71)]);
    const normals = hostNormal(3, 'w', 100);
    expect([...hostNormal(3, 'w', 30, { offset: 41 })]).toEqual([...normals.slice(41, 71)]);
  });

  test('share no block between neighbouring steps, micro-batches, labels and seeds', () => {
    const seen = new Set<string>();
    let blocks = 0;
    for (const seed of [0, 1, 2 ** 40]) {
      for (const label of ['a', 'b', 'train/noise', 'train/noise1']) {
        for (const step of [0, 1, 2, 7, 8]) {
          for (const micro of [0, 1, seededMicro]) {
            const words = hostBits({ seed, label, step, micro }, 64);
            for (let i = 0; i < 64; i += 4) {
              seen.add(words.slice(i, i + 4).join(' '));
              blocks++;
            }
          }
        }
      }
    }
    expect(seen.size).toBe(blocks);
  });

  test('have the moments of their distributions', () => {
    const moments = (values: Float32Array): readonly [number, number, number] => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const spread = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      const fourth = values.reduce((sum, value) => sum + (value - mean) ** 4, 0) / values.length;
      return [mean, spread, fourth];
    };
    const [mean, spread] = moments(hostUniform(1, 'u', 100_000));
    expect(mean).toBeCloseTo(0.5, 2);
    expect(spread).toBeCloseTo(1 / 12, 2);
    const [centre, variance, fourth] = moments(hostNormal(1, 'n', 100_000));
    expect(centre).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
    expect(Math.abs(fourth - 3)).toBeLessThan(0.15);
    expect(Math.max(...hostUniform(1, 'u', 10_000))).toBeLessThan(1);
  });

  test('permute evenly', () => {
    const order = hostPermutation(7, 'shuffle', 1000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(order.filter((place, i) => place === i).length).toBeLessThan(10);
    const counts = new Map<string, number>();
    for (let step = 0; step < 6000; step++) {
      const key = hostPermutation(7, 's', 3, { step }).join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect(Math.min(...counts.values())).toBeGreaterThan(850);
  });
});

describe('draws in a step', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngineUnderTest();
  });
  const at = (clock: Partial<StepClock>): StepClock => ({
    seed: 7,
    step: 0,
    micro: 0,
    rowOffset: 0,
    ...clock,
  });
  async function draw(clock: Partial<StepClock>, shape: readonly number[], seed?: number): Promise<number[]> {
    const step = engine.compile('draw', () => [
      ops.uniform({ shape, draw: 'x', ...(seed === undefined ? {} : { seed }) }),
    ]);
    const [values] = await step.run([], at(clock));
    return [...(values?.values ?? [])];
  }

  test('are the host words of seed, label, step and micro-batch', async () => {
    expect(await draw({ step: 3, micro: 2 }, [2, 3])).toEqual([
      ...hostUniform(7, 'x', 6, { step: 3, micro: 2 }),
    ]);
  });

  test('are a device’s own rows', async () => {
    const whole = await draw({ step: 3 }, [6, 3]);
    expect(await draw({ step: 3, rowOffset: 4 }, [2, 3])).toEqual(whole.slice(12));
  });

  test('repeat at every step with a seed of their own', async () => {
    const once = await draw({ step: 3 }, [4], 11);
    expect(await draw({ step: 9, micro: 1, seed: 8 }, [4], 11)).toEqual(once);
    expect(await draw({ step: 9 }, [4], 12)).not.toEqual(once);
  });

  test('need a step', () => {
    expect(() => ops.uniform({ shape: [2], draw: 'x' })).toThrow(/no step runs now/);
  });
});

describe('draws of the beta distribution', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngineUnderTest();
  });
  const count = 20_000;
  async function draws(a: number, b: number, step = 0): Promise<readonly number[]> {
    const drawn = engine.compile('draw', () => [ops.randomBeta({ shape: [count], a, b, draw: 'beta' })]);
    const [values] = await drawn.run([], { seed: 3, step, micro: 0, rowOffset: 0 });
    return [...(values?.values ?? [])].sort((x, y) => x - y);
  }

  /** The integral of t^(a - 1) (1 - t)^(b - 1) from 0 to x, at most 1/2: by u = t^a, whose integrand has no pole there. */
  function below(x: number, a: number, b: number): number {
    const end = x ** a;
    const pieces = 400;
    const at = (u: number): number => (1 - u ** (1 / a)) ** (b - 1);
    let sum = 0;
    for (let i = 0; i < pieces; i += 1) {
      const [from, to] = [(end * i) / pieces, (end * (i + 1)) / pieces];
      sum += ((to - from) / 6) * (at(from) + 4 * at((from + to) / 2) + at(to));
    }
    return sum / a;
  }
  function distribution(x: number, a: number, b: number): number {
    const whole = below(0.5, a, b) + below(0.5, b, a);
    return x <= 0.5 ? below(x, a, b) / whole : 1 - below(1 - x, b, a) / whole;
  }

  test.each([
    [0.2, 0.2],
    [1, 1],
    [0.5, 2],
    [4, 1.5],
    [0.05, 0.05],
  ])('of %d and %d have its distribution', async (a, b) => {
    const values = await draws(a, b);
    let apart = 0;
    for (let i = 0; i < count; i += 20) {
      const value = values[i] ?? Number.NaN;
      // What f32 rounds to 0 or 1 has a place of its own.
      if (value > 1e-30 && value < 1 - 1e-6)
        apart = Math.max(apart, Math.abs((i + 0.5) / count - distribution(value, a, b)));
    }
    // Kolmogorov's bound for one in a thousand.
    expect(apart).toBeLessThan(1.95 / Math.sqrt(count) + 20 / count);
  });

  test('of large numbers lie where they should, and are new in each step', async () => {
    const values = await draws(3000, 1000);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count);
    expect(mean).toBeCloseTo(0.75, 3);
    expect(spread / Math.sqrt((0.75 * 0.25) / 4001)).toBeCloseTo(1, 1);
    expect(await draws(3000, 1000, 1)).not.toEqual(values);
    expect(await draws(3000, 1000)).toEqual(values);
  });

  test('keep to what they can do', () => {
    expect(() => ops.randomBeta({ shape: [1], a: 0, b: 1, draw: 'x' })).toThrow(
      'takes a from 0.001 to 10,000, got 0',
    );
  });
});
