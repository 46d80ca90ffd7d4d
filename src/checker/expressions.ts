/** Expressions: each gets a type, a lowered form and, where it is known, its value. */
import type { CallExpr, Expr, IfExpr, MemberExpr, PipeExpr } from '../parser/ast.js';
import {
  branchesDiffer,
  duplicateKey,
  notKnown,
  tensorCondition,
  unknownField,
  unknownName,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { applyPipe, callNamed } from './calls.js';
import { holdsByDefault } from './defaults.js';
import { decide, factsWith } from './conditions.js';
import { symbol } from './dims/size.js';
import { lookup, visibleNames, type Binding, type Env } from './env.js';
import { isGraphStmt } from './classes.js';
import type { IrExpr, IrExprKind, IrStepStmt } from './ir.js';
import { binary, negate, not } from './operators.js';
import { aType, isDType, isNumber, showType, units, unknownType, type Type } from './types.js';
import { constantOf, isUnknown, literal, unknownValue, value, withSpan, type Value } from './value.js';
import { judgeSizes } from './judging.js';
import { measuredValue } from './measures.js';
import { checkIndex } from './indexing.js';
import { chooseWithGaps, isMissing, present, readGap } from './missing.js';
import { keyHelp, memberHelp, nameHelp } from './foreign.js';

export const checkExpr = (env: Env, expr: Expr): Value => {
  switch (expr.kind) {
    case 'number':
      return literal(expr.span, expr.value, expr.integer ? { kind: 'int' } : { kind: 'float' });
    case 'string':
      return literal(expr.span, expr.value);
    case 'bool':
      return literal(expr.span, expr.value);
    case 'ref':
      return checkName(env, expr.name, expr.span);
    case 'tuple':
    case 'list':
      return checkList(env, expr.items, expr.span);
    case 'record': {
      const fields = new Map<string, Value>();
      for (const field of expr.fields) {
        const name = field.name.text;
        if (fields.has(name)) env.checker.report(duplicateKey(field.name.span, { name }));
        fields.set(name, checkExpr(env, field.value));
      }
      return recordValue(expr.span, fields);
    }
    case 'unary': {
      const inner = checkExpr(env, expr.value);
      return expr.op === '-' ? negate(env, expr.span, inner) : not(env, expr.span, inner);
    }
    case 'binary':
      return binary(env, expr, checkExpr(env, expr.left), checkExpr(env, expr.right));
    case 'ifExpr':
      return checkIf(env, expr);
    case 'pipe':
      return checkPipe(env, expr);
    case 'call':
      return checkCall(env, expr);
    case 'member':
      return checkMember(env, expr);
    case 'index':
      return checkIndex(env, expr);
  }
};

export const recordValue = (span: Span, fields: ReadonlyMap<string, Value>): Value =>
  value(
    span,
    { kind: 'record', fields: [...fields].map(([name, field]) => ({ name, type: field.type })) },
    { kind: 'record', fields: [...fields].map(([name, field]) => ({ name, value: field.ir })) },
    { fields },
  );

const checkList = (env: Env, exprs: readonly Expr[], span: Span): Value => {
  const items = exprs.map((item) => checkExpr(env, item));
  const types = items.map((item) => item.type);
  const of: Type =
    types.find((type) => type.kind === 'tensor') ??
    types.find((type) => type.kind === 'float') ??
    types[0] ??
    unknownType;
  return value(
    span,
    { kind: 'list', of, length: items.length },
    { kind: 'items', items: items.map((item) => item.ir) },
    { items },
  );
};

/** `an optimizer`, `a model`, … */
/** An extern of a kind that is not built: its declaration says so, and each use needs no error of its own. */
export const isUnbuilt = (binding: Binding): boolean =>
  binding.kind === 'decl' &&
  binding.decl.kind === 'externItem' &&
  binding.decl.what !== 'fn' &&
  binding.decl.what !== 'data' &&
  binding.decl.what !== 'metric' &&
  binding.decl.what !== 'optimizer' &&
  binding.decl.what !== 'schedule' &&
  binding.decl.what !== 'layer' &&
  binding.decl.what !== 'addon';

export const kindOf = (binding: Binding): string => {
  if (binding.kind === 'layer') return 'a layer';
  if (binding.kind === 'value') return `a ${binding.what}`;
  switch (binding.decl.kind) {
    case 'optimizer':
      return 'an optimizer';
    case 'addon':
      return 'an add-on';
    case 'fn':
      return 'a function';
    case 'modelAlias':
      return 'a model';
    case 'data':
      return 'a data set';
    case 'externItem':
      if (binding.decl.what === 'addon') return 'an add-on';
      if (binding.decl.what === 'schedule') return 'a schedule phase';
      return binding.decl.what === 'fn' ? 'a function' : aKind(binding.decl.what);
    default:
      return `a ${binding.decl.kind}`;
  }
};

const aKind = (what: string): string => (/^[aeiou]/.test(what) ? `an ${what}` : `a ${what}`);

/** Unknown names for which a near one is looked for. */
const mostProposals = 50;

export const reportUnknown = (
  env: Env,
  name: string,
  span: Span,
  kind = 'name',
  more: readonly string[] = [],
): void => {
  // In a file of thousands of mistakes nobody reads the proposals, and each looks at all names.
  const proposals = env.checker.memo(env.checker, 'proposals', () => ({ left: mostProposals }));
  proposals.left -= 1;
  const all =
    proposals.left < 0
      ? []
      : [
          ...visibleNames(env.scope),
          ...env.checker.prelude.fns.keys(),
          ...env.checker.prelude.names('fn'),
          ...more,
        ];
  const help = env.checker.prelude.find('schedule', name)
    ? { help: `phases stand in a schedule, whose name is their value: \`schedule s { ${name}(…) }\`` }
    : nameHelp(name, span, [...new Set(all)]);
  env.checker.report(unknownName(span, { kind, name }, help));
};

const checkName = (env: Env, name: string, span: Span): Value => {
  const binding = lookup(env.scope, name);
  if (binding) {
    env.checker.used.add(binding);
    if (binding.kind === 'value') return withSpan(binding.value(), span);
    if (binding.kind === 'decl' && binding.decl.kind === 'schedule') {
      return value(span, { kind: 'schedule' }, { kind: 'ref', ref: { kind: 'schedule', name } });
    }
    env.checker.report(
      wrongKind(span, { name, found: kindOf(binding), expected: 'a value' }, callHelp(name, binding)),
    );
    return unknownValue(span);
  }
  if (name === 'none') return literal(span, null, { kind: 'none' });
  if (name === 'rest') return value(span, { kind: 'rest' }, { kind: 'rest' });
  if (isDType(name))
    return value(span, { kind: 'dtype' }, { kind: 'literal', value: name }, { constant: name });
  if (env.checker.prelude.find('fn', name) || env.checker.prelude.fns.has(name)) {
    env.checker.report(
      wrongKind(
        span,
        { name, found: 'a function', expected: 'a value' },
        { help: `call it: \`${name}(…)\`` },
      ),
    );
    return unknownValue(span);
  }
  reportUnknown(env, name, span);
  return unknownValue(span);
};

const callHelp = (name: string, binding: Binding): { readonly help?: string } => {
  if (binding.kind === 'layer')
    return { help: `call it with its input: \`${name}(x)\`, or take its weights: \`${name}.weight\`` };
  if (binding.kind === 'decl' && (binding.decl.kind === 'fn' || binding.decl.kind === 'model')) {
    return { help: `call it with its inputs: \`${name}(…)\`` };
  }
  return {};
};

const sameType = (env: Env, a: Type, b: Type): boolean => {
  if (a.kind === 'unknown' || b.kind === 'unknown') return true;
  if (a.kind === 'tensor' && b.kind === 'tensor') {
    return (
      a.dtype === b.dtype &&
      a.shape.length === b.shape.length &&
      a.shape.every((size, axis) => {
        const other = b.shape[axis];
        const { verdict } = other ? judgeSizes(env, size, other) : { verdict: 'never' };
        return verdict === 'proven' || verdict === 'unproven';
      })
    );
  }
  if (isNumber(a) && isNumber(b)) return true;
  if (a.kind === 'record' && b.kind === 'record') {
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((field) => {
        const other = b.fields.find((each) => each.name === field.name);
        return other !== undefined && sameType(env, field.type, other.type);
      })
    );
  }
  return a.kind === b.kind;
};

