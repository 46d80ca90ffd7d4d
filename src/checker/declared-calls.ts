/** Calls of functions that a spec declares, inlined ones and externs: arguments by parameter, and the sizes they bind. */
import type { Arg, Item } from '../parser/ast.js';
import type { Span } from '../parser/source.js';
import { bindArguments, checkLimits, parameterEnv } from './arguments.js';
import { sourceText } from './calls.js';
import { isFree, usePlace } from './classes.js';
import { type Env, type FileScope } from './env.js';
import { orSwapped } from './judging.js';
import {
  bindPlainSizes,
  isBatchType,
  isTensorType,
  matchType,
  noBindings,
  type Bindings,
} from './patterns.js';
import { sizeCode } from './size-code.js';
import { isUnknown, value, type Value } from './value.js';

export interface DeclaredCall {
  readonly bound: ReadonlyMap<string, Value>;
  /** Those of `bound` that are no tensors. */
  readonly statics: ReadonlyMap<string, Value>;
  readonly bindings: Bindings;
  /** The declaration's scope, with what is static and the sizes as names. */
  readonly inner: Env;
}

/** Null where an argument is missing, of the wrong type or outside its limits, which is reported. */
export const bindDeclared = (
  env: Env,
  decl: { readonly name: { readonly text: string }; readonly params: readonly Item[] },
  file: FileScope,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): DeclaredCall | null => {
  const { params } = decl;
  const name = decl.name.text;
  const call = bindArguments({ env, owner: name, kind: 'argument', params, span, scope: file }, piped, args);
  if (!call || [...call.bound.values()].some(isUnknown)) return null;
  const { bound } = call;
  const tensors = new Set(params.flatMap((param) => (isTensorType(param.type) ? [param.name.text] : [])));
  const statics = new Map([...bound].filter(([param]) => !tensors.has(param)));
  const inner = parameterEnv(usePlace({ ...env, file }), file, statics);
  const given = (of: ReadonlyMap<string, Value>) =>
    params.flatMap((param) => {
      const found = of.get(param.name.text);
      // Of a batch, the fields that the function reads are held against it where they are read.
      return found && !isBatchType(file, param.type) ? [{ param, found }] : [];
    });
  const bindings = orSwapped(env, [...tensors], bound, (of) => {
    const made = noBindings();
    bindPlainSizes(
      inner,
      given(of).map(({ param, found }) => ({ written: param.type, found: found.type })),
      made,
    );
    const fits = given(of).every(({ param, found }) =>
      matchType(inner, param.type, found.type, made, {
        what: `\`${param.name.text}\` of \`${name}\``,
        span: found.span,
      }),
    );
    return fits ? made : null;
  });
  if (!bindings) return null;
  for (const [sizeName, size] of bindings.sizes) {
    if (inner.scope.names.has(sizeName)) continue;
    const read = (): Value => value(span, { kind: 'int' }, sizeCode(size, env.place, span), { size });
    inner.scope.names.set(sizeName, { kind: 'value', name: sizeName, span, what: 'size', value: read });
  }
  const fine = checkLimits(
    { ...env, file },
    name,
    params,
    bound,
    inner.scope,
    (expr) => sourceText(env, file, expr.span),
    !isFree(env),
  );
  return fine ? { bound, statics, bindings, inner } : null;
};
