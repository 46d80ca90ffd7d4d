/** Fields of a row as a data set declares them, against what its source can hold. */
import type { RecordType as WrittenRecord, TypeExpr } from '../parser/ast.js';
import { unknownName, wrongType } from '../parser/messages.gen.js';
import { constant, showSize, symbol, type Size } from './dims/size.js';
import { lookup, type Env } from './env.js';
import { isRagged, ragged, recordType as codeType } from './host-map.js';
import type { IrField, IrType } from './ir.js';
import { bareName, noBindings, resolveType } from './patterns.js';
import { aType, showType, tensorType, unknownType, type RecordType, type Type } from './types.js';

const fieldHelp = (type: Type): { readonly help?: string } => {
  const dtype = type.kind === 'float' ? 'f32' : type.kind === 'int' ? 'i32' : null;
  return dtype === null ? {} : { help: `write \`${dtype}\`` };
};

/** What a written type says of a row's field: one type, or choices of texts, and whether the field may be missing. */
const partsOf = (
  written: TypeExpr,
): {
  readonly of: readonly TypeExpr[];
  readonly choices: readonly string[] | null;
  readonly gap: boolean;
} => {
  const members = written.kind === 'unionType' ? written.members : [written];
  const isGap = (each: TypeExpr): boolean =>
    each.kind === 'namedType' && each.name.text === 'missing' && !each.shape;
  const of = members.filter((each) => !isGap(each));
  const texts = of.flatMap((each) => (each.kind === 'literalType' ? [each.value] : []));
  const isChoice = written.kind === 'unionType' && texts.length === of.length && texts.length > 0;
  return { of, choices: isChoice ? texts : null, gap: members.some(isGap) };
};

/** Sources in which a value can be missing: texts have a way to say so, arrays have none. */
const withGaps: readonly string[] = ['csv', 'jsonl'];

/** Sources whose rows may each have sizes of their own, under names that are free in the record. */
const withOwnSizes: readonly string[] = ['image_folder', 'jsonl'];

/** Sources that hold texts. */
const withTexts: readonly string[] = ['csv', 'jsonl'];

/** `string`, `path[2]`: a field of texts. */
const textKind = (type: TypeExpr): 'string' | 'path' | null =>
  type.kind === 'namedType' && (type.name.text === 'string' || type.name.text === 'path')
    ? type.name.text
    : null;

