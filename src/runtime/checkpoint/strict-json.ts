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
 * A copy of a value that is made of what JSON can hold, which no later change of the value reaches. Throws an Error that names the place
 * (`at.mean[2]`) of what would not be read back as it is: a number that is not finite, an object of a class, half of a surrogate pair,
 * more than 64 levels (as where something holds itself). A field that is undefined is left out.
 */
export function jsonCopy(value: unknown, at: string): Json {
  try {
    return copyOf(value, 0);
  } catch (error) {
    throw error instanceof NotJson ? error.at(at) : error;
  }
}

/** What JSON does not hold. Where it is becomes known on the way out: a copy that goes well, as before each step, makes no texts of places. */
class NotJson extends Error {
  constructor(
    private readonly what: string,
    private readonly place = '',
  ) {
    super(what);
  }

  below(part: string): NotJson {
    return new NotJson(this.what, `${part}${this.place}`);
  }

  at(top: string): Error {
    return new Error(`${top}${this.place} ${this.what}`);
  }
}

const refused = (what: string): NotJson =>
  new NotJson(`is ${what}, which JSON does not hold; keep it in another form, a number as text`);

function copyOf(value: unknown, depth: number): Json {
  if (depth > deepest) throw refused(`nested more than ${deepest} deep`);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refused(String(value));
    return value;
  }
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    if (hasHalfPair(value)) throw refused('a text with half a surrogate pair');
    return value;
  }
  if (Array.isArray(value)) return listOf(value, depth + 1);
  if (typeof value !== 'object') throw refused(value === undefined ? 'undefined' : `a ${typeof value}`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw refused(`of the class ${value.constructor.name}`);
  return recordOf(value, depth + 1);
}

function listOf(values: readonly unknown[], depth: number): Json {
  let index = 0;
  try {
    const copied: Json[] = [];
    for (; index < values.length; index += 1) copied.push(copyOf(values[index], depth));
    return copied;
  } catch (error) {
    throw error instanceof NotJson ? error.below(`[${index}]`) : error;
  }
}

function recordOf(value: object, depth: number): Json {
  let part = '';
  try {
    const copied: Record<string, Json> = {};
    for (const [key, each] of Object.entries(value)) {
      if (each === undefined) continue;
      part = '';
      if (hasHalfPair(key))
        throw new NotJson('has a key with half a surrogate pair, which JSON does not hold');
      part = `.${key}`;
      const own = copyOf(each, depth);
      // Assigned, this one would be the prototype.
      if (key === '__proto__')
        Object.defineProperty(copied, key, {
          value: own,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      else copied[key] = own;
    }
    return copied;
  } catch (error) {
    throw error instanceof NotJson ? error.below(part) : error;
  }
}

/** JSON that the reader gives back as it was, a zero below 0 too. A list of plain values stands in one line, however long it is. */
export function jsonText(value: Json, indent = ''): string {
  const inner = `${indent}  `;
  if (Object.is(value, -0)) return '-0';
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isItems(value)) {
    if (value.every((each) => each === null || typeof each !== 'object'))
      return `[${value.map((each) => jsonText(each)).join(',')}]`;
    return `[\n${value.map((each) => `${inner}${jsonText(each, inner)}`).join(',\n')}\n${indent}]`;
  }
  const fields = Object.entries(value).map(
    ([key, each]) => `${inner}${JSON.stringify(key)}: ${jsonText(each, inner)}`,
  );
  return fields.length === 0 ? '{}' : `{\n${fields.join(',\n')}\n${indent}}`;
}

const isItems = (value: Json): value is readonly Json[] => Array.isArray(value);

// Half of a pair has no UTF-8: what were written again would be another text. Without any surrogate there is none, which is soon seen.
const hasHalfPair = (text: string): boolean => /[\ud800-\udfff]/.test(text) && /\p{Surrogate}/u.test(text);

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

/**
 * The same of a text that `JSON.stringify` has most likely written, with an indent of two or none: a third faster where it has, a third
 * slower where not. What it would write again as it stands has no key twice and no number that is written in another way.
 */
export function parseWrittenJson(text: string, whole = false): StrictValue {
  // It writes half of a surrogate pair as such an escape.
  return (text.includes('\\u') ? undefined : asWritten(text, whole)) ?? parseStrictJson(text, whole);
}

/** Undefined where the text has to be looked at, or is refused. */
function asWritten(text: string, whole: boolean): StrictValue | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const written = JSON.stringify(value, null, text.startsWith('{\n') ? 2 : 0);
    const isSame = text.startsWith(written) && /^[ \n\r\t]*$/.test(text.slice(written.length));
    return isSame ? strictOf(value, whole, 0) : undefined;
  } catch {
    return undefined;
  }
}

/** What `JSON.parse` gave, with its records as maps. Throws where a reader would. */
function strictOf(value: unknown, whole: boolean, depth: number): StrictValue {
  if (depth > deepest) throw new Error('nested too deep');
  if (typeof value === 'number' && whole && !Number.isSafeInteger(value)) throw new Error('not whole');
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  if (Array.isArray(value)) return value.map((each: unknown) => strictOf(each, whole, depth + 1));
  const fields = new Map<string, StrictValue>();
  for (const [key, each] of Object.entries(value ?? {})) fields.set(key, strictOf(each, whole, depth + 1));
  return fields;
}

