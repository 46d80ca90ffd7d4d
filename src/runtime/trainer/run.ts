/**
 * Whole runs of a trainer: training with its folder, checkpoints and summary, and evaluation or prediction with trained
 * weights.
 */
import { join, resolve } from 'node:path';
import { nameOfAddOn, type AddOn, type Json, type Moment } from '../addons/addon.js';
import type { Data } from '../data/data.js';
import { checkFits, findCheckpoint, loadInto, readTensors, type Checkpoint } from '../checkpoint/read.js';
import { reporterFor, sayWords, type LineStream, type Reporter } from '../progress/reporter.js';
import type { Table } from '../rows/reduction.js';
import { runName, type RunFolder } from '../run/folder.js';
import { RunError } from '../run/run-error.js';
import { UsageError } from '../../values/overrides.js';
import type { Hand } from './by-hand.js';
import { Control } from './control.js';
import type { EngineName } from '../engine/choose.js';
import { evaluateStage } from './evaluate.js';
import type { FitResult } from './fit.js';
import { evaluatedPass, HookCalls, named, type LiveAddOn } from './hook-calls.js';
import { closeAddOns, idleHost, startAddOns } from './live-add-ons.js';
import { isFigure } from './measured-figures.js';
import { whyMisfit } from './misfit.js';
import { isOff } from './open-stage.js';
import { resumePointAt, type Look, type ResumeHead, type ResumePoint } from './resume.js';
import { changedExterns } from './run-lock.js';
import { checkHead } from './same-run.js';
import type { Session } from './session.js';
import type { Outputs } from './stage.js';
import type { ResolvedOptions } from './resolved-options.js';
import { startedNow, type Started } from './run-record.js';
import { trainPrepared } from './training-run.js';
import type { Prepared, PrepareOptions } from './prepared.js';
import type { TrainerClass, TrainerSetup } from './trainer.js';
import type { ParamOrigin } from './params.js';
import type { TrainerSpec } from './spec.js';
import { changedFiles, trainedWith, type TrainedWith } from './trained-with.js';

/** A trainer as far as a run needs it, whatever its params and models are. */
export interface AnyTrainer {
  readonly spec: TrainerSpec<never>;
  readonly params: object;
  readonly resolved: { readonly origins: Readonly<Record<string, ParamOrigin>> };
  readonly options: ResolvedOptions;
  readonly overrides: readonly string[];
  /** Names of the data sets, which own `batch` and others. */
  dataNames(): readonly string[];
  /** And of those that they are made of. */
  settableData(): readonly string[];
  /** The data sets by their names, without overrides. */
  dataSets(): ReadonlyMap<string, Data<unknown>>;
  prepare(options: PrepareOptions): Promise<Prepared>;
}

