/** Matrix products. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { mul } from './arithmetic.js';
import { requireFloat, run, shapeText, sizeAt, sizeOf, tensorText, toFloat } from './kernel.js';
import { reshape } from './shapes.js';

/** Matrix product over the last two axes; the ones before must be equal, or b has none. */
export function matmul<R extends Tensor>(
  a: Tensor,
  b: Tensor,
  { transposeB = false }: { readonly transposeB?: boolean } = {},
): R {
  requireFloat('matmul', a, 'a');
  requireFloat('matmul', b, 'b');
  if (a.rank < 2 || b.rank < 2) {
    throw new Error(`matmul needs at least two axes, but ${tensorText(a)} and ${tensorText(b)} arrived`);
  }
  const inner = sizeAt(b.shape, transposeB ? -1 : -2);
  const columns = sizeAt(b.shape, transposeB ? -2 : -1);
  const before = a.shape.slice(0, -2);
  if (
    sizeAt(a.shape, -1) !== inner ||
    (b.rank > 2 && shapeText(before) !== shapeText(b.shape.slice(0, -2)))
  ) {
    throw new Error(`matmul cannot multiply ${tensorText(a)} and ${tensorText(b)}`);
  }
  if (b.rank === 2 && a.rank > 2) {
    // One product of many rows instead of many products.
    const rows = reshape(a, { shape: [sizeOf(a.shape.slice(0, -1)), inner] });
    const product: Tensor = run('BatchMatMul', { a: rows, b }, { transposeA: false, transposeB });
    return reshape<R>(product, { shape: [...a.shape.slice(0, -1), columns] });
  }
  return run<R>('BatchMatMul', { a, b }, { transposeA: false, transposeB });
}

/** Each value of `a` times each of `b`, in f32. */
export function outer(a: Tensor, b: Tensor): Tensor2D {
  if (a.rank !== 1 || b.rank !== 1) {
    throw new Error(`outer needs two tensors of one axis, but ${tensorText(a)} and ${tensorText(b)} arrived`);
  }
  const column: Tensor2D = reshape(toFloat(a), { shape: [a.size, 1] });
  return mul<Tensor2D>(column, reshape<Tensor2D>(toFloat(b), { shape: [1, b.size] }));
}
