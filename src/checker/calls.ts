/** Calls and pipes: functions of the prelude, of the spec, models, blocks and layers. */
import type { Arg, FnDecl, Stage, TypeExpr } from '../parser/ast.js';
import { blockCalled, wrongKind, wrongResult } from '../parser/messages.gen.js';
import { textOf, type Span } from '../parser/source.js';
import { bindArguments, checkLimits, isConstant, parameterEnv } from './arguments.js';
import { applyBlock, callModel, usePlace } from './classes.js';
import { ceilOf, floorOf, maxOf, minOf } from './dims/facts.js';
import { constant as constantSize } from './dims/size.js';
import { childScope, lookup, type Binding, type Env, type FileScope } from './env.js';
import { checkExpr, kindOf, reportUnknown } from './expressions.js';
import { callExternFn } from './externs.js';
import { checkGraph, hoist } from './graphs.js';
import type { IrExpr, IrNamed, IrReduction } from './ir.js';
import { applyLayer } from './layers.js';
import { isTensorType, matchType, noBindings, resolveType } from './patterns.js';
import { settingText, type Builtin } from './prelude.js';
import { applyRepeat } from './repeats.js';
import { rules } from './rules.js';
import { hasRows, totalFunctions, totalOfOperation } from './totals.js';
import { sizeCode } from './size-code.js';
import { floatType, showType, tensorType, type Type } from './types.js';
import { constantOf, isUnknown, unknownValue, value, withSpan, type Value } from './value.js';

/** Text of an expression of the prelude or of a file. */
export const sourceText = (env: Env, file: FileScope, span: Span): string =>
  textOf(span.file < 0 ? env.checker.prelude.file.source : file.file.source, span);

export const applyPipe = (env: Env, input: Value, stage: Stage): Value => {
  if (stage.kind === 'repeat') return applyRepeat(env, input, stage);
  const [name, ...more] = stage.path;
  if (!name) return unknownValue(stage.span);
  if (more.length > 0) {
    const path = stage.path.map((each) => each.text).join('.');
    reportUnknown(env, path, stage.span, 'layer');
    return unknownValue(stage.span);
  }
  const args = stage.args ?? [];
  const binding = lookup(env.scope, name.text);
  if (!binding) {
    const layer = env.checker.prelude.find('layer', name.text);
    if (layer) return applyLayer(env, layer, input, args, stage.as, stage.span);
  }
  if (binding?.kind === 'decl' && binding.decl.kind === 'block') {
    env.checker.used.add(binding);
    return applyBlock(env, binding.decl, binding.file, input, args, stage.as, stage.span);
  }
  if (stage.as && !(binding?.kind === 'value' && isUnknown(binding.value()))) {
    env.checker.report(
      wrongKind(stage.as.span, {
        name: name.text,
        found: binding ? kindOf(binding) : 'a function',
        expected: 'a layer or block, whose weights `as` names,',
      }),
    );
  }
  return callNamed(env, name.text, name.span, args, stage.span, input);
};

export const callNamed = (
  env: Env,
  name: string,
  nameSpan: Span,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const binding = lookup(env.scope, name);
  if (binding) return callBinding(env, binding, nameSpan, args, span, piped);
  const fn = env.checker.prelude.find('fn', name);
  if (fn && settingText(fn, 'spelled') === null) return callBuiltin(env, fn, args, span, piped);
  const library = env.checker.prelude.fns.get(name);
  if (library) return inline(env, library, preludeScope(env), args, span, piped);
  const metric = env.checker.prelude.find('metric', name);
  if (metric) return callMetric(env, metric, args, span, piped);
  const layer = env.checker.prelude.find('layer', name);
  if (layer) {
    const spelled = args
      .map((arg) => sourceText(env, env.file, arg.span))
      .slice(1)
      .join(', ');
    env.checker.report(
      blockCalled(nameSpan, { kind: 'layer', name }, { help: `write \`x |> ${name}(${spelled}) as …\`` }),
    );
    return unknownValue(span);
  }
  reportUnknown(env, name, nameSpan, 'function', env.checker.prelude.names('layer'));
  return unknownValue(span);
};

const preludeScopes = new WeakMap<object, FileScope>();

