/** Size expressions as text, for tests of the decision procedure. After this: a case is one line. */
import * as facts from '../../src/checker/dims/facts.js';
import type { Facts, Ratio } from '../../src/checker/dims/facts.js';
import { constant, symbol } from '../../src/checker/dims/size.js';
import type { Size } from '../../src/checker/dims/size.js';

/** Reads one expression. A fraction that is never whole or floored is taken to be whole. */
export const read = (text: string, known: Facts): Size => wholeSize(readRatio(text, known), known);

export const wholeSize = (ratio: Ratio, known: Facts): Size => facts.wholeOf(ratio, known).size;

export const readRatio = (text: string, known: Facts): Ratio => {
  const tokens = text.match(/\d+|[A-Za-z_]\w*|\*\*|[-+*/%(),]/g) ?? [];
  let at = 0;
  const eat = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at += 1;
    return true;
  };
  const whole = (ratio: Ratio): Size => wholeSize(ratio, known);
  const of = facts.ratioOf;
  const call = (name: string): Ratio => {
    const args = [sum()];
    while (eat(',')) args.push(sum());
    if (!eat(')')) throw new Error(`expected ) in ${text}`);
    const [a = of(constant(0)), b = of(constant(0))] = args;
    switch (name) {
      case 'floor':
        return of(facts.floorOf(a, known));
      case 'ceil':
        return of(facts.ceilOf(a, known));
      case 'min':
        return of(facts.minOf(whole(a), whole(b), known));
      case 'max':
        return of(facts.maxOf(whole(a), whole(b), known));
      default:
        throw new Error(`unknown function ${name}`);
    }
  };
  const primary = (): Ratio => {
    const token = tokens[at] ?? '';
    at += 1;
    if (/^\d/.test(token)) return of(constant(Number(token)));
    if (token === '(') {
      const inner = sum();
      if (!eat(')')) throw new Error(`expected ) in ${text}`);
      return inner;
    }
    return eat('(') ? call(token) : of(symbol(token));
  };
  const powers = (): Ratio => {
    const base = primary();
    return eat('**') ? of(facts.power(whole(base), whole(unary()), known)) : base;
  };
  const unary = (): Ratio => (eat('-') ? facts.subRatios(of(constant(0)), unary()) : powers());
  const product = (): Ratio => {
    let left = unary();
    for (;;) {
      if (eat('*')) left = facts.mulRatios(left, unary());
      else if (eat('/')) left = facts.divRatios(left, unary());
      else if (eat('%')) left = of(facts.modulo(whole(left), whole(unary()), known));
      else return left;
    }
  };
  const sum = (): Ratio => {
    let left = product();
    for (;;) {
      if (eat('+')) left = facts.addRatios(left, product());
      else if (eat('-')) left = facts.subRatios(left, product());
      else return left;
    }
  };
  return sum();
};

/** Facts from lines such as `h % 16 == 0`, `k <= w`, `a * b == c`; `lower` gives least values of symbols. */
export const given = (
  lines: readonly string[],
  lower: Readonly<Record<string, number>> = {},
  before: Facts = facts.noFacts,
): Facts => {
  let known = before;
  for (const [name, least] of Object.entries(lower)) known = facts.withLower(known, name, least);
  for (const line of lines) {
    const [, multiple, divisor] = /^(.*)%\s*(\([^()]*\)|\w+)\s*==\s*0$/.exec(line) ?? [];
    const [, left = '', op = '', right = ''] = /^(.*?)(==|<=|<)(.*)$/.exec(line) ?? [];
    if (multiple !== undefined && divisor !== undefined) {
      known = facts.assume(known, read(divisor, known), 'divides', read(multiple, known));
    } else if (op === '==' || op === '<=' || op === '<') {
      known = facts.assume(known, read(left, known), op, read(right, known));
    } else throw new Error(`not a fact: ${line}`);
  }
  return known;
};

/** JavaScript's own value of a text, which is also JavaScript but for `floor`, `ceil`, `min` and `max`. */
export const evaluateText = (text: string): ((env: ReadonlyMap<string, number>) => number) => {
  const names = [...new Set(text.match(/[A-Za-z_]\w*/g) ?? [])];
  const known = new Map<string, unknown>([
    ['floor', Math.floor],
    ['ceil', Math.ceil],
    ['min', Math.min],
    ['max', Math.max],
  ]);
  const run = new Function(...names, `return (${text});`);
  return (env) => Number(run(...names.map((name) => known.get(name) ?? env.get(name))));
};
