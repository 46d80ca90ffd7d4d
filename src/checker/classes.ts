/** Blocks and models: checked once with free sizes, and again for each use with the sizes there. */
import type { Arg, BlockDecl, Expr, Item, LayerStmt, ModelDecl, Name } from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import {
  defaultBreaksWhere,
  missingArgument,
  noDefault,
  restInBlock,
  tooManyArguments,
  unknownAttribute,
  weightsHoldBatch,
  wrongKind,
  wrongResult,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { bindArguments, checkLimits, coerce } from './arguments.js';
import { sourceText } from './calls.js';
import { decide, factsWith } from './conditions.js';
import { withLower, type Facts } from './dims/facts.js';
import { asConstant, showSize, symbol, symbolsOf, type Size } from './dims/size.js';
import {
  childScope,
  makePlace,
  type Env,
  type FileScope,
  type NamedLayer,
  type Weight,
  type WeightSink,
} from './env.js';
import { checkExpr } from './expressions.js';
import { checkFresh, checkGraph } from './graphs.js';
import type { IrClass, IrExpr, IrNamed, IrOption, IrStmt, IrStepStmt } from './ir.js';
import { refsOf } from './ir-walk.js';
import { addSlot, applySlot, takeName } from './layers.js';
import { matchType, noBindings, resolveType } from './patterns.js';
import { sizeCode } from './size-code.js';
import { irType, showType, unknownType, type Type } from './types.js';
import { constantOf, isUnknown, unknownValue, value, type Value } from './value.js';

type ClassDecl = BlockDecl | ModelDecl;

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
  statement.kind === 'let' || statement.kind === 'fold';

export const makeSink = (owner: string, refer: WeightSink['refer']): WeightSink => ({
  slots: [],
  weights: [],
  names: new Map(),
  refer,
  when: null,
  owner,
});

const ownRefer: WeightSink['refer'] = (slot, conditional, free) => ({ kind: 'own', slot, conditional, free });

/** A parameter as a value whose number is not known yet. */
export const openValue = (env: Env, item: Item, ref: 'option' | 'param'): Value => {
  const type = resolveType(env, item.type, noBindings());
  const name = item.name.text;
  const ir = { kind: 'ref' as const, ref: { kind: ref, name } };
  if (type.kind !== 'int') return value(item.name.span, type, ir);
  env.place.symbols.set(name, ir);
  return value(item.name.span, type, ir, { size: symbol(name) });
};

/** Whether a condition puts a parameter in an order, and so says itself how small it may be. */
const ordered = (expr: Expr, name: string): boolean => {
  if (expr.kind === 'unary') return ordered(expr.value, name);
  if (expr.kind !== 'binary') return false;
  if (expr.op === 'and' || expr.op === 'or') return ordered(expr.left, name) || ordered(expr.right, name);
  const named = [expr.left, expr.right].some((side) => side.kind === 'ref' && side.name === name);
  return named && ['<', '<=', '>', '>='].includes(expr.op);
};

/** Lower bounds of int parameters: 1, unless a default or a condition says less. */
export const lowerBounds = (env: Env, items: readonly Item[]): Facts => {
  let { facts } = env;
  for (const item of items) {
    if (item.type.kind !== 'namedType' || item.type.name.text !== 'int' || item.type.shape) continue;
    const fallback = item.value
      ? env.checker.capture(() => item.value && checkExpr(env, item.value)).result
      : null;
    const number = fallback ? constantOf(fallback) : null;
    facts = withLower(
      facts,
      item.name.text,
      item.where && ordered(item.where, item.name.text)
        ? -Infinity
        : typeof number === 'number'
          ? Math.min(1, number)
          : 1,
    );
  }
  for (const item of items) if (item.where) facts = factsWith({ ...env, facts }, item.where);
  return facts;
};

/** The default of a parameter: of its type, and within its own `where`. */
export const checkDefault = (env: Env, item: Item, siblings: Env): Value | null => {
  if (!item.value) return null;
  const found = checkExpr(env, item.value);
  const fits = coerce(env, item.type, found, `the default of \`${item.name.text}\``);
  if (!fits || !item.where || isUnknown(fits)) return fits;
  const inner = childScope(siblings);
  inner.scope.names.set(item.name.text, {
    kind: 'value',
    name: item.name.text,
    span: item.name.span,
    what: 'parameter',
    value: () => fits,
  });
  if (decide(inner, item.where).verdict === 'fails') {
    env.checker.report(
      defaultBreaksWhere(
        item.value.span,
        {
          name: item.name.text,
          value: String(constantOf(fits) ?? showType(fits.type)),
          text: sourceText(env, env.file, item.where.span),
        },
        { related: [{ span: item.where.span, label: 'must hold' }] },
      ),
    );
  }
  return fits;
};

const checking = new Set<ClassDecl>();

/** The place of a use: conditions of what is used need not be provable while the user itself has free sizes. */
export const usePlace = (env: Env): Env => (checking.size === 0 ? env : { ...env, sure: false });

export const classOf = (env: Env, decl: ClassDecl, file: FileScope): ClassInfo | null =>
  checking.has(decl)
    ? null
    : env.checker.memo(decl, 'class', () => {
        checking.add(decl);
        const { result, diagnostics } = env.checker.capture(() => makeClass(env, decl, file));
        checking.delete(decl);
        diagnostics.forEach(env.checker.report);
        return result ? { ...result, found: diagnostics } : null;
      });

const makeClass = (outer: Env, decl: ClassDecl, file: FileScope): Omit<ClassInfo, 'found'> | null => {
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
  for (const item of decl.params) {
    if (!checkFresh(env, item.name.text, item.name.span)) continue;
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
  for (const input of decl.signature.inputs) {
    const rest = input.type.kind === 'namedType' && input.type.shape?.dims.some((dim) => dim.kind === 'rest');
    if (rest) {
      outer.checker.report(
        restInBlock(input.type.span, { kind: decl.kind, name }, { help: 'name each axis: `f32[n, d]`' }),
      );
      fine = false;
      continue;
    }
    const type = resolveType(env, input.type, bindings, (size) => {
      place.symbols.set(size, { kind: 'ref', ref: { kind: 'dim', name: size } });
      return symbol(size);
    });
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
    if (!bound || !checkFresh(env, input.name.text, input.name.span)) return;
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
  env.checker.report(
    wrongResult(
      decl.body.result.span,
      { name: decl.name.text, found: showType(found.type), expected: showType(declared) },
      { related: [{ span: decl.signature.result.span, label: 'declared here' }], notes: [first.message] },
    ),
  );
};

/** Every name of a signature is bound by its inputs; what a result names beyond them is an error of its own. */
const boundBy = (
  env: Env,
  _written: ClassDecl['signature']['result'],
  _declared: Type,
): ReturnType<typeof noBindings> => {
  const bindings = noBindings();
  for (let scope: Env['scope'] | null = env.scope; scope; scope = scope.parent) {
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
  const all = [...options];
  for (const name of sizes.keys()) {
    if (made.dims.has(name))
      all.push({ name, doc: null, origin: 'size', type: { kind: 'int' }, value: null });
  }
  for (const [name, type] of new Map([...made.params, ...used.params])) {
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

/** Facts about the params of a run that a file declares. */
export const fileFacts = (env: Env, file: FileScope): Facts =>
  env.checker.memo(file, 'facts', () => {
    const items = file.decls.flatMap((decl) => (decl.kind === 'param' ? [decl.item] : []));
    const base: Env = {
      ...env,
      file,
      scope: file,
      facts: env.checker.noFacts,
      place: makePlace('host', null, new Set()),
    };
    let { facts } = { facts: env.checker.capture(() => lowerBounds(base, items)).result };
    for (const decl of file.decls) {
      if (decl.kind === 'assert')
        facts = env.checker.capture(() => factsWith({ ...base, facts }, decl.test)).result;
    }
    return facts;
  });

export const paramSymbols = (
  env: Env,
  file: FileScope,
): readonly (readonly [
  string,
  { readonly kind: 'ref'; readonly ref: { readonly kind: 'param'; readonly name: string } },
])[] =>
  env.checker.memo(file, 'symbols', () =>
    file.decls.flatMap((decl) =>
      decl.kind === 'param'
        ? [[decl.item.name.text, { kind: 'ref', ref: { kind: 'param', name: decl.item.name.text } }] as const]
        : [],
    ),
  );

// ---- uses

interface Use {
  readonly result: Type;
  readonly weights: readonly Weight[];
  readonly sizes: ReadonlyMap<string, Size>;
  readonly random: boolean;
  readonly meetsRows: boolean;
}

/** Checks a class again with the sizes and parameters of one use. Null after an error, which is reported at the use. */
const instantiate = (
  env: Env,
  info: ClassInfo,
  params: ReadonlyMap<string, Value>,
  inputs: readonly Value[],
  span: Span,
): Use | null => {
  const { decl, file } = info;
  const name = decl.name.text;
  const bindings = noBindings();
  const paramEnv = childScope(usePlace({ ...env, file, scope: file }));
  for (const [param, bound] of params) {
    paramEnv.scope.names.set(param, {
      kind: 'value',
      name: param,
      span: bound.span,
      what: 'parameter',
      value: () => bound,
    });
  }
  for (const [index, input] of decl.signature.inputs.entries()) {
    const found = inputs[index];
    if (!found || isUnknown(found)) return null;
    const what =
      decl.signature.inputs.length === 1
        ? `the input of \`${name}\``
        : `\`${input.name.text}\` of \`${name}\``;
    const related =
      found.span.file === input.type.span.file ? [{ span: input.type.span, label: 'declared here' }] : [];
    if (!matchType(paramEnv, input.type, found.type, bindings, { what, span: found.span, related }))
      return null;
  }
  const key = `${paramEnv.sure ? 'sure' : 'open'} ${[...params].map(([param, each]) => `${param}=${each.size ? showSize(each.size) : JSON.stringify(constantOf(each) ?? each.items?.map(constantOf) ?? null)}`).join()} ${inputs.map((each) => `${showType(each.type)}${each.type.kind === 'tensor' && each.type.below ? `<${showSize(each.type.below)}` : ''}`).join()}`;
  const uses = env.checker.memo(env.facts, 'uses', () => new Map<ClassDecl, Map<string, Use | null>>());
  const known = uses.get(decl) ?? new Map<string, Use | null>();
  uses.set(decl, known);
  const before = known.get(key);
  if (before !== undefined) return before;
  const { result, diagnostics } = env.checker.capture((): Use | null => {
    const sink = makeSink(`\`${name}\``, ownRefer);
    const place = makePlace('graph', sink, env.place.batchSizes);
    const inner: Env = childScope(usePlace({ ...paramEnv, place }));
    for (const [size, bound] of bindings.sizes) {
      const sized = value(span, { kind: 'int' }, { kind: 'literal', value: null }, { size: bound });
      inner.scope.names.set(size, { kind: 'value', name: size, span, what: 'size', value: () => sized });
    }
    decl.signature.inputs.forEach((input, index) => {
      const found = inputs[index];
      if (found)
        inner.scope.names.set(input.name.text, {
          kind: 'value',
          name: input.name.text,
          span: input.name.span,
          what: 'input',
          value: () => found,
        });
    });
    const graph = checkGraph(childScope(inner), decl.body);
    const declared = resolveType({ ...inner, facts: graph.facts }, decl.signature.result, bindings);
    return {
      result: declared.kind === 'unknown' ? graph.value.type : declared,
      weights: sink.weights,
      sizes: bindings.sizes,
      random: place.notes.random,
      meetsRows: place.notes.meetsRows !== null,
    };
  });
  const fresh = diagnostics.filter(
    (each) =>
      !info.found.some(
        (old) =>
          old.code === each.code && old.span.start === each.span.start && old.span.file === each.span.file,
      ),
  );
  // The first error of a use says what is wrong with it; others mostly follow.
  const error = fresh.find((each) => each.severity === 'error');
  if (error) {
    const inside = error.span.file >= 0 ? [{ span: error.span, label: `in \`${name}\`` }] : [];
    env.checker.report({ ...error, span, related: [...inside, ...(error.related ?? [])] });
  }
  const use = error ? null : result;
  known.set(key, use);
  return use;
};

const recursion = (env: Env, decl: ClassDecl, span: Span): void =>
  env.checker.report(
    wrongKind(span, {
      name: decl.name.text,
      found: `a ${decl.kind} inside itself`,
      expected: `another ${decl.kind}`,
    }),
  );

/** What a block's constructor is given: its parameters, the sizes that its weights need, and params of the run. */
const blockOptions = (
  env: Env,
  info: ClassInfo,
  call: { readonly bound: ReadonlyMap<string, Value>; readonly given: ReadonlySet<string> },
  use: Use,
  span: Span,
): readonly IrNamed[] =>
  info.ir.options.flatMap((option): IrNamed[] => {
    if (option.origin === 'declared') {
      const found = call.bound.get(option.name);
      return found ? [{ name: option.name, value: found.ir }] : [];
    }
    if (option.origin === 'size') {
      const size = use.sizes.get(option.name);
      return size ? [{ name: option.name, value: sizeCode(size, env.place, span) }] : [];
    }
    const ir: IrExpr = { kind: 'ref', ref: { kind: 'param', name: option.name }, type: option.type, span };
    return [{ name: option.name, value: ir }];
  });

const bindBlock = (env: Env, decl: BlockDecl, file: FileScope, args: readonly Arg[], span: Span) => {
  const info = classOf(env, decl, file);
  if (!info) {
    if (checking.has(decl)) recursion(env, decl, span);
    return null;
  }
  const others = decl.signature.inputs.slice(1).map((input) => input.name.text);
  const call = bindArguments(
    { env, owner: decl.name.text, kind: 'argument', params: decl.params, span, scope: file },
    null,
    args,
    (name) => others.includes(name),
  );
  if (!call || [...call.bound.values()].some(isUnknown)) return null;
  const inner = childScope({ ...env, file, scope: file });
  const fine = checkLimits({ ...env, file }, decl.name.text, decl.params, call.bound, inner.scope, (expr) =>
    sourceText(env, file, expr.span),
  );
  return fine ? { info, call, others } : null;
};

export const applyBlock = (
  env: Env,
  decl: BlockDecl,
  file: FileScope,
  input: Value,
  args: readonly Arg[],
  as: Name | null,
  span: Span,
): Value => {
  const sink = env.place.weights;
  if (!sink) {
    env.checker.report(
      wrongKind(
        span,
        { name: decl.name.text, found: 'a block', expected: 'a model or a function' },
        { help: 'a block belongs in a `block` or `model`, which owns its weights' },
      ),
    );
    return unknownValue(span);
  }
  const made = bindBlock(env, decl, file, args, span);
  if (!made || isUnknown(input)) return unknownValue(span);
  const inputs = [input];
  for (const other of made.others) {
    const found = made.call.extras.get(other);
    if (!found) {
      env.checker.report(
        missingArgument(
          span,
          { owner: decl.name.text, kind: 'input', name: other },
          { help: `write \`${decl.name.text}(…, ${other} = …)\`` },
        ),
      );
      return unknownValue(span);
    }
    inputs.push(found);
  }
  const use = instantiate(env, made.info, made.call.bound, inputs, span);
  const empty = made.info.weights.length === 0;
  const taken = takeName(env, sink, as, snake(decl.name.text));
  if (!use || !taken) return unknownValue(span);
  env.place.notes.random ||= use.random;
  if (use.meetsRows) env.place.notes.meetsRows ??= span;
  const ref = sink.refer(taken.name, sink.when !== null, false);
  addSlot(
    sink,
    span,
    null,
    { name: taken.name, named: taken.named || empty },
    { kind: 'block', block: decl.name.text, options: blockOptions(env, made.info, made.call, use, span) },
    use.weights.map((weight) => ({ ...weight, span })),
    ref.kind === 'item' && ref.slot === null,
  );
  return applySlot(span, use.result, ref, inputs);
};

const snake = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();

/** `layer up = Up(64)`: a block whose weights are used in several places. */
export const applyNamedBlock = (
  env: Env,
  decl: BlockDecl,
  file: FileScope,
  statement: LayerStmt,
  args: readonly Arg[],
): NamedLayer | null => {
  const sink = env.place.weights;
  const made = bindBlock(env, decl, file, args, statement.value.span);
  if (!sink || !made) return null;
  const taken = takeName(env, sink, statement.name, decl.name.text);
  if (!taken) return null;
  const { when } = sink;
  let added = false;
  return {
    name: taken.name,
    call: (at, inputs, span) => {
      const use = instantiate(at, made.info, made.call.bound, inputs, span);
      if (!use) return unknownValue(span);
      at.place.notes.random ||= use.random;
      if (use.meetsRows) at.place.notes.meetsRows ??= span;
      if (!added) {
        added = true;
        const before = sink.when;
        sink.when = when;
        addSlot(
          sink,
          statement.span,
          statement.doc,
          taken,
          {
            kind: 'block',
            block: decl.name.text,
            options: blockOptions(at, made.info, made.call, use, span),
          },
          use.weights.map((weight) => ({ ...weight, span })),
        );
        sink.when = before;
      }
      return applySlot(span, use.result, sink.refer(taken.name, when !== null, false), inputs);
    },
    weight: () => null,
  };
};

export const callModel = (
  env: Env,
  decl: ModelDecl,
  file: FileScope,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const name = decl.name.text;
  const info = classOf(env, decl, file);
  if (!info) {
    if (checking.has(decl)) recursion(env, decl, span);
    return unknownValue(span);
  }
  if (env.place.kind !== 'step') {
    env.checker.report(
      wrongKind(
        span,
        { name, found: 'a model', expected: 'a block' },
        { help: 'models are called from steps; write it as a `block` to use it inside another' },
      ),
    );
    return unknownValue(span);
  }
  const inputs: (Value | undefined)[] = piped ? [piped] : [];
  const names = decl.signature.inputs.map((input) => input.name.text);
  for (const arg of args) {
    const found = checkExpr(env, arg.value);
    if (!arg.name) inputs.push(found);
    else {
      const at = names.indexOf(arg.name.text);
      if (at < 0) {
        const near = nearest(arg.name.text, names);
        env.checker.report(
          unknownAttribute(
            arg.name.span,
            { kind: 'input', name: arg.name.text, owner: name },
            near[0] ? { help: `write \`${near[0]}\`` } : {},
          ),
        );
        return unknownValue(span);
      }
      inputs[at] = found;
    }
  }
  if (inputs.length > names.length) {
    env.checker.report(
      tooManyArguments(span, {
        owner: name,
        expected: `${names.length} input${names.length === 1 ? '' : 's'}`,
        found: `${inputs.length}`,
      }),
    );
    return unknownValue(span);
  }
  const found: Value[] = [];
  for (const [index, input] of names.entries()) {
    const each = inputs[index];
    if (!each) {
      env.checker.report(missingArgument(span, { owner: name, kind: 'input', name: input }));
      return unknownValue(span);
    }
    found.push(each);
  }
  const params = new Map<string, Value>();
  for (const item of decl.params) {
    if (item.value) params.set(item.name.text, checkExpr({ ...env, file, scope: file }, item.value));
  }
  const use = instantiate(env, info, params, found, span);
  if (!use) return unknownValue(span);
  if (use.meetsRows) env.place.notes.meetsRows ??= span;
  const label = info.ir.random ? env.place.draw(name) : null;
  return value(span, use.result, {
    kind: 'model',
    model: name,
    inputs: found.map((each) => each.ir),
    label: label && !label.endsWith(name) ? label : null,
  });
};

/** For a lint and `show`: whether a size is one number. */
export const isFixed = (weight: Weight): boolean => weight.shape.every((size) => asConstant(size) !== null);
