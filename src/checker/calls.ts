/** Calls and pipes: functions of the prelude, of the spec, models, blocks and layers. */
import type { Arg, Stage, TypeExpr } from '../parser/ast.js';
import { blockCalled, wrongKind } from '../parser/messages.gen.js';
import { textOf, type Span } from '../parser/source.js';
import { bindArguments, checkLimits, parameterEnv } from './arguments.js';
import { applyBlock, callModel, modelItself } from './uses.js';
import { derivedOf } from './copies.js';
import { bindValue, lookup, type Binding, type Env, type FileScope } from './env.js';
import { judgeAtCall, orSwapped } from './judging.js';
import { checkExpr, isUnbuilt, kindOf, reportUnknown } from './expressions.js';
import { externLayer } from './extern-layers.js';
import { callExternMetric } from './extern-metrics.js';
import { callExternFn } from './externs.js';
import type { IrNamed, IrReduction } from './ir.js';
import { applyLayer } from './layers.js';
import { metricRules } from './metric-rules.js';
import { isTensorType, matchType, noBindings, resolveType, type Bindings } from './patterns.js';
import { settingText, type Builtin } from './prelude.js';
import { applyRepeat } from './repeats.js';
import { rules } from './rules.js';
import { sizeCode } from './size-code.js';
import { totalFunctions, totalOfCall } from './totals.js';
import { tensorType, type Type } from './types.js';
import { isConstant, isUnknown, unknownValue, value, type Value } from './value.js';
import { checkFirst } from './first-rows.js';
import { hostCall } from './host-calls.js';
import { inline } from './inline.js';
import {
  callWithGaps,
  checkFill,
  checkIsMissing,
  hasMasks,
  holdsGaps,
  isPlainArithmetic,
  meanOfKnown,
  isMissing,
  refuseGaps,
} from './missing.js';

/** Text of an expression of the prelude or of a file. */
export const sourceText = (env: Env, file: FileScope, span: Span): string =>
  textOf(span.file < 0 ? env.checker.prelude.file.source : file.file.source, span);

export const applyPipe = (env: Env, input: Value, stage: Stage): Value => {
  if (stage.kind === 'repeat') {
    if (!isMissing(input)) return applyRepeat(env, input, stage);
    refuseGaps(env, input, '`repeat`');
    return unknownValue(stage.span);
  }
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
  const own = binding ? externLayer(env, binding) : null;
  if (own) return applyLayer(env, own, input, args, stage.as, stage.span);
  if (binding?.kind === 'decl' && binding.decl.kind === 'block') {
    env.checker.used.add(binding);
    return applyBlock(env, binding.decl, binding.file, input, args, stage.as, stage.span);
  }
  const known =
    binding !== null ||
    env.checker.prelude.find('fn', name.text) !== null ||
    env.checker.prelude.fns.has(name.text);
  if (
    stage.as &&
    known &&
    !(binding && (isUnbuilt(binding) || (binding.kind === 'value' && isUnknown(binding.value()))))
  ) {
    env.checker.report(
      wrongKind(stage.as.span, {
        name: name.text,
        found: binding ? kindOf(binding) : 'a function',
        expected: 'a layer or block, whose weights `as` names,',
      }),
    );
  }
  const layers = env.checker.prelude.names('layer');
  if (!known && !env.checker.prelude.find('metric', name.text)) {
    reportUnknown(env, name.text, name.span, 'layer or function', layers);
    return unknownValue(stage.span);
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
  if (fn && name === 'first') return checkFirst(env, args, span);
  // One name: a row is brought to a size, and what a step has is made longer on each side.
  const rows = name === 'pad' && args.some((arg) => arg.name?.text === 'to');
  const padTo = rows ? env.checker.prelude.find('fn', 'pad_to') : null;
  if (padTo) return callBuiltin(env, padTo, args, span, piped);
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
    if (decl.kind === 'model') return callModel(env, modelItself(decl, file), args, span, piped);
    if (decl.kind === 'externItem' && decl.what === 'fn')
      return callExternFn(env, decl, file, args, span, piped);
    if (decl.kind === 'externItem' && decl.what === 'metric')
      return callExternMetric(env, decl, file, args, span, piped);
    if (decl.kind === 'modelAlias') {
      const derived = derivedOf(env, decl, file);
      if (!derived) return unknownValue(span);
      return callModel(env, { ...derived, name: decl.name.text }, args, span, piped);
    }
    if (decl.kind === 'block' || (decl.kind === 'externItem' && decl.what === 'layer')) {
      const parameters = args
        .slice(1)
        .map((arg) => sourceText(env, env.file, arg.span))
        .join(', ');
      const input = args[0] ? sourceText(env, env.file, args[0].span) : 'x';
      env.checker.report(
        blockCalled(
          nameSpan,
          { kind: decl.kind === 'block' ? 'block' : 'layer', name: binding.name },
          { help: `write \`${input} |> ${binding.name}(${parameters}) as …\`` },
        ),
      );
      return unknownValue(span);
    }
  }
  if (!isUnbuilt(binding)) {
    env.checker.report(
      wrongKind(nameSpan, { name: binding.name, found: kindOf(binding), expected: 'a function or model' }),
    );
  }
  return unknownValue(span);
};

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
    if (isTensorType(param.type) && !isOptionalTensor(param.type)) continue;
    if (found.type.kind === 'none') continue;
    if (param.value && isConstant(found, checkExpr({ ...env, scope: preludeScope(env) }, param.value)))
      continue;
    named.push({ name, value: found.ir });
  }
  return named;
};

