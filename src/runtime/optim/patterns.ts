/** Patterns over weights' paths: `*` is any part of one name, `**` any number of whole names. */

/** Whether a path below a model (`blocks.0.norm1.gamma`) matches. */
export function matchesPath(pattern: string, path: string): boolean {
  return matchNames(pattern.split('.'), path.split('.'));
}

function matchNames(pattern: readonly string[], names: readonly string[]): boolean {
  const [first, ...others] = pattern;
  if (first === undefined) return names.length === 0;
  if (first === '**') {
    return names.some((_, skipped) => matchNames(others, names.slice(skipped))) || matchNames(others, []);
  }
  const [name, ...rest] = names;
  return name !== undefined && matchName(first, name) && matchNames(others, rest);
}

function matchName(pattern: string, name: string): boolean {
  const pieces = pattern.split('*');
  const [head = '', ...tails] = pieces;
  if (tails.length === 0) return pattern === name;
  if (!name.startsWith(head)) return false;
  let from = head.length;
  const end = tails.pop() ?? '';
  for (const piece of tails) {
    const found = name.indexOf(piece, from);
    if (found < 0) return false;
    from = found + piece.length;
  }
  return name.length - end.length >= from && name.endsWith(end);
}

/** Whether a path matches one of the patterns and none of those left out. */
export function isAmong(
  { match, except = [] }: { readonly match: readonly string[]; readonly except?: readonly string[] },
  path: string,
): boolean {
  const any = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesPath(pattern, path));
  return any(match) && !any(except);
}
