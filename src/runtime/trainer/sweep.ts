/**
 * A sweep: every point of its axes is run, one after the other, each in a folder of its own and just as it would be run
 * alone. What is done is known by the runs' own summaries, so that a second start goes on where the first one ended.
 */
import { join, resolve } from 'node:path';
import type { Json } from '../addons/addon.js';
import { wordColumns, writeWords } from '../progress/reporter.js';
import { runName } from '../run/folder.js';
import { aboutRun } from '../run/about-run.js';
import { RunError } from '../run/run-error.js';
import {
  DamagedSummary,
  openSweepFolder,
  readSummary,
  setAsideUnused,
  type SweepFolder,
} from '../run/sweep-folder.js';
import { counted } from '../../values/counted.js';
import { monitorName } from '../../values/monitor-name.js';
import { UsageError, type Override } from '../../values/overrides.js';
import { combinations, settingText, type Setting, type SweepPlan } from '../../values/sweep.js';
import { Control, type StopSignal } from './control.js';
import { parseParam } from './params.js';
import { reachedHeirs } from './reached-heirs.js';
import { endedBy, newestIn, noneWhole, type ResumePoint } from './resume.js';
import { namedFolder, runFit, type RunOptions } from './run.js';
import { shortPath } from './short-path.js';
import { OtherData, SweepData } from './sweep-data.js';
import {
  closing,
  isLeft,
  pickedJson,
  pointsJson,
  resultText,
  tableLines,
  unpickedText,
  wordsOf,
  type PointRun,
} from './sweep-points.js';
import { sameSettings } from './sweep-settings.js';
import type { TrainerClass, TrainerSetup } from './trainer.js';

export interface SweepRunOptions extends RunOptions {
  /** Runs that were cut off go on from their newest checkpoints, instead of beginning anew. */
  readonly goesOn?: boolean;
  /** How the user would run one point from here, with these words. */
  readonly command: (words: readonly string[]) => string;
}

/** What the command line says of every run. */
export interface SweepBase {
  /** Params as `name=value`. */
  readonly params: readonly Override[];
  readonly attributes: readonly Override[];
}

export interface SweepResult {
  /** What interrupted it, or null. */
  readonly signal: StopSignal | null;
  readonly runs: number;
  readonly failed: number;
  /** Why no point can be picked, where all runs are done and each point lacks a figure; null otherwise. */
  readonly unpicked: string | null;
  /** The sweep's folder, or null where nothing was written. */
  readonly folder: string | null;
}

