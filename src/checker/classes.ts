/** Blocks and models: checked once with free sizes, and again for each use with the sizes there. */
import type { BlockDecl, ModelDecl, Name } from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import { noDefault, restInBlock, weightsHoldBatch, wrongResult } from '../parser/messages.gen.js';
import { showSize, symbol, symbolsOf, type Size } from './dims/size.js';
import { childScope, makePlace, type Env, type FileScope, type Weight, type WeightSink } from './env.js';
import { apart, hasTooMany } from './expansion.js';
import { checkFresh, checkGraph } from './graphs.js';
import type { IrClass, IrOption, IrStmt, IrStepStmt } from './ir.js';
import { refsOf } from './ir-walk.js';
import { reportFractionsOnce } from './judging.js';
import { freePlainSizes, matchType, noBindings, resolveType } from './patterns.js';
import { irType, isOne, showType, unknownType, type Type } from './types.js';
import { isUnknown, value, type Value } from './value.js';
import {
  openValue,
  lowerBounds,
  checkCollisions,
  checkDefault,
  fileFacts,
  paramSymbols,
} from './parameters.js';

export type ClassDecl = BlockDecl | ModelDecl;

export interface ClassInfo {
  readonly decl: ClassDecl;
  readonly file: FileScope;
  readonly ir: IrClass;
  readonly result: Type;
  readonly weights: readonly Weight[];
  readonly meetsRows: boolean;
  /** What was reported while it was checked with free sizes; not reported again for each use. */
  readonly found: readonly Diagnostic[];
}

export const isGraphStmt = (statement: IrStepStmt): statement is IrStmt =>
  ['let', 'fold', 'branch', 'items'].includes(statement.kind);

export const makeSink = (owner: string, refer: WeightSink['refer']): WeightSink => ({
  slots: [],
  weights: [],
  names: new Map(),
  refer,
  when: null,
  owner,
});

export const ownRefer: WeightSink['refer'] = (slot, conditional, free) => ({
  kind: 'own',
  slot,
  conditional,
  free,
});

/** The place of a use: conditions of what is used need not be provable while the user itself has free sizes. */
export const usePlace = (env: Env): Env =>
  env.checker.open.classes.size === 0 ? env : { ...env, sure: false };

/** Whether this is a body with free sizes, of a block or a function, where a use may not be shown to be right. */
export const isFree = (env: Env): boolean => {
  const within = [...env.checker.open.classes].at(-1);
  return within !== undefined && 'kind' in within && (within.kind === 'block' || within.kind === 'fn');
};

export const classOf = (env: Env, decl: ClassDecl, file: FileScope): ClassInfo | null =>
  env.checker.open.classes.has(decl)
    ? null
    : env.checker.memo(decl, 'class', () => {
        env.checker.open.classes.add(decl);
        const { result, diagnostics } = env.checker.capture(() =>
          apart(env, () => makeClass(env, decl, file)),
        );
        env.checker.open.classes.delete(decl);
        reportFractionsOnce(env.checker, diagnostics);
        if (hasTooMany(env, decl.name, result?.weights.length ?? 0)) return null;
        return result ? { ...result, found: diagnostics } : null;
      });

