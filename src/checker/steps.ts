/** Steps: statements over batches, updates, metrics, and what a step returns. */
import type { StepBody, StepDecl, StepStmt, UpdateStmt } from '../parser/ast.js';
import {
  notKnown,
  duplicateKey,
  missingPart,
  oneMinimize,
  unknownName,
  updateNotHere,
  wrongKind,
  wrongType,
  wrongUnit,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { standsIn } from './batch-figures.js';
import { holdsByDefault } from './defaults.js';
import { decide, factsWith } from './conditions.js';
import { rowsSymbol, type DataInfo } from './data.js';
import { substitute, symbol } from './dims/size.js';
import { childScope, lookup, lookupData, makePlace, type Env, type Place } from './env.js';
import { checkCondition, checkExpr, kindOf } from './expressions.js';
import { checkAssert, checkFresh, checkLet, reportUnusedLets } from './graphs.js';
import type { IrStep, IrStepStmt, Stage } from './ir.js';
import { readsRun } from './ir-walk.js';
import { checkFigure } from './measures.js';
import { isBatchOf } from './row-texts.js';
import { paramSymbols } from './parameters.js';
import { aType, intType, withShape, type Type } from './types.js';
import { totalOf } from './totals.js';
import { isUnknown, value, type Total, type Value } from './value.js';
import { termsOf, checkMetric, checkReturn, withoutLoss } from './outcomes.js';

const stages: readonly string[] = ['train', 'validate', 'test', 'predict', 'measure'];

export const isStage = (text: string): text is Stage => stages.includes(text);

interface Minimized {
  readonly span: Span;
  readonly total: Total | null;
}

export interface StepState {
  readonly stage: Stage;
  readonly name: string;
  readonly metrics: IrStep['metrics'][number][];
  /** Set inside an update: what it minimized so far. */
  minimized: Minimized[] | null;
  /** Of each metric that is logged, what it is a total of. */
  readonly totals: Map<IrStepStmt, Total>;
  /** Set inside `for`: labels repeat there. */
  readonly counts: { every: number; branch: number; update: number };
  readonly returns: Span[];
}

const inBatch = (type: Type, batch: string, env: Env): Type =>
  withShape(type, (shape) =>
    shape.map((size) => substitute(size, new Map([[rowsSymbol, symbol(`${batch}.size`)]]), env.facts)),
  );

/** Whether a time between two events is one: above 0, and whole steps. */
const lengthFits = (env: Env, span: Span, what: string, found: Value): boolean => {
  const { constant, type } = found;
  const steps = type.kind === 'unit' && type.unit === 'steps';
  if (typeof constant !== 'number' || (constant > 0 && (!steps || Number.isInteger(constant)))) return true;
  const expected = constant > 0 ? 'a whole number of steps' : 'more than 0';
  env.checker.report(wrongType(span, { what, found: `${constant}`, expected }));
  return false;
};

/** A region's own statements, draws and scope; weights and names stay those of the step. */
const region = (env: Env, name: string): { readonly env: Env; readonly statements: IrStepStmt[] } => {
  const statements: IrStepStmt[] = [];
  standsIn(statements, env.place.statements);
  const place: Place = { ...env.place, statements, draw: (draw) => env.place.draw(`${name}.${draw}`) };
  return { env: childScope({ ...env, place }), statements };
};

export const checkStep = (
  env: Env,
  decl: StepDecl,
  body: StepBody,
  datas: ReadonlyMap<string, DataInfo>,
  begun: (state: StepState) => void = () => undefined,
): IrStep | null => {
  const stage = decl.stage.text;
  if (!isStage(stage)) return null;
  const name = decl.as?.text ?? stage;
  const sizes = new Set(decl.inputs.map((input) => `${input.name.text}.size`));
  const place: Place = { ...makePlace('step', null, sizes, name), gaps: stage === 'measure', stage };
  for (const [param, code] of paramSymbols(env, env.file)) place.symbols.set(param, code);
  const inner = childScope({ ...env, place });
  const inputs: { readonly span: Span; readonly name: string; readonly data: string }[] = [];
  let fine = true;
  for (const input of decl.inputs) {
    const binding = lookupData(env.scope, input.data.text);
    if (binding?.kind !== 'decl' || binding.decl.kind !== 'data') {
      fine = false;
      if (binding)
        env.checker.report(
          wrongKind(input.data.span, {
            name: input.data.text,
            found: kindOf(binding),
            expected: 'a data set',
          }),
        );
      else {
        const near = nearest(input.data.text, [...datas.keys()]);
        env.checker.report(
          unknownName(
            input.data.span,
            { kind: 'data set', name: input.data.text },
            near[0]
              ? { help: `write \`${near[0]}\`` }
              : datas.size > 0
                ? {
                    help: `data sets of this file are ${[...datas.keys()].map((each) => `\`${each}\``).join(', ')}`,
                  }
                : {},
          ),
        );
      }
      continue;
    }
    env.checker.used.add(binding);
    const info = datas.get(input.data.text);
    if (!info || info.fields.length === 0) {
      fine = false;
      continue;
    }
    checkFresh(inner, input.name.text, input.name.span);
    const batch = input.name.text;
    place.symbols.set(`${batch}.size`, { kind: 'batchSize', batch });
    if (!isBatchOf(env, input.data.text, info.fields, input.data.span)) {
      fine = false;
      continue;
    }
    const fields = info.fields.map((field) => ({ name: field.name, type: inBatch(field.type, batch, env) }));
    const bound = value(
      input.name.span,
      { kind: 'record', fields },
      { kind: 'ref', ref: { kind: 'batch', name: batch } },
    );
    inner.scope.names.set(batch, {
      kind: 'value',
      name: batch,
      span: input.name.span,
      what: 'batch',
      value: () => bound,
    });
    inputs.push({ span: input.data.span, name: batch, data: input.data.text });
  }
  let every = null;
  if (decl.every) {
    if (stage !== 'validate') {
      env.checker.report(
        updateNotHere(decl.every.span, {
          statement: 'every',
          reason: `says when to validate; \`step ${stage}\` has no such time`,
        }),
      );
    } else {
      const found = checkExpr({ ...env, place: makePlace('host', null, new Set()) }, decl.every);
      if (!isUnknown(found)) {
        const units = ['epochs', 'steps', 'seconds'];
        if (found.type.kind !== 'unit' || !units.includes(found.type.unit)) {
          env.checker.report(
            wrongUnit(
              decl.every.span,
              {
                what: 'the time between validations',
                found:
                  found.type.kind === 'int' && typeof found.constant === 'number'
                    ? `the bare number ${found.constant}`
                    : aType(found.type),
                expected: 'epochs, steps or minutes',
              },
              found.type.kind === 'int' && typeof found.constant === 'number'
                ? { help: `write \`${found.constant}.epochs\` or \`${found.constant}.steps\`` }
                : {},
            ),
          );
        } else if (lengthFits(env, decl.every.span, 'the time between validations', found)) every = found.ir;
      }
    }
  }
  if (!fine) return null;
  const state: StepState = {
    stage,
    name,
    metrics: [],
    minimized: null,
    totals: new Map(),
    counts: { every: 0, branch: 0, update: 0 },
    returns: [],
  };
  begun(state);
  checkStatements(inner, body.statements, state);
  if (stage === 'train' && state.counts.update === 0) {
    const written = mentions(body.statements, 'minimize');
    // A `minimize` that stands alone was told what it needs.
    if (!written)
      env.checker.report(
        missingPart(
          decl.stage.span,
          { what: '`step train` updates nothing' },
          { help: `write \`update ${optimizersOf(env)[0] ?? 'opt'} { minimize … }\`` },
        ),
      );
  }
  if (stage === 'predict' && state.returns.length === 0) {
    env.checker.report(
      missingPart(
        decl.stage.span,
        { what: '`step predict` returns nothing' },
        { help: 'end it with `return { name: value }`, one row for each row of the input' },
      ),
    );
  }
  return {
    span: decl.span,
    doc: decl.doc,
    stage,
    name,
    inputs,
    every,
    body: place.statements,
    metrics: state.metrics,
    ...(decl.allows.length > 0 ? { allowed: decl.allows.map(({ code }) => code.text) } : {}),
  };
};

