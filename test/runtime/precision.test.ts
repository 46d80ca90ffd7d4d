/** What a precision means on a device, and that the device is asked only where it matters. */
import { expect, test, vi } from 'vitest';
import { tf } from '../../src/runtime/engine/tensorflow/element-types.js';
import { resolvePrecision } from '../../src/runtime/engine/tensorflow/precision.js';

test('f32 asks nobody for units', () => {
  const units = vi.fn(() => ({ bf16: true, f16: true }));
  expect(resolvePrecision('f32', units, 'this GPU', false)).toEqual({ type: null, note: null });
  expect(units).not.toHaveBeenCalled();
});

test.each([
  ['mixed', true, true, tf.bf16],
  ['mixed', false, true, tf.f16],
  ['bf16', true, true, tf.bf16],
  ['f16', true, true, tf.f16],
] as const)('%s with units for bf16 %s and f16 %s', (precision, bf16, f16, type) => {
  const units = (): { bf16: boolean; f16: boolean } => ({ bf16, f16 });
  expect(resolvePrecision(precision, units, 'this GPU', false)).toEqual({ type, note: null });
});

test('without units mixed is f32 and says so, and the others are refused unless forced', () => {
  const units = (): { bf16: boolean; f16: boolean } => ({ bf16: false, f16: false });
  expect(resolvePrecision('mixed', units, 'this CPU', false).note).toContain('this CPU has no units');
  expect(() => resolvePrecision('bf16', units, 'this CPU', false)).toThrow('this CPU has no units for it');
  expect(resolvePrecision('bf16', units, 'this CPU', true)).toEqual({ type: tf.bf16, note: null });
});
