/**
 * The grammar of declarations. After this: a list of tokens is a tree, or the first place where it is none. Recovery
 * is not the parser's: `parse.ts` starts it again at the next declaration, so that one mistake is one message.
 */
import { EOF, type IToken } from 'chevrotain';
import type * as Ast from './ast.js';
import { BodyParser } from './grammar-bodies.js';
import * as T from './tokens.js';
import type { TreeBuilder } from './tree.js';

/** What every declaration has. */
interface DeclParts {
  readonly doc: string | null;
  readonly allows: readonly Ast.Allow[];
}

/** The parser of whole files. `decls` gathers the declarations that are whole. */
export class SpecParser extends BodyParser {
  decls: Ast.Decl[] = [];
  /** Where the declaration starts that is being read, and how many nodes there were before it. */
  declStart = 0;
  declMark = 0;
  private declFirst: IToken = this.LA(1);

  constructor(checkGrammar = false) {
    super(checkGrammar);
    this.performSelfAnalysis();
  }

  override start(tokens: IToken[], tree: TreeBuilder): void {
    super.start(tokens, tree);
    this.decls = [];
    this.declStart = tokens[0]?.startOffset ?? 0;
    this.declMark = tree.mark();
  }

  private makeDecl<const Fields extends { readonly kind: string }>(fields: Fields) {
    return this.make(this.declFirst, fields);
  }

  readonly spec = this.RULE('spec', (): void => {
    this.MANY(() => {
      this.declStart = this.LA(1).startOffset;
      this.declMark = this.tree.mark();
      const decl = this.SUBRULE(this.decl);
      this.ACTION(() => this.decls.push(decl));
    });
    this.CONSUME(EOF);
  });

  readonly decl = this.RULE('decl', (): Ast.Decl => {
    const first = this.LA(1);
    this.declFirst = first;
    const allows: Ast.Allow[] = [];
    this.MANY(() => allows.push(this.SUBRULE(this.allow)));
    const keyword = this.LA(1);
    const doc = this.tree.docBefore(keyword) ?? this.tree.docBefore(first);
    const base = { doc, allows };
    return this.OR<Ast.Decl>([
      { ALT: () => this.SUBRULE(this.importDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.externDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.constDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.paramDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.assertDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.fnDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.blockDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.modelDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.dataDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.scheduleDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.optimizerDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.stepDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.trainerDecl, { ARGS: [base] }) },
      { ALT: () => this.SUBRULE(this.addonDecl, { ARGS: [base] }) },
    ]);
  });

  readonly allow = this.RULE('allow', (): Ast.Allow => {
    const first = this.CONSUME(T.Hash);
    this.CONSUME(T.Allow);
    const code = this.takeName(this.CONSUME(T.Identifier));
    const reason = this.takeText(this.CONSUME(T.Text));
    return this.make(first, { kind: 'allow', code, reason });
  });

