/** Windows of the train step: their batches, read ahead, and the calls that run them. */
import type { Json } from '../addons/addon.js';
import type { HostBatch, OpenData } from '../data/data.js';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { runsBefore } from '../engine/failed-call.js';
import { IndexError } from '../run/index-error.js';
import { Ahead, depthOf, releaseAll, type BatchPlace } from './ahead.js';
import { AnomalyWatch } from './anomaly.js';
import { samplesAt } from './endless.js';
import { withRows } from './evaluate.js';
import { prepareSteps } from './prepare-steps.js';
import type { Control } from './control.js';
import { GivenUp } from './live-sets.js';
import type { OpenStage, Session } from './session.js';
import type { BatchRun } from './stage.js';

export interface WindowsOptions {
  readonly session: Session;
  readonly train: OpenStage;
  readonly control: Control;
  /** Windows of the whole run. */
  readonly total: number;
  /** Seconds since the run's start. */
  readonly now: () => number;
  /** Whether the state of before a window that fails is of use to somebody. */
  readonly isRescued: boolean;
  /** Something to know about how the run is done, once. */
  readonly note: (line: string) => void;
}

/** What there was before a window of several calls. */
interface BeforeWindow {
  readonly kept: readonly (readonly [StateVariable, HostTensor])[];
  readonly totals: () => Json;
}

/** What windows came to. */
export interface Trained {
  readonly steps: number;
  readonly rows: number;
  readonly seconds: number;
}

export class Windows {
  readonly #ahead: Ahead;
  readonly #watch: AnomalyWatch | null;
  #rows = 0;
  /** Seconds that a step of the last call took. */
  #perStep = 0;
  #decided = false;
  /** Whether what comes later is traced, or nothing is to be. */
  #isReady: boolean;
  /** Whether batches have run of windows that are not done: what the device holds is the state of no step. */
  #isHalf = false;
  /** The step to which the newest call of `run` goes. */
  #until = Number.POSITIVE_INFINITY;
  /** All windows before this step are done, and rows of so many. */
  #whole = { until: 0, rows: 0 };
  /** How the state was before the window that is under way, while only some of its batches have run. */
  #before: BeforeWindow | null = null;
  /** The train step's totals of before a window that failed, in the place of those that it has left. */
  #totals: Json | null = null;
  /** Batches that the train step has had, until it is. */
  #sample: readonly HostBatch[] = [];

  constructor(private readonly options: WindowsOptions) {
    const { session, train, note } = options;
    this.#ahead = new Ahead(train.data);
    this.#isReady = !session.engine.traces;
    this.#watch = session.options.detectAnomaly ? new AnomalyWatch(session, note) : null;
  }

  /** Rows trained on so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Whether a call of `run` that failed has left the state of no step. */
  get isHalf(): boolean {
    return this.#isHalf;
  }

  /** The step that a call of `run` which failed has come to, unless it is half. */
  get wholeUntil(): number {
    return this.#whole.until;
  }

  /** Whether a call of `run` that failed has done all of its windows: what failed came after them. */
  get isWhole(): boolean {
    return this.#whole.until === this.#until;
  }

  get perStep(): number {
    return this.#perStep;
  }

  /** How many windows the engine takes in one call at most; 1 where each is looked at. */
  get atOnce(): number {
    return this.#watch === null && !this.#isLive ? this.options.train.stage.atOnce : 1;
  }

