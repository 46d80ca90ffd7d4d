/** One element of a list of host values, e.g. of a param that is a list. Throws where the list has no such place. */
export function element<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) {
    throw new RangeError(`a list of ${list.length} has no element ${index}; use 0 to ${list.length - 1}`);
  }
  return found;
}
