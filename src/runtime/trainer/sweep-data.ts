/** The data of a sweep: all of its runs are of the same files, whenever they are run, as a single run that goes on is. */
import { join } from 'node:path';
import { aboutRun } from '../run/about-run.js';
import { RunError } from '../run/run-error.js';
import { filesOfData } from './read-files.js';

/** A run would be of other data than those before it. */
export class OtherData extends RunError {}

interface Known {
  readonly sha256: string;
  /** The run that has read it. */
  readonly run: string;
}

export class SweepData {
  /** By data set and file: a part of a set may be read by some runs alone. */
  readonly #known = new Map<string, Known>();

  constructor(
    /** The sweep's folder; null where nothing is written. */
    private readonly folder: string | null,
    /** Whether other data is meant. */
    private readonly isAllowed: boolean,
    private readonly say: (line: string) => void,
  ) {}

  /** Takes up what a run of another start has read, as its `run.json` says. */
  async takeUp(run: string): Promise<void> {
    if (this.folder === null) return;
    try {
      const about = await aboutRun(join(this.folder, run));
      for (const { label, file, sha256 } of filesOfData(about?.['data']))
        this.#known.set(keyOf(label, file), { sha256, run });
    } catch {
      // What cannot be read says nothing.
    }
  }

  /** Throws an OtherData where a file has changed since another run has read it, unless that is allowed: then it is told, once. */
  check(run: string, data: unknown): void {
    const lines: string[] = [];
    for (const { label, file, sha256 } of filesOfData(data)) {
      const key = keyOf(label, file);
      const before = this.#known.get(key);
      if (before !== undefined && before.sha256 !== sha256)
        lines.push(`${label}: ${file} has changed since ${before.run} has read it`);
      if (before === undefined || this.isAllowed) this.#known.set(key, { sha256, run });
    }
    if (this.isAllowed) for (const line of lines) this.say(`allowed: ${line}`);
    else if (lines.length > 0)
      throw new OtherData(
        [
          `cannot go on with ${this.folder ?? 'the sweep'}, its data is other data now:`,
          ...lines.map((line) => `  ${line}`),
          `go back to what it was, or say that it is meant: --resume ${this.folder ?? '…'} --allow data`,
        ].join('\n'),
      );
  }
}

const keyOf = (label: string, file: string): string => `${label} ${file}`;
