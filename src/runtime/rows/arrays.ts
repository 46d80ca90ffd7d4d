/**
 * Arithmetic on finished totals that have axes of their own, the namespace `arrays` of generated code: on the host, in f64, once a
 * logging window and once a pass. It means what the ops of the same names mean on tensors.
 */

/** Numbers in row-major order. */
export interface HostArray {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** An array, or one number beside it. */
export type Numbers = HostArray | number;

/** `axis`: one, several, or (null) all, counted from the end where below 0. */
export interface ArrayAxis {
  readonly axis?: number | readonly number[] | null;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const asArray = (x: Numbers): HostArray =>
  typeof x === 'number' ? { shape: [], values: Float64Array.of(x) } : x;

/** How far apart neighbours of each axis of `shape` lie in `x`; 0 along what `x` is repeated on. */
function stridesIn(x: HostArray, shape: readonly number[]): readonly number[] {
  const offset = shape.length - x.shape.length;
  let stride = 1;
  const strides: number[] = shape.map(() => 0);
  for (let axis = x.shape.length - 1; axis >= 0; axis -= 1) {
    const size = x.shape[axis] ?? 1;
    const wanted = shape[axis + offset];
    if (size !== 1 && size !== wanted)
      throw new Error(`an array of shape [${x.shape.join(', ')}] does not fit [${shape.join(', ')}]`);
    strides[axis + offset] = size === 1 ? 0 : stride;
    stride *= size;
  }
  return strides;
}

/** The values of each place of `shape`, by the strides of an array. */
function read(
  x: HostArray,
  shape: readonly number[],
  strides: readonly number[] = stridesIn(x, shape),
  start = 0,
): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, (_, place) => {
    let rest = place;
    let at = start;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const size = shape[axis] ?? 1;
      at += (rest % size) * (strides[axis] ?? 0);
      rest = Math.floor(rest / size);
    }
    return x.values[at] ?? Number.NaN;
  });
}

function joint(a: HostArray, b: HostArray): readonly number[] {
  const rank = Math.max(a.shape.length, b.shape.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [left, right] = [a, b].map(({ shape }) => shape[axis - rank + shape.length] ?? 1);
    return left === 1 ? (right ?? 1) : (left ?? 1);
  });
}

const both =
  (compute: (a: number, b: number) => number) =>
  (a: Numbers, b: Numbers): HostArray => {
    const [left, right] = [asArray(a), asArray(b)];
    const shape = joint(left, right);
    const others = read(right, shape);
    return { shape, values: read(left, shape).map((value, at) => compute(value, others[at] ?? Number.NaN)) };
  };

const one =
  (compute: (x: number) => number) =>
  (x: HostArray): HostArray => ({ shape: x.shape, values: x.values.map(compute) });

const truth = (is: boolean): number => (is ? 1 : 0);

export const add = both((a, b) => a + b);
export const sub = both((a, b) => a - b);
export const mul = both((a, b) => a * b);
export const div = both((a, b) => a / b);
/** The remainder with the divisor's sign, as of tensors. */
export const mod = both((a, b) => a - Math.floor(a / b) * b);
export const pow = both((a, b) => a ** b);
export const min = both(Math.min);
export const max = both(Math.max);
/** Comparisons give 1 where they hold, else 0. */
export const equal = both((a, b) => truth(a === b));
export const notEqual = both((a, b) => truth(a !== b));
export const less = both((a, b) => truth(a < b));
export const lessEqual = both((a, b) => truth(a <= b));
export const greater = both((a, b) => truth(a > b));
export const greaterEqual = both((a, b) => truth(a >= b));

export const neg = one((x) => -x);
export const exp = one(Math.exp);
export const log = one(Math.log);
export const log1p = one(Math.log1p);
export const expm1 = one(Math.expm1);
export const sqrt = one(Math.sqrt);
export const rsqrt = one((x) => 1 / Math.sqrt(x));
export const square = one((x) => x * x);
export const abs = one(Math.abs);
export const sigmoid = one((x) => 1 / (1 + Math.exp(-x)));
export const tanh = one(Math.tanh);
export const floor = one(Math.floor);
export const ceil = one(Math.ceil);
export const sign = one(Math.sign);
/** Halves go to even. */
export const round = one((x) => {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down % 2 === 0 ? 0 : 1) : Math.round(x);
});

