/**
 * Initial weights, made on the host from counter-based random numbers: a function of the seed and the weight's path, the
 * same on every engine and in any order of construction. Normal draws are not truncated.
 */
import { hostNormal, hostUniform } from '../engine/philox.js';
import type { Initializer } from './weight.js';

/** How many inputs one output of the layer sums, and how many outputs one input feeds. */
export interface Fans {
  readonly inputs: number;
  readonly outputs: number;
  /** Size of the last axis, where that is not what `inputs` leaves of the weight. */
  readonly columns?: number;
}

function scaled(values: Float32Array, scale: number): Float32Array {
  return values.map((value) => value * scale);
}

function normal(size: number, deviation: number): Initializer {
  return (seed, path) => scaled(hostNormal(seed, `init/${path}`, size), deviation);
}

function uniform(size: number, limit: number): Initializer {
  return (seed, path) => hostUniform(seed, `init/${path}`, size).map((value) => (2 * value - 1) * limit);
}

/**
 * A matrix of `columns` whose rows (or columns, where it has fewer of them) are at right angles and of length 1: normal draws, made so
 * one after the other by Gram and Schmidt, twice where so little of a vector is left that rounding would show (Daniel et al., 1976).
 */
function orthogonal(size: number, columns: number): Initializer {
  const rows = size / columns;
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  return (seed, path) => {
    const draws = Float64Array.from(hostNormal(seed, `init/${path}`, size));
    const vectors = Array.from({ length: count }, (_, k) => draws.subarray(k * length, (k + 1) * length));
    vectors.forEach((vector, place) => {
      for (let pass = 0; pass < 2; pass += 1) {
        const before = dot(vector, vector);
        for (let at = 0; at < place; at += 1) {
          const other = vectors[at] ?? vector;
          addTo(vector, other, -dot(vector, other));
        }
        if (dot(vector, vector) > before / 100) break;
      }
      const scale = 1 / Math.sqrt(dot(vector, vector));
      vector.forEach((value, index) => {
        vector[index] = value * scale;
      });
    });
    if (rows <= columns) return Float32Array.from(draws);
    return Float32Array.from({ length: size }, (_, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      return vectors[column]?.[row] ?? 0;
    });
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

function addTo(a: Float64Array, b: Float64Array, factor: number): void {
  for (let index = 0; index < a.length; index += 1) a[index] = (a[index] ?? 0) + factor * (b[index] ?? 0);
}

export function constantInitializer(size: number, value: number): Initializer {
  return () => new Float32Array(size).fill(value);
}

const families: Readonly<Record<string, (size: number, fans: Fans) => Initializer>> = {
  zeros: (size) => constantInitializer(size, 0),
  ones: (size) => constantInitializer(size, 1),
  // Glorot & Bengio, 2010, eq. 16.
  glorot_uniform: (size, { inputs, outputs }) => uniform(size, Math.sqrt(6 / (inputs + outputs))),
  glorot_normal: (size, { inputs, outputs }) => normal(size, Math.sqrt(2 / (inputs + outputs))),
  // He et al., 2015, eq. 10.
  he_uniform: (size, { inputs }) => uniform(size, Math.sqrt(6 / inputs)),
  he_normal: (size, { inputs }) => normal(size, Math.sqrt(2 / inputs)),
  // LeCun et al., 1998, "Efficient BackProp", eq. 16.
  lecun_uniform: (size, { inputs }) => uniform(size, Math.sqrt(3 / inputs)),
  lecun_normal: (size, { inputs }) => normal(size, Math.sqrt(1 / inputs)),
  // Saxe et al., 2014. Axes before the last are one.
  orthogonal: (size, { inputs, columns = size / inputs }) => orthogonal(size, columns),
};

/** Names that `init = "…"` takes, besides `normal_S` and `uniform_L` with a number. */
export const initializerNames: readonly string[] = Object.keys(families);

/**
 * The initializer of a name: a family above, `normal_0.02` (standard deviation) or `uniform_0.1` (limit). Throws for any
 * other, listing them.
 */
export function initializer(name: string, size: number, fans: Fans): Initializer {
  const family = Object.hasOwn(families, name) ? families[name] : undefined;
  if (family !== undefined) return family(size, fans);
  const match = /^(normal|uniform)_(\d+(?:\.\d+)?(?:e-?\d+)?)$/.exec(name);
  if (match !== null) return (match[1] === 'normal' ? normal : uniform)(size, Number(match[2]));
  throw new Error(
    `no initializer is named ${JSON.stringify(name)}; there are ${initializerNames.join(', ')}, normal_S and uniform_L with a number`,
  );
}