/** Where a run reads, writes and talks. All have defaults. */
export interface RunOptions {
  /** Relative data paths start here; the current folder unless given. */
  readonly dataRoot?: string;
  /** The run's folder; one below `runs/` unless given. Null: nothing is written. */
  readonly runDir?: string | null;
  readonly control?: Control;
  /** Lines for people; the process's error stream unless given. */
  readonly stream?: LineStream;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Which engine computes; `auto` unless given. */
  readonly engine?: EngineName | undefined;
  /** `cpu`, `gpu`, `gpu:1`; a GPU where there is one unless given. */
  readonly device?: string | undefined;
  /** Computes in 16 bits where the device has no units for it, when the spec says so. */
  readonly forcePrecision?: boolean | undefined;
  /** At most so many windows and batches, and nothing is written. */
  readonly devRun?: number | null;
  /** Where the run goes on, in its own folder; a new run unless given. */
  readonly resume?: ResumePoint | null;
  /** What may differ from the run that it goes on from: names of params, options, `data`, `spec`. */
  readonly allow?: readonly string[];
  /** Whether a difference, by its name and lines, was allowed at an earlier start of the run; none was unless given. */
  readonly allowedBefore?: ((name: string, lines: readonly string[]) => boolean) | undefined;
  /** Told of the run's data, as `run.json` has it, before anything is written. What it throws ends the run. */
  readonly checkData?: ((data: Json) => void) | undefined;
  /** The command that goes on with a run, to be named where one was interrupted. */
  readonly goOn?: ((folder: string) => string) | undefined;
  /** Told how to go on with a run that has failed, once it has let go of all. */
  readonly failed?: ((line: string) => void) | undefined;
  /** Told what could not be closed where all was done; it is thrown unless given. */
  readonly notClosed?: ((error: RunError) => void) | undefined;
  /** The command that draws a run's curves, to be named at its end. */
  readonly plot?: (folder: string) => string;
  /** One of several runs: where `progress` is `auto`, what every run says is in its `console.log` alone. */
  readonly isBrief?: boolean;
  /** The version of the engine that other runs of its sweep were on: where none is named, this one is as well, if it can. */
  readonly ranOn?: string | undefined;
  /** Codes of warnings of which the user was told already, `ZT5023`: a run of the spec as it is does not tell them again. */
  readonly warned?: readonly string[];
  /** Who holds training at the ends of steps; nobody unless given. */
  readonly hand?: Hand | undefined;
}

/** What else is known where weights are used. */
export interface UseOptions extends RunOptions {
  /** What the weights were trained with, where that was read before. */
  readonly trained?: TrainedWith;
  /** Notes that were told before, as where a run has removed its checkpoint and the next one is read: they are not told again. */
  readonly told?: Set<string>;
}

/** What else a test tells. */
export interface TestOptions extends UseOptions {
  /** Called with each metric that is a table, by its full name, and with the names of its rows and columns, where they have some. */
  readonly table?: (name: string, table: Table, classes?: readonly string[]) => void;
  /** Gets each batch's rows of a step that returns some, unless an add-on (`predictions`) takes them. */
  readonly rows?: (step: string, rows: Outputs) => Promise<void> | void;
}

/** What else a prediction takes. */
export interface PredictOptions extends UseOptions {
  /** Gets each batch's rows with the step's name, unless an add-on takes them. */
  readonly rows: (rows: Outputs, step: string) => Promise<void> | void;
  /** Told, before the first row, of an add-on that takes them. What it throws ends the prediction. */
  readonly taken?: (by: AddOn) => void;
}

/** How training begins. */
export interface FitStart extends Omit<RunOptions, 'resume'> {
  /** Where the run goes on, in its own folder: the path of a run or of one of its checkpoints, or what was read of that. */
  readonly resume?: ResumePoint | string | null;
}

/** Trains from the first step, or from where a run was left. */
export async function runFit(trainer: AnyTrainer, start: FitStart = {}): Promise<FitResult> {
  const started = startedNow();
  const { resume = null } = start;
  if (typeof resume === 'string')
    return runFrom<never>(
      () => trainer,
      (look) => resumePointAt(resume, trainer.spec.trainer, look),
      { ...start, resume: null },
    );
  const options: RunOptions = { ...start, resume };
  return fitPrepared(
    trainer,
    await prepareFit(trainer, options, resume?.checkpoint.engine),
    options,
    started,
  );
}

/**
 * Goes on from the point that `find` finds, with the trainer that `make` makes for it. `find` shows what may be the point before its tensors
 * are read: what does not fit the trainer is refused by then. What `find` finds in the place of a point is returned.
 */
