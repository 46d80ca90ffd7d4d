/** What add-ons keep in checkpoints: each under its kind, the second of a kind under `kind#2`. */
import type { Json } from '../addons/addon.js';
import { jsonCopy } from '../checkpoint/strict-json.js';
import { RunError } from '../run/run-error.js';
import type { LiveAddOn } from './fit.js';

function keyed(addOns: readonly LiveAddOn[]): readonly (LiveAddOn & { readonly key: string })[] {
  const seen = new Map<string, number>();
  return addOns.flatMap((addOn) => {
    if (addOn.hooks.state === undefined) return [];
    const { stateOf = addOn.kind } = addOn;
    const turn = (seen.get(stateOf) ?? 0) + 1;
    seen.set(stateOf, turn);
    return [{ ...addOn, key: turn === 1 ? stateOf : `${stateOf}#${turn}` }];
  });
}

/**
 * What each of them keeps, as it is now: it is written later, while they go on. Throws a RunError that names an add-on whose state cannot
 * be had, or holds what would not be read back.
 */
export function statesOf(addOns: readonly LiveAddOn[]): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    keyed(addOns).flatMap(({ key, kind, hooks }) => {
      try {
        const state = hooks.state?.();
        return state === undefined ? [] : [[key, jsonCopy(state, 'state')] as const];
      } catch (error) {
        if (error instanceof RunError) throw error;
        const why = error instanceof Error ? error.message : String(error);
        throw new RunError(`add-on ${kind} cannot give its state to a checkpoint: ${why}`, { cause: error });
      }
    }),
  );
}

/** Gives each add-on what it kept. One that kept nothing starts afresh. Throws a RunError that names whose state does not fit. */
export function restoreStates(addOns: readonly LiveAddOn[], states: Readonly<Record<string, Json>>): void {
  for (const { key, kind, hooks } of keyed(addOns)) {
    const state = states[key];
    if (state === undefined || hooks.restore === undefined) continue;
    try {
      hooks.restore(state);
    } catch (error) {
      throw new RunError(
        `add-on ${kind} cannot take back its state: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  }
}
