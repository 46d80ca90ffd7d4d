/**
 * Sizes as polynomials in normal form. After this: two sizes with the same key are equal, whatever was written.
 *
 * A size is a sum of terms, a term a whole coefficient times powers of atoms. An atom is a symbol or an operation that a
 * polynomial cannot hold (a rounded quotient, a minimum, a power with an unknown exponent). Atoms are plain values with a
 * canonical key, so there is no table of them, and a size can outlive the check that made it. Every atom stands for a whole
 * number: where one would not be whole, the size has no value (`evaluate` gives NaN) and nothing is claimed about it.
 */

/** What a term multiplies. `key` is canonical: equal keys, equal atoms. */
export type Atom =
  | { readonly kind: 'symbol'; readonly key: string; readonly name: string }
  /** The floor of an exact fraction. */
  | { readonly kind: 'floor'; readonly key: string; readonly numerator: Size; readonly denominator: Size }
  /** A fraction as written, taken to be whole (whoever wrote it was asked for a proof, or tests it at start). */
  | { readonly kind: 'quotient'; readonly key: string; readonly numerator: Size; readonly denominator: Size }
  /** The unknown `q` of a fact `numerator == denominator * q`: like a quotient, but never multiplied out. */
  | {
      readonly kind: 'multiplier';
      readonly key: string;
      readonly numerator: Size;
      readonly denominator: Size;
    }
  | { readonly kind: 'min'; readonly key: string; readonly left: Size; readonly right: Size }
  | { readonly kind: 'power'; readonly key: string; readonly base: Size; readonly exponent: Size };

/** A power of an atom; exponents are at least 1. */
export interface Factor {
  readonly atom: Atom;
  readonly exponent: number;
}

/** A coefficient times a monomial. `key` names the monomial: '' for the constant term. */
export interface Term {
  readonly coefficient: number;
  readonly factors: readonly Factor[];
  readonly key: string;
}

/** A size. `known` is false for the one size that is not followed: too large to write out, or divided by zero. */
export interface Size {
  readonly terms: readonly Term[];
  readonly key: string;
  readonly known: boolean;
}

/** Counts that keep every operation short; a size that passes one is not followed, never guessed. */
const mostTerms = 256;
const highestDegree = 64;
const longestKey = 6000;

/** The size that is not followed. Every operation on it gives it back, and no comparison with it is decided. */
export const noSize: Size = { terms: [], key: '?', known: false };

const degreeOf = (term: Term): number => term.factors.reduce((sum, { exponent }) => sum + exponent, 0);

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const compareTerms = (a: Term, b: Term): number => degreeOf(b) - degreeOf(a) || compareText(a.key, b.key);

const monomialKey = (factors: readonly Factor[]): string =>
  factors.map(({ atom, exponent }) => (exponent === 1 ? atom.key : `${atom.key}^${exponent}`)).join('*');

const makeTerm = (coefficient: number, factors: readonly Factor[]): Term => ({
  coefficient,
  factors,
  key: monomialKey(factors),
});

/** A size of terms whose monomials differ; zero coefficients are dropped. */
const fromTerms = (all: Iterable<Term>): Size => {
  const terms: Term[] = [];
  for (const term of all) {
    if (term.coefficient === 0) continue;
    if (!Number.isSafeInteger(term.coefficient) || degreeOf(term) > highestDegree) return noSize;
    terms.push(term);
  }
  if (terms.length > mostTerms) return noSize;
  if (terms.length > 1) terms.sort(compareTerms);
  const key = terms
    .map((term) => (term.key === '' ? `${term.coefficient}` : `${term.coefficient}*${term.key}`))
    .join(' + ');
  return key.length > longestKey ? noSize : { terms, key: key === '' ? '0' : key, known: true };
};

const collect = (into: Map<string, Term>, term: Term): void => {
  const had = into.get(term.key);
  into.set(term.key, had === undefined ? term : { ...had, coefficient: had.coefficient + term.coefficient });
};

/** The size `value`, a whole number within ±(2^53 − 1); anything else is not followed. */
export const constant = (value: number): Size =>
  Number.isSafeInteger(value) ? fromTerms([makeTerm(value + 0, [])]) : noSize;

export const zero: Size = constant(0);
export const one: Size = constant(1);

export const fromAtom = (atom: Atom, exponent = 1): Size => fromTerms([makeTerm(1, [{ atom, exponent }])]);

/** The whole number that goes by `name`; it is at least 1 unless the facts say otherwise. */
export const symbol = (name: string): Size => fromAtom({ kind: 'symbol', key: name, name });

export const fractionAtom = (
  kind: 'floor' | 'quotient' | 'multiplier',
  numerator: Size,
  denominator: Size,
): Atom => ({ kind, key: `${kind}((${numerator.key})/(${denominator.key}))`, numerator, denominator });

