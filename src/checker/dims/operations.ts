/** Operations that a polynomial cannot hold. After this: rounded quotients, minima and powers are in normal form too. */
import { lowerOfAtom, proveNonNegative, provePositive } from './bounds.js';
import type { Known } from './known.js';
import {
  type Atom,
  type Size,
  type Term,
  add,
  allAtoms,
  asAtom,
  asConstant,
  commonFactors,
  constant,
  constantPart,
  contentOf,
  divideFactors,
  exactQuotient,
  fractionAtom,
  fromAtom,
  gcd,
  minAtom,
  mul,
  negate,
  noSize,
  one,
  powerAtom,
  sizeOfTerm,
  sub,
  zero,
} from './polynomial.js';

/** Unrolled powers and whole parts pulled out of a fraction with several terms below the line. */
const highestPower = 64;
const mostPulled = 4;

interface Fraction {
  readonly numerator: Size;
  readonly denominator: Size;
}

const divideTerms = (size: Size, by: Term): Size =>
  size.terms.reduce((sum, { coefficient, factors }) => {
    const rest = divideFactors(factors, by.factors);
    return rest === null ? noSize : add(sum, sizeOfTerm(coefficient / by.coefficient, rest));
  }, zero);

/** The fraction without what numerator and denominator share, with a denominator that starts positive. */
const reduceFraction = (numerator: Size, denominator: Size): Fraction => {
  const [lead] = denominator.terms;
  const sign = lead !== undefined && lead.coefficient < 0 ? -1 : 1;
  const common = gcd(contentOf(numerator), contentOf(denominator)) * sign;
  const factors = commonFactors(numerator, denominator);
  if (common === 1 && factors.length === 0) return { numerator, denominator };
  const by: Term = { coefficient: common, factors, key: '' };
  return { numerator: divideTerms(numerator, by), denominator: divideTerms(denominator, by) };
};

/** `p / d` as a whole part and what is left, whose terms lie below `d` where `d` is one term. */
const splitWhole = ({ numerator, denominator }: Fraction): { readonly whole: Size; readonly rest: Size } => {
  const [divisor, ...others] = denominator.terms;
  let whole = zero;
  let rest = numerator;
  if (divisor === undefined) return { whole, rest };
  if (others.length === 0) {
    for (const { coefficient, factors } of numerator.terms) {
      const quotient = divideFactors(factors, divisor.factors);
      const times = quotient === null ? 0 : Math.floor(coefficient / divisor.coefficient);
      if (quotient === null || times === 0) continue;
      whole = add(whole, sizeOfTerm(times, quotient));
      rest = sub(rest, mul(sizeOfTerm(times, quotient), denominator));
    }
    return { whole, rest };
  }
  for (let i = 0; i < mostPulled; i += 1) {
    const step = [1, -1].find((sign) => {
      const left = sub(rest, mul(constant(sign), denominator));
      return left.known && left.terms.length <= rest.terms.length - denominator.terms.length;
    });
    if (step === undefined) break;
    whole = add(whole, constant(step));
    rest = sub(rest, mul(constant(step), denominator));
  }
  return { whole, rest };
};

/** The one plain `floor` term of a size with coefficient 1, if there is just one. */
const plainFloor = (
  size: Size,
): { readonly atom: Extract<Atom, { kind: 'floor' }>; readonly rest: Size } | null => {
  const floors = size.terms.flatMap(({ coefficient, factors }) => {
    const [factor, ...others] = factors;
    if (factor?.atom.kind !== 'floor' || others.length > 0 || factor.exponent !== 1) return [];
    return [{ atom: factor.atom, coefficient }];
  });
  const [found, ...others] = floors;
  if (found?.coefficient !== 1 || others.length > 0) return null;
  return { atom: found.atom, rest: sub(size, fromAtom(found.atom)) };
};

