/** Parameters whose numbers are not known yet: their values, bounds and defaults. */
import type { Expr, Item } from '../parser/ast.js';
import { defaultBreaksWhere, namesCollide } from '../parser/messages.gen.js';
import { coerce } from './arguments.js';
import { sourceText } from './calls.js';
import { decide, factsWith } from './conditions.js';
import { withLower, type Facts } from './dims/facts.js';
import { symbol } from './dims/size.js';
import { childScope, makePlace, type Env, type FileScope } from './env.js';
import { checkCondition, checkExpr } from './expressions.js';
import { noBindings, resolveType } from './patterns.js';
import { showType } from './types.js';
import { constantOf, isUnknown, value, type Value } from './value.js';

/** A parameter as a value whose number is not known yet. */
export const openValue = (env: Env, item: Item, ref: 'option' | 'param'): Value => {
  const type = resolveType(env, item.type, noBindings());
  const name = item.name.text;
  const ir = { kind: 'ref' as const, ref: { kind: ref, name } };
  if (type.kind !== 'int') return value(item.name.span, type, ir);
  env.place.symbols.set(name, ir);
  return value(item.name.span, type, ir, { size: symbol(name) });
};

/** Whether a condition puts a parameter in an order, and so says itself how small it may be. */
const ordered = (expr: Expr, name: string): boolean => {
  if (expr.kind === 'unary') return ordered(expr.value, name);
  if (expr.kind !== 'binary') return false;
  if (expr.op === 'and' || expr.op === 'or') return ordered(expr.left, name) || ordered(expr.right, name);
  const named = [expr.left, expr.right].some((side) => side.kind === 'ref' && side.name === name);
  return named && ['<', '<=', '>', '>='].includes(expr.op);
};

/** Lower bounds of int parameters: 1, unless a default or a condition says less. */
export const lowerBounds = (env: Env, items: readonly Item[]): Facts => {
  let { facts } = env;
  for (const item of items) {
    if (item.type.kind !== 'namedType' || item.type.name.text !== 'int' || item.type.shape) continue;
    const fallback = item.value
      ? env.checker.capture(() => item.value && checkExpr(env, item.value)).result
      : null;
    const number = fallback ? constantOf(fallback) : null;
    facts = withLower(
      facts,
      item.name.text,
      item.where && ordered(item.where, item.name.text)
        ? -Infinity
        : typeof number === 'number'
          ? Math.min(1, number)
          : 1,
    );
  }
  for (const item of items) if (item.where) facts = factsWith({ ...env, facts }, item.where);
  return facts;
};

/** As the emitter joins the words of a name. */
const joined = (name: string): string => {
  const [first = '', ...rest] = name.split('_').filter((word) => word !== '');
  return first + rest.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
};

/** Reports parameters whose names become one in TypeScript, where one would overwrite the other. */
export const checkCollisions = (env: Env, items: readonly Item[]): void => {
  const seen = new Map<string, Item>();
  for (const item of items) {
    const both = joined(item.name.text);
    const other = seen.get(both);
    if (!other) seen.set(both, item);
    else if (other.name.text !== item.name.text) {
      env.checker.report(
        namesCollide(
          item.name.span,
          { name: item.name.text, other: other.name.text, both },
          { related: [{ span: other.name.span, label: 'the first' }], help: 'choose another name' },
        ),
      );
    }
  }
};

/** The default of a parameter: of its type, and within its own `where`, which must be a condition. */
export const checkDefault = (env: Env, item: Item, siblings: Env): Value | null => {
  if (item.where) checkCondition(siblings, item.where);
  if (!item.value) return null;
  const found = checkExpr(env, item.value);
  const fits = coerce(env, item.type, found, `the default of \`${item.name.text}\``);
  if (!fits || !item.where || isUnknown(fits)) return fits;
  const inner = childScope(siblings);
  inner.scope.names.set(item.name.text, {
    kind: 'value',
    name: item.name.text,
    span: item.name.span,
    what: 'parameter',
    value: () => fits,
  });
  if (decide(inner, item.where).verdict === 'fails') {
    env.checker.report(
      defaultBreaksWhere(
        item.value.span,
        {
          name: item.name.text,
          value: String(constantOf(fits) ?? showType(fits.type)),
          text: sourceText(env, env.file, item.where.span),
        },
        { related: [{ span: item.where.span, label: 'must hold' }] },
      ),
    );
  }
  return fits;
};

/** Facts about the params of a run that a file declares. */
export const fileFacts = (env: Env, file: FileScope): Facts =>
  env.checker.memo(file, 'facts', () => {
    const items = file.decls.flatMap((decl) => (decl.kind === 'param' ? [decl.item] : []));
    const base: Env = {
      ...env,
      file,
      scope: file,
      facts: env.checker.noFacts,
      place: makePlace('host', null, new Set()),
    };
    let { facts } = { facts: env.checker.capture(() => lowerBounds(base, items)).result };
    for (const decl of file.decls) {
      if (decl.kind === 'assert')
        facts = env.checker.capture(() => factsWith({ ...base, facts }, decl.test)).result;
    }
    return facts;
  });

export const paramSymbols = (
  env: Env,
  file: FileScope,
): readonly (readonly [
  string,
  { readonly kind: 'ref'; readonly ref: { readonly kind: 'param'; readonly name: string } },
])[] =>
  env.checker.memo(file, 'symbols', () =>
    file.decls.flatMap((decl) =>
      decl.kind === 'param'
        ? [[decl.item.name.text, { kind: 'ref', ref: { kind: 'param', name: decl.item.name.text } }] as const]
        : [],
    ),
  );
