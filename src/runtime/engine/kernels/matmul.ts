/**
 * Matrix products. The backend is fast for one product without transposition only (12 ms against 198 for 12544×400 transposed ×
 * 32): operands are transposed first, and many products are done one by one.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { inputAt, sizeAlong, type Call, type Heap } from './heap.js';

/** The backend's own kernel, kept under this name. */
export const backendMatMul = 'BackendMatMul';

const asIs = { transposeA: false, transposeB: false };

function lastTwoSwapped(heap: Heap, x: TensorInfo): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  perm.splice(-2, 2, perm.length - 1, perm.length - 2);
  return heap.call('Transpose', { x }, { perm });
}

function sizes(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** a · b over the last two axes; the ones before broadcast where they are missing or 1. */
export function batchMatMul(call: Call): TensorInfo {
  const { heap } = call;
  const { transposeA, transposeB } = call.attributes;
  const given = inputAt(call, 'a');
  const other = inputAt(call, 'b');
  const a = transposeA === true ? lastTwoSwapped(heap, given) : given;
  const b = transposeB === true ? lastTwoSwapped(heap, other) : other;
  const rows = sizeAlong(a, a.shape.length - 2);
  const inner = sizeAlong(a, a.shape.length - 1);
  const columns = sizeAlong(b, b.shape.length - 1);
  const before = a.shape.slice(0, -2);
  const count = sizes(before);
  const same = before.length === b.shape.length - 2 && before.every((size, i) => size === b.shape[i]);
  if (count === 1 && sizes(b.shape.slice(0, -2)) === 1) {
    return heap.call(backendMatMul, { a, b }, asIs);
  }
  // A product this small costs less than a call of the fast kernel.
  if (!same || rows * inner * columns < 8192) {
    return heap.call(backendMatMul, { a, b }, asIs);
  }
  const out = heap.make([...before, rows, columns]);
  for (let i = 0; i < count; i++) {
    multiplyOne(heap, a, b, out, i, [rows, inner, columns]);
  }
  return out;
}

function multiplyOne(
  heap: Heap,
  a: TensorInfo,
  b: TensorInfo,
  out: TensorInfo,
  i: number,
  [rows, inner, columns]: readonly [number, number, number],
): void {
  const one = heap.part(a, i * rows * inner, [1, rows, inner]);
  const two = heap.part(b, i * inner * columns, [1, inner, columns]);
  const product = heap.call(backendMatMul, { a: one, b: two }, asIs);
  heap.floats(out).set(heap.floats(product), i * rows * columns);
  heap.free(one, two, product);
}
