/**
 * Parts of a data set: which of its rows are whose. A function of the split's own seed, the numbers of the rows and, where
 * the split is by class, of their classes: the run's seed and the engine have no say in it.
 */
import { hostPermutation } from '../engine/philox.js';
import type { Quantity } from '../../values/units.js';
import { shareOutClasses, weightOfPercent, wholeInPercent } from '../../values/split.js';
import { DataError } from './data-error.js';
import { isText, type RecordType } from './record.js';

/** Parts of equal size, of which each is held out in turn. */
export interface Folds {
  readonly kind: 'folds';
  readonly count: number;
}

/** Shares by the names of the parts, or folds. */
export type Parts = Readonly<Record<string, Quantity<'percent'>>> | Folds;

/** A fold by its number, or all others. */
export interface FoldPart {
  readonly how: 'only' | 'allBut';
  readonly fold: number;
}

/** The name of a part, or a choice among folds. */
export type Part = string | FoldPart;

/** `folds(5)`: five parts, numbered from 0. Throws a DataError for fewer than 2. */
export function folds({ count }: { readonly count: number }): Folds {
  if (!Number.isInteger(count) || count < 2)
    throw new DataError(`folds are a whole number of at least 2, got ${count}`);
  return { kind: 'folds', count };
}

/** The rows of one fold. */
export function only({ fold }: { readonly fold: number }): FoldPart {
  return { how: 'only', fold };
}

/** The rows of all folds but one. */
export function allBut({ fold }: { readonly fold: number }): FoldPart {
  return { how: 'allBut', fold };
}

/** What is to be shared out how, and which of it is wanted. */
export interface Split {
  readonly parts: Parts;
  readonly part: Part | null;
  readonly seed: number;
  /** The field whose values are the classes, or null. */
  readonly stratify: string | null;
}

function isFolds(parts: Parts): parts is Folds {
  return parts['kind'] === 'folds';
}

function weightsOf(parts: Parts): readonly (readonly [name: string, weight: number])[] {
  if (isFolds(parts)) return Array.from({ length: parts.count }, (_, fold) => [`${fold}`, 1] as const);
  return Object.entries(parts).map(([name, share]) => [name, weightOfPercent(share.value)] as const);
}

/** Whether each of the parts is wanted. Throws a DataError where the choice is none of them. */
function wanted({ parts, part }: Split): readonly boolean[] | null {
  const names = weightsOf(parts).map(([name]) => name);
  if (part === null) return null;
  if (typeof part === 'string') {
    if (isFolds(parts)) throw new DataError(`a fold is chosen by only or allBut, got part '${part}'`);
    if (!names.includes(part))
      throw new DataError(`there is no part '${part}'; there are ${names.join(', ')}`);
    return names.map((name) => name === part);
  }
  if (!isFolds(parts)) throw new DataError(`the parts have names (${names.join(', ')}); take one of them`);
  if (!Number.isInteger(part.fold) || part.fold < 0 || part.fold >= parts.count)
    throw new DataError(`fold ${part.fold} is none of the ${parts.count} folds, 0 to ${parts.count - 1}`);
  return names.map((_, fold) => (fold === part.fold) === (part.how === 'only'));
}

/** Throws a DataError where a split is not one: shares that are no whole, a part that is not there, a class that is none. */
export function checkSplit(split: Split, record: RecordType): void {
  const weights = weightsOf(split.parts);
  const small = weights.find(([, weight]) => weight <= 0);
  if (small !== undefined) throw new DataError(`part '${small[0]}' must have more than 0 percent`);
  const sum = weights.reduce((all, [, weight]) => all + weight, 0);
  if (!isFolds(split.parts) && sum !== wholeInPercent)
    throw new DataError(`the parts are ${(100 * sum) / wholeInPercent} percent together, not 100`);
  wanted(split);
  if (split.stratify === null) return;
  const field = record[split.stratify];
  const names = Object.keys(record).join(', ');
  if (field === undefined)
    throw new DataError(`no field '${split.stratify}' to stratify by; rows have ${names}`);
  if (isText(field) || field.dtype === 'f32' || field.shape.length > 0 || field.missing === true)
    throw new DataError(
      `'${split.stratify}' is no class: stratify by one whole number or bool that every row has`,
    );
}

/**
 * Numbers (from 0) of the rows that are wanted, in the order of the source; null where that is all of them. `classes` are
 * the values of the field to stratify by.
 */
export function rowsOfPart(split: Split, rows: number, classes: ArrayLike<number> | null): Int32Array | null {
  const chosen = wanted(split);
  if (chosen === null) return null;
  const weights = weightsOf(split.parts).map(([, weight]) => weight);
  const order = hostPermutation(split.seed, 'data parts', rows);
  const byClass = new Map<number, number[]>();
  for (const row of order) {
    const value = classes?.[row] ?? 0;
    const members = byClass.get(value);
    if (members === undefined) byClass.set(value, [row]);
    else members.push(row);
  }
  const sorted = [...byClass].sort(([a], [b]) => a - b).map(([, members]) => members);
  const counts = shareOutClasses(
    sorted.map((members) => members.length),
    weights,
  );
  const taken = sorted.map((members, at) => {
    let from = 0;
    return (counts[at] ?? []).map((count, part) => {
      from += count;
      return chosen[part] === true ? members.slice(from - count, from) : [];
    });
  });
  return Int32Array.from(taken.flat(2)).sort();
}

/** A part as a message names it. */
export function partText(part: Part): string {
  if (typeof part === 'string') return `part '${part}'`;
  return part.how === 'only' ? `fold ${part.fold}` : `all folds but ${part.fold}`;
}
