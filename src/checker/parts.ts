/** Parts of a data set: that they are a whole, that the one which is read is among them, that classes are classes. */
import type { DataDecl, Expr } from '../parser/ast.js';
import {
  outOfLimits,
  partsNotWhole,
  partsNeeded,
  splitTwice,
  unknownField,
  unknownName,
  wrongType,
  wrongUnit,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { weightOfPercent, wholeInPercent } from '../values/split.js';
import { bindArguments, checkLimits } from './arguments.js';
import { preludeScope, sourceText } from './calls.js';
import { byDefault, showDefaults } from './defaults.js';
import { add, asConstant, constant } from './dims/size.js';
import { lookupData, type Env } from './env.js';
import { checkExpr } from './expressions.js';
import { judgeOrder } from './judging.js';
import { showWitness } from './patterns.js';
import { aType, type RecordType } from './types.js';
import { constantOf, isUnknown, unknownValue, value, type Value } from './value.js';

/** The argument of `folds(…)`, `only(…)` or `all_but(…)`, within its limits; unknown after an error. */
const argumentOf = (env: Env, expr: Extract<Expr, { kind: 'call' }>, word: string): Value => {
  const builtin = env.checker.prelude.find('fn', word);
  const scope = preludeScope(env);
  const [param] = builtin?.params ?? [];
  if (!builtin || !param) return unknownValue(expr.span);
  const call = bindArguments(
    { env, owner: word, kind: 'argument', params: builtin.params, span: expr.span, scope },
    null,
    expr.args,
  );
  const found = call?.bound.get(param.name.text);
  if (!call || !found || isUnknown(found)) return unknownValue(expr.span);
  const fine = checkLimits(env, word, builtin.params, call.bound, scope, (each) =>
    sourceText(env, env.file, each.span),
  );
  return fine ? found : unknownValue(expr.span);
};

/** `folds(5)`, or shares in percent; null where it is something else. */
export const partsOf = (env: Env, expr: Expr): Value | null => {
  if (expr.kind === 'call' && expr.callee.kind === 'ref' && expr.callee.name === 'folds') {
    const count = argumentOf(env, expr, 'folds');
    if (isUnknown(count)) return count;
    return value(
      expr.span,
      { kind: 'setting', what: 'parts' },
      { kind: 'folds', count: count.ir },
      { items: [count] },
    );
  }
  if (expr.kind !== 'record') return null;
  const record = checkExpr(env, expr);
  if (isUnknown(record) || !record.fields) return unknownValue(expr.span);
  let fine = true;
  for (const [name, share] of record.fields) {
    if (share.type.kind === 'unit' && share.type.unit === 'percent') continue;
    fine = false;
    if (isUnknown(share)) continue;
    const { constant: number } = share;
    const meant = typeof number !== 'number' ? null : number > 0 && number < 1 ? 100 * number : number;
    env.checker.report(
      wrongUnit(
        share.span,
        {
          what: `\`${name}\` of \`parts\``,
          found:
            meant !== null && share.type.kind !== 'unit'
              ? `the bare number ${String(number)}`
              : aType(share.type),
          expected: 'percent',
        },
        meant === null || share.type.kind === 'unit'
          ? {}
          : { help: `write \`${Number(meant.toPrecision(9))}.percent\`` },
      ),
    );
  }
  if (!fine) return unknownValue(expr.span);
  return value(expr.span, { kind: 'setting', what: 'parts' }, record.ir, { fields: record.fields });
};

/** `only(fold)` or `all_but(fold)`; null where it is something else. */
export const partOf = (env: Env, expr: Expr): Value | null => {
  if (expr.kind !== 'call' || expr.callee.kind !== 'ref') return null;
  const how = expr.callee.name;
  if (how !== 'only' && how !== 'all_but') return null;
  const fold = argumentOf(env, expr, how);
  if (isUnknown(fold)) return fold;
  return value(
    expr.span,
    { kind: 'setting', what: 'part' },
    { kind: 'part', how, fold: fold.ir },
    { items: [fold] },
  );
};

interface Given {
  readonly span: Span;
  readonly value: Value;
}

export interface SplitOf {
  readonly decl: DataDecl;
  /** What the data set that this one amends says, or null. */
  readonly inherited: ReadonlyMap<string, Given> | null;
  /** What is said here or there. */
  readonly given: ReadonlyMap<string, Given>;
  /** A row as the source gives it. */
  readonly row: RecordType['fields'];
}

/** The share as a number, by the params' defaults where it is made of them. */
const percentOf = (env: Env, share: Value): number | null => {
  const known = constantOf(share) ?? constantOf(byDefault(env, share) ?? share);
  return typeof known === 'number' ? known : null;
};

const checkShares = (env: Env, parts: Value): void => {
  const shares = [...(parts.fields ?? [])];
  const numbers = shares.map(([, share]) => percentOf(env, share));
  const byParams = shares.filter(([, share]) => constantOf(share) === undefined).map(([, share]) => share);
  const notes = byParams.length > 0 ? { notes: [showDefaults(env, byParams)] } : {};
  for (const [at, [name, share]] of shares.entries()) {
    const number = numbers[at];
    if (number === null || number === undefined || weightOfPercent(number) > 0) continue;
    env.checker.report(
      outOfLimits(
        share.span,
        { what: `\`${name}\` of \`parts\``, value: `${number}.percent`, text: `${name} > 0` },
        constantOf(share) === undefined ? notes : {},
      ),
    );
    return;
  }
  const known = numbers.filter((each) => each !== null);
  if (known.length < numbers.length) return;
  const sum = known.reduce((all, each) => all + weightOfPercent(each), 0);
  if (sum === wholeInPercent) return;
  const found = `${(100 * sum) / wholeInPercent}`;
  const [last] = shares.slice(-1);
  const rest = wholeInPercent - sum + weightOfPercent(known.at(-1) ?? 0);
  env.checker.report(
    partsNotWhole(
      parts.span,
      { found },
      {
        ...notes,
        ...(last && rest > 0 && byParams.length === 0
          ? { help: `write \`${last[0]}: ${(100 * rest) / wholeInPercent}.percent\`, or change another` }
          : {}),
      },
    ),
  );
};

const checkFold = (env: Env, part: Value, count: Value): void => {
  const [fold] = part.items ?? [];
  if (!fold?.size || !count.size || part.ir.kind !== 'part') return;
  const judged = judgeOrder(env, add(fold.size, constant(1)), count.size);
  const args = (shown: string): Parameters<typeof outOfLimits>[1] => ({
    what: `the fold of \`${part.ir.kind === 'part' ? part.ir.how : ''}\``,
    value: shown,
    text: `${sourceText(env, env.file, fold.span)} < ${asConstant(count.size ?? constant(0)) ?? sourceText(env, env.file, count.span)}`,
  });
  const counted = asConstant(count.size);
  const help = counted === null ? {} : { help: `the folds are 0 to ${counted - 1}` };
  const own = asConstant(fold.size);
  if (judged.verdict === 'never' || (judged.verdict === 'refuted' && own !== null)) {
    env.checker.report(outOfLimits(fold.span, args(`${own ?? 'too large'}`), help));
    return;
  }
  if (judged.verdict !== 'refuted') return;
  const text = args('').text;
  env.checker.report(
    outOfLimits(fold.span, args(sourceText(env, env.file, fold.span)), {
      ...(judged.witness ? { notes: [`not so with ${showWitness(judged.witness)}`] } : {}),
      help: `add \`where ${String(text)}\` to the param`,
    }),
  );
};

const checkPart = (env: Env, part: Value, parts: Value): void => {
  const count = parts.ir.kind === 'folds' ? parts.items?.[0] : undefined;
  const names = [...(parts.fields?.keys() ?? [])];
  if (part.ir.kind === 'part' && count) return checkFold(env, part, count);
  const { constant: name } = part;
  if (!count && typeof name === 'string') {
    if (names.includes(name)) return;
    const [near] = nearest(name, names);
    env.checker.report(
      unknownName(
        part.span,
        { kind: 'part', name },
        {
          help: near
            ? `write \`"${near}"\``
            : `the parts are ${names.map((each) => `\`${each}\``).join(', ')}`,
        },
      ),
    );
    return;
  }
  // A text that a param sets is looked up when the run starts.
  if (!count && part.type.kind === 'string') return;
  env.checker.report(
    wrongType(part.span, {
      what: '`part`',
      found:
        typeof name === 'string' ? `"${name}"` : part.ir.kind === 'part' ? 'a choice among folds' : 'a text',
      expected: count ? '`only(fold)` or `all_but(fold)`' : names.map((each) => `"${each}"`).join(' or '),
    }),
  );
};

const checkClasses = (env: Env, { span, value: given }: Given, row: RecordType['fields']): void => {
  const name = given.constant;
  if (typeof name !== 'string') {
    env.checker.report(
      wrongType(span, {
        what: '`stratify`',
        found: aType(given.type),
        expected: 'the name of a field, written out',
      }),
    );
    return;
  }
  const field = row.find((each) => each.name === name);
  const isClass = (each: RecordType['fields'][number]): boolean =>
    each.type.kind === 'tensor' && each.type.dtype !== 'f32' && each.type.shape.length === 0;
  if (field?.type.kind === 'unknown' || (field && isClass(field))) return;
  const classes = row.filter(isClass).map((each) => each.name);
  const [near] = nearest(name, classes);
  const help =
    near !== undefined
      ? { help: `write \`"${near}"\`` }
      : {
          help:
            classes.length > 0
              ? `fields of classes are ${classes.map((each) => `\`${each}\``).join(', ')}`
              : 'leave it out',
        };
  env.checker.report(
    field
      ? wrongType(
          span,
          {
            what: '`stratify`',
            found: `\`${name}\`, ${aType(field.type)}`,
            expected: 'a field of classes: i32, u8, bool or a choice of texts',
          },
          help,
        )
      : unknownField(span, { name, owner: 'the rows of the source' }, help),
  );
};

