import { describe, expect, test } from 'vitest';
import {
  assume,
  assumeNot,
  compareOrder,
  compareSizes,
  divide,
  maxOf,
  minOf,
  noFacts,
  power,
  proveLessEqual,
  wholeOf,
  withLower,
} from '../../src/checker/dims/facts.js';
import type { Verdict } from '../../src/checker/dims/facts.js';
import {
  add,
  asConstant,
  asSymbol,
  constant,
  evaluate,
  mul,
  showSize,
  simplify,
  sub,
  substitute,
  symbol,
  symbolsOf,
} from '../../src/checker/dims/size.js';
import { given, read, readRatio } from './dims-text.js';

const [h, w, s, k] = [symbol('h'), symbol('w'), symbol('s'), symbol('k')];

/** What a program asks: both sides, the facts, the verdict, and the condition that would help. */
interface Case {
  readonly name: string;
  readonly left: string;
  readonly right: string;
  readonly facts?: readonly string[];
  readonly lower?: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
  readonly fix?: string;
}

const unet = '2 * floor(floor(floor(floor(h / 2) / 2) / 2) / 2)';
const third = 'floor(floor(floor(h / 2) / 2) / 2)';

const programs: readonly Case[] = [
  { name: 'residual skip', left: 'ceil(h / s)', right: 'h', facts: ['s == 1'], verdict: 'proven' },
  { name: 'residual channels', left: 'f', right: 'c', facts: ['c == f'], verdict: 'proven' },
  { name: 'residual channels, no fact', left: 'f', right: 'c', verdict: 'refuted', fix: 'c == f' },
  { name: 'up after down', left: '2 * floor(h / 2)', right: 'h', verdict: 'refuted', fix: 'h % 2 == 0' },
  { name: 'four levels', left: unet, right: third, facts: ['h % 16 == 0'], verdict: 'proven' },
  {
    name: 'four levels, three said',
    left: unet,
    right: third,
    facts: ['h % 8 == 0'],
    verdict: 'refuted',
    fix: 'h % 16 == 0',
  },
  {
    name: 'grouped heads',
    left: 'g * d / m',
    right: 'g * (d / m)',
    facts: ['m % g == 0', 'd % (2 * m) == 0'],
    verdict: 'proven',
  },
  { name: 'heads', left: 'g * (m / g)', right: 'm', facts: ['m % g == 0'], verdict: 'proven' },
  {
    name: 'rotary halves',
    left: '(d / m) / 2 + (d / m - (d / m) / 2)',
    right: 'd / m',
    facts: ['d % (2 * m) == 0'],
    verdict: 'proven',
  },
  { name: 'nested ceil', left: 'ceil(ceil(h / 2) / 2)', right: 'ceil(h / 4)', verdict: 'proven' },
  {
    name: 'two valid convolutions',
    left: 'floor((floor((h - 3) / 2) + 1 - 3) / 2) + 1',
    right: 'floor((h - 3) / 4)',
    lower: { h: 7 },
    verdict: 'proven',
  },
  { name: 'symbolic strides', left: 'ceil(ceil(h / s) / r)', right: 'ceil(h / (s * r))', verdict: 'proven' },
  {
    name: 'patches',
    left: '(h / p) * p * (w / p) * p * c',
    right: 'h * w * c',
    facts: ['h % p == 0', 'w % p == 0'],
    verdict: 'proven',
  },
  { name: 'window', left: '(i + 1) * s - i * s', right: 's', verdict: 'proven' },
  { name: 'slice', left: 'min(k, t)', right: 'k', verdict: 'refuted', fix: 'k <= t' },
  { name: 'slice inside', left: 'min(k, t)', right: 'k', facts: ['k <= t'], verdict: 'proven' },
  {
    name: 'slices in order',
    left: 'min(a, t) - min(b, t)',
    right: 'a - b',
    facts: ['b <= a', 'a <= t'],
    verdict: 'proven',
  },
  { name: 'dense block', left: 'c + g', right: 'c', verdict: 'never' },
  { name: 'causal padding', left: '(t + 2 * 2 ** i) - 2 * 2 ** i', right: 't', verdict: 'proven' },
  {
    name: 'dilations',
    left: 't - 2 * 2 ** 0 - 2 * 2 ** 1 - 2 * 2 ** 2',
    right: 't - 2 * (2 ** 3 - 1)',
    verdict: 'proven',
  },
  { name: 'widths', left: '2 ** (i + 1) * w', right: '2 * (2 ** i * w)', verdict: 'proven' },
  {
    name: 'deconvolution',
    left: 'floor((h - k) / s) * s + k',
    right: 'h',
    facts: ['k <= h'],
    verdict: 'refuted',
    fix: '(h - k) % s == 0',
  },
  {
    name: 'exact deconvolution',
    left: 'floor((h - k) / s) * s + k',
    right: 'h',
    facts: ['(h - k) % s == 0'],
    verdict: 'proven',
  },
  { name: 'halves', left: 'floor(t / 2) + ceil(t / 2)', right: 't', verdict: 'proven' },
  {
    name: 'thirds',
    left: 'floor(t / 3) + floor((t + 1) / 3) + floor((t + 2) / 3)',
    right: 't',
    verdict: 'proven',
  },
  { name: 'product', left: 'a * b', right: 'c', facts: ['a * b == c'], verdict: 'proven' },
  { name: 'two products', left: 'a * b', right: 'c * d', facts: ['a * b == c * d'], verdict: 'proven' },
  { name: 'batch', left: 'n', right: '64', verdict: 'refuted' },
  { name: 'pool on one branch', left: 'floor(h / 2)', right: 'h', verdict: 'never' },
  { name: 'two strides', left: 'floor((h - 1) / s) + 1', right: 'ceil(h / s)', verdict: 'proven' },
  { name: 'upsample', left: 's * ceil(h / s)', right: 'h', verdict: 'refuted', fix: 'h % s == 0' },
  { name: 'pad and crop', left: 'min(h, s * ceil(h / s))', right: 'h', verdict: 'proven' },
  {
    name: 'two facts',
    left: 'h / 4 * (h / 6)',
    right: 'h * h / 24',
    facts: ['h % 4 == 0', 'h % 6 == 0'],
    verdict: 'proven',
  },
  {
    name: 'facts in circles',
    left: 'h / k',
    right: 'h / s',
    facts: ['h % s == 0', 'h % k == 0', 's == k'],
    verdict: 'proven',
  },
  { name: 'fermat', left: 'a', right: 'b', facts: ['a ** 3 + b ** 3 == c ** 3'], verdict: 'unproven' },
  { name: 'parity', left: '2 * a + 1', right: '2 * b', verdict: 'never' },
  { name: 'unproven fraction', left: 'g * (m / g)', right: 'm', verdict: 'proven' },
];

