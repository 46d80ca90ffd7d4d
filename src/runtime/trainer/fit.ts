/**
 * The training loop: epochs of windows of batches; between windows the training metrics, validations, add-ons. Validation
 * comes before the checkpoint that may depend on it.
 */
import { stepsBefore, type Speed } from '../../values/durations.js';
import { exactNumber } from '../../values/exact-number.js';
import type { Json, Measured, MetricsLine, Moment } from '../addons/addon.js';
import type { Timed } from '../progress/profile.js';
import { RunError } from '../run/run-error.js';
import type { Hand } from './by-hand.js';
import { breathe, type Control, type StopSignal } from './control.js';
import { isSameFailure, lastStep, Least, strongest, type Asked, type EndReason } from './ending.js';
import type { FitListener } from './fit-listener.js';
import { HookCalls, HookError, tellLine, type LiveAddOn } from './hook-calls.js';
import { roundJson } from './hook-round.js';
import { measureAll } from './measure.js';
import { reloadData } from './open-stage.js';
import { isAllDone, stepParts, type LoopState, type StepPart } from './loop-state.js';
import type { OpenStage, Session } from './session.js';
import { keepsNothing, type StateKeeper } from './state-keeper.js';
import { Tally } from './throughput.js';
import type { Finished, StageTotals } from './totals.js';
import { updatedIn } from './update.js';
import { Validations } from './validations.js';
import { Windows } from './windows.js';

export type { FitListener, MetricsRecord } from './fit-listener.js';
export type { LiveAddOn } from './hook-calls.js';

export interface FitOptions {
  readonly session: Session;
  readonly addOns: readonly LiveAddOn[];
  readonly control: Control;
  readonly listener: FitListener;
  /** Seconds since the run's start. */
  readonly now: () => number;
  /** Where a run that is resumed goes on; null for a new one. */
  readonly from?: LoopState | null;
  /** A dev run: at most so many windows, in one epoch, and batches of each validation. */
  readonly limit: number | null;
  readonly keeper?: StateKeeper;
  /** Keeps the state where something failed that leaves it as good as before: a hook, the data, a validation. */
  readonly rescue?: (at: Moment) => Promise<void>;
  /** Who holds the loop at the ends of steps; nobody unless given. */
  readonly hand?: Hand | undefined;
}

export interface FitResult {
  readonly reason: EndReason;
  /** Why an add-on ended the run, in its words; null otherwise. */
  readonly because: string | null;
  /** What interrupted it; null otherwise, also where a signal came when all was done, and where it was ended by hand. */
  readonly signal: StopSignal | null;
  readonly at: Moment;
  readonly rows: number;
  /** The newest value of each metric. */
  readonly metrics: Measured;
}

/** Trains. Rejects with a RunError where the run has no end or a value is not finite. */
export async function fit(options: FitOptions): Promise<FitResult> {
  return new Fit(options).run();
}

class Fit {
  readonly #session: Session;
  readonly #train: OpenStage;
  readonly #windows: Windows;
  readonly #validations: Validations;
  readonly #hooks: HookCalls;
  readonly #total: number;
  readonly #from: LoopState | null;
  readonly #keeper: StateKeeper;
  readonly #newest = new Map<string, number>();
  readonly #least: Least;
  readonly #window = new Tally();
  readonly #epochs = new Tally();
  #because: string | null = null;
  #step = 0;
  #windowLogged = true;
  #windowsInEpoch = 0;
  /** What an interrupted step leaves to be done. */
  #left: StepPart | null = null;
  /** What add-ons have asked for in this step so far. */
  #asked: Asked[] = [];
  /** Optimizers that this step has updated, once that was looked at: a run that goes on in it does not run it again. */
  #updated: readonly string[] | null = null;
  /** Whether sums of metrics are being turned into lines: who goes on from there would lack some. */
  #isClosing = false;

