/** Attention over [batch, heads, positions, size]. */
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { add, mul } from './arithmetic.js';
import { requireFloat, requireRank, requireWhole, run, sizeAt, tensorText, toFloat } from './kernel.js';
import { matmul } from './matmul.js';
import { range, reshape, stopGradient, transpose } from './shapes.js';

/** [b, t, d] to [b, heads, t, d / heads]. */
export function splitHeads(x: Tensor3D, { heads }: { readonly heads: number }): Tensor4D {
  requireWhole('splitHeads', 'heads', heads, 1);
  requireRank('splitHeads', x, 3);
  const [batch, positions, width] = x.shape;
  if (width % heads !== 0) {
    throw new Error(`splitHeads cannot split the last axis of ${tensorText(x)} into ${heads} heads`);
  }
  return transpose(reshape(x, { shape: [batch, positions, heads, width / heads] }), { axes: [0, 2, 1, 3] });
}

/** [b, heads, t, s] to [b, t, heads · s]. */
export function mergeHeads(x: Tensor4D): Tensor3D {
  requireRank('mergeHeads', x, 4);
  const [batch, heads, positions, size] = x.shape;
  return reshape(transpose(x, { axes: [0, 2, 1, 3] }), { shape: [batch, positions, heads * size] });
}

/** Scores of positions after the row's own replaced by -1e9, so that softmax gives them 0. */
export function causalMask<T extends Tensor>(scores: T): T {
  requireFloat('causalMask', scores, 'scores');
  const positions = scores.rank < 2 ? 0 : sizeAt(scores.shape, -1);
  if (positions === 0 || sizeAt(scores.shape, -2) !== positions) {
    throw new Error(`causalMask needs scores of equal last axes, but ${tensorText(scores)} arrived`);
  }
  const seen = stopGradient(causal(positions));
  return add<T>(mul<T>(scores, seen), mul(add(seen, -1), 1e9));
}

/** 1 where the column is not after the row, else 0. */
function causal(positions: number): Tensor {
  const column: Tensor = range({ count: positions });
  const row: Tensor = reshape(column, { shape: [positions, 1] });
  return toFloat(run<Tensor>('GreaterEqual', { a: row, b: column }));
}

/** softmax(q · kᵀ / √s) · v (Vaswani et al., "Attention is all you need", 2017). */
export function attention(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  { causal: masked = false }: { readonly causal?: boolean } = {},
): Tensor4D {
  for (const [name, x] of Object.entries({ q, k, v })) {
    requireRank('attention', x, 4, name);
  }
  const scores = matmul<Tensor4D>(mul(q, 1 / Math.sqrt(q.shape[3])), k, { transposeB: true });
  const logits = masked ? causalMask(scores) : scores;
  return matmul(run('Softmax', { logits }, { dim: 3 }), v);
}
