/** A training run with its folder, checkpoints and summary: a new one, or one that goes on from a checkpoint. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fromExactNumber } from '../../values/exact-number.js';
import { tellStep } from '../../values/step-channel.js';
import type { Json, MetricsLine, Moment } from '../addons/addon.js';
import { FileRefused } from '../checkpoint/files.js';
import { loadInto } from '../checkpoint/read.js';
import { sayWords, type Reporter } from '../progress/reporter.js';
import { summaryLines, tableLines, TrainingProgress, type Best } from '../progress/training.js';
import { weightTable } from '../progress/weight-table.js';
import { openRunFolder, reopenRunFolder, type RunFolder } from '../run/folder.js';
import { gitState } from '../run/git.js';
import { missingFiles } from '../run/missing-files.js';
import { RunError } from '../run/run-error.js';
import { restoreStates } from './add-on-states.js';
import { Control } from './control.js';
import { takenIn } from './dev-run.js';
import { lastStep } from './ending.js';
import { fit, type FitResult } from './fit.js';
import { tellLine, type LiveAddOn } from './hook-calls.js';
import { withoutEnd } from './hook-round.js';
import { leftOutUpdates, restoreCounts } from './left-out-updates.js';
import { addOnHost, closeAddOns, startAddOns } from './live-add-ons.js';
import { record } from '../../values/json-record.js';
import { loopStateOf, type LoopState } from './loop-state.js';
import { withoutOtherScaling } from './loss-scaling.js';
import { pretrainedOf } from './pretrained.js';
import { bestOf, checkStillNewest, pointersOf, setNewerAside, type ResumePoint } from './resume.js';
import { leftOutLines } from './open-data.js';
import { isReworded, jsonRecordOf as jsonOf, keptDefaults } from './run-lock.js';
import { checkSame } from './same-run.js';
import { nothingLeft, tellOver } from './nothing-left.js';
import {
  describe,
  endedAs,
  jsonRecord,
  readFiles,
  startsIn,
  summaryOf,
  type Resumed,
  type Started,
} from './run-record.js';
import { devRunOf, folderOf, notesOf, reporterOf, rootOf, type AnyTrainer, type RunOptions } from './run.js';
import { Saver } from './saver.js';
import type { Session } from './session.js';
import { shortPath } from './short-path.js';
import type { Prepared } from './prepared.js';
import { writeTrace } from './trace-file.js';
import {
  bestWatch,
  forgetUnwatched,
  neverComparable,
  neverMeasured,
  refuseUnmeasured,
  watchesOf,
} from './watched.js';
import { counted, grouped } from '../../values/counted.js';

/** Trains, with what was prepared for it. */
export async function trainPrepared(
  trainer: AnyTrainer,
  prepared: Prepared,
  options: RunOptions,
  started: Started,
): Promise<FitResult> {
  const writes = devRunOf(trainer, options) === null && options.runDir !== null;
  const { resume = null } = options;
  if (resume !== null && !writes)
    throw new RunError('a run that goes on from a checkpoint writes to its folder; a dev run writes nothing');
  options.checkData?.(await readFiles(prepared.session));
  // Compared before anything of the run is touched.
  const changes = resume === null ? [] : await checkSame(trainer, prepared, resume, options);
  const say = (line: string): void => sayWords(reporterOf(trainer, options, null), line);
  const over = resume === null ? null : await nothingLeft(prepared, resume, changes, say);
  if (over !== null) {
    tellOver(trainer, over, options);
    return over.result;
  }
  prepared.session.pretrained = await pretrainedOf(prepared, resume, rootOf(options));
  const mayLack = options.allow?.includes('metrics') ?? false;
  const missing =
    resume === null ? null : missingFiles(resume.run, record('files', resume.state['files']), mayLack);
  const folder = writes ? await openFolder(trainer, options) : null;
  try {
    // Now that nobody else writes there.
    if (resume !== null) await checkStillNewest(resume);
    return await train(trainer, prepared, { folder, changes }, options, started);
  } catch (error) {
    // A run that could not go on is left as it was.
    missing?.removeEmpty();
    throw error;
  } finally {
    folder?.close();
  }
}

