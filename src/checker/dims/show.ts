/** Sizes as text. After this: a size reads as a user would write it, and can be pasted into a spec. */
import {
  type Atom,
  type Size,
  type Term,
  add,
  asConstant,
  atomsOf,
  coefficientOf,
  constantPart,
  divideFactors,
  gcd,
  one,
  scale,
  sizeOfTerm,
  sub,
  zero,
} from './polynomial.js';

/** How tightly a text binds: a sum, a product or fraction, a power, or one that never needs parentheses. */
type Binding = 0 | 1 | 2 | 3;

interface Piece {
  readonly coefficient: number;
  readonly text: string;
  readonly binding: Binding;
}

const wrap = (text: string, binding: Binding, least: Binding): string =>
  binding < least ? `(${text})` : text;

const withBinding = (size: Size): { readonly text: string; readonly binding: Binding } => {
  if (!size.known) return { text: '?', binding: 3 };
  const pieces = piecesOf(size);
  const [first, ...rest] = pieces;
  if (first === undefined) return { text: '0', binding: 3 };
  const head = pieceText(first);
  if (rest.length === 0) return first.coefficient < 0 ? { text: `-${head.text}`, binding: 0 } : head;
  const tail = rest
    .map((piece) => `${piece.coefficient < 0 ? ' - ' : ' + '}${pieceText(piece).text}`)
    .join('');
  return { text: `${first.coefficient < 0 ? '-' : ''}${head.text}${tail}`, binding: 0 };
};

/** A piece without its sign. */
const pieceText = ({
  coefficient,
  text,
  binding,
}: Piece): { readonly text: string; readonly binding: Binding } => {
  const count = Math.abs(coefficient);
  if (text === '') return { text: `${count}`, binding: 3 };
  if (count === 1) return { text, binding };
  // `2 * width / heads` would be read as `(2 * width) / heads`.
  const plain = binding > 1 || !text.includes(' / ');
  return { text: `${count} * ${plain ? wrap(text, binding, 1) : `(${text})`}`, binding: 1 };
};

const inside = (size: Size, least: Binding): string => {
  const { text, binding } = withBinding(size);
  return wrap(text, binding, least);
};

/** `numerator / denominator`, exact. */
export const showFraction = (numerator: Size, denominator: Size): string =>
  asConstant(denominator) === 1 ? showSize(numerator) : `${inside(numerator, 1)} / ${inside(denominator, 2)}`;

const showAtom = (atom: Atom, exponent: number): { readonly text: string; readonly binding: Binding } => {
  switch (atom.kind) {
    case 'symbol':
      return powerOf(atom.name, 3, exponent);
    case 'floor': {
      // floor((p + d - 1) / d) is ceil(p / d); it is shown as such where that is shorter.
      const raised = add(sub(atom.numerator, atom.denominator), one);
      const ceil = raised.known && raised.terms.length < atom.numerator.terms.length;
      const inner = showFraction(ceil ? raised : atom.numerator, atom.denominator);
      return powerOf(`${ceil ? 'ceil' : 'floor'}(${inner})`, 3, exponent);
    }
    case 'quotient':
    case 'multiplier':
      return powerOf(showFraction(atom.numerator, atom.denominator), 1, exponent);
    case 'min':
      return powerOf(`min(${showSize(atom.left)}, ${showSize(atom.right)})`, 3, exponent);
    case 'power':
      return {
        text: `${inside(atom.base, 3)} ** ${inside(scale(atom.exponent, exponent), 3)}`,
        binding: 2,
      };
  }
};

const powerOf = (text: string, binding: Binding, exponent: number) =>
  exponent === 1
    ? { text, binding }
    : ({ text: `${wrap(text, binding, 3)} ** ${exponent}`, binding: 2 } as const);

const termPiece = ({ coefficient, factors }: Term): Piece => {
  const [only, ...others] = factors;
  if (only === undefined) return { coefficient, text: '', binding: 3 };
  if (others.length === 0) return { coefficient, ...showAtom(only.atom, only.exponent) };
  const texts = factors.map(({ atom, exponent }) => {
    const { text, binding } = showAtom(atom, exponent);
    return wrap(text, binding, 2);
  });
  return { coefficient, text: texts.join(' * '), binding: 1 };
};

interface Found {
  readonly piece: Piece;
  readonly rest: Size;
}

