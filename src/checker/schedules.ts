/** Schedules: phases of the prelude or of an extern, one after the other. */
import type { Arg, ExternItem, Item, ScheduleDecl } from '../parser/ast.js';
import { hidesBuiltin, missingArgument, unknownName, wrongKind, wrongType } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import { bindArguments, checkLimits } from './arguments.js';
import { monitorOf } from './attributes.js';
import { preludeScope, sourceText } from './calls.js';
import { lookup, type Env, type FileScope } from './env.js';
import { isUnbuilt, kindOf } from './expressions.js';
import { declaredOption, readDeclared } from './extern-options.js';
import { moduleOf } from './externs.js';
import type { IrExpr, IrExternItem, IrNamed, IrSchedule } from './ir.js';
import { isUnknown } from './value.js';

/**
 * The metric that a phase waits for is a path of names, no expression: it is taken out before the other arguments are read.
 * Null where it is missing or no metric, which is reported.
 */
const monitorArgument = (
  env: Env,
  params: readonly Item[],
  phase: ScheduleDecl['phases'][number],
):
  | { readonly param: Item; readonly monitor: IrExpr; readonly others: readonly Arg[] }
  | { readonly param: null; readonly monitor?: never; readonly others: readonly Arg[] }
  | null => {
  const { args } = phase;
  const param = params.find(({ type }) => type.kind === 'namedType' && type.name.text === 'monitor');
  if (!param) return { param: null, others: args };
  const { text } = param.name;
  const given = args.find(({ name }) => name?.text === text) ?? args.find(({ name }) => !name);
  if (!given) {
    env.checker.report(
      missingArgument(
        phase.span,
        { owner: phase.name.text, kind: 'argument', name: text },
        { help: 'name a metric first: `plateau(validate.loss, over = rest)`' },
      ),
    );
    return null;
  }
  const monitor = monitorOf(given.value, 'min');
  if (!monitor) {
    env.checker.report(
      wrongType(
        given.value.span,
        {
          what: `\`${text}\` of \`${phase.name.text}\``,
          found: given.value.kind === 'string' ? `"${given.value.value}"` : 'something else',
          expected: 'a metric',
        },
        { help: 'name a step and a metric of it: `validate.loss`, or `max(validate.accuracy)`' },
      ),
    );
    return null;
  }
  return { param, monitor: monitor.ir, others: args.filter((each) => each !== given) };
};

export const checkSchedule = (env: Env, decl: ScheduleDecl): IrSchedule | null => {
  const phases: IrSchedule['phases'][number][] = [];
  let fine = true;
  for (const phase of decl.phases) {
    const kind = phase.name.text;
    const extern = externPhase(env, kind);
    const found = extern ?? env.checker.prelude.find('schedule', kind);
    if (!found) {
      fine = false;
      const binding = lookup(env.scope, kind);
      if (binding) {
        if (!isUnbuilt(binding))
          env.checker.report(
            wrongKind(phase.name.span, { name: kind, found: kindOf(binding), expected: 'a schedule phase' }),
          );
        continue;
      }
      const names = env.checker.prelude.names('schedule');
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
    const watched = monitorArgument(env, found.params, phase);
    if (watched === null) {
      fine = false;
      continue;
    }
    const scope = extern?.file ?? preludeScope(env);
    const params = found.params.filter((param) => param !== watched.param);
    const call = bindArguments(
      { env, owner: kind, kind: 'argument', params, span: phase.span, scope },
      null,
      watched.others,
    );
    if (!call || [...call.bound.values()].some(isUnknown)) {
      fine = false;
      continue;
    }
    if (!checkLimits(env, kind, params, call.bound, scope, (expr) => sourceText(env, env.file, expr.span)))
      fine = false;
    // The runtime has the prelude's defaults; TypeScript is told those of the spec.
    const options = found.params.flatMap((param): IrNamed[] => {
      if (param === watched.param) return [{ name: param.name.text, value: watched.monitor }];
      const value = call.bound.get(param.name.text);
      const isPassed = extern !== null || call.given.has(param.name.text);
      return value && isPassed && value.type.kind !== 'none'
        ? [{ name: param.name.text, value: value.ir }]
        : [];
    });
    phases.push({
      span: phase.span,
      kind,
      options,
      ...(extern ? { extern: { module: moduleOf(extern.file, extern.item), starts: extern.starts } } : {}),
    });
  }
  return fine ? { span: decl.span, doc: decl.doc, name: decl.name.text, phases } : null;
};

/** A phase that the spec declares, and whether it goes on from where the one before ended. */
interface ExternPhase {
  readonly item: ExternItem;
  readonly file: FileScope;
  readonly params: readonly Item[];
  readonly starts: boolean;
}

const startsFrom = ({ params }: ExternItem): boolean => params.some(({ name }) => name.text === 'from');

const externPhase = (env: Env, name: string): ExternPhase | null => {
  const binding = lookup(env.scope, name);
  if (binding?.kind !== 'decl' || binding.decl.kind !== 'externItem' || binding.decl.what !== 'schedule')
    return null;
  env.checker.used.add(binding);
  const { decl: item, file } = binding;
  return { item, file, params: item.params, starts: startsFrom(item) };
};

/** What the loop reads of a phase itself: how long it is, and where it starts. */
const loops: readonly { readonly name: string; readonly types: readonly string[]; readonly write: string }[] =
  [
    { name: 'over', types: ['duration'], write: 'over: duration' },
    { name: 'from', types: ['float', 'none'], write: 'from: float | none = none' },
  ];

/** A phase in TypeScript. What it declares is checked here, where it stands. */
export const phaseItem = (env: Env, item: ExternItem): IrExternItem => {
  const name = item.name.text;
  readDeclared(env, item, {});
  if (env.checker.prelude.find('schedule', name))
    env.checker.report(hidesBuiltin(item.name.span, { name, kind: 'the schedule phase' }));
  const own = item.params.filter((param) => !loops.some((each) => each.name === param.name.text));
  for (const { name: key, types, write } of loops) {
    const param = item.params.find((each) => each.name.text === key);
    if (!param) {
      if (key === 'over')
        env.checker.report(
          missingArgument(
            item.name.span,
            { owner: name, kind: 'the parameter', name: key },
            { help: `a phase has a length: write \`${write}\`` },
          ),
        );
      continue;
    }
    const members = param.type.kind === 'unionType' ? param.type.members : [param.type];
    const found = members.map((each) => (each.kind === 'namedType' && !each.shape ? each.name.text : ''));
    if (types[0] !== undefined && found.includes(types[0]) && found.every((each) => types.includes(each)))
      continue;
    env.checker.report(
      wrongType(
        param.type.span,
        { what: `the type of \`${key}\``, found: 'another', expected: `\`${types.join(' | ')}\`` },
        { help: `write \`${write}\`` },
      ),
    );
  }
  return {
    span: item.span,
    doc: item.doc,
    what: 'schedule',
    name,
    params: own.map((param) => declaredOption(env, param)),
    inputs: [],
    result: { kind: 'none' },
    many: false,
    starts: startsFrom(item),
  };
};
