/** Goes on with a run: finds it, and makes the trainer as it was. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseOverride, UsageError, type Override } from '../values/overrides.js';
import type { Checkpoint } from './checkpoint/read.js';
import type { StrictValue } from './checkpoint/strict-json.js';
import { isUnbegun, refuseOthers } from './run/folder.js';
import { aboutRun } from './run/about-run.js';
import { RunError } from './run/run-error.js';
import { setAsideUnused } from './run/sweep-folder.js';
import type { FitResult } from './trainer/fit.js';
import { record } from '../values/json-record.js';
import {
  endedBy,
  hasCheckpoints,
  newestIn,
  noneWhole,
  resumePointAt,
  unfinishedIn,
  type Look,
  type ResumeHead,
  type ResumePoint,
} from './trainer/resume.js';
import { originsIn } from './trainer/run-record.js';
import { namedFolder, runFrom, type AnyTrainer, type RunOptions } from './trainer/run.js';
import type { ParamValue, TrainerSpec } from './trainer/spec.js';
import type { TrainerClass } from './trainer/trainer.js';

/** What the command line says of the run. */
export interface GoOnArguments {
  /** By key. */
  readonly params: Readonly<Record<string, ParamValue>>;
  readonly attributes: readonly Override[];
  readonly allow: readonly string[];
  readonly runDir: string | undefined;
  readonly devRun: number | null;
}

/**
 * Goes on with the run that `from` names: `auto`, a run's folder, or a checkpoint. Params and attributes are those of the run; what the
 * command line says comes before them, and must be allowed where it differs. Null where `auto` finds nothing to go on with. What
 * interrupted the run is in the result.
 */
export async function goOn(
  trainerClass: TrainerClass,
  from: string,
  { params, attributes, allow, runDir, devRun }: GoOnArguments,
  options: RunOptions,
): Promise<Pick<FitResult, 'signal'> | null> {
  const { spec } = trainerClass;
  if (devRun !== null) throw new UsageError('a dev run writes nothing, so it cannot go with --resume');
  const own = runDir ?? namedFolder(trainerClass, { params, overrides: attributes });
  const say = (line: string): void => void (options.stream ?? process.stderr).write(`${line}\n`);
  const given = new Set(attributes.map(({ path }) => path.join('.')));
  const told = new Set<string>();
  const make = async (head: ResumeHead): Promise<AnyTrainer> => {
    if (runDir !== undefined && resolve(runDir) !== head.run)
      throw new UsageError(
        `--run-dir ${runDir} and --resume ${from} are two runs, and a run goes on in its own folder; leave --run-dir out`,
      );
    await aboutRun(head.run).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      // A damaged checkpoint has another looked at, of the same run.
      if (!told.has(text)) say(`${text}; it is written anew, without earlier starts`);
      told.add(text);
    });
    const before = overridesOf(head).filter(({ path }) => !given.has(path.join('.')));
    return new trainerClass({
      // What the run was started with need not be said again.
      params: { ...paramsOf(spec, head.checkpoint), ...params },
      origins: await originsIn(
        head.run,
        spec.params.filter(({ key }) => params[key] === undefined),
      ),
      overrides: [...before, ...attributes],
    });
  };
  const find = (look: Look): Promise<ResumePoint | 'over' | null> =>
    from === 'auto' ? pointToGoOn(spec.trainer, own, say, look) : resumePointAt(from, spec.trainer, look);
  const result = await runFrom(make, find, { ...options, allow });
  if (result === 'over') return { signal: null };
  if (result === null) {
    const where = own ?? join('runs', spec.trainer);
    say(`nothing was left to go on with in ${where}: a new run${own === null ? elsewhere('run') : ''}`);
  }
  return result;
}

/**
 * In the folder that was named, or the newest of the trainer's runs that was left unfinished. `over` where the named run has come to its
 * end and has kept nothing that could be made longer.
 */
async function pointToGoOn(
  trainer: string,
  runDir: string | null,
  say: (line: string) => void,
  look: Look,
): Promise<ResumePoint | 'over' | null> {
  if (runDir === null) return unfinishedIn(join('runs', trainer), trainer, say, look);
  if (!existsSync(join(runDir, 'run.json'))) {
    if (await hasCheckpoints(runDir))
      throw new RunError(
        `${runDir} has checkpoints of a run and no run.json, which says what the run is; put that back, go on from the newest of them by --resume ${runDir}, or choose another --run-dir`,
      );
    if (existsSync(runDir) && isUnbegun(runDir)) await setAsideUnused(runDir);
    // A new run would be refused there.
    else if (existsSync(runDir)) refuseOthers(runDir);
    return null;
  }
  const { point, passed, isLost } = await newestIn(runDir, trainer, look);
  if (point !== null) return point;
  if (isLost) throw noneWhole(runDir, passed);
  const weights = 'its checkpoints hold weights only (checkpoint.weights_only), from which no run goes on';
  if (passed.length > 0 && (await endedBy(runDir)) !== null) {
    say(`nothing is left to do: ${runDir} has come to its end, and ${weights}`);
    return 'over';
  }
  // A run that was killed before it saved anything to go on from starts anew; one that still goes on is left alone.
  const aside = await setAsideUnused(runDir);
  if (passed.length > 0 && aside !== null) say(`${runDir} is ${aside} now: ${weights}`);
  return null;
}

function overridesOf({ state }: ResumeHead): readonly Override[] {
  const { overrides } = record('lock', state['lock']);
  return Array.isArray(overrides) ? overrides.map((text: unknown) => parseOverride(String(text))) : [];
}

/** The checkpoint's params by key, as far as the trainer still has them. */
export function paramsOf(
  spec: TrainerSpec<never>,
  { params }: Checkpoint,
): Readonly<Record<string, ParamValue>> {
  return Object.fromEntries(
    spec.params.flatMap(({ name, key }) => {
      const value: StrictValue | undefined = params.get(name);
      return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string'
        ? [[key, value] as const]
        : [];
    }),
  );
}

/** Ends a line that says where was looked, for whoever has one in a folder that nobody knows of. */
export const elsewhere = (what: 'run' | 'sweep'): string =>
  `; a ${what} that has a --run-dir of its own goes on where that is named: --resume DIR`;
