/** Operators: on host values exact where they can be, on tensors element by element. */
import type { BinaryExpr, BinaryOp } from '../parser/ast.js';
import { operatorTypes, wrongDtype, wrongRank, wrongSize, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { showSize, sub, type Size } from './dims/size.js';
import { constant as sizeConstant, mul } from './dims/size.js';
import type { Env } from './env.js';
import type { DType } from './ir.js';
import { totalOfArithmetic } from './totals.js';
import { aType, boolType, isNumber, isOne, showShape, tensorType, type TensorType } from './types.js';
import { constantOf, isUnknown, unknownValue, value, type Value } from './value.js';
import { judgeSizes } from './judging.js';
import { hostBinary } from './host-operators.js';
import { hasMasks, isMissing, joined, present, reportMissing } from './missing.js';
import { textHelp } from './row-texts.js';

export const arithmetic = new Set<BinaryOp>(['+', '-', '*', '/', '%', '**']);

export const equality = new Set<BinaryOp>(['==', '!=']);

export const order = new Set<BinaryOp>(['<', '<=', '>', '>=']);

export const logic = new Set<BinaryOp>(['and', 'or']);

const opNames: Readonly<Record<BinaryOp, string>> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '%': 'mod',
  '**': 'pow',
  '@': 'matmul',
  '==': 'equal',
  '!=': 'not_equal',
  '<': 'less',
  '<=': 'less_equal',
  '>': 'greater',
  '>=': 'greater_equal',
  and: 'and',
  or: 'or',
};

/** In a step a schedule is a scalar tensor; elsewhere it is a number of the host. */
const asTensor = (env: Env, each: Value): TensorType | null =>
  each.type.kind === 'tensor'
    ? each.type
    : each.type.kind === 'schedule' && env.place.kind === 'step'
      ? tensorType('f32', [])
      : null;

export const mismatch = (
  env: Env,
  span: Span,
  op: string,
  left: Value,
  right: Value,
  help?: string,
): Value => {
  env.checker.report(
    operatorTypes(span, { op, left: aType(left.type), right: aType(right.type) }, help ? { help } : {}),
  );
  return unknownValue(span);
};

/** A list of numbers beside a tensor of f32, as the tensor of one axis that it stands for there: `x - [0.4, 0.5, 0.6]`. */
const vectorOf = (each: Value, beside: TensorType): Value | null => {
  const { items, span } = each;
  if (!items || items.length === 0 || beside.dtype !== 'f32' || !items.every(({ type }) => isNumber(type)))
    return null;
  return value(span, tensorType('f32', [sizeConstant(items.length)]), {
    kind: 'op',
    home: 'ops',
    name: 'vector',
    args: [each.ir],
    options: [],
    draw: null,
    free: false,
  });
};

export const binary = (env: Env, expr: Pick<BinaryExpr, 'op' | 'span'>, left: Value, right: Value): Value => {
  const { op, span } = expr;
  if (isUnknown(left) || isUnknown(right)) return unknownValue(span);
  if (isMissing(left) || isMissing(right)) {
    if (!hasMasks(env, [left, right])) return unknownValue(span);
    if (op === '@') return reportMissing(env, span, 'one side', '`@`');
    return joined(env, binary(env, expr, present(left), present(right)), [left, right]);
  }
  const text = [left, right].find(({ type }) => type.kind === 'text');
  if (text?.type.kind === 'text') return mismatch(env, span, op, left, right, textHelp(text.type));
  const first = asTensor(env, left);
  const second = asTensor(env, right);
  if (arithmetic.has(op) && first && !second) right = vectorOf(right, first) ?? right;
  if (arithmetic.has(op) && second && !first) left = vectorOf(left, second) ?? left;
  const a = first ?? asTensor(env, left);
  const b = second ?? asTensor(env, right);
  if (op === '@') {
    if (a && b) return matmul(env, span, left, right, a, b);
    return mismatch(env, span, op, left, right);
  }
  if (a || b) return tensorBinary(env, expr, left, right, a, b);
  return hostBinary(env, span, op, left, right);
};

/** Whether a number of the host fits where elements are `dtype`. */
export const fitsNumber = (each: Value, dtype: DType): boolean =>
  dtype === 'f32' ? isNumber(each.type) : dtype === 'i32' ? each.type.kind === 'int' : false;

export const castHelp = (dtype: DType): string =>
  dtype === 'u8'
    ? 'write `cast(x, f32) / 255` for pixels, or another cast'
    : 'write `cast(x, f32)`, if that is meant';

