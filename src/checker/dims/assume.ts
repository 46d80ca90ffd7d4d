/** From facts as said to facts that can be used. After this: equalities define symbols, and inequalities mention no defined one. */
import { lowerOfAtom, proveNonNegative, proveNonZero, provePositive } from './bounds.js';
import type { Definition, Fact, Known, Relation } from './known.js';
import { mentions, normalise, rebuild } from './operations.js';
import {
  type Atom,
  type Size,
  type Term,
  asConstant,
  commonFactors,
  constantPart,
  contentOf,
  divideFactors,
  exactQuotient,
  fractionAtom,
  fromAtom,
  gcd,
  mul,
  negate,
  one,
  sizeOfTerm,
  sub,
  constant,
} from './polynomial.js';

/** Equalities that one equality may lead to, by rules that it turns into equalities again. */
const mostConsequences = 8;

const impossible = (facts: Known): Known => ({ ...facts, impossible: true });

const raiseLower = (facts: Known, key: string, least: number): Known => ({
  ...facts,
  lowers: new Map(facts.lowers).set(key, least),
});

/** What `size >= 0` says about its one atom, if it has just one without a known bound of its own. */
const boundFrom = (size: Size, facts: Known): { readonly atom: Atom; readonly least: number } | null => {
  const offset = constantPart(size);
  const [term, ...others] = size.terms.filter(({ key }) => key !== '');
  if (term === undefined || others.length > 0 || term.coefficient < 0) return null;
  const [factor, ...rest] = term.factors;
  if (factor?.exponent === 1 && rest.length === 0) {
    return { atom: factor.atom, least: Math.ceil(-offset / term.coefficient) };
  }
  const open = term.factors.filter(({ atom }) => lowerOfAtom(atom, facts) < 1);
  const [only] = open;
  if (only === undefined || open.length > 1 || only.exponent !== 1 || offset > 0) return null;
  return { atom: only.atom, least: offset < 0 ? 1 : 0 };
};

const addNonNegative = (facts: Known, said: Size): Known => {
  const size = normalise(said, facts);
  if (!size.known) return facts;
  const value = asConstant(size);
  if (value !== null) return value >= 0 ? facts : impossible(facts);
  if (provePositive(negate(size), facts)) return impossible(facts);
  if (proveNonNegative(size, facts)) return facts;
  const bound = boundFrom(size, facts);
  if (bound !== null && (bound.atom.kind === 'symbol' || bound.atom.kind === 'multiplier')) {
    return bound.least > lowerOfAtom(bound.atom, facts)
      ? raiseLower(facts, bound.atom.key, bound.least)
      : facts;
  }
  return { ...facts, nonNegative: [...facts.nonNegative, size] };
};

/** Replaces the atom everywhere, and keeps its lower bound as an inequality about its value. */
const define = (facts: Known, definition: Definition): Known => {
  const { atom, value } = definition;
  const single: Known = { ...facts, definitions: new Map([[atom.key, definition]]), rules: [] };
  const definitions = new Map(
    [...facts.definitions].map(
      ([key, old]) => [key, { ...old, value: normalise(old.value, single) }] as const,
    ),
  );
  definitions.set(atom.key, definition);
  let next: Known = { ...facts, definitions, rules: [], nonNegative: [] };
  const lower = lowerOfAtom(atom, facts);
  if (lower > -Infinity) next = addNonNegative(next, sub(value, constant(lower)));
  for (const size of facts.nonNegative) next = addNonNegative(next, size);
  for (const { product, value: rule } of facts.rules) {
    next = addZero(
      next,
      sub(
        rebuild(sizeOfTerm(1, product), () => null),
        rule,
      ),
      null,
      mostConsequences - 1,
    );
  }
  return next;
};

interface Solution {
  readonly definition: Definition;
  readonly rank: number;
}

/** The atom that `size == 0` gives the value of: rather a symbol, and rather one whose value is a sum without minus. */
const solve = (size: Size, fresh: string | null): Definition | null => {
  let best: Solution | null = null;
  for (const term of size.terms) {
    const [factor, ...others] = term.factors;
    if (factor?.exponent !== 1 || others.length > 0 || Math.abs(term.coefficient) !== 1) continue;
    const { atom } = factor;
    if ((atom.kind !== 'symbol' && atom.kind !== 'multiplier') || atom.key === fresh) continue;
    const value = mul(sub(size, sizeOfTerm(term.coefficient, term.factors)), constant(-term.coefficient));
    if (!value.known || mentions(value, atom.key)) continue;
    const negative = value.terms.some(({ coefficient }) => coefficient < 0) ? 1 : 0;
    const rank = (atom.kind === 'symbol' ? 0 : 2) + negative;
    if (best === null || rank < best.rank) best = { definition: { atom, value }, rank };
  }
  return best?.definition ?? null;
};

/** Adds `said == 0`. `fresh` is the key of a multiplier that stands for something else and is not solved for. */
const addZero = (facts: Known, said: Size, fresh: string | null, left = mostConsequences): Known => {
  let size = normalise(said, facts);
  const content = contentOf(size);
  if (!size.known || content === 0 || left <= 0) return facts;
  if (proveNonZero(size, facts)) return impossible(facts);
  const factors = commonFactors(size).filter(({ atom }) => lowerOfAtom(atom, facts) >= 1);
  size = exactQuotient(size, sizeOfTerm(content, factors)) ?? size;
  const definition = solve(size, fresh);
  if (definition !== null) return define(facts, definition);
  const product = size.terms.find(
    (term) =>
      Math.abs(term.coefficient) === 1 &&
      isProduct(term) &&
      !term.factors.some(({ atom }) => atom.key === fresh),
  );
  if (product === undefined) return facts;
  const rest = sub(size, sizeOfTerm(product.coefficient, product.factors));
  const value = mul(rest, constant(-product.coefficient));
  if (value.terms.some((term) => divideFactors(term.factors, product.factors) !== null)) return facts;
  return { ...facts, rules: [...facts.rules, { product: product.factors, value }] };
};

