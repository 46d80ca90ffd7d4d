/** Every way to run a step, side by side in one process, and how near their results must be. */
import { expect } from 'vitest';
import { createEmbeddedEngine } from '../../src/runtime/engine/embedded.js';
import type { Engine, HostTensor, StepClock } from '../../src/runtime/engine/engine.js';
import { createNativeEngine } from '../engine-under-test.js';

export interface AllEngines {
  readonly embedded: Engine;
  readonly eager: Engine;
  readonly graph: Engine;
  readonly xla: Engine;
}

export async function allEngines(): Promise<AllEngines> {
  return {
    embedded: await createEmbeddedEngine(),
    eager: await createNativeEngine('eager'),
    graph: await createNativeEngine('graph'),
    xla: await createNativeEngine('xla'),
  };
}

export const clockAt = (step: number, more: Partial<StepClock> = {}): StepClock => ({
  seed: 7,
  step,
  micro: 0,
  rowOffset: 0,
  ...more,
});

export function f32(shape: readonly number[], values: Iterable<number>): HostTensor {
  return { dtype: 'f32', shape, values: Float32Array.from(values) };
}

export function i32(shape: readonly number[], values: Iterable<number>): HostTensor {
  return { dtype: 'i32', shape, values: Int32Array.from(values) };
}

export function bool(shape: readonly number[], values: Iterable<number>): HostTensor {
  return { dtype: 'bool', shape, values: Uint8Array.from(values) };
}

/**
 * The largest difference between two lists of values, as a share of the largest finite one of `wanted`. NaN equals NaN and
 * infinity itself; all else of them is an infinite difference.
 */
export function difference(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Infinity;
  let scale = 0;
  let most = 0;
  for (let i = 0; i < wanted.length; i++) {
    const a = got[i] ?? Number.NaN;
    const b = wanted[i] ?? Number.NaN;
    if (Number.isFinite(b)) scale = Math.max(scale, Math.abs(b));
    if (Object.is(a, b) || a === b) continue;
    const distance = Math.abs(a - b);
    most = Math.max(most, Number.isNaN(distance) ? Infinity : distance);
  }
  return most / Math.max(scale, 1e-3);
}

/** Types and shapes equal, whole numbers and truths exactly, floats to `tolerance` of the largest. */
export function expectNear(
  got: readonly HostTensor[],
  wanted: readonly HostTensor[],
  tolerance: number,
  what: string,
): void {
  const kind = (list: readonly HostTensor[]): unknown => list.map(({ dtype, shape }) => ({ dtype, shape }));
  expect(kind(got), what).toEqual(kind(wanted));
  wanted.forEach(({ dtype, values }, index) => {
    const own = got[index]?.values ?? [];
    const message = `${what}, output ${index}: ${[...own].slice(0, 6).join(' ')} for ${[...values].slice(0, 6).join(' ')}`;
    expect(difference(own, values), message).toBeLessThanOrEqual(dtype === 'f32' ? tolerance : 0);
  });
}
