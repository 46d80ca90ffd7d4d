/** What add-ons keep in checkpoints: each under its name, the second of a name under `name#2`. */
import type { Json } from '../addons/addon.js';
import { RunError } from '../run/run-error.js';
import type { LiveAddOn } from './fit.js';

function keyed(addOns: readonly LiveAddOn[]): readonly (LiveAddOn & { readonly key: string })[] {
  const seen = new Map<string, number>();
  return addOns.flatMap((addOn) => {
    if (addOn.hooks.state === undefined) return [];
    const turn = (seen.get(addOn.kind) ?? 0) + 1;
    seen.set(addOn.kind, turn);
    return [{ ...addOn, key: turn === 1 ? addOn.kind : `${addOn.kind}#${turn}` }];
  });
}

export function statesOf(addOns: readonly LiveAddOn[]): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    keyed(addOns).flatMap(({ key, hooks }) => {
      const state = hooks.state?.();
      return state === undefined ? [] : [[key, state] as const];
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