const mentions = (statements: readonly StepStmt[], kind: StepStmt['kind']): boolean =>
  statements.some(
    (each) =>
      each.kind === kind ||
      (each.kind === 'if' &&
        (mentions(each.then.statements, kind) || mentions(each.else?.statements ?? [], kind))) ||
      ((each.kind === 'every' || each.kind === 'for') && mentions(each.body.statements, kind)),
  );

const checkStatements = (outer: Env, statements: readonly StepStmt[], state: StepState): void => {
  let env = outer;
  for (const statement of statements) {
    switch (statement.kind) {
      case 'let':
        checkLet(env, statement);
        break;
      case 'assert':
        env = { ...env, facts: checkAssert(env, statement, true) };
        break;
      case 'update':
        checkUpdate(env, statement, state);
        break;
      case 'minimize': {
        if (!state.minimized) {
          env.checker.report(
            updateNotHere(
              statement.span,
              { statement: 'minimize', reason: 'stands in an `update`, which says whose weights change' },
              state.stage === 'train'
                ? { help: `write \`update ${optimizersOf(env)[0] ?? 'opt'} { minimize … }\`` }
                : {},
            ),
          );
          break;
        }
        const found = checkExpr(env, statement.value);
        state.minimized.push({ span: statement.span, total: totalOf(found) });
        const terms = isUnknown(found) ? null : termsOf(env, found, statement.value.span);
        if (terms) env.place.statements.push({ kind: 'minimize', span: statement.value.span, terms });
        break;
      }
      case 'metric':
        if (state.stage === 'measure') checkFigure(env, statement, state);
        else checkMetric(env, statement, state);
        break;
      case 'every': {
        const found = checkExpr(env, statement.interval);
        const steps = found.type.kind === 'unit' && found.type.unit === 'steps';
        if (readsRun(found.ir)) {
          env.checker.report(
            notKnown(
              statement.interval.span,
              { what: 'the interval', name: 'run.step' },
              { help: 'write `every 100.steps { … }`' },
            ),
          );
          break;
        }
        if (!isUnknown(found) && !steps) {
          env.checker.report(
            wrongUnit(
              statement.interval.span,
              {
                what: 'the interval',
                found:
                  found.type.kind === 'unit'
                    ? aType(found.type)
                    : `the bare ${aType(found.type).replace(/^an? /, '')}`,
                expected: 'steps',
              },
              { help: 'write `every k.steps { … }`' },
            ),
          );
        }
        const fits = !steps || lengthFits(env, statement.interval.span, 'the interval', found);
        if (state.minimized) {
          env.checker.report(
            updateNotHere(statement.span, {
              statement: 'every',
              reason: 'stands around an `update`, not in it',
            }),
          );
          break;
        }
        state.counts.every += 1;
        const label = `${state.name}.every${state.counts.every}`;
        const made = region(env, `every${state.counts.every}`);
        checkStatements(made.env, statement.body.statements, state);
        if (steps && fits)
          env.place.statements.push({
            kind: 'every',
            span: statement.span,
            label,
            interval: found.ir,
            body: made.statements,
          });
        break;
      }
      case 'if': {
        const test = checkCondition(env, statement.test);
        state.counts.branch += 1;
        const number = state.counts.branch;
        const label = `${state.name}.if${number}`;
        const then = region(
          {
            ...env,
            facts: test ? factsWith(env, statement.test) : env.facts,
            apart: env.apart === true || !test || holdsByDefault(env, test) !== true,
            conditional: true,
          },
          `if${number}`,
        );
        checkStatements(then.env, statement.then.statements, state);
        const other = region(
          {
            ...env,
            facts: test ? factsWith(env, statement.test, true) : env.facts,
            apart: env.apart === true || !test || holdsByDefault(env, test) !== false,
            conditional: true,
          },
          `else${number}`,
        );
        if (statement.else) checkStatements(other.env, statement.else.statements, state);
        if (test && decide(env, statement.test).verdict !== 'fails') {
          env.place.statements.push({
            kind: 'if',
            span: statement.span,
            label,
            test: test.ir,
            then: then.statements,
            else: other.statements,
          });
        } else if (test) env.place.statements.push(...other.statements);
        break;
      }
      case 'for': {
        const from = checkExpr(env, statement.from);
        const to = checkExpr(env, statement.to);
        const made = region(env, `for_${statement.name.text}`);
        const ints = from.type.kind === 'int' && to.type.kind === 'int';
        if (!ints && !isUnknown(from) && !isUnknown(to)) {
          env.checker.report(
            wrongType(statement.from.span, {
              what: 'the range of `for`',
              found: `${aType(from.type)} to ${aType(to.type)}`,
              expected: 'ints',
            }),
          );
        }
        if (!checkFresh(env, statement.name.text, statement.name.span)) break;
        const index = statement.name.text;
        made.env.place.symbols.set(index, { kind: 'ref', ref: { kind: 'index', name: index } });
        const binder = value(
          statement.name.span,
          intType,
          { kind: 'ref', ref: { kind: 'index', name: index } },
          { size: symbol(index) },
        );
        made.env.scope.names.set(index, {
          kind: 'value',
          name: index,
          span: statement.name.span,
          what: 'turn',
          value: () => binder,
        });
        checkStatements(made.env, statement.body.statements, state);
        if (ints)
          env.place.statements.push({
            kind: 'for',
            span: statement.span,
            name: index,
            from: from.ir,
            to: to.ir,
            body: made.statements,
          });
        break;
      }
      case 'return':
        checkReturn(env, statement.value.span, checkExpr(env, statement.value), state);
        break;
    }
  }
  reportUnusedLets(outer);
};

