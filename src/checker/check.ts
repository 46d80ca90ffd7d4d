/** The checker. After it: where there is no error, the IR is whole. */
import type { Decl, StepBody, StepDecl, TypeExpr } from '../parser/ast.js';
import { hasErrors, type Diagnostic } from '../parser/diagnostic.js';
import {
  allowUnknown,
  codes,
  fileMissing,
  hidesBuiltin,
  missingPart,
  notBuilt,
  notExported,
  notImportable,
  shadowing,
  unknownName,
  unused,
  wrongKind,
  wrongResult,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { SourceFile, Span } from '../parser/source.js';
import { sourceText } from './calls.js';
import { checkDefault, classOf, fileFacts, openValue, paramSymbols, type ClassInfo } from './classes.js';
import { checkAddons, checkOptimizer, checkSchedule, checkTrainerOptions } from './configuration.js';
import { checkData, type DataInfo } from './data.js';
import { noFacts } from './dims/facts.js';
import { asSymbol, symbol } from './dims/size.js';
import {
  bindValue,
  childScope,
  hostPlace,
  lookup,
  makePlace,
  type Binding,
  type Checker,
  type Declared,
  type Env,
  type FileScope,
} from './env.js';
import { checkExpr, kindOf } from './expressions.js';
import { externsOf } from './externs.js';
import { checkAssert, checkGraph } from './graphs.js';
import { folderOf, joinPath, relativePath, type Host } from './host.js';
import type { Ir, IrClass, IrConst, IrModel, IrModule, IrStep, IrTrainer } from './ir.js';
import { walkIr } from './ir-walk.js';
import { matchType, noBindings, resolveType } from './patterns.js';
import { loadPrelude } from './prelude.js';
import { loadProgram, type Program, type ProgramFile } from './program.js';
import { checkStep, isStage } from './steps.js';
import { checkTraining } from './training/training.js';
import { irType, isDType, showType } from './types.js';
import { unknownValue, value, type Value } from './value.js';
import type { Weight } from './env.js';

export interface Checked {
  readonly program: Program;
  readonly files: readonly SourceFile[];
  readonly diagnostics: readonly Diagnostic[];
  /** Null where there is an error. */
  readonly ir: Ir | null;
  /** By model, paths without the model's name. */
  readonly weights: ReadonlyMap<string, readonly Weight[]>;
}

const makeChecker = (): { readonly checker: Checker; readonly all: () => readonly Diagnostic[] } => {
  let sink: Diagnostic[] = [];
  const memos = new WeakMap<object, Map<string, unknown>>();
  const checker: Checker = {
    prelude: loadPrelude(),
    noFacts,
    used: new Set(),
    report: (diagnostic) => {
      const same = sink.some(
        (each) =>
          each.code === diagnostic.code &&
          each.span.start === diagnostic.span.start &&
          each.span.file === diagnostic.span.file &&
          each.message === diagnostic.message,
      );
      if (!same) sink.push(diagnostic);
    },
    capture: (body) => {
      const outer = sink;
      const own: Diagnostic[] = [];
      sink = own;
      try {
        return { result: body(), diagnostics: own };
      } finally {
        sink = outer;
      }
    },
    memo: (key, what, make) => memoized(memos, key, what, make),
  };
  return { checker, all: () => sink };
};

/** The type of a memory is that of what makes it: one `what` is only ever used with one kind of value. */
const memoized = <T>(
  memos: WeakMap<object, Map<string, unknown>>,
  key: object,
  what: string,
  make: () => T,
): T => {
  const known: Map<string, unknown> = memos.get(key) ?? new Map<string, unknown>();
  memos.set(key, known);
  if (!known.has(what)) known.set(what, { made: make() });
  const box = known.get(what);
  return isBox<T>(box) ? box.made : make();
};

const isBox = <T>(box: unknown): box is { readonly made: T } =>
  typeof box === 'object' && box !== null && 'made' in box;

export const checkProgram = (entry: string, host: Host): Checked => {
  const program = loadProgram(entry, host);
  const { checker, all } = makeChecker();
  // A declaration that did not parse is missing: what names it would look wrong as well.
  if (hasErrors(program.diagnostics)) {
    return { program, files: program.files, diagnostics: program.diagnostics, ir: null, weights: new Map() };
  }
  const scopes = new Map<ProgramFile, FileScope>();
  const main = program.order.at(-1);
  for (const file of program.order) scopes.set(file, declare(checker, file, scopes, file === main, host));
  const scope = main ? scopes.get(main) : undefined;
  const modules: IrModule[] = [];
  let trainer: TrainerResult | null = null;
  for (const [file, own] of scopes) {
    const env = envOf(checker, own);
    const module = checkModule(env, own, file, entry, scopes);
    modules.push(module);
    if (own.isMain) trainer = checkTrainer(env, own);
  }
  const found = [...program.diagnostics, ...all()];
  // What follows an error may look unused only because of it.
  if (scope && main && !hasErrors(found)) reportUnused(checker, scopes);
  if (trainer?.ir && !hasErrors(found)) {
    const classes = new Map(
      modules.flatMap((module) => module.classes.map((each) => [each.name, each] as const)),
    );
    checkTraining({
      trainer: trainer.ir,
      classes,
      weights: trainer.weights,
      meetsRows: trainer.meetsRows,
      prelude: checker.prelude,
      report: checker.report,
    });
  }
  const diagnostics = applyAllows([...program.diagnostics, ...all()], program, checker);
  const ir: Ir | null =
    hasErrors(diagnostics) || !main ? null : { language: 1, modules, trainer: trainer?.ir ?? null };
  return { program, files: program.files, diagnostics, ir, weights: trainer?.weights ?? new Map() };
};

/** Without the facts that params' conditions give: for what these conditions are made of. */
const plainEnv = (checker: Checker, scope: FileScope): Env => {
  const place = hostPlace();
  const base: Env = { checker, file: scope, scope, facts: noFacts, place, sure: true };
  for (const [name, code] of paramSymbols(base, scope)) place.symbols.set(name, code);
  return base;
};

const envOf = (checker: Checker, scope: FileScope): Env => {
  const base = plainEnv(checker, scope);
  return { ...base, facts: fileFacts(base, scope) };
};

// ---- names of a file

const nameOf = (decl: Decl): { readonly text: string; readonly span: Span } | null => {
  switch (decl.kind) {
    case 'const':
    case 'fn':
    case 'block':
    case 'model':
    case 'modelAlias':
    case 'data':
    case 'schedule':
    case 'optimizer':
      return decl.name;
    case 'param':
      return decl.item.name;
    default:
      return null;
  }
};

const importable = (binding: Binding): boolean =>
  binding.kind === 'value'
    ? binding.what === 'const'
    : binding.kind === 'decl' && ['fn', 'block', 'model', 'externItem'].includes(binding.decl.kind);

const declare = (
  checker: Checker,
  file: ProgramFile,
  scopes: ReadonlyMap<ProgramFile, FileScope>,
  isMain: boolean,
  host: Host,
): FileScope => {
  const scope: FileScope = {
    parent: null,
    names: new Map(),
    file,
    isPrelude: false,
    isMain,
    decls: file.spec.decls,
  };
  const add = (name: string, span: Span, binding: Binding): void => {
    const known = scope.names.get(name);
    if (known) {
      checker.report(
        shadowing(
          span,
          { name },
          {
            related:
              known.span.file === span.file
                ? [{ span: known.span, label: `it is ${kindOf(known)} here` }]
                : [],
            help: 'choose another name',
          },
        ),
      );
      return;
    }
    const hidden = builtinKind(checker, name);
    if (
      hidden &&
      binding.kind === 'decl' &&
      span.file === file.source.id &&
      (binding.decl.kind === 'fn' || binding.decl.kind === 'block' || binding.decl.kind === 'externItem')
    ) {
      checker.report(hidesBuiltin(span, { name, kind: hidden }));
    }
    scope.names.set(name, binding);
  };
  const decl = (made: Declared, name: { readonly text: string; readonly span: Span }): void =>
    add(name.text, name.span, { kind: 'decl', name: name.text, span: name.span, decl: made, file: scope });
  for (const each of file.spec.decls) {
    switch (each.kind) {
      case 'import':
        declareImport(checker, each, file, scopes, add);
        break;
      case 'extern': {
        const path = joinPath(folderOf(file.source.path), each.module.value);
        if (!host.exists(path))
          checker.report(
            fileMissing(
              each.module.span,
              { kind: 'extern', file: each.module.value, reason: 'no such file' },
              { help: `it would be ${path}` },
            ),
          );
        for (const item of each.items) decl(item, item.name);
        break;
      }
      case 'const': {
        const { name } = each;
        let open = false;
        let made: Value | null = null;
        const read = (): Value => {
          if (made) return made;
          if (open) {
            checker.report(
              wrongKind(name.span, {
                name: name.text,
                found: 'a constant defined by itself',
                expected: 'another value',
              }),
            );
            return unknownValue(name.span);
          }
          open = true;
          made = constValue(plainEnv(checker, scope), each.value, name.text, name.span);
          open = false;
          return made;
        };
        add(name.text, name.span, {
          kind: 'value',
          name: name.text,
          span: name.span,
          what: 'const',
          value: read,
        });
        break;
      }
      case 'param': {
        const { item } = each;
        let made: Value | null = null;
        const read = (): Value => (made ??= openValue(plainEnv(checker, scope), item, 'param'));
        add(item.name.text, item.name.span, {
          kind: 'value',
          name: item.name.text,
          span: item.name.span,
          what: 'param',
          value: read,
        });
        break;
      }
      case 'fn':
      case 'block':
      case 'model':
      case 'modelAlias':
      case 'data':
      case 'schedule':
      case 'optimizer':
        decl(each, each.name);
        break;
      default:
        break;
    }
  }
  return scope;
};

const constValue = (env: Env, expr: Parameters<typeof checkExpr>[1], name: string, span: Span): Value => {
  const found = checkExpr(env, expr);
  if (found.type.kind === 'tensor' || found.type.kind === 'schedule') {
    env.checker.report(wrongKind(span, { name, found: 'not known before the run', expected: 'a constant' }));
    return unknownValue(span);
  }
  return { ...found, ir: { ...found.ir, kind: 'ref', ref: { kind: 'const', name } } };
};

const builtinKind = (checker: Checker, name: string): string | null => {
  for (const what of ['fn', 'layer', 'metric'] as const) {
    if (checker.prelude.find(what, name)) return what === 'fn' ? 'the function' : `the ${what}`;
  }
  return checker.prelude.fns.has(name) ? 'the function' : null;
};

const declareImport = (
  checker: Checker,
  decl: Extract<Decl, { kind: 'import' }>,
  file: ProgramFile,
  scopes: ReadonlyMap<ProgramFile, FileScope>,
  add: (name: string, span: Span, binding: Binding) => void,
): void => {
  const from = file.imports.get(decl.from.value);
  const source = from ? scopes.get(from) : undefined;
  if (!source) return;
  for (const { name, as } of decl.names) {
    const binding = source.names.get(name.text);
    if (!binding) {
      const near = nearest(name.text, [...source.names.keys()]);
      const nothing = unknownValue(name.span);
      const own = as ?? name;
      add(own.text, own.span, {
        kind: 'value',
        name: own.text,
        span: own.span,
        what: 'import',
        value: () => nothing,
      });
      checker.report(
        notExported(
          name.span,
          { file: decl.from.value, name: name.text },
          near[0] ? { help: `write \`${near[0]}\`` } : {},
        ),
      );
      continue;
    }
    if (!importable(binding)) {
      checker.report(notImportable(name.span, { name: name.text, kind: kindOf(binding) }));
      continue;
    }
    checker.used.add(binding);
    const own = as ?? name;
    add(own.text, own.span, { ...binding, span: own.span });
  }
};

// ---- one file's constants and classes

const checkModule = (
  env: Env,
  scope: FileScope,
  file: ProgramFile,
  entry: string,
  scopes: ReadonlyMap<ProgramFile, FileScope>,
): IrModule => {
  const consts: IrConst[] = [];
  const classes: IrClass[] = [];
  for (const decl of scope.decls) {
    if (decl.kind === 'const') {
      const found = checkExpr(env, decl.value);
      if (found.type.kind !== 'unknown')
        consts.push({
          span: decl.span,
          doc: decl.doc,
          name: decl.name.text,
          type: irType(found.type),
          value: found.ir,
        });
      scope.names.get(decl.name.text);
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
      checkDefault(env, decl.item, env);
    } else if (decl.kind === 'assert') checkAssert(env, decl, false);
    else if (decl.kind === 'block' || decl.kind === 'model') {
      const info = classOf(env, decl, scope);
      if (info) classes.push(info.ir);
    } else if (decl.kind === 'modelAlias') {
      env.checker.report(
        notBuilt(decl.span, { what: `\`${decl.source.text}(…)\`` }, { help: 'leave it out' }),
      );
    } else if (decl.kind === 'fn') checkFn(env, decl);
  }
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
  if (!decl.params.every((param) => isPlain(env, param.type))) return;
  const bindings = noBindings();
  const sizes = new Set<string>();
  const place = makePlace('step', null, sizes, decl.name.text);
  const inner = childScope({ ...env, place, sure: false });
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
  const graph = checkGraph(childScope(inner), decl.body, false);
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

// ---- the run

interface TrainerResult {
  readonly ir: IrTrainer | null;
  readonly weights: ReadonlyMap<string, readonly Weight[]>;
  readonly meetsRows: ReadonlySet<string>;
}

const bodyOf = (env: Env, decl: StepDecl): StepBody | null => {
  if (decl.body.kind === 'body') return decl.body;
  const wanted = decl.body;
  const steps = env.file.decls.flatMap((each) => (each.kind === 'step' ? [each] : []));
  const other = steps.find((each) => (each.as ?? each.stage).text === wanted.text && each !== decl);
  if (other?.body.kind === 'body') return other.body;
  const near = nearest(
    wanted.text,
    steps.map((each) => (each.as ?? each.stage).text),
  );
  env.checker.report(
    other
      ? wrongKind(wanted.span, {
          name: wanted.text,
          found: 'a step that itself reuses another',
          expected: 'a step with a body',
        })
      : unknownName(
          wanted.span,
          { kind: 'step', name: wanted.text },
          near[0] ? { help: `write \`${near[0]}\`` } : {},
        ),
  );
  return null;
};

const checkTrainer = (env: Env, scope: FileScope): TrainerResult => {
  const { decls } = scope;
  const trainers = decls.flatMap((decl) => (decl.kind === 'trainer' ? [decl] : []));
  const steps = decls.flatMap((decl) => (decl.kind === 'step' ? [decl] : []));
  const none: TrainerResult = { ir: null, weights: new Map(), meetsRows: new Set() };
  const datas = new Map<string, DataInfo>();
  for (const decl of decls) {
    if (decl.kind !== 'data') continue;
    const info = checkData(env, decl, scope);
    if (info) datas.set(decl.name.text, info);
  }
  const schedules = decls.flatMap((decl) =>
    decl.kind === 'schedule' ? (checkSchedule(env, decl) ?? []) : [],
  );
  const optimizers = decls.flatMap((decl) =>
    decl.kind === 'optimizer' ? (checkOptimizer(env, decl) ?? []) : [],
  );
  const made: IrStep[] = [];
  const names = new Map<string, Span>();
  for (const decl of steps) {
    const name = (decl.as ?? decl.stage).text;
    const before = names.get(name);
    if (decl.stage.text === 'measure') {
      env.checker.report(
        notBuilt(
          decl.stage.span,
          { what: '`step measure`' },
          { help: 'leave it out, and put the numbers into the spec as constants' },
        ),
      );
      continue;
    }
    if (!isStage(decl.stage.text)) {
      const near = nearest(decl.stage.text, ['train', 'validate', 'test', 'predict', 'measure']);
      env.checker.report(
        unknownName(
          decl.stage.span,
          { kind: 'step', name: decl.stage.text },
          { help: near[0] ? `write \`step ${near[0]}\`` : 'steps are train, validate, test and predict' },
        ),
      );
      continue;
    }
    if (before || (decl.stage.text === 'train' && made.some((each) => each.stage === 'train'))) {
      env.checker.report(
        shadowing(
          (decl.as ?? decl.stage).span,
          { name: `step ${name}` },
          {
            ...(before ? { related: [{ span: before, label: 'the first' }] } : {}),
            help: `name this one: \`step ${decl.stage.text} as other(…)\``,
          },
        ),
      );
      continue;
    }
    names.set(name, (decl.as ?? decl.stage).span);
    const body = bodyOf(env, decl);
    const step = body ? checkStep(env, decl, body, datas) : null;
    if (step) made.push(step);
  }
  const [trainer, second] = trainers;
  if (second)
    env.checker.report(
      missingPart(
        second.name.span,
        { what: 'there are two `trainer` declarations' },
        { related: [{ span: trainer?.name.span ?? second.name.span, label: 'the first' }] },
      ),
    );
  const addons = checkAddons(env, decls);
  if (!trainer && steps.length === 0 && addons.length === 0 && optimizers.length === 0) return none;
  const last = decls.at(-1)?.span ?? scope.file.spec.span;
  if (!trainer) {
    env.checker.report(
      missingPart(
        steps[0]?.stage.span ?? last,
        { what: 'there is no `trainer`' },
        { help: 'write `trainer Name { epochs = 10 }`' },
      ),
    );
    return none;
  }
  if (!steps.some((step) => step.stage.text === 'train')) {
    env.checker.report(
      missingPart(
        trainer.name.span,
        { what: 'there is no `step train`' },
        { help: 'write `step train(batch in …) { update … { minimize … } }`' },
      ),
    );
  }
  const options = checkTrainerOptions(env, trainer);
  const used = modelsIn([made, addons, optimizers.map((each) => each.of)]);
  const infos: ClassInfo[] = [];
  const models: IrModel[] = [];
  for (const name of modelNames(env, used)) {
    const binding = env.scope.names.get(name);
    if (binding?.kind !== 'decl' || binding.decl.kind !== 'model') continue;
    const info = classOf(env, binding.decl, binding.file);
    if (!info) continue;
    infos.push(info);
    models.push({
      span: binding.span,
      name,
      options: info.ir.options.flatMap((option) =>
        option.origin === 'param'
          ? [
              {
                name: option.name,
                value: {
                  kind: 'ref' as const,
                  ref: { kind: 'param' as const, name: option.name },
                  type: option.type,
                  span: binding.span,
                },
              },
            ]
          : option.value
            ? [{ name: option.name, value: option.value }]
            : [],
      ),
    });
  }
  const ir: IrTrainer = {
    span: trainer.span,
    doc: trainer.doc,
    name: trainer.name.text,
    params: decls.flatMap((decl) => {
      if (decl.kind !== 'param') return [];
      const { item } = decl;
      const open = openValue(env, item, 'param');
      const fallback = env.checker.capture(() => checkDefault(env, item, env)).result;
      const { where } = item;
      const choices =
        item.type.kind === 'unionType'
          ? item.type.members.flatMap((member) => (member.kind === 'literalType' ? [member.value] : []))
          : [];
      return [
        {
          span: item.span,
          doc: decl.doc ?? item.doc,
          name: item.name.text,
          type: choices.length > 0 ? { kind: 'choice' as const, values: choices } : irType(open.type),
          value: fallback?.ir ?? null,
          where: where ? { test: checkExpr(env, where).ir, text: sourceText(env, scope, where.span) } : null,
        },
      ];
    }),
    asserts: decls.flatMap((decl) =>
      decl.kind === 'assert'
        ? [
            {
              span: decl.span,
              test: checkExpr(env, decl.test).ir,
              text: sourceText(env, scope, decl.test.span),
              message: decl.message?.value ?? null,
            },
          ]
        : [],
    ),
    options,
    data: [...datas.values()]
      .filter((info) => made.some((step) => step.inputs.some((input) => input.data === info.ir.name)))
      .map((info) => info.ir),
    models,
    schedules,
    optimizers,
    steps: made,
    addons,
  };
  return {
    ir,
    weights: new Map(infos.map((info) => [info.decl.name.text, info.weights])),
    meetsRows: new Set(infos.filter((info) => info.meetsRows).map((info) => info.decl.name.text)),
  };
};

const modelsIn = (node: unknown): ReadonlySet<string> => {
  const names = new Set<string>();
  walkIr(node, (each) => {
    if (each['kind'] === 'model' && typeof each['model'] === 'string') names.add(each['model']);
  });
  const plain = (each: unknown): void => {
    if (Array.isArray(each)) each.forEach(plain);
    else if (typeof each === 'object' && each !== null && 'model' in each && typeof each.model === 'string')
      names.add(each.model);
  };
  if (Array.isArray(node)) node.forEach(plain);
  return names;
};

/** In the order of the spec; imported ones where they are imported. */
const modelNames = (env: Env, used: ReadonlySet<string>): readonly string[] =>
  [...env.scope.names.keys()].filter((name) => used.has(name));

// ---- lints over names, and `# allow`

const reportUnused = (checker: Checker, scopes: ReadonlyMap<ProgramFile, FileScope>): void => {
  for (const scope of scopes.values()) {
    const library = !scope.isMain || !scope.decls.some((decl) => decl.kind === 'trainer');
    for (const binding of scope.names.values()) {
      if (library || checker.used.has(binding)) continue;
      const decl = scope.decls.find(
        (each) => nameOf(each)?.text === binding.name && nameOf(each)?.span.start === binding.span.start,
      );
      if (!decl || decl.kind === 'model') continue;
      checker.report(
        unused(
          binding.span,
          { kind: kindOf(binding).replace(/^an? /, ''), name: binding.name },
          { help: 'leave it out' },
        ),
      );
    }
  }
};

const applyAllows = (
  diagnostics: readonly Diagnostic[],
  program: Program,
  checker: Checker,
): readonly Diagnostic[] => {
  const allows = program.order.flatMap((file) =>
    file.spec.decls.flatMap((decl) => decl.allows.map((allow) => ({ allow, span: decl.span, used: false }))),
  );
  const failed = hasErrors(diagnostics);
  const kept = diagnostics.filter((each) => {
    if (failed && each.code === 'ZT5002') return false;
    const match = allows.find(
      ({ allow, span }) =>
        allow.code.text === each.code &&
        each.severity === 'warning' &&
        span.file === each.span.file &&
        span.start <= each.span.start &&
        each.span.end <= span.end,
    );
    if (match) match.used = true;
    return !match;
  });
  const more = checker.capture(() => {
    for (const { allow } of allows) {
      const code = codes[allow.code.text];
      if (!code)
        checker.report(allowUnknown(allow.code.span, { problem: `there is no code \`${allow.code.text}\`` }));
      else if (code.severity === 'error')
        checker.report(
          allowUnknown(allow.code.span, {
            problem: `\`${allow.code.text}\` is an error, which can't be allowed`,
          }),
        );
    }
  }).diagnostics;
  const order = (each: Diagnostic): number => each.span.file * 1e9 + each.span.start;
  return [...kept, ...more].sort((a, b) => order(a) - order(b));
};