/** Numbers of a list, as an array of one axis. */
export const vector = (values: readonly number[]): HostArray => ({
  shape: [values.length],
  values: Float64Array.from(values),
});

interface Reduce {
  (x: HostArray, options: { readonly axis: number | readonly number[] }): HostArray;
  (x: HostArray): number;
}

/** Joins axes: each number of the result is computed from all that it joins. */
function reduction(compute: (values: readonly number[]) => number): Reduce {
  function reduce(x: HostArray, options: { readonly axis: number | readonly number[] }): HostArray;
  function reduce(x: HostArray): number;
  function reduce(x: HostArray, { axis = null }: ArrayAxis = {}): Numbers {
    if (axis === null) return compute([...x.values]);
    const rank = x.shape.length;
    const joined = new Set((typeof axis === 'number' ? [axis] : axis).map((at) => (at < 0 ? at + rank : at)));
    const shape = x.shape.filter((_, at) => !joined.has(at));
    const groups: number[][] = Array.from({ length: sizeOf(shape) }, () => []);
    x.values.forEach((value, place) => {
      let rest = place;
      let at = 0;
      let stride = 1;
      for (let each = rank - 1; each >= 0; each -= 1) {
        const size = x.shape[each] ?? 1;
        if (!joined.has(each)) {
          at += (rest % size) * stride;
          stride *= size;
        }
        rest = Math.floor(rest / size);
      }
      groups[at]?.push(value);
    });
    return { shape, values: Float64Array.from(groups, compute) };
  }
  return reduce;
}

const total = (values: readonly number[]): number => values.reduce((all, each) => all + each, 0);
const average = (values: readonly number[]): number => total(values) / values.length;
const spread = (values: readonly number[]): number => {
  const middle = average(values);
  return average(values.map((each) => (each - middle) ** 2));
};

export const sum = reduction(total);
export const mean = reduction(average);
/** Of the population: divided by the count. */
export const variance = reduction(spread);
export const std = reduction((values) => Math.sqrt(spread(values)));
export const maxOf = reduction((values) => values.reduce((a, b) => Math.max(a, b), -Infinity));
export const minOf = reduction((values) => values.reduce((a, b) => Math.min(a, b), Infinity));
export const norm = reduction((values) => Math.sqrt(total(values.map((each) => each * each))));

/** A place or a range (either end may be open) of each axis; null is all of one, `'ellipsis'` all of those not named. */
export type ArrayIndex = number | null | readonly [from: number | null, to: number | null] | 'ellipsis';

/** A part of an array; ends below 0 count from the axis' end. Throws where it lies outside. */
export function slice(x: HostArray, index: readonly ArrayIndex[]): HostArray {
  const dots = index.indexOf('ellipsis');
  const named = index.filter((each) => each !== 'ellipsis');
  const open: null[] = Array.from({ length: x.shape.length - named.length }, () => null);
  const places = dots < 0 ? [...named, ...open] : [...named.slice(0, dots), ...open, ...named.slice(dots)];
  const all = stridesIn(x, x.shape);
  const shape: number[] = [];
  const strides: number[] = [];
  let start = 0;
  x.shape.forEach((size, axis) => {
    const place = places[axis] ?? null;
    const inside = (at: number): number => (at < 0 ? at + size : at);
    const stride = all[axis] ?? 0;
    const from = typeof place === 'number' ? inside(place) : inside(place?.[0] ?? 0);
    const end = typeof place === 'number' ? null : (place?.[1] ?? null);
    const to = typeof place === 'number' ? from + 1 : end === null ? size : inside(end);
    if (from < 0 || to > size || from >= to)
      throw new Error(`an index of ${from} to ${to} is outside of an axis of ${size}`);
    start += from * stride;
    if (typeof place === 'number') return;
    shape.push(to - from);
    strides.push(stride);
  });
  return { shape, values: read(x, shape, strides, start) };
}

/** One number of an array. */
export function at(x: HostArray, index: readonly ArrayIndex[]): number {
  return slice(x, index).values[0] ?? Number.NaN;
}
