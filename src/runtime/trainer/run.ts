/**
 * Whole runs of a trainer: training with its folder, checkpoints and summary, and evaluation or prediction with trained
 * weights.
 */
import { join, relative, resolve } from 'node:path';
import { gitState } from '../run/git.js';
import type { MetricsLine, Moment, SavedCheckpoint } from '../addons/addon.js';
import { findCheckpoint, loadInto, readTensors, type Checkpoint } from '../checkpoint/read.js';
import { pointTo, writeCheckpoint } from '../checkpoint/write.js';
import { reporterFor, type LineStream, type Reporter } from '../progress/reporter.js';
import { summaryLines, tableLines, TrainingProgress, weightTable, type Best } from '../progress/training.js';
import type { Table } from '../rows/reduction.js';
import { openRunFolder, runName, type RunFolder } from '../run/folder.js';
import { RunError } from '../run/run-error.js';
import { Control } from './control.js';
import type { EngineName } from '../engine/choose.js';
import { lastStep } from './ending.js';
import { evaluateStage } from './evaluate.js';
import { statesOf } from './add-on-states.js';
import { fit, type FitResult } from './fit.js';
import { named, tellLine, type LiveAddOn } from './hook-calls.js';
import { addOnHost, closeAddOns, idleHost, startAddOns } from './live-add-ons.js';
import { isOff } from './open-stage.js';
import { measureAll } from './measure.js';
import type { Session } from './session.js';
import { describe, headOf, jsonRecord, summaryOf } from './run-record.js';
import type { Outputs } from './stage.js';
import type { ResolvedOptions } from './resolved-options.js';
import type { Prepared, PrepareOptions } from './trainer.js';
import type { ParamOrigin } from './params.js';
import type { TrainerSpec } from './spec.js';

/** A trainer as far as a run needs it, whatever its params and models are. */
export interface AnyTrainer {
  readonly spec: TrainerSpec<never>;
  readonly params: object;
  readonly resolved: { readonly origins: Readonly<Record<string, ParamOrigin>> };
  readonly options: ResolvedOptions;
  readonly overrides: readonly string[];
  /** Names of the data sets, which own `batch` and others. */
  dataNames(): readonly string[];
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
  /** The command that draws a run's curves, to be named at its end. */
  readonly plot?: (folder: string) => string;
}

/** Trains from the first step. */
export async function runFit(trainer: AnyTrainer, options: RunOptions = {}): Promise<FitResult> {
  const started = Date.now();
  const prepared = await trainer.prepare({
    kinds: ['measure', 'train', 'validate'],
    ...preparing(options),
  });
  try {
    // One that is missing would be noticed when a run is over.
    for (const { secrets = [] } of prepared.addOns) for (const secret of secrets) secret.reveal();
    const writes = devRunOf(trainer, options) === null && options.runDir !== null;
    const folder = writes ? await openRunFolder(folderOf(trainer, options)) : null;
    try {
      return await train(trainer, prepared, folder, options, started);
    } finally {
      folder?.close();
    }
  } finally {
    await prepared.session.close();
  }
}

