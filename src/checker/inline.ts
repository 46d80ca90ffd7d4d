/** Functions of a spec, inlined where they are called. */
import type { Arg, FnDecl } from '../parser/ast.js';
import { wrongKind, wrongResult } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { bindValue, childScope, type Env, type FileScope } from './env.js';
import { expand } from './expansion.js';
import { bindDeclared } from './declared-calls.js';
import { checkGraph, hoist } from './graphs.js';
import type { IrExpr } from './ir.js';
import { matchType, type noBindings } from './patterns.js';
import { showType } from './types.js';
import { isUnknown, unknownValue, withSpan, type Value } from './value.js';
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
  const call = bindDeclared(env, decl, file, args, span, piped);
  if (!call) return unknownValue(span);
  if (env.checker.open.others.has(decl)) {
    reportRecursion(env, decl, span);
    return unknownValue(span);
  }
  const { bindings } = call;
  const inner = childScope(call.inner);
  for (const param of decl.params) {
    const found = call.bound.get(param.name.text);
    if (!found) return unknownValue(span);
    const uses = countUses(decl.body, param.name.text);
    const local =
      uses > 1 &&
      found.type.kind === 'tensor' &&
      !found.total &&
      !isTrivial(found.ir) &&
      env.place.kind !== 'host'
        ? hoist(env, param.name.text, found)
        : found;
    bindValue(inner, param.name.text, param.name.span, 'parameter', local);
  }
  env.checker.open.others.add(decl);
  const made = expand(
    env,
    {
      key: decl,
      what: `\`${name}\``,
      span,
      help: 'call a function once and keep what it gives: `let y = f(x)`',
    },
    () => checkGraph(inner, decl.body),
    null,
  );
  env.checker.open.others.delete(decl);
  if (!made || isUnknown(made.value)) return unknownValue(span);
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

/** One error for all functions of a cycle, wherever one enters it. */
const reportRecursion = (env: Env, decl: FnDecl, span: Span): void => {
  const open = [...env.checker.open.others];
  const cycle = open.slice(open.indexOf(decl)).flatMap((each) => (isFn(each) ? [each] : []));
  const names = [...cycle, decl].map((each) => `\`${each.name.text}\``);
  const known = cycle.map((each) => env.checker.memo(each, 'cycle', () => ({ reported: false })));
  if (known.some(({ reported }) => reported)) return;
  for (const each of known) each.reported = true;
  env.checker.report(
    wrongKind(
      span,
      {
        name: decl.name.text,
        found: 'a function that calls itself',
        expected: 'a function without recursion',
      },
      {
        ...(cycle.length > 1 ? { notes: [`the calls go ${names.join(' → ')}`] } : {}),
        help: 'a function is copied to where it is called; to do a thing again and again, write `repeat` in a model',
      },
    ),
  );
};

const isFn = (decl: object): decl is FnDecl => 'kind' in decl && decl.kind === 'fn';

const noBindingsFrom = (bindings: ReturnType<typeof noBindings>): ReturnType<typeof noBindings> => ({
  sizes: new Map(bindings.sizes),
  rests: new Map(bindings.rests),
  dtypes: new Map(bindings.dtypes),
});
