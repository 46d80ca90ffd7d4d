/** What weights that are tested, or predicted with, were trained with: attributes of the run, and the files of its data. */
import { parseOverride, type Override } from '../../values/overrides.js';
import { record } from '../../values/json-record.js';
import { readState, Removed, type Checkpoint } from '../checkpoint/read.js';
import { plainJson } from '../checkpoint/strict-json.js';
import type { ReadFile } from '../data/files.js';
import { RunError } from '../run/run-error.js';
import { filesOfData } from './read-files.js';
import { changedExterns, isHarmless } from './run-lock.js';
import type { TrainerSpec } from './spec.js';

/** What a checkpoint says of its run. */
export interface TrainedWith {
  /** `owner.option=value` as the command line had them. */
  readonly overrides: readonly string[];
  /** Whether these held for what amends their owner as well: not in runs of before that. */
  readonly reachHeirs: boolean;
  /** Digests of data files, by their paths as written. */
  readonly files: ReadonlyMap<string, string>;
  /** Of the tokens of its spec, as its lock has it; null or undefined where it says nothing of it. */
  readonly tokensSha256: unknown;
  /** Code of externs as its lock has it; undefined where it says nothing of it. */
  readonly externs: unknown;
  /** Why nothing is known of it, where its state cannot be read: weights have checksums of their own. */
  readonly unread: string | null;
}

const nothing: TrainedWith = {
  overrides: [],
  reachHeirs: true,
  files: new Map(),
  tokensSha256: undefined,
  externs: undefined,
  unread: null,
};

export async function trainedWith(from: Checkpoint): Promise<TrainedWith> {
  try {
    const { lock } = record('state.json', plainJson(await readState(from)));
    // Checkpoints of before it was kept say nothing.
    if (lock === undefined) return nothing;
    const facts = record('lock', lock);
    const { overrides, data, externs, spec_tokens_sha256: tokensSha256 } = facts;
    return {
      overrides: Array.isArray(overrides) ? overrides.map(String) : [],
      reachHeirs: facts['overrides_reach_heirs'] === true,
      files: new Map(data === undefined ? [] : filesOfData(data).map(({ file, sha256 }) => [file, sha256])),
      tokensSha256,
      externs,
      unread: null,
    };
  } catch (error) {
    if (!(error instanceof RunError) || error instanceof Removed) throw error;
    return { ...nothing, unread: error.message };
  }
}

/**
 * Attributes of the run that hold for a test or a prediction as well: the trainer's, and those of data sets that are still there, but for
 * what changes nothing of a result and what is said otherwise now, which is noted. Optimizers and add-ons have no part in it.
 */
export function attributesOfRun(
  { overrides, unread }: TrainedWith,
  given: readonly Override[],
  dataNames: () => readonly string[],
): { readonly taken: readonly Override[]; readonly notes: readonly string[] } {
  if (unread !== null)
    return { taken: [], notes: [`which attributes the run was given is not known: ${unread}`] };
  const lasting = overrides.filter((text) => !isHarmless(text)).map(parseOverride);
  if (lasting.length === 0) return { taken: [], notes: [] };
  const names = new Set(['trainer', ...dataNames()]);
  const said = new Map(given.map(({ path, text }) => [path.join('.'), text]));
  const taken = lasting.filter(({ path }) => names.has(path[0] ?? '') && !said.has(path.join('.')));
  const notes = lasting.flatMap(({ path, text }) => {
    const now = said.get(path.join('.'));
    return now === undefined || now === text
      ? []
      : [`${path.join('.')} was ${text} when these weights were trained, and is ${now} here`];
  });
  return { taken, notes };
}

/** A line of what is another code of externs than the weights were trained with; null where it is the same, or not known. */
export function otherCode(
  { externs }: TrainedWith,
  spec: Pick<TrainerSpec<never>, 'externs'>,
): string | null {
  const lines = changedExterns(externs, spec.externs ?? []);
  const rest = lines.length - shownFiles;
  return lines.length === 0
    ? null
    : [...lines.slice(0, shownFiles), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}

const shownFiles = 6;

/** Whether the spec means another thing, as far as is known, than the one of which the weights are. */
export const isOtherSpec = (
  { tokensSha256 }: TrainedWith,
  from: Pick<Checkpoint, 'specSha256'>,
  spec: Pick<TrainerSpec<never>, 'sha256' | 'tokensSha256'>,
): boolean =>
  spec.sha256 !== undefined &&
  spec.sha256 !== from.specSha256 &&
  (spec.tokensSha256 === undefined || spec.tokensSha256 !== tokensSha256);

/** Files that were other ones when the weights were trained, a sentence each. Of folders of pictures nothing is said: all would be read. */
export async function changedFiles(
  { files }: TrainedWith,
  sets: Iterable<{ readonly files: readonly ReadFile[] }>,
): Promise<readonly string[]> {
  const told = new Map<string, string>();
  for (const { files: read } of sets)
    for (const { file, isFolder, sha256 } of read) {
      const before = files.get(file);
      if (before === undefined || isFolder === true || told.has(file)) continue;
      if ((await sha256) !== before)
        told.set(
          file,
          `${file} has changed since these weights were trained: what it says may mean another thing`,
        );
    }
  return [...told.values()];
}
