/** Arguments against parameters: which is which, of what type, and within what limits. */
import type { Arg, Expr, Item, TypeExpr } from '../parser/ast.js';
import {
  duplicateKey,
  missingArgument,
  notKnown,
  outOfLimits,
  tooManyArguments,
  unknownAttribute,
  wrongType,
  wrongUnit,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { decide } from './conditions.js';
import { byDefault, showDefaults } from './defaults.js';
import { showSize } from './dims/size.js';
import { childScope, type Env, type Scope } from './env.js';
import { checkExpr } from './expressions.js';
import type { Unit } from './ir.js';
import { keyHelp } from './foreign.js';
import { holdsGaps, refuseGaps } from './missing.js';
import { isBatchType, isTensorType, showWitness, sizeOfValue } from './patterns.js';
import { sizeCode } from './size-code.js';
import { textHelp } from './row-texts.js';
import { aType, isNumber, unitName } from './types.js';
import { constantOf, isConstant, isUnknown, value, type Value } from './value.js';

/** Names of the runtime's initial weights. */
export const initializers = [
  'glorot_uniform',
  'glorot_normal',
  'he_uniform',
  'he_normal',
  'lecun_normal',
  'lecun_uniform',
  'orthogonal',
  'normal_0.02',
  'zeros',
  'ones',
] as const;

const unitTypes: ReadonlyMap<string, readonly Unit[]> = new Map([
  ['steps', ['steps']],
  ['epochs', ['epochs']],
  ['batches', ['batches']],
  ['percent', ['percent']],
  ['time', ['seconds']],
  ['bytes', ['bytes']],
  ['duration', ['steps', 'epochs', 'percent']],
]);

/** Whether a value fits a written type, silently; what it is then. */
const accept = (env: Env, written: TypeExpr, found: Value): Value | null => {
  if (isUnknown(found)) return found;
  switch (written.kind) {
    case 'unionType':
      if (found.type.kind === 'string' && found.type.choices) {
        const choices = choicesOf(written);
        if (found.type.choices.every((each) => choices.includes(each))) return found;
      }
      for (const member of written.members) {
        const fits = accept(env, member, found);
        if (fits) return fits;
      }
      return null;
    case 'literalType':
      return found.constant === written.value ? found : null;
    case 'recordType':
      return found.type.kind === 'record' ? found : null;
    case 'namedType':
      break;
  }
  const name = written.name.text;
  if (isTensorType(written)) {
    const scalar = isNumber(found.type) || found.type.kind === 'schedule';
    if (name === 'tensors') return found.type.kind === 'list' ? found : null;
    if (name === 'text') return found.type.kind === 'text' ? found : null;
    return found.type.kind === 'tensor' || found.type.kind === 'missing' || scalar ? found : null;
  }
  if (written.shape && found.items) {
    const length = written.shape.dims[0];
    if (length?.kind === 'size' && length.size.kind === 'number' && length.size.value !== found.items.length)
      return null;
    const inner: TypeExpr = { ...written, shape: null };
    return found.items.every((item) => accept(env, inner, item)) ? found : null;
  }
  if (written.shape) return found.type.kind === 'list' ? found : null;
  const allowed = unitTypes.get(name);
  if (allowed) {
    if (found.type.kind === 'rest') return name === 'duration' ? found : null;
    return found.type.kind === 'unit' && allowed.includes(found.type.unit) ? found : null;
  }
  switch (name) {
    case 'int':
      return found.type.kind === 'int' || (found.ratio && found.type.kind === 'float') ? found : null;
    case 'float':
      return isNumber(found.type) ? found : null;
    case 'bool':
      return found.type.kind === 'bool' ? found : null;
    case 'string':
    case 'path':
      return found.type.kind === 'string' ? found : null;
    case 'initializer':
      return typeof found.constant === 'string' && initializers.some((each) => each === found.constant)
        ? found
        : null;
    case 'none':
      return found.type.kind === 'none' ? found : null;
    case 'dtype':
      return found.type.kind === 'dtype' ? found : null;
    case 'schedule':
      return found.type.kind === 'schedule' ? found : null;
    case 'list':
      return found.type.kind === 'list' ? found : null;
    case 'record':
      return found.type.kind === 'record' ? found : null;
    default:
      return found.type.kind === 'setting' && found.type.what === name ? found : null;
  }
};

const words: Readonly<Record<string, string>> = {
  int: 'an int',
  none: '`none`',
  dtype: 'an element type',
  initializer: `one of ${initializers.map((each) => `"${each}"`).join(', ')}`,
  clip: '`norm(…)` or `value(…)`',
  freeze: '`after(…)`',
  monitor: '`min(step.metric)` or `max(step.metric)`',
  metric: '`step.metric`, `min(step.metric)` or `max(step.metric)`',
  path: 'a path (a string)',
  axes: '`axis(name, values)`, or a list of them',
  parts: '`{ train: 80.percent, … }` or `folds(…)`',
  part: '`only(fold)` or `all_but(fold)`',
  secret: '`env("NAME")`',
};

/** A written type in words. */
export const describe = (written: TypeExpr): string => {
  switch (written.kind) {
    case 'unionType':
      return written.members.map(describe).join(' or ');
    case 'literalType':
      return `"${written.value}"`;
    case 'recordType':
      return `a record with ${written.fields.map((field) => `\`${field.name.text}\``).join(', ')}`;
    case 'namedType':
      break;
  }
  const name = written.name.text;
  if (name === 'text') return 'a string or path of a row';
  if (isTensorType(written)) return name === 'tensors' ? 'a list of tensors' : 'a tensor';
  if (written.shape) {
    const [dim] = written.shape.dims;
    const length = dim?.kind === 'size' && dim.size.kind === 'number' ? `${dim.size.value} ` : '';
    return name === 'secret' ? `a list of ${length}\`env("NAME")\`` : `a list of ${length}${name}s`;
  }
  const allowed = unitTypes.get(name);
  if (allowed)
    return name === 'duration'
      ? 'steps, epochs or percent (of the run), or `rest`'
      : unitName(allowed[0] ?? 'steps');
  return words[name] ?? `a ${name}`;
};

