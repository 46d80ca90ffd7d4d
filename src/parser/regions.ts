/** Where a broken declaration ends and which bracket of it is open. After this: the parser can start again behind it. */
import type { IToken } from 'chevrotain';
import { positionAt, type SourceFile, type Span } from './source.js';
import * as T from './tokens.js';
import { tokenEnd } from './tree.js';

/** Brackets in one another beyond this many are refused: every later phase walks the tree by recursion. */
export const deepestNesting = 200;

const openers: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);
const closers = new Set(openers.values());

export const isOpener = (token: IToken | undefined): boolean =>
  token !== undefined && token.image.length === 1 && openers.has(token.image);
export const isCloser = (token: IToken | undefined): boolean =>
  token !== undefined && token.image.length === 1 && closers.has(token.image);
export const closerOf = (opener: IToken): string => openers.get(opener.image) ?? '}';

/** The index of the first opener that lies too deep, or -1. */
export const tooDeep = (tokens: readonly IToken[]): number => {
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (isOpener(token)) depth++;
    else if (isCloser(token)) depth = Math.max(0, depth - 1);
    if (depth > deepestNesting) return index;
  }
  return -1;
};

const isName = (token: IToken | undefined): boolean =>
  token !== undefined &&
  (token.tokenType === T.Identifier || token.tokenType.CATEGORIES?.includes(T.Identifier) === true);

export const isOneLine = (source: SourceFile, a: number, b: number): boolean =>
  positionAt(source, a).line === positionAt(source, b).line;

const isFirstOfLine = (text: string, { startOffset }: IToken): boolean =>
  startOffset === 0 || text[startOffset - 1] === '\n';

const afterName: ReadonlyMap<string, readonly string[]> = new Map([
  ['const', ['=', ':']],
  ['param', [':']],
  ['fn', ['(']],
  ['block', ['(', 'on']],
  ['model', ['(', 'on', '=']],
  ['data', ['=']],
  ['schedule', ['{']],
  ['optimizer', ['=']],
  ['step', ['(', 'as']],
  ['trainer', ['{']],
  ['addon', ['{', 'as']],
]);

/** Whether a declaration seems to start here; at the start of a line less has to be right than within one. */
const startsDeclaration = (
  text: string,
  tokens: readonly IToken[],
  index: number,
  within: boolean,
): boolean => {
  const token = tokens[index];
  if (token === undefined) return false;
  const lineStart = isFirstOfLine(text, token);
  if (token.tokenType === T.Hash) return lineStart;
  if (!T.declarationWords.includes(token.tokenType)) return false;
  if (within && !lineStart) return false;
  if (lineStart && !within) return true;
  const next = tokens[index + 1];
  const after = tokens[index + 2];
  switch (token.tokenType) {
    case T.Import:
      return next?.image === '{' && (lineStart || isName(after));
    case T.Extern:
      return next?.tokenType === T.Text;
    case T.Assert:
      return lineStart && next?.image !== '=';
    default:
      if (!isName(next)) return false;
      return lineStart || afterName.get(token.image)?.includes(after?.image ?? '') === true;
  }
};

export interface Region {
  /** The index behind its last token. */
  readonly end: number;
  readonly unclosed: IToken | null;
  /** The token before which the closer is missing. */
  readonly noticed: IToken | null;
}

/** How far each line is indented, found when first wanted: lines may be long and hold many brackets. */
const indentsOf = (source: SourceFile): ((line: number) => number) => {
  const known = new Map<number, number>();
  const blank = /[ \t]*/y;
  return (line) => {
    const found = known.get(line);
    if (found !== undefined) return found;
    blank.lastIndex = source.lineStarts[line - 1] ?? 0;
    const indent = blank.exec(source.text)?.[0].length ?? 0;
    known.set(line, indent);
    return indent;
  };
};

/** The region of a declaration that starts at `start` and does not parse. */
export const regionFrom = (source: SourceFile, tokens: readonly IToken[], start: number): Region => {
  const { text } = source;
  const indentOf = indentsOf(source);
  const stack: IToken[] = [];
  let suspicious: IToken | null = null;
  let unclosed: IToken | null = null;
  let noticed: IToken | null = null;
  let end = start;
  for (; end < tokens.length; end++) {
    const token = tokens[end];
    if (token === undefined) break;
    if (end > start && startsDeclaration(text, tokens, end, stack.length > 0)) break;
    if (isOpener(token)) stack.push(token);
    else if (isCloser(token)) {
      const top = stack.at(-1);
      if (top !== undefined && closerOf(top) === token.image) {
        stack.pop();
        const place = positionAt(source, token.startOffset);
        const indent = indentOf(place.line);
        const isFirst = place.column === indent + 1;
        if (isFirst && indent < indentOf(positionAt(source, top.startOffset).line)) suspicious ??= top;
        continue;
      }
      const match = stack.findLastIndex((each) => closerOf(each) === token.image);
      if (match < 0) continue;
      unclosed ??= top ?? null;
      noticed ??= token;
      stack.length = match;
    }
  }
  const left = stack.at(-1);
  if (unclosed === null && left !== undefined) {
    unclosed = suspicious ?? left;
    noticed = tokens[end] ?? null;
  }
  return { end, unclosed, noticed };
};