export const preludeScope = (env: Env): FileScope => {
  const known = preludeScopes.get(env.checker.prelude);
  if (known) return known;
  const made: FileScope = {
    parent: null,
    names: new Map(),
    file: env.checker.prelude.file,
    isPrelude: true,
    isMain: false,
    decls: [],
  };
  preludeScopes.set(env.checker.prelude, made);
  return made;
};

const callBinding = (
  env: Env,
  binding: Binding,
  nameSpan: Span,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  env.checker.used.add(binding);
  // What it should have been was reported where it is declared.
  if (binding.kind === 'value' && isUnknown(binding.value())) return unknownValue(span);
  if (binding.kind === 'layer') {
    const inputs = [...(piped ? [piped] : []), ...args.map((arg) => checkExpr(env, arg.value))];
    return binding.layer.call(env, inputs, span);
  }
  if (binding.kind === 'decl') {
    const { decl, file } = binding;
    if (decl.kind === 'fn') return inline(env, decl, file, args, span, piped);
    if (decl.kind === 'model') return callModel(env, decl, file, args, span, piped);
    if (decl.kind === 'externItem' && decl.what === 'fn')
      return callExternFn(env, decl, file, args, span, piped);
    // Said where it is declared: it is not built.
    if (decl.kind === 'modelAlias') return unknownValue(span);
    if (decl.kind === 'block') {
      const parameters = args
        .slice(1)
        .map((arg) => sourceText(env, env.file, arg.span))
        .join(', ');
      const input = args[0] ? sourceText(env, env.file, args[0].span) : 'x';
      env.checker.report(
        blockCalled(
          nameSpan,
          { kind: 'block', name: binding.name },
          { help: `write \`${input} |> ${binding.name}(${parameters}) as …\`` },
        ),
      );
      return unknownValue(span);
    }
  }
  env.checker.report(
    wrongKind(nameSpan, { name: binding.name, found: kindOf(binding), expected: 'a function or model' }),
  );
  return unknownValue(span);
};

// ---- functions of the prelude

const optionsOf = (
  builtin: Builtin,
  bound: ReadonlyMap<string, Value>,
  given: ReadonlySet<string>,
  env: Env,
): readonly IrNamed[] => {
  const named: IrNamed[] = [];
  for (const param of builtin.params) {
    const name = param.name.text;
    const found = bound.get(name);
    if (!found || !given.has(name)) continue;
    if (isTensorType(param.type) && !isOptional(param.type)) continue;
    if (found.type.kind === 'none') continue;
    if (param.value && isConstant(found, checkExpr({ ...env, scope: preludeScope(env) }, param.value)))
      continue;
    named.push({ name, value: found.ir });
  }
  return named;
};

/** An optional tensor (`weight: tensor | none`) goes with the options. */
const isOptional = (type: TypeExpr): boolean =>
  type.kind === 'unionType' &&
  type.members.some((member) => member.kind === 'namedType' && member.name.text === 'none');

const sameText = (env: Env, a: Span, b: Span): boolean =>
  textOf(env.checker.prelude.file.source, a) === textOf(env.checker.prelude.file.source, b);

const spread = (type: TypeExpr): boolean =>
  type.kind === 'namedType' && (type.shape?.dims.some((dim) => dim.kind === 'rest') ?? false);