/** `floor(a / b)`. Not followed where b is the number 0. */
export const floorDiv = (a: Size, b: Size, facts: Known): Size => {
  if (!a.known || !b.known || asConstant(b) === 0) return noSize;
  const exact = exactQuotient(a, b);
  if (exact !== null) return exact;
  const fraction = reduceFraction(a, b);
  const { denominator } = fraction;
  const { whole, rest } = splitWhole(fraction);
  if (!whole.known || !rest.known || !denominator.known) return noSize;
  if (rest.terms.length === 0) return whole;
  const number = asConstant(rest);
  const divisor = asConstant(denominator);
  if (number !== null && divisor !== null) return add(whole, constant(Math.floor(number / divisor)));
  if (proveNonNegative(rest, facts) && provePositive(sub(denominator, rest), facts)) return whole;
  const negative = negate(rest);
  if (provePositive(negative, facts) && proveNonNegative(sub(denominator, negative), facts))
    return sub(whole, one);
  // floor((floor(p / e) + r) / d) is floor((p + r e) / (e d)) for a positive d.
  const inner = plainFloor(rest);
  if (inner !== null && provePositive(denominator, facts)) {
    const { atom } = inner;
    const joined = add(atom.numerator, mul(inner.rest, atom.denominator));
    return add(whole, floorDiv(joined, mul(atom.denominator, denominator), facts));
  }
  if (divisor !== null) {
    // Only the number can be no multiple of what all other terms and the divisor share; it is rounded down to one.
    const offset = constantPart(rest);
    const shared = gcd(contentOf(sub(rest, constant(offset))), divisor);
    if (shared > 1) {
      const round = sub(rest, constant(offset - Math.floor(offset / shared) * shared));
      return add(whole, floorDiv(round, denominator, facts));
    }
  }
  return add(whole, fromAtom(fractionAtom('floor', rest, denominator)));
};

/** `ceil(a / b)`. */
export const ceilDiv = (a: Size, b: Size, facts: Known): Size =>
  provePositive(b, facts) ? floorDiv(sub(add(a, b), one), b, facts) : negate(floorDiv(negate(a), b, facts));

/** `a - b * floor(a / b)`: for a positive b, the rest from 0 to b - 1. */
export const modulo = (a: Size, b: Size, facts: Known): Size => sub(a, mul(b, floorDiv(a, b, facts)));

/** The smaller of two sizes in normal form: what is inside is not worked out again. */
const minOfForms = (a: Size, b: Size, facts: Known): Size => {
  const difference = sub(b, a);
  if (!difference.known) return noSize;
  if (proveNonNegative(difference, facts)) return a;
  if (proveNonNegative(negate(difference), facts)) return b;
  return fromAtom(minAtom(a, b));
};

/** The smaller of two sizes. */
export const minOf = (a: Size, b: Size, facts: Known): Size => {
  const difference = normalise(sub(b, a), facts);
  if (!difference.known) return noSize;
  if (proveNonNegative(difference, facts)) return a;
  if (proveNonNegative(negate(difference), facts)) return b;
  return fromAtom(minAtom(a, b));
};

/** The larger of two sizes. */
export const maxOf = (a: Size, b: Size, facts: Known): Size => sub(add(a, b), minOf(a, b, facts));

const powerOfConstant = (base: Size, exponent: number): Size => {
  const number = asConstant(base);
  if (number !== null) return exponent < 0 && Math.abs(number) !== 1 ? noSize : constant(number ** exponent);
  if (exponent < 0 || exponent > highestPower) return noSize;
  let result = one;
  for (let i = 0; i < exponent && result.known; i += 1) result = mul(result, base);
  return result;
};

/** `base ** exponent`. Not followed for a number below 0 as exponent, unless the base is 1 or -1. */
export const power = (base: Size, exponent: Size, facts: Known): Size => {
  if (!base.known || !exponent.known) return noSize;
  const number = asConstant(exponent);
  if (number !== null) return powerOfConstant(base, number);
  const parts = exponent.terms.filter(({ key }) => key !== '');
  const offset = constantPart(exponent);
  const addable = parts.every(
    ({ coefficient, factors }) =>
      coefficient > 0 && factors.every(({ atom }) => lowerOfAtom(atom, facts) >= 0),
  );
  // Taken apart only where every part is a whole number: 2 ** (n - i) is not 2 ** n times a whole number.
  if (!addable || offset < 0) {
    const rest = sub(exponent, constant(offset));
    if (offset > 0 && proveNonNegative(rest, facts)) {
      return mul(powerOfConstant(base, offset), fromAtom(powerAtom(base, rest)));
    }
    return fromAtom(powerAtom(base, exponent));
  }
  return parts.reduce(
    (product, { coefficient, factors }) =>
      mul(product, fromAtom(powerAtom(base, sizeOfTerm(1, factors)), coefficient)),
    powerOfConstant(base, offset),
  );
};

