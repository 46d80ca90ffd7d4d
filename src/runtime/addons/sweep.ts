/**
 * Runs for each combination of settings. Unlike other add-ons it is no part of a run: the command line reads it from the
 * spec and makes the runs, each of which is what it would be alone.
 */
import type { OptionValue } from '../../values/overrides.js';
import type { Axis, SweepPlan } from '../../values/sweep.js';
import type { Monitor } from './addon.js';

export interface SweepOptions {
  readonly over?: readonly Axis[];
  readonly average?: readonly Axis[];
  readonly pick: Monitor;
}

export function sweep({ over = [], average = [], pick }: SweepOptions): SweepPlan {
  return { over, average, pick };
}

/** The values that one setting takes. */
export function axis({
  name,
  values,
}: {
  readonly name: string;
  readonly values: readonly OptionValue[];
}): Axis {
  return { name, values };
}