const code = {
  quote: 0x22,
  comma: 0x2c,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  openList: 0x5b,
  closeList: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const;

/** What a text holds that does not stand for itself, or must not stand there: an escape, a control character, half of a pair. */
const isSpecial = /[\\\u0000-\u001f\ud800-\udfff]/;

const word = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** A part of a text of up to so many characters may keep all of it in memory; of a longer one it is copied. */
const heldLength = 2 ** 20;

/** A whole number of so many digits is a safe one. */
const safeDigits = 15;

/** Looks at characters as codes: a head of a file with many tensors has tens of thousands of values, read before anything is compiled. */
class Reader {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly whole: boolean,
  ) {}

  value(depth: number): StrictValue {
    if (depth > deepest) this.#fail(`nested more than ${deepest} deep`);
    this.#space();
    const next = this.text.charCodeAt(this.#at);
    if (next === code.quote) return this.#string();
    if (next === code.openObject) return this.#object(depth);
    if (next === code.openList) return this.#list(depth);
    return this.#plainNumber() ?? this.#word();
  }

  end(): void {
    this.#space();
    if (this.#at < this.text.length) this.#fail('more text after the end');
  }

  #object(depth: number): ReadonlyMap<string, StrictValue> {
    const entries = new Map<string, StrictValue>();
    this.#expect(code.openObject);
    this.#space();
    if (this.#take(code.closeObject)) return entries;
    do {
      this.#space();
      const key = this.#string();
      if (entries.has(key)) this.#fail(`the key ${JSON.stringify(key)} stands twice`);
      this.#space();
      this.#expect(code.colon);
      entries.set(key, this.value(depth + 1));
      this.#space();
    } while (this.#take(code.comma));
    this.#expect(code.closeObject);
    return entries;
  }

  #list(depth: number): readonly StrictValue[] {
    const items: StrictValue[] = [];
    this.#expect(code.openList);
    this.#space();
    if (this.#take(code.closeList)) return items;
    do {
      items.push(this.value(depth + 1));
      this.#space();
    } while (this.#take(code.comma));
    this.#expect(code.closeList);
    return items;
  }

  /** From quote to quote: a pattern's repetition overflows the stack on a text of millions of letters. */
  #string(): string {
    const { text } = this;
    const start = this.#at;
    if (text.charCodeAt(start) !== code.quote) this.#fail('a text was expected');
    let at = text.indexOf('"', start + 1);
    if (at < 0) this.#fail('a text was expected');
    if (text.length <= heldLength) {
      const plain = text.slice(start + 1, at);
      if (!isSpecial.test(plain)) {
        this.#at = at + 1;
        return plain;
      }
    }
    while (this.#isEscaped(at, start)) {
      at = text.indexOf('"', at + 1);
      if (at < 0) this.#fail('a text was expected');
    }
    let value: unknown;
    try {
      value = JSON.parse(text.slice(start, at + 1));
    } catch {
      this.#fail('a text was expected');
    }
    if (typeof value !== 'string') this.#fail('a text was expected');
    if (hasHalfPair(value)) this.#fail('half of a surrogate pair stands alone in a text');
    this.#at = at + 1;
    return value;
  }

  /** Whether an odd number of backslashes stands before a place, none before `from`. */
  #isEscaped(at: number, from: number): boolean {
    let first = at;
    while (first - 1 > from && this.text[first - 1] === '\\') first -= 1;
    return (at - first) % 2 === 1;
  }

  /** A number of few digits and nothing else, as sizes and places are; null where it is another, or none. */
  #plainNumber(): number | null {
    const { text } = this;
    const start = this.#at;
    let at = start;
    let value = 0;
    let next = text.charCodeAt(at);
    while (next >= code.zero && next <= code.nine) {
      value = value * 10 + (next - code.zero);
      at += 1;
      next = text.charCodeAt(at);
    }
    const digits = at - start;
    if (digits === 0 || digits > safeDigits) return null;
    // A zero that others follow, a fraction and an exponent are looked at by the pattern.
    if (digits > 1 && text.charCodeAt(start) === code.zero) return null;
    if (next !== code.comma && next !== code.closeList && next !== code.closeObject) return null;
    this.#at = at;
    return value;
  }

  #word(): StrictValue {
    word.lastIndex = this.#at;
    const [found] = word.exec(this.text) ?? [];
    if (found === undefined || found === '') this.#fail('a value was expected');
    if (this.whole && /[.eE]/.test(found) && /^[-\d]/.test(found))
      this.#fail(`${found} is not written as a whole number`);
    this.#at += found.length;
    if (found === 'true') return true;
    if (found === 'false') return false;
    return found === 'null' ? null : Number(found);
  }

  #space(): void {
    const { text } = this;
    let at = this.#at;
    for (;;) {
      const next = text.charCodeAt(at);
      if (next !== 0x20 && next !== 0x0a && next !== 0x0d && next !== 0x09) break;
      at += 1;
    }
    this.#at = at;
  }

  #take(letter: number): boolean {
    if (this.text.charCodeAt(this.#at) !== letter) return false;
    this.#at += 1;
    return true;
  }

  #expect(letter: number): void {
    if (!this.#take(letter)) this.#fail(`${JSON.stringify(String.fromCharCode(letter))} was expected`);
  }

  #fail(problem: string): never {
    throw new SyntaxError(`${problem} at character ${this.#at}`);
  }
}
