/**
 * How much of its data a run takes: limits by the kind of step, `overfit`, and what both leave of an epoch. Compiler and
 * runtime count with these alone, so that a plan says what a run does.
 */
import { showQuantity, type Quantity } from './units.js';

/** A part of an epoch's batches: so many of them, or a percentage, rounded down. */
export type Part = Quantity<'batches'> | Quantity<'percent'>;

/** Parts by the kind of step; what is not named is taken whole. */
export interface Limits {
  readonly train?: Part | null;
  readonly validate?: Part | null;
  readonly test?: Part | null;
  readonly predict?: Part | null;
}

/** Options of a trainer that say how much of its data a run takes. */
export interface Taken {
  readonly limit: Limits;
  /** Train and validate on this part alone, in the order of the source. */
  readonly overfit: Part | null;
}

// Products such as 0.333 * 3000 fall a little short of whole numbers.
const slack = 1e-9;

/** How many of `all` batches a part is: at most all of them. */
export function batchesIn(part: Part | null, all: number): number {
  if (part === null) return all;
  if (part.unit === 'batches') return Math.min(part.value, all);
  return Math.min(all, Math.floor((all * part.value) / 100 + slack));
}

/** Which part of its data a kind of step takes, and the option that says so. */
export function partOf(
  kind: keyof Limits | 'measure',
  { limit, overfit }: Taken,
): { readonly option: string; readonly part: Part | null } {
  if (overfit !== null && (kind === 'train' || kind === 'validate'))
    return { option: 'overfit', part: overfit };
  // What is measured before training is measured whole.
  return { option: `limit.${kind}`, part: kind === 'measure' ? null : (limit[kind] ?? null) };
}

/** What is wrong with a part by itself, as the end of a sentence that names the option; null where nothing is. */
export function faultOfPart({ unit, value }: Part, isOffAllowed: boolean): string | null {
  if (unit === 'percent')
    return value > 0 && value <= 100 ? null : `takes more than 0 and at most 100 percent, got ${value}`;
  if (Number.isSafeInteger(value) && value >= (isOffAllowed ? 0 : 1)) return null;
  return `takes a whole number of batches${isOffAllowed ? '' : ' of at least 1'}, got ${value}`;
}

/** `limit.validate = 50 batches`, as notes say it. */
export const showPart = (option: string, part: Part): string => `${option} = ${showQuantity(part)}`;