const callBuiltin = (
  env: Env,
  builtin: Builtin,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const call = bindArguments(
    { env, owner: builtin.name, kind: 'argument', params: builtin.params, span, scope: preludeScope(env) },
    piped,
    args,
  );
  if (!call) return unknownValue(span);
  const { bound, given } = call;
  if ([...bound.values()].some(isUnknown)) return unknownValue(span);
  const inputs = builtin.params.filter((param) => isTensorType(param.type));
  const values = inputs.flatMap((param) => bound.get(param.name.text) ?? []);
  const host = builtin.settings.get('static') === true || totalFunctions.has(builtin.name);
  const isTensor = (each: Value): boolean =>
    each.type.kind === 'tensor' || (each.type.kind === 'schedule' && env.place.kind === 'step');
  if (host && values.length > 0 && values.every((each) => !isTensor(each)))
    return hostCall(env, builtin, values, bound, span);

  const rule = settingText(builtin, 'rule');
  let type: Type | null;
  const signatureEnv = parameterEnv(env, preludeScope(env), statics(builtin, bound));
  const bindings = noBindings();
  if (rule !== null) {
    type = rules.get(rule)?.({ env, name: builtin.name, span, args: bound }) ?? null;
  } else {
    const fits = inputs.every((param) => {
      const found = bound.get(param.name.text);
      return (
        !found ||
        matchType(signatureEnv, param.type, found.type, bindings, {
          what: `\`${param.name.text}\` of \`${builtin.name}\``,
          span: found.span,
        })
      );
    });
    type = fits && builtin.item.result ? resolveType(signatureEnv, builtin.item.result, bindings) : null;
  }
  if (!type || type.kind === 'unknown') return unknownValue(span);
  const limits = parameterEnv(env, preludeScope(env), bound);
  for (const [name, size] of bindings.sizes) {
    limits.scope.names.set(name, {
      kind: 'value',
      name,
      span,
      what: 'size',
      value: () => value(span, { kind: 'int' }, { kind: 'literal', value: 0 }, { size }),
    });
  }
  if (
    !checkLimits(env, builtin.name, builtin.params, bound, limits.scope, (expr) =>
      sourceText(env, env.file, expr.span),
    )
  )
    return unknownValue(span);
  if (builtin.name === 'range' && type.kind === 'tensor')
    type = tensorType(type.dtype, type.shape, bound.get('count')?.size ?? null);

  const first = inputs[0];
  const result = builtin.item.result;
  const likeFirst =
    rule === 'like_first' ||
    rule === 'along_axis' ||
    (rule === null && first && result ? sameText(env, first.type.span, result.span) : false);
  const fixed =
    rule === null && result ? ![result, ...inputs.map((param) => param.type)].some(spread) : false;
  const elementwise = rule === 'broadcast' || rule === 'select';
  const ranks = new Set(
    values.flatMap((each) =>
      each.type.kind === 'tensor' && each.type.shape.length > 0 ? [each.type.shape.length] : [],
    ),
  );
  const free = elementwise ? ranks.size > 1 : rule === 'pool' ? false : !likeFirst && !fixed;
  const random = builtin.settings.get('random') === true;
  if (random && env.place.kind !== 'host') env.place.notes.random = true;
  const tensors = inputs
    .filter((param) => !isOptional(param.type))
    .flatMap((param) => bound.get(param.name.text) ?? []);
  const argsIr = tensors.map((each) => each.ir);
  const options = [...optionsOf(builtin, bound, given, env)];
  const ir = {
    kind: 'op' as const,
    home: settingText(builtin, 'home') ?? 'ops',
    name: builtin.name,
    args: argsIr,
    options,
    draw: random ? env.place.draw(builtin.name) : null,
    free,
  };
  const total = totalOf(env, builtin, bound, values, type, span);
  return value(span, type, ir, { total });
};

