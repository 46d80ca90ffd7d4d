/** Curves as what a picture of some width can show of them. */

/** A point in the picture's own units. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Parts of a curve without a gap, each of at least one point. NaN in either coordinate is a gap. */
export function partsOf(places: Iterable<Place>): readonly (readonly Place[])[] {
  const parts: Place[][] = [];
  let open: Place[] | null = null;
  for (const place of places) {
    if (Number.isNaN(place.x) || Number.isNaN(place.y)) {
      open = null;
      continue;
    }
    if (open === null) parts.push((open = []));
    open.push(place);
  }
  return parts;
}

/**
 * At most four points for each unit across: the first, the lowest, the highest and the last of those that share it. The picture of the
 * line through them is that of the whole.
 */
export function thinned(part: readonly Place[]): readonly Place[] {
  const kept: Place[] = [];
  let column: Place[] = [];
  const flush = (): void => {
    const [first] = column;
    const last = column.at(-1);
    if (first === undefined || last === undefined) return;
    const low = column.reduce((least, each) => (each.y < least.y ? each : least), first);
    const high = column.reduce((most, each) => (each.y > most.y ? each : most), first);
    const chosen = new Set([first, low, high, last]);
    kept.push(...column.filter((each) => chosen.has(each)));
    column = [];
  };
  for (const place of part) {
    const [first] = column;
    if (first !== undefined && Math.floor(first.x) !== Math.floor(place.x)) flush();
    column.push(place);
  }
  flush();
  return kept;
}
