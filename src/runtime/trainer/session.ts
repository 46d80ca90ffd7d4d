/**
 * A trainer that is ready to run: its engine, weights, optimizers, data and stages. After this every name is bound, every
 * length is known and every weight has its first value.
 */
import type { Json } from '../addons/addon.js';
import type { Computed } from '../addons/over.js';
import type { Engine, HostTensor, StateVariable } from '../engine/engine.js';
import { downloadAll, type Rooms } from '../checkpoint/write.js';
import type { HostBatch } from '../data/data.js';
import type { ReopenableData } from '../data/reopened.js';
import type { RowWorkers } from '../data/row-workers.js';
import type { Copy } from '../copies/index.js';
import { attach, type NamedWeight, type Part } from '../nn/module.js';
import type { Weight } from '../nn/weight.js';
import type { BoundOptimizer } from '../optim/bound.js';
import type { Clock, Optimizer } from '../optim/optimizer.js';
import { Profile, type Timed } from '../progress/profile.js';
import { RunError } from '../run/run-error.js';
import type { Tensor } from '../tensor.js';
import type { Schedule } from '../schedules/index.js';
import type { Pace } from '../../values/durations.js';
import { useDrawNames } from '../engine/current.js';
import { allFinite } from '../engine/finite.js';
import type { Inspection } from './anomaly.js';
import { bindAll } from './bind-optimizers.js';
import { copiedPaths, Copies } from './copies.js';
import { expectedRuns } from './expected-runs.js';
import { Freezing, type TrainedTimes } from './freezing.js';
import { LossScaling } from './loss-scaling.js';
import { MeasuredFigures } from './measured-figures.js';
import type { Pretrained } from './pretrained.js';
import { LiveSets } from './live-sets.js';
import { LastRates, Schedules } from './schedules.js';
import { rowsOfStep } from './shown.js';
import { notFinite, refuseNotFinite } from './still-finite.js';
import { drawLabel } from './step-context.js';
import type { ResolvedOptions } from './resolved-options.js';
import { settlePending, type UpdateHost } from './update.js';
import {
  closeAll,
  dataNotes,
  openData,
  readSets,
  type DataParts,
  type OpenedData,
  type ReadSet,
} from './open-data.js';
import { isOff, openStage, shortEpochNote, takenBatches, type OpenStage } from './open-stage.js';
import { leastNotes, paceOf } from './pace.js';
import { Stage, type StageHost, type StepTrace } from './stage.js';
import { overRows, type StageKind, type StepPlan } from './steps.js';
import { windowNotes, type WindowParts } from './window-notes.js';

/** What a session is made of. */
export interface SessionParts<S extends object> extends DataParts, Pick<WindowParts, 'readsChanged'> {
  readonly engine: Engine;
  readonly options: ResolvedOptions;
  /** Models by their names in the spec. */
  readonly models: ReadonlyMap<string, Part>;
  readonly optimizers: ReadonlyMap<string, Optimizer<S>>;
  /** Models that have their weights from others, by name. */
  readonly copies: ReadonlyMap<string, Copy<S>>;
  readonly schedules: Readonly<Record<string, Schedule>>;
  /** Whose limit holds for all of them, instead of each kind's own. */
  readonly limitAs?: StageKind | undefined;
  /** Gives optimizers the clock with the schedules' own type. */
  readonly clockOf: (clock: Clock) => Clock<S>;
}

export type { OpenStage } from './open-stage.js';

/** Copies, whatever the schedules are that they follow. */
type SessionCopies = Pick<
  Copies<never>,
  'scalarNames' | 'pullsAt' | 'begin' | 'follow' | 'finish' | 'passOver' | 'state' | 'withoutUnmade'
>;

