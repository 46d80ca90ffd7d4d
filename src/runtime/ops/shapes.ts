/** Shapes, element types, indexing, constants. */
import { concat as join, engine, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import { offTape } from '../engine/tape.js';
import type { DType } from '../engine/engine.js';
import { deviceType } from '../engine/state-variable.js';
import { ranked } from '../tensor.js';
import {
  axisOf,
  broadcastTo,
  filled,
  requireFloat,
  requireInteger,
  requireWhole,
  run,
  shapeText,
  sizeAt,
  sizeOf,
  tensorText,
} from './kernel.js';

/** The same values, in the same order, in another shape. One size may be -1: what remains. */
export function reshape<R extends Tensor>(x: Tensor, { shape }: { readonly shape: readonly number[] }): R {
  const open = shape.filter((size) => size === -1).length;
  const known = sizeOf(shape.filter((size) => size !== -1));
  const fits = open === 0 ? known === x.size : open === 1 && known > 0 && x.size % known === 0;
  if (!fits) {
    throw new Error(`reshape cannot bring ${tensorText(x)}, ${x.size} values, to shape ${shapeText(shape)}`);
  }
  return run<R>('Reshape', { x }, { shape: shape.map((size) => (size === -1 ? x.size / known : size)) });
}

/** All axes but the first, joined to one. */
export function flatten<R extends Tensor>(x: Tensor): R {
  const rows = x.shape[0];
  if (rows === undefined) {
    throw new Error('flatten needs at least one axis, but a scalar arrived');
  }
  return reshape<R>(x, { shape: [rows, sizeOf(x.shape.slice(1))] });
}

/** Without one axis of size 1. */
export function squeeze<R extends Tensor>(x: Tensor, { axis }: { readonly axis: number }): R {
  const at = axisOf('squeeze', axis, x.rank);
  if (x.shape[at] !== 1) {
    throw new Error(`squeeze needs size 1 at axis ${axis}, but ${tensorText(x)} arrived`);
  }
  return reshape<R>(x, { shape: x.shape.filter((_, i) => i !== at) });
}

/** With a new axis of size 1. */
export function expandDims<R extends Tensor>(x: Tensor, { axis }: { readonly axis: number }): R {
  const at = axisOf('expandDims', axis, x.rank + 1);
  return reshape<R>(x, { shape: [...x.shape.slice(0, at), 1, ...x.shape.slice(at)] });
}

/** Axes in another order; the last two swapped unless `axes` says more. */
export function transpose<R extends Tensor>(
  x: Tensor,
  { axes }: { readonly axes?: readonly number[] | null } = {},
): R {
  if (axes === undefined || axes === null) {
    if (x.rank < 2) {
      throw new Error(`transpose needs at least two axes, but ${tensorText(x)} arrived`);
    }
    const perm = x.shape.map((_, i) => i);
    perm.splice(-2, 2, x.rank - 1, x.rank - 2);
    return run<R>('Transpose', { x }, { perm });
  }
  const perm = axes.map((axis) => axisOf('transpose', axis, x.rank));
  if (perm.length !== x.rank || new Set(perm).size !== x.rank) {
    throw new Error(`transpose needs each of ${x.rank} axes once, but ${shapeText(axes)} arrived`);
  }
  return run<R>('Transpose', { x }, { perm });
}

/** Does something along the last axis to the axis `axis` instead. */
export function moveAxisLast<T extends Tensor>(x: T, axis: number, body: (x: Tensor) => Tensor): T {
  if (axis === x.rank - 1) {
    return ranked<T>(body(x));
  }
  const axes = x.shape.map((_, i) => i);
  axes[axis] = x.rank - 1;
  axes[x.rank - 1] = axis;
  return transpose<T>(body(transpose(x, { axes })), { axes });
}

/** Tensors joined along an axis that they have. */
export function concat<R extends Tensor>(
  parts: readonly Tensor[],
  { axis = -1 }: { readonly axis?: number } = {},
): R {
  const first = partsOf('concat', parts);
  const at = axisOf('concat', axis, first.rank);
  for (const part of parts) {
    if (
      part.dtype !== first.dtype ||
      part.rank !== first.rank ||
      part.shape.some((size, i) => i !== at && size !== first.shape[i])
    ) {
      throw new Error(
        `concat along axis ${axis} got ${parts.map(tensorText).join(' and ')}; all but that axis must be equal`,
      );
    }
  }
  return ranked<R>(join([...parts], at));
}

/** Tensors of one shape joined along a new axis. */
export function stack<R extends Tensor>(
  parts: readonly Tensor[],
  { axis = -1 }: { readonly axis?: number } = {},
): R {
  const first = partsOf('stack', parts);
  const at = axisOf('stack', axis, first.rank + 1);
  return concat<R>(
    parts.map((part) => expandDims(part, { axis: at })),
    { axis: at },
  );
}

function partsOf(op: string, parts: readonly Tensor[]): Tensor {
  const first = parts[0];
  if (first === undefined) {
    throw new Error(`${op} needs at least one tensor`);
  }
  return first;
}

/** Each slice along an axis, `count` times in a row. */
export function repeatAxis<R extends Tensor>(
  x: Tensor,
  { count, axis }: { readonly count: number; readonly axis: number },
): R {
  requireWhole('repeatAxis', 'count', count, 1);
  const at = axisOf('repeatAxis', axis, x.rank);
  const before = x.shape.slice(0, at + 1);
  const after = x.shape.slice(at + 1);
  const wide = broadcastTo(reshape(x, { shape: [...before, 1, ...after] }), [...before, count, ...after]);
  return reshape<R>(wide, { shape: [...before.slice(0, -1), sizeAt(x.shape, at) * count, ...after] });
}

/** `value` before and after each axis: one pair `[before, after]` for each. */
export function pad<R extends Tensor>(
  x: Tensor,
  { by, value = 0 }: { readonly by: readonly (readonly [number, number])[]; readonly value?: number },
): R {
  if (
    by.length !== x.rank ||
    by.some((pair) => pair.length !== 2 || pair.some((n) => !(Number.isInteger(n) && n >= 0)))
  ) {
    throw new Error(
      `pad needs a pair of whole numbers for each axis of ${tensorText(x)}, but ${by.length} pairs arrived`,
    );
  }
  return run<R>('PadV2', { x }, { paddings: by.map((pair) => [...pair]), constantValue: value });
}

/** Another element type. Numbers lose their fraction towards 0; bool is whether it is not 0. */
export function cast<T extends Tensor>(x: T, { to }: { readonly to: DType }): T {
  const dtype = deviceType(to);
  if (x.dtype === dtype) {
    return x;
  }
  if (dtype === 'bool') {
    return run<T>('NotEqual', { a: x, b: filled([], 0, x.dtype === 'int32' ? 'int32' : 'float32') });
  }
  return run<T>('Cast', { x }, { dtype });
}

/** 1 at the index, 0 elsewhere, along a new last axis. An index that is no class is refused when the step runs. */
export function oneHot<R extends Tensor>(index: Tensor, { classes }: { readonly classes: number }): R {
  requireWhole('oneHot', 'classes', classes, 1);
  requireInteger('oneHot', index, 'index');
  return run<R>('OneHot', { indices: index }, { depth: classes });
}

/** Rows of a table by index. */
export function take<R extends Tensor>(table: Tensor, index: Tensor): R {
  requireFloat('take', table, 'table');
  requireInteger('take', index, 'index');
  if (table.rank === 0) {
    throw new Error('take needs a table of at least one axis, but a scalar arrived');
  }
  return run<R>('GatherV2', { x: table, indices: index }, { axis: 0, batchDims: 0 });
}

/** Numbers of the host as a tensor of one axis. */
export function vector(values: readonly number[]): Tensor1D {
  return concat<Tensor1D>(
    values.map((value) => filled<Tensor1D>([1], value)),
    { axis: 0 },
  );
}

/** 0, 1, …, count - 1. */
export function range({ count }: { readonly count: number }): Tensor1D {
  requireWhole('range', 'count', count, 1);
  return engine().runKernel<Tensor1D>('Range', {}, { start: 0, stop: count, step: 1, dtype: 'int32' });
}

export function zeros<R extends Tensor>({ shape }: { readonly shape: readonly number[] }): R {
  return filled<R>(shape, 0);
}

export function ones<R extends Tensor>({ shape }: { readonly shape: readonly number[] }): R {
  return filled<R>(shape, 1);
}

export function zerosLike<T extends Tensor>(x: T): T {
  return offTape(() => run<T>('ZerosLike', { x }));
}

export function onesLike<T extends Tensor>(x: T): T {
  return offTape(() => run<T>('OnesLike', { x }));
}

/** The value, through which no gradient passes. */
export function stopGradient<T extends Tensor>(x: T): T {
  return offTape(() => run<T>('Identity', { x }));
}

/** One place in an index: all of an axis, one index (the axis goes), a range (either end open), or all axes that remain. */
export type Index = null | number | readonly [from: number | null, to: number | null] | 'ellipsis';

/** Indexing with whole numbers known ahead; negative ones count from the end. Ranges lie inside their axis and are not empty. */
export function slice<R extends Tensor>(x: Tensor, index: readonly Index[]): R {
  const dots = index.indexOf('ellipsis');
  const places = index.filter((place) => place !== 'ellipsis');
  if (places.length > x.rank || index.length - places.length > 1) {
    throw new Error(`slice got ${places.length} indices for ${tensorText(x)}`);
  }
  const missing: null[] = Array.from({ length: x.rank - places.length }, () => null);
  const at = dots < 0 ? places.length : dots;
  const all = [...places.slice(0, at), ...missing, ...places.slice(at)];
  const begin: number[] = [];
  const size: number[] = [];
  const shape: number[] = [];
  all.forEach((place, axis) => {
    const length = sizeAt(x.shape, axis);
    const [from, to] = extent(place, length, axis, x);
    begin.push(from);
    size.push(to - from);
    if (typeof place !== 'number') {
      shape.push(to - from);
    }
  });
  const whole = size.every((length, axis) => length === x.shape[axis]);
  const part: Tensor = whole ? x : run('Slice', { x }, { begin, size });
  return run<R>('Reshape', { x: part }, { shape });
}

function extent(
  place: Exclude<Index, 'ellipsis'>,
  length: number,
  axis: number,
  x: Tensor,
): readonly [number, number] {
  if (place === null) {
    return [0, length];
  }
  if (typeof place === 'number') {
    const at = place < 0 ? place + length : place;
    if (!Number.isInteger(at) || at < 0 || at >= length) {
      throw new Error(`slice got index ${place} for axis ${axis} of ${tensorText(x)}`);
    }
    return [at, at + 1];
  }
  const ends = (end: number | null, open: number): number =>
    end === null ? open : end < 0 ? end + length : end;
  const [from, to] = [ends(place[0], 0), ends(place[1], length)];
  // Other languages hold ranges inside the axis; a size that was counted on would then be another.
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > length || from >= to) {
    throw new Error(
      `slice got ${place[0] ?? ''}:${place[1] ?? ''} for axis ${axis} of ${tensorText(x)}; a range has 1 or more of the ${length} there`,
    );
  }
  return [from, to];
}

/** x with `value` (of x's shape without the axis) in the place of slice `at` of an axis. */
export function put<R extends Tensor>(
  x: Tensor,
  value: Tensor,
  { at, axis }: { readonly at: number; readonly axis: number },
): R {
  const along = axisOf('put', axis, x.rank);
  const length = sizeAt(x.shape, along);
  if (!Number.isInteger(at) || at < 0 || at >= length)
    throw new Error(
      `put takes a place from 0 to ${length - 1} of axis ${axis} of ${tensorText(x)}, got ${at}`,
    );
  const before = x.shape.map((): Index => null);
  const part = (from: number, to: number): readonly Tensor[] =>
    from === to
      ? []
      : [
          slice<Tensor>(
            x,
            before.map((all, each) => (each === along ? [from, to] : all)),
          ),
        ];
  return concat<R>([...part(0, at), expandDims<Tensor>(value, { axis: along }), ...part(at + 1, length)], {
    axis: along,
  });
}
