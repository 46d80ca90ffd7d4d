import { expect, test } from 'vitest';
import { allFinite } from '../../src/runtime/engine/finite.js';

test('one value that is not finite is found wherever it stands', () => {
  for (const size of [0, 1, 3, 4, 5, 11]) {
    const values = Float32Array.from({ length: size }, (_, at) => [3e38, -3e38, 1e-45, -0][at % 4] ?? 0);
    expect(allFinite(values)).toBe(true);
    for (let at = 0; at < size; at += 1)
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
        expect(allFinite(values.with(at, wrong))).toBe(false);
  }
  // Not even opposite ones side by side.
  expect(allFinite(Float32Array.of(Infinity, -Infinity, -Infinity, Infinity))).toBe(false);
  expect(allFinite(Int32Array.of(-(2 ** 31)))).toBe(true);
  expect(allFinite(Uint8Array.of(255))).toBe(true);
});