async function train(
  trainer: AnyTrainer,
  { session, addOns: configured, note }: Prepared,
  folder: RunFolder | null,
  options: RunOptions,
  started: number,
): Promise<FitResult> {
  const { control = new Control() } = options;
  const devRun = devRunOf(trainer, options);
  const now = (): number => (Date.now() - started) / 1000;
  const reporter = reporterOf(trainer, options, folder);
  const best = new Map<string, Best>();
  const start = { at: started, git: folder === null ? null : gitState(rootOf(options)) };
  const live: LiveAddOn[] = [];
  let forget = (): void => undefined;
  try {
    const described = await describe(trainer, session, start, null);
    await folder?.write('run.json', described);
    forget = control.beforeEnd((signal) => {
      const reason = `ended at once by ${signal}`;
      const ended = new Date().toISOString();
      folder?.writeNow({ ...described, compile: session.decisions, ended, reason });
      folder?.console(reason);
    });
    begin(trainer, session, reporter, folder, note);
    const saver = new Saver(trainer, session, folder);
    const total = lastStep(session, devRun);
    // A dev run neither saves nor stops early: it shows that everything runs.
    const taking =
      devRun === null
        ? configured
        : configured.filter(({ owns }) => !owns.some((effect) => untried.has(effect)));
    const record = (line: MetricsLine): void => folder?.metrics(jsonRecord(line));
    const listener = new TrainingProgress(session, reporter, total, record);
    const notable = (step: number): void => listener.best(step);
    const log = (line: MetricsLine): void => {
      record(line);
      tellLine(live, line);
    };
    const host = addOnHost(session, saver, reporter, folder?.path ?? null, { best, notable, log });
    startAddOns(taking, host, live);
    saver.addOns = live;
    const rescue = async (at: Moment): Promise<void> => {
      const saved = await saver.save(at);
      if (saved === null || saver.pointers.get('last')?.step === saved.step) return;
      await saver.point('last', saved);
      reporter.line(`the state of step ${at.step} was saved: ${shortPath(saved.folder)}`);
    };
    const measured = await measureAll(session, control, {
      limit: devRun,
      live: (text) => reporter.live(text),
    });
    const result = measured
      ? await fit({ session, addOns: live, control, listener, now, limit: devRun, rescue })
      : notStarted(control, now());
    if (measured && result.reason === 'interrupted' && saver.newest?.step !== result.at.step) {
      const saved = await saver.save(result.at);
      if (saved !== null) await saver.point('last', saved);
    }
    reporter.end();
    const skipped = (await session.skipped.download()).values[0] ?? 0;
    if (skipped > 0)
      reporter.line(
        `${skipped} updates were skipped: their loss, gradient or running statistics were not finite`,
      );
    const where = {
      folder: folder === null ? null : shortPath(folder.path),
      checkpoints: saver.shown(),
      plot: options.plot ?? null,
    };
    for (const line of summaryLines(result, [...best.values()], session.pace, where, reporter.columns()))
      reporter.line(line);
    for (const [name, table] of listener.tables)
      tableLines(name, table, reporter.columns()).forEach((line) => reporter.line(line));
    const { profile } = session;
    for (const line of profile?.lines(result.at.seconds, reporter.columns()) ?? []) reporter.line(line);
    const traced = await writeTrace(trainer, session, folder, result.reason);
    if (traced !== null) reporter.line(traced);
    await closeAddOns(live.splice(0));
    await folder?.write('summary.json', summaryOf(result, best, saver.pointers));
    await folder?.write('run.json', await describe(trainer, session, start, result.reason));
    return result;
  } catch (error) {
    reporter.end();
    const message = error instanceof Error ? error.message : String(error);
    const reason = `failed: ${message}`;
    // The first error is the one to tell; a folder that cannot be written is often its cause.
    try {
      folder?.console(`error: ${message}`);
    } catch {
      // The same: `message` is thrown on.
    }
    await folder?.write('run.json', await describe(trainer, session, start, reason)).catch(() => undefined);
    await writeTrace(trainer, session, folder, reason).catch(() => undefined);
    throw error;
  } finally {
    forget();
    // Of what failed before: its error is the one to tell.
    await closeAddOns(live).catch(() => undefined);
  }
}

/** What a run comes to that was interrupted before its first step. */
function notStarted({ signal }: Control, seconds: number): FitResult {
  const at = { step: 0, epoch: 0, seconds };
  return { reason: 'interrupted', because: null, signal, at, rows: 0, metrics: new Map() };
}

/** Writes what was traced of the run's time, and returns a line that says where it is. Null where no trace was asked for. */
async function writeTrace(
  trainer: AnyTrainer,
  { profile, engine }: Session,
  folder: RunFolder | null,
  reason: string,
): Promise<string | null> {
  const spans = profile?.spans ?? null;
  if (spans === null) return null;
  if (folder === null) return 'trace: none is written, for this run has no folder';
  const about = { engine: engine.version, reason };
  await folder.trace(spans.text(`ztrain ${trainer.spec.trainer}`, about));
  const file = shortPath(join(folder.path, 'trace.json'));
  return `trace: ${file}, ${spans.count} spans, for https://ui.perfetto.dev or chrome://tracing`;
}

