/** Random numbers of a live source: a function of the run's seed, the data set's name and the harvest alone. */
import { hostBits } from '../engine/philox.js';

/** So many words are made at once. */
const block = 256;

/**
 * Numbers that follow one another, the same on each engine and after a resume: the harvest with the same number draws the same, however
 * many were drawn before it.
 */
export class LiveRandom {
  #words: Uint32Array = new Uint32Array(0);
  #at = 0;
  #made = 0;

  /** `harvest` counts from 0. */
  constructor(
    private readonly seed: number,
    private readonly label: string,
    private readonly harvest: number,
  ) {}

  /** From [0, 1), a multiple of 2⁻²⁴. */
  uniform(): number {
    return (this.#word() >>> 8) * 2 ** -24;
  }

  /** From a normal distribution of mean 0 and deviation 1 (Box and Muller, 1958). */
  normal(): number {
    // 1 - u is in (0, 1], so that the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A whole number from 0 to below `below`. Throws a RangeError unless that is a whole number from 1 to 2³². */
  integer(below: number): number {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32)
      throw new RangeError(`integer takes a whole number from 1 to 2 ** 32, got ${below}`);
    return Math.floor((this.#word() * below) / 2 ** 32);
  }

  /**
   * The place of one of the logits, each as likely as its softmax. Throws a RangeError where there are none, or one is not finite.
   */
  categorical(logits: ArrayLike<number>): number {
    const values = Array.from(logits);
    const most = Math.max(...values);
    if (values.length === 0 || !values.every(Number.isFinite))
      throw new RangeError(`categorical takes finite logits, got [${values.join(', ')}]`);
    const weights = values.map((value) => Math.exp(value - most));
    let left = this.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [at, weight] of weights.entries()) {
      left -= weight;
      if (left < 0) return at;
    }
    // What rounding leaves is the last one's.
    return values.length - 1;
  }

  #word(): number {
    if (this.#at === this.#words.length) {
      const place = { step: this.harvest, offset: this.#made };
      this.#words = hostBits({ seed: this.seed, label: `data.${this.label}.harvest`, ...place }, block);
      this.#made += block;
      this.#at = 0;
    }
    const word = this.#words[this.#at] ?? 0;
    this.#at += 1;
    return word;
  }
}
