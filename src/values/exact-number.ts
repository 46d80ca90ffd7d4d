/** Numbers in JSON that come back as they were: JSON has no NaN, no infinities, and no zero below 0. */

/** A number, or the text that stands for one. */
export type ExactNumber = number | 'NaN' | 'Infinity' | '-Infinity' | '-0';

export function exactNumber(value: number): ExactNumber {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return 'Infinity';
  if (value === Number.NEGATIVE_INFINITY) return '-Infinity';
  return Object.is(value, -0) ? '-0' : value;
}

/** Throws where it is none. */
export function fromExactNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity' || value === '-0')
    return Number(value);
  throw new Error(`a number was expected, got ${JSON.stringify(value) ?? 'nothing'}`);
}

/** Throws where one of them is none. */
export function fromExactNumbers(values: unknown): readonly number[] {
  if (!Array.isArray(values))
    throw new Error(`a list of numbers was expected, got ${JSON.stringify(values)}`);
  return values.map(fromExactNumber);
}
