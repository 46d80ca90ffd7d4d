/** How a run is asked to stop from outside. */

/** SIGHUP: the terminal was closed. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export class Control {
  #signal: StopSignal | null = null;

  /** Asks the run to finish its step, save and end. */
  stop(signal: StopSignal): void {
    this.#signal ??= signal;
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