/** The condition of an `if`: known before the run, or an error. */
export const checkCondition = (env: Env, test: Expr): Value | null => {
  const condition = checkExpr(env, test);
  if (condition.type.kind === 'tensor') {
    env.checker.report(
      tensorCondition(test.span, {
        help: 'write `select(condition, a, b)`, which chooses element by element',
      }),
    );
    return null;
  }
  if (isUnknown(condition)) return null;
  if (condition.type.kind !== 'bool') {
    env.checker.report(
      wrongType(test.span, { what: 'the condition', found: aType(condition.type), expected: 'a bool' }),
    );
    return null;
  }
  return condition;
};

/** Runs `body` for nothing but the names that it uses: no statement, weight or diagnostic of it stays. */
const untaken = (env: Env, body: () => unknown): void => {
  const { place } = env;
  const { statements, weights: sink } = place;
  const names = new Set(sink?.names.keys());
  const [slots, weights] = [sink?.slots.length ?? 0, sink?.weights.length ?? 0];
  const notes = { ...place.notes };
  place.statements = [];
  env.checker.capture(body);
  place.statements = statements;
  Object.assign(place.notes, notes);
  sink?.slots.splice(slots);
  sink?.weights.splice(weights);
  for (const name of [...(sink?.names.keys() ?? [])]) if (!names.has(name)) sink?.names.delete(name);
};

