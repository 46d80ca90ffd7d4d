/** The grammar of what stands in braces: graphs, configs and step bodies, and the parameters before them. */
import type * as Ast from './ast.js';
import { ExpressionParser } from './grammar-expressions.js';
import * as T from './tokens.js';

/** What an `assert` says, wherever it stands. */
export interface AssertParts {
  readonly test: Ast.Expr;
  readonly message: Ast.StringLiteral | null;
}

/** Rules of bodies. */
export class BodyParser extends ExpressionParser {
  readonly item = this.RULE('item', (): Ast.Item => {
    const first = this.CONSUME(T.Identifier);
    const doc = this.tree.docBefore(first);
    const name = this.takeName(first);
    const type = this.SUBRULE(this.typeOf);
    const value =
      this.OPTION(() => {
        this.CONSUME(T.Equal);
        return this.SUBRULE(this.expr);
      }) ?? null;
    const where =
      this.OPTION2(() => {
        this.CONSUME(T.Where);
        return this.SUBRULE2(this.expr);
      }) ?? null;
    return this.make(first, { kind: 'item', doc, name, type, value, where });
  });

  readonly params = this.RULE('params', (): readonly Ast.Item[] => {
    const items: Ast.Item[] = [];
    this.CONSUME(T.LeftParen);
    this.MANY_SEP({ SEP: T.Comma, DEF: () => items.push(this.SUBRULE(this.item)) });
    this.CONSUME(T.RightParen);
    return items;
  });

  readonly assertion = this.RULE('assertion', (): AssertParts => {
    this.CONSUME(T.Assert);
    const test = this.SUBRULE(this.expr);
    const message =
      this.OPTION(() => {
        this.CONSUME(T.Comma);
        return this.takeText(this.CONSUME(T.Text));
      }) ?? null;
    return { test, message };
  });

