/** How fast steps run: counted over a line of metrics, without what happens between steps. */
import type { Throughput } from '../addons/addon.js';

/** Adds up steps and their time until somebody asks. */
export class Tally {
  #steps = 0;
  #rows = 0;
  #seconds = 0;

  add({
    steps,
    rows,
    seconds,
  }: {
    readonly steps: number;
    readonly rows: number;
    readonly seconds: number;
  }): void {
    this.#steps += steps;
    this.#rows += rows;
    this.#seconds += seconds;
  }

  /** The throughput since the last time; null where none can be told. */
  take(): Throughput | null {
    const seconds = this.#seconds;
    const throughput =
      seconds > 0 ? { stepsPerSecond: this.#steps / seconds, rowsPerSecond: this.#rows / seconds } : null;
    this.#steps = 0;
    this.#rows = 0;
    this.#seconds = 0;
    return throughput;
  }
}
