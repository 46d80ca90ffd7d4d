/** What may stand between functions of the host: element types and arithmetic with numbers, as the step computes them. */
import type { DType } from '../engine/engine.js';
import { allocate } from '../data/record.js';
import { imageOf, type Image } from './image.js';

/** Another element type. Numbers lose their fraction towards 0; bool is whether it is not 0. */
export function cast(x: Image, { to }: { readonly to: DType }): Image {
  if (x.dtype === to) return x;
  const values = allocate(to, x.values.length);
  for (let i = 0; i < values.length; i += 1) {
    const value = x.values[i] ?? 0;
    values[i] = to === 'f32' ? value : to === 'bool' ? Number(value !== 0) : Math.trunc(value);
  }
  return imageOf(to, x.shape, values);
}

type Operand = Image | number;

/** In the element type of the operands, one step after the other, as a step does; one value stands beside each of many. */
function binary(
  name: string,
  f: (a: number, b: number, dtype: DType) => number,
  result: (of: DType) => DType = (of) => of,
): (a: Operand, b: Operand) => Image {
  return (a, b) => {
    const images = [a, b].filter((each) => typeof each !== 'number');
    const like = images.find(({ shape }) => shape.length > 0) ?? images[0];
    if (like === undefined) throw new Error(`${name} of two numbers is a number`);
    const other = images.find(({ shape }) => shape.length > 0 && shape.join() !== like.shape.join());
    if (other !== undefined)
      throw new Error(
        `${name} of [${like.shape.join(', ')}] and [${other.shape.join(', ')}]: shapes must be equal`,
      );
    const { dtype } = like;
    const at = (x: Operand, i: number): number =>
      typeof x === 'number'
        ? dtype === 'f32'
          ? Math.fround(x)
          : x
        : (x.values[x.shape.length === 0 ? 0 : i] ?? 0);
    const values = allocate(result(dtype), like.values.length);
    for (let i = 0; i < values.length; i += 1) values[i] = f(at(a, i), at(b, i), dtype);
    return imageOf(result(dtype), like.shape, values);
  };
}

/** Products of i32 keep their low 32 bits. */
const product = (a: number, b: number, dtype: DType): number => (dtype === 'i32' ? Math.imul(a, b) : a * b);
const truth = (): DType => 'bool';

export const add = binary('add', (a, b) => a + b);
export const sub = binary('sub', (a, b) => a - b);
export const mul = binary('mul', product);
/** In f32, also of whole numbers. */
export const div = binary(
  'div',
  (a, b) => Math.fround(a) / Math.fround(b),
  () => 'f32',
);
export const equal = binary('equal', (a, b) => Number(a === b), truth);
export const notEqual = binary('not_equal', (a, b) => Number(a !== b), truth);
export const less = binary('less', (a, b) => Number(a < b), truth);
export const lessEqual = binary('less_equal', (a, b) => Number(a <= b), truth);
export const greater = binary('greater', (a, b) => Number(a > b), truth);
export const greaterEqual = binary('greater_equal', (a, b) => Number(a >= b), truth);
export const and = binary('and', (a, b) => Number(a !== 0 && b !== 0), truth);
export const or = binary('or', (a, b) => Number(a !== 0 || b !== 0), truth);

function each(x: Image, f: (value: number) => number): Image {
  const values = allocate(x.dtype, x.values.length);
  for (let i = 0; i < values.length; i += 1) values[i] = f(x.values[i] ?? 0);
  return imageOf(x.dtype, x.shape, values);
}

export const neg = (x: Image): Image => each(x, (value) => -value);
export const not = (x: Image): Image => each(x, (value) => Number(value === 0));
export const onesLike = (x: Image): Image => each(x, () => 1);
export const zerosLike = (x: Image): Image => each(x, () => 0);