/** Runs what is not done yet. Rejects with a RunError where the folder is of another sweep; a run that fails is told of. */
export async function runSweep(
  trainerClass: TrainerClass,
  plan: SweepPlan,
  base: SweepBase,
  options: SweepRunOptions,
): Promise<SweepResult> {
  const { control = new Control(), stream = process.stderr } = options;
  const print = (line: string): void => void stream.write(`${line}\n`);
  const say = (line: string): void => writeWords(stream, line);
  const runs = runsOf(plan);
  // The spec may ask for a dev run as well as the command line.
  const first = new trainerClass(setupOf(trainerClass, base, runs[0]?.settings ?? []));
  const devRun = options.devRun ?? first.options.devRun;
  const writes = devRun === null && options.runDir !== null;
  const path = writes ? folderOf(trainerClass, plan, base, options) : null;
  const folder = path === null ? null : await openSweepFolder(path);
  let at = '';
  const forget = control.beforeEnd((signal) => {
    say(`${signal} ended the sweep${at}`);
    sayGoOn(folder, options, print);
  });
  try {
    const about = aboutOf(trainerClass, plan, base);
    const { allow = [] } = options;
    const shown = folder === null ? null : shortPath(folder.path);
    const data = new SweepData(shown, allow.includes('data'), say);
    if (folder !== null)
      await takeUp(folder, about, runs, {
        kept: options.goesOn === true ? 'all' : 'finished',
        data,
        say,
        isSameSettings: (was, is) => isSameBase(trainerClass, plan, was, is),
        reached: () => [
          ...new Set(
            runs
              .filter(isLeft)
              .flatMap(({ settings }) =>
                reachedInSweep(new trainerClass(setupOf(trainerClass, base, settings))),
              ),
          ),
        ],
      });
    const stay = runs.filter(({ state }) => state === 'finished' || options.goesOn === true);
    const ranOn = folder === null ? undefined : await engineBefore(folder, stay);
    const points = combinations(plan.over).length;
    const done = runs.filter(({ state }) => state === 'finished').length;
    say(
      `sweep of ${counted(points, 'point')}${runs.length === points ? '' : `, ${counted(runs.length, 'run')}`}${folder === null ? '' : `, in ${shortPath(folder.path)}`}${done === 0 ? '' : `; ${done} done before`}`,
    );
    if (done === runs.length)
      say(
        `nothing is left to do: all its runs are done${allow.length === 0 ? '' : `, and --allow ${allow.join(',')} changes none of them`}`,
      );
    const write = async (ended: boolean): Promise<void> =>
      folder?.write({
        ...about,
        ended,
        points: pointsJson(plan, runs),
        // What is best so far is no pick.
        picked: runs.some(isLeft) ? null : pickedJson(plan, runs, options.command),
      });
    await write(false);
    for (const [index, run] of runs.entries()) {
      if (run.state === 'finished') continue;
      if (control.signal !== null) break;
      at = ` in run ${index + 1} of ${runs.length}`;
      say(`run ${index + 1} of ${runs.length}: ${wordsOf(run.settings).join(' ')}`);
      const checkData = (read: Json): void => data.check(run.name, read);
      await runOne(trainerClass, base, run, folder, { ...options, control, stream, checkData, ranOn });
      if (run.error !== null) say(`error: ${run.error}`);
      // Where the run itself is in its log alone.
      if (run.summary !== null && first.options.progress === 'auto')
        say(`  ${resultText(plan, run.summary)}`);
      await write(false);
    }
    const signal = runs.some(isLeft) ? control.signal : null;
    await write(signal === null);
    const columns = wordColumns(stream);
    for (const line of tableLines(plan, runs, columns, devRun !== null)) print(line);
    for (const line of closing(plan, runs, options.command, devRun !== null, columns)) print(line);
    if (folder !== null) print(`sweep: ${shortPath(join(folder.path, 'sweep.json'))}`);
    if (signal !== null) sayGoOn(folder, options, print);
    return {
      signal,
      runs: runs.length,
      failed: runs.filter(({ state }) => state === 'failed').length,
      unpicked: devRun !== null || signal !== null ? null : unpickedText(plan, runs),
      folder: folder === null ? null : shortPath(folder.path),
    };
  } finally {
    forget();
    folder?.close();
  }
}

/** The engine of the first of runs that stay, if one has begun: figures of two would be compared. */
async function engineBefore(folder: SweepFolder, runs: readonly PointRun[]): Promise<string | undefined> {
  for (const { name } of runs) {
    const about = await aboutRun(join(folder.path, name)).catch(() => null);
    if (typeof about?.['engine'] === 'string') return about['engine'];
  }
  return undefined;
}

function sayGoOn(folder: SweepFolder | null, { goOn }: SweepRunOptions, say: (line: string) => void): void {
  if (folder !== null && goOn !== undefined) say(`go on: ${goOn(shortPath(folder.path))}`);
}

function runsOf(plan: SweepPlan): readonly PointRun[] {
  const points = combinations(plan.over);
  const each = combinations(plan.average);
  const digits = String(points.length).length;
  return points.flatMap((settings, point) =>
    each.map((more, run): PointRun => {
      const name = `point-${String(point + 1).padStart(digits, '0')}`;
      return {
        point,
        settings: [...settings, ...more],
        name: plan.average.length === 0 ? name : join(name, `run-${run + 1}`),
        state: 'open',
        summary: null,
        error: null,
      };
    }),
  );
}

/** A trainer's setup with these settings added to what the command line says. */
function setupOf(trainerClass: TrainerClass, base: SweepBase, settings: readonly Setting[]): TrainerSetup {
  const own = settings.map(({ name, text }): Override => ({ path: name.split('.'), text }));
  const all = [...base.params, ...base.attributes, ...own];
  const params = all.filter(({ path }) => path.length === 1);
  return {
    params: Object.fromEntries(
      params.map(({ path: [name = ''], text }) => parseParam(trainerClass.spec, name, text)),
    ),
    overrides: all.filter(({ path }) => path.length > 1),
  };
}

