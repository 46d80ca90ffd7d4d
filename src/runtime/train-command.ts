/** `train` of a command line: a new run, one that goes on, or a sweep of either kind. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseOverride, UsageError, type Override } from '../values/overrides.js';
import { unfixed, type SweepPlan } from '../values/sweep.js';
import { elsewhere, goOn } from './go-on.js';
import { refuseOthers } from './run/folder.js';
import { RunError } from './run/run-error.js';
import { isSweep, settingsIn, unfinishedSweepIn } from './run/sweep-folder.js';
import type { StopSignal } from './trainer/control.js';
import { namedFolder, runFit, type RunOptions } from './trainer/run.js';
import type { ParamValue, TrainerSpec } from './trainer/spec.js';
import { firstOf, runSweep, type SweepBase } from './trainer/sweep.js';
import type { TrainerClass, TrainerSetup } from './trainer/trainer.js';
import { counted } from '../values/counted.js';

/** What the command line says of training. */
export interface TrainArguments extends SweepBase {
  /** Params by key, as `params` says them. */
  readonly given: Readonly<Record<string, ParamValue>>;
  /** `auto`, `none`, or a path; undefined for what the spec says. */
  readonly resume: string | undefined;
  readonly allow: readonly string[];
  readonly runDir: string | undefined;
  readonly devRun: number | null;
  readonly noSweep: boolean;
}

export interface TrainOptions extends RunOptions {
  /** How the user would run one point of a sweep from here, with these words. */
  readonly command: (words: readonly string[]) => string;
}

/** Trains, and returns the signal that cut it off. Rejects with a RunError where a run failed, and where a sweep has no point to pick. */
export async function trainCommand(
  trainerClass: TrainerClass,
  args: TrainArguments,
  options: TrainOptions,
): Promise<StopSignal | null> {
  const plan = planOf(trainerClass.spec, args);
  const asked = whereToGoOn(trainerClass, plan, args);
  if (asked === null && args.allow.length > 0) throw new UsageError('--allow goes with --resume');
  const sweep = await sweepOf(trainerClass, plan, asked, args, options);
  if (sweep !== null) return sweepFrom(trainerClass, sweep, options);
  if (asked !== null) {
    const result = await goOn(trainerClass, asked, { ...args, params: args.given }, options);
    if (result !== null) return result.signal;
    // Nothing was there to go on with.
    if (plan !== null && asked === 'auto')
      return sweepFrom(trainerClass, { plan, base: args, folder: undefined }, options);
  }
  const trainer = new trainerClass({ params: args.given, overrides: args.attributes });
  return (await runFit(trainer, options)).signal;
}

/** The axes that are left for a sweep; null for a single run. */
function planOf(
  { sweep }: TrainerSpec<never>,
  { params, attributes, noSweep }: TrainArguments,
): SweepPlan | null {
  if (sweep === undefined || noSweep) return null;
  const plan = unfixed(sweep, new Set([...params, ...attributes].map(({ path }) => path.join('.'))));
  return plan.over.length + plan.average.length > 0 ? plan : null;
}

/** Where it goes on, by the command line or else by the spec; null for what begins anew. */
function whereToGoOn(
  trainerClass: TrainerClass,
  plan: SweepPlan | null,
  args: TrainArguments,
): string | null {
  const { resume, devRun } = args;
  if (resume === 'none') return null;
  if (resume !== undefined) return resume;
  try {
    const trainer = new trainerClass(setupOf(trainerClass, plan, args));
    return devRun === null && trainer.options.devRun === null ? trainer.resumes : null;
  } catch (error) {
    // What is wrong with one point is told when it is run.
    if (plan !== null && (error instanceof UsageError || error instanceof RunError)) return null;
    throw error;
  }
}

/** What the first run, or the only one, is made of. */
const setupOf = (trainerClass: TrainerClass, plan: SweepPlan | null, args: TrainArguments): TrainerSetup =>
  plan === null ? { params: args.given, overrides: args.attributes } : firstOf(trainerClass, plan, args);

/** The folder that the command line or the spec names; null for a new one. */
const folderOf = (trainerClass: TrainerClass, plan: SweepPlan | null, args: TrainArguments): string | null =>
  args.runDir ?? namedFolder(trainerClass, setupOf(trainerClass, plan, args));