export async function runFrom<T extends string | null = never>(
  make: (head: ResumeHead) => Promise<AnyTrainer> | AnyTrainer,
  find: (look: Look) => Promise<ResumePoint | T>,
  options: RunOptions,
): Promise<FitResult | T> {
  const started = startedNow();
  const held: { ready: { readonly trainer: AnyTrainer; readonly prepared: Prepared } | null } = {
    ready: null,
  };
  const letGo = async (): Promise<void> => {
    const before = held.ready;
    held.ready = null;
    await before?.prepared.session.close();
  };
  const look: Look = async (head) => {
    const trainer = await make(head);
    // What was made for a newer one, which was damaged. A trainer prepares once: where it is the same, so is what it prepared.
    if (held.ready?.trainer !== trainer) {
      await letGo();
      held.ready = { trainer, prepared: await prepareFit(trainer, options, head.checkpoint.engine) };
    }
    await checkHead(trainer, held.ready.prepared, head, options);
  };
  let point: ResumePoint | T;
  try {
    point = await find(look);
  } catch (error) {
    // The first error is the one to tell.
    await letGo().catch(() => undefined);
    throw error;
  }
  const { ready } = held;
  if (ready !== null && typeof point === 'object' && point !== null)
    return fitPrepared(ready.trainer, ready.prepared, { ...options, resume: point }, started);
  await letGo();
  if (typeof point === 'object' && point !== null) throw new Error('a point was taken that nobody looked at');
  return point;
}

/** `before`: the engine of the run that goes on, if one does. */
function prepareFit(trainer: AnyTrainer, options: RunOptions, before?: string): Promise<Prepared> {
  const goesOn = before !== undefined;
  return trainer.prepare({
    // Figures of the data are in the checkpoint.
    kinds: goesOn ? ['train', 'validate'] : ['measure', 'train', 'validate'],
    goesOn,
    ranOn: before ?? options.ranOn,
    ...preparing(options),
  });
}

function fitPrepared(
  trainer: AnyTrainer,
  prepared: Prepared,
  options: RunOptions,
  started: Started,
): Promise<FitResult> {
  return thenClose(prepared.session, options, () => {
    // One that is missing would be noticed when a run is over.
    for (const { secrets = [] } of prepared.addOns) for (const secret of secrets) secret.reveal();
    return trainPrepared(trainer, prepared, options, started);
  });
}

/**
 * Does the work of a session and closes it. What cannot be closed is thrown or told where the work is done, and is a line beside its error
 * where it is not.
 */
export async function thenClose<T>(
  session: Pick<Session, 'close'>,
  { notClosed, stream = process.stderr }: Pick<RunOptions, 'notClosed' | 'stream'>,
  work: () => Promise<T>,
): Promise<T> {
  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
  let done: T;
  try {
    done = await work();
  } catch (error) {
    await session.close().catch((problem: unknown) => {
      // The error stays as it was thrown: it may be no Error, or one that cannot be written to.
      stream.write(`not closed after an error: ${textOf(problem)}\n`);
    });
    throw error;
  }
  await session.close().catch((cause: unknown) => {
    const error = new RunError(`all was done, and then ${textOf(cause)}`, { cause });
    if (notClosed === undefined) throw error;
    notClosed(error);
  });
  return done;
}