describe('compareSizes', () => {
  test.each(programs)('$name', ({ left, right, facts = [], lower = {}, verdict, fix }) => {
    const known = given(facts, lower);
    const judged = compareSizes(read(left, known), read(right, known), known);
    expect(judged.verdict).toBe(verdict);
    expect(judged.fix).toBe(fix ?? null);
    expect(judged.witness === null).toBe(verdict === 'proven' || verdict === 'unproven');
  });

  // Beyond some number of facts, only those that concern the sizes are looked at.
  test.each(programs)('among many facts about other sizes: $name', (program) => {
    const { left, right, facts = [], lower = {}, verdict, fix } = program;
    let known = given(
      Array.from({ length: 100 }, (_, index) => `other${index} % 4 == 0`),
      Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`other${index}`, 2])),
    );
    known = given(facts, lower, known);
    const judged = compareSizes(read(left, known), read(right, known), known);
    expect([judged.verdict, judged.fix]).toEqual([verdict, fix ?? null]);
  });

  test('finds no numbers where not all facts about a size are looked at', () => {
    const known = given(Array.from({ length: 200 }, (_, index) => `h <= other${index}`));
    expect(compareSizes(h, constant(2), known).verdict).toBe('unproven');
    expect(proveLessEqual(h, symbol('other199'), known)).toBe(true);
  });

  test('contradictions are noticed among many facts', () => {
    const known = given(Array.from({ length: 200 }, (_, index) => `other${index} % 4 == 0`));
    const never = assume(known, symbol('other7'), '==', constant(6));
    expect(never.impossible).toBe(true);
    expect(compareSizes(h, w, never).verdict).toBe('proven');
    expect(known.impossible).toBe(false);
  });

  test('a branch does not see what was said in another', () => {
    const known = given(Array.from({ length: 200 }, (_, index) => `other${index} % 4 == 0`));
    const one = assume(known, h, '==', w);
    const other = assumeNot(known, h, '==', w);
    const later = assume(one, h, '==', s);
    expect(compareSizes(h, w, one).verdict).toBe('proven');
    expect(compareSizes(h, s, one).verdict).toBe('refuted');
    expect(compareSizes(w, s, later).verdict).toBe('proven');
    expect(compareSizes(h, w, other).verdict).toBe('refuted');
    expect(compareSizes(h, w, known).verdict).toBe('refuted');
  });

  // Seconds, where each of the facts is looked at for each question: hours.
  test('ten thousand facts', { timeout: 60_000 }, () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `other${index}`);
    const known = given(names.map((name) => `${name} % 4 == 0`));
    for (const name of names) {
      const half = read(`floor(${name} / 2)`, known);
      expect(compareSizes(mul(half, constant(2)), symbol(name), known).verdict).toBe('proven');
    }
  });

  test('shows small numbers that differ', () => {
    expect(compareSizes(mul(constant(2), read('floor(h / 2)', noFacts)), h, noFacts).witness).toEqual({
      values: [['h', 1]],
      left: 0,
      right: 1,
    });
    expect(compareSizes(constant(3), constant(4), noFacts).witness).toEqual({
      values: [],
      left: 3,
      right: 4,
    });
  });

  test('knows what a branch not taken says', () => {
    const known = assumeNot(noFacts, s, '==', constant(1));
    expect(compareSizes(s, constant(1), known).verdict).toBe('never');
    expect(proveLessEqual(constant(2), s, known)).toBe(true);
    expect(assume(known, s, '==', constant(1)).impossible).toBe(true);
    expect(assumeNot(noFacts, h, '<=', w).impossible).toBe(false);
    expect(proveLessEqual(add(w, constant(1)), h, assumeNot(noFacts, h, '<=', w))).toBe(true);
    const odd = assumeNot(noFacts, constant(2), 'divides', h);
    expect(compareSizes(read('2 * floor(h / 2)', odd), h, odd).verdict).toBe('refuted');
    expect(assume(odd, h, '==', constant(4)).impossible).toBe(true);
  });

  test('is fast on numbers and on equal forms', () => {
    const form = read('floor((h - 3) / 2) + 1', noFacts);
    const start = performance.now();
    for (let i = 0; i < 20_000; i += 1) {
      compareSizes(constant(i), constant(i + 1), noFacts);
      compareSizes(form, form, noFacts);
    }
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test('does not decide what it cannot follow', () => {
    let size = add(h, w);
    for (let i = 0; i < 40; i += 1) size = mul(size, add(size, k));
    expect(size.known).toBe(false);
    expect(compareSizes(size, size, noFacts).verdict).toBe('unproven');
    expect(constant(2 ** 60).known).toBe(false);
    expect(showSize(size)).toBe('?');
    expect(evaluate(size, new Map())).toBeNaN();
    let least = h;
    for (let i = 0; i < 40; i += 1) least = minOf(mul(least, w), add(least, k), noFacts);
    expect(compareSizes(least, h, noFacts).verdict).toMatch(/unproven|refuted/);
  });
});

