/** How much of the time the native library has, so that the rest is the host's. */
import type { Engine } from '../src/runtime/engine/engine.js';

export interface CallTime {
  /** Milliseconds in calls of the library's `TFE_Execute` so far; NaN where the engine has none. */
  milliseconds(): number;
}

type Execute = (...args: readonly unknown[]) => unknown;

/** From now on, times each call of the engine's library that runs something. */
export function timeCalls(engine: Engine): CallTime {
  const api = propertyOf(propertyOf(propertyOf(engine, 'tensorflow'), 'library'), 'api');
  const execute = propertyOf(api, 'TFE_Execute');
  if (typeof api !== 'object' || api === null || !isExecute(execute))
    return { milliseconds: () => Number.NaN };
  let total = 0;
  const counted: Execute = (...args) => {
    const from = performance.now();
    try {
      return execute(...args);
    } finally {
      total += performance.now() - from;
    }
  };
  Object.assign(api, { TFE_Execute: counted });
  return { milliseconds: () => total };
}

function propertyOf(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;
}

function isExecute(value: unknown): value is Execute {
  return typeof value === 'function';
}
