/** What a live source keeps in checkpoints: plain JSON, copied, so that what is saved stays as it was. */
import type { Json } from '../addons/addon.js';

/** A copy of the state. Throws an Error that names the place of what JSON does not have. */
export function plainState(value: unknown, path: string): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value;
    throw new Error(`${path} is ${value}, which JSON does not have; keep a finite number, or null`);
  }
  if (Array.isArray(value)) return value.map((each: unknown, at) => plainState(each, `${path}[${at}]`));
  if (typeof value !== 'object') throw new Error(`${path} is ${typeof value}; keep plain JSON`);
  if (ArrayBuffer.isView(value))
    throw new Error(`${path} is a typed array, which JSON does not have; keep a list: Array.from(…)`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new Error(`${path} is an object of a class; keep plain JSON`);
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]: [string, unknown]): [string, Json][] =>
      each === undefined ? [] : [[key, plainState(each, `${path}.${key}`)]],
    ),
  );
}
