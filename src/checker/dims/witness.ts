/** Numbers that show what a size can be. After this: a refutation comes with sizes that a reader can check by hand. */
import { lowerOfAtom } from './bounds.js';
import type { Fact, Known } from './known.js';
import { type Atom, type Size, allAtoms, evaluate, symbol, symbolsOf } from './polynomial.js';

/** Small sizes at which two sides differ: the symbols' values, and what each side then is. */
export interface Witness {
  readonly values: readonly (readonly [string, number])[];
  readonly left: number;
  readonly right: number;
}

/** Assignments looked at for one question, and the ranges tried one after the other. */
const mostTried = 4000;
const ranges = [1, 2, 3, 5, 9, 17, 40, 150, 1000];

/** The facts that share a symbol with `names`, or with a fact that does, and all their symbols. */
const relevant = (
  names: ReadonlySet<string>,
  facts: Known,
): { readonly names: ReadonlySet<string>; readonly given: readonly Fact[] } => {
  const reached = new Set(names);
  const given = new Set<Fact>();
  for (let grew = true; grew;) {
    grew = false;
    for (const fact of facts.given) {
      if (given.has(fact)) continue;
      const own = [...symbolsOf(fact.left), ...symbolsOf(fact.right)];
      if (!own.some((name) => reached.has(name))) continue;
      given.add(fact);
      for (const name of own) reached.add(name);
      grew = true;
    }
  }
  return { names: reached, given: [...given] };
};

export const holds = ({ left, relation, right }: Fact, env: ReadonlyMap<string, number>): boolean => {
  const a = evaluate(left, env);
  const b = evaluate(right, env);
  if (Number.isNaN(a) || Number.isNaN(b)) return false;
  switch (relation) {
    case '==':
      return a === b;
    case '<=':
      return a <= b;
    case '<':
      return a < b;
    case '!=':
      return a !== b;
    case 'divides':
      return a !== 0 && b % a === 0;
    case 'not divides':
      return a !== 0 && b % a !== 0;
  }
};

/** The n-th value to try for an atom: upwards from its least value, or 0, 1, -1, 2, … where it has none. */
const valueAt = (n: number, lower: number): number => {
  if (lower > -Infinity) return lower + n;
  return n % 2 === 1 ? (n + 1) / 2 : -n / 2;
};

/**
 * Searches small numbers under which all facts hold and `accept` says yes to the environment. Symbols that an equality defines
 * are computed, so that `h % 16 == 0` costs nothing. A count bounds the search; null says only that nothing was found (with facts left out, nothing ever is).
 */
export const findNumbers = (
  sizes: readonly Size[],
  facts: Known,
  accept: (env: ReadonlyMap<string, number>) => boolean,
): ReadonlyMap<string, number> | null => {
  if (facts.isCut) return null;
  const { names, given } = relevant(new Set(sizes.flatMap((size) => [...symbolsOf(size)])), facts);
  const free = new Map<string, Atom>();
  const defined: (readonly [string, Size])[] = [];
  for (const name of [...names].sort()) {
    const definition = facts.definitions.get(name);
    if (definition !== undefined) defined.push([name, definition.value]);
    for (const [key, atom] of allAtoms(
      definition?.value ?? symbol(name),
      ({ kind }) => kind !== 'multiplier',
    )) {
      if (atom.kind === 'symbol' || atom.kind === 'multiplier') free.set(key, atom);
    }
  }
  const variables = [...free.values()].map((atom) => ({ key: atom.key, lower: lowerOfAtom(atom, facts) }));
  let left = mostTried;
  const env = new Map<string, number>();
  const test = (): boolean => {
    left -= 1;
    for (const [name, value] of defined) {
      const number = evaluate(value, env);
      if (!(number >= (facts.declared.get(name) ?? 1))) return false;
      env.set(name, number);
    }
    return given.every((fact) => holds(fact, env)) && accept(env);
  };
  const search = (index: number, range: number, atEdge: boolean): boolean => {
    const variable = variables[index];
    // Assignments inside the range before were looked at already.
    if (variable === undefined) return atEdge && test();
    const before = ranges[ranges.indexOf(range) - 1] ?? 0;
    for (let n = 0; n < range && left > 0; n += 1) {
      env.set(variable.key, valueAt(n, variable.lower));
      if (search(index + 1, range, atEdge || n >= before)) return true;
    }
    return false;
  };
  if (variables.length === 0) return test() ? env : null;
  for (const range of ranges) {
    if (left <= 0) break;
    if (search(0, range, false)) return env;
  }
  return null;
};

/** Assignments kept by `sampleNumbers`. */
const mostSamples = 300;

/** Small numbers that the facts allow and for which all sizes have a value. */
export const sampleNumbers = (
  sizes: readonly Size[],
  facts: Known,
): readonly ReadonlyMap<string, number>[] => {
  const found: ReadonlyMap<string, number>[] = [];
  findNumbers(sizes, facts, (env) => {
    if (sizes.every((size) => !Number.isNaN(evaluate(size, env)))) found.push(new Map(env));
    return found.length >= mostSamples;
  });
  return found;
};

/** A witness for `left` and `right`, if there are numbers for which `differ` says yes. */
export const findWitness = (
  left: Size,
  right: Size,
  facts: Known,
  differ: (a: number, b: number) => boolean,
): Witness | null => {
  const env = findNumbers([left, right], facts, (numbers) => {
    const a = evaluate(left, numbers);
    const b = evaluate(right, numbers);
    return !Number.isNaN(a) && !Number.isNaN(b) && differ(a, b);
  });
  if (env === null) return null;
  const names = new Set([...symbolsOf(left), ...symbolsOf(right)]);
  return {
    values: [...names].map((name) => [name, env.get(name) ?? Number.NaN] as const),
    left: evaluate(left, env),
    right: evaluate(right, env),
  };
};
