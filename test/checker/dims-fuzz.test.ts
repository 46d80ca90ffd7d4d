import { describe, expect, test } from 'vitest';
import type { Facts } from '../../src/checker/dims/facts.js';
import { compareSizes, proveLessEqual, wholeOf } from '../../src/checker/dims/facts.js';
import {
  evaluate,
  showSize,
  simplify,
  sizeToText,
  substitute,
  constant,
} from '../../src/checker/dims/size.js';
import { evaluateText, given, read, readRatio } from './dims-text.js';

/** Whole numbers below n from a seed (mulberry32): a failing case can be run again. */
const randomFrom = (seed: number): ((n: number) => number) => {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
};

const names = ['h', 'w', 's', 'k'] as const;

const expressions = (random: (n: number) => number) => {
  const name = (): string => names[random(names.length)] ?? 'h';
  const make = (depth: number): string => {
    const next = (): string => make(depth - 1);
    const divisor = (): string => [name(), String(1 + random(6)), `(${name()} + 1)`][random(5) % 3] ?? '1';
    switch (depth <= 0 ? random(2) : random(10)) {
      case 0:
        return name();
      case 1:
        return String(1 + random(6));
      case 2:
        return `(${next()} + ${next()})`;
      case 3:
        return `(${next()} - ${next()})`;
      case 4:
        return `${next()} * ${next()}`;
      case 5:
        return `floor((${next()}) / ${divisor()})`;
      case 6:
        return `ceil((${next()}) / ${divisor()})`;
      case 7:
        return `max(${next()}, ${next()})`;
      case 8:
        return `2 ** ${name()}`;
      default:
        return `min(${next()}, ${next()})`;
    }
  };
  return make;
};

/** A second side that is often equal to the first in a way that takes some work to see. */
const rival = (a: string, random: (n: number) => number, make: (depth: number) => string): string => {
  switch (random(5)) {
    case 0:
      return make(2);
    case 1:
      return `(${a} + floor((h * s + ${random(5)}) / s) - floor((${random(5)} + s * h) / s))`;
    case 2:
      return `(${a} + floor(w / 2) + ceil(w / 2) - w)`;
    case 3:
      return `(${a} + min(h, k) + max(k, h) - h - k)`;
    default:
      return a.replace(/\bh\b/, '(h + k - k)');
  }
};

const factSets: readonly (readonly string[])[] = [
  [],
  ['h % s == 0'],
  ['h % 4 == 0', 'w % 6 == 0'],
  ['h % (2 * s) == 0', 'k <= w'],
  ['h == w + k'],
  ['h % 4 == 0', 'h % 6 == 0'],
  ['(h - k) % s == 0', 'k <= h'],
  ['h % s == 0', 's % k == 0'],
  ['h * w == s * k'],
  ['h % s == 0', 'h % k == 0'],
  ['s % k == 0', 'h % s == 0', 'w == h'],
  ['2 * h == 3 * w'],
  ['(h * w) % s == 0'],
  ['h < w', 'w <= k + 3'],
];

type Numbers = ReadonlyMap<string, number>;

/** Numbers that meet the facts, found without the procedure under test. */
const samples = (facts: readonly string[], random: (n: number) => number, least = 1): readonly Numbers[] => {
  const conditions = facts.map((fact) => evaluateText(fact.replace(/([^<=])=([^=])/, '$1=$2')));
  const found: Numbers[] = [];
  for (let i = 0; i < 40_000 && found.length < 150; i += 1) {
    const env = new Map(names.map((name) => [name, least + random(name === 's' || name === 'k' ? 9 : 26)]));
    if (conditions.every((condition) => condition(env) === 1)) found.push(env);
  }
  return found;
};

/** Numbers that a fact-free comparison needs: exact in a double, so that JavaScript's own value can be trusted. */
const exact = (value: number): boolean => Number.isSafeInteger(value);

/** JavaScript makes an infinity or a fraction of a part, that `min` or `floor` may drop; a size has no value then. */
const hasNoValueInside = (text: string): ((env: Numbers) => boolean) => {
  const divisors = [...text.matchAll(/\/ (\w+|\(\w+ \+ 1\))\)/g)].map(([, part = '1']) => evaluateText(part));
  const exponents = [...text.matchAll(/2 \*\* (\w+)/g)].map(([, part = '1']) => evaluateText(part));
  return (env) =>
    divisors.some((divisor) => divisor(env) === 0) || exponents.some((exponent) => exponent(env) < 0);
};

interface Tally {
  decided: number;
  refuted: number;
  wrong: string[];
}

