/** What all rules share: how a parser starts, makes nodes, and gives up. */
import { EmbeddedActionsParser, EOF, type IToken, type TokenType } from 'chevrotain';
import type * as Ast from './ast.js';
import { decodeString } from './literals.js';
import * as T from './tokens.js';
import { createTree, type TreeBuilder } from './tree.js';

/** What the parser met where it could not go on. */
export interface Problem {
  readonly rule: string;
  /** What the grammar asks for: one token, or those that start its alternatives. */
  readonly expected: readonly TokenType[];
  readonly actual: IToken;
}

/** More operators or stages in a row, or more expressions in one another without brackets, are refused. */
export const longestChain = 250;
export const deepestChain = 60;

/** An expression that is too long or too deep for a later phase to walk. */
export class ChainError extends Error {
  readonly token: IToken;
  readonly limit: number;
  constructor(token: IToken, limit: number) {
    super('expression chain too long');
    this.token = token;
    this.limit = limit;
  }
}

const binaryOps: ReadonlyMap<TokenType, Ast.BinaryOp> = new Map<TokenType, Ast.BinaryOp>([
  [T.Plus, '+'],
  [T.Minus, '-'],
  [T.Star, '*'],
  [T.Slash, '/'],
  [T.Percent, '%'],
  [T.At, '@'],
  [T.Power, '**'],
  [T.EqualEqual, '=='],
  [T.TripleEqual, '=='],
  [T.NotEqual, '!='],
  [T.NotDoubleEqual, '!='],
  [T.LessEqual, '<='],
  [T.GreaterEqual, '>='],
  [T.Less, '<'],
  [T.Greater, '>'],
  [T.And, 'and'],
  [T.DoubleAnd, 'and'],
  [T.Or, 'or'],
  [T.DoubleBar, 'or'],
]);

/** A parser without rules. `tree` makes the nodes, `problem` is what stopped it. */
export class RuleParser extends EmbeddedActionsParser {
  tree: TreeBuilder = createTree(0, new Map());
  problem: Problem | null = null;
  private depth = 0;

  constructor(checkGrammar: boolean) {
    const note = (rule: string, expected: readonly TokenType[], actual: IToken | undefined): string => {
      this.problem ??= { rule, expected, actual: actual ?? this.LA(1) };
      return rule;
    };
    super(T.allTokens, {
      maxLookahead: 2,
      skipValidations: !checkGrammar,
      errorMessageProvider: {
        buildMismatchTokenMessage: ({ expected, actual, ruleName }) => note(ruleName, [expected], actual),
        buildNotAllInputParsedMessage: ({ firstRedundant, ruleName }) =>
          note(ruleName, [EOF], firstRedundant),
        buildNoViableAltMessage: ({ expectedPathsPerAlt, actual, ruleName }) =>
          note(
            ruleName,
            expectedPathsPerAlt.flat().flatMap((path) => path.slice(0, 1)),
            actual[0],
          ),
        buildEarlyExitMessage: ({ expectedIterationPaths, actual, ruleName }) =>
          note(
            ruleName,
            expectedIterationPaths.flatMap((path) => path.slice(0, 1)),
            actual[0],
          ),
      },
    });
  }

  /** Makes ready for another list of tokens. */
  start(tokens: IToken[], tree: TreeBuilder): void {
    this.input = tokens;
    this.tree = tree;
    this.problem = null;
    this.depth = 0;
  }

  /** A node from `first` to the token read last. */
  protected make<const Fields extends { readonly kind: string }>(first: IToken, fields: Fields) {
    return this.tree.node(first, this.LA(0), fields);
  }

  protected takeName(token: IToken): Ast.Name {
    return this.tree.name(token);
  }

  protected takeText(token: IToken): Ast.StringLiteral {
    return this.tree.node(token, token, { kind: 'string', value: decodeString(token.image).value });
  }

  protected binary(first: IToken, operator: IToken, left: Ast.Expr, right: Ast.Expr): Ast.Expr {
    const op = binaryOps.get(operator.tokenType) ?? '+';
    const opSpan = this.tree.span(operator, operator);
    return this.make(first, { kind: 'binary', op, opSpan, left, right });
  }

  protected guard(count: number, limit: number): void {
    if (count > limit) throw new ChainError(this.LA(1), limit);
  }

  /** Reads what nests without brackets. */
  protected deeper<Result>(read: () => Result): Result {
    this.guard(++this.depth, deepestChain);
    const result = read();
    this.depth--;
    return result;
  }
}
