/** Values of a run that have left the range of f32, and that nothing mends any more. */
import type { StateVariable } from '../engine/engine.js';
import { allFinite } from '../engine/finite.js';
import { RunError } from '../run/run-error.js';
import { someNames } from './shown.js';

/** `names` are paths of what is not finite after `step`. */
export const notFinite = (names: readonly string[], step: number): RunError =>
  new RunError(
    `after step ${step}, values are not finite any more: ${someNames(names)}; lower the learning rate, or clip gradients`,
  );

/** Rejects with a RunError that names those that are not finite. One by one: none is kept. */
export async function refuseNotFinite(variables: readonly StateVariable[], step: number): Promise<void> {
  const wrong: string[] = [];
  for (const variable of variables)
    if (!allFinite((await variable.download()).values)) wrong.push(variable.path);
  if (wrong.length > 0) throw notFinite(wrong, step);
}
