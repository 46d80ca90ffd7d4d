/** Axes of tensors on the host. */
import type { HostTensor } from '../engine/engine.js';

/** A tensor with its axes in another order: axis i of the result is axis `order[i]` of the tensor. */
export function transposed({ dtype, shape, values }: HostTensor, order: readonly number[]): HostTensor {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const made = order.map((axis) => shape[axis] ?? 1);
  const steps = order.map((axis) => strides[axis] ?? 0);
  const moved = values.slice();
  const at = made.map(() => 0);
  for (let index = 0, from = 0; index < moved.length; index += 1) {
    moved[index] = values[from] ?? 0;
    // Counts up in the last axis, and carries.
    for (let axis = made.length - 1; axis >= 0; axis -= 1) {
      const [step = 0, size = 1] = [steps[axis], made[axis]];
      const count = (at[axis] ?? 0) + 1;
      from += step;
      if (count < size) {
        at[axis] = count;
        break;
      }
      from -= step * size;
      at[axis] = 0;
    }
  }
  return { dtype, shape: made, values: moved };
}