function openFolder(trainer: AnyTrainer, options: RunOptions): Promise<RunFolder> {
  const { resume = null } = options;
  return resume === null
    ? openRunFolder(folderOf(trainer, options))
    : reopenRunFolder(resume.run, record('files', resume.state['files']), {
        step: resume.checkpoint.step,
        allowed: options.allow?.includes('metrics') ?? false,
      });
}

/** Where a run goes on: what its checkpoint says of the loop, and what was best until then. */
interface Continued {
  readonly loop: LoopState;
  /** Whether the run was to end there, and goes on since something was allowed. */
  readonly isPastEnd: boolean;
  /** In which ways the native engine ran the steps until then. */
  readonly ways: Readonly<Record<string, string>>;
  readonly best: ReadonlyMap<string, Best>;
  /** What loss scaling and schedules do otherwise, since something was allowed. */
  readonly lines: readonly string[];
}

async function train(
  trainer: AnyTrainer,
  { session, addOns: configured, note }: Prepared,
  { folder, changes }: { readonly folder: RunFolder | null; readonly changes: readonly string[] },
  options: RunOptions,
  started: Started,
): Promise<FitResult> {
  const { control = new Control(), resume = null } = options;
  const devRun = devRunOf(trainer, options);
  const reporter = reporterOf(trainer, options, folder);
  const say = (line: string): void => sayWords(reporter, line);
  const start = {
    at: started.at,
    git: folder === null ? null : gitState(rootOf(options)),
    resumed: resume === null ? null : await resumedAt(resume, changes),
  };
  const live: LiveAddOn[] = [];
  let saver: Saver | null = null;
  let forget = (): void => undefined;
  // A run that could not go on is left as it was.
  let isBegun = resume === null;
  try {
    const lines: string[] = [];
    const continued = resume === null ? null : takeState(session, resume, changes, options.allow ?? []);
    const earlier = continued?.loop.seconds ?? 0;
    const now = (): number => earlier + (performance.now() - started.ticks) / 1000;
    const best = new Map(continued?.best ?? []);
    const saving = configured.find(({ kind }) => kind === 'checkpoint');
    const own = new Saver({
      trainer,
      session,
      folder,
      layout: saving?.format ?? 'folder',
      weightsOnly: saving?.weightsOnly ?? false,
      best,
      pointers: new Map(),
      newest: resume === null ? null : { folder: resume.checkpoint.folder, step: resume.checkpoint.step },
      ways: continued?.ways ?? {},
      note: say,
    });
    saver = own;
    own.refuseTooLarge();
    const taking = takenIn(configured, devRun);
    const write = (line: MetricsLine): void => folder?.metrics(jsonRecord(line));
    const listener = new TrainingProgress(session, reporter, lastStep(session, devRun), write);
    const notable = (step: number): void => listener.best(step);
    // What add-ons say or log before the run is begun comes after it.
    const early: string[] = [];
    const earlyLines: MetricsLine[] = [];
    const log = (line: MetricsLine): void => {
      if (!isBegun) return void earlyLines.push(line);
      write(line);
      tellLine(live, line);
    };
    const report = (line: string): void => (isBegun ? say(line) : void early.push(line));
    const host = addOnHost(session, own, { line: report }, folder?.path ?? null, {
      best,
      notable,
      log,
      goesOnFrom: own.newest,
      isPastEnd: continued?.isPastEnd ?? false,
    });
    const watches = watchesOf(taking, session);
    refuseUnmeasured(watches, session);
    own.addOns = live;
    if (resume !== null) {
      startAddOns(taking, host, live);
      const states = jsonOf(resume.state['addOns']);
      lines.push(...restoreStates(live, states, resume.state['addOnsByName'] === true));
      forgetUnwatched(best, states, watches);
      // All of the checkpoint is taken: only now is something of the run written anew.
      lines.push(...resume.passed.map((line) => `passed over: ${line}`), ...(await setNewerAside(resume)));
      lines.push(
        ...linesOf(trainer, session, resume, changes, options.allow ?? []),
        ...(continued?.lines ?? []),
      );
      for (const [name, checkpoint] of await pointersOf(resume.run)) own.pointers.set(name, checkpoint);
      const lost = folder?.cut?.() ?? null;
      if (lost !== null) lines.push(`allowed: ${lost}`);
    }
    // It reads what the digests of the data are of, which takes time where that is much.
    const described = folder === null ? null : await describe(trainer, session, start, null);
    if (described !== null) await folder?.write('run.json', described);
    const leftOut = leftOutLines(session.openSets);
    if (leftOut !== '') await folder?.skippedRows(leftOut);
    isBegun = true;
    forget = control.beforeEnd((signal) => {
      reporter.end();
      const reason = `ended at once by ${signal}`;
      const at = own.newest?.step ?? null;
      say(at === null ? `${reason}: nothing of it was saved` : `${reason}, saved at step ${at}`);
      sayGoOn(folder, own, options, (line) => reporter.line(line));
      // Last: on a full disk it fails.
      if (described !== null) folder?.writeNow(endedAs({ ...described, compile: session.decisions }, reason));
    });
    begin(trainer, session, reporter, folder, { note, isNew: resume === null, devRun });
    if (folder !== null && saving?.weightsOnly === true)
      say('nothing goes on from what this run saves: it is weights only (checkpoint.weights_only)');
    if (leftOut !== '' && folder !== null)
      say(`rows that are left out: ${shortPath(join(folder.path, 'skipped-rows.jsonl'))}`);
    for (const line of [...lines, ...early]) say(line);
    earlyLines.forEach(log);
    if (resume === null) startAddOns(taking, host, live);
    const rescue = async (at: Moment): Promise<void> => {
      const saved = await own.save(at);
      if (saved === null || own.pointers.get('last')?.step === saved.step) return;
      await own.point('last', saved);
      say(`the state of step ${at.step} was saved: ${shortPath(saved.folder)}`);
    };
    live.unshift(...bestWatch(watches, best));
    tellStep(own.newest?.step ?? 0);
    const result = await fit({
      session,
      addOns: live,
      control,
      listener,
      now,
      from: continued?.loop ?? null,
      limit: devRun,
      keeper: own,
      ...(folder === null ? {} : { rescue }),
      hand: options.hand,
    });
    if (result.reason === 'interrupted' && own.newest?.step !== result.at.step) {
      const saved = await own.save(result.at);
      if (saved !== null) await own.point('last', saved);
    }
    reporter.end();
    if (result.reason !== 'interrupted')
      for (const line of [
        ...neverMeasured(watches, result.metrics),
        ...neverComparable(watches, result.metrics, best),
      ])
        say(line);
    const resumes = [...(start.resumed?.before.slice(1).map(stepOf) ?? []), start.resumed?.step ?? []].flat();
    await tellEnd(session, own, folder, listener, { result, best, resumes, reporter, options });
    const traced = await writeTrace(trainer, session, folder, result.reason);
    if (traced !== null) say(traced);
    await closeAddOns(live.splice(0));
    const about = {
      best,
      resumes,
      pointers: own.pointers,
      tables: listener.tables,
      classes: listener.classes,
    };
    await folder?.write('summary.json', summaryOf(result, about));
    if (folder !== null)
      await folder.write('run.json', await describe(trainer, session, start, result.reason));
    return result;
  } catch (thrown) {
    reporter.end();
    // A run goes on in its own folder.
    const error = resume !== null && thrown instanceof FileRefused ? thrown.inPlace : thrown;
    if (!isBegun) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const reason = `failed: ${message}`;
    // The first error is the one to tell; a folder that cannot be written is often its cause.
    try {
      folder?.console(`error: ${message}`);
    } catch {
      // The same: `message` is thrown on.
    }
    const tell = async (): Promise<void> => {
      if (folder !== null) await folder.write('run.json', await describe(trainer, session, start, reason));
    };
    await tell().catch(() => undefined);
    await writeTrace(trainer, session, folder, reason).catch(() => undefined);
    await saver?.settle();
    sayGoOn(folder, saver, options, (line) => options.failed?.(line));
    throw error;
  } finally {
    forget();
    await saver?.settle();
    // Of what failed before: its error is the one to tell.
    await closeAddOns(live).catch(() => undefined);
  }
}

