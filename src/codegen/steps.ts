/** Bodies of steps as TypeScript: updates, reductions over rows, metrics, conditions on the run. */
import type { ts } from 'ts-morph';
import type { IrExpr, IrReduction, IrStepStmt } from '../checker/ir.js';
import { EmitError, type Place, createPicked, createPlace, inside } from './context.js';
import { emitExpression, emitOptions, emitQuestion, withExternOptions, withOptions } from './expressions.js';
import { camel } from './names.js';
import { emitStatement, emitTurns } from './statements.js';
import type { Entry } from './tree.js';
import { fateOf, namesRead } from './unread.js';

const emitReduction = (place: Place, reduction: IrReduction): ts.Expression =>
  place.unit.tree.at(reduction.span, emitKind(place, reduction));

const emitKind = (place: Place, reduction: IrReduction): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  switch (reduction.kind) {
    case 'mean':
    case 'sum': {
      const weight =
        reduction.weight === null ? [] : [{ key: 'weight', value: emitExpression(place, reduction.weight) }];
      return tree.call(
        unit.export('rows', reduction.kind),
        withOptions(place, [emitExpression(place, reduction.values)], weight),
      );
    }
    case 'joined': {
      const { how, axes, weight } = reduction;
      const options = [
        { key: 'how', value: tree.text(how) },
        ...(axes === null ? [] : [{ key: 'axis', value: tree.array(axes.map((axis) => tree.number(axis))) }]),
        ...(weight === null ? [] : [{ key: 'weight', value: emitExpression(place, weight) }]),
      ];
      return tree.call(
        unit.export('rows', 'joined'),
        withOptions(place, [emitExpression(place, reduction.values)], options),
      );
    }
    case 'each':
    case 'last':
      return tree.call(unit.export('rows', reduction.kind), [emitExpression(place, reduction.value)]);
    case 'times':
      return tree.call(unit.export('rows', 'times'), [
        emitExpression(place, reduction.by),
        emitReduction(place, reduction.of),
      ]);
    case 'metric': {
      const { metric, module, figures } = reduction;
      const given = reduction.args.map((arg) => emitExpression(place, arg));
      const entries = emitOptions(place, reduction.options);
      if (module === undefined)
        return tree.call(unit.export('metrics', metric), withOptions(place, given, entries));
      const args = withExternOptions(place, { module, name: metric }, given, entries);
      const declared = tree.object([
        { key: 'name', value: tree.text(metric) },
        { key: 'file', value: tree.text(module) },
        ...(figures === undefined
          ? []
          : [{ key: 'figures', value: tree.array(figures.map((name) => tree.text(name))) }]),
      ]);
      const own = tree.call(tree.member(unit.extern(module), camel(metric)), args);
      return tree.call(unit.export('metrics', 'extern'), [declared, tree.arrow([], own)]);
    }
    case 'derive': {
      const parts = tree.object(
        reduction.parts.map(({ name, of }) => ({
          key: name,
          value: emitReduction(place, of),
          span: of.span,
        })),
      );
      const names = unit.names.child();
      const binding = tree.pick(
        reduction.parts.map(({ name }) => ({ key: name, name: names.declare(`part:${name}`, camel(name)) })),
      );
      const value = emitExpression(createPlace(unit, names, { param: place.read.param }), reduction.value);
      return tree.call(unit.export('rows', 'derive'), [parts, tree.arrow([tree.param(binding)], value)]);
    }
    case 'named': {
      const name = place.names.find(`reduction:${reduction.name}`);
      if (name === null) throw new EmitError(`no reduction is called ${JSON.stringify(reduction.name)}`);
      return tree.id(name);
    }
  }
};

const ownMethod = (place: Place, name: string, args: readonly ts.Expression[]): ts.CallExpression =>
  place.unit.tree.call(place.unit.tree.member(place.unit.tree.self(), name), args);