const checkIf = (env: Env, expr: IfExpr): Value => {
  const condition = checkCondition(env, expr.test);
  if (!condition) return unknownValue(expr.span);
  const decided = decide(env, expr.test).verdict;
  const sink = env.place.weights;
  const outer = sink?.when ?? null;
  const branch = (each: Expr, negated: boolean): Value => {
    const facts = factsWith(env, expr.test, negated);
    const taken = holdsByDefault(env, condition);
    const away = {
      ...env,
      facts,
      apart: env.apart === true || taken !== !negated,
      conditional: env.conditional === true || decided === 'open' || decided === 'refuted',
    };
    if (!sink) return checkExpr(away, each);
    const own: IrExpr = negated
      ? { kind: 'hostCall', fn: 'not', args: [condition.ir], span: expr.test.span, type: { kind: 'bool' } }
      : condition.ir;
    // Weights that exist in any case need no condition.
    if (decided === 'open' || decided === 'refuted') {
      sink.when = outer
        ? { kind: 'host', op: 'and', args: [outer, own], span: expr.test.span, type: { kind: 'bool' } }
        : own;
    }
    const made = checkExpr(away, each);
    sink.when = outer;
    return made;
  };
  if (decided === 'holds' || decided === 'fails') {
    // The other branch may not fit here at all; it is gone through for the names that it uses.
    untaken(env, () => branch(decided === 'holds' ? expr.else : expr.then, decided === 'holds'));
    return withSpan(branch(decided === 'holds' ? expr.then : expr.else, decided === 'fails'), expr.span);
  }
  const { place } = env;
  const apart = (each: Expr, negated: boolean): { readonly made: Value; readonly body: IrStepStmt[] } => {
    // Maps are batched as expressions.
    if (place.kind === 'map') return { made: branch(each, negated), body: [] };
    const before = place.statements;
    place.statements = [];
    const made = branch(each, negated);
    const body = place.statements;
    place.statements = before;
    if (body.every(isGraphStmt)) return { made, body };
    // A reduction has its name in all of the step.
    place.statements.push(...body);
    return { made, body: [] };
  };
  const { made: then, body: thenBody } = apart(expr.then, false);
  const { made: other, body: otherBody } = apart(expr.else, true);
  if ([then, other].some(isMissing) && ![then, other].some(isUnknown)) {
    const [a, b] = [present(then), present(other)];
    return sameType(env, a.type, b.type)
      ? chooseWithGaps(env, expr.span, condition.ir, then, other)
      : differ(env, expr, a, b);
  }
  const lone = { kind: 'choose' as const, test: condition.ir, then: then.ir, else: other.ir };
  const ir = ((): IrExprKind => {
    if (thenBody.length === 0 && otherBody.length === 0) return lone;
    const name = place.unique('branch');
    place.statements.push({
      kind: 'branch',
      span: expr.span,
      name,
      test: condition.ir,
      then: { body: thenBody.filter(isGraphStmt), value: then.ir },
      else: { body: otherBody.filter(isGraphStmt), value: other.ir },
      type: then.ir.type,
    });
    return { kind: 'ref', ref: { kind: 'local', name } };
  })();
  if (isUnknown(then) || isUnknown(other)) return unknownValue(expr.span);
  if (then.size && other.size) {
    const same = judgeSizes(env, then.size, other.size).verdict === 'proven';
    const size = same ? other.size : symbol(`if_${expr.id}`);
    if (!same) env.place.symbols.set(`if_${expr.id}`, ir);
    return value(expr.span, then.type, ir, { size });
  }
  const facts = { then: factsWith(env, expr.test), else: factsWith(env, expr.test, true) };
  const type = sameType({ ...env, facts: facts.then }, then.type, other.type)
    ? other.type
    : sameType({ ...env, facts: facts.else }, then.type, other.type)
      ? then.type
      : null;
  return type ? value(expr.span, type, ir) : differ(env, expr, then, other);
};

const differ = (env: Env, expr: IfExpr, then: Value, other: Value): Value => {
  env.checker.report(
    branchesDiffer(
      expr.else.span,
      { left: showType(then.type), right: showType(other.type) },
      { related: [{ span: expr.then.span, label: showType(then.type) }] },
    ),
  );
  return unknownValue(expr.span);
};

