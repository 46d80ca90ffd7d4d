/** Loops in a step or a model whose turns draw random numbers. */
import { enterTurn } from '../trainer/step-context.js';

/**
 * The whole numbers `from`, …, `to - 1`, for a loop inside a step. What is drawn in a turn is keyed by its number too:
 * two turns are two draws. Nothing is drawn outside of `for … of`.
 */
export function* turns(from: number, to: number): Generator<number, void, undefined> {
  for (let turn = from; turn < to; turn += 1) {
    const leave = enterTurn(turn);
    try {
      yield turn;
    } finally {
      leave();
    }
  }
}
