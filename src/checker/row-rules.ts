/** Shape rules of functions of a batch's rows. */
import { wrongKind, wrongRank, wrongType } from '../parser/messages.gen.js';
import { showSize, symbol, type Size } from './dims/size.js';
import type { Env } from './env.js';
import { tensorArg, type Rule, type RuleCall } from './rules.js';
import { hasRows } from './totals.js';
import { aType, tensorType, type RecordType, type TensorType } from './types.js';
import type { Value } from './value.js';

/** A tensor with rows, or a record of such; null after an error. */
const rowsArg = (call: RuleCall): TensorType | RecordType | null => {
  const { env, name, span } = call;
  const found = call.args.get('x');
  if (!found || found.type.kind === 'unknown') return null;
  if (env.place.kind === 'host') {
    env.checker.report(
      wrongKind(span, { name, found: 'a function of a batch', expected: 'a value known before the run' }),
    );
    return null;
  }
  const { type } = found;
  const isRows = (each: TensorType): boolean => each.shape.length > 0;
  if (type.kind === 'tensor' && isRows(type)) return type;
  if (
    type.kind === 'record' &&
    type.fields.every(
      ({ type: own }) => (own.kind === 'tensor' && isRows(own)) || (own.kind === 'missing' && isRows(own.of)),
    )
  )
    return type;
  env.checker.report(
    wrongType(found.span, {
      what: `\`x\` of \`${name}\``,
      found: aType(type),
      expected: 'a tensor with rows, or a record of such',
    }),
  );
  return null;
};

const mapRows = (
  type: TensorType | RecordType,
  make: (each: TensorType) => TensorType,
): TensorType | RecordType =>
  type.kind === 'tensor'
    ? make(type)
    : {
        ...type,
        fields: type.fields.map((field) =>
          field.type.kind === 'tensor'
            ? { ...field, type: make(field.type) }
            : field.type.kind === 'missing'
              ? { ...field, type: { kind: 'missing' as const, of: make(field.type.of) } }
              : field,
        ),
      };

const firstOf = (type: TensorType | RecordType): TensorType | null => {
  if (type.kind === 'tensor') return type;
  const own = type.fields[0]?.type;
  return own?.kind === 'tensor' ? own : own?.kind === 'missing' ? own.of : null;
};

/** Whether the first axis of a tensor is rows of a batch. */
const isOfBatch = (env: Env, { shape }: TensorType): boolean => {
  const [rows] = shape;
  return rows !== undefined && hasRows(env, tensorType('f32', [rows]));
};

/** A size of its own for some rows of a batch, which are rows of the data as well: what is summed over them is a total. */
const partSize = (env: Env, count: Value): Size => {
  const name = `${env.place.unique('part')}.rows`;
  env.place.batchSizes.add(name);
  env.place.symbols.set(name, count.ir);
  return symbol(name);
};

export const shuffleRows: Rule = (call) => rowsArg(call);

export const rowsOf: Rule = (call) => {
  const type = rowsArg(call);
  const count = call.args.get('count');
  const first = type ? firstOf(type) : null;
  if (!type || !first || !count?.size) return null;
  const size = isOfBatch(call.env, first) ? partSize(call.env, count) : count.size;
  return mapRows(type, (each) => tensorType(each.dtype, [size, ...each.shape.slice(1)], each.below));
};

const oneWithRows = (call: RuleCall): TensorType | null => {
  const x = tensorArg(call, 'x');
  if (!x) return null;
  if (x.shape.length > 0) return x;
  call.env.checker.report(
    wrongRank(call.args.get('x')?.span ?? call.span, {
      what: `the input of \`${call.name}\``,
      found: '0',
      expected: '1 or more',
    }),
  );
  return null;
};

/** What a row is compared with are the rows of its batch: that of a window of several is another. */
export const gather: Rule = (call) => {
  const x = oneWithRows(call);
  if (x && isOfBatch(call.env, x)) call.env.place.notes.meetsRows ??= call.span;
  return x;
};

export const ownRows: Rule = (call) => {
  const x = oneWithRows(call);
  const [rows] = x?.shape ?? [];
  return rows ? tensorType('i32', [rows], rows) : null;
};

export const outer: Rule = (call) => {
  const sides = ['a', 'b'].map((name) => tensorArg(call, name));
  const sizes = sides.flatMap((side, index) => {
    if (!side) return [];
    const [size] = side.shape;
    const isNumeric = side.dtype === 'f32' || side.dtype === 'i32';
    if (size && side.shape.length === 1 && isNumeric) return [size];
    const name = index === 0 ? 'a' : 'b';
    call.env.checker.report(
      isNumeric
        ? wrongRank(call.args.get(name)?.span ?? call.span, {
            what: `\`${name}\` of \`outer\``,
            found: `${side.shape.length} ([${side.shape.map(showSize).join(', ')}])`,
            expected: '1',
          })
        : wrongType(call.args.get(name)?.span ?? call.span, {
            what: `\`${name}\` of \`outer\``,
            found: aType(side),
            expected: 'a vector of f32 or i32',
          }),
    );
    return [];
  });
  return sizes.length === 2 ? tensorType('f32', sizes) : null;
};
