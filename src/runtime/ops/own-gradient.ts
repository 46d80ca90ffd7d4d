/** Ops that know their gradient better than their parts do. */
import { customGrad, type Tensor } from '@tensorflow/tfjs-core';
import { isRecording } from '../engine/tape.js';
import { ranked } from '../tensor.js';

/**
 * Runs `forward` as one op of `inputs`. `saved` are intermediates that `backward` needs; the inputs themselves need no
 * saving. `backward` returns one gradient for each input. `again` gives the same where the gradient is a value that has gradients
 * itself: it is made of the inputs and of dy by ops that are recorded, and of nothing that was saved.
 */
export function ownGradient<R extends Tensor>(
  inputs: readonly Tensor[],
  forward: () => { readonly value: Tensor; readonly saved: readonly Tensor[] },
  backward: (dy: Tensor, saved: readonly Tensor[]) => readonly Tensor[],
  again: (dy: Tensor) => readonly Tensor[],
): R {
  const op = customGrad((...given) => {
    const save = given.at(-1);
    const { value, saved } = forward();
    if (typeof save === 'function') {
      save([...saved]);
    }
    return {
      value,
      gradFunc: (dy: Tensor, kept: Tensor[]) => [...(isRecording() ? again(dy) : backward(dy, kept))],
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