/** Metrics of trained weights, by full name. */
export async function runTest(
  trainer: AnyTrainer,
  from: Checkpoint,
  options: TestOptions & { readonly kind?: 'test' | 'validate' },
): Promise<ReadonlyMap<string, number>> {
  const { control = new Control() } = options;
  let kind: 'test' | 'validate' = 'validate';
  const { session, addOns, note } = await trainer.prepare({
    kinds: (steps) => {
      if (options.kind !== 'validate' && steps.some((step) => step.kind === 'test')) kind = 'test';
      return [kind];
    },
    // Validate steps in the place of test steps are a test all the same.
    limitAs: options.kind === 'validate' ? 'validate' : 'test',
    ...preparing(options),
  });
  const reporter = reporterOf(trainer, options, null);
  const live: LiveAddOn[] = [];
  return thenClose(session, options, async () => {
    try {
      await takeWeights(trainer, { session, note }, from, reporter, options);
      const stages = session.of(kind);
      if (stages.length === 0) throw noStages(trainer, options.kind ?? 'test', 'test and no validate step');
      const all = new Map<string, number>();
      const limit = devRunOf(trainer, options);
      startAddOns(
        limit === null ? addOns : addOns.filter(({ owns }) => !owns.includes('predictions')),
        idleHost(session, reporter),
        live,
      );
      const calls = new HookCalls(live, session.profile, () => from.step);
      const isTaken = live.some(({ hooks }) => hooks.evaluated !== undefined);
      const at = momentOf(from);
      for (const { kind: own, hooks } of live) await named(own, 'testStart', () => hooks.testStart?.(at));
      for (const open of stages) {
        const { name } = open.stage.plan;
        const metrics = await evaluatedPass(calls, name, (show) =>
          evaluateStage(session, open, {
            step: from.step,
            limit,
            control,
            each: async (outputs, done) => {
              await show(outputs);
              if (!isTaken && outputs.size > 0) await options.rows?.(name, outputs);
              reporter.live(`${name} ${done}/${open.batches}`);
            },
          }),
        );
        for (const [metric, value] of metrics ?? []) all.set(`${name}.${metric}`, value);
        if (metrics === null) continue;
        const { tables, classes } = open.stage.totals;
        for (const [metric, table] of tables)
          options.table?.(`${name}.${metric}`, table, classes.get(metric));
      }
      for (const { kind: own, hooks } of live) await named(own, 'testEnd', () => hooks.testEnd?.(at, all));
      await closeAddOns(live.splice(0));
      return all;
    } finally {
      await closeAddOns(live).catch(() => undefined);
      reporter.end();
    }
  });
}

/**
 * Runs predict steps; rows go to add-ons (`predictions`), or to `rows` where no add-on takes them, or in a dev run. Returns the
 * number of rows.
 */
export async function runPredict(
  trainer: AnyTrainer,
  from: Checkpoint,
  options: PredictOptions,
): Promise<number> {
  const { control = new Control() } = options;
  const { session, addOns, note } = await trainer.prepare({
    kinds: ['predict'],
    ...preparing(options),
  });
  const reporter = reporterOf(trainer, options, null);
  const limit = devRunOf(trainer, options);
  const all: LiveAddOn[] = [];
  let live: readonly LiveAddOn[] = [];
  let count = 0;
  return thenClose(session, options, async () => {
    try {
      await takeWeights(trainer, { session, note }, from, reporter, options);
      const stages = session.of('predict');
      if (stages.length === 0) throw noStages(trainer, 'predict', 'predict step');
      // The rows of a few batches would replace a whole file.
      const takers = limit === null ? addOns : [];
      startAddOns(takers, idleHost(session, reporter), all);
      live = all;
      const at = momentOf(from);
      const taker = all.find(({ hooks }) => hooks.predicted !== undefined);
      const by = takers.find((each) => nameOfAddOn(each) === taker?.kind);
      if (by !== undefined) options.taken?.(by);
      for (const { kind, hooks } of all) await named(kind, 'predictStart', () => hooks.predictStart?.(at));
      for (const open of stages) {
        const { name } = open.stage.plan;
        const whole = await evaluateStage(session, open, {
          step: from.step,
          limit,
          control,
          each: async (outputs, done, rows) => {
            count += rows;
            for (const { kind, hooks } of all)
              await named(kind, 'predicted', () => hooks.predicted?.(outputs, name));
            if (taker === undefined) await options.rows(outputs, name);
            reporter.live(`${name} ${done}/${open.batches}`);
          },
        });
        if (whole === null) return count;
      }
      for (const { kind, hooks } of live) await named(kind, 'predictEnd', () => hooks.predictEnd?.());
      live = [];
      await closeAddOns(all.splice(0));
      return count;
    } finally {
      // The first error is the one to tell.
      for (const { hooks } of live) await Promise.resolve(hooks.predictFailed?.()).catch(() => undefined);
      await closeAddOns(all).catch(() => undefined);
      reporter.end();
    }
  });
}