const isProduct = ({ factors }: Term): boolean =>
  factors.reduce((sum, { exponent }) => sum + exponent, 0) > 1;

/** The atom of a size that is a number times one symbol or multiplier, or null. */
const soleVariable = (size: Size): { readonly atom: Atom; readonly coefficient: number } | null => {
  const [term, ...others] = size.terms;
  const [factor, ...rest] = term?.factors ?? [];
  if (term === undefined || factor?.exponent !== 1 || others.length > 0 || rest.length > 0) return null;
  const { atom } = factor;
  return atom.kind === 'symbol' || atom.kind === 'multiplier'
    ? { atom, coefficient: term.coefficient }
    : null;
};

const multiplierOf = (numerator: Size, denominator: Size): Atom => {
  const value = asConstant(denominator);
  const positive = value !== null && value < 0 ? negate(denominator) : denominator;
  return fractionAtom(
    'multiplier',
    value === null ? numerator : positive === denominator ? numerator : negate(numerator),
    positive,
  );
};

/** Adds that `divisor` divides `size`: `size == divisor * q` for a new whole number q. */
const addDivides = (facts: Known, divisor: Size, size: Size): Known => {
  const d = normalise(divisor, facts);
  const p = normalise(size, facts);
  const step = asConstant(d);
  if (!d.known || !p.known || exactQuotient(p, d) !== null || step === 0) return facts;
  const sole = step === null ? null : soleVariable(p);
  if (step !== null && sole !== null) {
    const every = Math.abs(step) / gcd(step, sole.coefficient);
    const { atom } = sole;
    const [numerator, denominator] =
      atom.kind === 'multiplier'
        ? [atom.numerator, mul(atom.denominator, constant(every))]
        : [fromAtom(atom), constant(every)];
    return withMultiplier(facts, multiplierOf(numerator, denominator), fromAtom(atom), constant(every));
  }
  const positive = provePositive(d, facts) && provePositive(p, facts);
  const next = withMultiplier(facts, multiplierOf(size, divisor), p, d);
  return positive ? addNonNegative(next, sub(p, d)) : next;
};

/** Adds `size == step * q` for the multiplier q, with the bound that follows for q. */
const withMultiplier = (facts: Known, q: Atom, size: Size, step: Size): Known => {
  let next = facts;
  if (provePositive(step, facts)) {
    if (provePositive(size, facts)) next = raiseLower(next, q.key, 1);
    else if (proveNonNegative(size, facts)) next = raiseLower(next, q.key, 0);
    else next = raiseLower(next, q.key, -Infinity);
  } else next = raiseLower(next, q.key, -Infinity);
  return addZero(next, sub(size, mul(step, fromAtom(q))), q.key);
};

/** `left != right` says something where one of the two is known to be no less than the other. */
const addDifferent = (facts: Known, left: Size, right: Size): Known => {
  const difference = normalise(sub(left, right), facts);
  if (difference.known && difference.terms.length === 0) return impossible(facts);
  if (proveNonNegative(difference, facts)) return addNonNegative(facts, sub(difference, one));
  const other = negate(difference);
  return proveNonNegative(other, facts) ? addNonNegative(facts, sub(other, one)) : facts;
};

const apply = (facts: Known, { left, relation, right }: Fact): Known => {
  switch (relation) {
    case '<=':
      return addNonNegative(facts, sub(right, left));
    case '<':
      return addNonNegative(facts, sub(sub(right, left), one));
    case '==':
      return addZero(facts, sub(left, right), null);
    case 'divides':
      return addDivides(facts, left, right);
    case '!=':
      return addDifferent(facts, left, right);
    case 'not divides':
      return exactQuotient(normalise(right, facts), normalise(left, facts)) === null
        ? facts
        : impossible(facts);
  }
};

/** Inequalities first: they decide the signs that the others ask for. Negations last: they ask for all the others. */
const order: readonly (readonly Relation[])[] = [
  ['<=', '<'],
  ['==', 'divides'],
  ['!=', 'not divides'],
];

/** What follows from the least values of symbols, where they are not simply at least 1, and the facts. */
export const derive = (
  declared: ReadonlyMap<string, number>,
  given: readonly Fact[],
  isCut = false,
): Known => {
  let facts: Known = {
    declared,
    given,
    lowers: declared,
    definitions: new Map(),
    rules: [],
    nonNegative: [],
    impossible: false,
    isCut,
  };
  for (const relations of order) {
    for (const fact of given) if (relations.includes(fact.relation)) facts = apply(facts, fact);
  }
  return facts;
};

/** What a fact may say. `a divides b` means `b % a == 0`. */
export type Comparison = '==' | '<=' | '<' | 'divides';

/** What is known with one fact more. A contradiction makes it `impossible`. */
export const assume = (facts: Known, left: Size, relation: Comparison, right: Size): Known => {
  if (!left.known || !right.known) return facts;
  const same = facts.given.some(
    (fact) => fact.relation === relation && fact.left.key === left.key && fact.right.key === right.key,
  );
  return same ? facts : derive(facts.declared, [...facts.given, { left, relation, right }], facts.isCut);
};
