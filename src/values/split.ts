/**
 * How rows are shared out into parts: exact counts, the same wherever they are asked for. After this: every row is in one
 * part, and no part is more than one row off its share.
 */

/** Percentages are exact to this many parts of a percent. */
const partsOfPercent = 1_000_000;

/** Weights of parts that are given in percent add up to this. */
export const wholeInPercent = 100 * partsOfPercent;

/** A percentage as a whole weight: what is beyond the sixth decimal is rounded away. */
export const weightOfPercent = (percent: number): number => Math.round(percent * partsOfPercent);

/**
 * How many of `rows` each part gets, by the largest remainder: the whole rows of its share first, and of what is left one
 * each for the largest remainders. Of equal remainders that part comes first which is furthest behind its share of what
 * was shared out `before`, then the earlier one. Weights are whole numbers, at least one of them above 0.
 */
export const shareOut = (
  rows: number,
  weights: readonly number[],
  before: readonly number[] = weights.map(() => 0),
): readonly number[] => {
  const all = weights.reduce((sum, weight) => sum + BigInt(weight), 0n);
  const earlier = before.reduce((sum, count) => sum + BigInt(count), 0n);
  const shares = weights.map((weight, part) => {
    const exact = BigInt(rows) * BigInt(weight);
    const behind = earlier * BigInt(weight) - BigInt(before[part] ?? 0) * all;
    return { part, whole: Number(exact / all), remainder: exact % all, behind };
  });
  const left = rows - shares.reduce((sum, { whole }) => sum + whole, 0);
  const compare = (a: bigint, b: bigint): number => (a > b ? -1 : a < b ? 1 : 0);
  const more = new Set(
    [...shares]
      .sort((a, b) => compare(a.remainder, b.remainder) || compare(a.behind, b.behind) || a.part - b.part)
      .slice(0, left)
      .map(({ part }) => part),
  );
  return shares.map(({ part, whole }) => whole + (more.has(part) ? 1 : 0));
};

/** How many rows of each class each part gets: a list of counts for each class, in the order of the classes. */
export const shareOutClasses = (
  classes: readonly number[],
  weights: readonly number[],
): readonly (readonly number[])[] => {
  const total = weights.map(() => 0);
  return classes.map((rows) => {
    const counts = shareOut(rows, weights, total);
    counts.forEach((count, part) => (total[part] = (total[part] ?? 0) + count));
    return counts;
  });
};
