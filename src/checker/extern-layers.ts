/** Layers written in TypeScript: what they declare of their inputs, their result and the weights that they own. */
import type { Expr, ExternItem, TypeExpr } from '../parser/ast.js';
import { missingPart, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { parameterEnv } from './arguments.js';
import { showSize, symbol } from './dims/size.js';
import type { Binding, Env, FileScope } from './env.js';
import { declaredOption, readDeclared } from './extern-options.js';
import { moduleOf } from './externs.js';
import type { IrContent, IrExternItem, IrNamed, IrOption, IrType, IrWeight } from './ir.js';
import { freePlainSizes, noBindings, sizeOf, sizeValue, type Bindings } from './patterns.js';
import { builtinOf, type Builtin } from './prelude.js';
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

/** Sizes of the inputs that weights are made of: the layer is told them. */
export const sizesOfWeights = (builtin: Builtin): readonly string[] => {
  const used = new Set(
    (['weights', 'state'] as const).flatMap((setting) =>
      weightsDeclared(builtin, setting).flatMap(([, dims]) => refsIn(dims)),
    ),
  );
  const inputs = (builtin.item.signature?.inputs ?? []).flatMap((input) => namesIn(input.type));
  return [...new Set(inputs)].filter(
    (name) => used.has(name) && !builtin.params.some((param) => param.name.text === name),
  );
};

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
  const { inner, bindings } = freely(env, item);
  const shape = (type.shape?.dims ?? []).flatMap((dim): readonly string[] => {
    if (dim.kind === 'rest') return [`...${dim.name?.text ?? ''}`];
    const size = sizeOf(parameterEnv(inner, inner.scope, sizesAsValues(bindings, dim.size.span)), dim.size);
    return size ? [showSize(size)] : [];
  });
  return { kind: 'tensor', dtype: type.name.text, shape };
};

const sizesAsValues = ({ sizes }: Bindings, span: Span): ReadonlyMap<string, Value> =>
  new Map([...sizes].map(([name, size]) => [name, sizeValue(span, name, size)]));

/** What a layer declares, as the runtime holds it against what is made. */
export const externContent = (
  env: Env,
  builtin: Builtin,
  file: FileScope,
  { options, weights }: { readonly options: readonly IrNamed[]; readonly weights: readonly IrWeight[] },
): IrContent => {
  const { item } = builtin;
  const { signature } = item;
  const at: Env = { ...env, file, scope: file };
  const { inner, bindings } = freely(at, item);
  const owned = (setting: 'weights' | 'state') =>
    weightsDeclared(builtin, setting).map(([name, dims]) => ({
      name,
      shape: dims.map((dim) => {
        const size = sizeOf(parameterEnv(inner, inner.scope, sizesAsValues(bindings, dim.span)), dim);
        return size ? showSize(size) : '0';
      }),
    }));
  const shapeOf = (type: TypeExpr): readonly string[] => {
    const made = declaredTensor(at, item, type, '');
    return made.kind === 'tensor' ? made.shape : [];
  };
  return env.checker.capture((): IrContent => ({
    kind: 'layer',
    layer: builtin.name,
    options,
    weights,
    free: true,
    extern: {
      module: moduleOf(file, item),
      takes: (signature?.inputs ?? []).map((input) => shapeOf(input.type)),
      gives: signature ? shapeOf(signature.result) : [],
      weights: owned('weights'),
      state: owned('state'),
    },
  })).result;
};

/** A layer in TypeScript. What it declares is checked here, where it stands. */
export const layerItem = (env: Env, item: ExternItem): IrExternItem => {
  const name = item.name.text;
  const builtin: Builtin = { ...builtinOf(item), scope: env.file };
  readDeclared(env, item, { weights: 'record', state: 'record', random: 'bool', meets_rows: 'bool' }, [
    'signature',
  ]);
  if (!item.signature)
    env.checker.report(
      missingPart(
        item.name.span,
        { what: `layer \`${name}\` does not say what it takes and gives` },
        { help: 'write `on x: f32[...s, inputs] -> f32[...s, inputs]` behind its parameters' },
      ),
    );
  for (const setting of ['weights', 'state'] as const) checkOwned(env, item, recordOf(builtin, setting));
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
    what: 'layer',
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
