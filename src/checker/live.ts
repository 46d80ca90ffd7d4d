/** Live data sources: what they declare, the models that they are handed, and which options of a data set they leave without sense. */
import type { DataDecl, Expr, ExternItem, Item, ModelDecl, TypeExpr } from '../parser/ast.js';
import { notForLive, wrongKind, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { sourceText } from './calls.js';
import { classOf } from './classes.js';
import { derivedOf } from './copies.js';
import { lookup, type Binding, type Env, type FileScope } from './env.js';
import { kindOf } from './expressions.js';
import type { IrType } from './ir.js';
import { parseSize, type SizeNode } from '../values/size-text.js';
import { unknownValue, value, type Value } from './value.js';

/** Whether an extern data source says `live = true`. */
export const isLive = (item: ExternItem): boolean =>
  (item.config?.entries ?? []).some(
    (entry) =>
      entry.kind === 'attribute' &&
      entry.name.text === 'live' &&
      entry.value.kind === 'bool' &&
      entry.value.value,
  );

type ModelBinding = Extract<Binding, { kind: 'decl' }>;

/** The model that a written type names, or null. */
const namedModel = (file: FileScope, type: TypeExpr): ModelBinding | null => {
  const binding = type.kind === 'namedType' && !type.shape ? lookup(file, type.name.text) : null;
  return binding?.kind === 'decl' && (binding.decl.kind === 'model' || binding.decl.kind === 'modelAlias')
    ? binding
    : null;
};

/** Whether a parameter of a data source is a model. */
export const isModelParam = (file: FileScope, { type }: Item): boolean => namedModel(file, type) !== null;

const graphOf = (
  env: Env,
  { decl, file }: ModelBinding,
): { readonly decl: ModelDecl; readonly file: FileScope } | null => {
  if (decl.kind === 'model') return { decl, file };
  const derived = decl.kind === 'modelAlias' ? derivedOf(env, decl, file) : null;
  return derived ? { decl: derived.model, file: derived.file } : null;
};

/** What a model takes and gives, as a source in TypeScript sees it. Null after an error, which is reported at `span`. */
const modelType = (
  env: Env,
  binding: ModelBinding,
  name: string,
  span: Span,
): Extract<IrType, { kind: 'model' }> | null => {
  const graph = graphOf(env, binding);
  const info = graph ? classOf(env, graph.decl, graph.file) : null;
  if (!graph || !info) return null;
  const { inputs, result, options } = info.ir;
  const wrong = (found: string, expected: string): null => {
    env.checker.report(
      wrongType(span, {
        what: `model \`${name}\``,
        found,
        expected: `${expected} where a live source calls it`,
      }),
    );
    return null;
  };
  const declared = new Set(options.flatMap(({ name: own, origin }) => (origin === 'declared' ? [own] : [])));
  const isKnown = (size: string): boolean =>
    namesIn(parseSize(size)).every(
      (each) => declared.has(each) || lookup(graph.file, each)?.kind === 'value',
    );
  for (const { name: input, type } of inputs) {
    if (type.kind !== 'tensor') return wrong(`of an input \`${input}\` that is no tensor`, 'tensors');
    const [rows, ...sizes] = type.shape;
    if (rows === undefined || !/^[A-Za-z_]\w*$/.test(rows) || isKnown(rows))
      return wrong(`of an input \`${input}\` without a size for its rows`, 'a name for the first size');
    const open = sizes.find((size) => !isKnown(size));
    if (open !== undefined)
      return wrong(`of an input \`${input}\` of any size \`${open}\``, 'sizes that are known');
  }
  const isTensors =
    result.kind === 'tensor' ||
    (result.kind === 'record' && result.fields.every((field) => field.type.kind === 'tensor'));
  return isTensors
    ? { kind: 'model', inputs, result }
    : wrong('whose result is no tensor, and no record of tensors', 'one');
};

const namesIn = (node: SizeNode): readonly string[] => {
  switch (node.kind) {
    case 'number':
      return [];
    case 'name':
      return [node.name];
    case 'binary':
      return [...namesIn(node.left), ...namesIn(node.right)];
    case 'call':
      return node.args.flatMap(namesIn);
  }
};

/** The type of a parameter that is a model; null where it is none, `wrong` after an error. */
export const modelParam = (
  env: Env,
  file: FileScope,
  item: ExternItem,
  param: Item,
): Extract<IrType, { kind: 'model' }> | 'wrong' | null => {
  const binding = namedModel(file, param.type);
  if (!binding) return null;
  env.checker.used.add(binding);
  if (!isLive(item)) {
    env.checker.report(
      wrongType(
        param.type.span,
        { what: `\`${param.name.text}\` of \`${item.name.text}\``, found: 'a model', expected: 'a value' },
        {
          help: 'only a source whose batches are made as the step asks for them calls models: declare it with `{ live = true }`',
        },
      ),
    );
    return 'wrong';
  }
  return modelType(env, binding, binding.name, param.type.span) ?? 'wrong';
};

/** The models that an argument may name: the declared one, and those that have its weights. */
const fits = (env: Env, wanted: ModelBinding, given: ModelBinding): boolean => {
  if (given.decl === wanted.decl) return true;
  if (given.decl.kind !== 'modelAlias') return false;
  const copy = derivedOf(env, given.decl, given.file)?.copy;
  const own = wanted.decl.kind === 'model' || wanted.decl.kind === 'modelAlias' ? wanted.decl.name.text : '';
  return copy?.of === own;
};

/** The model that is given for a parameter of that type; null where the parameter is no model. */
export const modelArgument = (
  env: Env,
  file: FileScope,
  owner: string,
  param: Item,
  expr: Expr,
): Value | null => {
  const wanted = namedModel(file, param.type);
  if (!wanted) return null;
  const name = expr.kind === 'ref' ? expr.name : sourceText(env, env.file, expr.span);
  const found = expr.kind === 'ref' ? lookup(env.scope, expr.name) : null;
  const binding =
    found?.kind === 'decl' && (found.decl.kind === 'model' || found.decl.kind === 'modelAlias')
      ? found
      : null;
  if (binding) env.checker.used.add(binding);
  if (!binding || !fits(env, wanted, binding)) {
    env.checker.report(
      wrongKind(
        expr.span,
        {
          name,
          found: binding ? 'another model' : found ? kindOf(found) : 'no model',
          expected: `\`${wanted.name}\`, or a copy of it,`,
        },
        {
          notes: [`\`${param.name.text}\` of \`${owner}\` is declared as \`${wanted.name}\``],
          help: `write \`${wanted.name}\`, or a model that is made from it by \`ema\`, \`average\` or \`frozen\``,
        },
      ),
    );
    return unknownValue(expr.span);
  }
  const type = modelType(env, binding, name, expr.span);
  if (!type || (binding.decl.kind !== 'model' && binding.decl.kind !== 'modelAlias'))
    return unknownValue(expr.span);
  const own = binding.decl.name.text;
  const made = value(
    expr.span,
    { kind: 'setting', what: 'model' },
    { kind: 'literal', value: own },
    { constant: own },
  );
  return { ...made, ir: { ...made.ir, type } };
};

/** Options of a data set that say something of rows which are there before they are asked for. */
const idle: ReadonlyMap<string, string> = new Map([
  ['shuffle', 'rows come in the order in which they are harvested'],
  ['parts', 'there is nothing to share out'],
  ['part', 'there is nothing to share out'],
  ['split_seed', 'there is nothing to share out'],
  ['stratify', 'there is nothing to share out'],
  ['on_bad_row', 'a harvest has the rows of a batch, and each of them counts'],
  ['workers', 'a harvest calls models, which are not in another thread'],
  ['prefetch', 'a batch that is made ahead would be made by models of before'],
]);

export const checkLiveOptions = (env: Env, decl: DataDecl): void => {
  for (const entry of decl.config.entries) {
    const why = entry.kind === 'attribute' ? idle.get(entry.name.text) : undefined;
    if (entry.kind !== 'attribute' || why === undefined) continue;
    env.checker.report(
      notForLive(
        entry.span,
        { what: `\`${entry.name.text}\``, data: decl.name.text },
        { notes: [why], help: 'leave it out' },
      ),
    );
  }
};

/** What a field of a row is in TypeScript. */
export type RowKind = 'numbers' | 'gaps' | 'texts' | 'lists';

const rowKind = (file: FileScope, params: readonly Item[], type: TypeExpr): RowKind => {
  const members = type.kind === 'unionType' ? type.members : [type];
  if (members.some((each) => each.kind === 'namedType' && each.name.text === 'missing')) return 'gaps';
  const [only] = members;
  if (only?.kind !== 'namedType') return 'numbers';
  const isText = only.name.text === 'string' || only.name.text === 'path';
  const dims = only.shape?.dims ?? [];
  const isOpen = dims.some((dim) => {
    const name = dim.kind === 'size' && dim.size.kind === 'ref' ? dim.size.name : null;
    return (
      name !== null &&
      !params.some((param) => param.name.text === name) &&
      lookup(file, name)?.kind !== 'value'
    );
  });
  return isOpen || (isText && dims.length > 0) ? 'lists' : isText ? 'texts' : 'numbers';
};

/** The fields of a source whose TypeScript is held against each of them: a live one, and one that knows gaps. */
export const rowKinds = (
  file: FileScope,
  item: ExternItem,
): readonly { readonly name: string; readonly of: RowKind }[] | null => {
  if (item.result?.kind !== 'recordType') return null;
  const kinds = item.result.fields.map((field) => ({
    name: field.name.text,
    of: rowKind(file, item.params, field.type),
  }));
  return isLive(item) || kinds.some(({ of }) => of === 'gaps') ? kinds : null;
};
