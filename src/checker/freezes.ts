/** `after(5.epochs)`, of `freeze`. */
import type { Expr } from '../parser/ast.js';
import { bindArguments } from './arguments.js';
import { preludeScope } from './calls.js';
import type { Env } from './env.js';
import { isUnknown, unknownValue, value, type Value } from './value.js';

/** Null where it is something else. */
export const freezeOf = (env: Env, expr: Expr): Value | null => {
  if (expr.kind !== 'call' || expr.callee.kind !== 'ref' || expr.callee.name !== 'after') return null;
  const builtin = env.checker.prelude.find('fn', 'freeze_after');
  if (!builtin) return unknownValue(expr.span);
  const call = bindArguments(
    {
      env,
      owner: 'after',
      kind: 'argument',
      params: builtin.params,
      span: expr.span,
      scope: preludeScope(env),
    },
    null,
    expr.args,
  );
  const from = call?.bound.get('from');
  const first = call?.bound.get('first') ?? null;
  if (!from || isUnknown(from) || (first && isUnknown(first))) return unknownValue(expr.span);
  return value(
    expr.span,
    { kind: 'setting', what: 'freeze' },
    {
      kind: 'freezeAfter',
      from: from.ir,
      first: first === null || first.type.kind === 'none' ? null : first.ir,
    },
  );
};
