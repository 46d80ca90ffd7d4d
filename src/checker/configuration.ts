/** Schedules, optimizers, the trainer and add-ons: blocks of attributes with a meaning of their own. */
import type {
  AddonDecl,
  Config,
  Decl,
  GroupEntry,
  OptimizerDecl,
  ScheduleDecl,
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
import type { Span } from '../parser/source.js';
import { isPhase } from '../values/phases.js';
import { bindArguments, checkLimits, describe } from './arguments.js';
import { checkAttributes, namedOf, ownerOf, type Attributes } from './attributes.js';
import { preludeScope, sourceText } from './calls.js';
import { isGraphStmt } from './classes.js';
import { checkExternAddon } from './extern-addons.js';
import { nameHelp } from './foreign.js';
import { childScope, lookup, makePlace, type Env } from './env.js';
import { checkExpr, isUnbuilt, kindOf } from './expressions.js';
import type { IrAddon, IrGroup, IrNamed, IrOptimizer, IrSchedule } from './ir.js';
import { matchType, noBindings } from './patterns.js';
import { settingList, settingText } from './prelude.js';
import { isUnknown, type Value } from './value.js';

export const checkSchedule = (env: Env, decl: ScheduleDecl): IrSchedule | null => {
  const phases: { readonly span: Span; readonly kind: string; readonly options: readonly IrNamed[] }[] = [];
  let fine = true;
  for (const phase of decl.phases) {
    const kind = phase.name.text;
    const builtin = env.checker.prelude.find('schedule', kind);
    if (!builtin) {
      fine = false;
      const names = env.checker.prelude.names('schedule');
      const later = ['plateau', 'polynomial', 'one_cycle'];
      if (later.includes(kind)) {
        env.checker.report(
          notBuilt(
            phase.name.span,
            { what: `the schedule phase \`${kind}\`` },
            { help: `phases are ${names.join(', ')}` },
          ),
        );
        continue;
      }
      const near = nearest(kind, names);
      env.checker.report(
        unknownName(
          phase.name.span,
          { kind: 'schedule phase', name: kind },
          { help: near[0] ? `write \`${near[0]}\`` : `phases are ${names.join(', ')}` },
        ),
      );
      continue;
    }
    const call = bindArguments(
      {
        env,
        owner: kind,
        kind: 'argument',
        params: builtin.params,
        span: phase.span,
        scope: preludeScope(env),
      },
      null,
      phase.args,
    );
    if (!call || [...call.bound.values()].some(isUnknown)) {
      fine = false;
      continue;
    }
    if (
      !checkLimits(env, kind, builtin.params, call.bound, preludeScope(env), (expr) =>
        sourceText(env, env.file, expr.span),
      )
    )
      fine = false;
    const options = builtin.params.flatMap((param): IrNamed[] => {
      const found = call.bound.get(param.name.text);
      return found && call.given.has(param.name.text) && found.type.kind !== 'none'
        ? [{ name: param.name.text, value: found.ir }]
        : [];
    });
    phases.push({ span: phase.span, kind, options });
  }
  return fine ? { span: decl.span, doc: decl.doc, name: decl.name.text, phases } : null;
};

interface OptimizerInfo {
  readonly kind: string;
  readonly attributes: Attributes;
  readonly groups: readonly IrGroup[];
}

const patternsOf = (env: Env, group: GroupEntry, before: IrGroup | undefined): IrGroup['match'] => {
  for (const entry of group.config.entries) {
    if (entry.kind !== 'attribute' || entry.name.text !== 'match') continue;
    const items = entry.value.kind === 'list' ? entry.value.items : [entry.value];
    return items.flatMap((item) => {
      if (item.kind === 'string') return [{ span: item.span, pattern: item.value }];
      env.checker.report(
        wrongType(item.span, {
          what: 'a pattern of `match`',
          found: 'something else',
          expected: 'a string like "**.bias"',
        }),
      );
      return [];
    });
  }
  if (before) return before.match;
  env.checker.report(
    missingArgument(
      group.name.span,
      { owner: `group ${group.name.text}`, kind: 'attribute', name: 'match' },
      { help: 'write `match = ["**.bias"]`' },
    ),
  );
  return [];
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
  let kind = name;
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
    kind = base.kind;
  } else if (binding) {
    if (!isUnbuilt(binding)) {
      env.checker.report(
        wrongKind(decl.source.span, { name, found: kindOf(binding), expected: 'an optimizer' }),
      );
    }
    return null;
  }
  const builtin = env.checker.prelude.find('optimizer', kind);
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
  const refuse = decl.config.entries.find(
    (entry) => entry.kind === 'attribute' && (entry.name.text === 'match' || entry.name.text === 'except'),
  );
  if (refuse) {
    env.checker.report(
      notBuilt(
        refuse.span,
        { what: 'sharing a model out between optimizers' },
        { help: 'give each optimizer models of its own' },
      ),
    );
    return null;
  }
  const inherited = new Map(
    (base?.attributes.given ?? []).map((each) => [each.name, { span: each.span, value: each.value }]),
  );
  const attributes = checkAttributes(env, ownerOf(kind, [builtin]), decl.config, inherited);
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
    const freeze = entry.config.entries.find(
      (each) => each.kind === 'attribute' && (each.name.text === 'freeze' || each.name.text === 'except'),
    );
    if (freeze?.kind === 'attribute') {
      env.checker.report(
        notBuilt(freeze.span, { what: `\`${freeze.name.text}\` of a group` }, { help: 'leave it out' }),
      );
      continue;
    }
    const rest: Config = {
      ...entry.config,
      entries: entry.config.entries.filter((each) => each.kind !== 'attribute' || each.name.text !== 'match'),
    };
    const own = checkAttributes(env, ownerOf(`group ${entry.name.text}`, [], params), rest, new Map(), false);
    const at = groups.findIndex((each) => each.name === entry.name.text);
    const before = groups[at];
    const options = namedOf(own);
    // A group of the amended optimizer keeps what this one does not say anew.
    const kept = (before?.options ?? []).filter((each) => !options.some(({ name }) => name === each.name));
    const group: IrGroup = {
      span: entry.name.span,
      name: entry.name.text,
      match: patternsOf(env, entry, before),
      options: [...kept, ...options],
    };
    if (at >= 0) groups[at] = group;
    else groups.push(group);
  }
  return { kind, attributes, groups };
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
    options: namedOf(info.attributes, ['of']),
    groups: info.groups,
  };
};

