/** What ops are made of: kernels of the engine, element types, axes, and the wording of their errors. */
import { engine, getKernel, type NamedAttrMap, type Tensor } from '@tensorflow/tfjs-core';

/** A tensor, or a number that becomes a constant. */
export type Operand = Tensor | number;

/** Runs one kernel. The caller states the rank of what it returns. */
export function run<R extends Tensor>(
  kernel: string,
  inputs: Readonly<Record<string, Tensor>>,
  attributes: NamedAttrMap = {},
): R {
  return engine().runKernel<R>(kernel, inputs, attributes);
}

/** Runs one kernel that makes several tensors. */
export function runSeveral(
  kernel: string,
  inputs: Readonly<Record<string, Tensor>>,
  attributes: NamedAttrMap = {},
): readonly Tensor[] {
  return engine().runKernel<Tensor[]>(kernel, inputs, attributes);
}

/** Whether this engine has the kernel: some have kernels for what takes several elsewhere. */
export function hasKernel(kernel: string): boolean {
  return Boolean(getKernel(kernel, engine().backendName));
}

/** A constant without axes. */
export function constant<R extends Tensor>(value: number, dtype: 'float32' | 'int32' = 'float32'): R {
  return filled<R>([], value, dtype);
}

/** A tensor of one value. */
export function filled<R extends Tensor>(
  shape: readonly number[],
  value: number,
  dtype: 'float32' | 'int32' = 'float32',
): R {
  return engine().runKernel<R>('Fill', {}, { shape: [...shape], value, dtype });
}

/** The same values as f32; itself where it is f32 already. */
export function toFloat<T extends Tensor>(x: T): T {
  return x.dtype === 'float32' ? x : run<T>('Cast', { x }, { dtype: 'float32' });
}

/** A shape as error messages write it. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** What arrived, as error messages write it. */
export function tensorText(x: Tensor): string {
  const name = x.dtype === 'float32' ? 'f32' : x.dtype === 'int32' ? 'i32' : x.dtype;
  return `${name}${shapeText(x.shape)}`;
}

export function requireFloat(op: string, x: Tensor, what = 'x'): void {
  if (x.dtype !== 'float32') {
    throw new Error(`${op} needs f32 values, but \`${what}\` is ${tensorText(x)}; cast it to f32`);
  }
}

export function requireInteger(op: string, x: Tensor, what: string): void {
  if (x.dtype !== 'int32') {
    throw new Error(`${op} needs whole numbers, but \`${what}\` is ${tensorText(x)}; cast it to i32`);
  }
}

export function requireRank(op: string, x: Tensor, rank: number, what = 'x'): void {
  if (x.rank !== rank) {
    throw new Error(`${op} needs ${rank} axes, but \`${what}\` is ${tensorText(x)}`);
  }
}

export function requireWhole(op: string, what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`${op} needs a whole number of at least ${least} for \`${what}\`, but ${value} arrived`);
  }
}

/** The axis counted from the front. Negative ones count from the end. */
export function axisOf(op: string, axis: number, rank: number): number {
  const from = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || from < 0 || from >= rank) {
    throw new Error(`${op} got axis ${axis}, but the tensor has ${rank} ${rank === 1 ? 'axis' : 'axes'}`);
  }
  return from;
}

/** Axes counted from the front, in order, each once; all of them where none is given. */
export function axesOf(
  op: string,
  axis: number | readonly number[] | null | undefined,
  rank: number,
): number[] {
  if (axis === undefined || axis === null) {
    return Array.from({ length: rank }, (_, i) => i);
  }
  const axes = (typeof axis === 'number' ? [axis] : axis).map((one) => axisOf(op, one, rank));
  if (new Set(axes).size !== axes.length) {
    throw new Error(`${op} got an axis twice: ${shapeText(axes)}`);
  }
  return [...axes].sort((a, b) => a - b);
}

/** The size of an axis that exists. */
export function sizeAt(shape: readonly number[], axis: number): number {
  const size = shape.at(axis);
  if (size === undefined) {
    throw new Error(`there is no axis ${axis} in shape ${shapeText(shape)}`);
  }
  return size;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The shape that two shapes broadcast to, as in NumPy. */
export function broadcastShape(op: string, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new Error(`${op} got shapes ${shapeText(a)} and ${shapeText(b)}, which do not fit each other`);
    }
    return left === 1 ? right : left;
  });
}

/** The values repeated to a shape that they broadcast to. */
export function broadcastTo<R extends Tensor>(x: Tensor, shape: readonly number[]): R {
  if (x.rank === shape.length && x.shape.every((size, i) => size === shape[i])) {
    return run<R>('Identity', { x });
  }
  if (x.dtype === 'float32' || x.dtype === 'int32') {
    return run<R>('Add', { a: x, b: filled(shape, 0, x.dtype) });
  }
  const aligned = run('Reshape', { x }, { shape: [...shape.slice(x.rank).map(() => 1), ...x.shape] });
  return run<R>('Tile', { x: aligned }, { reps: shape.map((size, i) => size / sizeAt(aligned.shape, i)) });
}
