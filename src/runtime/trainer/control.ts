/** How a run is asked to stop from outside. */
import type { EndSignal } from '../../values/signals.js';

/** SIGHUP: the terminal was closed. */
export type StopSignal = EndSignal;

export class Control {
  /** Whether something goes on that nobody waits for any more. It may keep the process from its end. */
  leavesWork = false;
  #signal: StopSignal | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #last = new Set<(signal: StopSignal) => void>();

  /** Asks the run to finish its step, save and end. */
  stop(signal: StopSignal): void {
    this.#signal ??= signal;
    for (const listener of this.#listeners) listener();
  }

  /** Calls back when the run is asked to stop. Returns what stops listening. */
  onStop(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** What is still to be said where the process ends in the middle of the run. Returns what takes it back. */
  beforeEnd(say: (signal: StopSignal) => void): () => void {
    this.#last.add(say);
    return () => void this.#last.delete(say);
  }

  /** Says it, and returns whether there was any. The process ends right after, so nothing here waits, and what fails is passed over. */
  endAtOnce(signal: StopSignal): boolean {
    // What was begun last has most to say, and what it is a part of comes after it.
    for (const say of [...this.#last].reverse()) {
      try {
        say(signal);
      } catch {
        // A folder that is gone, or full: the process ends all the same.
      }
    }
    return this.#last.size > 0;
  }

  get signal(): StopSignal | null {
    return this.#signal;
  }
}

/**
 * Lets the process handle signals and timers. A step is computed without a pause and its promise is settled at once, so a
 * loop that only awaits steps would never see a signal.
 */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
