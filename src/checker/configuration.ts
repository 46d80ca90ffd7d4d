/** Optimizers, the trainer and add-ons: blocks of attributes with a meaning of their own. */
import type {
  AddonDecl,
  Config,
  Decl,
  ExternItem,
  GroupEntry,
  OptimizerDecl,
  TrainerDecl,
} from '../parser/ast.js';
import {
  duplicateKey,
  missingArgument,
  notBuilt,
  unknownName,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import { isPhase } from '../values/phases.js';
import { describe } from './arguments.js';
import { checkAttributes, namedOf, ownerOf, type Attributes } from './attributes.js';
import { isGraphStmt } from './classes.js';
import { checkExternAddon } from './extern-addons.js';
import { asBuiltin, externParts } from './extern-optimizers.js';
import { nameHelp } from './foreign.js';
import { childScope, lookup, makePlace, type Env, type FileScope, type FirstRows } from './env.js';
import { checkExpr, isUnbuilt, kindOf } from './expressions.js';
import type { IrAddon, IrFirstRows, IrGroup, IrMatching, IrNamed, IrOptimizer, IrPattern } from './ir.js';
import { isTensorType, matchType, noBindings } from './patterns.js';
import { settingList, settingText, type Builtin } from './prelude.js';
import { checkWeightsFile } from './pretrained.js';
import { checkFields } from './record-fields.js';
import { isUnknown, type Value } from './value.js';

interface OptimizerInfo {
  readonly kind: string;
  readonly builtin: Builtin;
  /** Where it is written in TypeScript. */
  readonly extern: { readonly item: ExternItem; readonly file: FileScope } | null;
  readonly attributes: Attributes;
  readonly owns: IrMatching | null;
  readonly groups: readonly IrGroup[];
}

const isPatterns = (entry: Config['entries'][number]): boolean =>
  entry.kind === 'attribute' && (entry.name.text === 'match' || entry.name.text === 'except');

/** The patterns that a block gives under a name; null where it says nothing. */
const patternsIn = (env: Env, config: Config, name: 'match' | 'except'): readonly IrPattern[] | null => {
  const given = config.entries.filter((entry) => entry.kind === 'attribute' && entry.name.text === name);
  const [first, second] = given;
  if (second?.kind === 'attribute') env.checker.report(duplicateKey(second.name.span, { name }));
  if (first?.kind !== 'attribute') return null;
  const items = first.value.kind === 'list' ? first.value.items : [first.value];
  return items.flatMap((item) => {
    if (item.kind === 'string') return [{ span: item.span, pattern: item.value }];
    env.checker.report(
      wrongType(item.span, {
        what: `a pattern of \`${name}\``,
        found: 'something else',
        expected: 'a string like "**.bias"',
      }),
    );
    return [];
  });
};

/** `match` and `except` of a group, of which those of the group that it amends are kept. */
const matchingOf = (env: Env, group: GroupEntry, before: IrGroup | undefined): IrMatching => {
  const match = patternsIn(env, group.config, 'match') ?? before?.match;
  if (!match) {
    env.checker.report(
      missingArgument(
        group.name.span,
        { owner: `group ${group.name.text}`, kind: 'attribute', name: 'match' },
        { help: 'write `match = ["**.bias"]`' },
      ),
    );
  }
  return { match: match ?? [], except: patternsIn(env, group.config, 'except') ?? before?.except ?? [] };
};

/** Optimizers from this one to what it is made of, where that comes back to this one; else none. */
const cycleOf = (env: Env, decl: OptimizerDecl): readonly OptimizerDecl[] => {
  const known: OptimizerDecl[] = [];
  for (let at = decl; !known.includes(at);) {
    known.push(at);
    const binding = lookup(env.scope, at.source.text);
    if (binding?.kind !== 'decl' || binding.decl.kind !== 'optimizer') return [];
    if (binding.decl === decl) return known;
    at = binding.decl;
  }
  return [];
};

const readOptimizer = (
  env: Env,
  decl: OptimizerDecl,
  open: ReadonlySet<OptimizerDecl>,
): OptimizerInfo | null => {
  const name = decl.source.text;
  const binding = lookup(env.scope, name);
  let base: OptimizerInfo | null = null;
  let extern: OptimizerInfo['extern'] = null;
  if (binding?.kind === 'decl' && binding.decl.kind === 'optimizer') {
    env.checker.used.add(binding);
    if (binding.decl === decl || open.has(binding.decl)) {
      env.checker.report(
        wrongKind(decl.source.span, {
          name,
          found: 'the optimizer itself',
          expected: 'an optimizer of the prelude, or another one',
        }),
      );
      return null;
    }
    const other = binding.decl;
    const cycle = cycleOf(env, decl);
    if (cycle.length > 1) {
      const [first] = [...cycle].sort((a, b) => a.span.start - b.span.start);
      // One error for all of a cycle, wherever one enters it.
      if (first === decl && open.size === 0)
        env.checker.report(
          wrongKind(
            decl.source.span,
            {
              name,
              found: 'an optimizer made of this one',
              expected: 'an optimizer of the prelude, or another one',
            },
            {
              notes: [`${[...cycle, decl].map((each) => `\`${each.name.text}\``).join(' is made of ')}`],
            },
          ),
        );
      return null;
    }
    base = env.checker.capture(() => readOptimizer(env, other, new Set([...open, decl]))).result;
    if (!base) return null;
    ({ extern } = base);
  } else if (
    binding?.kind === 'decl' &&
    binding.decl.kind === 'externItem' &&
    binding.decl.what === 'optimizer'
  ) {
    env.checker.used.add(binding);
    extern = { item: binding.decl, file: binding.file };
  } else if (binding) {
    if (!isUnbuilt(binding)) {
      env.checker.report(
        wrongKind(decl.source.span, { name, found: kindOf(binding), expected: 'an optimizer' }),
      );
    }
    return null;
  }
  const builtin = extern
    ? asBuiltin(env, extern.item)
    : (base?.builtin ?? env.checker.prelude.find('optimizer', name));
  if (!builtin) {
    const names = env.checker.prelude.names('optimizer');
    const near = nearest(name, names);
    env.checker.report(
      unknownName(
        decl.source.span,
        { kind: 'optimizer', name },
        { help: near[0] ? `write \`${near[0]}\`` : `optimizers are ${names.join(', ')}` },
      ),
    );
    return null;
  }
  const kind = builtin.name;
  const inherited = new Map(
    (base?.attributes.given ?? []).map((each) => [each.name, { span: each.span, value: each.value }]),
  );
  const plain: Config = {
    ...decl.config,
    entries: decl.config.entries.filter((entry) => !isPatterns(entry)),
  };
  const ownParams = builtin.params.filter((param) => !['match', 'except'].includes(param.name.text));
  const attributes = checkAttributes(env, ownerOf(kind, [builtin], ownParams), plain, inherited);
  const match = patternsIn(env, decl.config, 'match') ?? base?.owns?.match;
  const except = patternsIn(env, decl.config, 'except') ?? base?.owns?.except;
  const owns: IrMatching | null =
    match || except
      ? { match: match ?? [{ span: decl.name.span, pattern: '**' }], except: except ?? [] }
      : null;
  const grouped = settingList(builtin, 'grouped');
  const params = builtin.params.filter((param) => grouped.includes(param.name.text));
  const groups = [...(base?.groups ?? [])];
  const ownGroups = new Set<string>();
  for (const entry of decl.config.entries) {
    if (entry.kind === 'map')
      env.checker.report(
        wrongKind(entry.span, { name: 'map', found: 'a map of rows', expected: 'an attribute or a group' }),
      );
    if (entry.kind !== 'group') continue;
    if (ownGroups.has(entry.name.text)) {
      env.checker.report(duplicateKey(entry.name.span, { name: entry.name.text }));
      continue;
    }
    ownGroups.add(entry.name.text);
    const rest: Config = {
      ...entry.config,
      entries: entry.config.entries.filter((each) => !isPatterns(each)),
    };
    const own = checkAttributes(env, ownerOf(`group ${entry.name.text}`, [], params), rest, new Map(), false);
    const at = groups.findIndex((each) => each.name === entry.name.text);
    const before = groups[at];
    // Groups win key by key, also with `none`.
    const options = namedOf(own, { meant: grouped });
    // A group of the amended optimizer keeps what this one does not say anew.
    const kept = (before?.options ?? []).filter((each) => !options.some(({ name }) => name === each.name));
    const group: IrGroup = {
      span: entry.name.span,
      name: entry.name.text,
      ...matchingOf(env, entry, before),
      options: [...kept, ...options],
    };
    if (at >= 0) groups[at] = group;
    else groups.push(group);
  }
  return { kind, builtin, extern, attributes, owns, groups };
};

export const checkOptimizer = (env: Env, decl: OptimizerDecl): IrOptimizer | null => {
  const info = readOptimizer(env, decl, new Set());
  if (!info) return null;
  const of: Value | undefined = info.attributes.all.get('of');
  const own = decl.config.entries.some((entry) => entry.kind === 'attribute' && entry.name.text === 'of');
  const models = (of?.items ?? []).flatMap((item) =>
    typeof item.constant !== 'string'
      ? []
      : own
        ? [{ span: item.span, model: item.constant }]
        : [{ span: decl.source.span, model: item.constant, taken: true as const }],
  );
  return {
    span: decl.span,
    doc: decl.doc,
    name: decl.name.text,
    kind: info.kind,
    of: models,
    owns: info.owns,
    // An optimizer's `clip` stands in place of the trainer's, also with `none`.
    options: namedOf(info.attributes, { except: ['of'], meant: ['clip'] }),
    ...(info.extern ? externParts(env, info.extern.item, info.extern.file, info.attributes) : {}),
    groups: info.groups,
  };
};

export const checkTrainerOptions = (env: Env, decl: TrainerDecl): readonly IrNamed[] => {
  const builtin = env.checker.prelude.find('trainer', 'options');
  if (!builtin) return [];
  const { result: attributes, diagnostics } = env.checker.capture(() =>
    checkAttributes(env, ownerOf('trainer', [builtin]), decl.config),
  );
  diagnostics.forEach(env.checker.report);
  refuseParts(env, decl.config);
  const devices = attributes.given.find((each) => each.name === 'devices');
  const count = devices?.value.constant;
  // What is below 1, or may be, has an error of its own.
  const isTold = diagnostics.some(({ span }) => span === devices?.value.span);
  if (devices && count !== 'auto' && count !== 1 && !isTold) {
    const isList = devices.value.type.kind === 'list';
    env.checker.report(
      notBuilt(
        devices.span,
        { what: isList ? 'a list of `devices`' : 'training on several devices' },
        {
          help: `write \`devices = "auto"\`, or leave it out${isList ? '; `--devices gpu:1` of the command line chooses one' : ''}`,
        },
      ),
    );
  }
  const limit = attributes.given.find((each) => each.name === 'limit');
  const declared = builtin.params.find((each) => each.name.text === 'limit');
  const isFine = !limit || !declared || checkFields(env, 'limit', declared.type, limit.value);
  return namedOf(attributes, { except: ['devices', ...(isFine ? [] : ['limit'])] });
};

const refuseParts = (env: Env, config: Config): void => {
  for (const entry of config.entries) {
    if (entry.kind === 'group')
      env.checker.report(
        wrongKind(entry.name.span, { name: entry.name.text, found: 'a group', expected: 'an attribute' }),
      );
    if (entry.kind === 'map')
      env.checker.report(
        wrongKind(entry.span, { name: 'map', found: 'a map of rows', expected: 'an attribute' }),
      );
  }
};

export const checkAddons = (env: Env, decls: readonly Decl[]): readonly IrAddon[] =>
  decls.flatMap((decl) => (decl.kind === 'addon' ? (checkAddon(env, decl) ?? []) : []));

const checkAddon = (env: Env, decl: AddonDecl): IrAddon | null => {
  const name = decl.name.text;
  const own = lookup(env.scope, name);
  if (own?.kind === 'decl' && own.decl.kind === 'externItem' && own.decl.what === 'addon') {
    env.checker.used.add(own);
    refuseParts(env, decl.config);
    return checkExternAddon(env, decl, own.decl, own.file);
  }
  const builtin = env.checker.prelude.find('addon', name);
  if (!builtin) {
    const binding = lookup(env.scope, name);
    if (binding) {
      if (!isUnbuilt(binding))
        env.checker.report(
          wrongKind(decl.name.span, { name, found: kindOf(binding), expected: 'an add-on' }),
        );
      return null;
    }
    const names = env.checker.prelude.names('addon');
    env.checker.report(
      unknownName(
        decl.name.span,
        { kind: 'add-on', name },
        { help: `add-ons are ${names.join(', ')}`, ...nameHelp(name, decl.name.span, names) },
      ),
    );
    return null;
  }
  if (settingList(builtin, 'later').includes(name)) {
    // A literal secret is an error of its own, which stays one when the add-on is built.
    const before = env.checker.capture(() => checkAttributes(env, ownerOf(name, [builtin]), decl.config));
    const secret = before.diagnostics.find((each) => each.code === 'ZT4207');
    if (secret) env.checker.report(secret);
    else
      env.checker.report(
        notBuilt(
          decl.name.span,
          { what: `the add-on \`${name}\`` },
          { help: "leave it out; `metrics.jsonl` in the run's folder is always written" },
        ),
      );
    return null;
  }
  refuseParts(env, decl.config);
  const thunk = builtin.params.find((param) => isTensorType(param.type));
  const entry =
    thunk &&
    decl.config.entries.find((each) => each.kind === 'attribute' && each.name.text === thunk.name.text);
  const rest: Config = thunk
    ? { ...decl.config, entries: decl.config.entries.filter((each) => each !== entry) }
    : decl.config;
  const params = builtin.params.filter((param) => param !== thunk);
  const attributes = checkAttributes(env, ownerOf(name, [builtin], params), rest);
  if (name === 'pretrained')
    checkWeightsFile(env, name, attributes.given.find((each) => each.name === 'from')?.value);
  const options = [...namedOf(attributes)];
  if (thunk) {
    if (entry?.kind !== 'attribute') {
      env.checker.report(
        missingArgument(
          decl.name.span,
          { owner: name, kind: 'attribute', name: thunk.name.text },
          { help: `\`${thunk.name.text}\` is ${describe(thunk.type)}` },
        ),
      );
      return null;
    }
    const place = makePlace('step', null, new Set(), decl.as?.text ?? name);
    const inner = childScope({
      ...env,
      place: {
        ...place,
        clock: false,
        reads: [],
        symbols: new Map([...env.place.symbols, ...place.symbols]),
      },
    });
    const found = checkExpr(inner, entry.value);
    if (isUnknown(found)) return null;
    if (
      !matchType(inner, thunk.type, found.type, noBindings(), {
        what: `\`${thunk.name.text}\` of \`${name}\``,
        span: entry.value.span,
      })
    )
      return null;
    options.unshift({
      name: thunk.name.text,
      value: {
        kind: 'thunk',
        ...readsOf(inner.place.reads ?? []),
        body: inner.place.statements.filter(isGraphStmt),
        value: found.ir,
        span: entry.value.span,
        type: found.ir.type,
      },
    });
  }
  const phase = settingText(builtin, 'phase') ?? '';
  return {
    span: decl.span,
    doc: decl.doc,
    name,
    label: decl.as?.text ?? name,
    module: null,
    phase: isPhase(phase) ? phase : 'independent',
    owns: settingList(builtin, 'owns'),
    many: builtin.settings.get('many') === true,
    options,
  };
};

const readsOf = (reads: readonly FirstRows[]): { readonly reads?: readonly IrFirstRows[] } =>
  reads.length === 0
    ? {}
    : { reads: reads.map(({ span, name, data, count }) => ({ span, name, data, count })) };
