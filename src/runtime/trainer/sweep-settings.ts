/** What a sweep was given besides its axes, when it goes on: compared by value, as that of a single run is. */
import { nameAndText, parseOverride, UsageError, type Override } from '../../values/overrides.js';
import { RunError } from '../run/run-error.js';
import { optionFacts } from './option-facts.js';
import { isHarmless, isSameAttribute } from './run-lock.js';
import type { TrainerClass, TrainerSetup } from './trainer.js';

/**
 * Whether two lists of `name=value` make the same runs: in whatever order and spelling, with what changes no run or not, and with what the
 * spec says already or not. `setupOf` makes the first run's setup of one; `isAxis` names what the sweep sets itself.
 */
export function sameSettings(
  trainerClass: TrainerClass,
  was: readonly string[],
  is: readonly string[],
  setupOf: (settings: readonly Override[]) => TrainerSetup,
  isAxis: (name: string) => boolean,
): boolean {
  const [before, now] = [was, is].map(
    (texts) => new Map(texts.filter((text) => !isHarmless(text)).map(nameAndText)),
  );
  if (before === undefined || now === undefined) return false;
  if ([...before.keys()].some(isAxis)) return false;
  try {
    const [first, second] = [was, is].map((texts) => new trainerClass(setupOf(texts.map(parseOverride))));
    if (first === undefined || second === undefined) return false;
    const facts = ({ params, options }: typeof first): string =>
      JSON.stringify([params, optionFacts(options)]);
    if (facts(first) !== facts(second)) return false;
    const names = new Set([...before.keys(), ...now.keys()]);
    return [...names]
      .filter((name) => name.includes('.') && !name.startsWith('trainer.'))
      .every(
        (name) =>
          before.get(name) === now.get(name) ||
          isSameAttribute(second.attribute(name), before.get(name), now.get(name)),
      );
  } catch (error) {
    // What another version wrote there may be no setting any more.
    if (error instanceof UsageError || error instanceof RunError) return false;
    throw error;
  }
}
