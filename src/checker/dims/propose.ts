/** Conditions that would make a comparison true. After this: a refuted one may come with a `where` that can be pasted. */
import { type Comparison, assume } from './assume.js';
import type { Known } from './known.js';
import { normalise } from './operations.js';
import {
  type Size,
  allAtoms,
  constant,
  constantPart,
  mul,
  negate,
  sub,
  symbol,
  symbolsOf,
} from './polynomial.js';
import { showDivides, showSize } from './show.js';
import { holds, sampleNumbers } from './witness.js';

interface Candidate {
  readonly left: Size;
  readonly relation: Comparison;
  readonly right: Size;
}

/** Candidates tried for one question, and symbols combined with each other where the sizes' own forms suggest nothing. */
const mostTried = 96;
const mostProofs = 6;
/** A longer condition helps no one. */
const longestFix = 60;
const mostSymbols = 5;

const divides = (divisor: Size, size: Size): Candidate => ({
  left: divisor,
  relation: 'divides',
  right: size,
});
const equals = (left: Size, right: Size): Candidate => ({ left, relation: '==', right });
const atMost = (left: Size, right: Size): Candidate => ({ left, relation: '<=', right });

/** `size` without its number, with a sign that lets it start positive. */
const withoutNumber = (size: Size): Size => {
  const bare = sub(size, constant(constantPart(size)));
  return bare.terms.every(({ coefficient }) => coefficient < 0) ? negate(bare) : bare;
};

/** What floors and minima in the sizes ask for: an exact fraction, or one side that is smaller. */
const fromForms = (sizes: readonly Size[]): readonly Candidate[] => {
  const found: Candidate[] = [];
  for (const size of sizes) {
    for (const atom of allAtoms(size, ({ kind }) => kind !== 'multiplier').values()) {
      if (atom.kind === 'min') found.push(atMost(atom.left, atom.right), atMost(atom.right, atom.left));
      if (atom.kind !== 'floor') continue;
      const bare = withoutNumber(atom.numerator);
      const whole = bare.key === atom.numerator.key ? [bare] : [bare, atom.numerator];
      for (const numerator of whole) found.push(...withPlainMultipliers(atom.denominator, numerator));
    }
  }
  return found;
};

/** A multiplier is no text of its own: `h / 8 % 2 == 0` is `h % 16 == 0`. */
const withPlainMultipliers = (divisor: Size, size: Size): readonly Candidate[] => {
  const [term, ...others] = size.terms;
  const [factor, ...rest] = term?.factors ?? [];
  const atom = factor?.atom;
  const alone = others.length === 0 && rest.length === 0 && factor?.exponent === 1 && term?.coefficient === 1;
  if (alone && atom?.kind === 'multiplier') return [divides(mul(atom.denominator, divisor), atom.numerator)];
  return [divides(divisor, size)];
};

const fromSymbols = (names: readonly string[]): readonly Candidate[] => {
  const found: Candidate[] = [];
  const pairs = names.flatMap((s) =>
    names.filter((t) => t !== s).map((t) => [symbol(s), symbol(t)] as const),
  );
  for (const [s, t] of pairs) if (s.key < t.key) found.push(equals(s, t));
  for (const [s, t] of pairs) found.push(divides(t, s));
  for (const name of names) for (const m of [2, 4, 8, 16]) found.push(divides(constant(m), symbol(name)));
  for (const [s, t] of pairs) found.push(atMost(t, s));
  for (const [s, t] of pairs) {
    for (const name of names) {
      if (name !== s.key && name !== t.key) found.push(divides(symbol(name), sub(s, t)));
    }
  }
  return found;
};

const showCandidate = ({ left, relation, right }: Candidate): string =>
  relation === 'divides' ? showDivides(left, right) : `${showSize(left)} ${relation} ${showSize(right)}`;

/** The condition as asked for: `==` and `<=` between the sides, or that one divides the other. */
const asAsked = (left: Size, right: Size, asked: Comparison): Candidate =>
  asked === 'divides' ? divides(right, left) : { left, relation: asked, right };

const isPlain = (size: Size): boolean => [...allAtoms(size).values()].every(({ kind }) => kind === 'symbol');

/**
 * The first condition that makes `suffices` true and that some numbers meet, as text; null where none was found. `asked` is
 * what is asked of the sides; for `divides`, that `right` divides `left`.
 */
export const proposeFix = (
  left: Size,
  right: Size,
  facts: Known,
  suffices: (more: Known) => boolean,
  asked: Comparison = '==',
): string | null => {
  const forms = [normalise(left, facts), normalise(right, facts)];
  const names = [...new Set([...symbolsOf(left), ...symbolsOf(right)])];
  const asIs = asAsked(left, right, asked);
  const simple = names.length > 0 && isPlain(left) && isPlain(right);
  const bothNamed = symbolsOf(left).size > 0 && symbolsOf(right).size > 0;
  const candidates = [
    ...(asked === 'divides' || (asked === '<=' && simple) ? [asIs] : []),
    ...fromForms([left, right, ...forms]),
    ...(names.length <= mostSymbols ? fromSymbols(names) : []),
    ...(asked === '==' && simple && bothNamed ? [asIs] : []),
  ];
  // Most candidates fail for some small numbers; those are dropped before any proof is tried.
  const samples = sampleNumbers([left, right], facts);
  const seen = new Set<string>();
  let proofs = 0;
  for (const candidate of candidates) {
    const key = `${candidate.relation} ${candidate.left.key} ${candidate.right.key}`;
    if (seen.has(key)) continue;
    if (seen.size >= mostTried || proofs >= mostProofs) break;
    seen.add(key);
    const met = samples.filter((env) => holds(candidate, env));
    if (met.length === 0 || !met.every((env) => holds(asIs, env))) continue;
    proofs += 1;
    const more = assume(facts, candidate.left, candidate.relation, candidate.right);
    const text = showCandidate(candidate);
    if (text.length <= longestFix && !more.impossible && suffices(more)) return text;
  }
  return null;
};
