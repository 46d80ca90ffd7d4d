/** What a run has measured, as curves: one for each metric of each step (`train`, `validate`, …). */

export interface Point {
  /** Windows of the train step so far. */
  readonly step: number;
  /** Epochs so far, with a fraction. */
  readonly epoch: number;
  /** Seconds since the run's start. */
  readonly time: number;
  /** NaN and infinities are kept: they are gaps of the curve. */
  readonly value: number;
}

export interface Curve {
  /** The step that measured it: `train`, `validate`, or the name given by `as`. */
  readonly stage: string;
  /** Without the stage: `loss`, `lr.opt`, `steps_per_second`. */
  readonly metric: string;
  readonly points: readonly Point[];
}

/** Where a run went on from a checkpoint. */
export interface Resume {
  readonly step: number;
  readonly epoch: number;
  readonly time: number;
}

export interface RunCurves {
  /** The run as its reader named it. */
  readonly path: string;
  /** What tells it from the other runs of its sweep; a run is known by its path where it is empty, or not there. */
  readonly label?: string;
  /** The trainer, where `run.json` says it; else an empty text. */
  readonly trainer: string;
  readonly curves: readonly Curve[];
  /** Those after which the curves go on; in their order. */
  readonly resumes: readonly Resume[];
}

/**
 * A run's folder that cannot be drawn, or what of it. `misuse`: what was asked for is nothing that runs have. `absent`: there is no run.
 * `missing`: it has measured nothing so far.
 */
export class PlotError extends Error {
  override readonly name = 'PlotError';
  constructor(
    message: string,
    readonly kind: 'misuse' | 'absent' | 'missing' | 'broken',
  ) {
    super(message);
  }
}
