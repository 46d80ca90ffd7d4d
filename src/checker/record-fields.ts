/** A record given as an attribute against the fields that the prelude declares for it, each of which may be left out. */
import { unknownAttribute } from '../parser/messages.gen.js';
import type { TypeExpr } from '../parser/ast.js';
import { coerce } from './arguments.js';
import type { Env } from './env.js';
import { keyHelp } from './foreign.js';
import type { Value } from './value.js';

/** Whether each field is declared and fits; reports those that do not. */
export const checkFields = (env: Env, owner: string, written: TypeExpr, found: Value): boolean => {
  const types = written.kind === 'unionType' ? written.members : [written];
  const record = types.find((each) => each.kind === 'recordType');
  if (record?.kind !== 'recordType' || !found.fields) return true;
  const known = record.fields.map(({ name }) => name.text);
  return [...found.fields]
    .map(([name, value]) => {
      const field = record.fields.find((each) => each.name.text === name);
      if (field) return coerce(env, field.type, value, `\`${owner}.${name}\``) !== null;
      // The place is that of the value: a fix there would not write the name.
      const { help } = keyHelp(name, value.span, known, 'it takes');
      env.checker.report(
        unknownAttribute(value.span, { kind: 'field', name, owner }, help === undefined ? {} : { help }),
      );
      return false;
    })
    .every(Boolean);
};
