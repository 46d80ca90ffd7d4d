/** What stands between the cells of a CSV file, where it is not what was said. */

const usual = [',', ';', '\t', '|'] as const;

/** The separator that a header of one single name holds, or null. */
export function likelyDelimiter(names: readonly string[], delimiter: string): string | null {
  const [only = '', ...others] = names;
  if (others.length > 0) return null;
  return usual.find((each) => each !== delimiter && only.includes(each)) ?? null;
}