const statics = (builtin: Builtin, bound: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> =>
  new Map(
    builtin.params.flatMap((param) => {
      const found = bound.get(param.name.text);
      return found && !isTensorType(param.type) ? [[param.name.text, found] as const] : [];
    }),
  );

/** `floor(h / 2)`, `min(a, b)`, `sqrt(dim / heads)` on host values. */
const hostCall = (
  env: Env,
  builtin: Builtin,
  values: readonly Value[],
  bound: ReadonlyMap<string, Value>,
  span: Span,
): Value => {
  const args = builtin.params.flatMap((param) => bound.get(param.name.text) ?? []);
  const ir = { kind: 'hostCall' as const, fn: builtin.name, args: args.map((each) => each.ir) };
  const numbers = args.map((each) => constantOf(each));
  const constant = numbers.every((each) => typeof each === 'number')
    ? hostFunction(
        builtin.name,
        numbers.filter((each) => typeof each === 'number'),
      )
    : undefined;
  const size = hostSize(env, builtin.name, values);
  if (size) return value(span, { kind: 'int' }, ir, { size, constant: constant ?? undefined });
  const whole = builtin.name === 'floor' || builtin.name === 'ceil' || builtin.name === 'round';
  if (constant !== undefined && constant !== null) {
    const int = (whole || values.every((each) => each.type.kind === 'int')) && Number.isSafeInteger(constant);
    return value(span, int ? { kind: 'int' } : floatType, ir, {
      constant,
      size: int ? constantSize(constant) : null,
    });
  }
  return value(span, whole ? { kind: 'int' } : floatType, ir);
};

const hostSize = (env: Env, name: string, values: readonly Value[]) => {
  const [a, b] = values;
  if (!a) return null;
  const ratio = a.ratio ?? (a.size ? { numerator: a.size, denominator: constantSize(1) } : null);
  if (name === 'floor' && ratio) return floorOf(ratio, env.facts);
  if (name === 'ceil' && ratio) return ceilOf(ratio, env.facts);
  if (name === 'min' && a.size && b?.size) return minOf(a.size, b.size, env.facts);
  if (name === 'max' && a.size && b?.size) return maxOf(a.size, b.size, env.facts);
  return null;
};

export const hostFunction = (
  name: string,
  [a = Number.NaN, b = Number.NaN, c = Number.NaN]: readonly number[],
): number | null => {
  switch (name) {
    case 'neg':
      return -a;
    case 'rsqrt':
      return 1 / Math.sqrt(a);
    case 'square':
      return a * a;
    case 'sigmoid':
      return 1 / (1 + Math.exp(-a));
    case 'min':
      return Math.min(a, b);
    case 'max':
      return Math.max(a, b);
    case 'clamp':
      return Math.min(Math.max(a, b), c);
    case 'abs':
    case 'exp':
    case 'log':
    case 'log1p':
    case 'expm1':
    case 'sqrt':
    case 'floor':
    case 'ceil':
    case 'round':
    case 'sign':
    case 'tanh':
    case 'sin':
    case 'cos':
      return Math[name](a);
    default:
      return null;
  }
};

/** A reduction over rows in a step is a running total; so is a function of one. */
const totalOf = (
  env: Env,
  builtin: Builtin,
  bound: ReadonlyMap<string, Value>,
  values: readonly Value[],
  type: Type,
  span: Span,
): Value['total'] => {
  if (env.place.kind !== 'step' || type.kind !== 'tensor' || type.shape.length > 0) return null;
  if (builtin.name === 'mean' || builtin.name === 'sum') {
    const x = bound.get('x');
    if (x?.type.kind !== 'tensor' || x.type.shape.length === 0) return x?.total ?? null;
    if (!hasRows(env, x.type)) return null;
    const weight = bound.get('weight');
    const reduction: IrReduction = {
      span,
      kind: builtin.name,
      values: x.ir,
      weight: weight && weight.type.kind === 'tensor' ? weight.ir : null,
    };
    return { kind: 'leaf', reduction };
  }
  if (!totalFunctions.has(builtin.name)) return null;
  const args = builtin.params.flatMap((param) => bound.get(param.name.text) ?? []);
  return totalOfOperation(builtin.name, builtin.name === 'clamp' ? args : values, span);
};

const callMetric = (
  env: Env,
  builtin: Builtin,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const call = bindArguments(
    { env, owner: builtin.name, kind: 'argument', params: builtin.params, span, scope: preludeScope(env) },
    piped,
    args,
  );
  if (!call) return unknownValue(span);
  const { bound, given } = call;
  if ([...bound.values()].some(isUnknown)) return unknownValue(span);
  const bindings = noBindings();
  const inputs = builtin.params.filter((param) => isTensorType(param.type));
  const signatureEnv = parameterEnv(env, preludeScope(env), statics(builtin, bound));
  for (const param of inputs) {
    const found = bound.get(param.name.text);
    if (
      found &&
      !matchType(signatureEnv, param.type, found.type, bindings, {
        what: `\`${param.name.text}\` of \`${builtin.name}\``,
        span: found.span,
      })
    )
      return unknownValue(span);
  }
  if (env.place.kind !== 'step') {
    env.checker.report(
      wrongKind(
        span,
        { name: builtin.name, found: 'a metric', expected: 'a function' },
        { help: 'metrics are summed over the batches of a step: use it in `metric … = …`' },
      ),
    );
    return unknownValue(span);
  }
  const values = inputs.flatMap((param) => bound.get(param.name.text) ?? []);
  const reduction: IrReduction = {
    span,
    kind: 'metric',
    metric: builtin.name,
    args: values.map((each) => each.ir),
    options: optionsOf(builtin, bound, given, env),
  };
  return value(
    span,
    tensorType('f32', []),
    { kind: 'literal', value: null },
    { total: { kind: 'leaf', reduction } },
  );
};

// ---- functions of a spec, inlined

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

const inline = (
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
  if (openCalls.has(decl)) {
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
  openCalls.add(decl);
  const made = checkGraph(inner, decl.body);
  openCalls.delete(decl);
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

const openCalls = new Set<FnDecl>();
