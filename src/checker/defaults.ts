/** What values of the host are where the params of the run have their defaults. */
import { hostPlace, type Env } from './env.js';
import { evaluateIr, type HostNames, type HostValue } from './evaluate.js';
import { checkExpr } from './expressions.js';
import type { IrExpr } from './ir.js';
import { refsOf } from './ir-walk.js';
import { constantOf, literal, type Value } from './value.js';

const namesOf = (env: Env): HostNames =>
  env.checker.memo(env.checker.main, 'defaults', (): HostNames => {
    const params = new Map<string, HostValue>();
    const consts = new Map<string, IrExpr>();
    const { scope } = env.checker.main;
    if (!scope) return { params, consts };
    const plain: Env = { ...env, file: scope, scope, facts: env.checker.noFacts, place: hostPlace() };
    env.checker.capture(() => {
      for (const [name, binding] of scope.names) {
        if (binding.kind !== 'value' || binding.what !== 'const') continue;
        const found = binding.value();
        const constant = constantOf(found);
        if (constant !== undefined) consts.set(name, literal(found.span, constant).ir);
      }
      for (const decl of scope.decls) {
        const constant =
          decl.kind === 'param' && decl.item.value
            ? constantOf(checkExpr(plain, decl.item.value))
            : undefined;
        if (decl.kind === 'param' && constant !== undefined) params.set(decl.item.name.text, constant);
      }
      // A default that breaks its own condition is told of there, and of no use elsewhere.
      for (const decl of scope.decls) {
        if (decl.kind !== 'param' || !decl.item.where) continue;
        const { ir } = checkExpr(plain, decl.item.where);
        if (evaluateIr(ir, { params, consts }) === false) params.delete(decl.item.name.text);
      }
    });
    return { params, consts };
  });

/** The value with the defaults in it, where it is made of params and is known then; else null. */
export const byDefault = (env: Env, found: Value): Value | null => {
  if (constantOf(found) !== undefined) return null;
  const known = evaluateIr(found.ir, namesOf(env));
  return known === undefined ? null : literal(found.span, known, found.type);
};

/** Whether a condition holds where the params have their defaults; null where that is not known. */
export const holdsByDefault = (env: Env, test: Value): boolean | null => {
  const known = constantOf(test) ?? evaluateIr(test.ir, namesOf(env));
  return typeof known === 'boolean' ? known : null;
};

/** `so it is by default, with a = 4, b = 2`: the params that values are made of, with their defaults. */
export const showDefaults = (env: Env, values: readonly Value[]): string => {
  const { params } = namesOf(env);
  const read = [...refsOf(values.map((each) => each.ir)).params.keys()];
  const shown = read.map((name) => {
    const known = params.get(name);
    return `${name} = ${typeof known === 'string' ? `"${known}"` : String(known)}`;
  });
  return `so it is by default, with ${shown.join(', ')}`;
};