const makeClass = (outer: Env, decl: ClassDecl, file: FileScope): Omit<ClassInfo, 'found'> | null => {
  // That it does not say what it takes is told where it is declared.
  if (decl.body.extern && !decl.body.extern.signature) return null;
  const name = decl.name.text;
  const sink = makeSink(`\`${name}\``, ownRefer);
  const place = makePlace('graph', sink, new Set());
  for (const [symbolName, code] of paramSymbols(outer, file)) place.symbols.set(symbolName, code);
  const base: Env = {
    checker: outer.checker,
    file,
    scope: file,
    facts: fileFacts(outer, file),
    place,
    sure: true,
  };
  let env = childScope(base);
  const options: IrOption[] = [];
  checkCollisions(base, decl.params);
  for (const item of decl.params) {
    checkFresh(env, item.name.text, item.name.span);
    const open = openValue(env, item, 'option');
    env.scope.names.set(item.name.text, {
      kind: 'value',
      name: item.name.text,
      span: item.name.span,
      what: 'parameter',
      value: () => open,
    });
    const fallback = checkDefault(base, item, env);
    if (decl.kind === 'model' && !item.value) {
      outer.checker.report(
        noDefault(
          item.name.span,
          { kind: item.name.text, owner: `model \`${name}\`` },
          { help: `write \`${item.name.text}: … = …\`` },
        ),
      );
    }
    options.push({
      name: item.name.text,
      doc: item.doc,
      origin: 'declared',
      type: irType(open.type),
      value: fallback?.ir ?? null,
    });
  }
  env = { ...env, facts: lowerBounds(env, decl.params) };
  const bindings = noBindings();
  const inputs: Value[] = [];
  let fine = true;
  const free = (size: string): Size => {
    place.symbols.set(size, { kind: 'ref', ref: { kind: 'dim', name: size } });
    return symbol(size);
  };
  freePlainSizes(
    env,
    decl.signature.inputs.map((input) => input.type),
    bindings,
    free,
  );
  for (const input of decl.signature.inputs) {
    const rest = input.type.kind === 'namedType' && input.type.shape?.dims.some((dim) => dim.kind === 'rest');
    if (rest) {
      outer.checker.report(
        restInBlock(input.type.span, { kind: decl.kind, name }, { help: 'name each axis: `f32[n, d]`' }),
      );
      fine = false;
      continue;
    }
    const type = resolveType(env, input.type, bindings, free);
    inputs.push(value(input.name.span, type, { kind: 'ref', ref: { kind: 'input', name: input.name.text } }));
    if (type.kind === 'unknown') fine = false;
  }
  if (!fine) return null;
  for (const [size, bound] of bindings.sizes) {
    const sized = value(
      decl.signature.span,
      { kind: 'int' },
      { kind: 'ref', ref: { kind: 'dim', name: size } },
      { size: bound },
    );
    env.scope.names.set(size, {
      kind: 'value',
      name: size,
      span: decl.signature.span,
      what: 'size',
      value: () => sized,
    });
  }
  decl.signature.inputs.forEach((input, index) => {
    const bound = inputs[index];
    if (!bound) return;
    checkFresh(env, input.name.text, input.name.span);
    env.scope.names.set(input.name.text, {
      kind: 'value',
      name: input.name.text,
      span: input.name.span,
      what: 'input',
      value: () => bound,
    });
  });
  // A name that a size of an input has as well is the input's inside the body.
  const graph = checkGraph(childScope(env), decl.body, false);
  const declared = resolveType({ ...env, facts: graph.facts }, decl.signature.result, bindings);
  const result = declared.kind === 'unknown' ? graph.value.type : declared;
  if (!isUnknown(graph.value) && declared.kind !== 'unknown') {
    checkResult({ ...env, facts: graph.facts }, decl, graph.value, declared);
  }
  if (decl.kind === 'model') checkBatchFree(env, sink, bindings.sizes);
  const body = place.statements.filter(isGraphStmt);
  const ir = finishClass(
    decl,
    options,
    inputs,
    result,
    sink,
    body,
    graph.value,
    place.notes.random,
    bindings.sizes,
  );
  return { decl, file, ir, result, weights: sink.weights, meetsRows: place.notes.meetsRows !== null };
};

const checkResult = (
  env: Env,
  decl:
    | ClassDecl
    | {
        readonly kind: string;
        readonly name: Name;
        readonly signature: ClassDecl['signature'];
        readonly body: ClassDecl['body'];
      },
  found: Value,
  declared: Type,
): void => {
  const { diagnostics } = env.checker.capture(() =>
    matchType(env, decl.signature.result, found.type, boundBy(env, decl.signature.result, declared), {
      what: 'the result',
      span: decl.body.result.span,
    }),
  );
  const [first] = diagnostics;
  if (!first) return;
  const deeper =
    found.type.kind === 'tensor' &&
    declared.kind === 'tensor' &&
    found.type.shape.length > declared.shape.length;
  env.checker.report(
    wrongResult(
      decl.body.result.span,
      { name: decl.name.text, found: showType(found.type), expected: showType(declared) },
      {
        related: [{ span: decl.signature.result.span, label: 'declared here' }],
        notes: [first.message],
        ...(deeper ? { help: deeperHelp(found.type.shape, declared.shape) } : {}),
      },
    ),
  );
};