/** An optional tensor (`weight: tensor | none`) goes with the options. */
export const isOptionalTensor = (type: TypeExpr): boolean =>
  type.kind === 'unionType' &&
  type.members.some((member) => member.kind === 'namedType' && member.name.text === 'none');

const elementwise: ReadonlySet<string | null> = new Set(['broadcast', 'select']);
const ofOneRank: ReadonlySet<string | null> = new Set(['pool', 'utf8', 'outer', 'own_rows']);

/** Rules whose result has a type of TypeScript that follows from the arguments': a call need not say it, unless ranks differ. */
export const hasOneType = (rule: string | null): boolean => elementwise.has(rule) || ofOneRank.has(rule);

const sameText = (env: Env, a: Span, b: Span): boolean =>
  textOf(env.checker.prelude.file.source, a) === textOf(env.checker.prelude.file.source, b);

const spread = (type: TypeExpr): boolean =>
  type.kind === 'namedType' && (type.shape?.dims.some((dim) => dim.kind === 'rest') ?? false);

interface BuiltinCall {
  readonly bound: ReadonlyMap<string, Value>;
  readonly given: ReadonlySet<string>;
  /** The parameters that are tensors, and what they are here. */
  readonly inputs: Builtin['params'];
  readonly values: readonly Value[];
}

/** How a spec calls it. */
const shownName = (builtin: Builtin): string => settingText(builtin, 'spelled') ?? builtin.name;

const bindBuiltin = (
  env: Env,
  builtin: Builtin,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
  gaps = false,
): BuiltinCall | null => {
  const { params } = builtin;
  const owner = shownName(builtin);
  const call = bindArguments(
    { env, owner, kind: 'argument', params, span, scope: preludeScope(env), gaps },
    piped,
    args,
  );
  if (!call || [...call.bound.values()].some(isUnknown)) return null;
  return builtinCall(builtin, call.bound, call.given);
};

const builtinCall = (
  builtin: Builtin,
  bound: ReadonlyMap<string, Value>,
  given: ReadonlySet<string>,
): BuiltinCall => {
  const inputs = builtin.params.filter((param) => isTensorType(param.type));
  return { bound, given, inputs, values: inputs.flatMap((param) => bound.get(param.name.text) ?? []) };
};

/** The scope in which the types of a builtin are read: what of its call is no tensor, by name. */
const signatureEnv = (env: Env, builtin: Builtin, bound: ReadonlyMap<string, Value>): Env =>
  parameterEnv(env, preludeScope(env), statics(builtin, bound));

