/** One file for itself: its constants, functions and classes. */
import { derivedOf } from './copies.js';
import type { AssertStmt, Decl, TypeExpr } from '../parser/ast.js';
import type { Span } from '../parser/source.js';
import { assertFails, notImportable, notKnown, wrongResult } from '../parser/messages.gen.js';
import { sourceText } from './calls.js';
import { checkCollisions, checkDefault } from './parameters.js';
import { classOf } from './classes.js';
import { holdsByDefault, showDefaults } from './defaults.js';
import { asSymbol, symbol } from './dims/size.js';
import { factsWith } from './conditions.js';
import { bindValue, childScope, lookup, makePlace, type Env, type FileScope } from './env.js';
import { checkExpr } from './expressions.js';
import { externsOf } from './externs.js';
import { checkAssert, checkGraph } from './graphs.js';
import { folderOf, relativePath } from './host.js';
import type { IrClass, IrConst, IrModule } from './ir.js';
import { refsOf, walkIr } from './ir-walk.js';
import { reportFractionsOnce } from './judging.js';
import { freePlainSizes, matchType, noBindings, resolveType } from './patterns.js';
import type { ProgramFile } from './program.js';
import { irType, isDType, showType, unknownType } from './types.js';
import { constantOf, isUnknown, value } from './value.js';

export const checkModule = (
  env: Env,
  scope: FileScope,
  file: ProgramFile,
  entry: string,
  scopes: ReadonlyMap<ProgramFile, FileScope>,
): IrModule => {
  const consts: IrConst[] = [];
  const classes: IrClass[] = [];
  const reading = new Map<string, Reading>();
  checkCollisions(
    env,
    scope.decls.flatMap((decl) => (decl.kind === 'param' ? [decl.item] : [])),
  );
  for (const decl of scope.decls) {
    if (decl.kind === 'const') {
      const found = checkExpr(env, decl.value);
      const [param] = refsOf(found.ir).params.keys();
      if (param !== undefined) {
        const what = `\`${decl.name.text}\`, a constant,`;
        env.checker.report(notKnown(decl.value.span, { what, name: param }));
      }
      if (found.type.kind !== 'unknown')
        consts.push({
          span: decl.span,
          doc: decl.doc,
          name: decl.name.text,
          type: irType(found.type),
          value: found.ir,
        });
      const binding = scope.names.get(decl.name.text);
      if (binding?.kind === 'value') binding.value();
    } else if (decl.kind === 'param') {
      if (!scope.isMain) {
        env.checker.report(
          notImportable(
            decl.item.name.span,
            { name: decl.item.name.text, kind: 'a param' },
            { help: 'params belong to the spec that runs; give the block a parameter instead' },
          ),
        );
      }
      const fallback = checkDefault(env, decl.item, env);
      const [other] = refsOf(fallback?.ir).params.keys();
      if (fallback && other !== undefined) reading.set(decl.item.name.text, { span: fallback.span, other });
    } else if (decl.kind === 'assert') {
      checkAssert(env, decl, false);
      checkByDefault(env, decl);
    } else if (decl.kind === 'block' || decl.kind === 'model') {
      const info = classOf(env, decl, scope);
      if (info) classes.push(info.ir);
    } else if (decl.kind === 'modelAlias') {
      derivedOf(env, decl, scope);
    } else if (decl.kind === 'fn') {
      reportFractionsOnce(env.checker, env.checker.capture(() => checkFn(env, decl)).diagnostics);
    }
  }
  reportReading(env, reading);
  const folder = folderOf(entry);
  const imports = [...file.imports.values()].flatMap((each) => {
    const source = scopes.get(each);
    const names = scope.decls.flatMap((decl) =>
      decl.kind === 'import' && file.imports.get(decl.from.value) === each
        ? decl.names.flatMap(({ name }) => {
            const binding = source?.names.get(name.text);
            const kind = binding?.kind === 'decl' ? binding.decl.kind : null;
            return kind === 'block' ||
              kind === 'model' ||
              (binding?.kind === 'value' && binding.what === 'const')
              ? [name.text]
              : [];
          })
        : [],
    );
    return names.length > 0 ? [{ module: moduleName(each.source.path), names }] : [];
  });
  return {
    name: moduleName(file.source.path),
    path: relativePath(folder, file.source.path),
    text: file.source.text,
    doc: file.spec.doc,
    imports,
    externs: externsOf(env, scope),
    consts,
    classes,
  };
};

/** An assert is tested with the run's numbers; those that it has where nothing is set must pass. */
const checkByDefault = (env: Env, { test, message }: AssertStmt): void => {
  const { result } = env.checker.capture(() => checkExpr(env, test));
  if (isUnknown(result) || constantOf(result) !== undefined || holdsByDefault(env, result) !== false) return;
  env.checker.report(
    assertFails(
      test.span,
      { text: sourceText(env, env.file, test.span), where: message ? `: ${message.value}` : '' },
      { notes: [showDefaults(env, [result])] },
    ),
  );
};

