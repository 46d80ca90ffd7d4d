/** `axis(lr, [1e-4, 3e-4])`: a setting by its name, and the values that it takes. What the name means is checked with the run. */
import type { Expr } from '../parser/ast.js';
import { missingArgument, wrongType } from '../parser/messages.gen.js';
import { sourceText } from './calls.js';
import { asConstant } from './dims/size.js';
import type { Env } from './env.js';
import { checkExpr } from './expressions.js';
import type { IrExpr } from './ir.js';
import { aType } from './types.js';
import { constantOf, isUnknown, literal, unknownValue, value, type Value } from './value.js';

const most = 1000;

const nameOf = (expr: Expr): string | null => {
  if (expr.kind === 'ref') return expr.name;
  if (expr.kind !== 'member') return null;
  const object = nameOf(expr.object);
  return object === null ? null : `${object}.${expr.name.text}`;
};

/** `range(5)`: 0 to 4. */
const rangeOf = (env: Env, expr: Expr): readonly Value[] | null => {
  if (expr.kind !== 'call' || expr.callee.kind !== 'ref' || expr.callee.name !== 'range') return null;
  const [arg, ...more] = expr.args;
  if (!arg || more.length > 0) return null;
  const found = checkExpr(env, arg.value);
  if (isUnknown(found)) return [];
  const count = found.size ? asConstant(found.size) : null;
  if (count === null || count < 1 || count > most) {
    env.checker.report(
      wrongType(arg.value.span, {
        what: 'the count of `range`',
        found: count === null ? aType(found.type) : `${count}`,
        expected: `a whole number from 1 to ${most}`,
      }),
    );
    return [];
  }
  return Array.from({ length: count }, (_, at) => literal(arg.value.span, at));
};

/** A value that is known now, folded; null after an error. */
const folded = (env: Env, found: Value): IrExpr | null => {
  if (isUnknown(found)) return null;
  const constant = constantOf(found);
  if (constant === undefined) {
    env.checker.report(
      wrongType(
        found.span,
        {
          what: `\`${sourceText(env, env.file, found.span)}\` of an axis`,
          found: aType(found.type),
          expected: 'a value that is the same for every run',
        },
        { help: 'write the values out, or make them constants' },
      ),
    );
    return null;
  }
  const { ir } = literal(found.span, constant);
  return found.ir.kind === 'quantity' ? { ...found.ir, value: ir } : ir;
};

const axisOf = (env: Env, expr: Expr): IrExpr | null => {
  const isAxis = expr.kind === 'call' && expr.callee.kind === 'ref' && expr.callee.name === 'axis';
  const args = isAxis ? expr.args : [];
  const named = (name: string, at: number): Expr | undefined =>
    args.find((arg) => arg.name?.text === name)?.value ?? args.filter((arg) => !arg.name)[at]?.value;
  const [what, values] = [named('name', 0), named('values', 1)];
  if (!isAxis || !what || !values || args.length !== 2) {
    env.checker.report(
      missingArgument(
        expr.span,
        { owner: 'sweep', kind: 'an axis,', name: 'axis(name, values)' },
        { help: 'write `axis(lr, [1e-4, 1e-3])` or `axis(fold, range(5))`' },
      ),
    );
    return null;
  }
  const name = nameOf(what);
  if (name === null) {
    env.checker.report(
      wrongType(what.span, {
        what: 'the name of an axis',
        found: what.kind === 'string' ? `"${what.value}"` : 'an expression',
        expected: 'a param or an attribute, as `lr` or `opt.weight_decay`',
      }),
    );
    return null;
  }
  const range = rangeOf(env, values);
  const list = range ?? (values.kind === 'list' ? values.items.map((item) => checkExpr(env, item)) : null);
  const found = list ?? checkExpr(env, values).items;
  if (!found) {
    const given = checkExpr(env, values);
    if (!isUnknown(given))
      env.checker.report(
        wrongType(values.span, {
          what: `the values of \`${name}\``,
          found: aType(given.type),
          expected: 'a list, or `range(count)`',
        }),
      );
    return null;
  }
  if (found.length === 0) {
    if (values.kind === 'list')
      env.checker.report(
        wrongType(values.span, { what: `the values of \`${name}\``, found: 'none', expected: 'one or more' }),
      );
    return null;
  }
  const folds = found.map((each) => folded(env, each));
  const known = folds.filter((each) => each !== null);
  if (known.length < folds.length) return null;
  return { kind: 'axis', name, values: known, span: what.span, type: { kind: 'setting' } };
};

/** One axis, or a list of them; unknown after an error. */
export const axesOf = (env: Env, expr: Expr): Value => {
  const exprs = expr.kind === 'list' ? expr.items : [expr];
  const axes = exprs.map((each) => axisOf(env, each));
  const items = axes.filter((each) => each !== null);
  if (items.length < axes.length) return unknownValue(expr.span);
  return value(expr.span, { kind: 'setting', what: 'axes' }, { kind: 'items', items });
};