const goesNowhere =
  'nothing goes on from this run: its checkpoints hold weights only (checkpoint.weights_only)';

/** How to go on with a run that did not come to its end, where it has saved anything. */
function sayGoOn(
  folder: RunFolder | null,
  saver: Saver | null,
  { goOn: command, resume = null }: RunOptions,
  say: (line: string) => void,
): void {
  if (folder === null || command === undefined || saver === null || saver.newest === null) return;
  if (!existsSync(join(folder.path, 'run.json'))) {
    say(`nothing goes on from this run: ${shortPath(folder.path)} is gone`);
    return;
  }
  if (!saver.isWhole) {
    say(goesNowhere);
    return;
  }
  // What was allowed for this start is in no checkpoint yet.
  if (saver.newest.step === resume?.checkpoint.step) {
    say('nothing new was saved: the same command goes on');
    return;
  }
  say(`go on: ${command(shortPath(folder.path))}`);
}

async function resumedAt(
  { run, checkpoint, state }: ResumePoint,
  allowed: readonly string[],
): Promise<Resumed> {
  const seconds = fromExactNumber(state['seconds']);
  const { folder, step } = checkpoint;
  return { from: basename(folder), step, seconds, allowed, before: await startsIn(run) };
}

const stepOf = (start: Json): number => Number(record('a start', start)['step']);