  readonly importDecl = this.RULE('importDecl', (base: DeclParts): Ast.ImportDecl => {
    this.CONSUME(T.Import);
    const names: { readonly name: Ast.Name; readonly as: Ast.Name | null }[] = [];
    this.CONSUME(T.LeftBrace);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        const name = this.takeName(this.CONSUME(T.Identifier));
        const as = this.OPTION(() => this.SUBRULE(this.alias)) ?? null;
        names.push({ name, as });
      },
    });
    this.CONSUME(T.RightBrace);
    this.CONSUME(T.From);
    const from = this.takeText(this.CONSUME(T.Text));
    return this.makeDecl({ kind: 'import', ...base, names, from });
  });

  readonly externDecl = this.RULE('externDecl', (base: DeclParts): Ast.ExternDecl => {
    this.CONSUME(T.Extern);
    const module = this.takeText(this.CONSUME(T.Text));
    const items: Ast.ExternItem[] = [];
    this.CONSUME(T.LeftBrace);
    this.MANY(() => items.push(this.SUBRULE(this.externItem)));
    this.CONSUME(T.RightBrace);
    return this.makeDecl({ kind: 'extern', ...base, module, items });
  });

  readonly externItem = this.RULE('externItem', (): Ast.ExternItem => {
    const first = this.LA(1);
    const doc = this.tree.docBefore(first);
    const what = this.OR<Ast.ExternKind>([
      { ALT: () => this.word(this.CONSUME(T.Fn), 'fn') },
      { ALT: () => this.word(this.CONSUME(T.Layer), 'layer') },
      { ALT: () => this.word(this.CONSUME(T.Data), 'data') },
      { ALT: () => this.word(this.CONSUME(T.Model), 'model') },
      { ALT: () => this.word(this.CONSUME(T.Optimizer), 'optimizer') },
      { ALT: () => this.word(this.CONSUME(T.Schedule), 'schedule') },
      { ALT: () => this.word(this.CONSUME(T.Metric), 'metric') },
      { ALT: () => this.word(this.CONSUME(T.Trainer), 'trainer') },
      { ALT: () => this.word(this.CONSUME(T.Addon), 'addon') },
    ]);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const params = this.OPTION(() => this.SUBRULE(this.params)) ?? [];
    let signature: Ast.Signature | null = null;
    let result: Ast.TypeExpr | null = null;
    this.OPTION2(() =>
      this.OR2([
        {
          ALT: () => {
            signature = this.SUBRULE(this.signature);
          },
        },
        {
          ALT: () => {
            this.CONSUME(T.Arrow);
            result = this.SUBRULE(this.type);
          },
        },
      ]),
    );
    const config = this.OPTION3(() => this.SUBRULE(this.config)) ?? null;
    return this.make(first, { kind: 'externItem', doc, what, name, params, signature, result, config });
  });

  private word<const Word extends Ast.ExternKind>(_token: IToken, word: Word): Word {
    return word;
  }

  readonly constDecl = this.RULE('constDecl', (base: DeclParts): Ast.ConstDecl => {
    this.CONSUME(T.Const);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const type = this.OPTION(() => this.SUBRULE(this.typeOf)) ?? null;
    this.CONSUME(T.Equal);
    const value = this.SUBRULE(this.expr);
    return this.makeDecl({ kind: 'const', ...base, name, type, value });
  });

  readonly paramDecl = this.RULE('paramDecl', (base: DeclParts): Ast.ParamDecl => {
    this.CONSUME(T.Param);
    const item = this.SUBRULE(this.item);
    return this.makeDecl({ kind: 'param', ...base, item });
  });

  readonly assertDecl = this.RULE('assertDecl', (base: DeclParts): Ast.AssertDecl => {
    const parts = this.SUBRULE(this.assertion);
    return this.makeDecl({ kind: 'assert', ...base, ...parts });
  });

  readonly fnDecl = this.RULE('fnDecl', (base: DeclParts): Ast.FnDecl => {
    this.CONSUME(T.Fn);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const params = this.SUBRULE(this.params);
    this.CONSUME(T.Arrow);
    const result = this.SUBRULE(this.type);
    const body = this.OR<Ast.Graph>([
      {
        ALT: () => {
          this.CONSUME(T.Equal);
          const start = this.LA(1);
          const value = this.SUBRULE(this.expr);
          return this.make(start, { kind: 'graph', statements: [], result: value });
        },
      },
      { ALT: () => this.SUBRULE(this.graph) },
    ]);
    return this.makeDecl({ kind: 'fn', ...base, name, params, result, body });
  });

  readonly blockDecl = this.RULE('blockDecl', (base: DeclParts): Ast.BlockDecl => {
    this.CONSUME(T.Block);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const params = this.OPTION(() => this.SUBRULE(this.params)) ?? [];
    const signature = this.SUBRULE(this.signature);
    const body = this.SUBRULE(this.graph);
    return this.makeDecl({ kind: 'block', ...base, name, params, signature, body });
  });

  readonly modelDecl = this.RULE('modelDecl', (base: DeclParts): Ast.ModelDecl | Ast.ModelAliasDecl => {
    this.CONSUME(T.Model);
    const name = this.takeName(this.CONSUME(T.Identifier));
    return this.OR<Ast.ModelDecl | Ast.ModelAliasDecl>([
      {
        ALT: () => {
          this.CONSUME(T.Equal);
          const source = this.takeName(this.CONSUME2(T.Identifier));
          const args = this.SUBRULE(this.args);
          return this.makeDecl({ kind: 'modelAlias', ...base, name, source, args });
        },
      },
      {
        ALT: () => {
          const params = this.OPTION(() => this.SUBRULE(this.params)) ?? [];
          const signature = this.SUBRULE(this.signature);
          const body = this.SUBRULE(this.graph);
          return this.makeDecl({ kind: 'model', ...base, name, params, signature, body });
        },
      },
    ]);
  });

  readonly dataDecl = this.RULE('dataDecl', (base: DeclParts): Ast.DataDecl => {
    this.CONSUME(T.Data);
    const name = this.takeName(this.CONSUME(T.Identifier));
    this.CONSUME(T.Equal);
    const source = this.takeName(this.CONSUME2(T.Identifier));
    const record =
      this.OPTION(() => {
        this.CONSUME(T.Arrow);
        return this.SUBRULE(this.recordType);
      }) ?? null;
    const config = this.SUBRULE(this.config);
    return this.makeDecl({ kind: 'data', ...base, name, source, record, config });
  });

  readonly scheduleDecl = this.RULE('scheduleDecl', (base: DeclParts): Ast.ScheduleDecl => {
    this.CONSUME(T.Schedule);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const phases: Ast.SchedulePhase[] = [];
    this.CONSUME(T.LeftBrace);
    this.AT_LEAST_ONE(() => phases.push(this.SUBRULE(this.phase)));
    this.CONSUME(T.RightBrace);
    return this.makeDecl({ kind: 'schedule', ...base, name, phases });
  });

  readonly phase = this.RULE('phase', (): Ast.SchedulePhase => {
    const first = this.CONSUME(T.Identifier);
    const name = this.takeName(first);
    const args = this.SUBRULE(this.args);
    return this.make(first, { kind: 'phase', name, args });
  });

  readonly optimizerDecl = this.RULE('optimizerDecl', (base: DeclParts): Ast.OptimizerDecl => {
    this.CONSUME(T.Optimizer);
    const name = this.takeName(this.CONSUME(T.Identifier));
    this.CONSUME(T.Equal);
    const source = this.takeName(this.CONSUME2(T.Identifier));
    const config = this.SUBRULE(this.config);
    return this.makeDecl({ kind: 'optimizer', ...base, name, source, config });
  });

  readonly trainerDecl = this.RULE('trainerDecl', (base: DeclParts): Ast.TrainerDecl => {
    this.CONSUME(T.Trainer);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const config = this.SUBRULE(this.config);
    return this.makeDecl({ kind: 'trainer', ...base, name, config });
  });

  readonly addonDecl = this.RULE('addonDecl', (base: DeclParts): Ast.AddonDecl => {
    this.CONSUME(T.Addon);
    const name = this.takeName(this.CONSUME(T.Identifier));
    const as = this.OPTION(() => this.SUBRULE(this.alias)) ?? null;
    const config = this.SUBRULE(this.config);
    return this.makeDecl({ kind: 'addon', ...base, name, as, config });
  });

  readonly stepDecl = this.RULE('stepDecl', (base: DeclParts): Ast.StepDecl => {
    this.CONSUME(T.Step);
    const stage = this.takeName(this.CONSUME(T.Identifier));
    const as = this.OPTION(() => this.SUBRULE(this.alias)) ?? null;
    const inputs: { readonly name: Ast.Name; readonly data: Ast.Name }[] = [];
    this.CONSUME(T.LeftParen);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        const name = this.takeName(this.CONSUME2(T.Identifier));
        this.CONSUME(T.In);
        inputs.push({ name, data: this.takeName(this.CONSUME3(T.Identifier)) });
      },
    });
    this.CONSUME(T.RightParen);
    const every =
      this.OPTION2(() => {
        this.CONSUME(T.Every);
        return this.SUBRULE(this.expr);
      }) ?? null;
    const body = this.OR<Ast.StepBody | Ast.Name>([
      {
        ALT: () => {
          this.CONSUME(T.Equal);
          return this.takeName(this.CONSUME4(T.Identifier));
        },
      },
      { ALT: () => this.SUBRULE(this.body) },
    ]);
    return this.makeDecl({ kind: 'step', ...base, stage, as, inputs, every, body });
  });
}
