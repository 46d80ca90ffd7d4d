/** Gradients as values. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { gradientOnTape } from '../engine/differentiate.js';
import { ranked } from '../tensor.js';
import { requireFloat, tensorText } from './kernel.js';

export { recorded } from '../engine/tape.js';

/**
 * The gradient of `of`, one f32 number, by `by`, in the shape of `by`: a value that has gradients itself. What lies between the two
 * must be recorded: in an update it is, elsewhere within `recorded`.
 *
 * @throws where `of` does not depend on `by` through ops that have a gradient
 */
export function gradient<R extends Tensor>(of: Tensor, by: R): R {
  requireFloat('gradient', by, 'by');
  const found = gradientOnTape(of, by);
  if (found === null) {
    throw new Error(
      `gradient got a value that does not depend on \`by\`, ${tensorText(by)}, through ops that let a gradient pass; make it of that tensor itself, in the same update`,
    );
  }
  return ranked<R>(found);
}