const check = (a: string, b: string, facts: Facts, envs: readonly Numbers[], tally: Tally): void => {
  const left = read(a, facts);
  const right = read(b, facts);
  const [first, second] = [evaluateText(a), evaluateText(b)];
  const { verdict, witness } = compareSizes(left, right, facts);
  const less = proveLessEqual(left, right, facts);
  const gaps = [hasNoValueInside(a), hasNoValueInside(b)];
  const forms = [left, simplify(left, facts)];
  const complain = (what: string, env?: Numbers): void => {
    tally.wrong.push(
      `${what}: ${a} | ${b} ${env === undefined ? '' : JSON.stringify([...env])} ${showSize(left)}`,
    );
  };
  if (verdict === 'proven' || verdict === 'never') tally.decided += 1;
  for (const env of envs) {
    const [x, y] = [first(env), second(env)];
    if (!exact(x) || !exact(y) || gaps.some((gap) => gap(env))) continue;
    if (verdict === 'proven' && x !== y) return complain('proven', env);
    if (verdict === 'never' && x === y) return complain('never', env);
    if (less && x > y) return complain('less', env);
    for (const form of forms) {
      const value = evaluate(form, env);
      if (!Number.isNaN(value) && value !== x) return complain(`value ${value}`, env);
    }
    // A form that has a value where the text has one: nothing is lost by rewriting, but for sizes that are not followed.
    const lost = left.known && Number.isNaN(evaluate(left, env)) && Math.abs(x) < 1e9;
    if (lost) return complain('no value', env);
  }
  if (witness !== null) {
    tally.refuted += verdict === 'refuted' ? 1 : 0;
    const env = new Map(witness.values);
    // A symbol that was simplified away has no value in the witness, and the text has none then.
    const [x, y] = [first(env), second(env)];
    if ((exact(x) && x !== witness.left) || (exact(y) && y !== witness.right))
      return complain('witness', env);
    if (witness.left === witness.right) complain('witness', env);
  }
};

describe('verdicts on random sizes', () => {
  test.each(factSets)('are never wrong under %s %s %s', (...facts) => {
    const random = randomFrom(facts.join().length * 7919 + 1 + Number(process.env['FUZZ_SEED'] ?? 0));
    const make = expressions(random);
    const known = given(facts);
    const envs = samples(facts, random);
    expect(envs.length).toBeGreaterThan(10);
    const tally: Tally = { decided: 0, refuted: 0, wrong: [] };
    for (let i = 0; i < Number(process.env['FUZZ_COUNT'] ?? 200); i += 1) {
      const a = make(3);
      check(a, rival(a, random, make), known, envs, tally);
    }
    expect(tally.wrong).toEqual([]);
    expect(tally.decided).toBeGreaterThan(60);
    expect(tally.refuted).toBeGreaterThan(15);
  });

  test('are never wrong where symbols may be 0 or negative', () => {
    for (const [lower, seed] of [
      [0, 1],
      [-4, 2],
      [-Infinity, 3],
    ] as const) {
      const random = randomFrom(seed);
      const make = expressions(random);
      const lowers = Object.fromEntries(names.map((name) => [name, lower]));
      const known = given([], lowers);
      const envs = samples([], random, Math.max(lower, -6));
      const tally: Tally = { decided: 0, refuted: 0, wrong: [] };
      for (let i = 0; i < Number(process.env['FUZZ_COUNT'] ?? 200); i += 1) {
        const a = make(3);
        check(a, rival(a, random, make), known, envs, tally);
      }
      expect(tally.wrong).toEqual([]);
    }
  });

  test('on whole quotients are never wrong', () => {
    const random = randomFrom(77);
    const make = expressions(random);
    const wrong: string[] = [];
    let proven = 0;
    for (const facts of factSets) {
      const known = given(facts);
      const envs = samples(facts, random);
      for (let i = 0; i < 25; i += 1) {
        const text = `(${make(2)}) * ${make(1)} / (${random(2) === 0 ? 'h' : make(1)})`;
        const { whole, witness } = wholeOf(readRatio(text, known), known);
        const value = evaluateText(text);
        if (whole === 'proven') {
          proven += 1;
          const bad = envs.find(
            (env) =>
              Number.isFinite(value(env)) && Math.abs(value(env)) < 1e12 && !Number.isInteger(value(env)),
          );
          if (bad !== undefined) wrong.push(`${facts.join()}: ${text} ${JSON.stringify([...bad])}`);
        }
        if (whole === 'refuted' && witness !== null && witness.left % witness.right === 0) wrong.push(text);
      }
    }
    expect(wrong).toEqual([]);
    expect(proven).toBeGreaterThan(30);
  });
});

describe('text and substitution of random sizes', () => {
  test('text reads back as the same size', () => {
    const random = randomFrom(5);
    const make = expressions(random);
    const known = given([]);
    for (let i = 0; i < 600; i += 1) {
      const size = read(make(3), known);
      if (size.known) expect(read(sizeToText(size), known).key).toBe(size.key);
    }
  });

  test('substituting numbers gives the number that evaluating gives', () => {
    const random = randomFrom(6);
    const make = expressions(random);
    const known = given([]);
    const envs = samples([], random);
    for (let i = 0; i < 600; i += 1) {
      const size = read(make(3), known);
      const env = envs[i % envs.length] ?? new Map<string, number>();
      const values = new Map([...env].map(([name, value]) => [name, constant(value)] as const));
      const value = evaluate(size, env);
      if (size.known && !Number.isNaN(value))
        expect(evaluate(substitute(size, values, known), new Map())).toBe(value);
    }
  });
});
