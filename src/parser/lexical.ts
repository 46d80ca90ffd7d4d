/** From text to tokens. After this: every token has its place, comments hang on what they stand before. */
import { Lexer, type IToken, type TokenType } from 'chevrotain';
import type { Comment } from './ast.js';
import type { Diagnostic, Fix } from './diagnostic.js';
import { decodeString, numberValue } from './literals.js';
import * as messages from './messages.gen.js';
import type { SourceFile, Span } from './source.js';
import * as T from './tokens.js';
import { tokenEnd } from './tree.js';

export type TokenKind =
  'keyword' | 'name' | 'number' | 'string' | 'punctuation' | 'comment' | 'doc' | 'separator';

/** A token as editors and the formatter see it. A soft word is a `name` here: only the tree knows better. */
export interface TokenInfo {
  readonly kind: TokenKind;
  readonly span: Span;
}

export interface Lexed {
  /** What the parser reads. */
  readonly tokens: IToken[];
  /** Those, with comments and `;`, in text order. */
  readonly all: readonly TokenInfo[];
  readonly comments: readonly Comment[];
  /** The `///` lines straight before the token at an offset. */
  readonly docs: ReadonlyMap<number, string>;
  /** The file's own doc. */
  readonly doc: string | null;
  readonly diagnostics: readonly Diagnostic[];
  /** Tokens of texts that a fault has hidden from the parser, each text by itself: what is no comment, and a string that has no end. */
  readonly hidden: readonly IToken[][];
}

let sharedLexer: Lexer | null = null;
/** Built once, when first wanted, since `ztrainc --help` needs none. */
const lexerOnce = (): Lexer =>
  (sharedLexer ??= new Lexer(T.allTokens, {
    positionTracking: 'onlyOffset',
    deferDefinitionErrorsHandling: false,
    skipValidations: true,
  }));

const kindOf = (type: TokenType): TokenKind => {
  if (type === T.Identifier || type.CATEGORIES?.includes(T.Identifier) === true) return 'name';
  if (T.hardWords.includes(type)) return 'keyword';
  const meant = [type, ...(type.CATEGORIES ?? [])];
  if (meant.includes(T.Text)) return 'string';
  return meant.includes(T.IntNumber) || type === T.FloatNumber ? 'number' : 'punctuation';
};

const replaceBy = (
  title: string,
  span: Span,
  text: string,
): { readonly help: string; readonly fix: Fix } => ({
  help: title,
  fix: { title, edits: [{ span, text }] },
});

const operatorsMeant: ReadonlyMap<TokenType, string> = new Map([
  [T.TripleEqual, '=='],
  [T.NotDoubleEqual, '!='],
  [T.DoubleAnd, 'and'],
  [T.DoubleBar, 'or'],
  [T.Bang, 'not'],
]);

