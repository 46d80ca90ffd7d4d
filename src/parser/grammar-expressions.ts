/** The grammar of types and expressions. After this: operators have their order, and `(a)` is `a`. */
import type { IToken } from 'chevrotain';
import type * as Ast from './ast.js';
import { deepestChain, longestChain, RuleParser } from './grammar-rules.js';
import { decodeString, numberValue } from './literals.js';
import * as T from './tokens.js';

/** Rules of types and expressions. */
export class ExpressionParser extends RuleParser {
  // ---- types

  readonly type = this.RULE('type', (): Ast.TypeExpr => {
    const first = this.LA(1);
    const members = [this.SUBRULE(this.typeTerm)];
    this.MANY(() => {
      this.CONSUME(T.Bar);
      members.push(this.SUBRULE2(this.typeTerm));
    });
    const [only] = members;
    return only !== undefined && members.length === 1
      ? only
      : this.make(first, { kind: 'unionType', members });
  });

  readonly typeTerm = this.RULE('typeTerm', (): Ast.TypeExpr => {
    const first = this.LA(1);
    return this.OR<Ast.TypeExpr>([
      {
        ALT: () => {
          const name = this.takeName(this.CONSUME(T.Identifier));
          const shape = this.OPTION(() => this.SUBRULE(this.shape)) ?? null;
          return this.make(first, { kind: 'namedType', name, shape });
        },
      },
      {
        ALT: () => {
          const { value } = decodeString(this.CONSUME(T.Text).image);
          return this.make(first, { kind: 'literalType', value });
        },
      },
      { ALT: () => this.SUBRULE(this.recordType) },
    ]);
  });

  /** `: type` */
  readonly typeOf = this.RULE('typeOf', (): Ast.TypeExpr => {
    this.CONSUME(T.Colon);
    return this.SUBRULE(this.type);
  });

  readonly recordType = this.RULE('recordType', (): Ast.RecordType => {
    const fields: { readonly name: Ast.Name; readonly type: Ast.TypeExpr }[] = [];
    const first = this.CONSUME(T.LeftBrace);
    this.MANY_SEP({
      SEP: T.Comma,
      DEF: () => {
        const name = this.takeName(this.CONSUME(T.Identifier));
        fields.push({ name, type: this.SUBRULE(this.typeOf) });
      },
    });
    this.CONSUME(T.RightBrace);
    return this.make(first, { kind: 'recordType', fields });
  });

  readonly shape = this.RULE('shape', (): Ast.Shape => {
    const dims: Ast.DimExpr[] = [];
    const first = this.CONSUME(T.LeftBracket);
    this.MANY_SEP({ SEP: T.Comma, DEF: () => dims.push(this.SUBRULE(this.dim)) });
    this.CONSUME(T.RightBracket);
    return this.make(first, { kind: 'shape', dims });
  });

  readonly dim = this.RULE('dim', (): Ast.DimExpr => {
    const first = this.LA(1);
    return this.OR<Ast.DimExpr>([
      {
        ALT: () => {
          this.CONSUME(T.Ellipsis);
          const name = this.OPTION(() => this.takeName(this.CONSUME(T.Identifier))) ?? null;
          return this.make(first, { kind: 'rest', name });
        },
      },
      {
        ALT: () => {
          const size = this.SUBRULE(this.expr);
          return this.make(first, { kind: 'size', size });
        },
      },
    ]);
  });

  // ---- expressions, loosest first

  readonly expr = this.RULE('expr', (): Ast.Expr => {
    const first = this.LA(1);
    const from = this.SUBRULE(this.choice);
    const stages: Ast.Stage[] = [];
    this.MANY(() => {
      this.CONSUME(T.Pipe);
      stages.push(this.SUBRULE(this.stage));
      this.guard(stages.length, longestChain);
    });
    return stages.length === 0 ? from : this.make(first, { kind: 'pipe', from, stages });
  });