/** The shape of two tensors element by element, or null after an error. */
export const broadcast = (
  env: Env,
  span: Span,
  op: string,
  left: TensorType,
  right: TensorType,
): readonly Size[] | null => {
  const rank = Math.max(left.shape.length, right.shape.length);
  const shape: Size[] = [];
  const [wide, narrow] = left.shape.length >= right.shape.length ? [left, right] : [right, left];
  const offset = rank - narrow.shape.length;
  for (let axis = 0; axis < rank; axis += 1) {
    const a = wide.shape[axis];
    const b = narrow.shape[axis - offset];
    if (!a) continue;
    if (axis < offset || !b) {
      shape.push(a);
      continue;
    }
    if (isOne(b)) {
      shape.push(a);
      continue;
    }
    if (isOne(a)) {
      // (n) with (n, 1) would silently become n × n.
      if (offset > 0) {
        env.checker.report(
          wrongRank(
            span,
            {
              what: `one side of \`${op}\``,
              found: `${narrow.shape.length} (${showShape(narrow.shape)})`,
              expected: `${rank}, as ${showShape(wide.shape)} has,`,
            },
            { help: 'write `expand_dims` or `squeeze`, so that both sides have the same axes' },
          ),
        );
        return null;
      }
      shape.push(b);
      continue;
    }
    const judged = judgeSizes(env, a, b);
    if (judged.verdict === 'never' || judged.verdict === 'refuted') {
      env.checker.report(
        wrongSize(
          span,
          { what: `axis ${axis} of one side of \`${op}\``, found: showSize(b), expected: showSize(a) },
          { notes: [`the sides are ${showShape(left.shape)} and ${showShape(right.shape)}`] },
        ),
      );
      return null;
    }
    shape.push(a);
  }
  return shape;
};

const tensorBinary = (
  env: Env,
  expr: Pick<BinaryExpr, 'op' | 'span'>,
  left: Value,
  right: Value,
  a: TensorType | null,
  b: TensorType | null,
): Value => {
  const { op, span } = expr;
  const known = a ?? b;
  if (!known) return unknownValue(span);
  const dtype = known.dtype;
  const wanted: readonly DType[] = logic.has(op)
    ? ['bool']
    : equality.has(op)
      ? ['f32', 'i32', 'u8', 'bool']
      : ['f32', 'i32'];
  // Quotients and powers of whole numbers are computed in f32, as those of sizes are fractions.
  const asFloat = (op === '/' || op === '**') && dtype === 'i32';
  // With a number beside it, the tensor is what cannot be calculated with.
  const alone = !a || !b;
  for (const [side, type] of [
    [left, a],
    [right, b],
  ] as const) {
    const fits = type
      ? type.dtype === dtype
      : logic.has(op)
        ? false
        : fitsNumber(side, asFloat ? 'f32' : dtype);
    const other = type ? type.dtype : aType(side.type);
    if (!fits && !(type && logic.has(op)) && !(alone && isNumber(side.type) && !wanted.includes(dtype))) {
      if (!type && !isNumber(side.type)) return mismatch(env, span, op, left, right);
      env.checker.report(
        wrongDtype(
          side.span,
          { what: `one side of \`${op}\``, found: `${other}`, expected: dtype },
          {
            help:
              equality.has(op) && a && b && a.shape.length !== b.shape.length
                ? 'write `argmax(x)` to compare the likeliest class with a label'
                : castHelp(dtype === 'f32' && type ? type.dtype : dtype),
          },
        ),
      );
      return unknownValue(span);
    }
  }
  if (!wanted.includes(dtype)) {
    const side = a && !wanted.includes(a.dtype) ? left : right;
    env.checker.report(
      wrongDtype(
        side.span,
        {
          what: `one side of \`${op}\``,
          found: dtype,
          expected: op === '/' || op === '**' ? 'f32' : wanted.join(' or '),
        },
        { help: logic.has(op) ? 'compare it first: `x > 0.5`' : castHelp(dtype) },
      ),
    );
    return unknownValue(span);
  }
  const shape = a && b ? broadcast(env, span, op, a, b) : known.shape;
  if (!shape) return unknownValue(span);
  const ranks = a && b && a.shape.length !== b.shape.length && a.shape.length > 0 && b.shape.length > 0;
  const result = asFloat ? 'f32' : arithmetic.has(op) ? dtype : 'bool';
  const below = a && !b && op === '%' && right.size ? right.size : null;
  const made = value(span, tensorType(result, shape, below), {
    kind: 'op',
    home: 'ops',
    name: opNames[op],
    args: [left.ir, right.ir],
    options: [],
    draw: null,
    free: ranks ?? false,
  });
  if (!arithmetic.has(op) || shape.length > 0) return made;
  return { ...made, total: totalOfArithmetic(op, [left, right], span, made.ir) };
};