/** Tokens behind a word of a declaration in which its name is looked for, and what ends them. */
const headLength = 6;
const afterHead: ReadonlySet<string> = new Set(['{', '(', '=', ':', 'on', 'in']);

/** Stands among the names of declarations for one that is not where it should be. */
export const nameless = '';

/** Names in the head of a declaration, from the token behind its first word on. */
const namesFrom = (tokens: readonly IToken[], start: number): readonly string[] => {
  const head = tokens.slice(start, start + headLength);
  const first = head.findIndex(isName);
  const ends = (token: IToken): boolean => afterHead.has(token.image);
  const end = head.findIndex((token, index) => index > first && ends(token));
  const names = (end < 0 ? head : head.slice(0, end)).filter(isName).map(({ image }) => image);
  return first < 0 || head.slice(0, first).some(ends) ? [...names, nameless] : names;
};

/** Whether the word at `index`, the name behind it and what follows a name stand on one line: a comment hides what is not there. */
const hasHead = (text: string, tokens: readonly IToken[], index: number): boolean => {
  const [word, name, after] = tokens.slice(index, index + 3);
  if (word?.tokenType === T.Assert) return true;
  if (!word || !after || !isName(name)) return false;
  const isAfter = afterName.get(word.image)?.includes(after.image) === true;
  return isAfter && !text.slice(word.startOffset, after.startOffset).includes('\n');
};

const isWord = ({ tokenType }: IToken): boolean => T.declarationWords.includes(tokenType);

/** Names that tokens which do not parse may declare: those behind a word that begins a declaration, or behind what stands in its place. */
export const declaredNames = (tokens: readonly IToken[]): readonly string[] => {
  const [first] = tokens;
  const names = tokens.flatMap((token, index) =>
    !isWord(token)
      ? []
      : token.tokenType === T.Import || token.tokenType === T.Extern
        ? tokens.slice(index + 1).flatMap((each) => (isName(each) ? [each.image] : []))
        : namesFrom(tokens, index + 1),
  );
  return first && !isWord(first) ? [...namesFrom(tokens, 0), ...names] : names;
};

/** Tokens from the word of a declaration to the first behind its head. A fault up to there may have changed the name. */
const closeToName = 3;

/** Whether what a region declares may have a name that is not among its own: a line is gone, or it has run into its neighbours. */
const losesName = (text: string, tokens: readonly IToken[], stop: number | null): boolean => {
  const start = tokens[0]?.tokenType === T.Hash ? tokens.findIndex(isWord) : 0;
  const first = tokens[start];
  if (first === undefined || !isWord(first)) return tokens.length > 0;
  if (stop !== null) {
    const before = tokens[stop - 1];
    const at = tokens[stop]?.startOffset ?? null;
    // Where the fault is at the start of a line, one before it may be gone that ended this declaration and began the next.
    if (at === null || stop - start <= closeToName) return true;
    if (before !== undefined && text.slice(tokenEnd(before), at).includes('\n')) return true;
  }
  const begins = (token: IToken, index: number): boolean =>
    index === start || (index > start && isWord(token) && isFirstOfLine(text, token));
  return tokens.some((token, index) => begins(token, index) && !hasHead(text, tokens, index));
};

/** Names that a region may declare; the parser stopped at the token `stop` of it. */
export const namesIn = (text: string, tokens: readonly IToken[], stop: number | null): readonly string[] =>
  losesName(text, tokens, stop) ? [...declaredNames(tokens), nameless] : declaredNames(tokens);

/** Whether a declaration may go on in the tokens from `start` to `end`, or begin there: they share a line, or those begin like no declaration. */
export const mayBelong = (
  source: SourceFile,
  decl: Span,
  tokens: readonly IToken[],
  start: number,
  end: number,
): boolean => {
  const first = tokens[start];
  const last = tokens[end - 1];
  if (first === undefined || last === undefined) return false;
  if (first.startOffset < decl.start) return isOneLine(source, tokenEnd(last), decl.start);
  if (isOneLine(source, decl.end, first.startOffset)) return true;
  const before = tokens[start - 1];
  const isNext = before !== undefined && tokenEnd(before) === decl.end;
  const isOwn = isName(first) || isWord(first) || first.tokenType === T.Hash;
  return isNext && !(isOwn && isFirstOfLine(source.text, first));
};

/** The index of the token that starts at this offset, or the number of tokens. */
export const indexAt = (tokens: readonly IToken[], offset: number): number => {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const token = tokens[middle];
    if (token !== undefined && token.startOffset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** The index of the declaration's first token that holds the token at `index`, as far as line starts show it. */
export const declarationBefore = (text: string, tokens: readonly IToken[], index: number): number => {
  for (let at = index; at > 0; at--) if (startsDeclaration(text, tokens, at, true)) return at;
  return 0;
};
