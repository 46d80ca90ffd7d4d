/**
 * Models made from others: `model Small = Net(8)`, a model with other parameters, and `model Smooth = ema(Net, …)`, one that has its
 * weights from another. After this: of which class each is, with which parameters, and how it has its weights.
 */
import type { Arg, ModelAliasDecl, ModelDecl } from '../parser/ast.js';
import {
  duplicateKey,
  missingArgument,
  notBuilt,
  tooManyArguments,
  unknownAttribute,
  unknownName,
  wrongKind,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import { bindArguments, checkLimits, describe } from './arguments.js';
import { checkAttribute } from './attributes.js';
import { preludeScope, sourceText } from './calls.js';
import { childScope, hostPlace, lookup, type Binding, type Env, type FileScope } from './env.js';
import { kindOf } from './expressions.js';
import { keyHelp } from './foreign.js';
import type { IrCopy, IrNamed } from './ir.js';
import { fileFacts, paramSymbols } from './parameters.js';
import { settingList, type Builtin } from './prelude.js';
import { checkWeightsFile } from './pretrained.js';
import { isUnknown, type Value } from './value.js';

export interface Derived {
  readonly decl: ModelAliasDecl;
  /** The model whose graph it has, and where that is declared. */
  readonly model: ModelDecl;
  readonly file: FileScope;
  /** Parameters that it gives; the others have the model's defaults. */
  readonly params: ReadonlyMap<string, Value>;
  /** How it has its weights from another model; null where they are its own. */
  readonly copy: IrCopy | null;
}

const hostEnv = (outer: Env, scope: FileScope): Env => {
  const { checker } = outer;
  const place = hostPlace();
  const base: Env = { checker, file: scope, scope, facts: checker.noFacts, place, sure: true };
  for (const [name, code] of paramSymbols(base, scope)) place.symbols.set(name, code);
  return { ...base, facts: fileFacts(base, scope) };
};

/** What a declaration stands for; null after an error, which is reported once. */
export const derivedOf = (env: Env, decl: ModelAliasDecl, scope: FileScope): Derived | null =>
  env.checker.memo(decl, 'derived', () => {
    const inner = hostEnv(env, scope);
    const source = decl.source.text;
    const binding = lookup(scope, source);
    if (binding) return instanceOf(inner, decl, binding);
    const builtin = env.checker.prelude.find('model', source);
    if (builtin) return copyOf(inner, decl, builtin);
    const models = scope.decls.flatMap((each) => (each.kind === 'model' ? [each.name.text] : []));
    const known = [...models, ...env.checker.prelude.names('model')];
    const [near] = nearest(source, known);
    env.checker.report(
      unknownName(
        decl.source.span,
        { kind: 'model', name: source },
        { help: near ? `write \`${near}\`` : `models are made from ${known.join(', ')}` },
      ),
    );
    return null;
  });

const notAModel = (env: Env, decl: ModelAliasDecl, binding: Binding, found = kindOf(binding)): null => {
  const name = decl.source.text;
  env.checker.report(
    wrongKind(decl.source.span, { name, found, expected: 'a model with a graph of its own' }),
  );
  return null;
};

const instanceOf = (env: Env, decl: ModelAliasDecl, binding: Binding): Derived | null => {
  env.checker.used.add(binding);
  if (binding.kind !== 'decl') return notAModel(env, decl, binding);
  if (binding.decl.kind === 'modelAlias') return notAModel(env, decl, binding, 'made from another model');
  if (binding.decl.kind !== 'model') return notAModel(env, decl, binding);
  const { decl: model, file } = binding;
  const owner = model.name.text;
  const call = bindArguments(
    { env, owner, kind: 'argument', params: model.params, span: decl.span, scope: file },
    null,
    decl.args,
  );
  if (!call || [...call.bound.values()].some(isUnknown)) return null;
  const fine = checkLimits(
    { ...env, file },
    owner,
    model.params,
    call.bound,
    childScope({ ...env, file, scope: file }).scope,
    (expr) => sourceText(env, file, expr.span),
  );
  if (!fine) return null;
  const params = new Map([...call.bound].filter(([name]) => call.given.has(name)));
  return { decl, model, file, params, copy: null };
};

/** Arguments of a copy by parameter. Null where one has no place. */
const placed = (env: Env, builtin: Builtin, args: readonly Arg[]): ReadonlyMap<string, Arg> | null => {
  const names = builtin.params.map((param) => param.name.text);
  const found = new Map<string, Arg>();
  for (const [index, arg] of args.entries()) {
    const name = arg.name?.text ?? names[index];
    if (name === undefined) {
      env.checker.report(
        tooManyArguments(arg.span, {
          owner: builtin.name,
          expected: `${names.length} arguments`,
          found: `${args.length}`,
        }),
      );
      return null;
    }
    if (!names.includes(name)) {
      env.checker.report(
        unknownAttribute(
          arg.name?.span ?? arg.span,
          { kind: 'argument', name, owner: builtin.name },
          keyHelp(name, arg.name?.span ?? arg.span, names, 'it takes'),
        ),
      );
      return null;
    }
    if (found.has(name)) {
      env.checker.report(duplicateKey(arg.span, { name }));
      return null;
    }
    found.set(name, arg);
  }
  return found;
};

const copyOf = (env: Env, decl: ModelAliasDecl, builtin: Builtin): Derived | null => {
  const args = placed(env, builtin, decl.args);
  if (!args) return null;
  const later = settingList(builtin, 'later');
  const bound = new Map<string, Value>();
  for (const param of builtin.params) {
    const name = param.name.text;
    const arg = args.get(name);
    if (!arg) {
      if (param.value) continue;
      env.checker.report(
        missingArgument(
          decl.source.span,
          { owner: builtin.name, kind: 'argument', name },
          { help: `\`${name}\` is ${describe(param.type)}` },
        ),
      );
      return null;
    }
    if (later.includes(name)) {
      const what = `\`${name}\` of \`${builtin.name}\``;
      env.checker.report(notBuilt(arg.span, { what }, { help: 'leave it out' }));
      return null;
    }
    const found = checkAttribute(env, builtin.name, param, arg.value);
    if (!found) return null;
    bound.set(name, found);
  }
  const limits = checkLimits(env, builtin.name, builtin.params, bound, preludeScope(env), (expr) =>
    sourceText(env, env.file, expr.span),
  );
  const of = bound.get('of');
  const [first, ...others] = of?.items ?? [];
  if (!limits || !of || !first) return null;
  const arg = args.get('of');
  const name = arg?.value.kind === 'ref' ? arg.value.name : '';
  const binding = lookup(env.scope, name);
  if (others.length > 0 || binding?.kind !== 'decl') {
    env.checker.report(
      wrongKind(of.span, {
        name: sourceText(env, env.file, of.span),
        found: 'several models',
        expected: 'one model',
      }),
    );
    return null;
  }
  if (binding.decl === decl) return notOneToCopy(env, name, first, 'the model itself');
  const base =
    binding.decl.kind === 'modelAlias'
      ? derivedOf(env, binding.decl, binding.file)
      : binding.decl.kind === 'model'
        ? { model: binding.decl, file: binding.file, params: new Map<string, Value>(), copy: null }
        : null;
  if (!base) return null;
  if (base.copy) return notOneToCopy(env, name, first, 'a copy of another model');
  const options = builtin.params.flatMap((param): IrNamed[] => {
    const found = bound.get(param.name.text);
    return !found || param.name.text === 'of' || found.type.kind === 'none'
      ? []
      : [{ name: param.name.text, value: found.ir }];
  });
  if (builtin.name === 'frozen') checkWeightsFile(env, builtin.name, bound.get('from'));
  const { model, file, params } = base;
  const copied = typeof first.constant === 'string' ? first.constant : model.name.text;
  return { decl, model, file, params, copy: { kind: builtin.name, of: copied, span: decl.span, options } };
};

const notOneToCopy = (env: Env, name: string, at: Value, found: string): null => {
  env.checker.report(wrongKind(at.span, { name, found, expected: 'a model with weights of its own' }));
  return null;
};
