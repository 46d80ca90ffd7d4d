/** Where the parser stopped, and what is around it. Used by the explanations of syntax errors. */
import type { IToken, TokenType } from 'chevrotain';
import type { Decl } from './ast.js';
import type { DiagnosticDetails } from './diagnostic.js';
import type { Problem } from './grammar-rules.js';
import { isCloser, isOpener, type Region } from './regions.js';
import type { SourceFile, Span } from './source.js';
import * as T from './tokens.js';
import { tokenEnd } from './tree.js';

export interface Situation {
  readonly source: SourceFile;
  readonly tokens: readonly IToken[];
  /** Of the token where the parser stopped; the number of tokens at the end of the file. */
  readonly index: number;
  readonly problem: Problem;
  /** The index of the first token of the broken declaration, and where it ends. */
  readonly start: number;
  /** The index from which the stop was reached: between declarations, of the one before. */
  readonly context: number;
  readonly region: Region;
  /** The declarations before it that parsed. */
  readonly before: readonly Decl[];
}

/** The token `offset` tokens after the one where the parser stopped. */
export const near = (at: Situation, offset: number): IToken | undefined => at.tokens[at.index + offset];

export const wordAt = (at: Situation, offset: number): string => near(at, offset)?.image ?? '';

/** Whether a token is of this type, or counts as it. */
export const isA = (token: IToken | undefined, type: TokenType): boolean =>
  token !== undefined && (token.tokenType === type || token.tokenType.CATEGORIES?.includes(type) === true);

export const isOneOf = (token: IToken | undefined, types: readonly TokenType[]): boolean =>
  token !== undefined && types.some((type) => isA(token, type));

export const expects = (at: Situation, type: TokenType): boolean => at.problem.expected.includes(type);

export const spanOf = (at: Situation, token: IToken): Span => ({
  file: at.source.id,
  start: token.startOffset,
  end: tokenEnd(token),
});

/** Of the token where the parser stopped; at the end of the file, the empty span behind the last token. */
export const stopSpan = (at: Situation): Span => {
  const token = near(at, 0);
  if (token !== undefined) return spanOf(at, token);
  const last = at.tokens.at(-1);
  const end = last === undefined ? 0 : tokenEnd(last);
  return { file: at.source.id, start: end, end };
};

/** The empty span behind a token. */
export const behind = (at: Situation, token: IToken): Span => {
  const end = tokenEnd(token);
  return { file: at.source.id, start: end, end };
};

export const cut = (text: string): string => (text.length > 30 ? `${text.slice(0, 29)}…` : text);

export const shown = (token: IToken | undefined): string =>
  token === undefined ? 'the end of the file' : `\`${cut(token.image)}\``;

/** A help line and the change of text that it describes. */
export const mend = (help: string, span: Span, text: string): DiagnosticDetails => ({
  help,
  fix: { title: help, edits: [{ span, text }] },
});

/** Whether a value may end with this token. */
export const endsValue = (token: IToken | undefined): boolean =>
  isCloser(token) || isOneOf(token, [T.Identifier, T.IntNumber, T.FloatNumber, T.Text, T.True, T.False]);

/**
 * Walks back from the stop through what stands in the same brackets. The first token that `choose` answers with true
 * is returned; undefined where the brackets open first or `choose` answers with false.
 */
export const lookBack = (
  at: Situation,
  choose: (token: IToken) => boolean | undefined,
): IToken | undefined => {
  let depth = 0;
  for (let index = at.index - 1; index >= at.context; index--) {
    const token = at.tokens[index];
    if (token === undefined) return undefined;
    if (isCloser(token)) depth++;
    else if (isOpener(token) && depth-- === 0) return undefined;
    else if (depth === 0) {
      const answer = choose(token);
      if (answer !== undefined) return answer ? token : undefined;
    }
  }
  return undefined;
};

/** The bracket around the stop, within its declaration. */
export const enclosingOpener = (at: Situation): IToken | undefined => {
  let depth = 0;
  for (let index = at.index - 1; index >= at.context; index--) {
    const token = at.tokens[index];
    if (isCloser(token)) depth++;
    else if (isOpener(token) && depth-- === 0) return token;
  }
  return undefined;
};

const expressionBounds: readonly TokenType[] = [
  T.Let,
  T.Return,
  T.Equal,
  T.Comma,
  T.Colon,
  T.Then,
  T.Else,
  T.Arrow,
  T.Where,
  T.If,
  T.Minimize,
  T.Assert,
];

/** The token of one of these types that stands before the stop in the same expression. */
export const earlierInExpression = (at: Situation, types: readonly TokenType[]): IToken | undefined =>
  lookBack(at, (token) =>
    isOneOf(token, types) ? true : isOneOf(token, expressionBounds) ? false : undefined,
  );
