/** The names of one file: what each declaration binds, and what an import brings. After this: every name has one meaning. */
import type { ConstDecl, Decl } from '../parser/ast.js';
import {
  fileMissing,
  hidesBuiltin,
  notExported,
  notImportable,
  shadowing,
  wrongKind,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { externModel, externModels } from './extern-models.js';
import { fileFacts, openValue, paramSymbols } from './parameters.js';
import { noFacts } from './dims/facts.js';
import {
  dataKey,
  hostPlace,
  type Binding,
  type Checker,
  type Declared,
  type Env,
  type FileScope,
} from './env.js';
import { coerce } from './arguments.js';
import { noBindings, resolveType } from './patterns.js';
import { settingText } from './prelude.js';
import { checkExpr, kindOf } from './expressions.js';
import { folderOf, joinPath, type Host } from './host.js';
import { checkInnerNames } from './inner-names.js';
import type { ProgramFile } from './program.js';
import { isUnknown, unknownValue, type Value } from './value.js';

/** Without the facts that params' conditions give: for what these conditions are made of. */
const plainEnv = (checker: Checker, scope: FileScope): Env =>
  checker.memo(scope, 'plain', () => {
    const place = hostPlace();
    const base: Env = { checker, file: scope, scope, facts: noFacts, place, sure: true };
    for (const [name, code] of paramSymbols(base, scope)) place.symbols.set(name, code);
    return base;
  });

export const envOf = (checker: Checker, scope: FileScope): Env => {
  const base = plainEnv(checker, scope);
  return { ...base, facts: fileFacts(base, scope) };
};

export const nameOf = (decl: Decl): { readonly text: string; readonly span: Span } | null => {
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

type Add = (name: string, span: Span, binding: Binding, isNew?: boolean) => void;

const isData = (binding: Binding): boolean => binding.kind === 'decl' && binding.decl.kind === 'data';

const importable = (binding: Binding): boolean =>
  binding.kind === 'value'
    ? binding.what === 'const'
    : binding.kind === 'decl' &&
      ['fn', 'block', 'model', 'externItem'].includes(binding.decl.kind) &&
      // What belongs to a run is not imported.
      !(binding.decl.kind === 'externItem' && binding.decl.what === 'addon');

export const declare = (
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
    decls: file.spec.decls.flatMap((each) => [each, ...externModels(checker, each)]),
  };
  const taken = (name: string, span: Span, known: Binding): void =>
    checker.report(
      shadowing(
        span,
        { name },
        {
          related:
            known.span.file === span.file ? [{ span: known.span, label: `it is ${kindOf(known)} here` }] : [],
          help: 'choose another name',
        },
      ),
    );
  const add: Add = (name, span, binding, isNew = true) => {
    const known = scope.names.get(name);
    // Data sets have names of their own; where a name is read as a value, they come last.
    if (known && !isData(known)) {
      taken(name, span, known);
      return;
    }
    const hidden = isNew ? builtinKind(checker, name) : null;
    if (hidden) checker.report(hidesBuiltin(span, { name, kind: hidden }));
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
        for (const item of each.items) decl(externModel(checker, item) ?? item, item.name);
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
          made = constValue(plainEnv(checker, scope), each);
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
      case 'schedule':
      case 'optimizer':
        decl(each, each.name);
        break;
      case 'data': {
        const { text, span } = each.name;
        const known = scope.names.get(dataKey(text));
        const binding: Binding = { kind: 'decl', name: text, span, decl: each, file: scope };
        if (known) taken(text, span, known);
        else scope.names.set(dataKey(text), binding);
        if (!scope.names.has(text)) add(text, span, binding);
        break;
      }
      default:
        break;
    }
  }
  checkInnerNames(checker, scope);
  return scope;
};

/** Files are apart, but what becomes of them is one trainer: its classes and constants have one name each. */
export const checkTwins = (checker: Checker, scopes: ReadonlyMap<ProgramFile, FileScope>): void => {
  const known = new Map<string, { readonly span: Span; readonly path: string }>();
  for (const [file, { decls }] of scopes) {
    for (const decl of decls) {
      if (decl.kind !== 'block' && decl.kind !== 'model' && decl.kind !== 'const') continue;
      const { text, span } = decl.name;
      const first = known.get(text);
      // Two of one file are told where they are declared.
      if (first && first.span.file !== span.file) {
        checker.report(
          shadowing(
            span,
            { name: text },
            {
              related: [{ span: first.span, label: 'the first' }],
              help: `choose another name: the trainer is made of ${first.path} as well`,
            },
          ),
        );
      }
      if (!first) known.set(text, { span, path: file.source.path });
    }
  }
};

const constValue = (env: Env, { name, type, value }: ConstDecl): Value => {
  const found = checkExpr(env, value);
  if (found.type.kind === 'tensor' || found.type.kind === 'schedule') {
    env.checker.report(
      wrongKind(name.span, { name: name.text, found: 'not known before the run', expected: 'a constant' }),
    );
    return unknownValue(name.span);
  }
  const written = type && resolveType(env, type, noBindings());
  if (written?.kind === 'unknown') return unknownValue(name.span);
  const fits = type && !isUnknown(found) ? coerce(env, type, found, `\`${name.text}\``) : found;
  if (!fits) return unknownValue(name.span);
  return { ...fits, ir: { ...fits.ir, kind: 'ref', ref: { kind: 'const', name: name.text } } };
};

const builtinKind = (checker: Checker, name: string): string | null => {
  for (const what of ['fn', 'layer', 'metric', 'optimizer', 'data'] as const) {
    if (what === 'data' && name === 'options') continue;
    const builtin = checker.prelude.find(what, name);
    // A word of attributes is looked for nowhere else.
    if (builtin && settingText(builtin, 'spelled') === null)
      return what === 'fn' ? 'the function' : what === 'data' ? 'the data source' : `the ${what}`;
  }
  return checker.prelude.fns.has(name) ? 'the function' : null;
};

const declareImport = (
  checker: Checker,
  decl: Extract<Decl, { kind: 'import' }>,
  file: ProgramFile,
  scopes: ReadonlyMap<ProgramFile, FileScope>,
  add: Add,
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
    add(own.text, own.span, { ...binding, span: own.span }, own.text !== binding.name);
  }
};
