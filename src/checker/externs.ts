/** Functions written in TypeScript and declared in a spec. */
import type { Arg, ExternItem, Item, Name, TypeExpr } from '../parser/ast.js';
import { notBuilt } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { parameterEnv } from './arguments.js';
import { isOptionalTensor } from './calls.js';
import { bindDeclared, type DeclaredCall } from './declared-calls.js';
import type { Env, FileScope } from './env.js';
import { declaredOf, isOptionalOption, optionType, reportHidden } from './extern-addons.js';
import { layerItem } from './extern-layers.js';
import { metricResult } from './extern-metrics.js';
import { isLive, modelParam, rowKinds } from './live.js';
import { readDeclared } from './extern-options.js';
import { optimizerItem } from './extern-optimizers.js';
import { phaseItem } from './schedules.js';
import type { IrExtern, IrExternItem, IrExpr, IrNamed, IrOption, IrType } from './ir.js';
import { isPath } from './data.js';
import { isTensorType, noBindings, resolveType } from './patterns.js';
import { symbol } from './dims/size.js';
import { irType } from './types.js';
import { unknownValue, value, type Value } from './value.js';

/** The file that declares it, as written after `extern`. */
export const moduleOf = (file: FileScope, item: ExternItem): string => {
  for (const decl of file.decls) {
    if (decl.kind === 'extern' && decl.items.includes(item)) return decl.module.value;
  }
  return '';
};

/** What is passed on of a call: tensors in order, everything else by name. The spec's defaults are passed on as well. */
export const passedOn = (
  params: readonly Item[],
  { bound }: DeclaredCall,
): { readonly args: readonly IrExpr[]; readonly options: readonly IrNamed[] } => ({
  args: params.filter(isPlainTensor).flatMap((param) => bound.get(param.name.text)?.ir ?? []),
  options: params.flatMap((param): IrNamed[] => {
    const found = bound.get(param.name.text);
    return !found || isPlainTensor(param) || found.type.kind === 'none'
      ? []
      : [{ name: param.name.text, value: found.ir }];
  }),
});

/** A tensor that is always there: one that may be `none` goes with the options. */
export const isPlainTensor = ({ type }: Item): boolean => isTensorType(type) && !isOptionalTensor(type);

export const callExternFn = (
  env: Env,
  decl: ExternItem,
  file: FileScope,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const name = decl.name.text;
  const call = bindDeclared(env, decl, file, args, span, piped);
  if (!call) return unknownValue(span);
  const { bindings, inner } = call;
  const type = decl.result ? resolveType(inner, decl.result, bindings) : null;
  if (!type || type.kind === 'unknown') return unknownValue(span);
  return value(span, type, {
    kind: 'op',
    home: `extern:${moduleOf(file, decl)}`,
    name,
    ...passedOn(decl.params, call),
    draw: null,
    free: false,
  });
};

const INSTEAD =
  'functions, data sources, metrics, optimizers, schedule phases, layers, models and add-ons can be written in TypeScript';

const declared: Readonly<Partial<Record<ExternItem['what'], (env: Env, item: ExternItem) => IrExternItem>>> =
  {
    optimizer: (env, item) => optimizerItem(env, item),
    schedule: (env, item) => phaseItem(env, item),
    layer: (env, item) => layerItem(env, item, 'layer'),
    model: (env, item) => layerItem(env, item, 'model'),
  };

/** The externs of a file, for the code that imports them. */
export const externsOf = (env: Env, file: FileScope): readonly IrExtern[] =>
  file.decls.flatMap((decl): IrExtern[] => {
    if (decl.kind !== 'extern') return [];
    const items: IrExternItem[] = [];
    for (const item of decl.items) {
      if (item.what === 'addon') {
        items.push(addonItem({ ...env, file, scope: file }, item));
        continue;
      }
      const make = declared[item.what];
      if (make) {
        items.push(make({ ...env, file, scope: file }, item));
        continue;
      }
      if (item.what !== 'fn' && item.what !== 'data' && item.what !== 'metric') {
        env.checker.report(notBuilt(item.span, { what: `an extern ${item.what}` }, { help: INSTEAD }));
        continue;
      }
      items.push(calledItem({ ...env, file, scope: file }, file, item, item.what));
    }
    return [{ span: decl.span, module: decl.module.value, items }];
  });