async function runOne(
  trainerClass: TrainerClass,
  base: SweepBase,
  run: PointRun,
  folder: SweepFolder | null,
  { goesOn = false, stream = process.stderr, ...options }: SweepRunOptions,
): Promise<void> {
  const path = folder === null ? null : join(folder.path, run.name);
  let resume: ResumePoint | null = null;
  try {
    const isOver = path !== null && (await endedBy(path)) !== null;
    // One that has ended is not trained again for want of its summary.
    resume = path === null || !(goesOn || isOver) ? null : await pointIn(path, goesOn);
    const aside = path === null || resume !== null ? null : await setAsideUnused(path);
    if (isOver && aside !== null)
      writeWords(
        stream,
        `${run.name} had ended, with nothing to go on from, and is trained again: what it was is ${shortPath(aside)} now`,
      );
    const trainer = new trainerClass(setupOf(trainerClass, base, run.settings));
    const result = await runFit(trainer, {
      ...options,
      stream,
      runDir: path,
      resume,
      isBrief: true,
      // The sweep goes on, and says how.
      goOn: undefined,
      failed: undefined,
    });
    run.state = result.reason === 'interrupted' ? 'interrupted' : 'finished';
    run.error = null;
    run.summary =
      run.state !== 'finished'
        ? null
        : path === null
          ? { metrics: result.metrics, seconds: result.at.seconds }
          : await readSummary(path);
  } catch (error) {
    // What --allow names is the command line's fault and no run's; data that has changed is all of theirs.
    if (error instanceof OtherData) throw error;
    if (resume !== null && error instanceof UsageError) throw error;
    run.state = 'failed';
    run.error = error instanceof Error ? error.message : String(error);
  }
}

/** Where a run that was cut off goes on; null where it has saved nothing. Rejects where all that it saved is damaged, if it `must`. */
async function pointIn(path: string, must: boolean): Promise<ResumePoint | null> {
  const { point, passed, isLost } = await newestIn(path);
  if (must && point === null && isLost) throw noneWhole(path, passed);
  return point;
}

/**
 * Marks what another start has done, and takes up the data of its runs: of those that are finished, or of all that go on. Rejects where
 * that was another sweep.
 */
async function takeUp(
  folder: SweepFolder,
  about: Readonly<Record<string, Json>>,
  runs: readonly PointRun[],
  {
    kept,
    data,
    isSameSettings,
    reached,
    say,
  }: {
    readonly kept: 'finished' | 'all';
    readonly data: SweepData;
    readonly isSameSettings: (was: readonly string[], is: readonly string[]) => boolean;
    /** What overrides hold for now that they did not in sweeps of before `overridesReachHeirs` was kept. */
    readonly reached: () => readonly string[];
    readonly say: (line: string) => void;
  },
): Promise<void> {
  if (folder.before !== null) {
    for (const key of identity) {
      if (key === 'sha256' && meansTheSame(folder.before, about)) continue;
      // Sweeps of before it was kept say nothing of it.
      if (key === 'externs' && !folder.before.has(key)) continue;
      const [was, is] = [plainValue(folder.before.get(key)), plainValue(about[key])];
      const isSameOne =
        key === 'settings' && Array.isArray(was) && Array.isArray(is)
          ? isSameSettings(was.map(String), is.map(String))
          : isSame(key, was, is);
      if (!isSameOne)
        throw new RunError(
          `${folder.path} is a sweep with ${otherOf[key]} (${wordsOfAbout(was)}, now ${wordsOfAbout(is)}); choose another --run-dir, go on with what it was started with, or begin anew with --resume none and another --run-dir`,
        );
    }
  }
  for (const run of runs) {
    run.summary = await readSummary(join(folder.path, run.name)).catch((error: unknown) => {
      if (!(error instanceof DamagedSummary)) throw error;
      say(`${error.message}; ${run.name} is not taken for done`);
      return null;
    });
    if (run.summary !== null) run.state = 'finished';
    if (run.state === 'finished' || kept === 'all') await data.takeUp(run.name);
  }
  if (folder.before === null || folder.before.has('overridesReachHeirs') || !runs.some(isLeft)) return;
  const others = reached();
  if (others.length > 0) throw new RunError([`cannot go on in ${folder.path}:`, ...others].join('\n  '));
}

