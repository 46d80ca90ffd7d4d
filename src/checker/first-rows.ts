/** `first(val_set, 16)`: some rows of a data set in what an add-on shows, the same each time. */
import type { Arg } from '../parser/ast.js';
import {
  missingArgument,
  outOfLimits,
  unknownAttribute,
  unknownName,
  wrongKind,
  wrongType,
} from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { checkData, rowsSymbol } from './data.js';
import { asConstant, showSize, substitute } from './dims/size.js';
import { lookupData, type Env } from './env.js';
import { checkExpr, kindOf } from './expressions.js';
import { isBatchOf } from './row-texts.js';
import { aType, withShape } from './types.js';
import { isUnknown, unknownValue, value, type Value } from './value.js';

/** A record of the rows' fields. */
export const checkFirst = (env: Env, args: readonly Arg[], span: Span): Value => {
  const { reads } = env.place;
  if (!reads) {
    env.checker.report(
      wrongKind(
        span,
        { name: 'first', found: 'for what an add-on shows', expected: 'a function' },
        { help: 'a step reads its rows by `step validate(batch in val_set)`' },
      ),
    );
    return unknownValue(span);
  }
  const names = ['data', 'count'];
  const given = new Map<string, Arg>();
  for (const [at, arg] of args.entries()) {
    const name = arg.name?.text ?? names[at] ?? '';
    if (!names.includes(name) || given.has(name)) {
      env.checker.report(
        unknownAttribute(
          arg.span,
          { kind: 'argument', name, owner: 'first' },
          { help: 'write `first(val_set, 16)`' },
        ),
      );
      return unknownValue(span);
    }
    given.set(name, arg);
  }
  const [set, number] = [given.get('data'), given.get('count')];
  if (!set || !number) {
    const name = set ? 'count' : 'data';
    env.checker.report(
      missingArgument(
        span,
        { owner: 'first', kind: 'argument', name },
        { help: 'write `first(val_set, 16)`' },
      ),
    );
    return unknownValue(span);
  }
  const binding = set.value.kind === 'ref' ? lookupData(env.scope, set.value.name) : null;
  if (binding?.kind !== 'decl' || binding.decl.kind !== 'data') {
    const written = set.value.kind === 'ref' ? set.value.name : '…';
    const sets = env.file.decls.flatMap((decl) => (decl.kind === 'data' ? [decl.name.text] : []));
    const [near] = nearest(written, sets);
    const help = {
      help: near ? `write \`${near}\`` : `data sets are ${sets.map((each) => `\`${each}\``).join(', ')}`,
    };
    env.checker.report(
      binding
        ? wrongKind(set.span, { name: written, found: kindOf(binding), expected: 'a data set' }, help)
        : set.value.kind === 'ref'
          ? unknownName(set.span, { kind: 'data set', name: written }, help)
          : wrongType(
              set.span,
              { what: '`data` of `first`', found: 'an expression', expected: 'a data set' },
              help,
            ),
    );
    return unknownValue(span);
  }
  env.checker.used.add(binding);
  const info = checkData(env, binding.decl, binding.file);
  const count = checkExpr(env, number.value);
  if (!info || info.fields.length === 0 || isUnknown(count)) return unknownValue(span);
  const size = count.type.kind === 'int' ? count.size : null;
  if (!size) {
    env.checker.report(
      wrongType(number.span, { what: '`count` of `first`', found: aType(count.type), expected: 'an int' }),
    );
    return unknownValue(span);
  }
  if ((asConstant(size) ?? 1) < 1) {
    env.checker.report(
      outOfLimits(number.span, { what: '`count` of `first`', value: showSize(size), text: 'count >= 1' }),
    );
    return unknownValue(span);
  }
  const data = binding.decl.name.text;
  if (!isBatchOf(env, data, info.fields, set.span)) return unknownValue(span);
  const same = reads.find((each) => each.data === data && showSize(each.size) === showSize(size));
  const name = same?.name ?? env.place.unique(data);
  if (!same) reads.push({ span, name, data, count: count.ir, size });
  const fields = info.fields.map((field) => ({
    name: field.name,
    type: withShape(field.type, (shape) =>
      shape.map((each) => substitute(each, new Map([[rowsSymbol, size]]), env.facts)),
    ),
  }));
  return value(span, { kind: 'record', fields }, { kind: 'ref', ref: { kind: 'first', name } });
};
