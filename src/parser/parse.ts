/**
 * From text to a tree. After this: the declarations that are well formed are nodes; every other one has a diagnostic.
 * Never throws, whatever the text.
 */
import type { IToken } from 'chevrotain';
import type { Decl, Spec } from './ast.js';
import type { Diagnostic } from './diagnostic.js';
import { ChainError, type Problem } from './grammar-rules.js';
import { SpecParser } from './grammar.js';
import { lex, type Lexed, type TokenInfo } from './lexical.js';
import * as messages from './messages.gen.js';
import * as regions from './regions.js';
import type { SourceFile } from './source.js';
import { explainSyntax } from './syntax-errors.js';
import { createTree, tokenEnd, type TreeBuilder } from './tree.js';

export type { TokenInfo, TokenKind } from './lexical.js';

export interface Parsed {
  readonly spec: Spec;
  /** Names that what did not parse may declare: whoever names one of them may be right. */
  readonly unread: readonly string[];
  /** Declarations that only look whole: a part of one may be in what did not parse. */
  readonly cut: ReadonlySet<Decl>;
  readonly diagnostics: readonly Diagnostic[];
  /** Every token, comment and `;`, in text order. */
  readonly tokens: readonly TokenInfo[];
}

/** A file with more mistakes than this is reported up to here. */
const mostDiagnostics = 50;

let sharedParser: SpecParser | null = null;
/** Built once, when first wanted: that takes longer than to parse a spec. */
const parserOnce = (): SpecParser => (sharedParser ??= new SpecParser());

/** What stopped the parser, or null. */
type Stop =
  | { readonly kind: 'problem'; readonly problem: Problem }
  | { readonly kind: 'deep'; readonly token: IToken; readonly limit: number };

const run = (parser: SpecParser, tokens: IToken[], tree: TreeBuilder): Stop | null => {
  parser.start(tokens, tree);
  try {
    parser.spec();
  } catch (error) {
    const [first] = tokens;
    if (error instanceof ChainError) return { kind: 'deep', token: error.token, limit: error.limit };
    // The engine's own limit, where less stack is left than usual.
    if (error instanceof RangeError && first !== undefined)
      return { kind: 'deep', token: first, limit: regions.deepestNesting };
    throw error;
  }
  return parser.problem === null ? null : { kind: 'problem', problem: parser.problem };
};

const nestingMessage = (source: SourceFile, token: IToken, most: number): Diagnostic =>
  messages.nestedTooDeep(
    { file: source.id, start: token.startOffset, end: tokenEnd(token) },
    { most },
    { help: 'give parts of it names with `let`, `const` or `fn`' },
  );

/** `layer` owns weights, and a `fn` cannot. */
const misplacedLayers = (decls: readonly Decl[]): readonly Diagnostic[] =>
  decls.flatMap((decl) =>
    decl.kind !== 'fn'
      ? []
      : decl.body.statements.flatMap((statement) =>
          statement.kind !== 'layer'
            ? []
            : [
                messages.strayStatement(
                  { ...statement.span, end: statement.span.start + 'layer'.length },
                  { word: 'layer', place: 'a `fn`, which owns no weights' },
                  { help: 'make it a `block`' },
                ),
              ],
        ),
  );

/** `#` and block comments: the parser does not see them, so that they explain no later fault. */
const commentCodes: readonly string[] = ['ZT1026', 'ZT1027'];

/** What the parser says of a hard word where a value or a name stands. */
const useCodes: readonly string[] = ['ZT1001', 'ZT1016'];

interface Place {
  /** Of the token where the parser stopped, of the broken declaration's first, and of the one from which it was read. */
  readonly index: number;
  readonly start: number;
  readonly context: number;
  readonly region: regions.Region;
  /** Whether the parser read on into the next declaration without seeing it: the last one was not whole. */
  readonly overran: boolean;
}

const placeOf = (source: SourceFile, tokens: readonly IToken[], parser: SpecParser, stop: Stop): Place => {
  const actual = stop.kind === 'deep' ? stop.token : stop.problem.actual;
  const index = Number.isNaN(actual.startOffset)
    ? tokens.length
    : regions.indexAt(tokens, actual.startOffset);
  const context = Math.min(tokens.length - 1, regions.indexAt(tokens, parser.declStart));
  const whole = stop.kind === 'problem' && stop.problem.rule === 'spec';
  const read = regions.regionFrom(source, tokens, context);
  const overran = whole && parser.decls.length > 0 && read.end < index;
  if (!whole || overran) return { index, start: context, context, region: read, overran };
  const start = Math.min(tokens.length - 1, index);
  return { index, start, context, region: regions.regionFrom(source, tokens, start), overran };
};