  readonly signature = this.RULE('signature', (): Ast.Signature => {
    const first = this.CONSUME(T.On);
    const inputs: { readonly name: Ast.Name; readonly type: Ast.TypeExpr }[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        const name = this.takeName(this.CONSUME(T.Identifier));
        inputs.push({ name, type: this.SUBRULE(this.typeOf) });
      },
    });
    this.CONSUME(T.Arrow);
    const result = this.SUBRULE(this.type);
    return this.make(first, { kind: 'signature', inputs, result });
  });

  readonly graph = this.RULE('graph', (): Ast.Graph => {
    const statements: (Ast.LayerStmt | Ast.LetStmt | Ast.AssertStmt)[] = [];
    const first = this.CONSUME(T.LeftBrace);
    this.MANY(() =>
      this.OR([
        { ALT: () => statements.push(this.SUBRULE(this.layerStmt)) },
        { ALT: () => statements.push(this.SUBRULE(this.letStmt)) },
        { ALT: () => statements.push(this.SUBRULE(this.assertStmt)) },
      ]),
    );
    this.CONSUME(T.Return);
    const result = this.SUBRULE(this.expr);
    this.CONSUME(T.RightBrace);
    return this.make(first, { kind: 'graph', statements, result });
  });

  readonly layerStmt = this.RULE('layerStmt', (): Ast.LayerStmt => {
    const first = this.CONSUME(T.Layer);
    const doc = this.tree.docBefore(first);
    const name = this.takeName(this.CONSUME(T.Identifier));
    this.CONSUME(T.Equal);
    const value = this.SUBRULE(this.expr);
    return this.make(first, { kind: 'layer', doc, name, value });
  });

  readonly letStmt = this.RULE('letStmt', (): Ast.LetStmt => {
    const first = this.CONSUME(T.Let);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const type = this.OPTION(() => this.SUBRULE(this.typeOf)) ?? null;
    this.CONSUME(T.Equal);
    const value = this.SUBRULE(this.expr);
    return this.make(first, { kind: 'let', name, type, value });
  });

  readonly assertStmt = this.RULE('assertStmt', (): Ast.AssertStmt => {
    const first = this.LA(1);
    const parts = this.SUBRULE(this.assertion);
    return this.make(first, { kind: 'assert', ...parts });
  });

  readonly config = this.RULE('config', (): Ast.Config => {
    const entries: Ast.ConfigEntry[] = [];
    const first = this.CONSUME(T.LeftBrace);
    this.MANY(() => entries.push(this.SUBRULE(this.entry)));
    this.CONSUME(T.RightBrace);
    return this.make(first, { kind: 'config', entries });
  });

  readonly entry = this.RULE('entry', (): Ast.ConfigEntry => {
    const first = this.LA(1);
    return this.OR<Ast.ConfigEntry>([
      {
        ALT: () => {
          this.CONSUME(T.Group);
          const name = this.takeName(this.CONSUME(T.Identifier));
          const config = this.SUBRULE(this.config);
          return this.make(first, { kind: 'group', name, config });
        },
      },
      {
        ALT: () => {
          this.CONSUME(T.MapWord);
          const row = this.takeName(this.CONSUME2(T.Identifier));
          this.CONSUME(T.Arrow);
          const value = this.SUBRULE(this.expr);
          return this.make(first, { kind: 'map', row, value });
        },
      },
      {
        ALT: () => {
          const name = this.takeName(this.CONSUME3(T.Identifier));
          this.CONSUME(T.Equal);
          const value = this.SUBRULE2(this.expr);
          return this.make(first, { kind: 'attribute', name, value });
        },
      },
    ]);
  });

  readonly body = this.RULE('body', (): Ast.StepBody => {
    const statements: Ast.StepStmt[] = [];
    const first = this.CONSUME(T.LeftBrace);
    this.MANY(() => statements.push(this.SUBRULE(this.statement)));
    this.CONSUME(T.RightBrace);
    return this.make(first, { kind: 'body', statements });
  });

  readonly statement = this.RULE('statement', (): Ast.StepStmt =>
    this.OR<Ast.StepStmt>([
      { ALT: () => this.SUBRULE(this.letStmt) },
      { ALT: () => this.SUBRULE(this.assertStmt) },
      { ALT: () => this.SUBRULE(this.updateStmt) },
      { ALT: () => this.SUBRULE(this.minimizeStmt) },
      { ALT: () => this.SUBRULE(this.metricStmt) },
      { ALT: () => this.SUBRULE(this.everyStmt) },
      { ALT: () => this.SUBRULE(this.forStmt) },
      { ALT: () => this.SUBRULE(this.ifStmt) },
      { ALT: () => this.SUBRULE(this.returnStmt) },
    ]),
  );

  readonly updateStmt = this.RULE('updateStmt', (): Ast.UpdateStmt => {
    const first = this.CONSUME(T.Update);
    const optimizers: Ast.Name[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => optimizers.push(this.takeName(this.CONSUME(T.Identifier))),
    });
    const body = this.SUBRULE(this.body);
    return this.make(first, { kind: 'update', optimizers, body });
  });

  readonly minimizeStmt = this.RULE('minimizeStmt', (): Ast.MinimizeStmt => {
    const first = this.CONSUME(T.Minimize);
    const value = this.SUBRULE(this.expr);
    return this.make(first, { kind: 'minimize', value });
  });

  readonly metricStmt = this.RULE('metricStmt', (): Ast.MetricStmt => {
    const first = this.CONSUME(T.Metric);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const value =
      this.OPTION(() => {
        this.CONSUME(T.Equal);
        return this.SUBRULE(this.expr);
      }) ?? null;
    const by =
      this.OPTION2(() => {
        this.CONSUME(T.By);
        return this.takeName(this.CONSUME2(T.Identifier));
      }) ?? null;
    return this.make(first, { kind: 'metric', name, value, by });
  });

  readonly everyStmt = this.RULE('everyStmt', (): Ast.EveryStmt => {
    const first = this.CONSUME(T.Every);
    const interval = this.SUBRULE(this.expr);
    const body = this.SUBRULE(this.body);
    return this.make(first, { kind: 'every', interval, body });
  });

  readonly forStmt = this.RULE('forStmt', (): Ast.ForStmt => {
    const first = this.CONSUME(T.For);
    const name = this.takeName(this.CONSUME(T.Identifier));
    this.CONSUME(T.In);
    const from = this.SUBRULE(this.sum);
    this.CONSUME(T.DotDot);
    const to = this.SUBRULE2(this.sum);
    const body = this.SUBRULE(this.body);
    return this.make(first, { kind: 'for', name, from, to, body });
  });

  readonly ifStmt = this.RULE('ifStmt', (): Ast.IfStmt => {
    const first = this.CONSUME(T.If);
    const test = this.SUBRULE(this.expr);
    const then = this.SUBRULE(this.body);
    const otherwise =
      this.OPTION(() => {
        this.CONSUME(T.Else);
        return this.SUBRULE2(this.body);
      }) ?? null;
    return this.make(first, { kind: 'if', test, then, else: otherwise });
  });

  readonly returnStmt = this.RULE('returnStmt', (): Ast.ReturnStmt => {
    const first = this.CONSUME(T.Return);
    const value = this.SUBRULE(this.expr);
    return this.make(first, { kind: 'return', value });
  });
}
