/** Uses of blocks and models: checked again with the sizes at hand. */
import type { Arg, BlockDecl, LayerStmt, ModelDecl, Name } from '../parser/ast.js';
import { missingArgument, tooManyArguments, unknownAttribute, wrongKind } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { bindArguments, checkLimits } from './arguments.js';
import { computes, type Body } from './batch-figures.js';
import { sourceText } from './calls.js';
import { showSize, symbolsOf, type Size } from './dims/size.js';
import { childScope, makePlace, type Env, type FileScope, type NamedLayer, type Weight } from './env.js';
import { checkExpr } from './expressions.js';
import { countWeights, expand } from './expansion.js';
import { keyHelp } from './foreign.js';
import { checkGraph } from './graphs.js';
import type { IrExpr, IrNamed } from './ir.js';
import { addSlot, applySlot, sameWeights, takeName } from './layers.js';
import { bindPlainSizes, matchType, noBindings, resolveType } from './patterns.js';
import { sizeCode } from './size-code.js';
import { showType, type Type } from './types.js';
import { constantOf, isUnknown, unknownValue, value, type Value } from './value.js';
import { type ClassDecl, type ClassInfo, makeSink, ownRefer, usePlace, classOf, isFree } from './classes.js';

interface Use {
  readonly result: Type;
  readonly weights: readonly Weight[];
  readonly sizes: ReadonlyMap<string, Size>;
  readonly random: boolean;
  readonly meetsRows: boolean;
  readonly body: Body;
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
  countWeights(env, decl, info.weights.length);
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
  bindPlainSizes(
    paramEnv,
    decl.signature.inputs.flatMap((input, index) => {
      const found = inputs[index];
      return found ? [{ written: input.type, found: found.type }] : [];
    }),
    bindings,
  );
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
  // A block inside itself has been reported where it is declared.
  if (env.checker.open.others.has(decl)) return null;
  env.checker.open.others.add(decl);
  const { result, diagnostics } = env.checker.capture((): Use | null => {
    const sink = makeSink(`\`${name}\``, ownRefer);
    const place = makePlace('graph', sink, env.place.batchSizes);
    const inner: Env = childScope(usePlace({ ...paramEnv, place }));
    for (const [size, bound] of bindings.sizes) {
      const batch = [...symbolsOf(bound)].find((each) => env.place.batchSizes.has(each));
      const code =
        batch === undefined
          ? { kind: 'literal' as const, value: null }
          : { kind: 'batchSize' as const, batch };
      const sized = value(span, { kind: 'int' }, code, { size: bound });
      inner.scope.names.set(size, { kind: 'value', name: size, span, what: 'size', value: () => sized });
    }
    decl.signature.inputs.forEach((input, index) => {
      const found = inputs[index];
      if (!found) return;
      const ref = { kind: 'input' as const, name: input.name.text };
      const own: Value = { ...found, ir: { kind: 'ref', ref, span: found.span, type: found.ir.type } };
      inner.scope.names.set(input.name.text, {
        kind: 'value',
        name: input.name.text,
        span: input.name.span,
        what: 'input',
        value: () => own,
      });
    });
    const graph = expand(
      env,
      { key: decl, what: `\`${name}\``, span, help: 'repeat blocks less often in one another' },
      () => checkGraph(childScope(inner), decl.body),
      null,
    );
    if (!graph) return null;
    const declared = resolveType({ ...inner, facts: graph.facts }, decl.signature.result, bindings);
    return {
      result: declared.kind === 'unknown' ? graph.value.type : declared,
      weights: sink.weights,
      sizes: bindings.sizes,
      random: place.notes.random,
      meetsRows: place.notes.meetsRows !== null,
      body: { statements: place.statements, value: graph.value.ir },
    };
  });
  env.checker.open.others.delete(decl);
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
    wrongKind(
      span,
      {
        name: decl.name.text,
        found: `a ${decl.kind} inside itself`,
        expected: `another ${decl.kind}`,
      },
      { help: 'to apply a thing again and again, write `repeat`' },
    ),
  );

const isMeasuring = (env: Env): boolean =>
  [...env.checker.open.others].some((open) => 'kind' in open && open.kind === 'step');

/** A model that reads figures of the step that calls it. */
const needsFigures = (env: Env, name: string, span: Span): void =>
  env.checker.report(
    wrongKind(
      span,
      { name, found: 'a model that reads what is being measured', expected: 'a model that does not' },
      { help: 'measure without a model that needs the figures' },
    ),
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
    if (env.checker.open.classes.has(decl)) recursion(env, decl, span);
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
  // What is not shown of a block's own parameters is decided for each of its uses; a model has none.
  const fine = checkLimits(
    { ...env, file },
    decl.name.text,
    decl.params,
    call.bound,
    inner.scope,
    (expr) => sourceText(env, file, expr.span),
    !isFree(env),
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
  return applySlot(span, use.result, ref, inputs, use.body);
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
  return {
    name: taken.name,
    call: (at, inputs, span) => {
      const use = instantiate(at, made.info, made.call.bound, inputs, span);
      if (!use) return unknownValue(span);
      at.place.notes.random ||= use.random;
      if (use.meetsRows) at.place.notes.meetsRows ??= span;
      if (sink.slots.some((slot) => slot.name === taken.name)) {
        const [input] = inputs;
        if (input && !sameWeights(at, sink, taken.name, use.weights, input.span)) return unknownValue(span);
      } else {
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
      return applySlot(span, use.result, sink.refer(taken.name, when !== null, false), inputs, use.body);
    },
    weight: () => null,
  };
};

/** A model that is called: one with a graph of its own, or one made from it. */
interface Called {
  readonly name: string;
  readonly model: ModelDecl;
  readonly file: FileScope;
  /** Parameters that are not the model's defaults. */
  readonly params: ReadonlyMap<string, Value>;
}

export const modelItself = (model: ModelDecl, file: FileScope): Called => ({
  name: model.name.text,
  model,
  file,
  params: new Map(),
});

export const callModel = (
  env: Env,
  { name, model: decl, file, params: given }: Called,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const info = classOf(env, decl, file);
  if (!info) {
    if (env.checker.open.classes.has(decl)) {
      if (isMeasuring(env)) needsFigures(env, name, span);
      else recursion(env, decl, span);
    }
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
        env.checker.report(
          unknownAttribute(
            arg.name.span,
            { kind: 'input', name: arg.name.text, owner: name },
            keyHelp(arg.name.text, arg.name.span, names, 'it takes'),
          ),
        );
        return unknownValue(span);
      }
      inputs[at] = found;
    }
  }
  if (inputs.length > names.length) {
    env.checker.report(
      tooManyArguments(
        span,
        {
          owner: name,
          expected: `${names.length} input${names.length === 1 ? '' : 's'}`,
          found: `${inputs.length}`,
        },
        { help: `its inputs are ${names.map((each) => `\`${each}\``).join(', ')}` },
      ),
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
    const own = given.get(item.name.text);
    if (own) params.set(item.name.text, own);
    else if (item.value) params.set(item.name.text, checkExpr({ ...env, file, scope: file }, item.value));
  }
  const use = instantiate(env, info, params, found, span);
  if (!use) return unknownValue(span);
  if (use.meetsRows) env.place.notes.meetsRows ??= span;
  const label = info.ir.random ? env.place.draw(name) : null;
  const made = value(span, use.result, {
    kind: 'model',
    model: name,
    inputs: found.map((each) => each.ir),
    label: label && !label.endsWith(name) ? label : null,
  });
  computes(made.ir, use.body);
  return made;
};
