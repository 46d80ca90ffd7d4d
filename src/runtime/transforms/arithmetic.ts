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

/** In f32, one step after the other, as a step does. */
function binary(name: string, f: (a: number, b: number) => number): (a: Operand, b: Operand) => Image {
  return (a, b) => {
    const like = typeof a === 'number' ? b : a;
    if (typeof like === 'number') throw new Error(`${name} of two numbers is a number`);
    if (typeof a !== 'number' && typeof b !== 'number' && a.shape.join() !== b.shape.join())
      throw new Error(`${name} of [${a.shape.join(', ')}] and [${b.shape.join(', ')}]: shapes must be equal`);
    const at = (x: Operand, i: number): number =>
      typeof x === 'number' ? Math.fround(x) : (x.values[i] ?? 0);
    const values = allocate(like.dtype, like.values.length);
    for (let i = 0; i < values.length; i += 1) values[i] = f(at(a, i), at(b, i));
    return imageOf(like.dtype, like.shape, values);
  };
}

export const add = binary('add', (a, b) => a + b);
export const sub = binary('sub', (a, b) => a - b);
export const mul = binary('mul', (a, b) => a * b);
export const div = binary('div', (a, b) => a / b);
