/** When a run ends: its length, its time, and what add-ons ask, which waits for the least lengths. */
import type { Ending, QuietAnswer } from '../addons/addon.js';
import { codeOf, systemErrorIn } from '../checkpoint/files.js';
import { RunError } from '../run/run-error.js';
import type { Session } from './session.js';

/** `finished` its length, `stopped` by an add-on before that, `out-of-time` by max_time, or `interrupted` by a signal, or by who runs it by hand. */
export type EndReason = 'finished' | 'stopped' | 'out-of-time' | 'interrupted';

/** An answer whose reason was taken note of. */
export type Asked = 'end-epoch' | 'end-run' | undefined;

/** The step at which the run ends if nothing ends it before. A dev run stays in its first epoch. */
export function lastStep({ pace, options }: Session, devRun: number | null): number {
  const { totalSteps, stepsPerEpoch } = pace;
  if (totalSteps === null && options.maxTime === null && devRun === null)
    throw new RunError('the run has no end: set epochs, steps or max_time on the trainer');
  const total = totalSteps ?? Number.POSITIVE_INFINITY;
  return devRun === null ? total : Math.min(total, devRun, stepsPerEpoch);
}

/** The strongest of several answers, and the first reason for the run to end. */
export function strongest(
  answers: readonly (QuietAnswer | Ending)[],
): { readonly answer: 'end-run'; readonly because: string } | { readonly answer: QuietAnswer } {
  const ending = answers.find((answer) => typeof answer === 'object');
  if (ending !== undefined) return { answer: 'end-run', because: ending.because };
  return { answer: answers.includes('end-epoch') ? 'end-epoch' : undefined };
}

/** Whether one error says what the other has said: the same words, or that the system has refused two files for one reason. */
export function isSameFailure(one: unknown, other: unknown): boolean {
  if (one instanceof Error && other instanceof Error && one.message === other.message) return true;
  const code = codeOf(systemErrorIn(one));
  return code !== null && code === codeOf(systemErrorIn(other));
}

/** Holds the run until `min_epochs` and `min_steps` are met. Says so once. */
export class Least {
  readonly #steps: number;
  #said = false;
  #toldLast = false;

  constructor(
    private readonly session: Session,
    private readonly listener: { note(line: string): void },
  ) {
    const { minEpochs, minSteps } = session.options;
    if (minEpochs > 0 && session.isEndless)
      throw new RunError(`min_epochs = ${minEpochs}: live data has no epochs; set min_steps instead`);
    // `min_steps` alone holds for an epoch at least, as Lightning's does, where there are epochs.
    const epochs = minSteps > 0 && minEpochs === 0 && !session.isEndless ? 1 : minEpochs;
    this.#steps = Math.max(minSteps, epochs === 0 ? 0 : epochs * session.pace.stepsPerEpoch);
  }

  /** Whether the run may end once `step` steps are done. At its last one nothing ends early: then the reason is told alone. */
  isMet(step: number, because: string): boolean {
    if (step >= this.#steps) {
      if (step === this.session.pace.totalSteps && !this.#toldLast)
        this.listener.note(`${because}; that was the last step anyway`);
      this.#toldLast ||= step === this.session.pace.totalSteps;
      return true;
    }
    if (!this.#said) {
      this.#said = true;
      const { minEpochs, minSteps } = this.session.options;
      const by =
        minSteps === this.#steps
          ? `min_steps = ${minSteps}`
          : minEpochs > 0
            ? `min_epochs = ${minEpochs}`
            : `min_steps = ${minSteps}, and an epoch at least`;
      this.listener.note(`${because}: held until step ${this.#steps} (${by})`);
    }
    return false;
  }
}
