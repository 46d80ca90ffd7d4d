/** Where a run goes on: the newest of its checkpoints that is whole, or the one that was asked for. */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fromExactNumber } from '../../values/exact-number.js';
import type { SavedCheckpoint } from '../addons/addon.js';
import { checkpointPaths, fileEnding, isCheckpointName } from '../checkpoint/list.js';
import { isFree, lockName, refuseInUse } from '../checkpoint/lock.js';
import { newestWhole, onlyWeights, Unwanted } from '../checkpoint/newest.js';
import {
  findCheckpoint,
  openCheckpoint,
  readState,
  readAllTensors,
  verifyOthers,
  type Checkpoint,
} from '../checkpoint/read.js';
import { plainJson, type StrictValue } from '../checkpoint/strict-json.js';
import { checkpointName, pointTo } from '../checkpoint/write.js';
import type { HostTensor } from '../engine/engine.js';
import type { Best } from '../progress/training.js';
import { aboutRun, refuseIrregular, smallFile } from '../run/about-run.js';
import { RunError } from '../run/run-error.js';
import { record } from '../../values/json-record.js';

/** What a checkpoint to go on from says, before its tensors are read. */
export interface ResumeHead {
  /** The run's folder, in which it goes on. */
  readonly run: string;
  readonly checkpoint: Checkpoint;
  /** What `state.json` says. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** Looks at what may be gone on from, before its tensors are read, which may take long. What it throws is thrown on. */
export type Look = (head: ResumeHead) => Promise<void>;

/** A checkpoint to go on from: read, and whole. */
export interface ResumePoint extends ResumeHead {
  /** Tensors, which the run takes out once it has them: with Adam they are three times the weights. */
  readonly model: Map<string, HostTensor>;
  readonly optimizer: Map<string, HostTensor>;
  /** Newer checkpoints that are not whole, and why, a sentence each. */
  readonly passed: readonly string[];
  /** Names of all checkpoints of the run when it was looked for. */
  readonly names: readonly string[];
}

/**
 * The point that `path` names: a checkpoint, also as `checkpoints/best` or `checkpoints/last`, or a run's folder (or its `checkpoints`),
 * of which the newest checkpoint that verifies is taken. Rejects with a RunError where there is none, and where it was written by another
 * trainer than `trainer`, before its tensors are read.
 */
export async function resumePointAt(
  given: string,
  trainer: string | null = null,
  look: Look | null = null,
): Promise<ResumePoint> {
  const pointed = await pointedBy(given);
  const isOne = pointed.endsWith(fileEnding) || existsSync(join(pointed, 'manifest.json'));
  if (isOne) {
    // What was put aside and what a failed run left have other names: the run's files are not as they were then.
    if (!isCheckpointName(basename(resolve(pointed))))
      throw new RunError(
        `${pointed} is no checkpoint of its run any more; test, predict, export and pretrained take it, but no run goes on from it`,
      );
    const run = dirname(dirname(resolve(pointed)));
    if (basename(dirname(resolve(pointed))) !== 'checkpoints' || !existsSync(join(run, 'run.json')))
      throw new RunError(
        `${pointed} is not among the checkpoints of its run, and a run goes on in its own folder; put it back there, or begin a new run from its weights by the add-on pretrained`,
      );
    const checkpoint = await openCheckpoint(resolve(pointed));
    if (checkpoint.weightsOnly) throw new RunError(`cannot go on from ${checkpoint.folder}: ${onlyWeights}`);
    return pointOf(run, checkpoint, await unwrapped(readAll(run, checkpoint, { trainer, look })), []);
  }
  const path = isCheckpoints(pointed) ? dirname(resolve(pointed)) : pointed;
  const { point, passed } = await newestIn(path, trainer, look);
  if (point !== null) return point;
  if (passed.length > 0) throw noneWhole(path, passed);
  if (existsSync(join(path, 'run.json'))) {
    // One that is at work has not saved yet.
    refuseInUse(path);
    throw new RunError(
      `${path} has saved nothing to go on from; begin anew by --run-dir ${path} --resume auto, which keeps it beside`,
    );
  }
  // Says what is there instead.
  await findCheckpoint(path);
  throw new RunError(`${path} has no checkpoint to go on from`);
}

/** What `checkpoints/best` and `checkpoints/last` name; other paths are themselves. */
async function pointedBy(path: string): Promise<string> {
  const name = basename(path);
  if ((name !== 'best' && name !== 'last') || !isCheckpoints(dirname(path))) return path;
  const run = dirname(dirname(resolve(path)));
  const found = (await pointersOf(run)).get(name);
  if (found !== undefined) return found.folder;
  throw new RunError(`${path} names no checkpoint; give the run's folder, ${dirname(dirname(path))}`);
}

const isCheckpoints = (path: string): boolean =>
  basename(resolve(path)) === 'checkpoints' && existsSync(join(path, '..', 'run.json'));

/** The error about a run whose checkpoints are all damaged. */
export function noneWhole(run: string, passed: readonly string[]): RunError {
  return new RunError(
    [
      `${run} has no checkpoint to go on from:`,
      ...passed.map((why) => `  ${why}`),
      'put a whole one back, or begin anew: --resume none with another --run-dir',
    ].join('\n'),
  );
}

/** Where a run in `runs` (of one trainer) was left unfinished: the newest. Null where none was. `say` is told of what is passed over. */
export async function unfinishedIn(
  runs: string,
  trainer: string,
  say: (line: string) => void,
  look: Look | null = null,
): Promise<ResumePoint | null> {
  const names = await readdir(runs).catch((): string[] => []);
  for (const name of names.sort().reverse()) {
    const folder = join(runs, name);
    const { why = null, reason } = await standingOf(folder);
    if (why !== null) say(`passed over: ${folder}, of which is not known whether it has ended: ${why}`);
    if (ended.some((each) => each === reason)) continue;
    // One that has just begun has no run.json so far.
    const mayBeInUse = reason !== undefined || existsSync(join(folder, lockName));
    if (!mayBeInUse || !isFree(folder, say) || reason === undefined) continue;
    const { point, passed, isLost } = await newestIn(folder, trainer, look);
    if (point !== null) return point;
    // Nobody wants to go on with an older run in its place without a word.
    if (isLost) throw noneWhole(folder, passed);
    if (passed.length > 0) say(`passed over: ${folder}, whose checkpoints hold weights only`);
  }
  return null;
}

/** Reasons of runs that have nothing left to do. */
const ended = ['finished', 'stopped', 'out-of-time'] as const;

/** How a run came to its end; null where it did not. */
export async function endedBy(run: string): Promise<(typeof ended)[number] | null> {
  const { reason } = await standingOf(run);
  return ended.find((each) => each === reason) ?? null;
}

/** How a run stands. */
interface RunStanding {
  /** Why it ended; null while it goes on or where it was killed, undefined where there is no run. */
  readonly reason?: string | null;
  /**
   * Why nothing is known of a folder in which a run has been, and what to do about it: one whose files cannot be read as such must not keep
   * others from going on.
   */
  readonly why?: string;
}

/** Read once: whoever runs there may replace `run.json` meanwhile. */
async function standingOf(folder: string): Promise<RunStanding> {
  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
  try {
    await refuseIrregular(folder);
  } catch (error) {
    return { why: textOf(error) };
  }
  const goOn = (await hasCheckpoints(folder)) ? `; go on by --resume ${folder}` : '';
  try {
    const about = await aboutRun(folder);
    if (about === null) return goOn === '' ? {} : { why: `it has checkpoints and no run.json${goOn}` };
    const { reason } = about;
    return { reason: typeof reason === 'string' ? reason : null };
  } catch (error) {
    return { why: `${textOf(error)}${goOn}` };
  }
}

/**
 * The newest checkpoint of a run that verifies, what was passed over, and whether state of the run is lost with that. Rejects with a
 * RunError where the run is of another trainer than `trainer`.
 */
export async function newestIn(
  run: string,
  trainer: string | null = null,
  look: Look | null = null,
): Promise<{
  readonly point: ResumePoint | null;
  readonly passed: readonly string[];
  readonly isLost: boolean;
}> {
  if (!existsSync(join(run, 'checkpoints'))) return { point: null, passed: [], isLost: false };
  const taking = { trainer, look };
  const { found, skipped } = await unwrapped(
    newestWhole(run, (checkpoint) => readAll(resolve(run), checkpoint, taking)),
  );
  // Whoever writes there removes its older ones meanwhile.
  if (found === null && skipped.length > 0) refuseInUse(run);
  const passed = skipped.map(({ path, why }) => (why.includes(path) ? why : `${path}: ${why}`));
  const point = found === null ? null : await pointOf(resolve(run), found.checkpoint, found.taken, passed);
  return { point, passed, isLost: skipped.some(({ weightsOnly }) => !weightsOnly) };
}

/** Why a checkpoint is not gone on from, whether it is whole or not, in the place of that error. */
class Refused extends Unwanted {
  constructor(readonly reason: unknown) {
    super('what was looked at is refused');
  }
}

/** Throws what is in a Refused. */
const unwrapped = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw error instanceof Refused ? error.reason : error;
  });