export const emitStepBody = (place: Place, body: readonly IrStepStmt[]): readonly ts.Statement[] => {
  const { tree } = place.unit;
  const statements: ts.Statement[] = [];
  /** Metrics that follow each other are logged at once; nothing between them can be seen by them. */
  let logged: Entry[] = [];
  /** What is minimized is given back, so it comes last. */
  let minimized: { readonly value: ts.Expression; readonly of: IrStepStmt } | null = null;
  /** Figures of a measure step, which it returns. */
  const figures: Entry[] = [];
  const flush = (): void => {
    if (logged.length === 0) return;
    const [first] = logged;
    const call = ownMethod(place, 'log', [tree.object(logged)]);
    statements.push(tree.at(first?.span, tree.factory.createExpressionStatement(call)));
    logged = [];
  };
  for (const statement of body) {
    if (statement.kind === 'log') {
      logged.push({
        key: statement.name,
        value: emitReduction(place, statement.value),
        span: statement.span,
      });
    } else if (statement.kind === 'minimize') {
      const terms = statement.terms.map((term) => emitReduction(place, term));
      const [only] = terms;
      minimized = {
        of: statement,
        value: only !== undefined && terms.length === 1 ? only : tree.array(terms),
      };
    } else if (statement.kind === 'measure') {
      figures.push({ key: statement.name, value: emitFigure(place, statement), span: statement.span });
    } else {
      flush();
      statements.push(...emitOther(place, statement).map((each) => tree.at(statement.span, each)));
    }
  }
  flush();
  if (figures.length > 0) statements.push(tree.giveBack(tree.object(figures, true)));
  if (minimized !== null) {
    const result = tree.object([{ key: 'minimize', value: minimized.value, span: minimized.of.span }]);
    statements.push(tree.at(minimized.of.span, tree.giveBack(result)));
  }
  return statements;
};

const emitFigure = (
  place: Place,
  { how, values, axes, weight, missing }: Extract<IrStepStmt, { readonly kind: 'measure' }>,
): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const joined =
    axes === null ? [] : [{ key: 'axis', value: tree.array(axes.map((axis) => tree.number(axis))) }];
  return tree.call(unit.export('rows', 'measured'), [
    tree.object([
      { key: 'how', value: tree.text(how) },
      { key: 'of', value: emitExpression(place, values) },
      ...joined,
      ...(weight === null ? [] : [{ key: 'weight', value: emitExpression(place, weight) }]),
      ...(missing === undefined ? [] : [{ key: 'missing', value: emitExpression(place, missing) }]),
    ]),
  ]);
};

type OtherStatement = Exclude<IrStepStmt, { readonly kind: 'log' | 'minimize' | 'measure' }>;

const emitOther = (place: Place, statement: OtherStatement): readonly ts.Statement[] => {
  const { unit } = place;
  const { tree } = unit;
  const { factory } = tree;
  switch (statement.kind) {
    case 'let':
    case 'fold':
    case 'items':
    case 'branch':
      return emitStatement(place, statement);
    case 'reduce': {
      const fate = fateOf(statement, place.unread);
      if (fate === 'dropped') return [];
      const value = emitReduction(place, statement.value);
      if (fate === 'called') return [factory.createExpressionStatement(value)];
      const name = place.names.declare(`reduction:${statement.name}`, camel(statement.name));
      return [tree.variable('const', name, value)];
    }
    case 'update': {
      const names = statement.optimizers.map(({ name, span }) => tree.at(span, tree.text(name)));
      const body = emitStepBody(inside(place), statement.body);
      const [only] = body;
      const result =
        body.length === 1 &&
        only !== undefined &&
        tree.ts.isReturnStatement(only) &&
        only.expression !== undefined
          ? tree.arrow([], factory.createParenthesizedExpression(only.expression))
          : tree.arrow([], tree.block(body));
      return [factory.createExpressionStatement(ownMethod(place, 'update', [tree.array(names), result]))];
    }
    case 'every': {
      const due = ownMethod(place, 'every', [
        tree.text(statement.label),
        emitExpression(place, statement.interval),
      ]);
      return [factory.createIfStatement(due, tree.block(emitStepBody(inside(place), statement.body)))];
    }
    case 'if': {
      const test = ownMethod(place, 'decide', [
        tree.text(statement.label),
        emitQuestion(place, statement.test),
      ]);
      const then = tree.block(emitStepBody(inside(place), statement.then));
      const otherwise =
        statement.else.length === 0 ? undefined : tree.block(emitStepBody(inside(place), statement.else));
      return [factory.createIfStatement(test, then, otherwise)];
    }
    case 'for': {
      const within = inside(place);
      const index = within.names.declare(`index:${statement.name}`, camel(statement.name));
      return [
        emitTurns(
          place,
          { index, used: namesRead(statement.body, place.unread).has(`index:${statement.name}`) },
          emitExpression(place, statement.from),
          emitExpression(place, statement.to),
          emitStepBody(within, statement.body),
          statement.body,
        ),
      ];
    }
    case 'return':
      return [
        tree.giveBack(
          tree.object(
            statement.fields.map(({ name, value }) => ({
              key: name,
              value: emitExpression(place, value),
              span: value.span,
            })),
          ),
        ),
      ];
  }
};

/** `({ latent }) => latent > 0`: a condition on the params. */
export const emitCondition = (place: Place, params: readonly string[], test: IrExpr): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const names = unit.names.child();
  const picked = createPicked(tree, names, 'param', params, camel);
  const value = emitExpression(createPlace(unit, names, { param: picked.read }), test);
  return tree.arrow(picked.isEmpty() ? [] : [tree.param(tree.pick(picked.names()))], value);
};
