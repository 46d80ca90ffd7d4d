/** Proofs of `size >= 0`. After this: a true answer holds for all numbers that the facts allow; false says nothing. */
import type { Known } from './known.js';
import {
  type Atom,
  type Size,
  type Term,
  add,
  asConstant,
  atomsOf,
  constant,
  divideFactors,
  fromAtom,
  gcd,
  mul,
  negate,
  one,
  sizeOfTerm,
  sub,
  zero,
} from './polynomial.js';

/** How many known inequalities are tried at each level, and how many levels deep. */
const mostTried = 24;
const deepest = 2;
/** Products of higher degree are not expanded around their lower bounds. */
const highestExpanded = 8;

/** The least value of an atom, or -Infinity where none is known. */
export const lowerOfAtom = (atom: Atom, facts: Known, depth: number = deepest): number => {
  const stored = facts.lowers.get(atom.key);
  switch (atom.kind) {
    case 'symbol':
      return stored ?? 1;
    case 'quotient':
    case 'multiplier': {
      if (stored !== undefined || depth < 0) return stored ?? -Infinity;
      if (!isPositive(atom.denominator, facts, depth - 1)) return -Infinity;
      if (isPositive(atom.numerator, facts, depth - 1)) return 1;
      return proveNonNegative(atom.numerator, facts, depth - 1) ? 0 : -Infinity;
    }
    case 'floor': {
      if (depth < 0) return -Infinity;
      const divisor = asConstant(atom.denominator);
      const least = lowerOfSize(atom.numerator, facts, depth - 1);
      if (divisor !== null && divisor > 0 && least > -Infinity) return Math.floor(least / divisor);
      if (!isPositive(atom.denominator, facts, depth - 1)) return -Infinity;
      return least >= 0 || proveNonNegative(atom.numerator, facts, depth - 1) ? 0 : -Infinity;
    }
    case 'min':
      if (depth < 0) return -Infinity;
      return Math.min(lowerOfSize(atom.left, facts, depth - 1), lowerOfSize(atom.right, facts, depth - 1));
    case 'power': {
      if (depth < 0) return -Infinity;
      const base = lowerOfSize(atom.base, facts, depth - 1);
      if (base < 1) return -Infinity;
      return lowerOfSize(atom.exponent, facts, depth - 1) >= 0 ? 1 : 0;
    }
  }
};

/** A lower bound from the terms alone: no fact that relates symbols is used. */
const lowerOfSize = (size: Size, facts: Known, depth: number): number => {
  if (!size.known) return -Infinity;
  let sum = 0;
  for (const { coefficient, factors } of size.terms) {
    let product = coefficient;
    if (factors.length > 0 && coefficient < 0) return -Infinity;
    for (const { atom, exponent } of factors) {
      const lower = lowerOfAtom(atom, facts, depth);
      if (lower < 0) return -Infinity;
      product *= lower ** exponent;
    }
    sum += product;
  }
  return Number.isSafeInteger(sum) ? sum : -Infinity;
};

const isPositive = (size: Size, facts: Known, depth: number): boolean =>
  proveNonNegative(sub(size, one), facts, Math.max(depth, 0));

/** Every atom written as its least value plus a rest: no negative coefficient is left where this alone is a proof. */
const isPlainlyNonNegative = (size: Size, facts: Known, depth: number): boolean => {
  if (size.terms.every(({ coefficient, factors }) => factors.length === 0 && coefficient >= 0)) return true;
  if (!size.terms.some(({ coefficient }) => coefficient > 0)) return false;
  const lowers = new Map<string, number>();
  for (const [key, atom] of atomsOf(size)) {
    const lower = lowerOfAtom(atom, facts, depth);
    if (lower === -Infinity) return false;
    lowers.set(key, lower);
  }
  // Two quick ways to see that the expansion has a negative coefficient: its number, and a term that no other can lift.
  let corner = 0;
  for (const { coefficient, factors } of size.terms) {
    let product = coefficient;
    for (const { atom, exponent } of factors) product *= (lowers.get(atom.key) ?? Number.NaN) ** exponent;
    corner += product;
  }
  if (!(corner >= 0)) return false;
  const negative = size.terms.filter(({ coefficient, factors }) => coefficient < 0 && factors.length > 0);
  for (const term of negative) {
    const lifted = size.terms.some(
      (other) => other !== term && divideFactors(other.factors, term.factors) !== null,
    );
    if (!lifted) return false;
  }
  if (negative.length === 0 && [...lowers.values()].every((lower) => lower >= 0)) return true;
  let expanded = zero;
  for (const term of size.terms) {
    const degree = term.factors.reduce((sum, { exponent }) => sum + exponent, 0);
    if (degree > highestExpanded) return false;
    let product = constant(term.coefficient);
    for (const { atom, exponent } of term.factors) {
      // The rest of an atom stands under the atom's own name: here, and only here, the name means `atom - lower`. A quotient
      // would be multiplied out, so it stands under a plain name.
      const rest = fromAtom({ kind: 'symbol', key: `rest of ${atom.key}`, name: atom.key });
      const shifted = add(rest, constant(lowers.get(atom.key) ?? Number.NaN));
      for (let i = 0; i < exponent; i += 1) product = mul(product, shifted);
    }
    expanded = add(expanded, product);
  }
  return expanded.known && expanded.terms.every(({ coefficient }) => coefficient >= 0);
};