/** The default of a param that reads another one. */
interface Reading {
  readonly span: Span;
  readonly other: string;
}

/** Defaults are set before any param is known. Params that read one another in a circle are one mistake. */
const reportReading = (env: Env, reading: ReadonlyMap<string, Reading>): void => {
  const told = new Set<string>();
  for (const [name, { span, other }] of reading) {
    if (told.has(name)) continue;
    const path = [name];
    for (let at: string | undefined = other; at !== undefined; at = reading.get(at)?.other) {
      path.push(at);
      if (path.indexOf(at) < path.length - 1) break;
    }
    const closed = path.length > 2 && path.at(-1) === name;
    if (closed) path.forEach((each) => told.add(each));
    env.checker.report(
      notKnown(
        span,
        { what: `the default of \`${name}\``, name: other },
        {
          ...(closed ? { notes: [`the defaults go ${path.map((each) => `\`${each}\``).join(' → ')}`] } : {}),
          help: 'write a number or a `const`; what follows from params is computed where it is used',
        },
      ),
    );
  }
};

export const moduleName = (path: string): string =>
  path.slice(path.lastIndexOf('/') + 1).replace(/\.ztrain$/, '');

/** Whether a function can be read by itself: every parameter's type says how many axes it has. */
const isPlain = (env: Env, type: TypeExpr): boolean =>
  type.kind === 'namedType' &&
  !(type.shape?.dims.some((dim) => dim.kind === 'rest') ?? false) &&
  (type.name.text.length > 1 || isDType(type.name.text)) &&
  lookup(env.scope, type.name.text) === null;

/** A function that nothing calls is still read, with free sizes. */
const checkFn = (env: Env, decl: Extract<Decl, { kind: 'fn' }>): void => {
  const siblings = childScope(env);
  for (const { name, type } of decl.params) {
    const open = { kind: 'ref' as const, ref: { kind: 'local' as const, name: name.text } };
    const size =
      type.kind === 'namedType' && type.name.text === 'int' && !type.shape ? symbol(name.text) : null;
    const own = size
      ? value(name.span, { kind: 'int' }, open, { size })
      : value(name.span, unknownType, open);
    bindValue(siblings, name.text, name.span, 'parameter', own);
  }
  walkIr(
    decl.params.map((param) => param.type),
    ({ kind, name }) => {
      if (kind !== 'ref' || typeof name !== 'string' || lookup(siblings.scope, name)) return;
      const code = { kind: 'ref' as const, ref: { kind: 'dim' as const, name } };
      const own = value(decl.name.span, { kind: 'int' }, code, { size: symbol(name) });
      bindValue(siblings, name, decl.name.span, 'size', own);
    },
  );
  for (const param of decl.params) checkDefault(env, param, siblings);
  if (!decl.params.every((param) => isPlain(env, param.type))) return;
  const bindings = noBindings();
  const sizes = new Set<string>();
  const place = { ...makePlace('step', null, sizes, decl.name.text), onHost: true };
  const inner = childScope({ ...env, place });
  freePlainSizes(
    inner,
    decl.params.map((param) => param.type),
    bindings,
    symbol,
  );
  for (const param of decl.params) {
    const type = resolveType(inner, param.type, bindings, (name) => symbol(name));
    const [rows] = type.kind === 'tensor' ? type.shape : [];
    const name = rows ? asSymbol(rows) : null;
    if (name) sizes.add(name);
    const ir = { kind: 'ref' as const, ref: { kind: 'local' as const, name: param.name.text } };
    const bound = value(param.name.span, type, ir, {
      size: type.kind === 'int' ? symbol(param.name.text) : null,
    });
    bindValue(inner, param.name.text, param.name.span, 'parameter', bound);
  }
  for (const [name, size] of bindings.sizes) {
    const code = { kind: 'ref' as const, ref: { kind: 'dim' as const, name } };
    bindValue(inner, name, decl.name.span, 'size', value(decl.name.span, { kind: 'int' }, code, { size }));
  }
  // What each call is held to is known here.
  const facts = decl.params.reduce(
    (known, { where }) => (where ? factsWith({ ...inner, facts: known }, where) : known),
    inner.facts,
  );
  env.checker.open.classes.add(decl);
  const graph = checkGraph(childScope({ ...inner, facts }), decl.body, false);
  env.checker.open.classes.delete(decl);
  // A name that only the result has is no size of anything.
  if (resolveType(inner, decl.result, bindings).kind === 'unknown') return;
  if (graph.value.type.kind === 'unknown') return;
  const at = { what: `what \`${decl.name.text}\` gives`, span: decl.body.result.span };
  const { diagnostics } = env.checker.capture(() =>
    matchType({ ...inner, facts: graph.facts }, decl.result, graph.value.type, bindings, at),
  );
  const [first] = diagnostics;
  if (!first) return;
  const found = {
    name: decl.name.text,
    found: showType(graph.value.type),
    expected: sourceText(env, env.file, decl.result.span),
  };
  env.checker.report(wrongResult(decl.body.result.span, found, { notes: [first.message] }));
};