  constructor(private readonly options: FitOptions) {
    const { session, limit, listener, addOns, control, now, from, keeper = keepsNothing } = options;
    this.#session = session;
    if (addOns.some(({ hooks }) => hooks.updateEnd !== undefined)) session.updatedAt = new Map();
    session.devRun = limit;
    this.#from = from ?? null;
    this.#keeper = keeper;
    const [train, ...others] = session.of('train');
    if (train === undefined || others.length > 0) {
      throw new RunError(
        `a trainer needs one train step, got ${others.length + (train === undefined ? 0 : 1)}`,
      );
    }
    this.#train = train;
    this.#total = lastStep(session, limit);
    this.#least = new Least(session, listener);
    const note = (line: string): void => listener.note(line);
    const [total, isRescued] = [this.#total, options.rescue !== undefined];
    this.#windows = new Windows({ session, train, control, total, now, isRescued, note });
    this.#hooks = new HookCalls(addOns, session.profile, () => this.#step, session.isEndless);
    this.#validations = new Validations({
      session,
      hooks: this.#hooks,
      control,
      limit,
      moment: () => this.#moment(),
      validating: (name, done, of) => listener.validating(name, done, of),
      log: (line) => this.#log(line),
      from: from?.seconds ?? 0,
    });
    session.loopState = () => this.#state();
  }

  /** What a checkpoint keeps of the loop. */
  async #state(): Promise<Readonly<Record<string, Json>>> {
    return {
      ...(await this.#windows.state()),
      measured: this.#validations.state,
      newest: Object.fromEntries([...this.#newest].map(([name, value]) => [name, exactNumber(value)])),
      windowLogged: this.#windowLogged,
      windowsInEpoch: this.#windowsInEpoch,
      left: this.#left,
      asked: this.#asked.filter((answer) => answer !== undefined),
      because: this.#because,
      updated: this.#updated,
      round: roundJson(this.#hooks.round),
      due: this.#validations.due,
      live: this.#session.live.state,
    };
  }

  async #restore(from: LoopState): Promise<void> {
    this.#step = from.step;
    this.#windowLogged = from.windowLogged;
    this.#windowsInEpoch = from.windowsInEpoch;
    this.#asked = [...from.asked];
    this.#because = from.because;
    this.#updated = from.updated;
    this.#hooks.restore(from.round);
    for (const [name, value] of from.newest) this.#newest.set(name, value);
    this.options.hand?.told(this.#newest);
    this.#validations.restore(from.measured, from.due);
    await this.#windows.restore(from.rows, from.train);
  }

  async run(): Promise<FitResult> {
    try {
      return await this.#runAll();
    } catch (error) {
      await this.#fail(error);
      throw error;
    } finally {
      await this.#windows.drain();
    }
  }

  /** The first error is the one to tell: what goes wrong from here on is only said. */
  async #fail(error: unknown): Promise<void> {
    const { listener, rescue } = this.options;
    const say = (problem: unknown): void =>
      listener.note(problem instanceof Error ? problem.message : String(problem));
    // Of windows that were run in one go, those before the one that failed are done. Only after the last is there more to do.
    if (this.#windows.wholeUntil > this.#step) {
      [this.#step, this.#windowLogged, this.#asked] = [this.#windows.wholeUntil, false, []];
      if (this.#windows.isWhole) {
        this.#left = 'update';
        await this.#updates().catch(say);
      }
      this.#hooks.endRound();
    }
    const at = this.#moment();
    // What stands in the way of saving is often what failed.
    const sayOther = (problem: unknown): void => {
      if (!isSameFailure(problem, error)) say(problem);
    };
    if (error instanceof HookError || this.#isSound) await rescue?.(at).catch(sayOther);
    await this.#hooks.eachAnyway('failed', (hooks) => hooks.failed?.(at, error), sayOther);
  }

  /** Whether a run can go on from the state as it is, or from what is held of it. */
  get #isSound(): boolean {
    return !this.#windows.isHalf && (!this.#isClosing || this.#keeper.isHeld);
  }

  async #runAll(): Promise<FitResult> {
    const [from, keeper, control] = [this.#from, this.#keeper, this.options.control];
    const isReady = from === null ? await this.#begin() : true;
    if (from !== null) await this.#restore(from);
    let reason: EndReason = isReady ? 'finished' : 'interrupted';
    await this.#hooks.each('fitStart', (hooks) => hooks.fitStart?.(this.#moment()));
    if (isReady && from !== null && from.left !== null)
      reason =
        (await this.#finishStep(this.#endOfEpoch(this.#step - 1), from.left, isAllDone(from))) ?? reason;
    // It was to end when it was saved.
    else if (from?.asked.includes('end-run') === true && this.#step < this.#total) reason = 'stopped';
    else if (from !== null && this.#isOutOfTime) reason = 'out-of-time';
    while (this.#step < this.#total && reason === 'finished') {
      await this.#reload();
      reason = (await this.#epoch()) ?? reason;
    }
    // What follows belongs to this end of the run: one that goes on from here goes on from before it.
    if (!keeper.isHeld) await keeper.hold(this.#moment());
    if (reason !== 'interrupted') {
      await this.#closeEpoch();
      await this.#measured(await this.#validations.runLate());
      // A pass that a signal cut off leaves the run without its last measurements: it did not finish.
      if (this.#validations.areLate) reason = 'interrupted';
    }
    await this.#session.checkFinite();
    const [at, stop] = [this.#moment(), control.signal];
    if (reason === 'interrupted' && stop !== null)
      await this.#hooks.each('interrupted', (hooks) => hooks.interrupted?.(at, stop));
    await this.#hooks.each('fitEnd', (hooks) => hooks.fitEnd?.(at, this.#newest));
    const signal = reason === 'interrupted' ? control.signal : null;
    const because = reason === 'stopped' ? this.#because : null;
    return { reason, because, signal, at, rows: this.#windows.rows, metrics: this.#newest };
  }

  /** What comes before the first step of a new run: figures of the data, and a look at validations. False where a signal came. */
  async #begin(): Promise<boolean> {
    const { session, control, listener, limit } = this.options;
    const live = (name: string, done: number, of: number): void => listener.measuring?.(name, done, of);
    if (!(await measureAll(session, control, { limit, live }))) return false;
    const { sanity } = session.options;
    return sanity === 0 || limit !== null || this.#validations.sanity(sanity);
  }

  #moment(): Moment {
    return {
      step: this.#step,
      epoch: Math.floor(this.#step / this.#session.pace.stepsPerEpoch),
      seconds: this.options.now(),
    };
  }

  /** Opens the data again where this epoch is to begin with that. */
  async #reload(): Promise<void> {
    const { session, listener } = this.options;
    const from = this.#from;
    const { reloadData: every } = session.options;
    const epoch = this.#step / session.pace.stepsPerEpoch;
    if (every === null || epoch === 0 || epoch % every !== 0) return;
    // A run that is resumed has just opened it.
    if (this.#step === from?.step) return;
    // What was read ahead is of the data as it was.
    await this.#windows.drain();
    listener.note(await reloadData(session.stages, session.openSets, session.pace, epoch));
  }

  /** The step at which the epoch ends that step `step` (from 0) is in. */
  #endOfEpoch(step: number): number {
    const { stepsPerEpoch } = this.#session.pace;
    return Math.min(this.#total, (Math.floor(step / stepsPerEpoch) + 1) * stepsPerEpoch);
  }

  /** The rest of the current epoch: windows, and what comes after each. Null: go on with the next. */
  async #epoch(): Promise<EndReason | null> {
    const { stepsPerEpoch } = this.#session.pace;
    const hooks = this.#hooks;
    const end = this.#endOfEpoch(this.#step);
    // A run that goes on between an epoch's start and its first window has begun it.
    if (this.#step % stepsPerEpoch === 0 && hooks.round?.key !== 'stepStart')
      await hooks.each('epochStart', (own) => own.epochStart?.(this.#moment()), 'epochStart');
    while (this.#step < end) {
      await hooks.each('stepStart', (own) => own.stepStart?.(this.#moment()), 'stepStart');
      const until = this.#quietUntil(end);
      const trained = await this.#windows.run(this.#step, until);
      if (trained === null) return 'interrupted';
      hooks.endRound();
      this.#step = until;
      this.#windowLogged = false;
      for (const tally of [this.#window, this.#epochs]) tally.add(trained);
      this.options.listener.step(this.#moment(), this.#windows.rows);
      this.#asked = [];
      const ended = await this.#finishStep(end, 'update');
      if (ended !== null) return ended;
    }
    return null;
  }

  /**
   * What comes after a window, from one part of it on: metrics, validations, add-ons. What is saved in a part says so, and a run that
   * goes on from there does that part again. Where nothing else was left (`isDone`), who runs it by hand has heard of the step.
   */
  async #finishStep(end: number, from: StepPart, isDone = false): Promise<EndReason | null> {
    const [hooks, asked, control] = [this.#hooks, this.#asked, this.options.control];
    let isSkipped = from.startsWith('skip');
    for (const part of stepParts.slice(stepParts.indexOf(from))) {
      if (part === 'epochEnd' && this.#step % this.#session.pace.stepsPerEpoch !== 0) continue;
      if (part === 'skip' && !isSkipped) {
        if (!asked.includes('end-epoch') || this.#step >= end) continue;
        // What was due on the way is done with the weights as they are; the clock goes on to the end of the epoch.
        await this.#session.passOver(this.#step, end);
        this.#step = end;
        isSkipped = true;
      }
      if (part.startsWith('skip') && !isSkipped) continue;
      this.#left = part;
      if (part !== from) hooks.endRound();
      this.#isClosing = part === 'measure' || part === 'skip';
      await this.#doPart(part, asked);
      this.#isClosing = false;
      if (this.#validations.wereCut) return 'interrupted';
    }
    this.#left = null;
    this.#updated = null;
    hooks.endRound();
    await breathe();
    const goesOn = isDone || ((await this.options.hand?.wait(this.#moment(), this.#step >= end)) ?? true);
    if (control.signal !== null) return 'interrupted';
    if (asked.includes('end-run') && this.#step < this.#total) return 'stopped';
    // Ended by hand: a run can go on from there, as after a signal.
    if (!goesOn && this.#step < this.#total) return 'interrupted';
    return this.#isOutOfTime ? 'out-of-time' : null;
  }

  get #isOutOfTime(): boolean {
    const { maxTime } = this.#session.options;
    return maxTime !== null && this.options.now() >= maxTime && this.#step < this.#total;
  }

  async #doPart(part: StepPart, asked: Asked[]): Promise<void> {
    const hooks = this.#hooks;
    const at = this.#moment();
    switch (part) {
      case 'update':
        for (let left = await this.#updates(), [name] = left; name !== undefined; [name] = left) {
          const optimizer = name;
          await hooks.each('updateEnd', (own) => own.updateEnd?.(at, optimizer), `updateEnd ${name}`);
          left = left.slice(1);
          this.#updated = left;
        }
        return;
      case 'measure':
        asked.push(await this.#measureTraining());
        return;
      case 'validate':
      case 'skipValidate':
        asked.push(await this.#validate());
        return;
      case 'stepEnd':
        asked.push(this.#weigh(await hooks.ask('stepEnd', (own) => own.stepEnd?.(at), part)));
        return;
      case 'epochEnd':
      case 'skipEpochEnd':
        asked.push(this.#weigh(await hooks.ask('epochEnd', (own) => own.epochEnd?.(at), part)));
        return;
      case 'skip':
        // The epoch is measured as if it had got to its end.
        asked.push(await this.#closeEpoch());
        return;
      case 'settled':
        await hooks.each('settled', (own) => own.settled?.(at), part);
        return;
    }
  }

  /** Optimizers that the step has updated; none where no add-on asks. */
  async #updates(): Promise<readonly string[]> {
    if (this.#session.updatedAt === null) return [];
    this.#updated ??= await updatedIn(this.#session, this.#train.stage.updated, this.#step);
    return this.#updated;
  }

  /** The validations that are due. Where a signal cuts one off, a run that goes on does them all, from the state before them. */
  async #validate(): Promise<Asked> {
    if (!this.#validations.areDue) return undefined;
    await this.#keeper.hold(this.#moment());
    const asked = await this.#measured(await this.#validations.runDue());
    if (!this.#validations.wereCut) this.#keeper.release();
    return asked;
  }

  /** The epoch's line where the epoch has ended, a window's where one is due. */
  async #measureTraining(): Promise<Asked> {
    if (this.#step % this.#session.pace.stepsPerEpoch === 0) return this.#closeEpoch();
    return this.#step % this.#session.options.logEvery.value === 0 ? this.#logWindow() : undefined;
  }

  /**
   * The first step after this one at whose end the host has something to do: a line of metrics, a validation, an add-on, the
   * end of the epoch. Steps before it may be run in one call, if the engine takes several.
   */
  #quietUntil(end: number): number {
    const { atOnce } = this.#windows;
    if (atOnce === 1 || this.options.hand?.isStepping === true) return this.#step + 1;
    const { logEvery: log, maxTime } = this.#session.options;
    const logEvery = log.value;
    const speed: Speed = { seconds: this.options.now(), perStep: this.#windows.perStep };
    const soon = this.#step + 1;
    const events = [
      ...(maxTime === null ? [] : [this.#step + stepsBefore(maxTime, speed)]),
      (Math.floor(this.#step / logEvery) + 1) * logEvery,
      this.#validations.next(this.#step, speed),
      ...this.options.addOns.flatMap(({ hooks }) => [
        ...(hooks.stepEnd === undefined ? [] : [hooks.nextStepEnd?.(this.#step) ?? soon]),
        ...(hooks.updateEnd === undefined ? [] : [hooks.nextUpdateEnd?.(this.#step) ?? soon]),
        ...(hooks.stepStart === undefined ? [] : [hooks.nextStepStart?.(this.#step) ?? soon]),
        ...(hooks.settled === undefined ? [] : [hooks.nextSettled?.(this.#step) ?? soon]),
      ]),
    ];
    return Math.max(soon, Math.min(end, this.#step + atOnce, ...events));
  }

  /** A line of the metrics since the last one. Where an epoch has no end, it is what a monitor of training sees. */
  async #logWindow(): Promise<Asked> {
    if (this.#windowLogged) return undefined;
    return this.#closing(async (totals) => {
      const metrics = await this.#session.timed(this.#reading('window'), () =>
        totals.finishWindow(!this.#session.isEndless),
      );
      this.#windowLogged = true;
      this.#windowsInEpoch += 1;
      this.#tell('window', metrics);
      if (this.#session.isEndless) return this.#measured(this.#fullNames(metrics));
      this.options.hand?.told(this.#fullNames(metrics));
      return undefined;
    });
  }

  /** Turns sums into a line. A run that goes on from what is saved meanwhile, as where a hook fails, does that again from the sums. */
  async #closing(close: (totals: StageTotals) => Promise<Asked>): Promise<Asked> {
    const keeper = this.#keeper;
    await this.#session.checkFinite();
    // What follows the last step is held as a whole.
    const isOwn = !keeper.isHeld;
    if (isOwn) await keeper.hold(this.#moment());
    const asked = await close(this.#train.stage.totals);
    if (isOwn) keeper.release();
    return asked;
  }

  #fullNames(metrics: Finished): Measured {
    const { name } = this.#train.stage.plan;
    return new Map([...metrics].map(([metric, value]) => [`${name}.${metric}`, value]));
  }

  #reading(over: 'window' | 'epoch'): Timed {
    return { name: 'read metrics', category: 'metrics', details: { over, step: this.#step } };
  }

  #tell(over: 'window' | 'epoch', metrics: Finished): void {
    const rates = this.#session.ratesAt(Math.max(0, this.#step - 1));
    const window = this.#window.take();
    const throughput = over === 'epoch' ? this.#epochs.take() : window;
    const { plan, totals } = this.#train.stage;
    const { tables, classes } = totals;
    this.#log({ stage: plan.name, over, at: this.#moment(), metrics, tables, classes, rates, throughput });
  }

  #log(line: MetricsLine): void {
    this.options.listener.metrics(line);
    tellLine(this.options.addOns, line);
  }

  /** Finishes the epoch's training metrics, where there are any since the last time. */
  async #closeEpoch(): Promise<Asked> {
    // The mean of a run that learns says nothing of its end.
    if (this.#session.isEndless) return this.#logWindow();
    if (this.#windowLogged && this.#windowsInEpoch === 0) return undefined;
    return this.#closing(async (totals) => {
      const metrics = await this.#session.timed(this.#reading('epoch'), () => totals.finishEpoch());
      this.#windowLogged = true;
      this.#windowsInEpoch = 0;
      this.#tell('epoch', metrics);
      return this.#measured(this.#fullNames(metrics));
    });
  }

  async #measured(metrics: Measured | null): Promise<Asked> {
    if (metrics === null) return undefined;
    for (const [name, value] of metrics) this.#newest.set(name, value);
    this.options.hand?.told(metrics);
    for (const line of this.#session.observe(this.#step, metrics)) this.options.listener.note(line);
    return this.#weigh(await this.#hooks.ask('measured', (own) => own.measured?.(this.#moment(), metrics)));
  }

  /** The strongest of several answers, as far as the run may end by now. */
  #weigh(answers: Parameters<typeof strongest>[0]): Asked {
    const wish = strongest(answers);
    if (wish.answer !== 'end-run') return wish.answer;
    if (!this.#least.isMet(this.#step, wish.because))
      return answers.includes('end-epoch') ? 'end-epoch' : undefined;
    this.#because ??= wish.because;
    return wish.answer;
  }
}
