/**
 * What add-ons keep in checkpoints: each under its kind, the second of a kind under `kind#2`. One of several that the spec may name has its
 * state under that name, `kind as name`, whatever stands before it. Older checkpoints have all of a kind by their order.
 */
import type { Json } from '../addons/addon.js';
import { jsonCopy } from '../checkpoint/strict-json.js';
import { RunError } from '../run/run-error.js';
import type { LiveAddOn } from './fit.js';

type KeyedAddOn = LiveAddOn & { readonly key: string };

/** Between a kind and a name, of which neither has a space. */
const asName = ' as ';

function keyed(addOns: readonly LiveAddOn[], isByName = true): readonly KeyedAddOn[] {
  const seen = new Map<string, number>();
  return addOns.flatMap((addOn) => {
    if (addOn.hooks.state === undefined) return [];
    const { kind, stateOf = kind, hasOwnName = false } = addOn;
    const name = isByName && hasOwnName ? `${stateOf}${asName}${kind}` : stateOf;
    const turn = (seen.get(name) ?? 0) + 1;
    seen.set(name, turn);
    return [{ ...addOn, key: turn === 1 ? name : `${name}#${turn}` }];
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

/**
 * Gives each add-on what it kept. One that kept nothing starts afresh. `isByName`: whether the states of those with a name are under it.
 * Returns a line for each state under a name that no add-on has any more. Throws a RunError that names whose state does not fit.
 */
export function restoreStates(
  addOns: readonly LiveAddOn[],
  states: Readonly<Record<string, Json>>,
  isByName = true,
): readonly string[] {
  const all = keyed(addOns, isByName);
  for (const { key, kind, hooks } of all) {
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
  const keys = new Set(all.map(({ key }) => key));
  return Object.keys(states).flatMap((key) =>
    key.includes(asName) && !keys.has(key)
      ? [`allowed: add-on ${key} is not part of the run any more: what it kept is left out`]
      : [],
  );
}
