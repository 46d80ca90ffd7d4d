/** Which known names a misspelt one may have meant. */

/** Two letters in the wrong order are the likeliest slip. */
const swap = 0.9;

/** Edits (one letter in, out, changed, or two swapped) between two words; gives up above `most`. */
const distance = (a: string, b: string, most: number): number => {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (before[j - 2] ?? 0) + swap);
      next.push(best);
    }
    if (Math.min(...next) > most) return most + 1;
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
};

const longestName = 64;

/**
 * Up to `most` of the candidates that lie near `name`, nearest first. A third of the letters may differ, at least one
 * and at most three; upper and lower case count as half, and a candidate that goes on after `name` is near too.
 */
export const nearest = (name: string, candidates: Iterable<string>, most = 3): string[] => {
  if (name === '' || name.length > longestName) return [];
  const limit = Math.min(3, Math.max(1, Math.floor(name.length / 3)));
  const plain = name.toLowerCase().replaceAll('_', '');
  const found: { readonly candidate: string; readonly score: number }[] = [];
  for (const candidate of new Set(candidates)) {
    if (candidate === name || candidate.length > longestName) continue;
    const other = candidate.toLowerCase().replaceAll('_', '');
    const edits = plain === other ? 0.5 : distance(name.toLowerCase(), candidate.toLowerCase(), limit);
    // One letter for another is another name.
    if (name.length === 1 && candidate.length === 1 && plain !== other) continue;
    const ends = candidate.length >= 4 && candidate.length * 2 >= name.length && name.startsWith(candidate);
    const goesOn = (name.length >= 3 && candidate.startsWith(name)) || ends;
    const score = edits <= limit ? edits : goesOn ? limit + 0.5 : Infinity;
    if (score < Infinity) found.push({ candidate, score });
  }
  found.sort((a, b) => a.score - b.score || (a.candidate < b.candidate ? -1 : 1));
  return found.slice(0, most).map(({ candidate }) => candidate);
};
