/** Counts as messages, plans and tables have them. */

const format = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 });

/** `1,438`; `?` for what is no number. */
export const grouped = (value: number): string => (Number.isFinite(value) ? format.format(value) : '?');

/** `1 batch`, `1,438 batches`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;
