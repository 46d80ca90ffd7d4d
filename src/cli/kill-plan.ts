/** When `ztrainc verify-resume` kills a run. */
import type { StepTime } from './watched-run.js';

/** The steps of a run that nobody has killed. */
export interface Timeline {
  /** All of them. */
  readonly steps: number;
  /** When so many of them were trained, in order; the first is the moment before the first step. */
  readonly times: readonly StepTime[];
}

/** After so many steps (null: while it gets ready), and so many milliseconds more. */
export interface KillMoment {
  readonly step: number | null;
  readonly after: number;
}

/**
 * For each kill what draws its moment, as often as it is asked. Of three kills or more each third comes while the run gets ready, the first
 * of all too. The others share the steps after `firstSave`, from where there is something to go on from, up to the last step: each is drawn
 * from its own part of them, and within the step by the time that this one took.
 */
export const killsOf = (
  kills: number,
  { steps, times }: Timeline,
  firstSave: number,
  random: () => number = Math.random,
): readonly (() => KillMoment)[] => {
  const isAtStart = (kill: number): boolean => kills >= 3 && kill % 3 === 0;
  const all = Array.from({ length: kills }, (_, kill) => kill);
  const within = all.filter((kill) => !isAtStart(kill));
  const [, ready] = times[0] ?? [0, 0];
  const first = Math.max(0, Math.min(firstSave + 1, steps - 1));
  return all.map((kill) => {
    if (isAtStart(kill)) return () => ({ step: null, after: random() * ready });
    const part = within.indexOf(kill);
    return () => {
      const step = first + Math.floor(((steps - first) * (part + random())) / within.length);
      return { step, after: random() * millisecondsAfter(step, times) };
    };
  });
};

/** Milliseconds from the moment at which `step` steps were trained to the next. */
const millisecondsAfter = (step: number, times: readonly StepTime[]): number => {
  const at = times.findIndex(([trained]) => trained >= step);
  const [here, next] = [times[at], times[at + 1]];
  return here === undefined || next === undefined ? 0 : next[1] - here[1];
};