export const minAtom = (a: Size, b: Size): Atom => {
  const [left, right] = a.key <= b.key ? [a, b] : [b, a];
  return { kind: 'min', key: `min((${left.key}),(${right.key}))`, left, right };
};

export const powerAtom = (base: Size, exponent: Size): Atom => ({
  kind: 'power',
  key: `power((${base.key}),(${exponent.key}))`,
  base,
  exponent,
});

/** `size * factor` for a whole factor. */
export const scale = (size: Size, factor: number): Size => {
  if (!size.known || !Number.isSafeInteger(factor)) return noSize;
  if (factor === 1) return size;
  return fromTerms(size.terms.map((term) => ({ ...term, coefficient: term.coefficient * factor })));
};

/** `a + factor * b`. */
const addScaled = (a: Size, b: Size, factor: number): Size => {
  if (!a.known || !b.known) return noSize;
  const terms = new Map<string, Term>();
  for (const term of a.terms) terms.set(term.key, term);
  for (const term of b.terms) collect(terms, { ...term, coefficient: term.coefficient * factor });
  return fromTerms(terms.values());
};

export const add = (a: Size, b: Size): Size => addScaled(a, b, 1);
export const sub = (a: Size, b: Size): Size => addScaled(a, b, -1);
export const negate = (a: Size): Size => scale(a, -1);

const multiplyFactors = (a: readonly Factor[], b: readonly Factor[]): readonly Factor[] => {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const factors = new Map(a.map((factor) => [factor.atom.key, factor] as const));
  for (const { atom, exponent } of b) {
    factors.set(atom.key, { atom, exponent: exponent + (factors.get(atom.key)?.exponent ?? 0) });
  }
  return [...factors.values()].sort((x, y) => compareText(x.atom.key, y.atom.key));
};

/** `a / b` as factors, or null where b does not divide a. */
export const divideFactors = (a: readonly Factor[], b: readonly Factor[]): readonly Factor[] | null => {
  if (b.length === 0) return a;
  const left = new Map(a.map((factor) => [factor.atom.key, factor] as const));
  for (const { atom, exponent } of b) {
    const rest = (left.get(atom.key)?.exponent ?? 0) - exponent;
    if (rest < 0) return null;
    if (rest === 0) left.delete(atom.key);
    else left.set(atom.key, { atom, exponent: rest });
  }
  return [...left.values()];
};

export const sizeOfTerm = (coefficient: number, factors: readonly Factor[]): Size =>
  fromTerms([makeTerm(coefficient, factors)]);

/** A term whose quotient meets its own denominator: `heads * (width / heads)` is `width`. Null where none does. */
const multiplyOut = (term: Term): Size | null => {
  for (const { atom } of term.factors) {
    if (atom.kind !== 'quotient') continue;
    const [divisor, ...others] = atom.denominator.terms;
    if (divisor === undefined || others.length > 0 || term.coefficient % divisor.coefficient !== 0) continue;
    const bare = divideFactors(term.factors, [{ atom, exponent: 1 }]);
    const rest = bare === null ? null : divideFactors(bare, divisor.factors);
    if (rest === null) continue;
    return mul(sizeOfTerm(term.coefficient / divisor.coefficient, rest), atom.numerator);
  }
  return null;
};

export const mul = (a: Size, b: Size): Size => {
  if (!a.known || !b.known || a.terms.length * b.terms.length > mostTerms * 4) return noSize;
  const terms = new Map<string, Term>();
  let rest = zero;
  for (const x of a.terms) {
    for (const y of b.terms) {
      const term = makeTerm(x.coefficient * y.coefficient, multiplyFactors(x.factors, y.factors));
      const whole = multiplyOut(term);
      if (whole === null) collect(terms, term);
      else rest = add(rest, whole);
    }
  }
  const product = fromTerms(terms.values());
  return rest === zero ? product : add(product, rest);
};

/** The number that `size` always is, or null. */
export const asConstant = (size: Size): number | null => {
  if (!size.known) return null;
  const [first] = size.terms;
  if (first === undefined) return 0;
  return first.key === '' ? first.coefficient : null;
};

/** The name of the one symbol that `size` is, or null. */
export const asSymbol = (size: Size): string | null => {
  const atom = asAtom(size);
  return atom?.kind === 'symbol' ? atom.name : null;
};

/** The one atom that `size` is, with coefficient and exponent 1, or null. */
export const asAtom = (size: Size): Atom | null => {
  const [term, ...rest] = size.terms;
  if (term === undefined || rest.length > 0 || term.coefficient !== 1) return null;
  const [factor, ...others] = term.factors;
  return factor === undefined || others.length > 0 || factor.exponent !== 1 ? null : factor.atom;
};

export const coefficientOf = (size: Size, key: string): number =>
  size.terms.find((term) => term.key === key)?.coefficient ?? 0;