/** `a / b`, taken to be whole: multiplied out where it can be, else an atom. */
export const quotientOf = (a: Size, b: Size): Size => {
  if (!a.known || !b.known || asConstant(b) === 0) return noSize;
  const exact = exactQuotient(a, b);
  if (exact !== null) return exact;
  const inner = asAtom(a);
  if (inner?.kind === 'quotient') return quotientOf(inner.numerator, mul(inner.denominator, b));
  const { numerator, denominator } = reduceFraction(a, b);
  if (!numerator.known || !denominator.known) return noSize;
  // Parts that b divides stand for themselves: (h + s) / s is h / s + 1.
  const whole = numerator.terms.reduce((sum, { coefficient, factors }) => {
    const part = exactQuotient(sizeOfTerm(coefficient, factors), denominator);
    return part === null ? sum : add(sum, part);
  }, zero);
  if (whole.terms.length > 0)
    return add(whole, quotientOf(sub(numerator, mul(whole, denominator)), denominator));
  return fromAtom(fractionAtom('quotient', numerator, denominator));
};

/** A size with atoms replaced; `image` gives an atom's value, or null to rebuild it from what is inside. */
export const rebuild = (size: Size, image: (atom: Atom) => Size | null): Size => {
  let result = zero;
  for (const { coefficient, factors } of size.terms) {
    let product = constant(coefficient);
    for (const { atom, exponent } of factors) {
      const value = image(atom) ?? fromAtom(atom);
      for (let i = 0; i < exponent && product.known; i += 1) product = mul(product, value);
    }
    result = add(result, product);
  }
  return size.known ? result : noSize;
};

/** `size` with each symbol named in `values` replaced, and everything worked out again under `facts`. */
export const substitute = (size: Size, values: ReadonlyMap<string, Size>, facts: Known): Size => {
  const inside = (part: Size): Size => rebuild(part, image);
  const image = (atom: Atom): Size | null => {
    switch (atom.kind) {
      case 'symbol':
        return values.get(atom.name) ?? null;
      case 'floor':
        return floorDiv(inside(atom.numerator), inside(atom.denominator), facts);
      case 'quotient':
      case 'multiplier':
        return quotientOf(inside(atom.numerator), inside(atom.denominator));
      case 'min':
        return minOf(inside(atom.left), inside(atom.right), facts);
      case 'power':
        return power(inside(atom.base), inside(atom.exponent), facts);
    }
  };
  return values.size === 0 ? size : inside(size);
};

/** Rewrites by the facts' products; the count bounds rules that lead in a circle. */
const mostRewrites = 40;

const rewrite = (size: Size, facts: Known): Size => {
  let result = size;
  for (let i = 0; i < mostRewrites && facts.rules.length > 0 && result.known; i += 1) {
    let next: Size | null = null;
    for (const { product, value } of facts.rules) {
      for (const term of result.terms) {
        const rest = divideFactors(term.factors, product);
        if (rest === null) continue;
        const without = sub(result, sizeOfTerm(term.coefficient, term.factors));
        next = add(without, mul(sizeOfTerm(term.coefficient, rest), value));
        break;
      }
      if (next !== null) break;
    }
    if (next === null) break;
    result = next;
  }
  return result;
};

/**
 * The form in which sizes are compared: defined symbols are replaced by their values, and everything is worked out again with
 * what is known. Equal forms are equal sizes under these facts.
 */
export const normalise = (size: Size, facts: Known): Size => {
  if (!size.known) return noSize;
  const image = (atom: Atom): Size | null => {
    const defined = facts.definitions.get(atom.key);
    if (defined !== undefined) return defined.value;
    switch (atom.kind) {
      case 'symbol':
      case 'multiplier':
        return null;
      case 'floor':
        return divided(atom, (p, d) => floorDiv(p, d, facts));
      case 'quotient':
        return divided(atom, quotientOf);
      case 'min':
        return minOfForms(normalise(atom.left, facts), normalise(atom.right, facts), facts);
      case 'power':
        return power(normalise(atom.base, facts), normalise(atom.exponent, facts), facts);
    }
  };
  // A rule can hide that a quotient is exact, so that is looked at before the rules apply.
  const divided = (fraction: Fraction, otherwise: (numerator: Size, denominator: Size) => Size): Size => {
    const numerator = rebuild(fraction.numerator, image);
    const denominator = rebuild(fraction.denominator, image);
    return (
      exactQuotient(numerator, denominator) ??
      otherwise(rewrite(numerator, facts), rewrite(denominator, facts))
    );
  };
  const plain = facts.definitions.size === 0 && size.terms.every(hasOnlySymbols);
  return rewrite(plain ? size : rebuild(size, image), facts);
};

const hasOnlySymbols = ({ factors }: Term): boolean => factors.every(({ atom }) => atom.kind === 'symbol');

/** Does `size` mention the atom, other than inside a multiplier (which stands for a number of its own)? */
export const mentions = (size: Size, key: string): boolean =>
  allAtoms(size, ({ kind }) => kind !== 'multiplier').has(key);
