/**
 * The training loop: epochs of windows of batches; between windows the training metrics, validations, add-ons. Validation
 * comes before the checkpoint that may depend on it.
 */
import { recurrence, stepsBefore, type Recurrence, type Speed } from '../../values/durations.js';
import type { Answer, Hooks, Measured, MetricsLine, Moment } from '../addons/addon.js';
import type { Timed } from '../progress/profile.js';
import { IndexError } from '../run/index-error.js';
import { RunError } from '../run/run-error.js';
import { breathe, type Control, type StopSignal } from './control.js';
import { Ahead, type BatchPlace } from './ahead.js';
import { AnomalyWatch } from './anomaly.js';
import { lastStep, Least, strongest, type Asked, type EndReason } from './ending.js';
import type { HostBatch } from '../data/data.js';
import { evaluateStage, withRows } from './evaluate.js';
import { HookError, named, tellLine, type LiveAddOn } from './hook-calls.js';
import { prepareSteps } from './prepare-steps.js';
import { reloadData } from './open-stage.js';
import type { OpenStage, Session } from './session.js';
import type { BatchRun } from './stage.js';
import { Tally } from './throughput.js';
import type { Finished } from './totals.js';

export type { LiveAddOn } from './hook-calls.js';

/** A finished line of metrics. */
export type MetricsRecord = MetricsLine;

/** What the loop tells while it runs. */
export interface FitListener {
  /** After each window; `rows` are the rows trained on so far. */
  step(at: Moment, rows: number): void;
  metrics(record: MetricsRecord): void;
  validating(name: string, done: number, of: number): void;
  /** Something to know about how the run is done, once. */
  note(line: string): void;
}

export interface FitOptions {
  readonly session: Session;
  readonly addOns: readonly LiveAddOn[];
  readonly control: Control;
  readonly listener: FitListener;
  /** Seconds since the run's start. */
  readonly now: () => number;
  /** A dev run: at most so many windows, in one epoch, and batches of each validation. */
  readonly limit: number | null;
  /** Keeps the state where a hook threw: the weights are as good as before. */
  readonly rescue?: (at: Moment) => Promise<void>;
}

export interface FitResult {
  readonly reason: EndReason;
  /** Why an add-on ended the run, in its words; null otherwise. */
  readonly because: string | null;
  /** What interrupted it; null otherwise, also where a signal came when all was done. */
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

/** A validation of the run. */
interface Validation {
  readonly open: OpenStage;
  readonly recurrence: Recurrence;
  /** The step at which it was last measured. */
  measuredAt: number;
}

class Fit {
  readonly #session: Session;
  readonly #train: OpenStage;
  readonly #ahead: Ahead;
  readonly #total: number;
  readonly #validations: readonly Validation[];
  readonly #newest = new Map<string, number>();
  readonly #least: Least;
  readonly #watch: AnomalyWatch | null;
  readonly #window = new Tally();
  readonly #epochs = new Tally();
  /** Seconds that a step of the last call took. */
  #perStep = 0;
  #because: string | null = null;
  #step = 0;
  #rows = 0;
  #windowLogged = true;
  #windowsInEpoch = 0;
  #decided = false;
  /** Whether what comes later is traced, or nothing is to be. */
  #isReady: boolean;
  /** Batches that the train step has had, until it is. */
  #sample: readonly HostBatch[] = [];

