/** Comparisons of sizes. After this: each is proven, never true, refuted by numbers, or left for the start of a run. */
import { assume } from './assume.js';
import { proveNonNegative, proveNonZero, provePositive } from './bounds.js';
import type { Known } from './known.js';
import { floorDiv, normalise, quotientOf, rebuild } from './operations.js';
import {
  type Atom,
  type Size,
  add,
  allAtoms,
  asConstant,
  atomsOf,
  constant,
  exactQuotient,
  fromAtom,
  gcd,
  mul,
  noSize,
  sub,
  symbol,
} from './polynomial.js';
import { proposeFix } from './propose.js';
import { type Witness, findWitness } from './witness.js';

/**
 * `proven`: true for all numbers that the facts allow. `never`: true for none. `refuted`: false for the numbers in the witness.
 * `unproven`: nothing was found either way; it is tested when the numbers of a run are known.
 */
export type Verdict = 'proven' | 'never' | 'refuted' | 'unproven';

export interface Judgement {
  readonly verdict: Verdict;
  /** Numbers for which the comparison fails; null where none were found or needed. */
  readonly witness: Witness | null;
  /** A condition, in the syntax of a spec, under which it would be proven. */
  readonly fix: string | null;
  /** What decided, for readers of `show`. */
  readonly how: string;
}

type Zero = 'zero' | 'never' | 'open';

/** Residue classes looked at for one question, and minima split into cases. */
const mostClasses = 1024;
const mostCases = 3;
const mostAdopted = 6;

/** Fractions in the sizes are taken to be whole: that was asked for where they were written. */
const adoptQuotients = (facts: Known, ...sizes: readonly Size[]): Known => {
  let known = facts;
  let adopted = 0;
  for (const size of sizes) {
    for (const atom of allAtoms(size).values()) {
      if (atom.kind !== 'quotient' || adopted >= mostAdopted) continue;
      const form = normalise(fromAtom(atom), known);
      if (![...allAtoms(form).values()].some(({ kind }) => kind === 'quotient')) continue;
      known = assume(known, atom.denominator, 'divides', atom.numerator);
      adopted += 1;
    }
  }
  return known;
};

/** The modulus of all floors with a number below the line, and what they divide; null where a floor has no number there. */
const residueClasses = (size: Size): { readonly modulus: number; readonly atoms: readonly Atom[] } | null => {
  let modulus = 1;
  const atoms = new Map<string, Atom>();
  for (const atom of allAtoms(size, ({ kind }) => kind === 'floor').values()) {
    if (atom.kind === 'symbol' || atom.kind === 'multiplier') continue;
    const divisor = atom.kind === 'floor' ? asConstant(atom.denominator) : null;
    if (atom.kind !== 'floor' || divisor === null || divisor < 1) return null;
    modulus = (modulus * divisor) / gcd(modulus, divisor);
    for (const [key, inner] of allAtoms(atom.numerator, ({ kind }) => kind === 'floor')) {
      if (inner.kind === 'symbol' || inner.kind === 'multiplier') atoms.set(key, inner);
    }
  }
  if (modulus === 1 || modulus ** atoms.size > mostClasses) return null;
  return { modulus, atoms: [...atoms.values()] };
};

/** Decides each class `atom == modulus * t + r` by itself. A verdict stands where all classes share it. */
const decideByResidues = (size: Size, facts: Known): Zero => {
  const classes = residueClasses(size);
  if (classes === null) return 'open';
  const { modulus, atoms } = classes;
  let verdict: Zero | null = null;
  const visit = (
    index: number,
    values: ReadonlyMap<string, Size>,
    lowers: ReadonlyMap<string, number>,
  ): boolean => {
    const atom = atoms[index];
    if (atom === undefined) {
      // Known about the atoms themselves say nothing about the new symbols; only the bounds are carried over.
      const form = replaceInFloors(size, values, { ...facts, lowers, definitions: new Map(), rules: [] });
      const found = decidePlainly(form, { ...facts, lowers });
      if (verdict !== null && found !== verdict) return false;
      verdict = found;
      return found !== 'open';
    }
    const lower = lowers.get(atom.key) ?? (atom.kind === 'symbol' ? 1 : -Infinity);
    for (let r = 0; r < modulus; r += 1) {
      const name = `class ${index}`;
      const value = add(mul(constant(modulus), symbol(name)), constant(r));
      const least = new Map(lowers).set(name, Math.ceil((lower - r) / modulus));
      if (!visit(index + 1, new Map(values).set(atom.key, value), least)) return false;
    }
    return true;
  };
  return visit(0, new Map(), facts.lowers) ? (verdict ?? 'open') : 'open';
};