/** `[n, 1]` for `[n]` has an axis of 1 too many, which `flatten` would keep. */
const deeperHelp = (found: readonly Size[], declared: readonly Size[]): string => {
  const at = found.findIndex((size, axis) => isOne(size) && !(declared[axis] && isOne(declared[axis])));
  return found.length === declared.length + 1 && at >= 0
    ? `write \`|> squeeze(axis = ${at === found.length - 1 ? -1 : at})\` behind it`
    : 'write `|> flatten()` before the last layers, or reduce the axes that are too many';
};

/** Every name of a signature is bound by its inputs; what a result names beyond them is an error of its own. */
const boundBy = (
  env: Env,
  _written: ClassDecl['signature']['result'],
  _declared: Type,
): ReturnType<typeof noBindings> => {
  const bindings = noBindings();
  // Sizes stand in the scopes of the class, never among the names of the file.
  for (let scope: Env['scope'] | null = env.scope; scope && scope !== env.file; scope = scope.parent) {
    for (const [name, binding] of scope.names) {
      if (binding.kind === 'value' && binding.what === 'size' && !bindings.sizes.has(name)) {
        const { size } = binding.value();
        if (size) bindings.sizes.set(name, size);
      }
    }
  }
  return bindings;
};

const checkBatchFree = (env: Env, sink: WeightSink, sizes: ReadonlyMap<string, unknown>): void => {
  for (const weight of sink.weights) {
    const free = weight.shape.flatMap((size) => [...symbolsOf(size)]).find((name) => sizes.has(name));
    if (!free) continue;
    env.checker.report(
      weightsHoldBatch(
        weight.span,
        { name: weight.path, size: free },
        { help: `give the axis \`${free}\` of the input a number, or reduce it first` },
      ),
    );
    return;
  }
};

const finishClass = (
  decl: ClassDecl,
  options: readonly IrOption[],
  inputs: readonly Value[],
  result: Type,
  sink: WeightSink,
  body: readonly IrStmt[],
  graph: Value,
  random: boolean,
  sizes: ReadonlyMap<string, unknown>,
): IrClass => {
  const made = refsOf(sink.slots);
  const used = refsOf([body, graph.ir]);
  const defaults = refsOf(options.map(({ value }) => value));
  const all = [...options];
  for (const name of sizes.keys()) {
    if (made.dims.has(name))
      all.push({ name, doc: null, origin: 'size', type: { kind: 'int' }, value: null });
  }
  for (const [name, type] of new Map([...made.params, ...used.params, ...defaults.params])) {
    all.push({
      name,
      doc: null,
      origin: 'param',
      type,
      value: null,
    });
  }
  const dims = [...sizes.keys()].flatMap((name) => {
    if (!used.dims.has(name)) return [];
    for (const [index, input] of decl.signature.inputs.entries()) {
      const type = inputs[index]?.type;
      if (type?.kind !== 'tensor') continue;
      const axis = type.shape.findIndex((size) => showSize(size) === name);
      if (axis >= 0) return [{ name, input: input.name.text, axis }];
    }
    return [];
  });
  return {
    span: decl.span,
    doc: decl.doc,
    name: decl.name.text,
    role: decl.kind,
    options: all,
    inputs: decl.signature.inputs.map((input, index) => ({
      name: input.name.text,
      type: irType(inputs[index]?.type ?? unknownType),
    })),
    result: irType(result),
    dims,
    slots: sink.slots,
    body,
    value: graph.ir,
    random,
  };
};
