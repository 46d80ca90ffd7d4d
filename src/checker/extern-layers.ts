/** Layers and models written in TypeScript: what they declare of their inputs, their result and the weights that they own. */
import type { Expr, ExternItem, TypeExpr } from '../parser/ast.js';
import { duplicateKey, missingPart, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { parameterEnv } from './arguments.js';
import { constant, showSize, symbol, symbolsOf, type Size } from './dims/size.js';
import type { Binding, Env, FileScope } from './env.js';
import { declaredOption, readDeclared } from './extern-options.js';
import { moduleOf } from './externs.js';
import type { IrContent, IrExternItem, IrNamed, IrOption, IrType, IrWeight } from './ir.js';
import { freePlainSizes, noBindings, sizeOf, sizeValue, type Bindings } from './patterns.js';
import { builtinOf, type Builtin } from './prelude.js';
import { sizeCode } from './size-code.js';
import { isDType } from './types.js';
import type { Value } from './value.js';

/** The layer that a name stands for, where it is one in TypeScript. */
export const externLayer = (env: Env, binding: Binding): Builtin | null => {
  if (binding.kind !== 'decl' || binding.decl.kind !== 'externItem' || binding.decl.what !== 'layer')
    return null;
  env.checker.used.add(binding);
  const { decl, file } = binding;
  return env.checker.memo(decl, 'layer', () => ({ ...builtinOf(decl), scope: file }));
};

const recordOf = (builtin: Builtin, setting: string): Extract<Expr, { kind: 'record' }> | null => {
  const entry = builtin.config?.entries.find(
    (each) => each.kind === 'attribute' && each.name.text === setting,
  );
  return entry?.kind === 'attribute' && entry.value.kind === 'record' ? entry.value : null;
};

const dimsOf = (value: Expr): readonly Expr[] =>
  value.kind === 'index' ? value.slices.flatMap((slice) => (slice.kind === 'at' ? [slice.at] : [])) : [];

/** Paths of what a layer owns, `weight` or `inner.weight`, with their sizes. */
const paths = (
  record: Extract<Expr, { kind: 'record' }> | null,
  before = '',
): readonly (readonly [string, readonly Expr[]])[] =>
  (record?.fields ?? []).flatMap(({ name, value }) =>
    value.kind === 'record'
      ? paths(value, `${before}${name.text}.`)
      : [[`${before}${name.text}`, dimsOf(value)] as const],
  );

/** `weights = { weight: f32[inputs, units] }` as names and size expressions. */
export const weightsDeclared = (
  builtin: Builtin,
  setting: 'weights' | 'state',
): readonly (readonly [string, readonly Expr[]])[] => paths(recordOf(builtin, setting));

const refsIn = (expr: unknown): readonly string[] => {
  if (typeof expr !== 'object' || expr === null) return [];
  if ('kind' in expr && expr.kind === 'ref' && 'name' in expr && typeof expr.name === 'string')
    return [expr.name];
  return Object.values(expr).flatMap(refsIn);
};

const namesIn = (type: TypeExpr): readonly string[] =>
  type.kind === 'namedType' ? (type.shape?.dims ?? []).flatMap(refsIn) : [];

/** The size that a name of the file is, of a param or a constant; null where it is none. */
const sizeOfFile = (file: FileScope | undefined, name: string): Size | null => {
  const binding = file?.names.get(name);
  return binding?.kind === 'value' ? (binding.value().size ?? null) : null;
};

const isParam = ({ params }: Builtin, name: string): boolean =>
  params.some((param) => param.name.text === name);

/** Sizes that weights are made of, those of inputs first: the layer is told them, as it is told its parameters. */
export const sizesOfWeights = (builtin: Builtin): readonly string[] => {
  const used = new Set(
    (['weights', 'state'] as const).flatMap((setting) =>
      weightsDeclared(builtin, setting).flatMap(([, dims]) => refsIn(dims)),
    ),
  );
  const inputs = new Set((builtin.item.signature?.inputs ?? []).flatMap((input) => namesIn(input.type)));
  return [
    ...[...inputs].filter((name) => used.has(name)),
    ...[...used].filter((name) => !inputs.has(name) && sizeOfFile(builtin.scope, name)),
  ].filter((name) => !isParam(builtin, name));
};

/** What a size that weights are made of is here: that of an input, or of a param or constant of the file. */
export const sizeTold = ({ scope }: Builtin, { sizes }: Bindings, name: string): Size | null =>
  sizes.get(name) ?? sizeOfFile(scope, name);

/** The scope in which a signature's sizes are names of themselves. */
const freely = (env: Env, item: ExternItem): { readonly inner: Env; readonly bindings: Bindings } => {
  const bindings = noBindings();
  const inner = parameterEnv(env, env.file, new Map());
  for (const { name, type } of item.params) {
    if (type.kind === 'namedType' && type.name.text === 'int')
      bindings.sizes.set(name.text, symbol(name.text));
  }
  const inputs = (item.signature?.inputs ?? []).map((input) => input.type);
  freePlainSizes(inner, inputs, bindings, symbol);
  return { inner, bindings };
};

/** A tensor as declared, its sizes as a reader writes them: `n`, `28`, `2 * h`, `...s`. Reports what is no tensor. */
const declaredTensor = (env: Env, item: ExternItem, type: TypeExpr, what: string): IrType => {
  if (type.kind !== 'namedType' || !isDType(type.name.text)) {
    env.checker.report(
      wrongType(
        type.span,
        { what, found: 'another type', expected: 'a tensor with its element type' },
        { help: 'write `f32[n, inputs]`, or `f32[...s, inputs]` for any number of axes before' },
      ),
    );
    return { kind: 'tensor', dtype: 'f32', shape: [] };
  }
  const shape = axesOf(env, item, type).map((axis) => (typeof axis === 'string' ? axis : showSize(axis)));
  return { kind: 'tensor', dtype: type.name.text, shape };
};

/** Sizes of a tensor as declared, and `...s` for any number of axes. */
const axesOf = (env: Env, item: ExternItem, type: TypeExpr): readonly (Size | string)[] => {
  const { inner, bindings } = freely(env, item);
  return (type.kind === 'namedType' ? (type.shape?.dims ?? []) : []).flatMap((dim): (Size | string)[] => {
    if (dim.kind === 'rest') return [`...${dim.name?.text ?? ''}`];
    const size = sizeOf(parameterEnv(inner, inner.scope, sizesAsValues(bindings, dim.size.span)), dim.size);
    return size ? [size] : [];
  });
};

const sizesAsValues = ({ sizes }: Bindings, span: Span): ReadonlyMap<string, Value> =>
  new Map([...sizes].map(([name, size]) => [name, sizeValue(span, name, size)]));

/** What a layer or model declares, as the runtime holds it against what is made. */
export const externContent = (
  env: Env,
  builtin: Builtin,
  file: FileScope,
  span: Span,
  { options, weights }: { readonly options: readonly IrNamed[]; readonly weights: readonly IrWeight[] },
): IrContent => {
  const { item } = builtin;
  const { signature } = item;
  const at: Env = { ...env, file, scope: file };
  const { inner, bindings } = freely(at, item);
  const others = new Set<string>();
  const shown = (axis: Size | string): string => {
    if (typeof axis === 'string') return axis;
    for (const name of symbolsOf(axis)) {
      if (!bindings.sizes.has(name) && !options.some((option) => option.name === name)) others.add(name);
    }
    return showSize(axis);
  };
  const owned = (setting: 'weights' | 'state') =>
    weightsDeclared(builtin, setting).map(([name, dims]) => ({
      name,
      shape: dims.map((dim) =>
        shown(
          sizeOf(parameterEnv(inner, inner.scope, sizesAsValues(bindings, dim.span)), dim) ?? constant(0),
        ),
      ),
    }));
  const shapeOf = (type: TypeExpr): readonly string[] => axesOf(at, item, type).map(shown);
  return env.checker.capture((): IrContent => {
    const extern = {
      what: item.what === 'model' ? ('model' as const) : ('layer' as const),
      module: moduleOf(file, item),
      takes: (signature?.inputs ?? []).map((input) => shapeOf(input.type)),
      gives: signature ? shapeOf(signature.result) : [],
      weights: owned('weights'),
      state: owned('state'),
    };
    const sizes = [...others].map((name) => ({ name, value: sizeCode(symbol(name), env.place, span) }));
    return { kind: 'layer', layer: builtin.name, options, weights, free: true, extern: { ...extern, sizes } };
  }).result;
};

/** A layer or model in TypeScript. What it declares is checked here, where it stands. */
export const layerItem = (env: Env, item: ExternItem, what: 'layer' | 'model'): IrExternItem => {
  const name = item.name.text;
  const builtin: Builtin = { ...builtinOf(item), scope: env.file };
  readDeclared(env, item, { weights: 'record', state: 'record', random: 'bool', meets_rows: 'bool' }, [
    'signature',
  ]);
  if (!item.signature)
    env.checker.report(
      missingPart(
        item.name.span,
        { what: `${what} \`${name}\` does not say what it takes and gives` },
        {
          help: `write \`on x: ${what === 'layer' ? 'f32[...s, inputs] -> f32[...s, inputs]' : 'f32[n, 4] -> f32[n, 2]'}\` behind its parameters`,
        },
      ),
    );
  const owned = new Set<string>();
  for (const setting of ['weights', 'state'] as const) {
    checkOwned(env, item, recordOf(builtin, setting));
    for (const { path, span } of namesOwned(recordOf(builtin, setting))) {
      if (owned.has(path)) env.checker.report(duplicateKey(span, { name: path }));
      owned.add(path);
    }
  }
  const inputs = (item.signature?.inputs ?? []).map((input) => ({
    name: input.name.text,
    type: declaredTensor(env, item, input.type, `\`${input.name.text}\` of \`${name}\``),
  }));
  const sizes = sizesOfWeights(builtin).map((size): IrOption => ({
    name: size,
    doc: null,
    origin: 'size',
    type: { kind: 'int' },
    value: null,
  }));
  const owns = (['weights', 'state'] as const).flatMap((setting) =>
    weightsDeclared(builtin, setting).map(([path, dims]) => ({ path, rank: dims.length })),
  );
  return {
    span: item.span,
    doc: item.doc,
    what,
    name,
    params: [...sizes, ...item.params.map((param) => declaredOption(env, param))],
    inputs,
    result: item.signature
      ? declaredTensor(env, item, item.signature.result, `what \`${name}\` gives`)
      : { kind: 'none' },
    many: false,
    owns,
  };
};

/** Each name of what is owned, and that of each part with weights, by its path. */
const namesOwned = (
  record: Extract<Expr, { kind: 'record' }> | null,
  before = '',
): readonly { readonly path: string; readonly span: Span }[] =>
  (record?.fields ?? []).flatMap(({ name, value }) =>
    value.kind === 'record'
      ? namesOwned(value, `${before}${name.text}.`)
      : [{ path: `${before}${name.text}`, span: name.span }],
  );

/** What is owned are tensors of f32, whose sizes the signature and the parameters say. */
const checkOwned = (env: Env, item: ExternItem, record: Extract<Expr, { kind: 'record' }> | null): void => {
  for (const { name, value } of record?.fields ?? []) {
    if (value.kind === 'record') {
      checkOwned(env, item, value);
      continue;
    }
    const isTensor =
      (value.kind === 'ref' && value.name === 'f32') ||
      (value.kind === 'index' &&
        value.object.kind === 'ref' &&
        value.object.name === 'f32' &&
        value.slices.every((slice) => slice.kind === 'at'));
    if (!isTensor) {
      env.checker.report(
        wrongType(
          value.span,
          {
            what: `\`${name.text}\` of \`${item.name.text}\``,
            found: 'something else',
            expected: 'a tensor of f32',
          },
          { help: `write \`${name.text}: f32[inputs]\`` },
        ),
      );
      continue;
    }
    const { inner, bindings } = freely(env, item);
    for (const dim of dimsOf(value))
      sizeOf(parameterEnv(inner, inner.scope, sizesAsValues(bindings, dim.span)), dim);
  }
};