/** Whether the inputs of a call have the types that the prelude declares; what they bind goes into `bindings`. */
const inputsFit = (env: Env, builtin: Builtin, call: BuiltinCall, bindings: Bindings): boolean => {
  const inner = signatureEnv(env, builtin, call.bound);
  return call.inputs.every((param) => {
    const found = call.bound.get(param.name.text);
    const what = `\`${param.name.text}\` of \`${shownName(builtin)}\``;
    return !found || matchType(inner, param.type, found.type, bindings, { what, span: found.span });
  });
};

const limitsHold = (
  env: Env,
  builtin: Builtin,
  bound: ReadonlyMap<string, Value>,
  bindings: Bindings,
  span: Span,
): boolean => {
  const limits = parameterEnv(env, preludeScope(env), bound);
  for (const [name, size] of bindings.sizes)
    bindValue(
      limits,
      name,
      span,
      'size',
      value(span, { kind: 'int' }, { kind: 'literal', value: 0 }, { size }),
    );
  return checkLimits(env, shownName(builtin), builtin.params, bound, limits.scope, (expr) =>
    sourceText(env, env.file, expr.span),
  );
};

/** The type that a call gives, by its rule or its signature. */
const resultOf = (
  env: Env,
  builtin: Builtin,
  call: BuiltinCall,
  bindings: Bindings,
  span: Span,
): Type | null => {
  const rule = settingText(builtin, 'rule');
  const { bound } = call;
  if (rule !== null)
    return judgeAtCall(
      env,
      span,
      () => rules.get(rule)?.({ env, name: shownName(builtin), span, args: bound }) ?? null,
    );
  const { result } = builtin.item;
  if (!inputsFit(env, builtin, call, bindings) || !result) return null;
  const inner = signatureEnv(env, builtin, bound);
  return judgeAtCall(env, span, () => resolveType(inner, result, bindings));
};

const namesOf = (params: Builtin['params']): readonly string[] => params.map((param) => param.name.text);

const callBuiltin = (
  env: Env,
  builtin: Builtin,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  // A mean over rows is one of what is known: it alone of a step takes what may be missing.
  const isMean = builtin.name === 'mean' && env.place.kind === 'step' && !env.place.gaps;
  const reading =
    isMean && piped === null && args.every(({ value: given }) => isPlainArithmetic(given))
      ? { ...env, place: { ...env.place, gaps: true } }
      : env;
  const call = bindBuiltin(reading, builtin, args, span, piped, true);
  if (!call) return unknownValue(span);
  const { bound, given } = call;
  if (settingText(builtin, 'runs') === 'host' && !env.place.onHost) {
    env.checker.report(
      wrongKind(
        span,
        { name: shownName(builtin), found: 'a function of the host', expected: 'one that runs in a step' },
        { help: 'call it in the `map` of a data set' },
      ),
    );
    return unknownValue(span);
  }
  const x = bound.get('x');
  if (builtin.name === 'is_missing' && x) return checkIsMissing(env, x, span);
  const filling = bound.get('value');
  const select = env.checker.prelude.find('fn', 'select');
  if (builtin.name === 'fill' && x && filling && select) {
    const keys = new Set(select.params.map((param) => param.name.text));
    return checkFill(env, x, filling, span, (of) =>
      applyBuiltin(env, select, builtinCall(select, of, keys), span),
    );
  }
  const values = [...bound.values()];
  if (!values.some(holdsGaps)) return applyBuiltin(env, builtin, call, span);
  if (
    !hasMasks(
      env,
      values.flatMap((each) => [each, ...(each.items ?? [])]),
    )
  )
    return unknownValue(span);
  const apply = (of: ReadonlyMap<string, Value>): Value =>
    applyBuiltin(
      env,
      builtin,
      builtinCall(builtin, of, isMean ? new Set([...given, 'weight']) : given),
      span,
    );
  const choose = (of: ReadonlyMap<string, Value>): Value =>
    select
      ? applyBuiltin(env, select, builtinCall(select, of, new Set(of.keys())), span)
      : unknownValue(span);
  const known = isMean ? meanOfKnown(env, bound, span, { apply, select: choose }) : null;
  return known ?? callWithGaps(env, builtin.name, bound, span, apply);
};

