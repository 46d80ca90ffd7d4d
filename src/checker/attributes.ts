/** Configuration blocks against what the prelude declares for them. */
import type { Config, Expr, Item } from '../parser/ast.js';
import {
  duplicateKey,
  literalSecret,
  missingArgument,
  notBuilt,
  unknownAttribute,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { checkLimits, coerce, describe } from './arguments.js';
import { axesOf } from './axes.js';
import { preludeScope, sourceText } from './calls.js';
import { freezeOf } from './freezes.js';
import { lookup, makePlace, type Env } from './env.js';
import { checkExpr, kindOf } from './expressions.js';
import { keyHelp, meantKey } from './foreign.js';
import type { IrNamed } from './ir.js';
import { partOf, partsOf } from './parts.js';
import { loadingValue } from './pretrained.js';
import { settingList, type Builtin } from './prelude.js';
import { isUnknown, unknownValue, value, type Value } from './value.js';

export interface Attributes {
  /** What the spec gives, in its order. */
  readonly given: readonly { readonly name: string; readonly span: Span; readonly value: Value }[];
  /** Everything, defaults filled in. */
  readonly all: ReadonlyMap<string, Value>;
}

const mentions = (item: Item, name: string): boolean => {
  const members = item.type.kind === 'unionType' ? item.type.members : [item.type];
  return members.some((member) => member.kind === 'namedType' && member.name.text === name);
};

const setting = (span: Span, what: string, ir: Parameters<typeof value>[2]): Value =>
  value(span, { kind: 'setting', what }, ir);

/** `norm(1.0)` or `value(0.5)` */
const clipOf = (env: Env, expr: Expr): Value | null => {
  if (expr.kind !== 'call' || expr.callee.kind !== 'ref') return null;
  const how = expr.callee.name;
  if (how !== 'norm' && how !== 'value') return null;
  const [arg, ...more] = expr.args;
  const builtin = env.checker.prelude.find('fn', `clip_${how}`);
  const [param] = builtin?.params ?? [];
  if (!arg || more.length > 0 || !param) {
    env.checker.report(
      missingArgument(
        expr.span,
        { owner: how, kind: 'argument', name: 'most' },
        { help: `write the most that is let through: \`${how}(1.0)\`` },
      ),
    );
    return unknownValue(expr.span);
  }
  const most = coerce(env, param.type, checkExpr(env, arg.value), `\`most\` of \`${how}\``);
  if (!most) return unknownValue(expr.span);
  const bound = new Map([['most', most]]);
  if (
    !checkLimits(env, how, [param], bound, preludeScope(env), (each) => sourceText(env, env.file, each.span))
  )
    return unknownValue(expr.span);
  return setting(expr.span, 'clip', { kind: 'clip', how, most: most.ir });
};

/**
 * `min(validate.loss)`: the metric's name is checked against the steps later, when all are known. With `alone`, a metric without
 * `min` or `max` is one as well.
 */
export const monitorOf = (expr: Expr, alone: 'min' | null = null): Value | null => {
  if (alone && expr.kind === 'member') {
    const metric = pathOf(expr);
    return metric ? setting(expr.span, 'monitor', { kind: 'monitor', mode: alone, metric }) : null;
  }
  if (expr.kind !== 'call' || expr.callee.kind !== 'ref') return null;
  const mode = expr.callee.name;
  const [arg, ...more] = expr.args;
  if ((mode !== 'min' && mode !== 'max') || !arg || more.length > 0 || arg.name) return null;
  const metric = pathOf(arg.value);
  return metric ? setting(expr.span, 'monitor', { kind: 'monitor', mode, metric }) : null;
};

/** `validate.loss`, of which nothing is said but its name. */
const metricOf = (expr: Expr): Value | null => {
  const metric = expr.kind === 'member' ? pathOf(expr) : null;
  return metric === null ? null : setting(expr.span, 'metric', { kind: 'monitor', mode: null, metric });
};

const pathOf = (expr: Expr): string | null => {
  if (expr.kind === 'ref') return expr.name;
  if (expr.kind !== 'member') return null;
  const object = pathOf(expr.object);
  return object === null ? null : `${object}.${expr.name.text}`;
};

const envOf = (expr: Expr): Value | null => {
  if (expr.kind !== 'call' || expr.callee.kind !== 'ref' || expr.callee.name !== 'env') return null;
  const [arg] = expr.args;
  return arg?.value.kind === 'string'
    ? setting(expr.span, 'secret', { kind: 'env', variable: arg.value.value })
    : null;
};

const modelHelp = (env: Env, expr: Expr): { readonly help?: string } => {
  const models = env.file.decls.flatMap((decl) => (decl.kind === 'model' ? [decl.name.text] : []));
  const called = expr.kind === 'call' && expr.callee.kind === 'ref' ? expr.callee.name : null;
  const meant = expr.kind === 'string' ? expr.value : called;
  if (meant !== null && models.includes(meant)) return { help: `write its name alone: \`${meant}\`` };
  return models.length > 0 ? { help: `models are ${models.map((each) => `\`${each}\``).join(', ')}` } : {};
};

/** `Net` or `[Encoder, Decoder]` */
const modelsOf = (env: Env, expr: Expr): Value => {
  const exprs = expr.kind === 'list' ? expr.items : [expr];
  const items: Value[] = [];
  for (const each of exprs) {
    const name = each.kind === 'ref' ? each.name : null;
    const binding = name ? lookup(env.scope, name) : null;
    if (
      !name ||
      binding?.kind !== 'decl' ||
      (binding.decl.kind !== 'model' && binding.decl.kind !== 'modelAlias')
    ) {
      if (name && !binding) checkExpr(env, each);
      else
        env.checker.report(
          wrongKind(
            each.span,
            {
              name: name ?? sourceText(env, env.file, each.span),
              found: binding ? kindOf(binding) : each.kind === 'string' ? 'a string' : 'an expression',
              expected: 'a model',
            },
            modelHelp(env, each),
          ),
        );
      return unknownValue(expr.span);
    }
    env.checker.used.add(binding);
    // An import may have brought it under another name.
    const own = binding.decl.name.text;
    items.push(value(each.span, { kind: 'string' }, { kind: 'literal', value: own }, { constant: own }));
  }
  return value(
    expr.span,
    { kind: 'setting', what: 'model' },
    { kind: 'items', items: items.map((each) => each.ir) },
    { items },
  );
};

/** What is written in a way of its own, of which there may be lists. */
const specials = ['monitor', 'metric', 'secret'] as const;

const listOf = (item: Item): string | null => {
  const members = item.type.kind === 'unionType' ? item.type.members : [item.type];
  const list = members.find((member) => member.kind === 'namedType' && member.shape !== null);
  return list?.kind === 'namedType' && specials.some((name) => name === list.name.text)
    ? list.name.text
    : null;
};

/** A clip, monitor, metric or secret. Null after an error, `other` where the type asks for none of these. */
const specialOf = (env: Env, item: Item, expr: Expr, what: string): Value | 'other' | null => {
  if (mentions(item, 'secret') && expr.kind === 'string') {
    env.checker.report(
      literalSecret(
        expr.span,
        { name: item.name.text },
        { help: 'write `env("NAME")` and set the variable where the run starts' },
      ),
    );
    return null;
  }
  const special =
    (mentions(item, 'clip') ? clipOf(env, expr) : null) ??
    (mentions(item, 'freeze') ? freezeOf(env, expr) : null) ??
    (mentions(item, 'monitor') || mentions(item, 'metric') ? monitorOf(expr) : null) ??
    (mentions(item, 'metric') ? metricOf(expr) : null) ??
    (mentions(item, 'axes') ? axesOf(env, expr) : null) ??
    (mentions(item, 'parts') ? partsOf(env, expr) : null) ??
    (mentions(item, 'part') ? partOf(env, expr) : null) ??
    (mentions(item, 'secret') ? envOf(expr) : null);
  if (special) return special;
  const isWatched = mentions(item, 'monitor') || mentions(item, 'metric');
  if (!isWatched || (expr.kind === 'ref' && !mentions(item, 'metric'))) return 'other';
  const isNone = expr.kind === 'ref' && expr.name === 'none';
  if (isNone) return 'other';
  const path = pathOf(expr);
  env.checker.report(
    wrongType(
      expr.span,
      {
        what,
        found: path ? `\`${path}\`` : expr.kind === 'string' ? `"${expr.value}"` : 'something else',
        expected: describe(item.type),
      },
      {
        help: path?.includes('.')
          ? `write \`max(${path})\` or \`min(${path})\``
          : 'name a step and a metric of it: `min(validate.loss)`',
      },
    ),
  );
  return null;
};