const reachedInSweep = (trainer: InstanceType<TrainerClass>): readonly string[] =>
  reachedHeirs(trainer, (name) => trainer.attribute(name), trainer.overrides);

/** Whether it is the same spec whatever its text says about it. Sweeps of before its tokens were kept say nothing of them. */
function meansTheSame(
  before: ReadonlyMap<string, unknown>,
  { tokensSha256: now = '' }: Readonly<Record<string, Json>>,
): boolean {
  return now !== '' && before.get('tokensSha256') === now;
}

const identity = ['trainer', 'sha256', 'externs', 'settings', 'over', 'average', 'pick'] as const;

const otherOf: Readonly<Record<(typeof identity)[number], string>> = {
  trainer: 'another trainer',
  sha256: 'another spec',
  externs: 'other code of externs',
  settings: 'other settings',
  over: 'other axes of over',
  average: 'other axes of average',
  pick: 'another pick',
};

/** A strictly read value as it was written. */
function plainValue(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, each: unknown) =>
    each instanceof Map ? Object.fromEntries(each) : each,
  );
  return text === undefined ? undefined : JSON.parse(text);
}

/** Whether what two command lines say besides the axes makes the same runs. */
function isSameBase(
  trainerClass: TrainerClass,
  plan: SweepPlan,
  was: readonly string[],
  is: readonly string[],
): boolean {
  const axes = new Set([...plan.over, ...plan.average].map(({ name }) => name));
  const setup = (settings: readonly Override[]): TrainerSetup => {
    const params = settings.filter(({ path }) => path.length === 1);
    return firstOf(trainerClass, plan, {
      params,
      attributes: settings.filter((each) => !params.includes(each)),
    });
  };
  return sameSettings(trainerClass, was, is, setup, (name) => axes.has(name));
}

/** Code of externs is the same under another path: the spec says where it lies. */
function isSame(key: string, was: unknown, is: unknown): boolean {
  const digests = (files: unknown): unknown =>
    key === 'externs' && Array.isArray(files)
      ? files.map((file: unknown) => String(file).split(' ').at(-1)).sort()
      : files;
  return JSON.stringify(digests(was)) === JSON.stringify(digests(is));
}

/** What makes a sweep as a reader says it: `lr=0.1`, `lr: 0.1, 0.2`, or none. */
function wordsOfAbout(value: unknown): string {
  if (value === undefined) return 'not known';
  if (!Array.isArray(value)) return String(value).slice(0, shownOfAbout);
  if (value.length === 0) return 'none';
  return value
    .map((each: unknown) => {
      if (typeof each !== 'object' || each === null || !('name' in each) || !('values' in each))
        return String(each);
      return `${String(each.name)}: ${Array.isArray(each.values) ? each.values.join(', ') : ''}`;
    })
    .join('; ');
}

/** Of a digest so much tells it from another. */
const shownOfAbout = 40;

/** What makes it this sweep, as `sweep.json` has it. */
function aboutOf({ spec }: TrainerClass, plan: SweepPlan, base: SweepBase): Readonly<Record<string, Json>> {
  const axes = (of: SweepPlan['over']): Json =>
    of.map(({ name, values }) => ({ name, values: values.map(settingText) }));
  return {
    trainer: spec.trainer,
    sha256: spec.sha256 ?? '',
    tokensSha256: spec.tokensSha256 ?? '',
    externs: (spec.externs ?? []).map(({ path, sha256 }) => `${path} ${sha256.slice(0, 12)}`),
    settings: [...base.params, ...base.attributes].map(({ path, text }) => `${path.join('.')}=${text}`),
    overridesReachHeirs: true,
    over: axes(plan.over),
    average: axes(plan.average),
    pick: monitorName(plan.pick),
  };
}

function folderOf(trainerClass: TrainerClass, plan: SweepPlan, base: SweepBase, options: RunOptions): string {
  const name = trainerClass.spec.trainer;
  return resolve(
    options.runDir ??
      namedFolder(trainerClass, firstOf(trainerClass, plan, base)) ??
      join('runs', name, `${runName(new Date())}-sweep`),
  );
}

/** The first run's setup. */
export function firstOf(trainerClass: TrainerClass, plan: SweepPlan, base: SweepBase): TrainerSetup {
  const [first = []] = combinations([...plan.over, ...plan.average]);
  return setupOf(trainerClass, base, first);
}