const optimizersOf = (env: Env): readonly string[] =>
  env.file.decls.flatMap((decl) => (decl.kind === 'optimizer' ? [decl.name.text] : []));

const optimizerHelp = (names: readonly string[]): { readonly help: string } => ({
  help:
    names.length > 0
      ? `optimizers of this file are ${names.map((each) => `\`${each}\``).join(', ')}`
      : 'declare one: `optimizer opt = adam { of = … }`',
});

const checkUpdate = (env: Env, statement: UpdateStmt, state: StepState): void => {
  if (state.stage !== 'train' || state.minimized) {
    env.checker.report(
      updateNotHere(statement.span, {
        statement: 'update',
        reason: state.minimized
          ? 'stands in another `update`'
          : `changes weights, which \`step ${state.stage}\` must not`,
      }),
    );
    return;
  }
  const optimizers: { readonly span: Span; readonly name: string }[] = [];
  for (const name of statement.optimizers) {
    const binding = lookup(env.scope, name.text);
    if (binding?.kind === 'decl' && binding.decl.kind === 'optimizer') {
      env.checker.used.add(binding);
      if (optimizers.some((each) => each.name === name.text))
        env.checker.report(duplicateKey(name.span, { name: name.text }));
      else optimizers.push({ span: name.span, name: name.text });
    } else if (binding)
      env.checker.report(
        wrongKind(
          name.span,
          { name: name.text, found: kindOf(binding), expected: 'an optimizer' },
          optimizerHelp(optimizersOf(env)),
        ),
      );
    else {
      const names = optimizersOf(env);
      const near = nearest(name.text, names);
      env.checker.report(
        unknownName(
          name.span,
          { kind: 'optimizer', name: name.text },
          near[0] ? { help: `write \`${near[0]}\`` } : optimizerHelp(names),
        ),
      );
    }
  }
  const made = region(env, statement.optimizers.map((name) => name.text).join('_'));
  state.minimized = [];
  state.counts.update += 1;
  checkStatements(made.env, statement.body.statements, state);
  const { minimized } = state;
  state.minimized = null;
  if (minimized.length !== 1) {
    env.checker.report(
      oneMinimize(
        minimized[1]?.span ?? statement.optimizers[0]?.span ?? statement.span,
        {
          name: statement.optimizers.map((name) => name.text).join(', '),
          found: minimized.length === 0 ? 'no' : `${minimized.length}`,
        },
        minimized[0]
          ? {
              related: [{ span: minimized[0].span, label: 'the first' }],
              help: 'add the losses: `minimize a + b`',
            }
          : {},
      ),
    );
  }
  const alone = optimizersOf(env).length === 1;
  const lossName = alone ? 'loss' : [...optimizers.map((each) => each.name), 'loss'].join('_');
  const body = withoutLoss(made.statements, minimized[0]?.total ?? null, lossName, state);
  env.place.statements.push({ kind: 'update', span: statement.span, optimizers, body });
};
