/** Layers of the prelude, and where their weights are kept. */
import type { Arg, Expr, LayerStmt, Name } from '../parser/ast.js';
import {
  duplicateWeights,
  tooManyPositions,
  unknownAttribute,
  unknownName,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { bindArguments, checkLimits, parameterEnv } from './arguments.js';
import { computes, type Body } from './batch-figures.js';
import { isOptionalTensor, preludeScope, sourceText } from './calls.js';
import { applyNamedBlock } from './uses.js';
import { maxOf } from './dims/facts.js';
import { add, constant, mul, showSize, sub, symbolsOf, type Size } from './dims/size.js';
import { lookup, type Env, type FileScope, type NamedLayer, type Weight, type WeightSink } from './env.js';
import { externContent, externLayer, sizesOfWeights, sizeTold, weightsDeclared } from './extern-layers.js';
import { countFits, inputNames, inputsOf } from './layer-inputs.js';
import { recurrentOf } from './recurrent.js';
import { checkExpr, isUnbuilt, kindOf, reportUnknown } from './expressions.js';
import type { IrContent, IrNamed, IrSlotRef, IrWeight } from './ir.js';
import { demandSize, matchType, noBindings, resolveType, type Bindings } from './patterns.js';
import { settingText, type Builtin } from './prelude.js';
import { slide } from './rules.js';
import { sizeCode } from './size-code.js';
import { showType, tensorType, type TensorType, type Type } from './types.js';
import { constantOf, isConstant, isUnknown, unknownValue, value, type Value } from './value.js';
import { judgeAtCall, judgeOrder } from './judging.js';

/** Takes a name for weights; a made-up one where none is given. Null after an error. */
export const takeName = (
  env: Env,
  sink: WeightSink,
  as: Name | null,
  base: string,
): { readonly name: string; readonly named: boolean } | null => {
  if (!as) {
    for (let count = 1; ; count += 1) {
      const name = `${base}${count}`;
      if (sink.names.has(name)) continue;
      sink.names.set(name, { file: 0, start: 0, end: 0 });
      return { name, named: false };
    }
  }
  const before = sink.names.get(as.text);
  if (before) {
    env.checker.report(
      duplicateWeights(
        as.span,
        { name: as.text, owner: sink.owner },
        { related: [{ span: before, label: 'first here' }], help: 'give one of them another name' },
      ),
    );
    return null;
  }
  sink.names.set(as.text, as.span);
  return { name: as.text, named: true };
};

/** Puts a slot into the sink and its weights under the slot's name. */
export const addSlot = (
  sink: WeightSink,
  span: Span,
  doc: string | null,
  taken: { readonly name: string; readonly named: boolean },
  content: IrContent,
  weights: readonly Weight[],
  direct = false,
): void => {
  sink.slots.push({ span, doc, name: taken.name, named: taken.named, when: sink.when, content });
  for (const weight of weights) {
    const path = direct ? weight.path : `${taken.name}.${weight.path}`;
    sink.weights.push({ ...weight, path, named: weight.named && (taken.named || direct) });
  }
};

export interface MadeLayer {
  readonly builtin: Builtin;
  readonly bound: ReadonlyMap<string, Value>;
  readonly given: ReadonlySet<string>;
  readonly extras: ReadonlyMap<string, Value>;
}

/** Where names of a declaration are looked for. */
const scopeOf = (env: Env, { scope }: Builtin): FileScope => scope ?? preludeScope(env);

export const bindLayer = (env: Env, builtin: Builtin, args: readonly Arg[], span: Span): MadeLayer | null => {
  const others = inputNames(builtin).slice(1);
  const call = bindArguments(
    {
      env,
      owner: builtin.name,
      kind: 'argument',
      params: builtin.params,
      span,
      scope: scopeOf(env, builtin),
      others,
    },
    null,
    args,
    (name) => others.includes(name),
  );
  if (!call || [...call.bound.values()].some(isUnknown)) return null;
  const fine = checkLimits(env, builtin.name, builtin.params, call.bound, scopeOf(env, builtin), (expr) =>
    sourceText(env, builtin.scope ?? env.file, expr.span),
  );
  return fine ? { builtin, ...call } : null;
};

const convolved = (env: Env, made: MadeLayer, x: TensorType, span: Span): readonly Size[] | null => {
  const [, h, w] = x.shape;
  const kernel = made.bound.get('kernel');
  const stride = made.bound.get('stride');
  if (!h || !w || !kernel || !stride || !kernel.size || !stride.size) return null;
  if (settingText(made.builtin, 'rule') === 'conv') {
    return slide({ env, name: made.builtin.name, span, args: made.bound }, [h, w], kernel, stride);
  }
  const same = constantOf(made.bound.get('padding') ?? kernel) === 'same';
  const [k, s] = [kernel.size, stride.size];
  // A kernel smaller than its stride leaves zeros behind the last value too: each input gets a whole stride.
  const last = maxOf(k, s, env.facts);
  return [h, w].map((size) => (same ? mul(size, s) : add(mul(sub(size, constant(1)), s), last)));
};

interface Applied {
  readonly type: Type;
  readonly weights: readonly Weight[];
  readonly content: IrContent;
}

/** The result, the weights and the code of a layer on its inputs. */
export const realizeLayer = (
  env: Env,
  made: MadeLayer,
  inputs: readonly Value[],
  span: Span,
): Applied | null => {
  const { builtin, bound, given } = made;
  const signature = builtin.item.signature;
  const [first] = signature?.inputs ?? [];
  const [input] = inputs;
  if (!signature || !first || !input) return null;
  const staticEnv = parameterEnv(env, scopeOf(env, builtin), bound);
  const bindings = noBindings();
  const what = `the input of \`${builtin.name}\``;
  if (
    !matchType(staticEnv, first.type, input.type, bindings, {
      what,
      span: input.span,
      related: input.span.file === span.file ? [{ span, label: `needed by \`${builtin.name}\`` }] : [],
    })
  )
    return null;
  if (input.type.kind !== 'tensor') {
    if (input.type.kind !== 'unknown')
      env.checker.report(wrongType(input.span, { what, found: showType(input.type), expected: 'a tensor' }));
    return null;
  }
  const others = signature.inputs.slice(1).every(({ name, type }, index) => {
    const other = inputs[index + 1];
    if (!other && isOptionalTensor(type)) return true;
    const at = { what: `\`${name.text}\` of \`${builtin.name}\``, span: other?.span ?? span };
    return other !== undefined && matchType(staticEnv, type, other.type, bindings, at);
  });
  if (!others) return null;
  // A rule is the prelude's: what stands under this name in a declaration of TypeScript is refused there.
  const rule = builtin.scope ? null : settingText(builtin, 'rule');
  if (rule === 'conv' || rule === 'conv_transpose') {
    const sizes = convolved(env, made, input.type, span);
    const [h2, w2] = sizes ?? [];
    if (!h2 || !w2) return null;
    bindings.sizes.set('h2', h2);
    bindings.sizes.set('w2', w2);
  }
  const recurrent = rule === 'recurrent' ? recurrentOf(env, bound, input.type) : null;
  if (rule === 'recurrent' && !recurrent) return null;
  const type =
    recurrent?.type ?? judgeAtCall(env, span, () => resolveType(staticEnv, signature.result, bindings));
  if (type.kind === 'unknown') return null;
  if (
    builtin.name === 'embedding' &&
    !builtin.scope &&
    !checkPositions(env, input.type, bound.get('count'), input.span)
  )
    return null;
  if (builtin.settings.get('random') === true) env.place.notes.random = true;
  if (builtin.settings.get('meets_rows') === true) env.place.notes.meetsRows ??= span;
  const noBias = constantOf(bound.get('bias') ?? input) === false;
  const own: Weight[] = [];
  const declared: IrWeight[] = [];
  for (const part of recurrent?.parts ?? [''])
    for (const [setting, trainable] of [
      ['weights', true],
      ['state', false],
    ] as const) {
      for (const [name, dims] of weightsDeclared(builtin, setting)) {
        if (name === 'bias' && noBias) continue;
        const path = `${part}${name}`;
        const shape = dims.map((dim) => sizeIn(staticEnv, dim, bindings));
        declared.push({ name: path, dtype: 'f32', shape: shape.map(showSize), trainable });
        own.push({ path, span, named: true, dtype: 'f32', shape, trainable, count: null });
      }
    }
  const options: IrNamed[] = [];
  for (const name of builtin.scope ? sizesOfWeights(builtin) : ['inputs']) {
    const size = builtin.scope ? sizeTold(builtin, bindings, name) : bindings.sizes.get(name);
    if (size && own.length > 0) options.push({ name, value: sizeCode(size, env.place, span) });
  }
  for (const param of builtin.params) {
    const found = bound.get(param.name.text);
    // What is written in TypeScript is told the spec's defaults.
    if (!found || !(given.has(param.name.text) || builtin.scope) || found.type.kind === 'none') continue;
    if (
      !builtin.scope &&
      param.value &&
      isConstant(found, checkExpr({ ...env, scope: scopeOf(env, builtin) }, param.value))
    )
      continue;
    options.push({ name: param.name.text, value: found.ir });
  }
  const from = first.type.kind === 'namedType' ? (first.type.shape?.dims ?? []) : [];
  const to = signature.result.kind === 'namedType' ? (signature.result.shape?.dims ?? []) : [];
  const free = recurrent !== null || (from.some((dim) => dim.kind === 'rest') && from.length !== to.length);
  return {
    type,
    weights: own,
    content: builtin.scope
      ? externContent(env, builtin, builtin.scope, span, { options, weights: declared })
      : { kind: 'layer', layer: builtin.name, options, weights: declared, free },
  };
};

const checkPositions = (env: Env, index: TensorType, count: Value | undefined, span: Span): boolean => {
  if (!index.below || !count?.size) return true;
  const judged = judgeOrder(env, index.below, count.size);
  if (judged.verdict === 'proven' || judged.verdict === 'unproven') return true;
  // Sizes of inputs are free here; each use decides.
  const free = [...symbolsOf(index.below), ...symbolsOf(count.size)].some((name) => {
    const code = env.place.symbols.get(name);
    return code?.kind === 'ref' && code.ref.kind === 'dim';
  });
  if (judged.verdict === 'refuted' && free) return true;
  env.checker.report(
    tooManyPositions(
      span,
      { highest: showSize(sub(index.below, constant(1))), count: showSize(count.size) },
      { related: [{ span: count.span, label: `${showSize(count.size)} rows` }] },
    ),
  );
  return false;
};

const sizeIn = (env: Env, expr: Expr, bindings: Bindings): Size => {
  const inner: Env = { ...env, scope: { parent: env.scope, names: new Map() } };
  for (const [name, size] of bindings.sizes) {
    inner.scope.names.set(name, {
      kind: 'value',
      name,
      span: expr.span,
      what: 'size',
      value: () => value(expr.span, { kind: 'int' }, { kind: 'literal', value: 0 }, { size }),
    });
  }
  return checkExpr(inner, expr).size ?? constant(0);
};

const refuseWeights = (env: Env, name: string, span: Span): Value => {
  env.checker.report(
    wrongKind(
      span,
      { name, found: 'a layer', expected: 'a function without weights' },
      { help: 'layers and blocks stand in a `block` or `model`, which owns their weights' },
    ),
  );
  return unknownValue(span);
};

export const applySlot = (
  span: Span,
  type: Type,
  slot: IrSlotRef,
  inputs: readonly Value[],
  body: Body | null,
): Value => {
  const made = value(span, type, { kind: 'apply', slot, inputs: inputs.map((each) => each.ir) });
  if (body) computes(made.ir, body);
  return made;
};

export const applyLayer = (
  env: Env,
  builtin: Builtin,
  input: Value,
  args: readonly Arg[],
  as: Name | null,
  span: Span,
): Value => {
  const sink = env.place.weights;
  if (!sink) return refuseWeights(env, builtin.name, span);
  const made = bindLayer(env, builtin, args, span);
  if (!made || isUnknown(input)) return unknownValue(span);
  const inputs = inputsOf(env, builtin, made.extras, input, span);
  const applied = inputs && realizeLayer(env, made, inputs, span);
  const taken = takeName(env, sink, as, builtin.name);
  if (!applied || !taken) return unknownValue(span);
  // A layer without weights needs no name to keep its place in a checkpoint.
  const named = taken.named || applied.weights.length === 0;
  const free = applied.content.kind === 'layer' && applied.content.free;
  const ref = sink.refer(taken.name, sink.when !== null, free);
  addSlot(
    sink,
    span,
    null,
    { name: taken.name, named },
    applied.content,
    applied.weights,
    ref.kind === 'item' && ref.slot === null,
  );
  return applySlot(span, applied.type, ref, inputs, null);
};

/** A layer that is called again has the weights of its first call: its inputs must ask for the same. */
export const sameWeights = (
  env: Env,
  sink: WeightSink,
  name: string,
  wanted: readonly Weight[],
  span: Span,
): boolean =>
  wanted.every((weight) => {
    const path = `${name}.${weight.path}`;
    const first = sink.weights.find((each) => each.path === path);
    return weight.shape.every((size, axis) => {
      const other = first?.shape[axis];
      return (
        !first ||
        !other ||
        demandSize(env, size, other, {
          what: `\`${path}\`, as this input needs it,`,
          span,
          axis,
          related:
            first.span.file === span.file ? [{ span: first.span, label: `made for its first input` }] : [],
        })
      );
    });
  });

/** `layer e = embedding(…)`: made once, of a layer or a block, called with inputs in parentheses. */
export const nameLayer = (env: Env, statement: LayerStmt): NamedLayer | null => {
  const sink = env.place.weights;
  const { value: expr } = statement;
  if (!sink || expr.kind !== 'call' || expr.callee.kind !== 'ref') {
    env.checker.report(
      wrongType(expr.span, {
        what: `\`layer ${statement.name.text}\``,
        found: 'something else',
        expected: 'a layer or block with its parameters, like `embedding(256, 64)`',
      }),
    );
    return null;
  }
  const name = expr.callee.name;
  const binding = lookup(env.scope, name);
  if (binding?.kind === 'decl' && binding.decl.kind === 'block') {
    env.checker.used.add(binding);
    return applyNamedBlock(env, binding.decl, binding.file, statement, expr.args);
  }
  const builtin = binding ? externLayer(env, binding) : env.checker.prelude.find('layer', name);
  if (!builtin) {
    if (binding && isUnbuilt(binding)) return null;
    if (binding)
      env.checker.report(
        wrongKind(expr.callee.span, { name, found: kindOf(binding), expected: 'a layer or block' }),
      );
    else reportUnknown(env, name, expr.callee.span, 'layer', env.checker.prelude.names('layer'));
    return null;
  }
  const made = bindLayer(env, builtin, expr.args, expr.span);
  const taken = takeName(env, sink, statement.name, builtin.name);
  if (!made || !taken) return null;
  const { when } = sink;
  const realize = (at: Env, inputs: readonly Value[], span: Span): Applied | null => {
    const applied = realizeLayer(at, made, inputs, span);
    if (!applied) return null;
    // What is gone through without being taken leaves no slot behind.
    if (!sink.slots.some((slot) => slot.name === taken.name)) {
      const before = sink.when;
      sink.when = when;
      addSlot(sink, statement.span, statement.doc, taken, applied.content, applied.weights);
      sink.when = before;
      return applied;
    }
    return sameWeights(at, sink, taken.name, applied.weights, inputs[0]?.span ?? span) ? applied : null;
  };
  // Weights that need no input (embedding) exist from here on, called or not.
  if (
    !builtin.scope &&
    !(builtin.item.signature?.inputs ?? []).some((input) => JSON.stringify(input.type).includes('"inputs"'))
  ) {
    const dtype = builtin.name === 'embedding' ? 'i32' : 'f32';
    realize(
      env,
      [value(statement.span, tensorType(dtype, [constant(1)]), { kind: 'literal', value: null })],
      statement.span,
    );
  }
  return {
    name: taken.name,
    call: (at, inputs, span) => {
      const [input] = inputs;
      if (!input || inputs.some(isUnknown) || !countFits(at, builtin, inputs, span))
        return unknownValue(span);
      const applied = realize(at, inputs, span);
      if (!applied) return unknownValue(span);
      const free = applied.content.kind === 'layer' && applied.content.free;
      return applySlot(span, applied.type, sink.refer(taken.name, when !== null, free), inputs, null);
    },
    weight: (at, weight, span) => {
      const weights = sink.weights.filter((each) => each.path.startsWith(`${taken.name}.`));
      const found = weights.find((each) => each.path === `${taken.name}.${weight}`);
      if (!found) {
        const near = nearest(
          weight,
          weights.map((each) => each.path.slice(taken.name.length + 1)).filter((each) => !each.includes('.')),
        );
        at.checker.report(
          weights.length > 0
            ? unknownAttribute(
                span,
                { kind: 'weight', name: weight, owner: taken.name },
                near[0] ? { help: `write \`${taken.name}.${near[0]}\`` } : {},
              )
            : unknownName(
                span,
                { kind: 'weight', name: `${taken.name}.${weight}` },
                { help: 'call the layer before its weights are used' },
              ),
        );
        return unknownValue(span);
      }
      return value(span, tensorType(found.dtype, found.shape), {
        kind: 'ref',
        ref: {
          kind: 'weight',
          slot: sink.refer(taken.name, when !== null, false),
          weight,
          ...(builtin.scope ? { extern: true as const } : {}),
        },
      });
    },
  };
};
