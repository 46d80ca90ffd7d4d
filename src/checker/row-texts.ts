/** What rows have that no step computes with: texts, and sizes of their own. */
import { wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { showSize } from './dims/size.js';
import type { Env } from './env.js';
import { hostHome, isRagged } from './host-map.js';
import { aType, tensorType, type RecordType, type TextType, type Type } from './types.js';
import { value, type Value } from './value.js';

/** What makes a tensor of a text. */
export const textHelp = ({ of, shape }: TextType): string =>
  of === 'path' && shape.length === 0
    ? 'make a tensor of it in `map`: `decode_image(row.…, channels = 3)`'
    : 'make a tensor of it in `map`: `lookup(row.…, "words.txt")`; a step can only return it, as a row of output';

/** Names of sizes that differ from row to row, as the row's own numbers: `len` of `words: string[len]`. */
export const ownSizes = (row: Value): ReadonlyMap<string, Value> => {
  const made = new Map<string, Value>();
  if (row.type.kind !== 'record') return made;
  for (const { name, type } of row.type.fields) {
    const shape = type.kind === 'tensor' || type.kind === 'text' ? type.shape : [];
    shape.forEach((size, axis) => {
      const own = /^([A-Za-z_]\w*)\?$/.exec(showSize(size))?.[1];
      if (own === undefined || made.has(own)) return;
      const { span } = row;
      const field = value(span, type, { kind: 'field', of: row.ir, name }).ir;
      const at = { kind: 'literal' as const, value: axis, span, type: { kind: 'int' as const } };
      made.set(
        own,
        value(span, tensorType('i32', []), {
          kind: 'op',
          home: hostHome,
          name: 'size_of',
          args: [field],
          options: [{ name: 'axis', value: at }],
          draw: null,
          free: false,
        }),
      );
    });
  }
  return made;
};

/** Whether rows of this type, of a batch, have no one size: no batch can be made of them. */
const isUneven = (type: Type): boolean =>
  (type.kind === 'tensor' && type.shape.some(isRagged)) || (type.kind === 'text' && type.shape.length > 1);

const evenHelp = (name: string, type: Type): string => {
  const fix =
    type.kind === 'text'
      ? `pad(lookup(row.${name}, "words.txt"), to = 64)`
      : type.kind === 'tensor' && type.shape.length === 4
        ? `resize(row.${name}, [224, 224])`
        : `pad(row.${name}, to = 64)`;
  return `write \`map row -> { ${name}: ${fix}, … }\``;
};

/** Whether a step can read batches of these fields; reports the first that it cannot. */
export const isBatchOf = (env: Env, data: string, fields: RecordType['fields'], span: Span): boolean => {
  const uneven = fields.find((field) => isUneven(field.type));
  if (uneven) {
    const { name, type } = uneven;
    const found =
      type.kind === 'text'
        ? `${aType(type)}, a list of texts`
        : `${aType(type)}, whose sizes differ from row to row`;
    env.checker.report(
      wrongType(
        span,
        {
          what: `\`${name}\` of \`${data}\``,
          found,
          expected: 'one size for all rows of a batch',
        },
        { help: evenHelp(name, type) },
      ),
    );
    return false;
  }
  if (fields.some(({ type }) => type.kind !== 'text')) return true;
  env.checker.report(
    wrongType(
      span,
      { what: `a batch of \`${data}\``, found: 'of texts alone', expected: 'a tensor in it' },
      { help: 'make a tensor of one of them in `map`, or read another column' },
    ),
  );
  return false;
};