/** A word needs room around it where the sign needed none. */
const spaced = (text: string, span: Span, word: string): string => {
  if (!/^\w/.test(word)) return word;
  const before = /\w$/.test(text.slice(Math.max(0, span.start - 1), span.start)) ? ' ' : '';
  const after = /^[\w"(]/.test(text.slice(span.end, span.end + 1)) ? ' ' : '';
  return before + word + after;
};

const explainNumber = (token: IToken, span: Span): Diagnostic => {
  const found = token.image;
  if (token.tokenType === T.BareFraction) {
    return messages.badNumber(span, { found }, replaceBy(`write \`0${found}\``, span, `0${found}`));
  }
  if (token.tokenType === T.DotNumber) {
    const whole = found.slice(0, -1);
    return messages.badNumber(span, { found }, replaceBy(`write \`${whole}.0\``, span, `${whole}.0`));
  }
  const [, amount = '', unit = ''] = /^([0-9_.]+)([A-Za-z]\w*)$/.exec(found) ?? [];
  if (/^0[xXbBoO]/.test(found)) {
    return messages.badNumber(span, { found }, { help: 'numbers are decimal' });
  }
  if (/^[eE]$/.test(unit)) {
    return messages.badNumber(span, { found }, { help: `write the exponent's digits: \`${amount}e-3\`` });
  }
  return messages.badNumber(span, { found }, { help: `a unit follows a dot: \`${amount}.${unit}\`` });
};

const explainMistaken = (file: SourceFile, token: IToken, span: Span): Diagnostic | null => {
  const meant = operatorsMeant.get(token.tokenType);
  if (meant !== undefined) {
    const found = token.image;
    const fix = replaceBy(`write \`${meant}\``, span, spaced(file.text, span, meant));
    return messages.foreignOperator(span, { found }, fix);
  }
  switch (token.tokenType) {
    case T.FatArrow:
      return messages.wrongArrow(span, { found: '=>' }, replaceBy('write `->`', span, '->'));
    case T.SingleQuoted: {
      const inner = token.image.slice(1, -1);
      const text = `"${inner.replaceAll("\\'", "'").replaceAll('"', '\\"')}"`;
      return messages.singleQuotes(span, replaceBy(`write \`${text}\``, span, text));
    }
    case T.OpenString:
      return messages.openString(
        { ...span, end: Math.min(span.end, span.start + 1) },
        { help: 'end it with `"` on the same line; a line break inside is written `\\n`' },
      );
    case T.WordNumber:
    case T.DotNumber:
    case T.BareFraction:
      return explainNumber(token, span);
    default:
      return null;
  }
};

const explainLiteral = (token: IToken, span: Span): readonly Diagnostic[] => {
  const { tokenType: type, image } = token;
  const isText = type === T.Text || type === T.SingleQuoted || type === T.OpenString;
  if (isText && image.includes('\\')) {
    return decodeString(image).faults.map(({ start, end, found }) =>
      messages.badEscape(
        {
          file: span.file,
          start: span.start + start,
          end: Math.max(span.start + end, span.start + start + 1),
        },
        { found },
        { help: 'write one of `\\n`, `\\t`, `\\"`, `\\\\` and `\\u{1F600}`; a backslash itself is `\\\\`' },
      ),
    );
  }
  if ((type === T.FloatNumber || type === T.IntNumber) && !Number.isFinite(numberValue(image))) {
    const found = image.length > 20 ? `${image.slice(0, 20)}…` : image;
    return [messages.hugeNumber(span, { found }, { help: 'write a number below 1.8e308' })];
  }
  return [];
};

const characterHelp: ReadonlyMap<string, string> = new Map([
  ['?', 'a choice is written `if test then a else b`'],
  ['^', 'a power is written `a ** b`'],
  ['&', 'both is written `a and b`'],
  ['~', 'the opposite of a bool is written `not a`'],
  ['“', 'strings stand in straight quotes, `"`'],
  ['”', 'strings stand in straight quotes, `"`'],
  ['‘', 'strings stand in straight quotes, `"`'],
  ['’', 'strings stand in straight quotes, `"`'],
  ["'", 'strings stand in double quotes, `"`'],
  ['`', 'strings stand in straight quotes, `"`'],
  ['$', 'a name is written without `$`'],
  ['\\', 'a statement goes on in the next line without a sign'],
  ['\u00a0', 'this is a space that does not break: write a plain space'],
]);

const explainCharacters = (file: SourceFile, offset: number, length: number): Diagnostic => {
  const text = file.text.slice(offset, offset + length);
  const [first = ''] = text;
  const code = (first.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  const printable = /^[\p{L}\p{N}\p{P}\p{S}]$/u.test(first);
  const help = /^\p{L}$/u.test(first)
    ? 'names are made of the letters a to z, digits and `_`'
    : (characterHelp.get(first) ?? 'remove it, or put it in a string');
  const span = { file: file.id, start: offset, end: offset + length };
  return messages.unknownCharacter(span, { found: printable ? `\`${first}\`` : `U+${code}` }, { help });
};

/** Of each sort; a file with more is not a spec. */
const mostFaults = 50;

interface DocPart {
  readonly lines: string[];
  end: number;
}

const docLine = (image: string): string => image.slice(3).replace(/^ /, '').trimEnd();

/** Hangs `///` lines on the tokens after them. At the file's head all parts but the last are the file's own. */
const hangDocs = (
  text: string,
  tokens: readonly IToken[],
  docs: readonly IToken[],
): { readonly byToken: ReadonlyMap<number, string>; readonly file: string | null } => {
  const byToken = new Map<number, string>();
  let file: string | null = null;
  let at = 0;
  for (let index = 0; index <= tokens.length && at < docs.length; index++) {
    const before = tokens[index]?.startOffset ?? Infinity;
    const parts: DocPart[] = [];
    for (let doc = docs[at]; doc !== undefined && doc.startOffset < before; doc = docs[++at]) {
      const last = parts.at(-1);
      const end = tokenEnd(doc);
      if (last !== undefined && !/\n[ \t\r]*\n/.test(text.slice(last.end, doc.startOffset))) {
        last.lines.push(docLine(doc.image));
        last.end = end;
      } else parts.push({ lines: [docLine(doc.image)], end });
    }
    if (parts.length === 0) continue;
    const texts = parts.map(({ lines }) => lines.join('\n'));
    const own = index === 0 && (texts.length === 1 || before === Infinity) ? null : (texts.pop() ?? null);
    if (index === 0) file = texts.join('\n\n');
    if (own !== null && before !== Infinity) byToken.set(before, own);
  }
  return { byToken, file };
};

/**
 * The tokens, as they are written, of a text without mistakes that say what it means: not its comments, blank space and `;`, nor
 * `# allow`, which is about what the compiler tells.
 */
export const meantTokens = (text: string): readonly string[] => {
  const { tokens } = lexerOnce().tokenize(text);
  const meant: string[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    // `#`, `allow`, the code, the reason.
    while (tokens[at]?.tokenType === T.Hash) at += 4;
    const token = tokens[at];
    if (token !== undefined) meant.push(token.image);
  }
  return meant;
};

/** Cuts a file into tokens. Reports what is wrong with single tokens; takes each for what was meant. */
export const lex = (file: SourceFile): Lexed => {
  const { tokens, groups, errors } = lexerOnce().tokenize(file.text);
  const group = (name: string): readonly IToken[] => groups[name] ?? [];
  const spanOf = (token: IToken): Span => ({ file: file.id, start: token.startOffset, end: tokenEnd(token) });
  const diagnostics: Diagnostic[] = errors
    .slice(0, mostFaults)
    .map(({ offset, length }) => explainCharacters(file, offset, length));
  for (const token of tokens) {
    if (diagnostics.length >= 2 * mostFaults) break;
    const span = spanOf(token);
    const mistake = explainMistaken(file, token, span);
    if (mistake) diagnostics.push(mistake);
    diagnostics.push(...explainLiteral(token, span));
  }
  for (const token of group('blockComments').slice(0, mostFaults)) {
    const opener = { ...spanOf(token), end: token.startOffset + 2 };
    diagnostics.push(messages.blockComment(opener, { help: 'start each line of a comment with `//`' }));
  }
  for (const token of group('hashComments').slice(0, mostFaults)) {
    const sign = { ...spanOf(token), end: token.startOffset + 1 };
    diagnostics.push(messages.hashComment(sign, replaceBy('write `//`', sign, '//')));
  }
  const docs = group('docs');
  const toComment =
    (doc: boolean) =>
    (token: IToken): Comment => ({
      span: spanOf(token),
      text: doc ? docLine(token.image) : token.image.slice(2).replace(/^ /, '').trimEnd(),
      doc,
    });
  const comments = [...docs.map(toComment(true)), ...group('comments').map(toComment(false))];
  const byStart = (a: { readonly span: Span }, b: { readonly span: Span }): number =>
    a.span.start - b.span.start;
  const all: TokenInfo[] = [
    ...tokens.map((token) => ({ kind: kindOf(token.tokenType), span: spanOf(token) })),
    ...comments.map(({ doc, span }): TokenInfo => ({ kind: doc ? 'doc' : 'comment', span })),
    ...group('separators').map((token): TokenInfo => ({ kind: 'separator', span: spanOf(token) })),
  ];
  const hidden = [
    ...group('hashComments'),
    ...group('blockComments'),
    ...tokens.filter(({ tokenType }) => tokenType === T.OpenString),
  ]
    .slice(0, mostFaults)
    .map(({ image }) => lexerOnce().tokenize(image.replace(/^(?:#|"|\/\*)/, '')).tokens);
  const hung = hangDocs(file.text, tokens, docs);
  return {
    tokens,
    all: all.sort(byStart),
    comments: comments.sort(byStart),
    docs: hung.byToken,
    doc: hung.file,
    diagnostics: diagnostics.sort(byStart),
    hidden,
  };
};