  readonly stage = this.RULE('stage', (): Ast.Stage =>
    this.OR<Ast.Stage>([
      { ALT: () => this.SUBRULE(this.repeatStage) },
      { ALT: () => this.SUBRULE(this.applyStage) },
    ]),
  );

  readonly applyStage = this.RULE('applyStage', (): Ast.ApplyStage => {
    const first = this.LA(1);
    const path = this.SUBRULE(this.path);
    const args = this.OPTION(() => this.SUBRULE(this.args)) ?? null;
    const as = this.OPTION2(() => this.SUBRULE(this.alias)) ?? null;
    return this.make(first, { kind: 'apply', path, args, as });
  });

  readonly repeatStage = this.RULE('repeatStage', (): Ast.RepeatStage => {
    const first = this.CONSUME(T.Repeat);
    const binder =
      this.OPTION(() => {
        const name = this.takeName(this.CONSUME(T.Identifier));
        this.CONSUME(T.In);
        return name;
      }) ?? null;
    const from = this.SUBRULE(this.sum);
    const to =
      this.OPTION2(() => {
        this.CONSUME(T.DotDot);
        return this.SUBRULE2(this.sum);
      }) ?? null;
    const as = this.OPTION3(() => this.SUBRULE(this.alias)) ?? null;
    this.CONSUME(T.LeftBrace);
    const stages = [this.SUBRULE(this.stage)];
    this.MANY(() => {
      this.CONSUME(T.Pipe);
      stages.push(this.SUBRULE2(this.stage));
      this.guard(stages.length, longestChain);
    });
    this.CONSUME(T.RightBrace);
    return this.make(first, { kind: 'repeat', binder, from, to, as, stages });
  });

  readonly alias = this.RULE('alias', (): Ast.Name => {
    this.CONSUME(T.As);
    return this.takeName(this.CONSUME(T.Identifier));
  });

  readonly path = this.RULE('path', (): readonly Ast.Name[] => {
    const names = [this.takeName(this.CONSUME(T.Identifier))];
    this.MANY(() => {
      this.CONSUME(T.Dot);
      names.push(this.takeName(this.CONSUME2(T.Identifier)));
    });
    return names;
  });

  readonly choice = this.RULE('choice', (): Ast.Expr => {
    const first = this.LA(1);
    return this.OR<Ast.Expr>([
      {
        ALT: () => {
          this.CONSUME(T.If);
          const test = this.SUBRULE(this.disjunction);
          this.CONSUME(T.Then);
          const then = this.deeper(() => this.SUBRULE(this.choice));
          this.CONSUME(T.Else);
          const otherwise = this.deeper(() => this.SUBRULE2(this.choice));
          return this.make(first, { kind: 'ifExpr', test, then, else: otherwise });
        },
      },
      { ALT: () => this.SUBRULE2(this.disjunction) },
    ]);
  });