/** Metrics of trained weights, by full name. */
export async function runTest(
  trainer: AnyTrainer,
  from: Checkpoint,
  options: RunOptions & {
    readonly kind?: 'test' | 'validate';
    /** Called with each metric that is a table, by its full name. */
    readonly table?: (name: string, table: Table) => void;
  },
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
  try {
    notesOf(session, note).forEach((line) => reporter.line(line));
    await loadWeights(session, from);
    const stages = session.of(kind);
    if (stages.length === 0) throw noStages(trainer, options.kind ?? 'test', 'test and no validate step');
    const all = new Map<string, number>();
    startAddOns(addOns, idleHost(session, reporter), live);
    const at = momentOf(from);
    for (const { kind: own, hooks } of live) await named(own, 'testStart', () => hooks.testStart?.(at));
    for (const open of stages) {
      const { name } = open.stage.plan;
      const metrics = await evaluateStage(session, open, {
        step: from.step,
        limit: devRunOf(trainer, options),
        control,
        each: (_outputs, done) => reporter.live(`${name} ${done}/${open.batches}`),
      });
      for (const [metric, value] of metrics ?? []) all.set(`${name}.${metric}`, value);
      if (metrics === null) continue;
      for (const [metric, table] of open.stage.totals.tables) options.table?.(`${name}.${metric}`, table);
    }
    for (const { kind: own, hooks } of live) await named(own, 'testEnd', () => hooks.testEnd?.(at, all));
    await closeAddOns(live.splice(0));
    return all;
  } finally {
    await closeAddOns(live).catch(() => undefined);
    reporter.end();
    await session.close();
  }
}

/**
 * Runs predict steps; rows go to add-ons (`predictions`), or to `rows` where no add-on takes them, or in a dev run. Returns the
 * number of rows.
 */
