/** Which add-ons a training run takes. A dev run shows that everything runs, and neither saves nor stops early. */
import type { AddOn } from '../addons/addon.js';
import { predictions } from '../addons/predictions.js';

/** What add-ons own that a dev run leaves out. */
const untried: ReadonlySet<string> = new Set(['checkpoint', 'stop']);

/** Rows that validations return are written in every run: where no add-on says how, as CSV. */
export function takenIn(addOns: readonly AddOn[], devRun: number | null): readonly AddOn[] {
  if (devRun !== null) return addOns.filter(({ owns }) => !owns.some((effect) => untried.has(effect)));
  return addOns.some(({ owns }) => owns.includes('predictions'))
    ? addOns
    : [...addOns, predictions({ file: 'rows.csv' })];
}
