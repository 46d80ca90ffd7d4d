/** Gives weights their first values from a file, once, before a new run's first step. The run itself loads them. */
import type { WeightLayout } from '../checkpoint/layouts.js';
import { renamerOf, type Renaming } from '../../values/renames.js';
import { replaced, type AddOn } from './addon.js';

export interface PretrainedOptions {
  /** Its name, where a run has several. */
  readonly label?: string;
  /**
   * A safetensors file, a checkpoint of a run, or a run's folder, of which the best checkpoint is taken, else the last. Relative paths
   * start where those of data do.
   */
  readonly from: string;
  /** The model, or the part of one, whose weights are loaded, by its path in checkpoints: `Net`, `Flowers.backbone`. */
  readonly into: string;
  /**
   * Whose names and shapes the file has; `ztrain` unless given. A file of ztrain has whole paths, the model first; names of the others
   * count from `into`.
   */
  readonly layout?: WeightLayout;
  /** Renamings of what is in the file, each made on all names that those before have left. */
  readonly rename?: readonly Renaming[];
  /** Patterns of names in the file, as it has them, that are not loaded. */
  readonly unused?: readonly string[];
  /** Patterns of paths below `into` that keep their first values. */
  readonly fresh?: readonly string[];
}

/**
 * Loads weights before the first step of a new run, never where one goes on. Strict: a tensor that nothing takes, a weight that gets
 * none, another shape or element type, or a pattern that means nothing ends the run before it begins. Several, each under a label, load
 * weights of their own: one that two of them load ends it as well. Throws a RenamingError for a
 * renaming that says nothing that can be done.
 */
export function pretrained(options: PretrainedOptions): AddOn {
  for (const each of options.rename ?? []) renamerOf(each);
  return {
    kind: 'pretrained',
    label: options.label,
    phase: 'core',
    owns: [],
    loads: options,
    options: { from: options.from },
    withOptions: (values) => pretrained(replaced(options, values)),
    start: () => ({}),
  };
}
