/** The tape on which the library notes the ops that run, for the reverse pass: when it is on, and what stands on it. */
import { engine } from '@tensorflow/tfjs-core';

export type Tape = ReturnType<typeof engine>['state']['activeTape'];
export type Node = Tape[number];

/** Runs `body` without recording it: no gradient passes through what it returns. */
export function offTape<T>(body: () => T): T {
  const { state } = engine();
  state.kernelDepth++;
  try {
    return body();
  } finally {
    state.kernelDepth--;
  }
}

/** Whether ops are recorded now: in the forward pass of an update, or within `recorded`. */
export function isRecording(): boolean {
  const { state } = engine();
  return state.gradientDepth > 0 && state.kernelDepth === 0;
}

/**
 * Runs `body` with a tape of its own, which is returned with what it gives: whoever asked for it frees what it kept. A tape that
 * was on before goes on afterwards where it was.
 */
export function withTape<T>(body: () => T): { readonly tape: Tape; readonly result: T } {
  const { state } = engine();
  const before = { tape: state.activeTape, depth: state.gradientDepth };
  state.activeTape = [];
  state.gradientDepth = 1;
  try {
    const result = body();
    return { tape: state.activeTape, result };
  } catch (error) {
    freeKept(state.activeTape);
    throw error;
  } finally {
    state.activeTape = before.tape;
    state.gradientDepth = before.depth;
  }
}

/** Runs `body` as if no tape were on. */
export function withoutTape<T>(body: () => T): T {
  const { state } = engine();
  const before = { tape: state.activeTape, depth: state.gradientDepth };
  state.activeTape = [];
  state.gradientDepth = 0;
  try {
    return body();
  } finally {
    state.activeTape = before.tape;
    state.gradientDepth = before.depth;
  }
}

/** Frees what the nodes of a tape kept for their gradients. */
export function freeKept(tape: Tape): void {
  for (const node of tape) node.saved?.forEach((saved) => saved.dispose());
}

/** Runs `body` so that gradients can be taken in it, outside of updates. Within what records already it changes nothing. */
export function recorded<T>(body: () => T): T {
  if (isRecording()) return body();
  const { tape, result } = withTape(body);
  freeKept(tape);
  return result;
}
