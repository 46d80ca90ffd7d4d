/**
 * What built-in add-ons keep in `state.json`, to the bit: JSON has no NaN, no infinities and no negative zero, so that these are
 * written as texts. Other numbers are written by JavaScript as the shortest decimal that reads back as the same number.
 */
import type { Json } from './addon.js';

/** A number as JSON that `numberIn` reads back as the same. */
export function exactly(value: number): Json {
  return Number.isFinite(value) && !Object.is(value, -0)
    ? value
    : Object.is(value, -0)
      ? '-0'
      : String(value);
}

type Fields = Readonly<Record<string, Json>>;

function isRecord(state: Json | undefined): state is Fields {
  return typeof state === 'object' && state !== null && !Array.isArray(state);
}

const shown = (value: Json | undefined): string => (value === undefined ? 'nothing' : JSON.stringify(value));

/** The fields of a state. Throws where it is none, or lacks one of these. */
export function fieldsOf(state: Json | undefined, names: readonly string[]): Fields {
  if (!isRecord(state)) throw new Error(`a record was expected, got ${shown(state)}`);
  const missing = names.filter((name) => state[name] === undefined);
  if (missing.length > 0) throw new Error(`${missing.join(', ')} is missing in ${shown(state)}`);
  return state;
}

/** A number as `exactly` wrote it. Throws for anything else. */
export function numberIn(state: Fields, name: string): number {
  const value = state[name];
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity' || value === '-0')
    return Number(value);
  throw new Error(`${name} is ${shown(value)}, not a number`);
}

/** A whole number of at least 0. Throws for anything else. */
export function countIn(state: Fields, name: string): number {
  const value = state[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`${name} is ${shown(value)}, not a whole number of at least 0`);
}

/** Null, or what `read` makes of a field that is there. */
export function maybeIn<T>(state: Fields, name: string, read: (state: Fields, name: string) => T): T | null {
  return state[name] === null ? null : read(state, name);
}

export function textIn(state: Fields, name: string): string {
  const value = state[name];
  if (typeof value === 'string') return value;
  throw new Error(`${name} is ${shown(value)}, not a text`);
}

export function flagIn(state: Fields, name: string): boolean {
  const value = state[name];
  if (typeof value === 'boolean') return value;
  throw new Error(`${name} is ${shown(value)}, not true or false`);
}

/** The items of a list, each read by `read` under a name for messages. */
export function listIn<T>(
  state: Fields,
  name: string,
  read: (state: Fields, name: string) => T,
): readonly T[] {
  const value = state[name];
  if (!isList(value)) throw new Error(`${name} is ${shown(value)}, not a list`);
  return value.map((item, index) => read({ [`${name}[${index}]`]: item }, `${name}[${index}]`));
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
