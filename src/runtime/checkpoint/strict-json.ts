/**
 * JSON into maps, refusing duplicate keys: `JSON.parse` keeps the last one silently and makes `__proto__` a key that later
 * copies turn into a prototype. Only what headers and manifests need; nesting is bounded.
 */

import type { Json } from '../addons/addon.js';

export type StrictValue =
  null | boolean | number | string | readonly StrictValue[] | ReadonlyMap<string, StrictValue>;

/** Maps as records: every key is the record's own, `__proto__` too. */
export function plainJson(value: StrictValue): Json {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, each]: [string, StrictValue]) => [key, plainJson(each)]));
  if (isList(value)) return value.map(plainJson);
  return isPlain(value) ? value : null;
}

const isList = (value: StrictValue): value is readonly StrictValue[] => Array.isArray(value);
const isPlain = (value: StrictValue): value is null | boolean | number | string =>
  value === null || typeof value !== 'object';

const deepest = 64;

/**
 * Parses a whole text. Throws a SyntaxError that names the place. `whole`: numbers are whole and written so, without a fraction or an
 * exponent.
 */
export function parseStrictJson(text: string, whole = false): StrictValue {
  const reader = new Reader(text, whole);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly whole: boolean,
  ) {}

  value(depth: number): StrictValue {
    if (depth > deepest) this.#fail(`nested more than ${deepest} deep`);
    this.#space();
    const next = this.text[this.#at];
    if (next === '{') return this.#object(depth);
    if (next === '[') return this.#list(depth);
    if (next === '"') return this.#string();
    return this.#word();
  }

  end(): void {
    this.#space();
    if (this.#at < this.text.length) this.#fail('more text after the end');
  }

  #object(depth: number): ReadonlyMap<string, StrictValue> {
    const entries = new Map<string, StrictValue>();
    this.#expect('{');
    this.#space();
    if (this.#take('}')) return entries;
    do {
      this.#space();
      const key = this.#string();
      if (entries.has(key)) this.#fail(`the key ${JSON.stringify(key)} stands twice`);
      this.#space();
      this.#expect(':');
      entries.set(key, this.value(depth + 1));
      this.#space();
    } while (this.#take(','));
    this.#expect('}');
    return entries;
  }

  #list(depth: number): readonly StrictValue[] {
    const items: StrictValue[] = [];
    this.#expect('[');
    this.#space();
    if (this.#take(']')) return items;
    do {
      items.push(this.value(depth + 1));
      this.#space();
    } while (this.#take(','));
    this.#expect(']');
    return items;
  }

  #string(): string {
    const pattern = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found === undefined) this.#fail('a text was expected');
    this.#at += found.length;
    const value: unknown = JSON.parse(found);
    if (typeof value !== 'string') this.#fail('a text was expected');
    // Half of a pair has no UTF-8: what were written again would be another text.
    if (/\p{Surrogate}/u.test(value)) this.#fail('half of a surrogate pair stands alone in a text');
    return value;
  }

  #word(): StrictValue {
    const pattern = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found === undefined || found === '') this.#fail('a value was expected');
    if (this.whole && /[.eE]/.test(found) && /^[-\d]/.test(found))
      this.#fail(`${found} is not written as a whole number`);
    this.#at += found.length;
    if (found === 'true') return true;
    if (found === 'false') return false;
    return found === 'null' ? null : Number(found);
  }

  #space(): void {
    while (' \t\n\r'.includes(this.text[this.#at] ?? '.')) this.#at += 1;
  }

  #take(letter: string): boolean {
    if (this.text[this.#at] !== letter) return false;
    this.#at += 1;
    return true;
  }

  #expect(letter: string): void {
    if (!this.#take(letter)) this.#fail(`${JSON.stringify(letter)} was expected`);
  }

  #fail(problem: string): never {
    throw new SyntaxError(`${problem} at character ${this.#at}`);
  }
}