export const checkTrainerOptions = (env: Env, decl: TrainerDecl): readonly IrNamed[] => {
  const builtin = env.checker.prelude.find('trainer', 'options');
  if (!builtin) return [];
  const attributes = checkAttributes(env, ownerOf('trainer', [builtin]), decl.config);
  refuseParts(env, decl.config);
  const devices = attributes.given.find((each) => each.name === 'devices');
  if (devices && devices.value.constant !== 1 && devices.value.constant !== 'auto') {
    env.checker.report(
      notBuilt(
        devices.span,
        { what: 'training on several devices' },
        { help: 'write `devices = "auto"`, or leave it out' },
      ),
    );
  }
  return namedOf(attributes, ['devices']);
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
  const thunk = builtin.params.find(
    (param) => param.type.kind === 'namedType' && param.type.name.text === 'f32',
  );
  const entry =
    thunk &&
    decl.config.entries.find((each) => each.kind === 'attribute' && each.name.text === thunk.name.text);
  const rest: Config = thunk
    ? { ...decl.config, entries: decl.config.entries.filter((each) => each !== entry) }
    : decl.config;
  const params = builtin.params.filter((param) => param !== thunk);
  const attributes = checkAttributes(env, ownerOf(name, [builtin], params), rest);
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
      place: { ...place, clock: false, symbols: new Map([...env.place.symbols, ...place.symbols]) },
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