/** A sweep to run. */
interface Sweep {
  readonly plan: SweepPlan;
  readonly base: SweepBase;
  /** Its folder, where it goes on in it; undefined for a new one. */
  readonly folder: string | undefined;
}

/** The sweep that is to be run, or goes on; null for a single run. */
async function sweepOf(
  trainerClass: TrainerClass,
  plan: SweepPlan | null,
  asked: string | null,
  args: TrainArguments,
  options: TrainOptions,
): Promise<Sweep | null> {
  const { spec } = trainerClass;
  const begins = plan === null ? null : { plan, base: args, folder: undefined };
  if (asked === null) {
    const named = args.resume === 'none' ? folderOf(trainerClass, plan, args) : null;
    if (named !== null && isSweep(named))
      throw new RunError(
        `${named} holds a sweep already, and --resume none begins a new one; choose another --run-dir, or leave --resume none out to run what is not done`,
      );
    return begins;
  }
  if (args.devRun !== null) throw new UsageError('a dev run writes nothing, so it cannot go with --resume');
  if (asked !== 'auto') {
    if (!isSweep(asked)) return null;
    if (args.runDir !== undefined && resolve(args.runDir) !== resolve(asked))
      throw new UsageError(
        `--run-dir ${args.runDir} and --resume ${asked} are two sweeps, and one goes on in its own folder; leave --run-dir out`,
      );
    return takenUp(spec, asked, args);
  }
  const own = folderOf(trainerClass, plan, args);
  if (own !== null && isSweep(own)) return takenUp(spec, own, args);
  if (begins === null || (own !== null && existsSync(join(own, 'run.json')))) return null;
  const runs = join('runs', spec.trainer);
  const say = (line: string): void => void (options.stream ?? process.stderr).write(`${line}\n`);
  const found = own === null ? await unfinishedSweepIn(runs, say) : null;
  if (found !== null) return takenUp(spec, found, args);
  if (own !== null && existsSync(own)) refuseOthers(own);
  say(
    `no sweep was left to go on with in ${own ?? runs}: a new one${own === null ? elsewhere('sweep') : ''}`,
  );
  return begins;
}

/** A sweep with what it was started with, which need not be said again. What is said otherwise comes before it, and is refused there. */
async function takenUp({ sweep }: TrainerSpec<never>, folder: string, args: TrainArguments): Promise<Sweep> {
  if (sweep === undefined || args.noSweep)
    throw new UsageError(
      `${folder} is a sweep, ${args.noSweep ? '--no-sweep is a single run' : 'and the spec has none'}; take another folder`,
    );
  const given = new Map([...args.params, ...args.attributes].map((each) => [each.path.join('.'), each]));
  const before = (await settingsIn(folder)).map(parseOverride);
  const known = new Set(before.map(({ path }) => path.join('.')));
  const all: readonly Override[] = [
    ...before.map((each) => given.get(each.path.join('.')) ?? each),
    ...[...given].flatMap(([name, each]) => (known.has(name) ? [] : [each])),
  ];
  const base = {
    params: all.filter(({ path }) => path.length === 1),
    attributes: all.filter(({ path }) => path.length > 1),
  };
  const plan = unfixed(sweep, new Set(all.map(({ path }) => path.join('.'))));
  return { plan, base, folder };
}

async function sweepFrom(
  trainerClass: TrainerClass,
  { plan, base, folder }: Sweep,
  { command, ...options }: TrainOptions,
): Promise<StopSignal | null> {
  const own = [...base.params, ...base.attributes].map(({ path, text }) => `${path.join('.')}=${text}`);
  const result = await runSweep(trainerClass, plan, base, {
    ...options,
    ...(folder === undefined ? {} : { runDir: folder, goesOn: true }),
    // How the sweep was shown, and where it was written, is nothing of the run.
    command: (words) =>
      command([
        ...own.filter((word) => !/^trainer\.(?:progress|summary|profile|run_dir)=/.test(word)),
        ...words,
      ]),
  });
  if (result.failed > 0) {
    const again =
      result.folder === null ? '' : `; --run-dir ${result.folder} runs what is not done once more`;
    throw new RunError(`${result.failed} of ${counted(result.runs, 'run')} failed${again}`);
  }
  if (result.unpicked !== null) throw new RunError(result.unpicked);
  return result.signal;
}