const replaceInFloors = (size: Size, values: ReadonlyMap<string, Size>, facts: Known): Size =>
  rebuild(size, (atom) => {
    const value = values.get(atom.key);
    if (value !== undefined || atom.kind !== 'floor') return value ?? null;
    const inside = (part: Size): Size => replaceInFloors(part, values, facts);
    return floorDiv(inside(atom.numerator), inside(atom.denominator), facts);
  });

const decidePlainly = (size: Size, facts: Known): Zero => {
  if (!size.known) return 'open';
  if (size.terms.length === 0) return 'zero';
  return proveNonZero(size, facts) ? 'never' : 'open';
};

/** Is `difference` always 0, never 0, or neither known? */
const decideZero = (
  difference: Size,
  facts: Known,
  cases = mostCases,
): { readonly zero: Zero; readonly how: string } => {
  if (facts.impossible) return { zero: 'zero', how: 'the facts contradict each other' };
  const form = normalise(difference, facts);
  const plain = decidePlainly(form, facts);
  if (plain !== 'open') return { zero: plain, how: plain === 'zero' ? 'same form' : 'bounds' };
  const byResidues = decideByResidues(form, facts);
  if (byResidues !== 'open') return { zero: byResidues, how: 'residues' };
  const split = [...atomsOf(form).values()].find(({ kind }) => kind === 'min');
  if (split?.kind !== 'min' || cases <= 0) return { zero: 'open', how: 'nothing decides it' };
  const first = assume(facts, split.left, '<=', split.right);
  const second = assume(facts, split.right, '<', split.left);
  const possible = [first, second].filter((branch) => !branch.impossible);
  const [one, ...others] = possible.map((branch) => decideZero(form, branch, cases - 1).zero);
  const agreed = one !== undefined && others.every((zero) => zero === one) ? one : 'open';
  return { zero: agreed, how: agreed === 'open' ? 'nothing decides it' : 'cases of min' };
};

const proven = (how: string): Judgement => ({ verdict: 'proven', witness: null, fix: null, how });
const unproven = (how: string): Judgement => ({ verdict: 'unproven', witness: null, fix: null, how });

const once = (find: () => string | null): (() => string | null) => {
  let found: string | null | undefined;
  return () => (found === undefined ? (found = find()) : found);
};

/** A fix is looked for when it is first read: that takes longest, and most refutations are answered without. */
const refuted = (witness: Witness, find: () => string | null): Judgement => {
  const fix = once(find);
  return {
    verdict: 'refuted',
    witness,
    get fix() {
      return fix();
    },
    how: 'witness',
  };
};

/** Is `left == right` for all numbers that the facts allow? Fractions inside are taken to be whole. */
export const compareSizes = (left: Size, right: Size, facts: Known): Judgement => {
  if (!left.known || !right.known) return unproven('not followed');
  if (left.key === right.key) return proven('same form');
  const a = asConstant(left);
  const b = asConstant(right);
  if (a !== null && b !== null && !facts.impossible) {
    return { verdict: 'never', witness: { values: [], left: a, right: b }, fix: null, how: 'numbers' };
  }
  const known = adoptQuotients(facts, left, right);
  const difference = sub(left, right);
  const { zero, how } = decideZero(difference, known);
  if (zero === 'zero') return proven(how);
  const witness = findWitness(left, right, known, (x, y) => x !== y);
  if (zero === 'never') return { verdict: 'never', witness, fix: null, how };
  if (witness === null) return unproven(how);
  const suffices = (more: Known): boolean => decideZero(difference, more).zero === 'zero';
  return refuted(witness, () => proposeFix(left, right, known, suffices));
};

