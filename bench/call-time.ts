/** How much of the time the native library has, so that the rest is the host's. */
import type { Engine } from '../src/runtime/engine/engine.js';

export interface CallTime {
  /** Milliseconds in calls of the library's `TFE_Execute` so far; NaN where the engine has none. */
  milliseconds(): number;
}

type Execute = (...args: readonly unknown[]) => unknown;

/** From now on, times each call of the engine's library that runs something, in this thread or another. */
export function timeCalls(engine: Engine): CallTime {
  const library = propertyOf(propertyOf(engine, 'tensorflow'), 'library');
  let total = 0;
  const counted =
    (execute: Execute): Execute =>
    (...args) => {
      const from = performance.now();
      const add = (): void => {
        total += performance.now() - from;
      };
      const result = execute(...args);
      if (result instanceof Promise) return result.finally(add);
      add();
      return result;
    };
  const found = [
    replace(propertyOf(library, 'api'), 'TFE_Execute', counted),
    replace(library, 'executeInBackground', counted),
  ];
  return { milliseconds: () => (found.includes(true) ? total : Number.NaN) };
}

function replace(object: unknown, name: string, by: (execute: Execute) => Execute): boolean {
  const execute = propertyOf(object, name);
  if (typeof object !== 'object' || object === null || !isExecute(execute)) return false;
  Object.assign(object, { [name]: by(execute) });
  return true;
}

function propertyOf(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;
}

function isExecute(value: unknown): value is Execute {
  return typeof value === 'function';
}
