/** What a run that goes on lacks of its files, which are made where it goes on, and not where it is refused. */
import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from './run-error.js';

export interface MissingFiles {
  /** Removes those that were made since, as far as nothing is in them. */
  removeEmpty(): void;
}

/**
 * What is missing in a run's folder. Throws a RunError where that is a `metrics.jsonl` which had lines when the checkpoint was written, of
 * which `lengths` tells, unless it `mayLack` lines.
 */
export function missingFiles(
  path: string,
  lengths: Readonly<Record<string, unknown>>,
  mayLack: boolean,
): MissingFiles {
  const missing = ['metrics.jsonl', 'console.log'].map((name) => join(path, name)).filter(isMissing);
  const length = lengths['metrics.jsonl'];
  const metrics = join(path, 'metrics.jsonl');
  if (!mayLack && missing.includes(metrics) && typeof length === 'number' && length > 0)
    throw new RunError(
      `${metrics} is gone, and had ${length} bytes when the checkpoint was written; put it back, or say that it is meant: --allow metrics`,
    );
  return {
    removeEmpty: () => {
      for (const file of missing)
        if (lstatSync(file, { throwIfNoEntry: false })?.size === 0) rmSync(file, { force: true });
    },
  };
}

const isMissing = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) === undefined;
