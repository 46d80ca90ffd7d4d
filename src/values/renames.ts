/**
 * Renamings of tensors: `layer{s+1}.0.**` becomes `stages.{s}.first.**`. `*` is any part of one name, `**` any number of whole names,
 * `{s}` a whole number, `{s+1}` one that is larger by 1 than what `{s}` stands for.
 */

/** A pair of patterns: what a name is, and what it becomes. */
export interface Renaming {
  readonly from: string;
  readonly to: string;
}

/** A pair that says nothing that can be done. The message says which side is wrong. */
export class RenamingError extends Error {
  override readonly name = 'RenamingError';

  constructor(
    readonly side: keyof Renaming,
    message: string,
  ) {
    super(message);
  }
}

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'number'; readonly name: string; readonly plus: number };

/** One name between dots; null for `**`. */
type Part = readonly Piece[] | null;

/** What a name has given: names for each `**`, a text for each `*`, in order; numbers by name. */
interface Caught {
  readonly wild: readonly (string | readonly string[])[];
  readonly numbers: ReadonlyMap<string, number>;
}

const number = /^\{([A-Za-z_]\w*)(?:\s*([+-])\s*(\d{1,9}))?\}/;

function partsOf(side: keyof Renaming, pattern: string): readonly Part[] {
  return pattern.split('.').map((part): Part => {
    if (part === '**') return null;
    if (part === '') throw new RenamingError(side, `${JSON.stringify(pattern)} has an empty name`);
    const pieces: Piece[] = [];
    for (let rest = part; rest !== '';) {
      const [found, name = '', sign = '+', plus = '0'] = number.exec(rest) ?? [];
      if (found !== undefined) {
        pieces.push({ kind: 'number', name, plus: Number(`${sign}${plus}`) });
        rest = rest.slice(found.length);
      } else if (rest.startsWith('**')) {
        throw new RenamingError(
          side,
          `\`**\` stands for whole names, and is a part of ${JSON.stringify(part)}`,
        );
      } else if (rest.startsWith('*')) {
        pieces.push({ kind: 'any' });
        rest = rest.slice(1);
      } else if (/^[{}]/.test(rest)) {
        throw new RenamingError(
          side,
          `${JSON.stringify(part)} has a brace that is no \`{name}\` or \`{name+1}\``,
        );
      } else {
        const text = /^[^*{}]+/.exec(rest)?.[0] ?? rest;
        pieces.push({ kind: 'text', text });
        rest = rest.slice(text.length);
      }
    }
    return pieces;
  });
}

/** `*` and `**` of a pattern, in order. */
const wildsOf = (parts: readonly Part[]): readonly string[] =>
  parts.flatMap((part) =>
    part === null ? ['**'] : part.flatMap((piece) => (piece.kind === 'any' ? ['*'] : [])),
  );

const numbersOf = (parts: readonly Part[]): readonly string[] =>
  parts.flatMap((part) => (part ?? []).flatMap((piece) => (piece.kind === 'number' ? [piece.name] : [])));

/**
 * The function that renames: null for a name that is not meant. Where a name can be read in several ways, the first `*` or `**` takes
 * as little as it can. Throws a RenamingError.
 */
export function renamerOf({ from, to }: Renaming): (name: string) => string | null {
  const [taken, made] = [partsOf('from', from), partsOf('to', to)];
  const [wilds, filled] = [wildsOf(taken), wildsOf(made)];
  if (wilds.join(' ') !== filled.join(' ')) {
    const shown = (each: readonly string[]): string =>
      each.length === 0 ? 'no `*`' : each.map((wild) => `\`${wild}\``).join(', ');
    throw new RenamingError(
      'to',
      `${JSON.stringify(from)} has ${shown(wilds)}, ${JSON.stringify(to)} has ${shown(filled)}: both sides have the same ones, in the same order`,
    );
  }
  const known = new Set(numbersOf(taken));
  const unknown = numbersOf(made).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new RenamingError('to', `\`{${unknown}}\` stands for no number of ${JSON.stringify(from)}`);
  return (name) => {
    const caught = matchParts(taken, name.split('.'), { wild: [], numbers: new Map() });
    return caught === null ? null : filledIn(made, caught);
  };
}

function matchParts(parts: readonly Part[], names: readonly string[], caught: Caught): Caught | null {
  const [part, ...others] = parts;
  if (part === undefined) return names.length === 0 ? caught : null;
  if (part !== null) {
    const [name, ...rest] = names;
    return name === undefined
      ? null
      : matchName(part, name, caught, (found) => matchParts(others, rest, found));
  }
  for (let count = 0; count <= names.length; count += 1) {
    const wild = [...caught.wild, names.slice(0, count)];
    const found = matchParts(others, names.slice(count), { ...caught, wild });
    if (found !== null) return found;
  }
  return null;
}

function matchName(
  pieces: readonly Piece[],
  text: string,
  caught: Caught,
  then: (caught: Caught) => Caught | null,
): Caught | null {
  const [piece, ...others] = pieces;
  if (piece === undefined) return text === '' ? then(caught) : null;
  if (piece.kind === 'text')
    return text.startsWith(piece.text)
      ? matchName(others, text.slice(piece.text.length), caught, then)
      : null;
  for (let length = 0; length <= text.length; length += 1) {
    const own = text.slice(0, length);
    const next =
      piece.kind === 'any' ? { ...caught, wild: [...caught.wild, own] } : counted(piece, own, caught);
    const found = next === null ? null : matchName(others, text.slice(length), next, then);
    if (found !== null) return found;
  }
  return null;
}

/** A number as programs write it, of which the name stands for what is left without `plus`. */
function counted(piece: Piece & { readonly kind: 'number' }, text: string, caught: Caught): Caught | null {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(text)) return null;
  const value = Number(text) - piece.plus;
  if (value < 0 || (caught.numbers.get(piece.name) ?? value) !== value) return null;
  return { ...caught, numbers: new Map([...caught.numbers, [piece.name, value]]) };
}

function filledIn(parts: readonly Part[], { wild, numbers }: Caught): string | null {
  let at = 0;
  const next = (): string | readonly string[] => wild[at++] ?? '';
  let isWhole = true;
  const names = parts.flatMap((part): readonly string[] => {
    if (part === null) return [next()].flat();
    return [
      part
        .map((piece) => {
          if (piece.kind === 'text') return piece.text;
          if (piece.kind === 'any') return [next()].flat().join('.');
          const value = (numbers.get(piece.name) ?? 0) + piece.plus;
          if (value < 0) isWhole = false;
          return String(value);
        })
        .join(''),
    ];
  });
  // `{s-1}` of 0 names nothing.
  return isWhole ? names.join('.') : null;
}