/** Declarations that share a line with what was left out, or with a wrong comment or character, or that go on in what was left out. */
const cutBy = (
  source: SourceFile,
  { tokens, diagnostics }: Lexed,
  left: readonly (readonly [number, number])[],
  decls: readonly Decl[],
): ReadonlySet<Decl> => {
  const isFaultOf = (decl: Decl, { span }: Diagnostic): boolean =>
    span.start >= decl.span.start &&
    (span.start <= decl.span.end || regions.isOneLine(source, decl.span.end, span.start));
  return new Set(
    decls.filter(
      (decl) =>
        diagnostics.some((fault) => isFaultOf(decl, fault)) ||
        left.some(([from, to]) => regions.mayBelong(source, decl.span, tokens, from, to)),
    ),
  );
};

/** Parses one file. */
export const parse = (source: SourceFile): Parsed => {
  const lexed = lex(source);
  const tree = createTree(source.id, lexed.docs);
  const diagnostics: Diagnostic[] = [...lexed.diagnostics];
  const wordFaults = lexed.diagnostics.filter(({ code }) => !commentCodes.includes(code));
  let decls: Decl[] = [];
  const takenWords = new Set<string>();
  const unread = new Set<string>(lexed.hidden.flatMap(regions.declaredNames));
  const left: (readonly [number, number])[] = [];
  const leaveOut = (from: number, to: number, stop: number | null = null): void => {
    if (from >= to) return;
    const names = regions.namesIn(
      source.text,
      lexed.tokens.slice(from, to),
      stop === null ? null : stop - from,
    );
    for (const name of names) unread.add(name);
    left.push([from, to]);
  };
  const parser = parserOnce();
  let { tokens } = lexed;

  const deep = regions.tooDeep(tokens);
  const deepToken = tokens[deep];
  if (deepToken !== undefined) {
    diagnostics.push(nestingMessage(source, deepToken, regions.deepestNesting));
    tokens = tokens.slice(0, regions.declarationBefore(source.text, tokens, deep));
    leaveOut(tokens.length, lexed.tokens.length);
  }

  let from = 0;
  while (from < tokens.length && diagnostics.length <= mostDiagnostics) {
    const stop = run(parser, from === 0 ? tokens : tokens.slice(from), tree);
    const found = [...parser.decls];
    if (stop === null) {
      decls = decls.concat(found);
      from = tokens.length;
      break;
    }
    tree.forget(parser.declMark);
    const place = placeOf(source, tokens, parser, stop);
    if (place.overran) found.pop();
    decls = decls.concat(found);
    const { index, start, region } = place;
    // What stands behind a declaration may have been meant as a part of it.
    if (start > place.context)
      for (const name of regions.declaredNames(tokens.slice(place.context, start))) unread.add(name);
    if (stop.kind === 'deep') diagnostics.push(nestingMessage(source, stop.token, stop.limit));
    else {
      const until = tokens[index] ?? tokens.at(-1);
      const explained = wordFaults.some(
        ({ span }) => span.end > parser.declStart && until !== undefined && span.start < tokenEnd(until),
      );
      if (!explained) {
        const { problem } = stop;
        const { context } = place;
        const said = explainSyntax({ source, tokens, index, problem, start, context, region, before: decls });
        // A hard word that was taken as a name is wrong where it is declared; its uses need no error of their own.
        const used = [tokens[index], tokens[index - 1]].some((token) => takenWords.has(token?.image ?? ''));
        diagnostics.push(...said.filter(({ code }) => !used || !useCodes.includes(code)));
        if (said.some(({ code }) => code === 'ZT1016')) takenWords.add(tokens[index]?.image ?? '');
      }
    }
    from = Math.max(region.end, start + 1);
    leaveOut(start, from, index);
  }
  // A file with too many mistakes is not read to its end.
  leaveOut(from, tokens.length);

  const cut = cutBy(source, lexed, left, decls);
  diagnostics.push(...misplacedLayers(decls));
  diagnostics.sort((a, b) => a.span.start - b.span.start);
  const surplus = diagnostics[mostDiagnostics];
  if (surplus !== undefined) {
    diagnostics.length = mostDiagnostics;
    diagnostics.push(messages.tooManyErrors(surplus.span, { most: mostDiagnostics }));
  }
  const span = { file: source.id, start: 0, end: source.text.length };
  const spec = tree.nodeAt(span, { kind: 'spec', doc: lexed.doc, decls, comments: lexed.comments });
  tree.number();
  return { spec, unread: [...unread], cut, diagnostics, tokens: lexed.all };
};