/** A function, data source or metric: what is called with tensors and options. */
const calledItem = (
  env: Env,
  file: FileScope,
  item: ExternItem,
  what: 'fn' | 'data' | 'metric',
): IrExternItem => {
  if (what === 'metric') readDeclared(env, item, {}, ['result']);
  if (what === 'data') readDeclared(env, item, { live: 'bool' }, ['result']);
  const fields = what === 'data' ? rowKinds(file, item) : null;
  const bindings = noBindings();
  const inner = parameterEnv(env, file, new Map());
  const free = (name: string) => symbol(name);
  const params = item.params.filter((param) => !isPlainTensor(param));
  for (const param of params) {
    if (param.type.kind === 'namedType' && param.type.name.text === 'int')
      bindings.sizes.set(param.name.text, symbol(param.name.text));
  }
  const optionOf = (param: Item): IrType => {
    if (isPath(param.type)) return { kind: 'path' };
    const model = what === 'data' ? modelParam(env, file, item, param) : null;
    return model === 'wrong' ? { kind: 'none' } : (model ?? typeOf(param.type));
  };
  const typeOf = (type: TypeExpr): IrType => {
    if (type.kind === 'recordType')
      return {
        kind: 'record',
        fields: type.fields.map((field) => ({ name: field.name.text, type: typeOf(field.type) })),
      };
    const resolved = irType(resolveType(inner, type, bindings, free));
    if (what === 'data' || resolved.kind !== 'tensor' || !hasRest(type)) return resolved;
    // Any number of axes. Of a metric nothing comes out that has those of `...s`; of a function it may be a tensor alike.
    const rest = what === 'fn' ? (restAlone(type)?.text ?? '') : '';
    return { ...resolved, shape: [`...${rest}`] };
  };
  return {
    span: item.span,
    doc: item.doc,
    what,
    name: item.name.text,
    params: params.map((param): IrOption => ({
      name: param.name.text,
      doc: param.doc,
      origin: 'declared',
      type: optionOf(param),
      // A default of the spec is passed on, so that the function itself needs none; `none` is left out.
      value: isOptionalOption(param.type)
        ? { kind: 'literal', value: null, span: param.span, type: { kind: 'none' } }
        : null,
    })),
    inputs: item.params
      .filter(isPlainTensor)
      .map((param) => ({ name: param.name.text, type: typeOf(param.type) })),
    result:
      what === 'metric'
        ? metricResult(env, item)
        : // What rows are is held against the source where data is read of it.
          what === 'fn' && item.result
          ? typeOf(item.result)
          : { kind: 'none' },
    many: false,
    ...(what === 'data' && isLive(item) ? { live: true as const } : {}),
    ...(fields ? { fields } : {}),
  };
};

const hasRest = (type: TypeExpr): boolean =>
  type.kind === 'unionType'
    ? type.members.some(hasRest)
    : type.kind === 'namedType' && (type.shape?.dims.some((dim) => dim.kind === 'rest') ?? false);

/** The name of `...s` where a tensor has these axes and no others. */
const restAlone = (type: TypeExpr): Name | null => {
  const [only, ...others] = type.kind === 'namedType' ? (type.shape?.dims ?? []) : [];
  return only?.kind === 'rest' && others.length === 0 ? only.name : null;
};

/** An add-on: its options alone. What it declares is checked here, where it stands. */
const addonItem = (env: Env, item: ExternItem): IrExternItem => {
  reportHidden(env, item);
  const { many, owns } = declaredOf(env, item);
  return {
    span: item.span,
    doc: item.doc,
    what: 'addon',
    name: item.name.text,
    params: item.params.map((param) => ({
      name: param.name.text,
      doc: param.doc,
      origin: 'declared',
      type: optionType(env, param.type),
      value: isOptionalOption(param.type)
        ? { kind: 'literal', value: null, span: param.span, type: { kind: 'none' } }
        : null,
    })),
    inputs: [],
    result: { kind: 'none' },
    many,
    effects: owns,
  };
};
