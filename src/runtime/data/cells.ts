/**
 * Texts and JSON values to numbers, by a field's type. What does not fit throws a `Misfit`, which the source's reader
 * completes with the place; nothing is rounded, cut or guessed.
 */
import { fits, rangeText, type FieldType, type TextField } from './record.js';

/** Why one value does not fit its field. */
export class Misfit extends Error {}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const shown = 40;

/** The number that a cell of text stands for. */
export function parseCell(field: FieldType, cell: string): number {
  const text = cell.trim();
  if (field.choices !== undefined) return parseChoice(field.choices, text);
  if (text === '') throw new Misfit(`the cell is empty, where ${rangeText(field.dtype)} is wanted`);
  if (field.dtype === 'bool') {
    const lower = text.toLowerCase();
    if (lower === 'true' || lower === '1') return 1;
    if (lower === 'false' || lower === '0') return 0;
    throw new Misfit(`${quote(text)} is not ${rangeText('bool')}`);
  }
  const value = decimal.test(text) ? Number(text) : Number.NaN;
  if (!fits(field.dtype, value)) throw new Misfit(`${quote(text)} is not ${rangeText(field.dtype)}`);
  return value;
}

/** Where the numbers of a JSON value go; `gaps` gets a 1 for each that is missing, in a field in which some may be. */
export interface JsonOut {
  readonly values: number[];
  readonly gaps: number[];
}

/** The numbers of a JSON value, row-major, pushed to `out`. Its nesting must be the field's shape. */
export function pushJson(field: FieldType, value: unknown, out: JsonOut, depth = 0, at = ''): void {
  const size = field.shape[depth];
  if (field.missing === true && (value === null || (value === undefined && depth === 0))) {
    const count = field.shape.slice(depth).reduce((all, one) => all * one, 1);
    for (let i = 0; i < count; i += 1) {
      out.values.push(0);
      out.gaps.push(1);
    }
    return;
  }
  if (size === undefined) {
    out.values.push(jsonNumber(field, value, at));
    if (field.missing === true) out.gaps.push(0);
    return;
  }
  if (!Array.isArray(value)) {
    throw new Misfit(`${place(at)}a list of ${size} is wanted, got ${jsonText(value)}`);
  }
  if (value.length !== size) {
    throw new Misfit(`${place(at)}a list of ${size} is wanted, got one of ${value.length}`);
  }
  value.forEach((item: unknown, i) => {
    pushJson(field, item, out, depth + 1, `${at}[${i}]`);
  });
}

function jsonNumber(field: FieldType, value: unknown, at: string): number {
  if (field.choices !== undefined) {
    if (typeof value === 'string') return parseChoice(field.choices, value);
    throw new Misfit(`${place(at)}a text is wanted, one of ${listed(field.choices)}, got ${jsonText(value)}`);
  }
  const number = field.dtype === 'bool' && typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number' || !fits(field.dtype, number)) {
    throw new Misfit(`${place(at)}${jsonText(value)} is not ${rangeText(field.dtype)}`);
  }
  return number;
}

/** A text of a field, as it stands in the file. */
export function checkText({ dtype }: TextField, text: string): string {
  if (dtype === 'string') return text;
  if (text.trim() === '') throw new Misfit('the cell is empty, where a path is wanted');
  if (text.includes('\0')) throw new Misfit(`${JSON.stringify(text)} is no path`);
  return text;
}

/** The texts of a JSON value and the sizes of its lists, which the field may leave open. */
export function jsonTexts(field: TextField, value: unknown): Sized<string> {
  return sized(field.shape, value, (item, at) => {
    if (typeof item !== 'string') throw new Misfit(`${place(at)}a text is wanted, got ${jsonText(item)}`);
    return checkText(field, item);
  });
}

/** The numbers of a JSON value and the sizes of its lists, which the field may leave open. */
export function jsonNumbers(field: FieldType, value: unknown): Sized<number> {
  return sized(field.shape, value, (item, at) => jsonNumber(field, item, at));
}

export interface Sized<T> {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: readonly T[];
}

/** The items of nested lists. A size of -1 is that of the first list there, and all others have it too. */
function sized<T>(
  wanted: readonly number[],
  whole: unknown,
  read: (item: unknown, at: string) => T,
): Sized<T> {
  const shape = [...wanted];
  const values: T[] = [];
  const visit = (value: unknown, depth: number, at: string): void => {
    const size = shape[depth];
    if (size === undefined) {
      values.push(read(value, at));
      return;
    }
    const many = size === -1 ? 'a list' : `a list of ${size}`;
    if (!Array.isArray(value)) throw new Misfit(`${place(at)}${many} is wanted, got ${jsonText(value)}`);
    if (size === -1) shape[depth] = value.length;
    else if (value.length !== size)
      throw new Misfit(`${place(at)}${many} is wanted, got one of ${value.length}`);
    value.forEach((item: unknown, index) => {
      visit(item, depth + 1, `${at}[${index}]`);
    });
  };
  visit(whole, 0, '');
  return { shape: shape.map((size) => Math.max(0, size)), values };
}

function parseChoice(choices: readonly string[], text: string): number {
  const index = choices.indexOf(text);
  if (index < 0) throw new Misfit(`${quote(text)} is not one of ${listed(choices)}`);
  return index;
}

function place(at: string): string {
  return at === '' ? '' : `at ${at}: `;
}

function quote(text: string): string {
  return `'${text.length > shown ? `${text.slice(0, shown)}…` : text}'`;
}

function jsonText(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > shown ? `${text.slice(0, shown)}…` : text;
}

/** Names for a message, at most twelve. */
export function listed(names: readonly string[]): string {
  const some = names.slice(0, 12).map((name) => `'${name}'`);
  return names.length > 12 ? `${some.join(', ')}, … (${names.length})` : some.join(', ');
}
