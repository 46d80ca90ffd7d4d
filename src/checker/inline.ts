/** Functions of a spec, inlined where they are called. */
import type { Arg, FnDecl } from '../parser/ast.js';
import { wrongKind, wrongResult } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { bindArguments, checkLimits } from './arguments.js';
import { usePlace } from './classes.js';
import { childScope, lookup, type Env, type FileScope } from './env.js';
import { checkGraph, hoist } from './graphs.js';
import type { IrExpr } from './ir.js';
import { matchType, noBindings } from './patterns.js';
import { sizeCode } from './size-code.js';
import { showType } from './types.js';
import { isUnknown, unknownValue, value, withSpan, type Value } from './value.js';
import { sourceText } from './calls.js';

const countUses = (expr: unknown, name: string): number => {
  if (Array.isArray(expr)) return expr.reduce<number>((sum, each) => sum + countUses(each, name), 0);
  if (typeof expr !== 'object' || expr === null) return 0;
  let uses = 'kind' in expr && expr.kind === 'ref' && 'name' in expr && expr.name === name ? 1 : 0;
  for (const each of Object.values(expr)) uses += countUses(each, name);
  return uses;
};

const isTrivial = (ir: IrExpr): boolean =>
  ir.kind === 'ref' ||
  ir.kind === 'literal' ||
  ir.kind === 'batchSize' ||
  (ir.kind === 'field' && isTrivial(ir.of));

export const inline = (
  env: Env,
  decl: FnDecl,
  file: FileScope,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const name = decl.name.text;
  const call = bindArguments(
    { env, owner: name, kind: 'argument', params: decl.params, span, scope: file },
    piped,
    args,
  );
  if (!call) return unknownValue(span);
  if (env.checker.open.others.has(decl)) {
    env.checker.report(
      wrongKind(span, {
        name,
        found: 'a function that calls itself',
        expected: 'a function without recursion',
      }),
    );
    return unknownValue(span);
  }
  const inner = childScope(usePlace({ ...env, file, scope: file }));
  const bindings = noBindings();
  for (const param of decl.params) {
    const found = call.bound.get(param.name.text);
    if (!found || isUnknown(found)) return unknownValue(span);
    const shaped = param.type.kind === 'namedType' && lookup(file, param.type.name.text);
    const fits =
      (shaped && shaped.kind === 'decl' && shaped.decl.kind === 'data') ||
      matchType({ ...inner, facts: env.facts }, param.type, found.type, bindings, {
        what: `\`${param.name.text}\` of \`${name}\``,
        span: found.span,
      });
    if (!fits) return unknownValue(span);
    const uses = countUses(decl.body, param.name.text);
    const local =
      uses > 1 &&
      found.type.kind === 'tensor' &&
      !found.total &&
      !isTrivial(found.ir) &&
      env.place.kind !== 'host'
        ? hoist(env, param.name.text, found)
        : found;
    inner.scope.names.set(param.name.text, {
      kind: 'value',
      name: param.name.text,
      span: param.name.span,
      what: 'parameter',
      value: () => local,
    });
  }
  for (const [sizeName, size] of bindings.sizes) {
    if (inner.scope.names.has(sizeName)) continue;
    const sized = value(span, { kind: 'int' }, { kind: 'literal', value: null }, { size });
    inner.scope.names.set(sizeName, {
      kind: 'value',
      name: sizeName,
      span,
      what: 'size',
      value: () => withCode(env, sized),
    });
  }
  if (
    !checkLimits(env, name, decl.params, call.bound, inner.scope, (expr) => sourceText(env, file, expr.span))
  )
    return unknownValue(span);
  env.checker.open.others.add(decl);
  const made = checkGraph(inner, decl.body);
  env.checker.open.others.delete(decl);
  if (isUnknown(made.value)) return unknownValue(span);
  const fits = env.checker.capture(() =>
    matchType({ ...inner, facts: made.facts }, decl.result, made.value.type, noBindingsFrom(bindings), {
      what: `what \`${name}\` gives`,
      span: decl.body.result.span,
    }),
  );
  if (!fits.result || fits.diagnostics.length > 0) {
    env.checker.report(
      wrongResult(decl.body.result.span, {
        name,
        found: showType(made.value.type),
        expected: sourceText(env, file, decl.result.span),
      }),
    );
    return unknownValue(span);
  }
  return withSpan(made.value, span);
};

const withCode = (env: Env, sized: Value): Value =>
  sized.size ? { ...sized, ir: sizeCode(sized.size, env.place, sized.span) } : sized;

const noBindingsFrom = (bindings: ReturnType<typeof noBindings>): ReturnType<typeof noBindings> => ({
  sizes: new Map(bindings.sizes),
  rests: new Map(bindings.rests),
  dtypes: new Map(bindings.dtypes),
});
