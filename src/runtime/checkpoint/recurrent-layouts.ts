/**
 * How other frameworks name and lay out the weights of recurrent layers. Keras 3 has this library's shapes and gates (LSTM: input,
 * forget, cell, output; GRU with `reset_after`: update, reset, candidate). PyTorch's weights stand the other way round, its GRU has reset
 * before update, and each direction has two biases: of an LSTM they are added up, of a GRU they are the two rows of the bias here.
 */
import type { HostTensor } from '../engine/engine.js';
import { Bidirectional, Gru, type Lstm } from '../nn/recurrent.js';
import type { Weight } from '../nn/weight.js';
import type { StoredWeight } from './layouts.js';
import { transposed } from './transposed.js';

/** One direction of a layer: where it is here, and what marks it in PyTorch and in Keras. */
interface Way {
  readonly layer: Lstm | Gru;
  readonly path: string;
  readonly torch: string;
  readonly keras: string;
}

function waysOf(layer: Lstm | Gru | Bidirectional<Lstm | Gru>): readonly Way[] {
  if (!(layer instanceof Bidirectional)) return [{ layer, path: '', torch: '', keras: '' }];
  const { ahead, behind } = layer;
  const { name } = ahead.cell;
  return [
    { layer: ahead, path: 'forward.', torch: '', keras: `forward_${name}.` },
    { layer: behind, path: 'backward.', torch: '_reverse', keras: `backward_${name}.` },
  ];
}

/** What a file has for the weights of a recurrent layer. */
export function recurrentWeights(
  layer: Lstm | Gru | Bidirectional<Lstm | Gru>,
  prefix: string,
  layout: 'torch' | 'keras',
): readonly StoredWeight[] {
  return waysOf(layer).flatMap((way) => (layout === 'keras' ? inKeras(way, prefix) : inTorch(way, prefix)));
}

/** The weights of one direction by their names here. */
function owned({ weight, recurrent, bias }: Lstm | Gru): readonly (readonly [string, Weight])[] {
  return [['weight', weight], ['recurrent', recurrent], ...(bias === null ? [] : [['bias', bias] as const])];
}

const kerasNames: Readonly<Record<string, string>> = { weight: 'kernel', recurrent: 'recurrent_kernel' };

function inKeras({ layer, path, keras }: Way, prefix: string): readonly StoredWeight[] {
  return owned(layer).map(([name, weight]) => ({
    path: `${prefix}${path}${name}`,
    weight,
    names: [`${prefix}${keras}${layer.cell.name}_cell.${kerasNames[name] ?? name}`],
    shape: weight.shape,
    place: (tensor) => tensor,
  }));
}

function inTorch({ layer, path, torch }: Way, prefix: string): readonly StoredWeight[] {
  const gates = layer.cell.gates * layer.options.units;
  const order = layer instanceof Gru ? [1, 0, 2] : [0, 1, 2, 3];
  const nameOf = (kind: string, of: string): readonly string[] => [`${prefix}${kind}_${of}_l0${torch}`];
  const matrix = (name: string, weight: Weight, of: string): StoredWeight => ({
    path: `${prefix}${path}${name}`,
    weight,
    names: nameOf('weight', of),
    shape: [gates, weight.shape[0] ?? 1],
    place: (tensor) => transposed(inOrder(tensor, order), [1, 0]),
  });
  return [
    matrix('weight', layer.weight, 'ih'),
    matrix('recurrent', layer.recurrent, 'hh'),
    ...(layer.bias === null ? [] : biases(layer.bias, `${prefix}${path}bias`, gates, order, nameOf)),
  ];
}

/** Blocks along the first axis in another order: block i of the result is block `order[i]` of the tensor. */
function inOrder({ dtype, shape, values }: HostTensor, order: readonly number[]): HostTensor {
  const size = values.length / order.length;
  const moved = values.slice();
  order.forEach((from, to) => moved.set(values.subarray(from * size, (from + 1) * size), to * size));
  return { dtype, shape, values: moved };
}

/** Two tensors of a file that make one weight: each is added to what is there so far. */
function biases(
  weight: Weight,
  path: string,
  gates: number,
  order: readonly number[],
  nameOf: (kind: string, of: string) => readonly string[],
): readonly StoredWeight[] {
  const { shape } = weight;
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  return ['ih', 'hh'].map((of, row) => ({
    path,
    weight,
    names: nameOf('bias', of),
    shape: [gates],
    place: (tensor) => {
      const from = shape.length === 2 ? row * gates : 0;
      inOrder(tensor, order).values.forEach((value, index) => {
        values[from + index] = (values[from + index] ?? 0) + value;
      });
      return { dtype: 'f32', shape, values: values.slice() };
    },
  }));
}
