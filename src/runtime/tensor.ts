/** Tensor types of the runtime: the one place where generated code and add-ons get them from. */
import type { Rank, Tensor } from '@tensorflow/tfjs-core';

export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Tensor5D } from '@tensorflow/tfjs-core';

export type Tensor6D = Tensor<Rank.R6>;

/**
 * The same tensor under the rank that the caller knows it to have. The library's ops return tensors of unknown rank and
 * a rank exists in types only, so this is the one cast; whoever calls it has computed the shape.
 */
export function ranked<R extends Tensor>(x: Tensor): R {
  return x as R;
}