const choicesOf = (written: TypeExpr): readonly string[] =>
  written.kind === 'unionType'
    ? written.members.flatMap((member) => (member.kind === 'literalType' ? [member.value] : []))
    : [];

const unitExample = (written: TypeExpr, found: Value): string | null => {
  const names = written.kind === 'unionType' ? written.members : [written];
  for (const member of names) {
    if (member.kind !== 'namedType') continue;
    const allowed = unitTypes.get(member.name.text);
    const unit = allowed?.[0];
    const number = constantOf(found);
    const ref = found.ir.kind === 'ref' ? found.ir.ref : null;
    if (unit && (ref?.kind === 'param' || ref?.kind === 'const'))
      return `${ref.name}.${unit === 'seconds' ? 'minutes' : unit}`;
    if (!unit || typeof number !== 'number') continue;
    // There is no part of a batch: a percentage is meant, where one may stand.
    if (unit === 'batches' && !Number.isInteger(number) && names.length > 1) continue;
    if (allowed.includes('percent') && number > 0 && number < 1)
      return `${Number((100 * number).toPrecision(6))}.percent`;
    // There is no part of a step.
    if (unit === 'steps' && !Number.isInteger(number))
      return allowed.includes('epochs') ? `${number}.epochs` : `${Math.max(1, Math.round(number))}.steps`;
    return `${number}.${unit === 'seconds' ? 'minutes' : unit}`;
  }
  return null;
};

/** The value as its parameter takes it, or null after an error. */
export const coerce = (env: Env, written: TypeExpr, found: Value, what: string): Value | null => {
  const fits = accept(env, written, found);
  if (fits) {
    if (fits.ratio && wantsInt(written)) {
      // Reported by `sizeOfValue` where the fraction is not whole.
      const size = sizeOfValue(env, found);
      if (!size) return null;
      return value(found.span, { kind: 'int' }, { ...sizeCode(size, env.place, found.span) }, { size });
    }
    return fits;
  }
  const expected = describe(written);
  const tensor = [found, ...(found.items ?? [])].find((each) => each.type.kind === 'tensor');
  if (tensor && wantsInts(written)) {
    env.checker.report(notKnown(tensor.span, { what, name: aType(tensor.type) }));
    return null;
  }
  const unit = isNumber(found.type) ? unitExample(written, found) : null;
  if (found.type.kind === 'unit' || (unit && isNumber(found.type))) {
    env.checker.report(
      wrongUnit(
        found.span,
        {
          what,
          found:
            found.type.kind === 'unit'
              ? aType(found.type)
              : constantOf(found) === undefined
                ? 'a bare number'
                : `the bare number ${String(constantOf(found))}`,
          expected,
        },
        unit !== null
          ? { help: `write \`${unit}\`` }
          : wantsInt(written) && typeof found.constant === 'number' && !isPercent(found)
            ? { help: `write \`${found.constant}\`: here the name says what is counted` }
            : isPercent(found) &&
                typeof found.constant === 'number' &&
                accept(env, written, { ...found, type: { kind: 'float' } })
              ? { help: `write \`${found.constant / 100}\`` }
              : {},
      ),
    );
    return null;
  }
  const near =
    typeof found.constant === 'string' ? nearest(found.constant, choicesOf(written), 1)[0] : undefined;
  const shown = typeof found.constant === 'string' ? `"${found.constant}"` : aType(found.type);
  const help = near === undefined ? formHelp(written, found) : `write \`"${near}"\``;
  env.checker.report(wrongType(found.span, { what, found: shown, expected }, help ? { help } : {}));
  return null;
};