  constructor(private readonly options: FitOptions) {
    const { session, limit, listener } = options;
    this.#session = session;
    const [train, ...others] = session.of('train');
    if (train === undefined || others.length > 0) {
      throw new RunError(
        `a trainer needs one train step, got ${others.length + (train === undefined ? 0 : 1)}`,
      );
    }
    this.#train = train;
    this.#isReady = !session.engine.traces;
    this.#ahead = new Ahead(train.data);
    this.#total = lastStep(session, limit);
    this.#least = new Least(session, listener);
    this.#watch = session.options.detectAnomaly
      ? new AnomalyWatch(session, (line) => listener.note(line))
      : null;
    this.#validations = session.of('validate').map((open) => ({
      open,
      recurrence: recurrence(open.stage.plan.every ?? { unit: 'epochs', value: 1 }, session.pace),
      measuredAt: 0,
    }));
    session.loopState = () => ({
      rows: this.#rows,
      measured: Object.fromEntries(
        this.#validations.map(({ open, measuredAt }) => [open.stage.plan.name, measuredAt]),
      ),
    });
  }

  async run(): Promise<FitResult> {
    try {
      return await this.#runAll();
    } catch (error) {
      await this.#fail(error);
      throw error;
    } finally {
      await this.#ahead.drain();
    }
  }

  /** The first error is the one to tell: what goes wrong from here on is only said. */
  async #fail(error: unknown): Promise<void> {
    const { addOns, listener, rescue } = this.options;
    const at = this.#moment();
    const say = (problem: unknown): void =>
      listener.note(problem instanceof Error ? problem.message : String(problem));
    if (error instanceof HookError) await rescue?.(at).catch(say);
    for (const { kind, hooks } of addOns)
      await named(kind, 'failed', () => hooks.failed?.(at, error)).catch(say);
  }

  async #runAll(): Promise<FitResult> {
    let reason: EndReason = (await this.#sanity()) ? 'finished' : 'interrupted';
    await this.#each('fitStart', (hooks) => hooks.fitStart?.(this.#moment()));
    while (this.#step < this.#total && reason === 'finished') {
      await this.#reload();
      const ended = await this.#epoch();
      if (ended !== null) {
        reason = ended;
        break;
      }
    }
    if (reason !== 'interrupted') {
      await this.#closeEpoch();
      const late = this.#validations.filter(({ measuredAt }) => measuredAt < this.#step);
      await this.#validate(late);
      // A pass that a signal cut off leaves the run without its last measurements: it did not finish.
      if (late.some(({ measuredAt }) => measuredAt < this.#step)) reason = 'interrupted';
    }
    await this.#session.checkFinite();
    const at = this.#moment();
    const { signal: stop } = this.options.control;
    if (reason === 'interrupted' && stop !== null)
      await this.#each('interrupted', (hooks) => hooks.interrupted?.(at, stop));
    await this.#each('fitEnd', (hooks) => hooks.fitEnd?.(at, this.#newest));
    const signal = reason === 'interrupted' ? this.options.control.signal : null;
    const because = reason === 'stopped' ? this.#because : null;
    return { reason, because, signal, at, rows: this.#rows, metrics: this.#newest };
  }

  /**
   * A few batches of each validation before training: what is wrong with a validation shows at once. Nothing of it stays, since
   * evaluation changes no state and its metrics are thrown away. False where a signal came.
   */
  async #sanity(): Promise<boolean> {
    const { session, control, listener, limit } = this.options;
    const { sanity } = session.options;
    if (sanity === 0 || limit !== null) return true;
    for (const { open } of this.#validations) {
      const { name } = open.stage.plan;
      const of = Math.min(open.batches, sanity);
      const each = (_outputs: unknown, done: number): void => listener.validating(`sanity ${name}`, done, of);
      if ((await evaluateStage(session, open, { step: 0, limit: sanity, control, each })) === null)
        return false;
    }
    return true;
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
    const { reloadData: every } = session.options;
    const epoch = this.#step / session.pace.stepsPerEpoch;
    if (every === null || epoch === 0 || epoch % every !== 0) return;
    // What was read ahead is of the data as it was.
    await this.#ahead.drain();
    listener.note(await reloadData(session.stages, session.pace, epoch));
  }

  /** The rest of the current epoch: windows, and what comes after each. Null: go on with the next. */
  async #epoch(): Promise<EndReason | null> {
    const { stepsPerEpoch } = this.#session.pace;
    const end = Math.min(this.#total, (Math.floor(this.#step / stepsPerEpoch) + 1) * stepsPerEpoch);
    if (this.#step % stepsPerEpoch === 0)
      await this.#each('epochStart', (hooks) => hooks.epochStart?.(this.#moment()));
    while (this.#step < end) {
      await this.#each('stepStart', (hooks) => hooks.stepStart?.(this.#moment()));
      await this.#windows(this.#quietUntil(end));
      if (!this.#isReady) {
        this.#isReady = true;
        await this.#timed({ name: 'prepare steps', category: 'compile' }, () =>
          prepareSteps(this.#session, this.#total, this.#sample),
        );
        this.#sample = [];
      }
      this.options.listener.step(this.#moment(), this.#rows);
      for (const name of this.#train.stage.updated)
        await this.#each('updateEnd', (hooks) => hooks.updateEnd?.(this.#moment(), name));
      const answers = [await this.#measureTraining()];
      answers.push(await this.#validate(this.#due()));
      answers.push(await this.#ask('stepEnd', (hooks) => hooks.stepEnd?.(this.#moment())));
      if (this.#step % stepsPerEpoch === 0) {
        answers.push(await this.#ask('epochEnd', (hooks) => hooks.epochEnd?.(this.#moment())));
      }
      await breathe();
      if (this.options.control.signal !== null) return 'interrupted';
      if (answers.includes('end-run')) return 'stopped';
      const { maxTime } = this.#session.options;
      if (maxTime !== null && this.options.now() >= maxTime && this.#step < this.#total) return 'out-of-time';
      if (answers.includes('end-epoch') && this.#step < end) {
        if (await this.#skipTo(end)) return 'stopped';
      }
    }
    return null;
  }

  /**
   * Ends the epoch before its last window: the clock goes on to its end, where the epoch is measured as if it had got there.
   * Whether the run is to end too.
   */
  async #skipTo(end: number): Promise<boolean> {
    this.#step = end;
    const answers = [await this.#closeEpoch()];
    answers.push(await this.#validate(this.#due()));
    answers.push(await this.#ask('epochEnd', (hooks) => hooks.epochEnd?.(this.#moment())));
    return answers.includes('end-run');
  }

  #due(): readonly Validation[] {
    const now = this.options.now();
    return this.#validations.filter(({ recurrence: every }) => every.due(this.#step, now));
  }

  /** The epoch's line where the epoch has ended, a window's where one is due. */
  async #measureTraining(): Promise<Asked> {
    if (this.#step % this.#session.pace.stepsPerEpoch === 0) return this.#closeEpoch();
    if (this.#step % this.#session.options.logEvery.value === 0) await this.#logWindow();
    return undefined;
  }

  /**
   * The first step after this one at whose end the host has something to do: a line of metrics, a validation, an add-on, the
   * end of the epoch. Steps before it may be run in one call, if the engine takes several.
   */
  #quietUntil(end: number): number {
    const { atOnce } = this.#train.stage;
    if (atOnce === 1 || this.#watch !== null) return this.#step + 1;
    const { logEvery: log, maxTime } = this.#session.options;
    const logEvery = log.value;
    const speed: Speed = { seconds: this.options.now(), perStep: this.#perStep };
    const events = [
      ...(maxTime === null ? [] : [this.#step + stepsBefore(maxTime, speed)]),
      (Math.floor(this.#step / logEvery) + 1) * logEvery,
      ...this.#validations.map(({ recurrence: every }) => every.next(this.#step, speed)),
      ...this.options.addOns.flatMap(({ hooks }) => [
        ...(hooks.stepEnd === undefined ? [] : [hooks.nextStepEnd?.(this.#step) ?? this.#step + 1]),
        ...(hooks.updateEnd === undefined ? [] : [hooks.nextUpdateEnd?.(this.#step) ?? this.#step + 1]),
        ...(hooks.stepStart === undefined ? [] : [hooks.nextStepStart?.(this.#step) ?? this.#step + 1]),
      ]),
    ];
    return Math.max(this.#step + 1, Math.min(end, this.#step + atOnce, ...events));
  }

  /** Updates of the weights up to step `until`: a window of batches each. */
  async #windows(until: number): Promise<void> {
    const { session } = this.options;
    const { stage, batches } = this.#train;
    const { stepsPerEpoch, accumulate } = session.pace;
    const epoch = Math.floor(this.#step / stepsPerEpoch);
    const before = { seconds: this.options.now(), rows: this.#rows, step: this.#step };
    const runs: (BatchRun & BatchPlace)[] = [];
    for (let step = this.#step; step < until; step += 1) {
      const first = (step % stepsPerEpoch) * accumulate;
      const end = Math.min(batches, first + accumulate);
      const clock = session.clockAt(step);
      const scalars = session.scalarsAt(clock, true);
      for (let index = first; index < end; index += 1) {
        const inputs = await this.#timed(
          { name: 'wait for data', category: 'data', details: { step: step + 1 } },
          () => this.#ahead.take({ epoch, index }),
        );
        const draws = {
          seed: session.options.seed,
          step,
          micro: index - first,
          rowOffset: inputs[0]?.firstRow ?? 0,
        };
        runs.push({ epoch, index, batches: inputs, run: { clock, draws, scalars, last: index === end - 1 } });
        this.#rows += inputs[0]?.rows ?? 0;
        // No more batches are held than the engine takes.
        if (runs.length >= stage.atOnce) {
          await this.#run(runs.splice(0));
        }
      }
    }
    await this.#run(runs);
    if (stage.decision !== null && !this.#decided) {
      this.#decided = true;
      this.options.listener.note(`${stage.plan.name} is run as ${stage.decision}`);
    }
    this.#step = until;
    this.#windowLogged = false;
    const seconds = this.options.now() - before.seconds;
    const steps = until - before.step;
    this.#perStep = seconds / steps;
    for (const tally of [this.#window, this.#epochs]) tally.add(steps, this.#rows - before.rows, seconds);
  }

  #timed<T>(phase: Timed, work: () => Promise<T> | T): Promise<T> | T {
    const { profile } = this.#session;
    return profile === null ? work() : profile.time(phase, work);
  }

  /** Runs batches, and reads those after them meanwhile. */
  async #run(runs: readonly (BatchRun & BatchPlace)[]): Promise<void> {
    const last = runs.at(-1);
    if (last === undefined) return;
    const { stage, data, batches } = this.#train;
    const watch = this.#watch;
    if (!this.#isReady) this.#sample = last.batches;
    const details = {
      step: (runs[0] ?? last).run.clock.step + 1,
      // Those that end here: with accumulation a step is several batches.
      steps: runs.filter(({ run }) => run.last).length,
      batches: runs.length,
    };
    const done = this.#timed({ name: `step ${stage.plan.name}`, category: 'step', details }, () =>
      watch === null ? stage.runAll(runs) : watch.runAll(stage, runs),
    );
    const inEpoch = last.index + 1 < batches;
    const from = inEpoch ? last.index + 1 : 0;
    const epoch = inEpoch ? last.epoch : last.epoch + 1;
    const { stepsPerEpoch, accumulate } = this.#session.pace;
    // Batches that no step will take are not read.
    const left = (this.#total - epoch * stepsPerEpoch) * accumulate - from;
    const count = Math.max(0, Math.min(stage.atOnce, batches - from, left));
    this.#ahead.prepare(Array.from({ length: count }, (_, offset) => ({ epoch, index: from + offset })));
    try {
      await done;
    } catch (error) {
      const place = error instanceof IndexError ? runs[error.run] : undefined;
      throw place === undefined ? error : withRows(error, data, place);
    }
  }

  async #logWindow(): Promise<void> {
    await this.#session.checkFinite();
    const metrics = await this.#timed(this.#reading('window'), () => this.#train.stage.totals.finishWindow());
    this.#windowLogged = true;
    this.#windowsInEpoch += 1;
    this.#tell('window', metrics);
  }

  #reading(over: 'window' | 'epoch'): Timed {
    return { name: 'read metrics', category: 'metrics', details: { over, step: this.#step } };
  }

  #tell(over: 'window' | 'epoch', metrics: Finished): void {
    const rates = this.#session.ratesAt(Math.max(0, this.#step - 1));
    const window = this.#window.take();
    const throughput = over === 'epoch' ? this.#epochs.take() : window;
    this.#log({
      stage: this.#train.stage.plan.name,
      over,
      at: this.#moment(),
      metrics,
      tables: this.#train.stage.totals.tables,
      rates,
      throughput,
    });
  }

  #log(line: MetricsLine): void {
    this.options.listener.metrics(line);
    tellLine(this.options.addOns, line);
  }

  /** Finishes the epoch's training metrics, where there are any since the last time. */
  async #closeEpoch(): Promise<Asked> {
    if (this.#windowLogged && this.#windowsInEpoch === 0) return undefined;
    await this.#session.checkFinite();
    const metrics = await this.#timed(this.#reading('epoch'), () => this.#train.stage.totals.finishEpoch());
    this.#windowLogged = true;
    this.#windowsInEpoch = 0;
    this.#tell('epoch', metrics);
    return this.#measured(
      new Map([...metrics].map(([name, value]) => [`${this.#train.stage.plan.name}.${name}`, value])),
    );
  }

  async #validate(due: readonly Validation[]): Promise<Asked> {
    if (due.length === 0) return undefined;
    await this.#session.checkFinite();
    const { session, control, listener, limit } = this.options;
    const all = new Map<string, number>();
    const names = due.map(({ open }) => open.stage.plan.name);
    await this.#each('validationStart', (hooks) => hooks.validationStart?.(this.#moment(), names));
    for (const validation of due) {
      const { stage, batches } = validation.open;
      const { name } = stage.plan;
      const count = Math.min(batches, limit ?? batches);
      const details = { step: this.#step, batches: count };
      const metrics = await this.#timed({ name: `step ${name}`, category: 'validation', details }, () =>
        evaluateStage(session, validation.open, {
          step: this.#step,
          limit,
          control,
          each: async (_outputs, done) => {
            listener.validating(name, done, count);
            const pass = { step: name, done, of: count };
            await this.#each('validationBatch', (hooks) => hooks.validationBatch?.(this.#moment(), pass));
          },
        }),
      );
      // What was measured before the signal is whole, and counts.
      if (metrics === null) break;
      validation.measuredAt = this.#step;
      const { tables } = stage.totals;
      const line = { stage: name, over: 'pass', at: this.#moment(), metrics, tables } as const;
      this.#log({ ...line, rates: new Map(), throughput: null });
      for (const [metric, value] of metrics) all.set(`${name}.${metric}`, value);
    }
    const now = this.options.now();
    for (const { recurrence: every } of due) every.skipTo(now);
    if (all.size === 0) return undefined;
    await this.#each('validationEnd', (hooks) => hooks.validationEnd?.(this.#moment(), all));
    return this.#measured(all);
  }

  async #measured(metrics: Measured): Promise<Asked> {
    for (const [name, value] of metrics) this.#newest.set(name, value);
    for (const line of this.#session.observe(this.#step, metrics)) this.options.listener.note(line);
    return this.#ask('measured', (hooks) => hooks.measured?.(this.#moment(), metrics));
  }

  async #each(hook: keyof Hooks, call: (hooks: Hooks) => Promise<void> | void | undefined): Promise<void> {
    for (const { kind, hooks } of this.options.addOns) {
      if (hooks[hook] !== undefined)
        await this.#timed(this.#hook(kind, hook), () => named(kind, hook, () => call(hooks)));
    }
  }

  /** Asks every add-on; the strongest answer counts, as far as the run may end by now. */
  async #ask(hook: keyof Hooks, call: (hooks: Hooks) => Promise<Answer> | Answer): Promise<Asked> {
    const answers: Answer[] = [];
    for (const { kind, hooks } of this.options.addOns) {
      if (hooks[hook] !== undefined)
        answers.push(await this.#timed(this.#hook(kind, hook), () => named(kind, hook, () => call(hooks))));
    }
    const { answer, because } = strongest(answers);
    if (answer !== 'end-run') return answer;
    if (!this.#least.isMet(this.#step, because))
      return answers.includes('end-epoch') ? 'end-epoch' : undefined;
    this.#because ??= because;
    return answer;
  }

  #hook(kind: string, hook: string): Timed {
    return { name: `add-on ${kind}`, category: 'add-on', details: { hook, step: this.#step } };
  }
}