/** Puts the state of the checkpoint in place of the first. Nothing on the disk is touched. */
function takeState(
  session: Session,
  point: ResumePoint,
  changes: readonly string[],
  allowed: readonly string[],
): Continued {
  const { checkpoint, model, optimizer, state } = point;
  const { folder } = checkpoint;
  session.figures.take(model);
  loadInto(session.modelState, session.copies.withoutUnmade(model), folder);
  const {
    variables,
    tensors,
    line: scaling,
  } = withoutOtherScaling(session.optimizerState, optimizer, allowed);
  loadInto(variables, tensors, folder);
  // The point is reachable for as long as the run goes on.
  for (const read of [model, optimizer]) read.clear();
  try {
    restoreCounts(session, state);
    const lines = [
      ...(scaling === null ? [] : [scaling]),
      ...session.restoreSchedules(record('schedules', state['schedules']), changes.length > 0),
    ];
    session.lastRates.restore(state['rates']);
    // Who allows another way wants it.
    const ways = changes.some((line) => line.startsWith('trainer.compile was'))
      ? {}
      : Object.fromEntries(
          Object.entries(record('compile', state['compile'])).map(([key, way]) => [key, String(way)]),
        );
    session.engine.pin?.(ways);
    const loop = loopStateOf(state);
    session.live.restore(loop.live);
    // Who allows another run than the one that was to end wants it to go on.
    const goesOn =
      changes.length === 0
        ? loop
        : {
            ...loop,
            asked: loop.asked.filter((each) => each !== 'end-run'),
            round: withoutEnd(loop.round),
            because: null,
          };
    const isPastEnd = loop.asked.includes('end-run') && !goesOn.asked.includes('end-run');
    return { loop: goesOn, isPastEnd, ways, best: bestOf(point), lines };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RunError(`${join(folder, 'state.json')} does not fit this trainer: ${why}`, { cause: error });
  }
}

