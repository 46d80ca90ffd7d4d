/** Makes nodes. After this: a node has its span, and, once the file is read, a number in text order. */
import type { IToken } from 'chevrotain';
import type { Name } from './ast.js';
import type { Span } from './source.js';

export interface Made {
  id: number;
  readonly span: Span;
}

/** The nodes of one file while it is read. */
export interface TreeBuilder {
  /** A node from the first to the last of these tokens. */
  readonly node: <const Fields extends { readonly kind: string }>(
    first: IToken,
    last: IToken,
    fields: Fields,
  ) => Made & Fields;
  readonly nodeAt: <const Fields extends { readonly kind: string }>(
    span: Span,
    fields: Fields,
  ) => Made & Fields;
  readonly name: (token: IToken) => Name;
  readonly span: (first: IToken, last: IToken) => Span;
  /** The `///` lines straight before this token. */
  readonly docBefore: (token: IToken) => string | null;
  /** How many nodes there are: `forget` drops all that were made since. */
  readonly mark: () => number;
  readonly forget: (mark: number) => void;
  /** Numbers all nodes by where they start; a node comes before what it holds. */
  readonly number: () => void;
}

export const tokenEnd = (token: IToken): number => token.startOffset + token.image.length;

export const createTree = (file: number, docs: ReadonlyMap<number, string>): TreeBuilder => {
  const made: Made[] = [];
  const span = (first: IToken, last: IToken): Span => ({
    file,
    start: first.startOffset,
    end: Math.max(first.startOffset, tokenEnd(last)),
  });
  const nodeAt = <const Fields extends { readonly kind: string }>(
    at: Span,
    fields: Fields,
  ): Made & Fields => {
    const result = { id: 0, span: at, ...fields };
    made.push(result);
    return result;
  };
  const node = <const Fields extends { readonly kind: string }>(
    first: IToken,
    last: IToken,
    fields: Fields,
  ): Made & Fields => nodeAt(span(first, last), fields);
  return {
    node,
    nodeAt,
    span,
    name: (token) => node(token, token, { kind: 'name', text: token.image }),
    docBefore: (token) => docs.get(token.startOffset) ?? null,
    mark: () => made.length,
    forget: (mark) => {
      made.length = mark;
    },
    number: () => {
      const order = made.map((each, index) => ({ each, index }));
      // Of nodes with one span the outer was made last.
      order.sort(
        (a, b) =>
          a.each.span.start - b.each.span.start || b.each.span.end - a.each.span.end || b.index - a.index,
      );
      order.forEach(({ each }, index) => {
        each.id = index;
      });
    },
  };
};