describe('compareOrder', () => {
  test('proves, refutes and helps', () => {
    const context = symbol('context');
    expect(compareOrder(context, add(context, constant(1)), noFacts).verdict).toBe('proven');
    expect(compareOrder(add(context, constant(1)), context, noFacts).verdict).toBe('never');
    expect(compareOrder(h, w, noFacts)).toMatchObject({ verdict: 'refuted', fix: 'h <= w' });
    expect(proveLessEqual(mul(h, k), mul(h, w), assume(noFacts, k, '<=', w))).toBe(true);
    expect(proveLessEqual(read('2 * floor(h / 2)', noFacts), h, noFacts)).toBe(true);
    expect(proveLessEqual(h, maxOf(h, w, noFacts), noFacts)).toBe(true);
  });
});

describe('divide', () => {
  test('finds exact quotients, with and without facts', () => {
    expect(showSize(divide(mul(constant(6), h), constant(3), noFacts).size)).toBe('2 * h');
    const known = assume(noFacts, symbol('heads'), 'divides', symbol('width'));
    const { size, whole } = divide(symbol('width'), symbol('heads'), known);
    expect([showSize(size), whole]).toEqual(['width / heads', 'proven']);
    expect(showSize(mul(size, symbol('heads')))).toBe('width');
    expect(showSize(mul(size, constant(2)))).toBe('2 * (width / heads)');
    expect(divide(read('n * (n + 1)', noFacts), constant(2), noFacts).whole).toBe('proven');
  });

  test('shows numbers and a condition where it is not whole', () => {
    expect(divide(h, symbol('p'), noFacts)).toMatchObject({
      whole: 'refuted',
      fix: 'h % p == 0',
      witness: { left: 1, right: 2 },
    });
    expect(divide(mul(constant(3), h), constant(2), noFacts).fix).toBe('h % 2 == 0');
    expect(divide(sub(h, k), mul(constant(2), s), noFacts).fix).toBe('(h - k) % (2 * s) == 0');
    const known = given(['d % m == 0']);
    expect(wholeOf(readRatio('d / m / 2', known), known)).toMatchObject({
      whole: 'refuted',
      fix: 'd % (2 * m) == 0',
    });
  });

  test('of numbers gives a number, or says which', () => {
    expect(asConstant(divide(constant(12), constant(4), noFacts).size)).toBe(3);
    expect(divide(constant(12), constant(5), noFacts)).toMatchObject({
      whole: 'refuted',
      witness: { left: 12, right: 5 },
    });
    expect(divide(h, constant(0), noFacts).whole).toBe('refuted');
    const known = assume(noFacts, h, '==', mul(constant(4), w));
    expect(asConstant(divide(h, w, known).size)).toBe(4);
  });
});

