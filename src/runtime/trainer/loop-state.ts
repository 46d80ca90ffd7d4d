/** Where the training loop is, as `state.json` keeps it: a run that goes on from there does what the first would have done. */
import { fromExactNumber } from '../../values/exact-number.js';
import { roundOf, type Round } from './hook-round.js';
import { record } from '../../values/json-record.js';

/** A part of a step that comes after its window. */
export type StepPart = (typeof stepParts)[number];

/** In their order. `skip`: the rest of the epoch is passed over, and what comes at its end is done all the same. */
export const stepParts = [
  'update',
  'measure',
  'validate',
  'stepEnd',
  'epochEnd',
  'skip',
  'skipValidate',
  'skipEpochEnd',
  'settled',
] as const;

export interface LoopState {
  /** Windows done. */
  readonly step: number;
  /** Seconds that the run has taken. */
  readonly seconds: number;
  /** Rows trained on. */
  readonly rows: number;
  /** The train step's totals and variants, as its stage gave them. */
  readonly train: unknown;
  /** The step at which each validation was last measured. */
  readonly measured: Readonly<Record<string, number>>;
  /** The newest value of each metric. */
  readonly newest: ReadonlyMap<string, number>;
  readonly windowLogged: boolean;
  readonly windowsInEpoch: number;
  /** With what the step goes on, where an interruption left some of it. */
  readonly left: StepPart | null;
  /** What add-ons have asked for in the step so far. */
  readonly asked: readonly ('end-epoch' | 'end-run')[];
  /** Why one wants the run to end; null otherwise. */
  readonly because: string | null;
  /** Optimizers that the step has updated, and that add-ons are still to be told of; null where nothing of it had looked at that. */
  readonly updated: readonly string[] | null;
  /** The round of a hook that was under way, or done last. */
  readonly round: Round | null;
  /** Names of the validations that are due in it. */
  readonly due: readonly string[];
  /** What live data sets keep, as they gave it. */
  readonly live: unknown;
}

/**
 * Whether all of the step was done but for hooks that save: it was saved by one of these, while that was under way. Where another one failed, who
 * runs by hand had an error in the place of the step.
 */
export const isAllDone = ({ left, round }: LoopState): boolean =>
  left === 'settled' &&
  round !== null &&
  round.key === left &&
  // Called, and no answer yet.
  round.called.length > round.answers.length;

/** Reads it from `state.json`. Throws an Error that names what is missing. */
export function loopStateOf(state: Readonly<Record<string, unknown>>): LoopState {
  const loop = record('loop', state['loop']);
  const part = loop['left'] ?? null;
  const left = stepParts.find((each) => each === part) ?? null;
  if (part !== left) throw new Error(`"left" of "loop" is no part of a step: ${JSON.stringify(part)}`);
  const updated = Array.isArray(loop['updated']) ? loop['updated'].map(String) : null;
  const asked = Array.isArray(loop['asked']) ? loop['asked'] : [];
  return {
    step: count('step', state['step']),
    seconds: fromExactNumber(state['seconds']),
    rows: count('rows', loop['rows']),
    train: loop['train'],
    measured: Object.fromEntries(
      Object.entries(record('measured', loop['measured'])).map(([name, step]) => [name, count(name, step)]),
    ),
    newest: new Map(
      Object.entries(record('newest', loop['newest'])).map(([name, value]) => [name, fromExactNumber(value)]),
    ),
    windowLogged: loop['windowLogged'] === true,
    windowsInEpoch: count('windowsInEpoch', loop['windowsInEpoch']),
    // Add-ons were told of updates in this part once: who has some to be told of has that before it.
    left: left === 'measure' && updated !== null && updated.length > 0 ? 'update' : left,
    asked: (['end-epoch', 'end-run'] as const).filter((answer) => asked.includes(answer)),
    because: typeof loop['because'] === 'string' ? loop['because'] : null,
    updated,
    round: roundOf(loop['round']),
    due: Array.isArray(loop['due']) ? loop['due'].map(String) : [],
    live: loop['live'] ?? {},
  };
}

function count(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(
    `"${name}" must be a whole number of at least 0, got ${JSON.stringify(value) ?? 'nothing'}`,
  );
}