export const constantPart = (size: Size): number => coefficientOf(size, '');

export const atomsOf = (size: Size): ReadonlyMap<string, Atom> => {
  const atoms = new Map<string, Atom>();
  for (const term of size.terms) for (const { atom } of term.factors) atoms.set(atom.key, atom);
  return atoms;
};

export const sizesIn = (atom: Atom): readonly Size[] => {
  switch (atom.kind) {
    case 'symbol':
      return [];
    case 'min':
      return [atom.left, atom.right];
    case 'power':
      return [atom.base, atom.exponent];
    default:
      return [atom.numerator, atom.denominator];
  }
};

/** All atoms of a size and, for those that `enter` accepts, of the sizes inside them. */
export const allAtoms = (
  size: Size,
  enter: (atom: Atom) => boolean = () => true,
  into = new Map<string, Atom>(),
): ReadonlyMap<string, Atom> => {
  for (const [key, atom] of atomsOf(size)) {
    if (into.has(key)) continue;
    into.set(key, atom);
    if (enter(atom)) for (const inner of sizesIn(atom)) allAtoms(inner, enter, into);
  }
  return into;
};

/** The names of all symbols in a size, those inside `floor`, `min` and `**` included. */
export const symbolsOf = (size: Size): ReadonlySet<string> => {
  const names = new Set<string>();
  for (const atom of allAtoms(size).values()) if (atom.kind === 'symbol') names.add(atom.name);
  return names;
};

/** Greatest common divisor; 0 only for two zeros. */
export const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/** The greatest common divisor of all coefficients; 0 for the size 0. */
export const contentOf = (size: Size): number =>
  size.terms.reduce((common, { coefficient }) => gcd(common, coefficient), 0);

/** The largest monomial that divides every term of every size given. */
export const commonFactors = (...sizes: readonly Size[]): readonly Factor[] => {
  const [first, ...rest] = sizes.flatMap((size) => size.terms);
  let common: readonly Factor[] = first?.factors ?? [];
  for (const { factors } of rest) {
    common = common.flatMap(({ atom, exponent }) => {
      const other = factors.find((factor) => factor.atom.key === atom.key)?.exponent ?? 0;
      return other === 0 ? [] : [{ atom, exponent: Math.min(exponent, other) }];
    });
  }
  return common;
};

/** Steps of a long division: a bound, not a limit that real sizes meet. */
const mostDivisionSteps = 64;

/** `a / b` as a polynomial, or null where there is none. A null says nothing about the numbers: `floorDiv` may know more. */
export const exactQuotient = (a: Size, b: Size): Size | null => {
  const [lead] = b.terms;
  if (!a.known || !b.known || lead === undefined) return null;
  let rest = a;
  let quotient = zero;
  for (let step = 0; rest.known && rest.terms.length > 0; step += 1) {
    if (step >= mostDivisionSteps) return null;
    let next: Size | null = null;
    for (const term of rest.terms) {
      const factors =
        term.coefficient % lead.coefficient === 0 ? divideFactors(term.factors, lead.factors) : null;
      if (factors === null) continue;
      next = sizeOfTerm(term.coefficient / lead.coefficient, factors);
      break;
    }
    if (next === null) return null;
    quotient = add(quotient, next);
    rest = sub(rest, mul(next, b));
  }
  return rest.known && quotient.known ? quotient : null;
};

const whole = (value: number): number => (Number.isSafeInteger(value) ? value : Number.NaN);

const evaluateAtom = (atom: Atom, env: ReadonlyMap<string, number>): number => {
  switch (atom.kind) {
    case 'symbol':
      return env.get(atom.name) ?? Number.NaN;
    case 'floor':
      return whole(Math.floor(evaluate(atom.numerator, env) / evaluate(atom.denominator, env)));
    case 'quotient':
      return whole(evaluate(atom.numerator, env) / evaluate(atom.denominator, env));
    case 'multiplier':
      return env.get(atom.key) ?? whole(evaluate(atom.numerator, env) / evaluate(atom.denominator, env));
    case 'min':
      return Math.min(evaluate(atom.left, env), evaluate(atom.right, env));
    case 'power':
      return whole(evaluate(atom.base, env) ** evaluate(atom.exponent, env));
  }
};

/**
 * The number that a size is for these numbers. NaN where it has none: a symbol is missing, a fraction is not whole, something
 * is divided by zero, or a number is too large to be exact.
 */
export const evaluate = (size: Size, env: ReadonlyMap<string, number>): number => {
  if (!size.known) return Number.NaN;
  let sum = 0;
  for (const { coefficient, factors } of size.terms) {
    let product = coefficient;
    for (const { atom, exponent } of factors) product *= evaluateAtom(atom, env) ** exponent;
    sum = whole(sum + whole(product));
  }
  return sum + 0;
};