/** Where a checkpoint is in its run. */
const momentOf = ({ step, epoch }: Checkpoint): Moment => ({ step, epoch, seconds: 0 });

/** Tells what is to be known of the engine and of files that have changed since the training, and loads the weights. */
async function takeWeights(
  trainer: AnyTrainer,
  { session, note }: Pick<Prepared, 'session' | 'note'>,
  from: Checkpoint,
  reporter: Reporter,
  { trained, told = new Set() }: UseOptions,
): Promise<void> {
  const known = trained ?? (await trainedWith(from));
  const changed = await changedFiles(known, session.openSets);
  for (const line of [...notesOf(session, note), ...changed]) {
    if (!told.has(line)) sayWords(reporter, line);
    told.add(line);
  }
  await loadWeights(session, from, () =>
    whyMisfit(from, trainer, known.tokensSha256, changedExterns(known.externs, trainer.spec.externs ?? [])),
  );
}

async function loadWeights(session: Session, from: Checkpoint, why: () => string): Promise<void> {
  // Those that are wrong by their names or shapes are not read: they may be large.
  const stored = [...(from.tensors.get('model.safetensors') ?? [])].filter(([path]) => !isFigure(path));
  checkFits(
    session.modelState.filter(({ path }) => !isFigure(path)),
    session.copies.withoutUnmade(new Map(stored)),
    from.folder,
    why,
  );
  const tensors = await readTensors(from, 'model.safetensors');
  session.figures.take(tensors);
  loadInto(session.modelState, session.copies.withoutUnmade(tensors), from.folder);
}

export { findCheckpoint };

export const rootOf = ({ dataRoot = process.cwd() }: RunOptions): string => resolve(dataRoot);

/** How many steps and batches a dev run has; null for a whole one. The command line comes before the spec. */
export const devRunOf = (trainer: AnyTrainer, { devRun }: RunOptions): number | null =>
  devRun ?? trainer.options.devRun;

function noStages({ options }: AnyTrainer, kind: 'validate' | 'test' | 'predict', missing: string): RunError {
  return new RunError(
    isOff(kind, { limit: options.limit, overfit: null })
      ? `${kind} is turned off by limit.${kind} = 0 batches; take that out of the spec, or set it to some`
      : `the trainer has no ${missing}; add one to the spec`,
  );
}

/** How a trainer is prepared for what a user asked for. */
function preparing(options: RunOptions): Omit<PrepareOptions, 'kinds'> {
  const { engine, device, forcePrecision, warned } = options;
  return { dataRoot: rootOf(options), engine, device, forcePrecision, warned };
}

/** What the user should know before anything is computed. */
export function notesOf(session: Session, note: string | null): readonly string[] {
  return [...(note === null ? [] : [note]), ...session.engine.notes, ...session.notes];
}

export function folderOf(trainer: AnyTrainer, { runDir }: RunOptions): string {
  const chosen = runDir ?? trainer.options.runDir;
  return resolve(chosen ?? join('runs', trainer.spec.trainer, runName(new Date())));
}

/**
 * The folder that the spec or `trainer.run_dir=` names for the run; null where neither does, and where a param that it needs is not
 * known.
 */
export function namedFolder(trainerClass: TrainerClass, setup: TrainerSetup): string | null {
  try {
    return new trainerClass(setup).options.runDir;
  } catch (error) {
    // What is wrong with it is told when it is run.
    if (error instanceof UsageError || error instanceof RunError) return null;
    throw error;
  }
}

export function reporterOf(trainer: AnyTrainer, options: RunOptions, folder: RunFolder | null): Reporter {
  const { stream = process.stderr, environment = process.env } = options;
  const log = (line: string): void => folder?.console(line);
  const reporter = reporterFor(trainer.options.progress, stream, environment, log);
  return options.isBrief === true && trainer.options.progress === 'auto'
    ? { ...reporter, usual: log }
    : reporter;
}
