/**
 * Whole numbers of a graph that the host can work out without running it: inputs, constants, and what is only cut or reshaped from
 * them. An index among them is looked at before a step runs; devices pass over those that are outside in silence.
 */
import type { HostTensor } from '../engine.js';
import type { Elements } from './values.js';

export interface KnownNumbers {
  readonly shape: readonly number[];
  /** Whether they depend on the step's inputs. */
  readonly fixed: boolean;
  read(inputs: readonly HostTensor[]): ArrayLike<number>;
}

export function numbersOfInput(index: number, shape: readonly number[]): KnownNumbers {
  return {
    shape,
    fixed: false,
    read: (inputs) => inputs[index]?.values ?? new Int32Array(0),
  };
}

export function fixedNumbers(elements: ArrayLike<number>, shape: readonly number[]): KnownNumbers {
  return { shape, fixed: true, read: () => elements };
}

/** The elements of a constant that may be such numbers. */
export function isNumbers(elements: Elements): elements is Exclude<Elements, BigInt64Array> {
  return !(elements instanceof BigInt64Array);
}

/** What an op gives of known numbers, or null where it computes others. `shape` is the result's. */
export function followNumbers(
  op: string,
  inputs: readonly (KnownNumbers | null)[],
  shape: readonly number[],
): KnownNumbers | null {
  const [first, second, third] = inputs;
  switch (op) {
    case 'Reshape':
    case 'Identity':
    case 'ExpandDims':
    case 'Squeeze':
      return first ? { ...first, shape } : null;
    case 'Slice':
      return first && second?.fixed === true
        ? { shape, fixed: first.fixed, read: (given) => sliced(first, second.read(given), shape, given) }
        : null;
    case 'Range': {
      if (first?.fixed !== true || third?.fixed !== true) return null;
      const from = first.read([])[0] ?? 0;
      const step = third.read([])[0] ?? 1;
      const count = shape[0] ?? 0;
      return fixedNumbers(
        Int32Array.from({ length: count }, (_, i) => from + i * step),
        shape,
      );
    }
    // Fractions are cut off, as the device does it; only whole numbers become indices.
    case 'Cast':
      return first
        ? {
            shape,
            fixed: first.fixed,
            // What no whole number of 32 bits holds is no index either.
            read: (given) =>
              Array.from(first.read(given), (x) => (Math.abs(x) < 2 ** 31 ? Math.trunc(x) : -1)),
          }
        : null;
    case 'ConcatV2':
      return joined(inputs, shape);
    default:
      return null;
  }
}

/** Several numbers one after the other along an axis, which is the last input. */
function joined(inputs: readonly (KnownNumbers | null)[], shape: readonly number[]): KnownNumbers | null {
  const parts = inputs.slice(0, -1);
  const at = inputs.at(-1);
  if (at?.fixed !== true || !parts.every((part) => part !== null)) return null;
  const axis = at.read([])[0] ?? 0;
  const inner = shape.slice(axis + 1).reduce((size, n) => size * n, 1);
  const outer = shape.slice(0, axis).reduce((size, n) => size * n, 1);
  return {
    shape,
    fixed: parts.every(({ fixed }) => fixed),
    read: (given) => {
      const all: number[] = [];
      const values = parts.map((part) => ({
        numbers: part.read(given),
        each: (part.shape[axis] ?? 1) * inner,
      }));
      for (let row = 0; row < outer; row++) {
        for (const { numbers, each } of values) {
          for (let i = 0; i < each; i++) all.push(numbers[row * each + i] ?? 0);
        }
      }
      return all;
    },
  };
}

function sliced(
  of: KnownNumbers,
  begin: ArrayLike<number>,
  shape: readonly number[],
  inputs: readonly HostTensor[],
): Int32Array {
  const all = of.read(inputs);
  const strides = of.shape.map((_, axis) => of.shape.slice(axis + 1).reduce((size, n) => size * n, 1));
  const count = shape.reduce((size, n) => size * n, 1);
  const part = new Int32Array(count);
  const place = shape.map(() => 0);
  for (let i = 0; i < count; i++) {
    let at = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      at += ((begin[axis] ?? 0) + (place[axis] ?? 0)) * (strides[axis] ?? 0);
    }
    part[i] = all[at] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place[axis] = (place[axis] ?? 0) + 1;
      if ((place[axis] ?? 0) < (shape[axis] ?? 0)) break;
      place[axis] = 0;
    }
  }
  return part;
}