/** Is `left <= right` for all numbers that the facts allow? Without numbers or a fix: false says that no proof was found. */
export const proveLessEqual = (left: Size, right: Size, facts: Known): boolean => {
  if (!left.known || !right.known) return false;
  if (left.key === right.key || facts.impossible) return true;
  const difference = sub(right, left);
  const value = asConstant(difference);
  if (value !== null) return value >= 0;
  const known = adoptQuotients(facts, left, right);
  return proveNonNegative(normalise(difference, known), known);
};

/** Is `left <= right`? As `compareSizes`, with numbers where it fails and a condition that would make it hold. */
export const compareOrder = (left: Size, right: Size, facts: Known): Judgement => {
  if (!left.known || !right.known) return unproven('not followed');
  if (proveLessEqual(left, right, facts)) return proven('bounds');
  const known = adoptQuotients(facts, left, right);
  const witness = findWitness(left, right, known, (x, y) => x > y);
  if (provePositive(normalise(sub(left, right), known), known)) {
    return { verdict: 'never', witness, fix: null, how: 'bounds' };
  }
  if (witness === null) return unproven('nothing decides it');
  const holds = (more: Known): boolean => proveNonNegative(normalise(sub(right, left), more), more);
  return refuted(witness, () => proposeFix(left, right, known, holds, '<='));
};

/** What `divide` finds. `size` is the quotient, taken to be whole; `witness` gives both sides where b does not divide a. */
export interface Division {
  readonly size: Size;
  readonly whole: 'proven' | 'refuted' | 'unproven';
  readonly witness: Witness | null;
  readonly fix: string | null;
}

const isMultiple = (p: Size, d: Size, facts: Known): boolean =>
  facts.impossible ||
  exactQuotient(p, d) !== null ||
  decideZero(sub(mul(floorDiv(p, d, facts), d), p), facts).zero === 'zero';

/** `a / b` as a size. Where it is not proven to be whole: numbers for which it is not, and a condition for which it is. */
export const divide = (a: Size, b: Size, facts: Known): Division => {
  const exact = exactQuotient(a, b);
  if (exact !== null) return { size: exact, whole: 'proven', witness: null, fix: null };
  if (!a.known || !b.known) return { size: noSize, whole: 'unproven', witness: null, fix: null };
  const top = asConstant(a);
  const bottom = asConstant(b);
  if (bottom === 0 || (top !== null && bottom !== null)) {
    const witness = { values: [], left: top ?? Number.NaN, right: bottom ?? Number.NaN };
    return { size: noSize, whole: 'refuted', witness, fix: null };
  }
  const written = quotientOf(a, b);
  const known = adoptQuotients(facts, a, b);
  // What is left of the fraction may be simpler than what was written: 2 * h / 4 asks for h % 2 == 0.
  const rest = [...atomsOf(written).values()].find(({ kind }) => kind === 'quotient');
  const [p, d] = rest?.kind === 'quotient' ? [rest.numerator, rest.denominator] : [a, b];
  const [formA, formB] = [normalise(a, known), normalise(b, known)];
  if (isMultiple(formA, formB, known)) {
    const value = exactQuotient(formA, formB);
    const size = value !== null && asConstant(value) !== null ? value : written;
    return { size, whole: 'proven', witness: null, fix: null };
  }
  const witness = findWitness(a, b, known, (x, y) => y !== 0 && x % y !== 0);
  if (witness === null) return { size: written, whole: 'unproven', witness: null, fix: null };
  const suffices = (more: Known): boolean => isMultiple(normalise(a, more), normalise(b, more), more);
  const fix = once(() => proposeFix(p, d, known, suffices, 'divides'));
  return {
    size: written,
    whole: 'refuted',
    witness,
    get fix() {
      return fix();
    },
  };
};