export async function runPredict(
  trainer: AnyTrainer,
  from: Checkpoint,
  options: RunOptions & { readonly rows: (rows: Outputs) => Promise<void> | void },
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
  try {
    notesOf(session, note).forEach((line) => reporter.line(line));
    await loadWeights(session, from);
    const stages = session.of('predict');
    if (stages.length === 0) throw noStages(trainer, 'predict', 'predict step');
    // A dev run writes nothing, and the rows of a few batches would replace a whole file.
    const takers = limit === null ? addOns : [];
    startAddOns(takers, idleHost(session, reporter), all);
    live = all;
    const at = momentOf(from);
    for (const { kind, hooks } of all) await named(kind, 'predictStart', () => hooks.predictStart?.(at));
    const isTaken = all.some(({ hooks }) => hooks.predicted !== undefined);
    for (const open of stages) {
      const whole = await evaluateStage(session, open, {
        step: from.step,
        limit,
        control,
        each: async (outputs, done, rows) => {
          count += rows;
          for (const { kind, hooks } of all) await named(kind, 'predicted', () => hooks.predicted?.(outputs));
          if (!isTaken) await options.rows(outputs);
          reporter.live(`${open.stage.plan.name} ${done}/${open.batches}`);
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
    await session.close();
  }
}

/** Where a checkpoint is in its run. */
const momentOf = ({ step, epoch }: Checkpoint): Moment => ({ step, epoch, seconds: 0 });

async function loadWeights(session: Session, from: Checkpoint): Promise<void> {
  const tensors = await readTensors(from, 'model.safetensors');
  session.figures.take(tensors);
  loadInto(session.modelState, tensors, from.folder);
}

export { findCheckpoint };

const rootOf = ({ dataRoot = process.cwd() }: RunOptions): string => resolve(dataRoot);

/** How many steps and batches a dev run has; null for a whole one. The command line comes before the spec. */
const devRunOf = (trainer: AnyTrainer, { devRun }: RunOptions): number | null =>
  devRun ?? trainer.options.devRun;

/** What add-ons own that a dev run leaves out. */
const untried: ReadonlySet<string> = new Set(['checkpoint', 'stop']);

function noStages({ options }: AnyTrainer, kind: 'validate' | 'test' | 'predict', missing: string): RunError {
  return new RunError(
    isOff(kind, { limit: options.limit, overfit: null })
      ? `${kind} is turned off by limit.${kind} = 0 batches; take that out of the spec, or set it to some`
      : `the trainer has no ${missing}; add one to the spec`,
  );
}

/** How a trainer is prepared for what a user asked for. */
function preparing(options: RunOptions): Omit<PrepareOptions, 'kinds'> {
  const { engine, device, forcePrecision } = options;
  return { dataRoot: rootOf(options), engine, device, forcePrecision };
}

/** What the user should know before anything is computed. */
function notesOf(session: Session, note: string | null): readonly string[] {
  return [...(note === null ? [] : [note]), ...session.engine.notes, ...session.notes];
}

function folderOf(trainer: AnyTrainer, { runDir }: RunOptions): string {
  const chosen = runDir ?? trainer.options.runDir;
  return resolve(chosen ?? join('runs', trainer.spec.trainer, runName(new Date())));
}

/** As a reader would type it from here. */
function shortPath(path: string): string {
  const here = relative(process.cwd(), path);
  return here === '' || here.startsWith('..') ? path : here;
}

function reporterOf(trainer: AnyTrainer, options: RunOptions, folder: RunFolder | null): Reporter {
  const { stream = process.stderr, environment = process.env } = options;
  return reporterFor(trainer.options.progress, stream, environment, (line) => folder?.console(line));
}

function begin(
  trainer: AnyTrainer,
  session: Session,
  reporter: Reporter,
  folder: RunFolder | null,
  note: string | null,
): void {
  const { spec, options } = trainer;
  const { stepsPerEpoch, totalSteps } = session.pace;
  if (options.summary) weightTable(session, reporter.columns()).forEach((line) => reporter.line(line));
  reporter.line(`${spec.trainer} on ${session.engine.version}, seed ${options.seed}`);
  const all = totalSteps === null ? 'until max_time' : `${totalSteps} in all`;
  reporter.line(
    `${stepsPerEpoch} steps an epoch, ${all}${folder === null ? '' : `, writing to ${shortPath(folder.path)}`}`,
  );
  notesOf(session, note).forEach((line) => reporter.line(line));
}

/** Writes this run's checkpoints. */
class Saver {
  addOns: readonly LiveAddOn[] = [];
  newest: SavedCheckpoint | null = null;
  readonly pointers = new Map<'last' | 'best', SavedCheckpoint>();

  constructor(
    private readonly trainer: AnyTrainer,
    private readonly session: Session,
    private readonly folder: RunFolder | null,
  ) {}

  async save(at: Moment): Promise<SavedCheckpoint | null> {
    if (this.folder === null) return null;
    if (this.newest?.step === at.step) return this.newest;
    const { session } = this;
    const details = { step: at.step };
    const done = session.profile?.begin({ name: 'save checkpoint', category: 'checkpoint', details });
    try {
      return await this.#saveIn(this.folder, at);
    } finally {
      done?.();
    }
  }

  async #saveIn(runFolder: RunFolder, at: Moment): Promise<SavedCheckpoint> {
    const { session } = this;
    // Weights that are not finite must not take the place of the last good ones.
    await session.checkFinite();
    const folder = await this.#write(runFolder, at, await session.downloadState(), null);
    const saved = { folder, step: at.step };
    this.newest = saved;
    for (const { kind, hooks } of this.addOns)
      await named(kind, 'checkpointSaved', () => hooks.checkpointSaved?.(at, saved));
    return saved;
  }

  /** The state that a failed run left: it counts as no checkpoint of the run. */
  async saveFailed(at: Moment, error: unknown): Promise<string | null> {
    if (this.folder === null) return null;
    const reason = error instanceof Error ? error.message : String(error);
    return shortPath(await this.#write(this.folder, at, await this.session.downloadState(true), reason));
  }

  #write(
    { checkpoints }: RunFolder,
    at: Moment,
    { model, optimizer }: Awaited<ReturnType<Session['downloadState']>>,
    error: string | null,
  ): Promise<string> {
    const { session } = this;
    const addOns = statesOf(this.addOns);
    return writeCheckpoint(checkpoints, {
      error,
      head: headOf(this.trainer, session),
      step: at.step,
      epoch: at.epoch,
      model,
      optimizer,
      state: {
        step: at.step,
        epoch: at.epoch,
        // The next batch of the train step: order and draws are functions of the seed and this position.
        position: { epoch: at.epoch, batch: (at.step % session.pace.stepsPerEpoch) * session.accumulate },
        seed: session.options.seed,
        seconds: at.seconds,
        compile: session.ways,
        loop: session.loopState(),
        schedules: session.scheduleStates,
        addOns,
      },
    });
  }

  async point(name: 'last' | 'best', checkpoint: SavedCheckpoint): Promise<void> {
    if (this.folder === null) return;
    await pointTo(this.folder.checkpoints, name, checkpoint.step);
    this.pointers.set(name, checkpoint);
  }

  /** The checkpoints to name at the end: the best, and the last where it is another. */
  shown(): readonly string[] {
    const [best, last] = (['best', 'last'] as const).map((name) => this.pointers.get(name));
    if (best === undefined || last === undefined || best.step === last.step)
      return [best ?? last].flatMap((one) => (one === undefined ? [] : [shortPath(one.folder)]));
    return [`${shortPath(best.folder)} (best)`, `${shortPath(last.folder)} (last)`];
  }
}