/** For a value that is right but for its form: a number in quotes, a tensor where a list of them stands. */
const formHelp = (written: TypeExpr, found: Value): string | null => {
  const members = written.kind === 'unionType' ? written.members : [written];
  const takes = (name: string): boolean =>
    members.some((each) => each.kind === 'namedType' && each.name.text === name && !each.shape);
  if (takes('tensors') && found.type.kind === 'tensor') return 'write the tensors as a list: `[a, b]`';
  const { constant } = found;
  const [first] = found.items ?? [];
  if (found.type.kind === 'text') return textHelp(found.type);
  if (wantsInt(written) && first && found.items?.every((each) => isConstant(each, first)))
    return `write \`${String(constantOf(first))}\`, which holds for each axis`;
  if (wantsInt(written) && typeof constant === 'number' && Number.isSafeInteger(constant))
    return `write \`${constant}\``;
  if (takes('clip') && typeof constant === 'number') return `write \`norm(${constant})\``;
  if (takes('schedule') && typeof constant === 'string' && !Number.isFinite(Number(constant)))
    return 'declare one, `schedule s { cosine(to = 0, over = rest) }`, and write its name';
  if (typeof constant !== 'string' || constant.trim() === '') return null;
  const isText =
    (takes('bool') && (constant === 'true' || constant === 'false')) ||
    ((takes('int') || takes('float')) && Number.isFinite(Number(constant)));
  return isText ? `write \`${constant}\`, without quotes` : null;
};

const isPercent = ({ type }: Value): boolean => type.kind === 'unit' && type.unit === 'percent';

const wantsInt = (written: TypeExpr): boolean =>
  written.kind === 'namedType'
    ? written.name.text === 'int' && !written.shape
    : written.kind === 'unionType' &&
      written.members.some(wantsInt) &&
      !written.members.some((each) => each.kind === 'namedType' && each.name.text === 'float');

const wantsInts = (written: TypeExpr): boolean =>
  written.kind === 'namedType'
    ? written.name.text === 'int'
    : written.kind === 'unionType' && written.members.some(wantsInts);

const showValue = (found: Value): string => {
  const constant = constantOf(found);
  if (constant !== undefined) return typeof constant === 'string' ? `"${constant}"` : String(constant);
  return found.size ? showSize(found.size) : aType(found.type);
};

/** The scope in which a parameter's `where` and default are read: its siblings by name. */
export const parameterEnv = (env: Env, scope: Scope, bound: ReadonlyMap<string, Value>): Env => {
  const inner = childScope({ ...env, scope });
  for (const [name, each] of bound) {
    inner.scope.names.set(name, {
      kind: 'value',
      name,
      span: each.span,
      what: 'parameter',
      value: () => each,
    });
  }
  return inner;
};

/** Tests `where` conditions on values; reports those that fail, or that can be shown to fail. */
export const checkLimits = (
  env: Env,
  owner: string,
  params: readonly Item[],
  bound: ReadonlyMap<string, Value>,
  scope: Scope,
  textOf: (expr: Expr) => string,
  sure = true,
): boolean => {
  const inner = parameterEnv(env, scope, bound);
  let fine = true;
  for (const param of params) {
    const found = bound.get(param.name.text);
    if (!param.where || !found || isUnknown(found) || found.type.kind === 'none') continue;
    // `bool | int`: a limit is about numbers.
    if (found.type.kind === 'bool' && param.type.kind === 'unionType') continue;
    const { verdict, witness, fix } = decide(inner, param.where);
    if (verdict === 'open' && !env.apart) {
      const known = new Map([...bound].map(([name, each]) => [name, byDefault(env, each) ?? each] as const));
      const own = known.get(param.name.text) ?? found;
      if (own === found || decide(parameterEnv(env, scope, known), param.where).verdict !== 'fails') continue;
      fine = false;
      env.checker.report(
        outOfLimits(
          found.span,
          {
            what: `\`${param.name.text}\` of \`${owner}\``,
            value: showValue(own),
            text: textOf(param.where),
          },
          { notes: [showDefaults(env, [found])] },
        ),
      );
      continue;
    }
    if (verdict === 'holds' || verdict === 'open' || (verdict === 'refuted' && !sure)) continue;
    fine = false;
    env.checker.report(
      outOfLimits(
        found.span,
        {
          what: `\`${param.name.text}\` of \`${owner}\``,
          value: showValue(found),
          text: textOf(param.where),
        },
        {
          ...(verdict === 'refuted' && witness ? { notes: [`not so with ${showWitness(witness)}`] } : {}),
          ...(verdict === 'refuted' && fix ? { help: `add \`where ${fix}\` to the param` } : {}),
        },
      ),
    );
  }
  return fine;
};

