/** Training a step or an epoch at a time: the loop of `fit`, which waits at the end of a step until it is told to go on. */
import type { Measured, Moment } from '../addons/addon.js';
import type { FitResult } from './fit.js';

/** Where training has got to, and the newest value of each metric by full name: `train.loss` as of its last line, a window's or an epoch's. */
export interface Standing extends Moment {
  readonly metrics: Measured;
}

/** What holds the loop at the ends of steps. */
export interface Hand {
  /** Whether the loop is to stop after the next step; else at the end of the epoch. */
  readonly isStepping: boolean;
  /** Is told of values of metrics, by full name, as lines are made of them. */
  told(metrics: Measured): void;
  /** At the end of a step, once all that falls there is done. Resolves to whether the run goes on. */
  wait(at: Moment, isEpochEnd: boolean): Promise<boolean>;
}

/** Holds the loop until it is told to go on. */
class Holding implements Hand {
  isStepping = true;
  readonly #newest = new Map<string, number>();
  #arrived: (standing: Standing) => void = () => undefined;
  #goOn: (does: boolean) => void = () => undefined;

  told(metrics: Measured): void {
    for (const [name, value] of metrics) this.#newest.set(name, value);
  }

  wait(at: Moment, isEpochEnd: boolean): Promise<boolean> {
    if (!this.isStepping && !isEpochEnd) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#goOn = resolve;
      this.#arrived({ ...at, metrics: new Map(this.#newest) });
    });
  }

  /** Lets the loop go on, or end. */
  release(goesOn: boolean): void {
    this.#goOn(goesOn);
  }

  /** Where the loop stands when it waits next. */
  next(): Promise<Standing> {
    return new Promise((resolve) => (this.#arrived = resolve));
  }
}

/** A run whose steps its owner asks for. Nothing starts before the first is asked for. */
export class ByHand {
  readonly #hand = new Holding();
  #isBusy = false;
  #fit: Promise<FitResult> | null = null;

  constructor(private readonly start: (hand: Hand) => Promise<FitResult>) {}

  /**
   * Trains one window, and does all that falls at its end: lines of metrics, validations, add-ons, checkpoints. Resolves to where that
   * leads, to null once the run is over. Rejects as `fit` does, and where another call has not resolved yet.
   */
  runStep(): Promise<Standing | null> {
    return this.#run(true);
  }

  /** The same to the end of the current epoch; of a run without epochs, to its end. */
  runEpoch(): Promise<Standing | null> {
    return this.#run(false);
  }

  /**
   * Ends the run where it is, as a signal would: its state is saved, and it can go on from there. Resolves to what came of it; rejects where
   * nothing was run yet.
   */
  async end(): Promise<FitResult> {
    const fit = this.#fit;
    if (fit === null) throw new Error('nothing was run that could end; call runStep or runEpoch first');
    this.#take();
    try {
      this.#hand.release(false);
      return await fit;
    } finally {
      this.#isBusy = false;
    }
  }

  async #run(isStepping: boolean): Promise<Standing | null> {
    this.#take();
    try {
      this.#hand.isStepping = isStepping;
      const arrived = this.#hand.next();
      if (this.#fit === null) this.#fit = this.start(this.#hand);
      else this.#hand.release(true);
      return await Promise.race([arrived, this.#fit.then(() => null)]);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Two at once would be two orders at one end of a step. */
  #take(): void {
    if (this.#isBusy) throw new Error('a step is being run; await it before the next is asked for');
    this.#isBusy = true;
  }
}
