/**
 * A phase of a schedule that waits for a metric to stop improving: PyTorch's ReduceLROnPlateau as a function of its state and a
 * measurement.
 */
import type { Duration } from './units.js';

/** A metric to make small or large, by its full name. */
export interface Watched {
  readonly mode: 'min' | 'max';
  readonly metric: string;
}

export interface PlateauPhase {
  readonly kind: 'plateau';
  readonly monitor: Watched;
  /** What the value is multiplied by; above 0 and below 1. */
  readonly factor: number;
  /** Measurements without improvement that are let pass: the one after them lowers the value. */
  readonly patience: number;
  /** How much better than the best a measurement has to be. */
  readonly threshold: number;
  /** Whether `threshold` is a part of the best value or a difference. */
  readonly thresholdMode: 'relative' | 'absolute';
  /** Measurements after a change during which none counts as bad. */
  readonly cooldown: number;
  /** The value is never lowered below this. */
  readonly min: number;
  readonly over: Duration;
  readonly from: number | null;
}

/** What a plateau remembers between measurements; a JSON value. */
export interface PlateauState {
  /** Null before the first measurement. */
  readonly best: number | null;
  /** Measurements in a row that were no improvement. */
  readonly waited: number;
  /** Measurements of the cooldown that are left. */
  readonly cooling: number;
  /** Null: as the phase began. */
  readonly value: number | null;
  /** The value that the phase began with, where it was lowered since; null where that is not known. */
  readonly begin: number | null;
  /** How often it was lowered. */
  readonly reductions: number;
}

export const startOfPlateau: PlateauState = {
  best: null,
  waited: 0,
  cooling: 0,
  value: null,
  begin: null,
  reductions: 0,
};

/** A value that was lowered. */
export interface Reduced {
  readonly metric: string;
  readonly best: number | null;
  readonly from: number;
  readonly to: number;
}

/** What is wrong with the numbers of a plateau, or null. */
export function plateauFault(phase: PlateauPhase): string | null {
  const { factor, patience, threshold, cooldown, min } = phase;
  if (!(factor > 0 && factor < 1)) return `factor is a number above 0 and below 1, got ${factor}`;
  if (!Number.isSafeInteger(patience) || patience < 0)
    return `patience is a whole number of at least 0, got ${patience}`;
  if (!Number.isSafeInteger(cooldown) || cooldown < 0)
    return `cooldown is a whole number of at least 0, got ${cooldown}`;
  if (!(threshold >= 0)) return `threshold is a number of at least 0, got ${threshold}`;
  if (!(min >= 0)) return `min is a number of at least 0, got ${min}`;
  return null;
}

function isBetter(
  { monitor, threshold, thresholdMode }: PlateauPhase,
  value: number,
  best: number | null,
): boolean {
  if (!Number.isFinite(value)) return false;
  if (best === null) return true;
  const sign = monitor.mode === 'min' ? -1 : 1;
  const limit = thresholdMode === 'relative' ? best * (1 + sign * threshold) : best + sign * threshold;
  return sign * value > sign * limit;
}

/** One measurement. `begin` is the value that the phase began with. */
export function observePlateau(
  phase: PlateauPhase,
  measured: number,
  before: PlateauState,
  begin: number,
): { readonly state: PlateauState; readonly reduced: Reduced | null } {
  const better = isBetter(phase, measured, before.best);
  const best = better ? measured : before.best;
  const cooling = Math.max(0, before.cooling - 1);
  const waited = better || before.cooling > 0 ? 0 : before.waited + 1;
  if (waited <= phase.patience) return { state: { ...before, best, waited, cooling }, reduced: null };
  const from = before.value ?? begin;
  const to = lowered(phase, from);
  const state = { ...before, best, waited: 0, cooling: phase.cooldown };
  if (to === null) return { state, reduced: null };
  return {
    state: {
      ...state,
      value: to,
      // A state that was kept without it stays so.
      begin: before.value === null ? begin : before.begin,
      reductions: before.reductions + 1,
    },
    reduced: { metric: phase.monitor.metric, best, from, to },
  };
}

/** A value lowered once; null where it stays: at `min` already, or begun below it. */
function lowered({ factor, min }: PlateauPhase, from: number): number | null {
  const to = Math.max(from * factor, min);
  return to < from ? to : null;
}

/** The state where the phase begins with `begin`: lowered as often from there. As it is where it began with that, or was not lowered. */
export function plateauFrom(phase: PlateauPhase, state: PlateauState, begin: number): PlateauState {
  if (state.value === null || state.begin === null || state.begin === begin) return state;
  let value = begin;
  for (let turn = 0; turn < state.reductions; turn += 1) value = lowered(phase, value) ?? value;
  return { ...state, begin, value };
}