export class Session implements StageHost, UpdateHost {
  readonly engine: Engine;
  readonly accumulate: number;
  readonly onNan: 'stop' | 'skip' | 'ignore';
  readonly badStep: StateVariable;
  readonly skipped: StateVariable;
  readonly scaling: LossScaling | null;
  readonly profile: Profile | null;
  readonly accumulators = new Map<string, StateVariable>();
  readonly keys = new Map<string, string>();
  readonly scalarNames: readonly string[];
  readonly weights: readonly NamedWeight[];
  readonly optimizers: ReadonlyMap<string, BoundOptimizer>;
  /** What add-ons have had evaluated, oldest first. */
  readonly #evaluations: { readonly body: Computed<readonly Tensor[]>; readonly stage: Stage }[] = [];
  /** Set by the loop where add-ons ask for updates. */
  updatedAt: Map<string, StateVariable> | null = null;
  /** Of a dev run: at most so many windows, and batches of other steps. Set by the loop. */
  devRun: number | null = null;
  /** Set while a step that failed is run once more. */
  inspection: Inspection | null = null;
  /** What the loop has to say to `state.json`; set by the loop. */
  loopState: () => Promise<Readonly<Record<string, Json>>> = () => Promise.resolve({});
  /** Where weights have their first values from, if from a file; set before the loop. */
  pretrained: Pretrained | null = null;
  /** Figures of the data that measure steps have found. */
  readonly figures: MeasuredFigures;
  readonly lastRates = new LastRates();
  #live: LiveSets | null = null;
  #trace: StepTrace | null = null;
  /** The last step that was skipped when all state was looked at. */
  #soundAt = -1;

  private constructor(
    readonly options: ResolvedOptions,
    engine: Engine,
    weights: readonly NamedWeight[],
    optimizers: ReadonlyMap<string, BoundOptimizer>,
    readonly schedules: Schedules,
    readonly stages: readonly OpenStage[],
    readonly pace: Pace,
    private readonly freezing: Freezing,
    readonly copies: SessionCopies,
    /** Weights of copies, and the path of what each is a copy of. */
    readonly copied: ReadonlyMap<Weight, string>,
    /** What the user should know about the data, one sentence each. */
    readonly notes: readonly string[],
    /** Data sets that add-ons read, by name. */
    readonly read: ReadonlyMap<string, ReadSet>,
    private readonly workers: RowWorkers | null,
  ) {
    this.engine = engine;
    this.figures = new MeasuredFigures(engine);
    this.accumulate = options.accumulate;
    this.onNan = options.onNan;
    this.weights = weights;
    this.optimizers = optimizers;
    this.badStep = engine.variable('guard/bad_step', scalar(-1));
    this.skipped = engine.variable('guard/skipped', scalar(0));
    this.scaling = engine.needsLossScaling ? new LossScaling(engine) : null;
    this.profile = options.profile === null ? null : new Profile(options.profile);
    this.scalarNames = [
      'step',
      ...schedules.names.map((name) => `schedule:${name}`),
      ...[...optimizers.values()].flatMap(({ rateNames }) => rateNames.map((name) => `rate:${name}`)),
      ...copies.scalarNames,
    ];
  }

  /** Opens data and makes weights. Rejects where data is missing or a length does not fit. */
  static async open<S extends object>(given: SessionParts<S>): Promise<Session> {
    const steps = given.steps.filter(({ kind }) => !isOff(given.limitAs ?? kind, given.options));
    const parts = { ...given, steps };
    const data = await openData(parts);
    try {
      const session = Session.#make(parts, data);
      session.#live = await LiveSets.start(session, parts.models);
      return session;
    } catch (error) {
      // The first error is the one to tell.
      await closeAll(data.opened.values()).catch(() => undefined);
      await data.workers?.close();
      throw error;
    }
  }

