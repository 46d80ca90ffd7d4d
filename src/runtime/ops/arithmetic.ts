/** Element by element: arithmetic, comparisons, logic, choice. Shapes broadcast as in NumPy. */
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { offTape } from '../engine/tape.js';
import {
  broadcastShape,
  broadcastTo,
  constant,
  requireFloat,
  run,
  tensorText,
  toFloat,
  type Operand,
} from './kernel.js';

/** An op of two operands. Where the result's rank follows from neither alone, the caller states it. */
export interface Binary {
  <T extends Tensor>(a: T, b: T | number | Scalar): T;
  <T extends Tensor>(a: number | Scalar, b: T): T;
  <R extends Tensor>(a: Operand, b: Operand): R;
}

type Numeric = 'float32' | 'int32';

/** The element type in which two operands meet: i32 where both are whole, else f32. */
function meeting(a: Operand, b: Operand): Numeric {
  const whole = (x: Operand): boolean => (typeof x === 'number' ? Number.isInteger(x) : x.dtype === 'int32');
  const tensors = typeof a !== 'number' || typeof b !== 'number';
  return tensors && whole(a) && whole(b) ? 'int32' : 'float32';
}

function operand(x: Operand, dtype: Numeric): Tensor {
  if (typeof x === 'number') {
    return constant(x, dtype);
  }
  return x.dtype === dtype ? x : run('Cast', { x }, { dtype });
}

function binary(op: string, kernel: string, type: Numeric | null = null): Binary {
  return <R extends Tensor>(left: Operand, right: Operand): R => {
    const dtype = type ?? meeting(left, right);
    const a = operand(left, dtype);
    const b = operand(right, dtype);
    broadcastShape(op, a.shape, b.shape);
    return run<R>(kernel, { a, b });
  };
}

/** a + b. */
export const add: Binary = binary('add', 'Add');
/** a - b. */
export const sub: Binary = binary('sub', 'Sub');
/** a · b. */
export const mul: Binary = binary('mul', 'Multiply');
/** a / b in f32, also of whole numbers. */
export const div: Binary = binary('div', 'RealDiv', 'float32');
/** The remainder with the sign of b. */
export const mod: Binary = binary('mod', 'Mod');
/** The smaller of two values. */
export const min: Binary = binary('min', 'Minimum');
/** The larger of two values. */
export const max: Binary = binary('max', 'Maximum');
export const equal: Binary = binary('equal', 'Equal');
export const notEqual: Binary = binary('notEqual', 'NotEqual');
export const less: Binary = binary('less', 'Less');
export const lessEqual: Binary = binary('lessEqual', 'LessEqual');
export const greater: Binary = binary('greater', 'Greater');
export const greaterEqual: Binary = binary('greaterEqual', 'GreaterEqual');

const anyPower = binary('pow', 'Pow', 'float32');

function power<R extends Tensor>(a: Operand, b: Operand): R {
  if (b === 2 && typeof a !== 'number') {
    return run<R>('Square', { x: toFloat(a) });
  }
  return anyPower<R>(a, b);
}

/** a to the power of b, in f32. */
export const pow: Binary = power;

function logical(op: string, kernel: string): Binary {
  return <R extends Tensor>(a: Operand, b: Operand): R => {
    const left = truth(op, a);
    const right = truth(op, b);
    broadcastShape(op, left.shape, right.shape);
    return run<R>(kernel, { a: left, b: right });
  };
}

function isTruth(x: Operand): boolean {
  return typeof x !== 'number' && x.dtype === 'bool';
}

function truth(op: string, x: Operand): Tensor {
  if (typeof x === 'number') {
    throw new Error(`${op} needs bool values, but the number ${x} arrived; compare it first`);
  }
  if (x.dtype !== 'bool') {
    throw new Error(`${op} needs bool values, but ${tensorText(x)} arrived; compare it first`);
  }
  return x;
}

export const and: Binary = logical('and', 'LogicalAnd');
export const or: Binary = logical('or', 'LogicalOr');

export function not<T extends Tensor>(x: T): T {
  truth('not', x);
  return run<T>('LogicalNot', { x });
}

/** False everywhere, in x's shape: the mask of values of which none is missing. */
export function noneMissing<T extends Tensor>(x: T): T {
  return offTape(() => {
    const zero = run('ZerosLike', { x: toFloat(x) });
    return run<T>('NotEqual', { a: zero, b: zero });
  });
}

/** -x. */
export function neg<T extends Tensor>(x: T): T {
  return run<T>('Neg', { x: x.dtype === 'bool' ? toFloat(x) : x });
}

/** `thenValue` where `test` holds, else `elseValue`. A gradient passes only to the value that was taken. */
export function select<T extends Tensor>(test: Tensor, thenValue: T, elseValue: T | number | Scalar): T;
export function select<T extends Tensor>(test: Tensor, thenValue: number | Scalar, elseValue: T): T;
export function select<R extends Tensor>(test: Tensor, thenValue: Operand, elseValue: Operand): R;
export function select<R extends Tensor>(test: Tensor, thenValue: Operand, elseValue: Operand): R {
  truth('select', test);
  if (isTruth(thenValue) && isTruth(elseValue)) {
    return or<R>(and(test, thenValue), and(not(test), elseValue));
  }
  const dtype = meeting(thenValue, elseValue);
  const t = operand(thenValue, dtype);
  const e = operand(elseValue, dtype);
  const shape = broadcastShape('select', test.shape, broadcastShape('select', t.shape, e.shape));
  return run<R>('Select', {
    condition: broadcastTo(test, shape),
    t: broadcastTo(t, shape),
    e: broadcastTo(e, shape),
  });
}

function unary(op: string, kernel: string): <T extends Tensor>(x: T) => T {
  return <T extends Tensor>(x: T): T => {
    requireFloat(op, x);
    return run<T>(kernel, { x });
  };
}

/** |x|. */
export const abs = unary('abs', 'Abs');
export const exp = unary('exp', 'Exp');
/** Natural logarithm; -inf at 0, NaN below. */
export const log = unary('log', 'Log');
export const log1p = unary('log1p', 'Log1p');
export const expm1 = unary('expm1', 'Expm1');
export const sqrt = unary('sqrt', 'Sqrt');
export const rsqrt = unary('rsqrt', 'Rsqrt');
export const square = unary('square', 'Square');
export const sin = unary('sin', 'Sin');
export const cos = unary('cos', 'Cos');
export const sign = unrecorded('sign', 'Sign');
export const floor = unrecorded('floor', 'Floor');
export const ceil = unrecorded('ceil', 'Ceil');
/** The nearest whole number, halves to even. */
export const round = unrecorded('round', 'Round');

/** Steps have a gradient of 0 wherever they have one: none is recorded. */
function unrecorded(op: string, kernel: string): <T extends Tensor>(x: T) => T {
  return <T extends Tensor>(x: T): T => {
    requireFloat(op, x);
    return offTape(() => run<T>(kernel, { x }));
  };
}

/** x held between `low` and `high`; no gradient passes where it is held. */
export function clamp<T extends Tensor>(
  x: T,
  { low, high }: { readonly low: number; readonly high: number },
): T {
  requireFloat('clamp', x);
  if (!(high >= low)) {
    throw new Error(`clamp needs low <= high, but ${low} and ${high} arrived`);
  }
  return run<T>('ClipByValue', { x }, { clipValueMin: low, clipValueMax: high });
}