/** What `floor(p / d)` lies between: `p - d * floor >= 0` and `d * floor + d - 1 - p >= 0`. */
const floorInequalities = (size: Size, facts: Known, depth: number): readonly Size[] => {
  const found: Size[] = [];
  for (const atom of atomsOf(size).values()) {
    if (atom.kind !== 'floor' || !isPositive(atom.denominator, facts, depth - 1)) continue;
    const reached = mul(atom.denominator, fromAtom(atom));
    found.push(sub(atom.numerator, reached));
    found.push(sub(add(reached, sub(atom.denominator, one)), atom.numerator));
  }
  return found;
};

/** `inequality` times what makes its first fitting negative term cancel `term`; null where none fits. */
const cancelling = (term: Term, inequality: Size, facts: Known, depth: number): Size | null => {
  for (const other of inequality.terms) {
    const times = Math.floor(term.coefficient / other.coefficient);
    if (other.coefficient >= 0 || times < 1) continue;
    const factors = divideFactors(term.factors, other.factors);
    if (factors === null || (times === 1 && factors.length === 0)) continue;
    if (factors.some(({ atom }) => lowerOfAtom(atom, facts, depth) < 0)) continue;
    return mul(sizeOfTerm(times, factors), inequality);
  }
  return null;
};

/** `size` with the atom replaced, where it stands alone to the first power; null otherwise. */
const replaceAtom = (size: Size, key: string, value: Size): Size | null => {
  let result = zero;
  for (const { coefficient, factors } of size.terms) {
    const factor = factors.find(({ atom }) => atom.key === key);
    if (factor === undefined) result = add(result, sizeOfTerm(coefficient, factors));
    else {
      const rest = divideFactors(factors, [factor]);
      if (rest === null || factor.exponent !== 1) return null;
      result = add(result, mul(sizeOfTerm(coefficient, rest), value));
    }
  }
  return result;
};

/** Is the atom in every term that has it taken away, times something that is not negative? */
const isOnlyTaken = (size: Size, key: string, facts: Known, depth: number): boolean =>
  size.terms.every(({ coefficient, factors }) => {
    if (!factors.some(({ atom }) => atom.key === key)) return true;
    return (
      coefficient < 0 && factors.every(({ atom }) => atom.key === key || lowerOfAtom(atom, facts, depth) >= 0)
    );
  });

/** Where none is mentioned, taking the inequality away leaves more to prove. */
const mentionsAny = (size: Size, atoms: ReadonlyMap<string, Atom>): boolean =>
  size.terms.some(({ factors }) => factors.some(({ atom }) => atoms.has(atom.key)));

/** Is `size >= 0` for all numbers that the facts allow? False where no proof was found. */
export const proveNonNegative = (size: Size, facts: Known, depth: number = deepest): boolean => {
  if (!size.known) return false;
  const value = asConstant(size);
  if (value !== null) return value >= 0;
  if (isPlainlyNonNegative(size, facts, depth)) return true;
  if (depth <= 0) return false;
  const atoms = atomsOf(size);
  for (const atom of atoms.values()) {
    if (atom.kind !== 'min') continue;
    const left = replaceAtom(size, atom.key, atom.left);
    const right = replaceAtom(size, atom.key, atom.right);
    if (left === null || right === null) break;
    // The minimum is one of the two. Where it is only taken away, it takes no more than either.
    const taken = isOnlyTaken(size, atom.key, facts, depth - 1);
    const first = proveNonNegative(left, facts, depth - 1);
    if (first === taken) return first;
    return proveNonNegative(right, facts, depth - 1);
  }
  const inequalities = [
    ...floorInequalities(size, facts, depth),
    ...facts.nonNegative.filter((each) => mentionsAny(each, atoms)),
  ];
  const tried = new Set<string>([size.key]);
  for (const inequality of inequalities.slice(0, mostTried)) {
    const candidates = [inequality];
    for (const term of size.terms) {
      const fitting = term.coefficient < 0 ? cancelling(term, inequality, facts, depth - 1) : null;
      if (fitting !== null) candidates.push(fitting);
    }
    for (const candidate of candidates) {
      const rest = sub(size, candidate);
      if (tried.has(rest.key)) continue;
      tried.add(rest.key);
      if (proveNonNegative(rest, facts, depth - 1)) return true;
    }
  }
  return false;
};

export const provePositive = (size: Size, facts: Known): boolean => proveNonNegative(sub(size, one), facts);

/** Is the size 0 for no numbers that the facts allow? */
export const proveNonZero = (size: Size, facts: Known): boolean => {
  const value = asConstant(size);
  if (value !== null) return value !== 0;
  return provePositive(size, facts) || provePositive(negate(size), facts) || neverByDivisor(size);
};

/** `2 * h + 1` is odd. */
const neverByDivisor = (size: Size): boolean => {
  const rest = size.terms.find(({ key }) => key === '')?.coefficient ?? 0;
  const common = size.terms.reduce(
    (sum, { coefficient, key }) => (key === '' ? sum : gcd(sum, coefficient)),
    0,
  );
  return common > 1 && rest % common !== 0;
};
