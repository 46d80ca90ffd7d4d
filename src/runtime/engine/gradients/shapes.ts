/** Gradients of reductions and of ops that move values. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { div, mul } from '../../ops/arithmetic.js';
import { broadcastTo, run, sizeAt, sizeOf, toFloat } from '../../ops/kernel.js';
import { keptShape, numberAt, numbersAt, partial, type Rule, type Rules } from './rule.js';

function reshaped(x: Tensor, shape: readonly number[]): Tensor {
  return run('Reshape', { x }, { shape: [...shape] });
}

/** To all that equal the result, in equal parts. */
function extreme(axisAttribute: string): Rule {
  return {
    inputs: ['x'],
    output: true,
    gradient: (dy, kept, attributes) => ({
      x: () => {
        const x = kept.at(0);
        const axes = [...numbersAt(attributes, axisAttribute)];
        const shape = keptShape(x.shape, axes);
        const chosen = toFloat(run<Tensor>('Equal', { a: x, b: reshaped(kept.output, shape) }));
        const count: Tensor =
          axes.length === 0 ? chosen : run('Sum', { x: chosen }, { axis: axes, keepDims: true });
        return mul(chosen, div<Tensor>(reshaped(dy, shape), count));
      },
    }),
  };
}

export const movement: Rules = {
  Sum: {
    inputs: ['x'],
    gradient: (dy, kept, attributes) => ({
      x: () => {
        const { shape } = kept.at(0);
        return broadcastTo(reshaped(dy, keptShape(shape, numbersAt(attributes, 'axis'))), shape);
      },
    }),
  },
  Max: extreme('reductionIndices'),
  Min: extreme('axis'),
  Reshape: {
    inputs: ['x'],
    gradient: (dy, kept) => ({ x: () => reshaped(dy, kept.at(0).shape) }),
  },
  Transpose: {
    inputs: [],
    gradient: (dy, _, attributes) => ({
      x: () => {
        const perm = numbersAt(attributes, 'perm');
        return run('Transpose', { x: dy }, { perm: perm.map((_axis, i) => perm.indexOf(i)) });
      },
    }),
  },
  Slice: {
    inputs: [],
    gradient: (dy, _, attributes) => ({ x: () => partial(dy, numbersAt(attributes, 'begin')) }),
  },
  PadV2: {
    inputs: ['x'],
    gradient: (dy, kept, attributes) => ({
      x: () => {
        const { paddings } = attributes;
        const begin = Array.isArray(paddings) ? paddings.map((pair: unknown) => firstOf(pair)) : [];
        return run('Slice', { x: dy }, { begin, size: [...kept.at(0).shape] });
      },
    }),
  },
  GatherV2: {
    inputs: ['x', 'indices'],
    gradient: (dy, kept, attributes) => {
      const table = kept.at(0);
      const indices = kept.at(1);
      return {
        x: () => {
          if (numberAt(attributes, 'axis') !== 0) {
            throw new Error('only rows of a table can be taken where a gradient passes');
          }
          const rows = sizeOf(indices.shape);
          const width = sizeOf(table.shape.slice(1));
          const sums: Tensor = run(
            'UnsortedSegmentSum',
            { x: reshaped(dy, [rows, width]), segmentIds: reshaped(indices, [rows]) },
            { numSegments: sizeAt(table.shape, 0) },
          );
          return reshaped(sums, table.shape);
        },
      };
    },
  },
};

function firstOf(pair: unknown): number {
  const [first]: unknown[] = Array.isArray(pair) ? pair : [];
  if (typeof first !== 'number') {
    throw new Error('the gradient of a padding needs a pair of numbers for each axis');
  }
  return first;
}