export const checkAttribute = (env: Env, owner: string, item: Item, expr: Expr): Value | null => {
  const what = `\`${item.name.text}\` of \`${owner}\``;
  if (mentions(item, 'model')) {
    const found = modelsOf(env, expr);
    return isUnknown(found) ? null : found;
  }
  const loading = loadingValue(env, item, expr, what);
  if (loading) return isUnknown(loading) ? null : loading;
  if (expr.kind === 'list' && listOf(item) !== null) {
    const items = expr.items.map((each) => specialOf(env, item, each, what));
    const known = items.filter((each) => each !== null && each !== 'other');
    if (known.length < items.length && items.every((each) => each !== null)) {
      const found = checkExpr(env, expr);
      return isUnknown(found) ? null : coerce(env, item.type, found, what);
    }
    const [first] = known;
    if (known.length < items.length || known.some(isUnknown)) return null;
    return value(
      expr.span,
      {
        kind: 'list',
        of: first?.type ?? { kind: 'setting', what: listOf(item) ?? '' },
        length: items.length,
      },
      { kind: 'items', items: known.map((each) => each.ir) },
      { items: known },
    );
  }
  const special = specialOf(env, item, expr, what);
  if (special === null || special !== 'other') return special === null || isUnknown(special) ? null : special;
  const found = checkExpr(env, expr);
  if (isUnknown(found)) return null;
  return coerce(env, item.type, found, what);
};