/** A function of the prelude, applied to arguments that are bound. */
const applyBuiltin = (env: Env, builtin: Builtin, call: BuiltinCall, span: Span): Value => {
  const { bound, given, inputs, values } = call;
  const host = builtin.settings.get('static') === true || totalFunctions.has(builtin.name);
  const isTensor = (each: Value): boolean =>
    each.type.kind === 'tensor' || (each.type.kind === 'schedule' && env.place.kind === 'step');
  if (host && values.length > 0 && values.every((each) => !isTensor(each)))
    return hostCall(env, builtin, values, bound, span);

  const rule = settingText(builtin, 'rule');
  const bindings = noBindings();
  let type = orSwapped(env, namesOf(inputs), bound, (each) =>
    resultOf(env, builtin, { ...call, bound: each }, bindings, span),
  );
  if (!type || type.kind === 'unknown') return unknownValue(span);
  if (!limitsHold(env, builtin, bound, bindings, span)) return unknownValue(span);
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
  const ranks = new Set(
    values.flatMap((each) =>
      each.type.kind === 'tensor' && each.type.shape.length > 0 ? [each.type.shape.length] : [],
    ),
  );
  const free = hasOneType(rule) ? elementwise.has(rule) && ranks.size > 1 : !likeFirst && !fixed;
  const random = builtin.settings.get('random') === true;
  if (random && env.place.kind !== 'host') env.place.notes.random = true;
  const tensors = inputs
    .filter((param) => !isOptionalTensor(param.type))
    .flatMap((param) => bound.get(param.name.text) ?? []);
  const argsIr = tensors.map((each) => each.ir);
  const options = [...optionsOf(builtin, bound, given, env)];
  // How many classes there are is known of the index alone, which the runtime does not see.
  const classes = type.kind === 'tensor' && rule === 'one_hot' ? type.shape.at(-1) : undefined;
  if (classes && bound.get('classes')?.type.kind === 'none')
    options.push({ name: 'classes', value: sizeCode(classes, env.place, span) });
  const ir = {
    kind: 'op' as const,
    home: settingText(builtin, 'home') ?? 'ops',
    name: builtin.name,
    args: argsIr,
    options,
    draw: random ? env.place.draw(builtin.name) : null,
    free,
  };
  const total = totalOfCall(env, builtin, bound, values, type, span);
  return value(span, type, ir, { total });
};

const statics = (builtin: Builtin, bound: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> =>
  new Map(
    builtin.params.flatMap((param) => {
      const found = bound.get(param.name.text);
      return found && !isTensorType(param.type) ? [[param.name.text, found] as const] : [];
    }),
  );

/** Whether a metric stands in a step, whose batches it is of; reports where it does not. */
export const isInStep = (env: Env, name: string, span: Span): boolean => {
  if (env.place.kind === 'step') return true;
  env.checker.report(
    wrongKind(
      span,
      { name, found: 'a metric', expected: 'a function' },
      { help: 'metrics are summed over the batches of a step: use it in `metric … = …`' },
    ),
  );
  return false;
};

const callMetric = (
  env: Env,
  builtin: Builtin,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const call = bindBuiltin(env, builtin, args, span, piped);
  const bindings = noBindings();
  if (!call) return unknownValue(span);
  const { bound, given } = call;
  const inputs = call.inputs.filter((param) => !isOptionalTensor(param.type));
  const rule = metricRules.get(settingText(builtin, 'rule') ?? '');
  const type = orSwapped(env, namesOf(inputs), bound, (each) =>
    judgeAtCall(env, span, () => rule?.({ env, name: builtin.name, span, args: each }) ?? null),
  );
  if (!type || !limitsHold(env, builtin, bound, bindings, span)) return unknownValue(span);
  if (!isInStep(env, builtin.name, span)) return unknownValue(span);
  const reduction: IrReduction = {
    span,
    kind: 'metric',
    metric: builtin.name,
    args: inputs.flatMap((param) => bound.get(param.name.text)?.ir ?? []),
    options: optionsOf(builtin, bound, given, env),
  };
  return value(span, type, { kind: 'literal', value: null }, { total: { kind: 'leaf', reduction } });
};