/** `a + b - min(a, b)` is `max(a, b)`. */
const findMax = (size: Size): Found | null => {
  for (const atom of atomsOf(size).values()) {
    if (atom.kind !== 'min') continue;
    const count = -coefficientOf(size, atom.key);
    if (count <= 0) continue;
    const both = scale(add(atom.left, atom.right), count);
    const rest = sub(add(size, sizeOfTerm(count, [{ atom, exponent: 1 }])), both);
    if (!rest.known || rest.terms.length >= size.terms.length - 1) continue;
    const text = `max(${showSize(atom.left)}, ${showSize(atom.right)})`;
    return { piece: { coefficient: count, text, binding: 3 }, rest };
  }
  return null;
};

/** A size as `cofactor * atom + rest`, where the rest does not mention the atom itself. */
const takeOut = (size: Size, atom: Atom): { readonly cofactor: Size; readonly rest: Size } => {
  let cofactor = zero;
  let rest = size;
  for (const { coefficient, factors } of size.terms) {
    const others = divideFactors(factors, [{ atom, exponent: 1 }]);
    if (others === null) continue;
    cofactor = add(cofactor, sizeOfTerm(coefficient, others));
    rest = sub(rest, sizeOfTerm(coefficient, factors));
  }
  return { cofactor, rest };
};

/** `p - d * floor(p / d)` is `p % d`. */
const findModulo = (size: Size): Found | null => {
  for (const atom of atomsOf(size).values()) {
    if (atom.kind !== 'floor') continue;
    const { cofactor, rest } = takeOut(size, atom);
    const [lead] = atom.denominator.terms;
    const count = lead === undefined ? 0 : -coefficientOf(cofactor, lead.key) / lead.coefficient;
    if (!Number.isInteger(count) || count <= 0) continue;
    if (add(cofactor, scale(atom.denominator, count)).terms.length > 0) continue;
    const left = sub(rest, scale(atom.numerator, count));
    if (!left.known || left.terms.length >= rest.terms.length) continue;
    const text = `${inside(atom.numerator, 2)} % ${inside(atom.denominator, 2)}`;
    return { piece: { coefficient: count, text: count === 1 ? text : `(${text})`, binding: 1 }, rest: left };
  }
  return null;
};

/** `s * floor((p - 1) / d) + s` is `s * ceil(p / d)`. */
const findCeil = (size: Size): Found | null => {
  for (const atom of atomsOf(size).values()) {
    if (atom.kind !== 'floor' || constantPart(atom.numerator) !== -1) continue;
    const { cofactor, rest } = takeOut(size, atom);
    const [term, ...others] = cofactor.terms;
    if (term === undefined || others.length > 0) continue;
    const left = sub(rest, cofactor);
    const shrinks = Math.abs(coefficientOf(left, term.key)) < Math.abs(coefficientOf(rest, term.key));
    if (!left.known || !shrinks) continue;
    const text = `ceil(${showFraction(add(atom.numerator, one), atom.denominator)})`;
    if (term.factors.length === 0)
      return { piece: { coefficient: term.coefficient, text, binding: 3 }, rest: left };
    const times = inside(sizeOfTerm(1, term.factors), 2);
    return { piece: { coefficient: term.coefficient, text: `${times} * ${text}`, binding: 1 }, rest: left };
  }
  return null;
};

const piecesOf = (size: Size): readonly Piece[] => {
  const pieces: Piece[] = [];
  let rest = size;
  for (;;) {
    const found = findMax(rest) ?? findModulo(rest) ?? findCeil(rest);
    if (found === null) break;
    pieces.push(found.piece);
    rest = found.rest;
  }
  pieces.push(...rest.terms.map(termPiece));
  // A sum does not start with a minus where it can start with something else, and its number stands last.
  const [number] = pieces.filter(({ text }) => text === '');
  const named = pieces.filter(({ text }) => text !== '');
  const positive = named.filter(({ coefficient }) => coefficient > 0);
  const negative = named.filter(({ coefficient }) => coefficient < 0);
  if (number === undefined) return [...positive, ...negative];
  return positive.length === 0 && number.coefficient > 0
    ? [number, ...negative]
    : [...positive, ...negative, number];
};

/** A size in the syntax of a spec: `3 * dim`, `ceil(h / 2)`, `width / heads`; `?` for a size that is not followed. */
export const showSize = (size: Size): string => withBinding(size).text;

/** The condition that `b` divides `a`, as short as it can be said: `h % 2 == 0` for `3 * h` and 2. */
export const showDivides = (b: Size, a: Size): string => {
  const divisor = asConstant(b);
  const [only, ...others] = a.terms;
  let numerator = a;
  if (divisor !== null && only !== undefined && others.length === 0 && only.factors.length > 0) {
    if (gcd(only.coefficient, divisor) === 1) numerator = sizeOfTerm(1, only.factors);
  }
  return `${inside(numerator, 2)} % ${inside(b, 2)} == 0`;
};
