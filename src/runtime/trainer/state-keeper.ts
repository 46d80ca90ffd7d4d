/** Keeps what a checkpoint says of a moment while the run does what may have to be done again. */
import type { Moment } from '../addons/addon.js';

/**
 * Holds what a checkpoint says besides its tensors: what is saved while it is held says how the run was then, so that a run which goes
 * on from there does again what came after.
 */
export interface StateKeeper {
  readonly isHeld: boolean;
  hold(at: Moment): Promise<void>;
  release(): void;
}

/** Of a run that writes nothing. */
export const keepsNothing: StateKeeper = {
  isHeld: false,
  hold: () => Promise.resolve(),
  release: () => undefined,
};