const checkPipe = (env: Env, expr: PipeExpr): Value => {
  let at = checkExpr(env, expr.from);
  for (const stage of expr.stages) at = applyPipe(env, at, stage);
  return { ...at, span: expr.span };
};

const checkCall = (env: Env, expr: CallExpr): Value => {
  if (expr.callee.kind === 'ref')
    return callNamed(env, expr.callee.name, expr.callee.span, expr.args, expr.span, null);
  const callee = checkExpr(env, expr.callee);
  if (!isUnknown(callee)) {
    env.checker.report(
      wrongType(expr.callee.span, {
        what: 'what is called',
        found: aType(callee.type),
        expected: 'the name of a function or model',
      }),
    );
  }
  return unknownValue(expr.span);
};

/** What does not look at the run while it goes on. */
const clockless: Readonly<Record<Env['place']['kind'], string>> = {
  host: 'what is set for a run',
  graph: 'what a model computes',
  map: 'a field of `map`',
  step: 'what an add-on shows',
};

const clockHelp =
  'only steps, and functions that they call, look at the run; for a learning rate that moves with it, declare a `schedule`';

const checkMember = (env: Env, expr: MemberExpr): Value => {
  const { object, name } = expr;
  if (object.kind === 'ref') {
    const binding = lookup(env.scope, object.name);
    if (binding?.kind === 'layer') {
      env.checker.used.add(binding);
      const weight = binding.layer.weight(env, name.text, expr.span);
      if (weight) return weight;
    }
    if (!binding && object.name === 'run' && (name.text === 'step' || name.text === 'epoch')) {
      if (!env.place.clock) {
        env.checker.report(
          notKnown(
            expr.span,
            { what: clockless[env.place.kind], name: `run.${name.text}` },
            { help: clockHelp },
          ),
        );
        return unknownValue(expr.span);
      }
      return value(
        expr.span,
        { kind: 'unit', unit: name.text === 'step' ? 'steps' : 'epochs' },
        { kind: 'ref', ref: { kind: 'run', name: name.text } },
      );
    }
  }
  const measured =
    object.kind === 'ref' && !lookup(env.scope, object.name)
      ? measuredValue(env, object.name, name, expr.span)
      : null;
  if (measured) return measured;
  const of = checkExpr(env, object);
  if (isUnknown(of)) return unknownValue(expr.span);
  const unit = units.get(name.text);
  if (unit && isNumber(of.type)) {
    const constant = constantOf(of);
    const scaled: IrExpr =
      unit.times === 1
        ? of.ir
        : {
            kind: 'host',
            op: '*',
            args: [of.ir, { kind: 'literal', value: unit.times, span: name.span, type: { kind: 'int' } }],
            span: expr.span,
            type: { kind: 'float' },
          };
    return value(
      expr.span,
      { kind: 'unit', unit: unit.unit },
      { kind: 'quantity', unit: unit.unit, value: scaled },
      { constant: typeof constant === 'number' ? constant * unit.times : undefined },
    );
  }
  const written = of.fields?.get(name.text);
  if (written) return withSpan(written, expr.span);
  if (of.type.kind === 'record') {
    if (name.text === 'size' && of.ir.kind === 'ref' && of.ir.ref.kind === 'batch') {
      const batch = of.ir.ref.name;
      return value(
        expr.span,
        { kind: 'int' },
        { kind: 'batchSize', batch },
        { size: symbol(`${batch}.size`) },
      );
    }
    const field = of.type.fields.find((each) => each.name === name.text);
    if (field?.type.kind === 'missing') return readGap(env, expr, field.type, of);
    if (field) return value(expr.span, field.type, { kind: 'field', of: of.ir, name: name.text });
    const names = of.type.fields.map((each) => each.name);
    const owner = object.kind === 'ref' ? `\`${object.name}\`` : 'the record';
    env.checker.report(
      unknownField(name.span, { name: name.text, owner }, keyHelp(name.text, name.span, names, 'it has')),
    );
    return unknownValue(expr.span);
  }
  const near = isNumber(of.type) ? nearest(name.text, [...units.keys()]) : [];
  env.checker.report(
    unknownField(
      name.span,
      { name: name.text, owner: aType(of.type) },
      near[0]
        ? { help: `units are members: write \`.${near[0]}\`` }
        : of.type.kind === 'tensor'
          ? memberHelp(name.text, object.kind === 'ref' ? object.name : 'x', [
              ...env.checker.prelude.names('fn'),
              ...env.checker.prelude.fns.keys(),
            ])
          : {},
    ),
  );
  return unknownValue(expr.span);
};