  get #isLive(): boolean {
    return this.options.train.data.some(({ live }) => live !== undefined);
  }

  /** Whether a call may end in the middle of a window, with an index that a batch computes: it then takes one, whose state of before is kept. */
  get #mayBreakOff(): boolean {
    const { isRescued, session, train } = this.options;
    return isRescued && session.pace.accumulate > 1 && train.stage.refusesIndices;
  }

  /** Lets go of what was read ahead. */
  drain(): Promise<void> {
    return this.#ahead.drain();
  }

  /** What a checkpoint keeps, besides the state on the device. */
  async state(): Promise<Readonly<Record<string, Json>>> {
    return { rows: this.#rows, train: this.#totals ?? (await this.options.train.stage.state()) };
  }

  /** Takes it back. Where a logging window or an epoch was half done, the steps that are to be in its metrics are traced. */
  async restore(rows: number, train: unknown): Promise<void> {
    this.#rows = rows;
    const { stage, data, batches } = this.options.train;
    const { stepsPerEpoch, accumulate } = this.options.session.pace;
    for (const { step, micro } of stage.restore(train)) {
      const epoch = Math.floor(step / stepsPerEpoch);
      const first = (step % stepsPerEpoch) * accumulate;
      const end = Math.min(batches, first + accumulate);
      // Windows may have another number of batches since: all that their last one logs is learned too.
      for (const index of new Set([Math.min(first + micro, end - 1), end - 1]))
        await stage.learn(this.#runOf(step, index, await samplesAt(data, epoch, index)));
    }
  }

  /**
   * Updates of the weights from step `from` to step `until`: a window of batches each. Null where a signal came before live data was harvested
   * for the first of them: nothing is done then.
   */
  async run(from: number, until: number): Promise<Trained | null> {
    this.#until = until;
    this.#whole = { until: from, rows: this.#rows };
    // Where nothing is written nobody goes on from what was before.
    if (this.options.isRescued) this.options.session.live.beginStep();
    try {
      return await this.#run(from, until);
    } catch (error) {
      if (this.#isHalf && this.#before !== null) this.#takeBack(this.#before);
      if (!this.#isHalf) this.#rows = this.#whole.rows;
      if (!(error instanceof GivenUp)) throw error;
      // Before the first step there is nothing that is saved, and so no run to go on.
      this.options.note(
        `what was harvested for step ${from + 1} is given up${from > 0 ? '; a run that goes on harvests it again' : ''}`,
      );
      return null;
    }
  }

  /** What a batch changes that does not end its window: sums of gradients, which no checkpoint has, statistics, totals. */
  async #beforeWindow(): Promise<BeforeWindow> {
    const { session, train } = this.options;
    const statistics = session.weights.flatMap(({ weight }) => (weight.trainable ? [] : [weight.variable]));
    const kept: (readonly [StateVariable, HostTensor])[] = [];
    for (const variable of [...statistics, session.badStep]) kept.push([variable, await variable.download()]);
    return { kept, totals: await train.stage.taken() };
  }

  /** Takes back what batches of a window have done that did not come to its end. */
  #takeBack({ kept, totals }: BeforeWindow): void {
    try {
      for (const [variable, values] of kept) variable.upload(values);
      this.#totals = totals();
      this.#isHalf = false;
    } catch (error) {
      // The error of the window is the one to tell.
      const why = error instanceof Error ? error.message : String(error);
      this.options.note(`the state of before the step cannot be taken back, and is not saved: ${why}`);
    }
  }

  async #run(from: number, until: number): Promise<Trained> {
    const { session, train, now, note } = this.options;
    const { stage, batches } = train;
    const { stepsPerEpoch, accumulate } = session.pace;
    const epoch = Math.floor(from / stepsPerEpoch);
    const isAlone = this.#mayBreakOff;
    const before = { seconds: now(), rows: this.#rows };
    const runs: (BatchRun & BatchPlace)[] = [];
    for (let step = from; step < until; step += 1) {
      const first = (step % stepsPerEpoch) * accumulate;
      const end = Math.min(batches, first + accumulate);
      // A call holds whole windows, or a part of one.
      if (runs.length > 0 && (isAlone || runs.length + end - first > stage.atOnce))
        await this.#runAll(runs.splice(0));
      for (let index = first; index < end; index += 1) {
        const inputs = await session.timed(
          { name: 'wait for data', category: 'data', details: { step: step + 1 } },
          () => this.#take({ epoch, index }),
        );
        runs.push({ epoch, index, ...this.#runOf(step, index, inputs) });
        this.#topUp({ epoch, index });
        this.#rows += inputs[0]?.rows ?? 0;
        // No more batches are held than the engine takes; live data is harvested with what the batch before has trained.
        if (this.#isLive || runs.length >= stage.atOnce) await this.#runAll(runs.splice(0));
      }
    }
    await this.#runAll(runs);
    if (stage.decision !== null && !this.#decided) {
      this.#decided = true;
      note(`${stage.plan.name} is run as ${stage.decision}`);
    }
    const done = { steps: until - from, rows: this.#rows - before.rows, seconds: now() - before.seconds };
    this.#perStep = done.seconds / done.steps;
    await this.#getReady();
    return done;
  }

  /** A window that is half done is finished: its batches have changed the state. */
  #take(place: BatchPlace): Promise<readonly HostBatch[]> {
    const { session, control } = this.options;
    const take = (): Promise<readonly HostBatch[]> => this.#ahead.take(place);
    return this.#isLive && !this.#isHalf ? session.live.unlessStopped(control, take) : take();
  }

  /** Where a call takes more batches than a set reads ahead, the next ones are read while those of the call are collected. */
  #topUp(place: BatchPlace): void {
    const { stage, data } = this.options.train;
    const { atOnce } = stage;
    const depth = (set: OpenData): number => depthOf(set, atOnce);
    if (this.#isLive) return;
    const isShort = (set: OpenData): boolean => depth(set) > 0 && depth(set) < atOnce;
    if (!data.some(isShort)) return;
    const most = Math.max(...data.filter(isShort).map(depth));
    this.#ahead.prepare(this.#placesAfter(place, most), depth, isShort);
  }

  /** Traces what comes later, once the first window has shown what batches are like. */
  async #getReady(): Promise<void> {
    if (this.#isReady) return;
    this.#isReady = true;
    const { session, total } = this.options;
    await session.timed({ name: 'prepare steps', category: 'compile' }, () =>
      prepareSteps(session, total, this.#sample),
    );
    this.#sample = [];
  }

  /** The run of batch `index` of an epoch, which belongs to the window after `step` of them. */
  #runOf(step: number, index: number, batches: readonly HostBatch[]): BatchRun {
    const { session, train } = this.options;
    const { stepsPerEpoch, accumulate } = session.pace;
    const first = (step % stepsPerEpoch) * accumulate;
    const end = Math.min(train.batches, first + accumulate);
    const clock = session.clockAt(step);
    const rowOffset = batches[0]?.firstRow ?? 0;
    const draws = { seed: session.options.seed, step, micro: index - first, rowOffset };
    return {
      batches,
      run: { clock, draws, scalars: session.scalarsAt(clock, true), last: index === end - 1 },
    };
  }

  /** Runs batches, and reads those after them meanwhile. */
  async #runAll(runs: readonly (BatchRun & BatchPlace)[]): Promise<void> {
    const last = runs.at(-1);
    if (last === undefined) return;
    const wasHalf = this.#isHalf;
    if (this.options.isRescued && (!last.run.last || this.#mayBreakOff))
      this.#before ??= await this.#beforeWindow();
    this.#isHalf = true;
    const { session, train } = this.options;
    const { stage, data } = train;
    const watch = this.#watch;
    if (!this.#isReady) this.#sample = last.batches;
    const details = {
      step: (runs[0] ?? last).run.clock.step + 1,
      // Those that end here: with accumulation a step is several batches.
      steps: runs.filter(({ run }) => run.last).length,
      batches: runs.length,
    };
    const depth = (set: OpenData): number => depthOf(set, stage.atOnce);
    const places = this.#placesAfter(last, Math.max(...data.map(depth)));
    // Workers begin at once. What the main thread reads comes after the call of the step, which may run beside it.
    this.#ahead.prepare(places, depth, ({ inWorkers }) => inWorkers);
    const done = session.timed({ name: `step ${stage.plan.name}`, category: 'step', details }, () =>
      watch === null ? stage.runAll(runs) : watch.runAll(stage, runs),
    );
    this.#ahead.prepare(places, depth);
    try {
      await done;
    } catch (error) {
      this.#failed(runs, runsBefore(error), wasHalf);
      const place = error instanceof IndexError ? runs[error.run] : undefined;
      throw place === undefined ? error : withRows(error, data, place);
    }
    for (const { batches } of runs) if (batches !== this.#sample) releaseAll(batches);
    if (!last.run.last) return;
    this.#before = null;
    this.#isHalf = false;
    // What fails from here on fails after the step.
    session.live.endStep();
    this.#whole = { until: last.run.clock.step + 1, rows: this.#rows };
  }

  /** A call has failed once `done` of its batches had run; null where that is not known. */
  #failed(runs: readonly BatchRun[], done: number | null, wasHalf: boolean): void {
    if (done === null) {
      // The batch that ends a window changes weights; those before it do not.
      if (runs.some(({ run }) => run.last)) this.#giveUp(runs);
      return;
    }
    const ended = runs.slice(0, done).findLastIndex(({ run }) => run.last);
    const end = runs[ended];
    if (end !== undefined) {
      const left = runs.slice(ended + 1).reduce((rows, { batches }) => rows + (batches[0]?.rows ?? 0), 0);
      this.#whole = { until: end.run.clock.step + 1, rows: this.#rows - left };
      this.#before = null;
    }
    this.#isHalf = ended + 1 === done ? done === 0 && wasHalf : true;
    if (this.#isHalf && this.#before === null) this.#giveUp(runs.slice(done));
  }

  /** What the device holds is the state of no step, and nobody can make it one. */
  #giveUp(runs: readonly BatchRun[]): void {
    this.#before = null;
    const [from = 0, to = from] = [runs[0], runs.at(-1)].map((one) => (one?.run.clock.step ?? 0) + 1);
    const which =
      from === to
        ? `step ${from} failed, and its update may be half done`
        : `steps ${from} to ${to} failed in one call, and some of their updates may be done`;
    if (this.options.isRescued) this.options.note(`the state is not saved: ${which}`);
  }

  /** The next places of the run, up to `most`; none that no step will take. */
  #placesAfter({ epoch, index }: BatchPlace, most: number): readonly BatchPlace[] {
    const { session, train, total } = this.options;
    const { stepsPerEpoch, accumulate } = session.pace;
    const { reloadData: every } = session.options;
    const places: BatchPlace[] = [];
    let next = { epoch, index: index + 1 };
    while (places.length < most) {
      if (next.index >= train.batches) next = { epoch: next.epoch + 1, index: 0 };
      if (next.epoch * stepsPerEpoch + Math.floor(next.index / accumulate) >= total) break;
      // The data is opened again before that epoch.
      if (next.epoch > epoch && every !== null && next.epoch % every === 0) break;
      places.push(next);
      next = { ...next, index: next.index + 1 };
    }
    return places;
  }
}