/** The fields of one row, as declared. */
export const rowFields = (
  env: Env,
  written: WrittenRecord,
  sizes: ReadonlyMap<string, Size>,
  { name: source, isExtern }: { readonly name: string; readonly isExtern: boolean },
): RecordType['fields'] => {
  const bindings = noBindings();
  for (const [name, size] of sizes) bindings.sizes.set(name, size);
  const isFree = isExtern || withOwnSizes.includes(source);
  const free = isFree ? (each: string): Size => symbol(ragged(each)) : null;
  /** A type whose sizes that differ are names alone, and whose texts the source can hold. */
  const held = (name: string, own: TypeExpr, type: Type): Type => {
    const shape = type.kind === 'tensor' || type.kind === 'text' ? type.shape : [];
    const wrong = (expected: string, help: string): Type => {
      env.checker.report(
        wrongType(own.span, { what: `field \`${name}\``, found: aType(type), expected }, { help }),
      );
      return unknownType;
    };
    if (type.kind === 'text' && !isExtern && !withTexts.includes(source))
      return wrong(`numbers in \`${source}\``, `only ${withTexts.join(', ')} and extern sources hold texts`);
    if (shape.some((size) => isRagged(size) && !/^\w+\?$/.test(showSize(size))))
      return wrong('sizes that are known, or names alone', 'give a size that differs a name of its own');
    return type;
  };
  /** Reports a size of a source whose rows have one size each that no name stands for: a list of any length, it seems. */
  const hasOpenSize = (own: TypeExpr): boolean => {
    if (isFree || own.kind !== 'namedType') return false;
    for (const dim of own.shape?.dims ?? []) {
      const size = dim.kind === 'size' ? bareName(dim) : null;
      if (size === null || bindings.sizes.has(size) || lookup(env.scope, size)) continue;
      env.checker.report(
        unknownName(
          dim.span,
          { kind: 'size', name: size },
          {
            notes: [`a field of \`${source}\` has the same sizes in every row: numbers, consts or params`],
            help: 'lists of any length are read from `jsonl`, or by an extern source',
          },
        ),
      );
      return true;
    }
    return false;
  };
  const typeOf = (name: string, whole: TypeExpr): Type => {
    const { of, choices } = partsOf(whole);
    if (choices) return tensorType('i32', [], constant(choices.length));
    const [own = whole, ...more] = of;
    if (hasOpenSize(own)) return unknownType;
    const text = more.length === 0 ? textKind(own) : null;
    if (text !== null && own.kind === 'namedType') {
      // Its sizes are read as those of a tensor are.
      const like = resolveType(env, { ...own, name: { ...own.name, text: 'i32' } }, bindings, free);
      return like.kind === 'tensor' ? held(name, own, { kind: 'text', of: text, shape: like.shape }) : like;
    }
    const type = more.length > 0 ? null : resolveType(env, own, bindings, free);
    // What is unknown was reported where it is written; what reads the field needs no error of its own.
    if (type?.kind === 'unknown') return type;
    if (type?.kind === 'tensor') return held(name, own, type);
    if (type?.kind === 'bool') return tensorType('bool', []);
    env.checker.report(
      wrongType(
        whole.span,
        {
          what: `field \`${name}\``,
          found: type ? aType(type) : 'of several types',
          expected: 'f32, i32, u8, bool, string or path, with a shape or without',
        },
        type ? fieldHelp(type) : {},
      ),
    );
    return unknownType;
  };
  return written.fields.map((field) => {
    const name = field.name.text;
    const { gap } = partsOf(field.type);
    const type = typeOf(name, field.type);
    if (!gap || (type.kind !== 'tensor' && type.kind !== 'text')) return { name, type };
    if (type.kind === 'text' || type.shape.some(isRagged)) {
      env.checker.report(
        wrongType(
          field.type.span,
          {
            what: `field \`${name}\``,
            found: `${showType(type)} | missing`,
            expected: type.kind === 'text' ? 'a text in every row' : 'a list in every row',
          },
          { help: 'leave `missing` out: an empty one may stand for it' },
        ),
      );
      return { name, type };
    }
    if (isExtern || withGaps.includes(source)) return { name, type: { kind: 'missing', of: type } };
    env.checker.report(
      wrongType(
        field.type.span,
        {
          what: `field \`${name}\``,
          found: `${showType(type)} | missing`,
          expected: `a type without \`missing\` in \`${source}\``,
        },
        {
          help: `only ${withGaps.join(', ')} and extern sources know gaps: leave \`missing\` out, or add a bool field that says where they are`,
        },
      ),
    );
    return { name, type };
  });
};

/** Names of sizes that differ. Of pictures they say nothing: each has its own. */
const namesOf = (type: Type, source: string): Pick<IrField, 'names'> => {
  const shape = type.kind === 'tensor' || type.kind === 'text' ? type.shape : [];
  const names = shape.filter(isRagged).map((size) => showSize(size).replace(/\?$/, ''));
  return names.length === 0 || source === 'image_folder' ? {} : { names };
};

export const fieldTypes = (
  written: WrittenRecord,
  fields: RecordType['fields'],
  source: string,
): readonly IrField[] =>
  fields.map(({ name, type }) => {
    const own = written.fields.find((each) => each.name.text === name);
    const choices = own ? partsOf(own.type).choices : null;
    const of: IrType =
      choices !== null
        ? { kind: 'choice', values: choices }
        : codeType(type.kind === 'missing' ? type.of : type);
    return {
      name,
      type: type.kind === 'missing' ? { kind: 'missing', of } : of,
      ...namesOf(type, source),
    };
  });
