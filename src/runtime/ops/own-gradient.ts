/** Ops that know their gradient better than their parts do. */
import { customGrad, type Tensor } from '@tensorflow/tfjs-core';
import { ranked } from '../tensor.js';

/**
 * Runs `forward` as one op of `inputs`. `saved` are intermediates that `backward` needs; the inputs themselves need no
 * saving. `backward` returns one gradient for each input.
 */
export function ownGradient<R extends Tensor>(
  inputs: readonly Tensor[],
  forward: () => { readonly value: Tensor; readonly saved: readonly Tensor[] },
  backward: (dy: Tensor, saved: readonly Tensor[]) => readonly Tensor[],
): R {
  const op = customGrad((...given) => {
    const save = given.at(-1);
    const { value, saved } = forward();
    if (typeof save === 'function') {
      save([...saved]);
    }
    return {
      value,
      gradFunc: (dy: Tensor, kept: Tensor[]) => [...backward(dy, kept)],
    };
  });
  return ranked<R>(op(...inputs));
}

/** The saved tensor of that number. */
export function savedAt(saved: readonly Tensor[], index: number): Tensor {
  const tensor = saved[index];
  if (tensor === undefined) {
    throw new Error(`an op saved ${saved.length} tensors for its gradient, but needs number ${index}`);
  }
  return tensor;
}