/** What a run that goes on says of where it does, and of what is not as it was. */
function linesOf(
  trainer: AnyTrainer,
  session: Session,
  { checkpoint, state }: ResumePoint,
  changes: readonly string[],
  allowed: readonly string[],
): readonly string[] {
  const { spec } = trainer;
  const { compiler } = record('lock', state['lock']);
  const { engine, step, folder } = checkpoint;
  const { totalSteps } = session.pace;
  return [
    ...changes.map((line) => `allowed: ${line}`),
    ...(isReworded(state['lock'], spec)
      ? ['the spec has another text that means the same: comments or blank space']
      : []),
    ...keptDefaults(trainer, allowed),
    ...(engine === session.engine.version
      ? []
      : [`the run was on ${engine}: what follows is equal to float tolerance, not bit for bit`]),
    ...(typeof compiler !== 'string' || compiler === spec.compiler
      ? []
      : [
          `the run was built by ztrainc ${compiler}, this is ${spec.compiler ?? 'another'}: what it computes may have changed with it`,
        ]),
    `goes on after step ${step}, from ${shortPath(folder)}`,
    ...(totalSteps !== null && step >= totalSteps && changes.length > 0
      ? [
          `nothing is left to train: ${counted(step, 'step')} ${step === 1 ? 'is' : 'are'} done, and the run has ${grouped(totalSteps)} in all now`,
        ]
      : []),
  ];
}

function begin(
  trainer: AnyTrainer,
  session: Session,
  reporter: Reporter,
  folder: RunFolder | null,
  {
    note,
    isNew,
    devRun,
  }: { readonly note: string | null; readonly isNew: boolean; readonly devRun: number | null },
): void {
  const { spec, options } = trainer;
  const { stepsPerEpoch, totalSteps } = session.pace;
  const { summary } = options;
  const say = (line: string): void => sayWords(reporter, line);
  const usual = (line: string): void => sayWords(reporter, line, 'usual');
  // A run that goes on has shown it.
  if (summary !== false && isNew)
    weightTable(session, reporter.columns(), summary === true ? Infinity : summary).forEach((line) =>
      reporter.usual(line),
    );
  usual(`${spec.trainer} on ${session.engine.version}, seed ${options.seed}`);
  const all =
    totalSteps === null
      ? 'until max_time'
      : `${session.isEndless ? counted(totalSteps, 'step') : grouped(totalSteps)} in all`;
  const whole = `${session.isEndless ? 'live data, no epochs' : `${counted(stepsPerEpoch, 'step')} an epoch`}, ${all}`;
  usual(
    devRun === null
      ? `${whole}${folder === null ? '' : `, writing to ${shortPath(folder.path)}`}`
      : `a dev run of at most ${counted(devRun, 'step')}, and as many batches of each other step; a whole run has ${whole}`,
  );
  notesOf(session, note).forEach(say);
  for (const line of session.pretrained?.lines ?? []) say(line);
}

/** The last lines of a run, and what it says of its time. */
async function tellEnd(
  session: Session,
  saver: Saver,
  folder: RunFolder | null,
  listener: TrainingProgress,
  {
    result,
    best,
    resumes,
    reporter,
    options,
  }: {
    readonly result: FitResult;
    readonly best: ReadonlyMap<string, Best>;
    readonly resumes: readonly number[];
    readonly reporter: Reporter;
    readonly options: RunOptions;
  },
): Promise<void> {
  for (const line of await leftOutUpdates(session)) sayWords(reporter, line);
  const path = folder === null ? null : shortPath(folder.path);
  const { plot = null, goOn: command = null } = options;
  const goOn = saver.isWhole ? command : null;
  const where = { folder: path, resumes, checkpoints: saver.shown(), plot, goOn };
  for (const line of summaryLines(result, [...best.values()], session.pace, where, reporter.columns()))
    reporter.usual(line);
  if (result.reason === 'interrupted' && saver.newest !== null && !saver.isWhole)
    sayWords(reporter, goesNowhere);
  for (const [name, table] of listener.tables)
    tableLines(name, table, {
      columns: reporter.columns(),
      most: 32,
      classes: listener.classes.get(name),
    }).forEach((line) => reporter.usual(line));
  const { profile } = session;
  for (const line of profile?.lines(result.at.seconds, reporter.columns()) ?? []) reporter.line(line);
}
