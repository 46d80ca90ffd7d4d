/** Going through steps: each expression with the statements that lead to it, and what each local name stands for. */
import type { IrExpr, IrFold, IrReduction, IrStepStmt } from '../ir.js';

/** Expressions right below one. */
export const partsOf = (expr: IrExpr): readonly IrExpr[] => {
  switch (expr.kind) {
    case 'items':
      return expr.items;
    case 'axis':
      return expr.values;
    case 'record':
      return expr.fields.map((field) => field.value);
    case 'field':
      return [expr.of];
    case 'host':
    case 'hostCall':
      return expr.args;
    case 'choose':
      return [expr.test, expr.then, expr.else];
    case 'decide':
      return [expr.test];
    case 'element':
      return [expr.of, expr.index];
    case 'op':
      return [...expr.args, ...expr.options.map((option) => option.value)];
    case 'slice':
      return [
        expr.of,
        ...expr.slices.flatMap((slice) =>
          slice.kind === 'ellipsis'
            ? []
            : slice.kind === 'at'
              ? [slice.at]
              : [slice.from, slice.to].filter((each) => each !== null),
        ),
      ];
    case 'apply':
    case 'model':
      return expr.inputs;
    case 'quantity':
      return [expr.value];
    case 'clip':
      return [expr.most];
    case 'freezeAfter':
      return expr.first ? [expr.from, expr.first] : [expr.from];
    case 'folds':
      return [expr.count];
    case 'part':
      return [expr.fold];
    case 'thunk':
      return [...expr.body.flatMap(expressionsOf), expr.value];
    default:
      return [];
  }
};

const reductionParts = (reduction: IrReduction): readonly IrExpr[] => {
  switch (reduction.kind) {
    case 'mean':
    case 'sum':
    case 'joined':
      return reduction.weight ? [reduction.values, reduction.weight] : [reduction.values];
    case 'each':
    case 'last':
      return [reduction.value];
    case 'times':
      return [reduction.by, ...reductionParts(reduction.of)];
    case 'metric':
      return reduction.args;
    case 'derive':
      return reduction.parts.flatMap((part) => reductionParts(part.of));
    case 'named':
      return [];
  }
};

/** Statements inside one. */
const bodiesOf = (statement: IrStepStmt): readonly IrStepStmt[] => {
  switch (statement.kind) {
    case 'fold':
    case 'update':
    case 'every':
    case 'for':
      return statement.body;
    case 'if':
      return [...statement.then, ...statement.else];
    case 'branch':
      return [...statement.then.body, ...statement.else.body];
    default:
      return [];
  }
};

/** Whole expressions of one statement and of those inside it, in the order of the text. */
export const expressionsOf = (statement: IrStepStmt): readonly IrExpr[] => {
  const inner = bodiesOf(statement).flatMap(expressionsOf);
  switch (statement.kind) {
    case 'let':
      return [statement.value];
    case 'fold':
      return [statement.from, ...(statement.count ? [statement.count] : []), ...inner, statement.value];
    case 'reduce':
    case 'log':
      return reductionParts(statement.value);
    case 'minimize':
      return statement.terms.flatMap(reductionParts);
    case 'every':
      return [statement.interval, ...inner];
    case 'if':
      return [statement.test, ...inner];
    case 'for':
      return [statement.from, statement.to, ...inner];
    case 'return':
      return statement.fields.map((field) => field.value);
    case 'measure':
      return statement.weight ? [statement.values, statement.weight] : [statement.values];
    case 'update':
      return inner;
    case 'branch':
      return [statement.test, ...inner, statement.then.value, statement.else.value];
    case 'items':
      return [];
  }
};

/** Every expression, parents first. */
export const visitExpressions = (statements: readonly IrStepStmt[], visit: (expr: IrExpr) => void): void => {
  const enter = (expr: IrExpr): void => {
    visit(expr);
    partsOf(expr).forEach(enter);
  };
  for (const statement of statements) expressionsOf(statement).forEach(enter);
};

export const visitStatements = (
  statements: readonly IrStepStmt[],
  visit: (statement: IrStepStmt) => void,
): void => {
  for (const statement of statements) {
    visit(statement);
    visitStatements(bodiesOf(statement), visit);
  }
};

/** What a local name stands for: its `let`, or the fold that ends with it. Names are unique in a step or class. */
export type Locals = ReadonlyMap<string, IrExpr | IrFold>;

export const localsOf = (statements: readonly IrStepStmt[]): Locals => {
  const locals = new Map<string, IrExpr | IrFold>();
  visitStatements(statements, (statement) => {
    if (statement.kind === 'let') locals.set(statement.name, statement.value);
    if (statement.kind === 'fold') locals.set(statement.name, statement);
    if (statement.kind === 'branch') {
      const { test, then, else: other, span, type, name } = statement;
      locals.set(name, { kind: 'choose', test, then: then.value, else: other.value, span, type });
    }
  });
  return locals;
};