/** The params of several declarations as one: a source's own and what every data set takes. */
export interface Owner {
  readonly name: string;
  readonly builtins: readonly Builtin[];
  readonly params: readonly Item[];
  /** The value of a parameter that is written in a way of its own: a model of a live source. Null for all others. */
  readonly own?: (item: Item, expr: Expr) => Value | null;
}

export const ownerOf = (
  name: string,
  builtins: readonly Builtin[],
  params: readonly Item[] = builtins.flatMap((each) => each.params),
): Owner => ({ name, builtins, params });

/** What does today what an attribute that is not built would do. */
const INSTEAD: Readonly<Record<string, string>> = {
  'trainer.device':
    'leave it out: `--devices cpu`, `gpu` or `gpu:1` of the command line says where a run computes',
};

/** Checks the attributes of a block. `inherited` are those of what it amends. Groups and maps are the caller's. */
export const checkAttributes = (
  env: Env,
  owner: Owner,
  config: Config,
  inherited: ReadonlyMap<string, { readonly span: Span; readonly value: Value }> = new Map(),
  needed = true,
): Attributes => {
  const host: Env = { ...env, place: { ...makePlace('host', null, new Set()), symbols: env.place.symbols } };
  const merged = new Map(inherited);
  const seen = new Set<string>();
  const misspelt = new Set<string>();
  const later = new Set(owner.builtins.flatMap((each) => settingList(each, 'later')));
  const values = new Map<string, Value>();
  for (const [name, each] of inherited) values.set(name, each.value);
  for (const entry of config.entries) {
    if (entry.kind !== 'attribute') continue;
    const name = entry.name.text;
    const item = owner.params.find((param) => param.name.text === name);
    if (!item) {
      const known = owner.params.map((param) => param.name.text);
      const meant = meantKey(name, known);
      if (meant !== undefined) misspelt.add(meant);
      env.checker.report(
        unknownAttribute(
          entry.name.span,
          { kind: 'attribute', name, owner: owner.name },
          known.length === 0
            ? { help: 'it takes no attributes' }
            : keyHelp(name, entry.name.span, known, 'it takes'),
        ),
      );
      continue;
    }
    if (seen.has(name)) {
      env.checker.report(duplicateKey(entry.name.span, { name }));
      continue;
    }
    seen.add(name);
    const check = (): Value | null => {
      const own = owner.own?.(item, entry.value) ?? null;
      if (own) return isUnknown(own) ? null : own;
      return checkAttribute(host, owner.name, item, entry.value);
    };
    // What is not built is refused whatever its value is.
    const found = later.has(name) ? env.checker.capture(check).result : check();
    if (!found && !later.has(name)) {
      values.set(name, unknownValue(entry.value.span));
      continue;
    }
    if (!found || (later.has(name) && !isDefault(host, item, found))) {
      env.checker.report(
        notBuilt(
          entry.span,
          { what: `\`${name}\` of \`${owner.name}\`` },
          { help: INSTEAD[`${owner.name}.${name}`] ?? 'leave it out' },
        ),
      );
      continue;
    }
    // Where it has its default, what is not built changes nothing: the runtime has no word for it.
    if (!later.has(name)) merged.set(name, { span: entry.value.span, value: found });
    values.set(name, found);
  }
  const all = new Map<string, Value>();
  for (const param of owner.params) {
    const name = param.name.text;
    const found = values.get(name);
    if (found) all.set(name, found);
    else if (param.value) all.set(name, checkExpr({ ...host, scope: preludeScope(env) }, param.value));
    else if (needed && !misspelt.has(name))
      env.checker.report(
        missingArgument(
          config.span,
          { owner: owner.name, kind: 'attribute', name },
          { help: `\`${name}\` is ${describe(param.type)}` },
        ),
      );
  }
  const own = new Map([...all].filter(([name]) => seen.has(name) || !inherited.has(name)));
  checkLimits(
    host,
    owner.name,
    owner.params.filter((param) => own.has(param.name.text)),
    all,
    preludeScope(env),
    (expr) => sourceText(env, env.file, expr.span),
  );
  return { given: [...merged].map(([name, each]) => ({ name, span: each.span, value: each.value })), all };
};

const isDefault = (env: Env, item: Item, found: Value): boolean => {
  if (!item.value) return false;
  const fallback = checkExpr({ ...env, scope: preludeScope(env) }, item.value);
  return found.constant !== undefined && found.constant === fallback.constant;
};

/**
 * What was given, as the trainer gets it. `none` says what leaving out says, except of the keys in `meant`: there something else would
 * hold without it, an earlier group's value or the trainer's.
 */
export const namedOf = (
  attributes: Attributes,
  {
    except = [],
    meant = [],
  }: { readonly except?: readonly string[]; readonly meant?: readonly string[] } = {},
): readonly IrNamed[] =>
  attributes.given
    .filter(
      ({ name, value }) => !except.includes(name) && (value.type.kind !== 'none' || meant.includes(name)),
    )
    .map((each) => ({ name: each.name, value: each.value.ir }));
