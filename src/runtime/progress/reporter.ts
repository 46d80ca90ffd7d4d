/** Where a run's lines go. */

/** A run's voice: lines that stay, and one line that is replaced. */
export interface Reporter {
  /** A line that stays. */
  line(text: string): void;
  /** Replaces the live line, where there is one. */
  live(text: string): void;
  /** Whether a live line is shown. */
  readonly isLive: boolean;
  /** Columns of the terminal; Infinity where there is none. */
  columns(): number;
  /** Takes the live line away. */
  end(): void;
}

/** Says nothing. */
export const silent: Reporter = {
  line: () => undefined,
  live: () => undefined,
  isLive: false,
  columns: () => Number.POSITIVE_INFINITY,
  end: () => undefined,
};