/** All that a run needs of a checkpoint, which verifies it. */
async function readAll(
  run: string,
  checkpoint: Checkpoint,
  { trainer, look }: { readonly trainer: string | null; readonly look: Look | null },
) {
  if (trainer !== null && checkpoint.trainer !== trainer)
    throw new Unwanted(
      `${checkpoint.folder} was written by ${checkpoint.trainer}, this is ${trainer}; take a checkpoint of this trainer`,
    );
  const refused = (error: unknown): never => {
    throw new Refused(error);
  };
  await refuseIrregular(run).catch(refused);
  const text = await readState(checkpoint);
  await verifyOthers(checkpoint);
  const state = await Promise.resolve(text)
    .then((read) => stateOf(checkpoint, read))
    .catch(refused);
  await look?.({ run, checkpoint, state }).catch(refused);
  return { state, ...(await readAllTensors(checkpoint)) };
}

async function pointOf(
  run: string,
  checkpoint: Checkpoint,
  { state, model, optimizer }: Awaited<ReturnType<typeof readAll>>,
  passed: readonly string[],
): Promise<ResumePoint> {
  const names = await namesIn(run);
  const tensors = { model: new Map(model), optimizer: new Map(optimizer) };
  return { run, checkpoint, ...tensors, state, passed, names };
}