export const matmul = (
  env: Env,
  span: Span,
  left: Value,
  right: Value,
  a: TensorType,
  b: TensorType,
): Value => {
  for (const [side, type] of [
    [left, a],
    [right, b],
  ] as const) {
    if (type.dtype !== 'f32') {
      env.checker.report(
        wrongDtype(
          side.span,
          { what: 'one side of `@`', found: type.dtype, expected: 'f32' },
          { help: castHelp(type.dtype) },
        ),
      );
      return unknownValue(span);
    }
    if (type.shape.length < 2) {
      env.checker.report(
        wrongRank(side.span, {
          what: 'one side of `@`',
          found: `${type.shape.length} (${showShape(type.shape)})`,
          expected: '2 or more',
        }),
      );
      return unknownValue(span);
    }
  }
  const k = a.shape.at(-1);
  const k2 = b.shape.at(-2);
  const p = b.shape.at(-1);
  const m = a.shape.at(-2);
  if (!k || !k2 || !p || !m) return unknownValue(span);
  const inner = judgeSizes(env, k2, k);
  if (inner.verdict === 'never' || inner.verdict === 'refuted') {
    env.checker.report(
      wrongSize(
        right.span,
        { what: 'axis -2 of the right side of `@`', found: showSize(k2), expected: showSize(k) },
        { notes: [`the sides are ${showShape(a.shape)} and ${showShape(b.shape)}`] },
      ),
    );
    return unknownValue(span);
  }
  const front = a.shape.slice(0, -2);
  if (b.shape.length > 2) {
    if (a.shape.length !== b.shape.length) {
      env.checker.report(
        wrongRank(right.span, {
          what: 'the right side of `@`',
          found: `${b.shape.length}`,
          expected: `2, or ${a.shape.length} as on the left,`,
        }),
      );
      return unknownValue(span);
    }
    for (const [axis, expected] of front.entries()) {
      const found = b.shape[axis];
      const judged = found ? judgeSizes(env, found, expected).verdict : 'never';
      if (!found || judged === 'never' || judged === 'refuted') {
        env.checker.report(
          wrongSize(
            right.span,
            {
              what: `axis ${axis} of the right side of \`@\``,
              found: found ? showSize(found) : 'nothing',
              expected: showSize(expected),
            },
            { notes: [`the sides are ${showShape(a.shape)} and ${showShape(b.shape)}`] },
          ),
        );
        return unknownValue(span);
      }
    }
  }
  return value(span, tensorType('f32', [...front, m, p]), {
    kind: 'op',
    home: 'ops',
    name: 'matmul',
    args: [left.ir, right.ir],
    options: [],
    draw: null,
    free: a.shape.length !== b.shape.length,
  });
};

export const negate = (env: Env, span: Span, each: Value): Value => {
  if (isUnknown(each)) return unknownValue(span);
  if (isMissing(each))
    return hasMasks(env, [each]) ? joined(env, negate(env, span, present(each)), [each]) : unknownValue(span);
  const tensor = asTensor(env, each);
  if (tensor) {
    if (tensor.dtype !== 'f32' && tensor.dtype !== 'i32') {
      env.checker.report(
        wrongDtype(
          each.span,
          { what: 'the value after `-`', found: tensor.dtype, expected: 'f32 or i32' },
          { help: castHelp(tensor.dtype) },
        ),
      );
      return unknownValue(span);
    }
    const made = value(span, tensor, {
      kind: 'op',
      home: 'ops',
      name: 'neg',
      args: [each.ir],
      options: [],
      draw: null,
      free: false,
    });
    return { ...made, total: totalOfArithmetic('neg', [each], span, made.ir) };
  }
  if (!isNumber(each.type) && each.type.kind !== 'schedule') {
    const what = 'the value after `-`';
    env.checker.report(wrongType(each.span, { what, found: aType(each.type), expected: 'a number' }));
    return unknownValue(span);
  }
  const constant = constantOf(each);
  return value(
    span,
    each.type,
    typeof constant === 'number' && each.ir.kind === 'literal'
      ? { kind: 'literal', value: -constant }
      : { kind: 'hostCall', fn: 'neg', args: [each.ir] },
    {
      constant: typeof constant === 'number' ? -constant : undefined,
      size: each.size ? sub(sizeConstant(0), each.size) : null,
      ratio: each.ratio
        ? { numerator: sub(sizeConstant(0), each.ratio.numerator), denominator: each.ratio.denominator }
        : null,
    },
  );
};

export const not = (env: Env, span: Span, each: Value): Value => {
  if (isUnknown(each)) return unknownValue(span);
  if (isMissing(each))
    return hasMasks(env, [each]) ? joined(env, not(env, span, present(each)), [each]) : unknownValue(span);
  if (each.type.kind === 'tensor' && each.type.dtype === 'bool') {
    return value(span, each.type, {
      kind: 'op',
      home: 'ops',
      name: 'not',
      args: [each.ir],
      options: [],
      draw: null,
      free: false,
    });
  }
  if (each.type.kind !== 'bool') {
    const what = 'the value after `not`';
    env.checker.report(wrongType(each.span, { what, found: aType(each.type), expected: 'a boolean' }));
    return unknownValue(span);
  }
  const constant = constantOf(each);
  return value(
    span,
    boolType,
    { kind: 'hostCall', fn: 'not', args: [each.ir] },
    { constant: typeof constant === 'boolean' ? !constant : undefined },
  );
};

/** The product of sizes. */
export const product = (sizes: readonly Size[]): Size => sizes.reduce(mul, sizeConstant(1));