  static #make<S extends object>(parts: SessionParts<S>, { opened, workers }: OpenedData): Session {
    const { engine, options } = parts;
    const weights = [...parts.models].flatMap(([name, model]) => attach(model, name));
    const copied = copiedPaths(parts.copies, weights);
    for (const { path, weight } of weights) {
      weight.bind(engine.variable(path, weight.initial(options.seed, copied.get(weight) ?? path)));
    }
    const optimizers = bindAll(parts, weights, copied);
    const pace = paceOf(options, parts, opened);
    const least = leastNotes(options, parts, pace);
    const freezing = new Freezing(optimizers.values(), parts.models, pace);
    const nameOf = new Map([...parts.models].map(([name, part]) => [part, name]));
    const training = parts.kinds.includes('train') ? pace : null;
    const copies = new Copies(engine, parts.copies, training, nameOf, parts.clockOf);
    const schedules = new Schedules(parts.schedules, training);
    const stages: OpenStage[] = [];
    const readBy = ({ data }: StepPlan): readonly ReopenableData[] =>
      data.flatMap((set) => opened.get(set) ?? []);
    const shuffled = new Set([...opened].flatMap(([set, { label }]) => (set.options.shuffle ? [label] : [])));
    const epochNotes = parts.steps.flatMap((plan) =>
      training && plan.kind === 'train' && parts.allowed?.includes('ZT5023') !== true
        ? (shortEpochNote(plan.name, readBy(plan), shuffled, options) ?? [])
        : [],
    );
    const session = new Session(
      options,
      engine,
      weights,
      optimizers,
      schedules,
      stages,
      pace,
      freezing,
      copies,
      copied,
      [...dataNotes(parts, opened), ...epochNotes, ...windowNotes(parts), ...least],
      readSets(parts, opened),
      workers,
    );
    for (const plan of parts.steps) {
      // Others may share their data, but not what it has to be like for them.
      if (!parts.kinds.includes(plan.kind)) continue;
      const data = readBy(plan);
      const kind = parts.limitAs ?? plan.kind;
      stages.push(openStage(new Stage(session, plan), data, () => takenBatches(kind, data, options)));
    }
    useDrawNames(drawLabel);
    return session;
  }

  /** How the engine runs each step, as far as it has said. */
  get decisions(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.stages.flatMap(({ stage }): (readonly [string, string])[] =>
        stage.decision === null ? [] : [[stage.plan.name, stage.decision]],
      ),
    );
  }

  /** Live data sets, which harvest their batches with the models of this session. */
  get live(): LiveSets {
    if (this.#live === null) throw new Error('live data is not open; this is a fault of the runtime');
    return this.#live;
  }

  /** Whether an epoch has no end: all that is trained on is live. */
  get isEndless(): boolean {
    return this.pace.stepsPerEpoch === Number.POSITIVE_INFINITY;
  }

  /** Stages of a kind. */
  of(kind: StageKind): readonly OpenStage[] {
    return this.stages.filter(({ stage }) => stage.plan.kind === kind);
  }

  /** The clock on the host: schedules' values for the update after `step` windows. */
  clockAt(step: number): Clock {
    return { ...this.schedules.valuesAt(step), step, epoch: Math.floor(step / this.pace.stepsPerEpoch) };
  }

  /** Schedules that wait for a plateau learn what was measured when `step` windows were done. What that changed, a line each. */
  observe(step: number, metrics: ReadonlyMap<string, number>): readonly string[] {
    const before = this.ratesAt(step - 1);
    const told = this.schedules.observe(step, metrics);
    if (told.length > 0) this.lastRates.keep(step - 1, before);
    return told;
  }

  /** What a checkpoint keeps of schedules, by name: those that measurements have a part in. */
  get scheduleStates(): Readonly<Record<string, Json>> {
    return this.schedules.states;
  }

  /** Takes it back, and tells what is not as it was: see `Schedules`. Throws where it is not of these schedules. */
  restoreSchedules(states: Readonly<Record<string, unknown>>, isChanged: boolean): readonly string[] {
    return this.schedules.restore(states, isChanged);
  }

  /** Learning rates by name, for the update after `step` windows. */
  ratesAt(step: number): ReadonlyMap<string, number> {
    // A measurement after an update changes the rates of those that follow, not of the one that is done.
    const made = this.lastRates.of(step);
    if (made !== null) return made;
    const clock = this.clockAt(step);
    const rates = new Map<string, number>();
    for (const optimizer of this.optimizers.values()) {
      const values = optimizer.ratesAt(clock);
      optimizer.rateNames.forEach((name, index) => rates.set(name, values[index] ?? Number.NaN));
    }
    return rates;
  }

  /** Names of the learning rates that move nothing in the update after `step` windows, as all their weights are frozen. */
  frozenRates(step: number): ReadonlySet<string> {
    return this.freezing.frozenRates(this.optimizers.values(), step);
  }

  /** The scalars of a step, in the order of `scalarNames`. Rates are needed only where optimizers run. */
  scalarsAt(clock: Clock, training: boolean): readonly number[] {
    const own = new Map<string, number>(Object.entries(clock));
    return [
      clock.step,
      ...this.schedules.names.map((name) => own.get(name) ?? Number.NaN),
      ...[...this.optimizers.values()].flatMap((optimizer) =>
        training ? optimizer.ratesAt(clock) : optimizer.rateNames.map(() => 0),
      ),
      ...(training ? this.copies.pullsAt(clock) : this.copies.scalarNames.map(() => 0)),
    ];
  }

  /** When an optimizer may change a weight; null where none ever does. */
  trainedTimes({ variable }: Weight): TrainedTimes | null {
    const isOwned = [...this.optimizers.values()].some(({ weights }) => weights.includes(variable));
    return isOwned ? this.freezing.timesOf(variable) : null;
  }

  /** Whether schedules have values: only a training run has a length. */
  hasSchedule(name: string): boolean {
    return this.schedules.has(name);
  }

  expectedRuns(plan: StepPlan, rows: number | null): number {
    const open = this.stages.find(({ stage }) => stage.plan === plan);
    return open === undefined ? 0 : expectedRuns(open, rows, this);
  }

  /** Does a part of the run's work, and takes its time where that was asked for. */
  timed<T>(phase: Timed, work: () => Promise<T> | T): Promise<T> | T {
    return this.profile === null ? work() : this.profile.time(phase, work);
  }

  /** The clock goes from step `from` to step `to` without training: what was due in between is done with the weights as they are. */
  async passOver(from: number, to: number): Promise<void> {
    await this.copies.passOver(from, to);
  }

  tracing<T>(trace: StepTrace, body: () => T): T {
    this.#trace = trace;
    try {
      return body();
    } finally {
      this.#trace = null;
    }
  }

  /** The trace of the step that runs now. Throws outside of one, naming what was called. */
  trace(called: string): StepTrace {
    if (this.#trace === null)
      throw new Error(`${called} was called outside a step; call it in the body of a step`);
    return this.#trace;
  }

  beginBody(trace: StepTrace): void {
    if (trace.stage.plan.kind !== 'train') return;
    this.freezing.begin(trace);
    this.copies.begin(trace);
  }

  updated(trace: StepTrace, changed: ReadonlySet<StateVariable>, fine: Tensor | null): void {
    this.copies.follow(trace, changed, fine);
  }

  finishBody(trace: StepTrace): void {
    settlePending(trace, null);
    if (trace.stage.plan.kind === 'train') this.copies.finish(trace);
    for (const { name, reduction } of trace.logged) {
      trace.stage.totals.record(name, reduction, trace.constants, null);
    }
  }

  metricName(optimizers: readonly BoundOptimizer[], name: 'loss' | 'grad_norm'): string {
    return this.optimizers.size === 1
      ? name
      : [...optimizers.map((optimizer) => optimizer.name), name].join('_');
  }

  /** Runs `body` once in evaluation mode, with draws keyed by `name` alone. The same body is compiled once. */
  async evaluate(name: string, body: Computed<readonly Tensor[]>): Promise<readonly HostTensor[]> {
    const stage = this.#evaluationOf(name, body);
    const clock = this.clockAt(0);
    const draws = { seed: this.options.seed, step: 0, micro: 0, rowOffset: 0 };
    const run = { clock, draws, scalars: this.scalarsAt(clock, false), last: true };
    const reads = typeof body === 'function' ? [] : body.reads;
    const batches: HostBatch[] = [];
    for (const { data, count } of reads) batches.push(await this.#readAs(data).open.first(count));
    const outputs = await stage.run(batches, run);
    return [...outputs.values()].flatMap((value) => (value.dtype === 'string' ? [] : [value]));
  }

  #readAs(name: string): ReadSet {
    const found = this.read.get(name);
    if (found === undefined) throw new Error(`data ${name} is not open; this is a fault of the runtime`);
    return found;
  }

  #evaluationOf(name: string, body: Computed<readonly Tensor[]>): Stage {
    const known = this.#evaluations.find((one) => one.body === body && one.stage.plan.name === name);
    if (known !== undefined) return known.stage;
    const named = (values: readonly Tensor[]): unknown =>
      Object.fromEntries(values.map((value, index) => [`o${index}`, value]));
    const plan: StepPlan =
      typeof body === 'function'
        ? { kind: 'predict', name, data: [], every: null, run: () => named(body()) }
        : overRows(
            name,
            body.reads.map(({ data }) => this.#readAs(data).set),
            (batches) => named(body.body(batches)),
          );
    const stage = new Stage(this, plan);
    this.#evaluations.push({ body, stage });
    // Whoever makes a body anew each time must not fill the device.
    if (this.#evaluations.length > mostEvaluations) this.#evaluations.shift()?.stage.dispose();
    return stage;
  }

  /**
   * Rejects with a RunError where a loss, a gradient or a running statistic was not finite and `on_nan` is `stop`; where it is `skip`,
   * if state is not finite either. Asked before whatever outlives the run: a line of metrics, a validation, a checkpoint.
   */
  async checkFinite(): Promise<void> {
    if (this.onNan === 'ignore') return;
    const { values } = await this.badStep.download();
    const step = values[0] ?? -1;
    if (this.onNan === 'skip') {
      // Of what was skipped since the last time the state may be the cause: then all that follows is skipped as well.
      if (step > this.#soundAt) await refuseNotFinite([...this.modelState, ...this.optimizerState], step);
      this.#soundAt = Math.max(step, this.#soundAt);
    } else if (step >= 0) {
      const meaning = this.engine.meaningOfNaN ?? null;
      throw new RunError(
        `the loss, a gradient or a running statistic was not finite at step ${step} (${this.rowsAt(step)}); ${meaning === null ? '' : `${meaning}; or `}look at these rows, lower the learning rate, clip gradients, or set on_nan = "skip"`,
      );
    }
  }

  /**
   * The rows that step `step` (from 1) trained on, or one batch of its window (from 0), for messages: `rows 3, 17, 1 of train`. Rows count
   * from 1.
   */
  rowsAt(step: number, micro: number | null = null): string {
    return rowsOfStep(this.of('train'), this.pace, step, micro);
  }

  /**
   * Copies all state that a checkpoint of `step` holds. Rejects with a RunError where some of it is not finite, unless that is to be
   * ignored: weights can leave the range of f32 though their gradients are in it. `asItIs` takes what a failed run left,
   * `weightsOnly` leaves the optimizers' state on the device. The copies are made in `rooms` where they fit.
   */
  async downloadState({
    asItIs = this.onNan === 'ignore',
    weightsOnly = false,
    rooms = new Map(),
    step,
  }: DownloadOptions): Promise<{
    readonly model: HostTensors;
    readonly optimizer: HostTensors | null;
  }> {
    const wrong: string[] = [];
    const look = (path: string, { values }: HostTensor): void => {
      if (!asItIs && !allFinite(values)) wrong.push(path);
    };
    const model = await downloadAll(this.modelState, look, rooms);
    const optimizer = weightsOnly ? null : await downloadAll(this.optimizerState, look, rooms);
    if (wrong.length > 0) throw notFinite(wrong, step);
    return { model, optimizer };
  }

  /** All state that a checkpoint holds: weights in one part, optimizers' state in the other. */
  get modelState(): readonly StateVariable[] {
    return [...this.weights.map(({ weight }) => weight.variable), ...this.figures.variables];
  }

  get optimizerState(): readonly StateVariable[] {
    return [
      ...[...this.optimizers.values()].flatMap(({ state }) => state),
      ...this.copies.state,
      ...(this.scaling?.state ?? []),
    ];
  }

  /** All data that is open. */
  get openSets(): ReadonlySet<ReopenableData> {
    return new Set([
      ...this.stages.flatMap(({ data }) => data),
      ...[...this.read.values()].map(({ open }) => open),
    ]);
  }

  async close(): Promise<void> {
    for (const { stage } of [...this.stages, ...this.#evaluations.splice(0)]) stage.dispose();
    this.#live?.dispose();
    try {
      // Stages may share a data set, which is closed once.
      await closeAll(this.openSets);
    } finally {
      await this.workers?.close();
      this.engine.dispose();
    }
  }
}

type HostTensors = ReadonlyMap<string, HostTensor>;

interface DownloadOptions {
  readonly step: number;
  readonly asItIs?: boolean;
  readonly weightsOnly?: boolean;
  readonly rooms?: Rooms;
}

/** As many compiled bodies of add-ons are kept. */
const mostEvaluations = 8;

function scalar(value: number): HostTensor {
  return { dtype: 'f32', shape: [], values: Float32Array.of(value) };
}
