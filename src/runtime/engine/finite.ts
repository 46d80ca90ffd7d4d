/** Whether numbers are finite, at the speed of memory: checkpoints ask it of every weight. */
import type { Values } from './engine.js';

/** Whether none of the values is NaN or infinite. */
export function allFinite(values: Values): boolean {
  if (!(values instanceof Float32Array)) return true;
  // 0 times a number is 0 unless it is NaN or infinite; four sums, for none waits for another.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let at = 0; at < whole; at += 4) {
    a += (values[at] ?? 0) * 0;
    b += (values[at + 1] ?? 0) * 0;
    c += (values[at + 2] ?? 0) * 0;
    d += (values[at + 3] ?? 0) * 0;
  }
  for (let at = whole; at < values.length; at += 1) a += (values[at] ?? 0) * 0;
  return a + b + c + d === 0;
}
