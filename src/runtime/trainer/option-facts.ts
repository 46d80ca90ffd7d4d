/** The options of a run as files have them: by their names at a command line. */
import type { Json } from '../addons/addon.js';
import { showQuantity } from '../../values/units.js';
import type { ResolvedOptions } from './resolved-options.js';

/** Those that make a run this one: what checkpoints compare. */
export function optionFacts(options: ResolvedOptions): Readonly<Record<string, Json>> {
  const { clip, limit, overfit } = options;
  return {
    epochs: options.epochs,
    steps: options.steps,
    min_epochs: options.minEpochs,
    min_steps: options.minSteps,
    max_time: options.maxTime,
    limit: Object.fromEntries(
      Object.entries(limit).map(([kind, part]) => [kind, part === null ? null : showQuantity(part)]),
    ),
    overfit: overfit === null ? null : showQuantity(overfit),
    reload_data: options.reloadData,
    accumulate: options.accumulate,
    clip: clip === null ? null : { ...clip },
    seed: options.seed,
    precision: options.precision,
    compile: options.compile,
    deterministic: options.deterministic,
    on_nan: options.onNan,
    log_every: options.logEvery.value,
  };
}
