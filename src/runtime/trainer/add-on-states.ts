/**
 * What add-ons keep in checkpoints: each under its kind, the second of a kind under `kind#2`. One of several that the spec may name has its
 * state under that name, `kind as name`, whatever stands before it. Older checkpoints have all of a kind by their order. The only one of a
 * kind has what the only one of that kind kept, whatever each is called.
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

/** Which kind of add-on kept what is under a key. */
function kindIn(key: string): string {
  const [kind = key, name] = key.split(asName);
  return name === undefined ? kind.replace(/#\d+$/, '') : kind;
}

/** Under which key each of them has what it kept. */
function keysIn(
  all: readonly KeyedAddOn[],
  states: Readonly<Record<string, Json>>,
): ReadonlyMap<KeyedAddOn, string> {
  return new Map(
    all.map((addOn) => {
      const { key, kind, stateOf = kind } = addOn;
      const [only, ...others] = Object.keys(states).filter((each) => kindIn(each) === stateOf);
      const isAlone = all.filter((each) => (each.stateOf ?? each.kind) === stateOf).length === 1;
      return [addOn, only !== undefined && others.length === 0 && isAlone ? only : key];
    }),
  );
}

/**
 * Gives each add-on what it kept. One that kept nothing starts afresh. `isByName`: whether the states of those with a name are under it.
 * Returns a line for each state that no add-on of the run has. Throws a RunError that names whose state does not fit.
 */
export function restoreStates(
  addOns: readonly LiveAddOn[],
  states: Readonly<Record<string, Json>>,
  isByName = true,
): readonly string[] {
  const keys = keysIn(keyed(addOns, isByName), states);
  for (const [{ kind, hooks }, key] of keys) {
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
  const taken = new Set(keys.values());
  return Object.keys(states).flatMap((key) =>
    taken.has(key)
      ? []
      : [`allowed: add-on ${key} is not part of the run any more: what it kept is left out`],
  );
}