export interface Call {
  readonly env: Env;
  readonly owner: string;
  /** What else can be given by name, such as further inputs of a layer: named where a name is unknown. */
  readonly others?: readonly string[];
  /** Word for the parameters in messages: `argument` or `attribute`. */
  readonly kind: string;
  readonly params: readonly Item[];
  readonly span: Span;
  /** Scope of the declaration, for defaults. */
  readonly scope: Scope;
  /** Whether it takes values that may be missing. */
  readonly gaps?: boolean;
}

/** Positional and named arguments by parameter; defaults filled in. Null where one is missing or wrong. */
export const bindArguments = (
  { env, owner, kind, params, span, scope, gaps = false, others = [] }: Call,
  piped: Value | null,
  args: readonly Arg[],
  extra: (name: string) => boolean = () => false,
): {
  readonly bound: ReadonlyMap<string, Value>;
  readonly extras: ReadonlyMap<string, Value>;
  readonly given: ReadonlySet<string>;
} | null => {
  const bound = new Map<string, Value>();
  const extras = new Map<string, Value>();
  const given = new Set<string>();
  let fine = true;
  const positional: Value[] = piped ? [piped] : [];
  for (const arg of args) {
    const found = checkExpr(env, arg.value);
    if (!arg.name) {
      positional.push(found);
      continue;
    }
    const name = arg.name.text;
    const param = params.find((each) => each.name.text === name);
    if (!param && extra(name)) {
      extras.set(name, found);
      continue;
    }
    if (!param) {
      const known = [...params.map((each) => each.name.text), ...others];
      env.checker.report(
        unknownAttribute(
          arg.name.span,
          { kind, name, owner },
          known.length === 0 ? { help: 'it takes none' } : keyHelp(name, arg.name.span, known, 'it takes'),
        ),
      );
      fine = false;
      continue;
    }
    if (given.has(name)) {
      env.checker.report(duplicateKey(arg.name.span, { name }));
      fine = false;
      continue;
    }
    given.add(name);
    bound.set(name, found);
  }
  const open = params.filter((param) => !given.has(param.name.text));
  if (positional.length > params.length || positional.length > open.length) {
    const surplus = positional[open.length];
    env.checker.report(
      tooManyArguments(
        surplus?.span ?? span,
        {
          owner,
          expected: `${params.length} ${kind}${params.length === 1 ? '' : 's'}`,
          found: `${positional.length + given.size}`,
        },
        { notes: [`they are ${params.map((each) => `\`${each.name.text}\``).join(', ') || 'none'}`] },
      ),
    );
    return null;
  }
  positional.forEach((found, index) => {
    const param = params[index];
    if (!param) return;
    if (given.has(param.name.text)) {
      env.checker.report(duplicateKey(found.span, { name: param.name.text }));
      fine = false;
      return;
    }
    given.add(param.name.text);
    bound.set(param.name.text, found);
  });
  const ordered = new Map<string, Value>();
  for (const param of params) {
    const name = param.name.text;
    const found = bound.get(name);
    if (found && !gaps && holdsGaps(found)) {
      refuseGaps(env, found, `\`${owner}\``);
      fine = false;
    } else if (found) {
      const isBatch = found.type.kind === 'record' && isBatchType(scope, param.type);
      const fits = isBatch ? found : coerce(env, param.type, found, `\`${name}\` of \`${owner}\``);
      if (fits) ordered.set(name, fits);
      else {
        fine = false;
        // What follows is shifted: `concat(a, b)` for `concat([a, b])`.
        if (param.type.kind === 'namedType' && param.type.name.text === 'tensors') break;
      }
    } else if (param.value) {
      ordered.set(name, checkExpr({ ...env, scope }, param.value));
    } else if (fine) {
      // After another mistake, what is missing is mostly what is misspelled.
      env.checker.report(
        missingArgument(span, { owner, kind, name }, { help: `\`${name}\` is ${describe(param.type)}` }),
      );
      fine = false;
    }
  }
  return fine ? { bound: ordered, extras, given } : null;
};