/** Whether this set or one that it amends has parts written down, right or wrong. */
const writesParts = (env: Env, decl: DataDecl): boolean => {
  if (decl.config.entries.some((entry) => entry.kind === 'attribute' && entry.name.text === 'parts'))
    return true;
  const base = lookupData(env.scope, decl.source.text);
  return (
    base?.kind === 'decl' && base.decl.kind === 'data' && base.decl !== decl && writesParts(env, base.decl)
  );
};

const shares = ['parts', 'split_seed', 'stratify'] as const;

/** Everything about the parts of one data set. */
export const checkParts = (env: Env, { decl, inherited, given, row }: SplitOf): void => {
  const own = new Map(
    decl.config.entries.flatMap((entry) =>
      entry.kind === 'attribute' ? [[entry.name.text, entry.name.span] as const] : [],
    ),
  );
  const parts = given.get('parts');
  const isGiven = (each: Given | undefined): each is Given =>
    each !== undefined && each.value.type.kind !== 'none';
  const before = inherited?.get('parts');
  if (isGiven(before)) {
    for (const key of shares) {
      const span = own.get(key);
      if (!span || !given.has(key)) continue;
      env.checker.report(
        splitTwice(
          span,
          { name: key, base: decl.source.text },
          {
            related: [{ span: before.span, label: 'shared out here' }],
            help: `say it there; sets that amend \`${decl.source.text}\` only say which \`part\` they read`,
          },
        ),
      );
      return;
    }
  }
  if (!isGiven(parts)) {
    // After a mistake there nothing follows from it here.
    if (writesParts(env, decl)) return;
    for (const key of ['part', 'stratify', 'split_seed'] as const) {
      const span = own.get(key);
      if (!span || !isGiven(given.get(key))) continue;
      env.checker.report(
        partsNeeded(
          span,
          { name: key, owner: decl.name.text },
          {
            help: 'say how rows are shared out: `parts = { train: 80.percent, validate: 20.percent }` or `parts = folds(5)`',
          },
        ),
      );
      return;
    }
    return;
  }
  if (own.has('parts') && parts.value.fields) checkShares(env, parts.value);
  const part = given.get('part');
  if (isGiven(part) && own.has('part')) checkPart(env, part.value, parts.value);
  const stratify = given.get('stratify');
  if (isGiven(stratify) && own.has('stratify')) checkClasses(env, stratify, row);
};