describe('showSize', () => {
  test.each([
    ['3 * dim', '3 * dim'],
    ['h * 2 - 1', '2 * h - 1'],
    ['1 - n', '1 - n'],
    ['0 - n - 1', '-n - 1'],
    ['ceil(h / 2)', 'ceil(h / 2)'],
    ['floor((h - 1) / s) + 1', 'ceil(h / s)'],
    ['s * ceil(h / s)', 's * ceil(h / s)'],
    ['floor((h + w) / (2 * s))', 'floor((h + w) / (2 * s))'],
    ['2 * (width / heads)', '2 * width / heads'],
    ['h * h * w', 'h ** 2 * w'],
    ['2 ** (i + 1)', '2 * 2 ** i'],
    ['2 ** (2 * i)', '2 ** (2 * i)'],
    ['min(h, w + 1)', 'min(h, w + 1)'],
    ['max(h, w) - 1', 'max(h, w) - 1'],
    ['(h + 1) % s', '(h + 1) % s'],
    ['0', '0'],
  ])('%s', (text, shown) => {
    const size = read(text, noFacts);
    expect(read(showSize(size), noFacts).key).toBe(size.key);
    expect(showSize(size)).toBe(shown);
  });
});

describe('sizes as values', () => {
  test('name and number', () => {
    expect(asSymbol(h)).toBe('h');
    expect(asSymbol(add(h, h))).toBeNull();
    expect(asConstant(sub(h, h))).toBe(0);
    expect(asConstant(h)).toBeNull();
    expect([...symbolsOf(read('floor(h / s) + min(w, k)', noFacts))].sort()).toEqual(['h', 'k', 's', 'w']);
  });

  test('evaluate to whole numbers only', () => {
    const env = new Map([['h', 7]]);
    expect(evaluate(read('floor(h / 2)', noFacts), env)).toBe(3);
    expect(evaluate(read('h / 2', noFacts), env)).toBeNaN();
    expect(evaluate(w, env)).toBeNaN();
    expect(asConstant(power(constant(2), constant(10), noFacts))).toBe(1024);
  });

  test('take numbers and other sizes for symbols', () => {
    const known = assume(noFacts, constant(2), 'divides', h);
    const size = read('width / heads + ceil(h / 2)', noFacts);
    const values = new Map([
      ['width', constant(768)],
      ['heads', constant(12)],
      ['h', mul(constant(2), w)],
    ]);
    expect(showSize(substitute(size, values, known))).toBe('w + 64');
    expect(showSize(substitute(h, new Map([['h', h]]), known))).toBe('h');
  });

  test('are simplified by what is known', () => {
    const known = assume(withLower(noFacts, 'h', 0), h, '==', constant(28));
    expect(asConstant(simplify(read('floor(h / 4) + 1', known), known))).toBe(8);
    expect(proveLessEqual(constant(1), w, withLower(noFacts, 'w', 0))).toBe(false);
    expect(proveLessEqual(constant(0), w, withLower(noFacts, 'w', -Infinity))).toBe(false);
  });
});