function stateOf({ folder }: Checkpoint, state: StrictValue): Readonly<Record<string, unknown>> {
  const kept = record('state.json', plainJson(state));
  if (kept['lock'] === undefined)
    throw new RunError(
      `cannot go on from ${folder}: a ztrain wrote it that kept too little to go on from; test, predict and export take it, and so does the add-on pretrained of a new run`,
    );
  return kept;
}

const namesIn = async (run: string): Promise<readonly string[]> =>
  (await checkpointPaths(join(run, 'checkpoints'))).map((path) => basename(path));

/** Whether there are any in a run's folder, whole or not. */
export const hasCheckpoints = async (run: string): Promise<boolean> =>
  (await namesIn(run).catch(() => [])).length > 0;

/** Rejects where another process has written a checkpoint since the point was looked for: it would be lost. */
export async function checkStillNewest({ run, names }: ResumePoint): Promise<void> {
  const later = (await namesIn(run)).find((name) => !names.includes(name));
  if (later !== undefined)
    throw new RunError(`another process has written ${later} of ${run} just now; go on again, from there`);
}

/** Best values so far. Throws an Error where they are none. */
export function bestOf({ state }: ResumePoint): ReadonlyMap<string, Best> {
  const { best } = state;
  if (!Array.isArray(best)) throw new Error('"best" must be a list');
  return new Map(
    best.map((each: unknown) => {
      const { metric, value, step, epoch, seconds } = record('a best value', each);
      const at = {
        step: fromExactNumber(step),
        epoch: fromExactNumber(epoch),
        seconds: fromExactNumber(seconds),
      };
      return [String(metric), { metric: String(metric), value: fromExactNumber(value), at }];
    }),
  );
}

/** Which checkpoints `last` and `best` of a run point at. */
export async function pointersOf(run: string): Promise<ReadonlyMap<'last' | 'best', SavedCheckpoint>> {
  const found = new Map<'last' | 'best', SavedCheckpoint>();
  for (const name of ['last', 'best'] as const) {
    const text = await smallFile(join(run, 'checkpoints', name)).catch(() => null);
    const [, step] = /^step-(\d+)(?:\.ckpt)?\n?$/.exec(text ?? '') ?? [];
    if (text === null || step === undefined) continue;
    found.set(name, { folder: join(run, 'checkpoints', text.trim()), step: Number(step) });
  }
  return found;
}

/**
 * Puts what is newer than the point out of the way, as `aside-…`, so that the run can write its checkpoints again, and lets `last` and
 * `best` point at what is left. A line for each.
 */
export async function setNewerAside({ run, checkpoint, state }: ResumePoint): Promise<readonly string[]> {
  const lines: string[] = [];
  const parent = join(run, 'checkpoints');
  for (const path of await checkpointPaths(parent)) {
    const name = basename(path);
    if (Number.parseInt(name.slice('step-'.length), 10) <= checkpoint.step) continue;
    let aside = join(parent, `aside-${name}`);
    for (let turn = 2; existsSync(aside); turn += 1) aside = join(parent, `aside-${name}-${turn}`);
    await rename(path, aside);
    lines.push(
      `${name} is newer and is written anew: it is ${basename(aside)} now, which is kept until you remove it`,
    );
  }
  const pointers = await pointersOf(run);
  await pointTo(parent, 'last', checkpoint.step);
  const best = pointers.get('best');
  const step = bestStepOf(state);
  // The run may have been killed after it saved its best and before it said so.
  if (step !== null || (best !== undefined && best.step > checkpoint.step)) {
    const name = step === null ? '' : join(parent, checkpointName(step));
    if (step !== null && (existsSync(name) || existsSync(`${name}${fileEnding}`)))
      await pointTo(parent, 'best', step);
    else await rm(join(parent, 'best'), { force: true });
  }
  return lines;
}

/** The step of the best checkpoint, by the state of the add-on that keeps it. */
function bestStepOf(state: ResumePoint['state']): number | null {
  const own = record('addOns', state['addOns'])['checkpoint'];
  const step = own === undefined ? null : record('checkpoint', own)['bestStep'];
  return typeof step === 'number' ? step : null;
}
