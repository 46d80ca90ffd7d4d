/** How far a hook has got that add-ons are called with one after the other: a run that goes on in the middle of it calls the others. */
import type { Answer, Json } from '../addons/addon.js';
import { record } from '../../values/json-record.js';

/** A round of one hook, begun or done. */
export interface Round {
  /** The hook, and what sets its round apart from others of the same step. */
  readonly key: string;
  /** Kinds of the add-ons that were called, in their order. */
  readonly called: readonly string[];
  /** What they answered. */
  readonly answers: readonly Answer[];
}

/** As `state.json` keeps it. */
export function roundJson(round: Round | null): Json {
  if (round === null) return null;
  const { key, called, answers } = round;
  return {
    key,
    called: [...called],
    answers: answers.map((answer) => (typeof answer === 'object' ? { ...answer } : (answer ?? null))),
  };
}

/** Takes it back. Throws where it is none. */
export function roundOf(json: unknown): Round | null {
  if (json === undefined || json === null) return null;
  const { key, called, answers } = record('round', json);
  if (typeof key !== 'string' || !Array.isArray(called) || !Array.isArray(answers))
    throw new Error('"round" of "loop" lacks its key, who was called, or what they answered');
  return { key, called: called.map(String), answers: answers.map(answerOf) };
}

function answerOf(json: unknown): Answer {
  if (json === null) return undefined;
  if (json === 'end-epoch' || json === 'end-run') return json;
  return { end: 'run', because: String(record('an answer', json)['because']) };
}

/** The same, where nobody has asked for the end of the run. */
export function withoutEnd(round: Round | null): Round | null {
  if (round === null) return null;
  return { ...round, answers: round.answers.map((each) => (each === 'end-epoch' ? each : undefined)) };
}