  readonly disjunction = this.RULE('disjunction', (): Ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE(this.conjunction);
    let count = 0;
    this.MANY(() => {
      const operator = this.CONSUME(T.Or);
      const right = this.SUBRULE2(this.conjunction);
      this.guard(++count, longestChain);
      left = this.binary(first, operator, left, right);
    });
    return left;
  });

  readonly conjunction = this.RULE('conjunction', (): Ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE(this.negation);
    let count = 0;
    this.MANY(() => {
      const operator = this.CONSUME(T.And);
      const right = this.SUBRULE2(this.negation);
      this.guard(++count, longestChain);
      left = this.binary(first, operator, left, right);
    });
    return left;
  });

  readonly negation = this.RULE('negation', (): Ast.Expr => {
    const signs: IToken[] = [];
    this.MANY(() => signs.push(this.CONSUME(T.Not)));
    this.guard(signs.length, deepestChain);
    const value = this.SUBRULE(this.comparison);
    return signs.reduceRight<Ast.Expr>(
      (inner, sign) => this.make(sign, { kind: 'unary', op: 'not', value: inner }),
      value,
    );
  });

  readonly comparison = this.RULE('comparison', (): Ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE(this.sum);
    this.OPTION(() => {
      const operator = this.LA(1);
      this.OR([
        { ALT: () => this.CONSUME(T.EqualEqual) },
        { ALT: () => this.CONSUME(T.NotEqual) },
        { ALT: () => this.CONSUME(T.LessEqual) },
        { ALT: () => this.CONSUME(T.GreaterEqual) },
        { ALT: () => this.CONSUME(T.Less) },
        { ALT: () => this.CONSUME(T.Greater) },
      ]);
      const right = this.SUBRULE2(this.sum);
      left = this.binary(first, operator, left, right);
    });
    return left;
  });

  readonly sum = this.RULE('sum', (): Ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE(this.product);
    let count = 0;
    this.MANY(() => {
      const operator = this.LA(1);
      this.OR([{ ALT: () => this.CONSUME(T.Plus) }, { ALT: () => this.CONSUME(T.Minus) }]);
      const right = this.SUBRULE2(this.product);
      this.guard(++count, longestChain);
      left = this.binary(first, operator, left, right);
    });
    return left;
  });

  readonly product = this.RULE('product', (): Ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE(this.unary);
    let count = 0;
    this.MANY(() => {
      const operator = this.LA(1);
      this.OR([
        { ALT: () => this.CONSUME(T.Star) },
        { ALT: () => this.CONSUME(T.Slash) },
        { ALT: () => this.CONSUME(T.Percent) },
        { ALT: () => this.CONSUME(T.At) },
      ]);
      const right = this.SUBRULE2(this.unary);
      this.guard(++count, longestChain);
      left = this.binary(first, operator, left, right);
    });
    return left;
  });

  readonly unary = this.RULE('unary', (): Ast.Expr => {
    const signs: IToken[] = [];
    this.MANY(() => signs.push(this.CONSUME(T.Minus)));
    this.guard(signs.length, deepestChain);
    const value = this.SUBRULE(this.power);
    return signs.reduceRight<Ast.Expr>(
      (inner, sign) => this.make(sign, { kind: 'unary', op: '-', value: inner }),
      value,
    );
  });

  readonly power = this.RULE('power', (): Ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE(this.postfix);
    this.OPTION(() => {
      const operator = this.CONSUME(T.Power);
      const right = this.deeper(() => this.SUBRULE(this.unary));
      left = this.binary(first, operator, left, right);
    });
    return left;
  });

  readonly postfix = this.RULE('postfix', (): Ast.Expr => {
    const first = this.LA(1);
    let value = this.SUBRULE(this.primary);
    let count = 0;
    this.MANY(() => {
      this.guard(++count, longestChain);
      const object = value;
      value = this.OR<Ast.Expr>([
        {
          ALT: () => {
            this.CONSUME(T.Dot);
            const name = this.takeName(this.CONSUME(T.Identifier));
            return this.make(first, { kind: 'member', object, name });
          },
        },
        {
          ALT: () => {
            const args = this.SUBRULE(this.args);
            return this.make(first, { kind: 'call', callee: object, args });
          },
        },
        {
          ALT: () => {
            const slices = this.SUBRULE(this.slices);
            return this.make(first, { kind: 'index', object, slices });
          },
        },
      ]);
    });
    return value;
  });

  readonly args = this.RULE('args', (): readonly Ast.Arg[] => {
    const args: Ast.Arg[] = [];
    this.CONSUME(T.LeftParen);
    this.MANY_SEP({ SEP: T.Comma, DEF: () => args.push(this.SUBRULE(this.arg)) });
    this.CONSUME(T.RightParen);
    return args;
  });

  readonly arg = this.RULE('arg', (): Ast.Arg => {
    const first = this.LA(1);
    const name =
      this.OPTION(() => {
        const key = this.takeName(this.CONSUME(T.Identifier));
        this.CONSUME(T.Equal);
        return key;
      }) ?? null;
    const value = this.SUBRULE(this.expr);
    return this.make(first, { kind: 'arg', name, value });
  });

  readonly slices = this.RULE('slices', (): readonly Ast.Slice[] => {
    const slices: Ast.Slice[] = [];
    this.CONSUME(T.LeftBracket);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => slices.push(this.SUBRULE(this.slice)) });
    this.CONSUME(T.RightBracket);
    return slices;
  });

  readonly slice = this.RULE('slice', (): Ast.Slice => {
    const first = this.LA(1);
    return this.OR<Ast.Slice>([
      {
        ALT: () => {
          this.CONSUME(T.Ellipsis);
          return this.make(first, { kind: 'ellipsis' });
        },
      },
      {
        ALT: () => {
          this.CONSUME(T.Colon);
          const to = this.OPTION(() => this.SUBRULE(this.expr)) ?? null;
          return this.make(first, { kind: 'range', from: null, to });
        },
      },
      {
        ALT: () => {
          const from = this.SUBRULE2(this.expr);
          let isRange = false;
          const to =
            this.OPTION2(() => {
              this.CONSUME2(T.Colon);
              isRange = true;
              return this.OPTION3(() => this.SUBRULE3(this.expr)) ?? null;
            }) ?? null;
          return isRange
            ? this.make(first, { kind: 'range', from, to })
            : this.make(first, { kind: 'at', at: from });
        },
      },
    ]);
  });

  readonly primary = this.RULE('primary', (): Ast.Expr => {
    const first = this.LA(1);
    return this.OR<Ast.Expr>([
      { ALT: () => this.number(this.CONSUME(T.FloatNumber), false) },
      { ALT: () => this.number(this.CONSUME(T.IntNumber), true) },
      { ALT: () => this.takeText(this.CONSUME(T.Text)) },
      { ALT: () => this.tree.node(first, this.CONSUME(T.True), { kind: 'bool', value: true }) },
      { ALT: () => this.tree.node(first, this.CONSUME(T.False), { kind: 'bool', value: false }) },
      { ALT: () => this.reference(this.CONSUME(T.Identifier)) },
      { ALT: () => this.SUBRULE(this.tuple) },
      { ALT: () => this.SUBRULE(this.list) },
      { ALT: () => this.SUBRULE(this.record) },
    ]);
  });

  private number(token: IToken, integer: boolean): Ast.NumberLiteral {
    const text = token.image;
    return this.tree.node(token, token, { kind: 'number', value: numberValue(text), integer, text });
  }

  private reference(token: IToken): Ast.NameExpr {
    return this.tree.node(token, token, { kind: 'ref', name: token.image });
  }

  readonly tuple = this.RULE('tuple', (): Ast.Expr => {
    const items: Ast.Expr[] = [];
    const first = this.CONSUME(T.LeftParen);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => items.push(this.SUBRULE(this.expr)) });
    this.CONSUME(T.RightParen);
    const [only] = items;
    return only !== undefined && items.length === 1 ? only : this.make(first, { kind: 'tuple', items });
  });

  readonly list = this.RULE('list', (): Ast.ListExpr => {
    const items: Ast.Expr[] = [];
    const first = this.CONSUME(T.LeftBracket);
    this.MANY_SEP({ SEP: T.Comma, DEF: () => items.push(this.SUBRULE(this.expr)) });
    this.CONSUME(T.RightBracket);
    return this.make(first, { kind: 'list', items });
  });

  readonly record = this.RULE('record', (): Ast.RecordExpr => {
    const fields: { readonly name: Ast.Name; readonly value: Ast.Expr }[] = [];
    const first = this.CONSUME(T.LeftBrace);
    this.MANY_SEP({
      SEP: T.Comma,
      DEF: () => {
        const name = this.takeName(this.CONSUME(T.Identifier));
        this.CONSUME(T.Colon);
        fields.push({ name, value: this.SUBRULE(this.expr) });
      },
    });
    this.CONSUME(T.RightBrace);
    return this.make(first, { kind: 'record', fields });
  });
}
