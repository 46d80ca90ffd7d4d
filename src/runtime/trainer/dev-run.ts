/** What a dev run leaves out: it shows that everything runs, and neither saves nor stops early. */
import type { AddOn } from '../addons/addon.js';

/** What add-ons own that a dev run leaves out. */
const untried: ReadonlySet<string> = new Set(['checkpoint', 'stop']);

export function takenInDevRun(addOns: readonly AddOn[]): readonly AddOn[] {
  return addOns.filter(({ owns }) => !owns.some((effect) => untried.has(effect)));
}
