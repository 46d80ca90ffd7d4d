/** What a run that goes on starts from: the newest checkpoint with all of its state whose every byte is as it was written. Only damage is passed over. */
import { dirname, join } from 'node:path';
import { RunError } from '../run/run-error.js';
import { fileError } from './files.js';
import { checkpointPaths, isDamage, isFolder, whyNone, whyUnread } from './list.js';
import { NewerFormat } from './manifest.js';
import { openCheckpoint, type Checkpoint } from './read.js';

/** A checkpoint that cannot be used, with the reason. */
export interface Skipped {
  readonly path: string;
  readonly why: string;
  /** Whether it is whole, and holds no more than weights: then nothing is lost with it. */
  readonly weightsOnly: boolean;
}

/**
 * The newest checkpoint that `take` takes, which rejects where any of it is not as it was written; of a run's folder or of its folder of
 * checkpoints. What was cut off while it was written has no checkpoint's name and is not looked at; nor is the state of a run that
 * failed. Rejects with a RunError where the folder cannot be read, and where one cannot be read that may be whole; a folder without
 * checkpoints has none. An Unwanted that `take` rejects with is thrown on.
 */
export async function newestWhole<T>(
  folder: string,
  take: (checkpoint: Checkpoint) => Promise<T>,
): Promise<{
  readonly found: { readonly checkpoint: Checkpoint; readonly taken: T } | null;
  readonly skipped: readonly Skipped[];
}> {
  const inside = join(folder, 'checkpoints');
  const place = (await isFolder(inside)) ? inside : folder;
  let paths: readonly string[];
  try {
    paths = await checkpointPaths(place);
  } catch (error) {
    throw fileError(`cannot read ${place}`, error, 'another run');
  }
  const skipped: Skipped[] = [];
  for (const path of paths) {
    try {
      const why = await whyNone(path);
      if (why !== null) {
        skipped.push({ path, why, weightsOnly: false });
        continue;
      }
      const checkpoint = await openCheckpoint(path);
      if (checkpoint.weightsOnly) {
        skipped.push({ path, why: onlyWeights, weightsOnly: true });
        continue;
      }
      return { found: { checkpoint, taken: await take(checkpoint) }, skipped };
    } catch (error) {
      if (error instanceof Unwanted) throw error;
      if (!isDamage(error)) throw mayBeWhole(path, error);
      skipped.push({ path, why: reasonOf(error), weightsOnly: false });
    }
  }
  return { found: null, skipped };
}

/** A run that went on from an older one would put this one aside, and cut off what came after that. */
function mayBeWhole(path: string, error: unknown): RunError {
  const reason = error instanceof RunError ? reasonOf(error) : `cannot read ${path}: ${whyUnread(error)}`;
  const advice = error instanceof NewerFormat ? '' : 'mend that, then go on again; ';
  return new RunError(
    `${reason}; ${advice}it may be whole, so none before it is taken unless it is named: --resume ${join(dirname(path), 'step-…')}`,
    { cause: error },
  );
}

/** Of a checkpoint that is not wanted, whether it is whole or not: nor is any other of its run. */
export class Unwanted extends RunError {}

/** Why a run cannot go on from a checkpoint that is whole. */
export const onlyWeights =
  'it holds weights only (checkpoint.weights_only), which test, predict, export and pretrained take, but no run goes on from';

/** The reason without what to take instead: that is being looked for. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/; (?:take another checkpoint: |there is no other checkpoint beside it).*$/s, '');
}
