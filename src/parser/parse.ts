/**
 * From text to a tree. After this: the declarations that are well formed are nodes; every other one has a diagnostic.
 * Never throws, whatever the text.
 */
import type { IToken } from 'chevrotain';
import type { Decl, Spec } from './ast.js';
import type { Diagnostic } from './diagnostic.js';
import { ChainError, type Problem } from './grammar-expressions.js';
import { SpecParser } from './grammar.js';
import { lex, type TokenInfo } from './lexical.js';
import * as messages from './messages.gen.js';
import * as regions from './regions.js';
import type { SourceFile } from './source.js';
import { explainSyntax } from './syntax-errors.js';
import { createTree, tokenEnd, type TreeBuilder } from './tree.js';

export type { TokenInfo, TokenKind } from './lexical.js';

export interface Parsed {
  readonly spec: Spec;
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
  { readonly kind: 'problem'; readonly problem: Problem } | { readonly kind: 'deep'; readonly token: IToken };

const run = (parser: SpecParser, tokens: IToken[], tree: TreeBuilder): Stop | null => {
  parser.start(tokens, tree);
  try {
    parser.spec();
  } catch (error) {
    const [first] = tokens;
    if (error instanceof ChainError) return { kind: 'deep', token: error.token };
    // The engine's own limit, where less stack is left than usual.
    if (error instanceof RangeError && first !== undefined) return { kind: 'deep', token: first };
    throw error;
  }
  return parser.problem === null ? null : { kind: 'problem', problem: parser.problem };
};

const nestingMessage = (source: SourceFile, token: IToken): Diagnostic =>
  messages.nestedTooDeep(
    { file: source.id, start: token.startOffset, end: tokenEnd(token) },
    { most: regions.deepestNesting },
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
                messages.misplacedStatement(
                  { ...statement.span, end: statement.span.start + 'layer'.length },
                  { word: 'layer', place: 'a `fn`, which owns no weights' },
                  { help: 'make it a `block`' },
                ),
              ],
        ),
  );

/** `#` and block comments: the parser does not see them, so that they explain no later fault. */
const commentCodes: readonly string[] = ['ZT1026', 'ZT1027'];

/** Parses one file. */
export const parse = (source: SourceFile): Parsed => {
  const lexed = lex(source);
  const tree = createTree(source.id, lexed.docs);
  const diagnostics: Diagnostic[] = [...lexed.diagnostics];
  const wordFaults = lexed.diagnostics.filter(({ code }) => !commentCodes.includes(code));
  const decls: Decl[] = [];
  const parser = parserOnce();
  let { tokens } = lexed;

  const deep = regions.tooDeep(tokens);
  const deepToken = tokens[deep];
  if (deepToken !== undefined) {
    diagnostics.push(nestingMessage(source, deepToken));
    tokens = tokens.slice(0, regions.declarationBefore(source.text, tokens, deep));
  }

  for (let from = 0; from < tokens.length && diagnostics.length <= mostDiagnostics;) {
    const stop = run(parser, from === 0 ? tokens : tokens.slice(from), tree);
    decls.push(...parser.decls);
    if (stop === null) break;
    tree.forget(parser.declMark);
    const startOffset =
      stop.kind === 'problem' && stop.problem.rule === 'spec'
        ? stop.problem.actual.startOffset
        : parser.declStart;
    const start = Math.min(tokens.length - 1, regions.indexAt(tokens, startOffset));
    const region = regions.regionFrom(source.text, tokens, start);
    if (stop.kind === 'deep') diagnostics.push(nestingMessage(source, stop.token));
    else {
      const { actual } = stop.problem;
      const index = Number.isNaN(actual.startOffset)
        ? tokens.length
        : regions.indexAt(tokens, actual.startOffset);
      const until = tokens[index] ?? tokens.at(-1);
      const explained = wordFaults.some(
        ({ span }) => span.end > startOffset && until !== undefined && span.start < tokenEnd(until),
      );
      if (!explained) {
        const { problem } = stop;
        diagnostics.push(...explainSyntax({ source, tokens, index, problem, start, region, before: decls }));
      }
    }
    from = Math.max(region.end, start + 1);
  }

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
  return { spec, diagnostics, tokens: lexed.all };
};
