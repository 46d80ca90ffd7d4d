/**
 * A trainer that is ready to run: its engine, weights, optimizers, data and stages. After this every name is bound, every
 * length is known and every weight has its first value.
 */
import type { Engine, HostTensor, StateVariable } from '../engine/engine.js';
import { downloadAll } from '../checkpoint/write.js';
import type { Data, OpenData } from '../data/data.js';
import { attach, weightsOf, type NamedWeight, type Part } from '../nn/module.js';
import { bindOptimizer, type BoundOptimizer, type FoundWeight } from '../optim/bound.js';
import type { Clock, Optimizer } from '../optim/optimizer.js';
import { Profile } from '../progress/profile.js';
import { RunError } from '../run/run-error.js';
import type { Tensor } from '../tensor.js';
import type { Schedule, SchedulePlan } from '../schedules/index.js';
import type { Pace } from '../../values/durations.js';
import { useDrawNames } from '../engine/current.js';
import { LossScaling } from './loss-scaling.js';
import { drawLabel } from './step-context.js';
import type { ResolvedOptions } from './resolved-options.js';
import { settlePending, type UpdateHost } from './update.js';
import { Stage, type StageHost, type StepTrace } from './stage.js';
import type { StageKind, StepPlan } from './steps.js';

/** What a session is made of. */
export interface SessionParts<S extends object> {
  readonly engine: Engine;
  readonly options: ResolvedOptions;
  /** Models by their names in the spec. */
  readonly models: ReadonlyMap<string, Part>;
  readonly optimizers: ReadonlyMap<string, Optimizer<S>>;
  readonly schedules: Readonly<Record<string, Schedule>>;
  /** Names of data sets. */
  readonly dataNames: ReadonlyMap<Data<unknown>, string>;
  readonly steps: readonly StepPlan[];
  /** Which kinds of steps will run: their data is opened. */
  readonly kinds: readonly StageKind[];
  readonly dataRoot: string;
  /** Gives optimizers the clock with the schedules' own type. */
  readonly clockOf: (clock: Clock) => Clock<S>;
}

/** A stage with its open data. */
export interface OpenStage {
  readonly stage: Stage;
  readonly data: readonly OpenData[];
  readonly batches: number;
}

interface ScheduledValue {
  readonly name: string;
  readonly plan: SchedulePlan | null;
}

/** A length set at the start of a run may leave a phase no room, which is for the user to mend. */
function planned(schedule: Schedule, pace: Pace, name: string): SchedulePlan {
  try {
    return schedule.plan(pace, `schedule ${name}`);
  } catch (error) {
    throw error instanceof Error ? new RunError(error.message) : error;
  }
}

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
  readonly #evaluations: { readonly body: () => readonly Tensor[]; readonly stage: Stage }[] = [];
  readonly #measured = new Map<string, StateVariable>();
  #trace: StepTrace | null = null;

  private constructor(
    readonly options: ResolvedOptions,
    engine: Engine,
    weights: readonly NamedWeight[],
    optimizers: ReadonlyMap<string, BoundOptimizer>,
    private readonly schedules: readonly ScheduledValue[],
    readonly stages: readonly OpenStage[],
    readonly pace: Pace,
    /** What the user should know about the data, one sentence each. */
    readonly notes: readonly string[],
  ) {
    this.engine = engine;
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
      ...schedules.map(({ name }) => `schedule:${name}`),
      ...[...optimizers.values()].flatMap(({ rateNames }) => rateNames.map((name) => `rate:${name}`)),
    ];
  }

  /** Opens data and makes weights. Rejects where data is missing or a length does not fit. */
  static async open<S extends object>(parts: SessionParts<S>): Promise<Session> {
    const opened = await openData(parts);
    try {
      return Session.#make(parts, opened);
    } catch (error) {
      // The first error is the one to tell.
      await closeAll(opened.values()).catch(() => undefined);
      throw error;
    }
  }

  static #make<S extends object>(
    parts: SessionParts<S>,
    opened: ReadonlyMap<Data<unknown>, OpenData>,
  ): Session {
    const { engine, options } = parts;
    const weights = [...parts.models].flatMap(([name, model]) => attach(model, name));
    for (const { path, weight } of weights) {
      weight.bind(engine.variable(path, weight.initial(options.seed, path)));
    }
    const optimizers = bindAll(parts, weights);
    const pace = paceOf(options, parts.steps, opened);
    const training = parts.kinds.includes('train');
    const schedules = Object.entries(parts.schedules).map(([name, schedule]) => ({
      name,
      plan: training ? planned(schedule, pace, name) : null,
    }));
    const stages: OpenStage[] = [];
    const session = new Session(
      options,
      engine,
      weights,
      optimizers,
      schedules,
      stages,
      pace,
      skippedNotes(parts, opened),
    );
    for (const plan of parts.steps) {
      const data = plan.data.flatMap((set) => opened.get(set) ?? []);
      if (data.length < plan.data.length) continue;
      stages.push({
        stage: new Stage(session, plan),
        data,
        batches: Math.min(...data.map((set) => set.batchesPerEpoch)),
      });
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

  /** Stages of a kind. */
  of(kind: StageKind): readonly OpenStage[] {
    return this.stages.filter(({ stage }) => stage.plan.kind === kind);
  }

  /** The clock on the host: schedules' values for the update after `step` windows. */
  clockAt(step: number): Clock {
    const values = Object.fromEntries(
      this.schedules.map(({ name, plan }) => [name, plan?.valueAt(step) ?? Number.NaN]),
    );
    return { ...values, step, epoch: Math.floor(step / this.pace.stepsPerEpoch) };
  }

  /** The scalars of a step, in the order of `scalarNames`. Rates are needed only where optimizers run. */
  scalarsAt(clock: Clock, training: boolean): readonly number[] {
    const own = new Map<string, number>(Object.entries(clock));
    return [
      clock.step,
      ...this.schedules.map(({ name }) => own.get(name) ?? Number.NaN),
      ...[...this.optimizers.values()].flatMap((optimizer) =>
        training ? optimizer.ratesAt(clock) : optimizer.rateNames.map(() => 0),
      ),
    ];
  }

  /** Whether schedules have values: only a training run has a length. */
  hasSchedule(name: string): boolean {
    return this.schedules.some((schedule) => schedule.name === name && schedule.plan !== null);
  }

  expectedRuns({ kind }: StepPlan): number {
    return kind === 'train' ? (this.pace.totalSteps ?? 0) * this.accumulate : 0;
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

  finishBody(trace: StepTrace): void {
    settlePending(trace, null);
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
  async evaluate(name: string, body: () => readonly Tensor[]): Promise<readonly HostTensor[]> {
    const stage = this.#evaluationOf(name, body);
    const clock = this.clockAt(0);
    const draws = { seed: this.options.seed, step: 0, micro: 0, rowOffset: 0 };
    const run = { clock, draws, scalars: this.scalarsAt(clock, false), last: true };
    return [...(await stage.run([], run)).values()];
  }

  #evaluationOf(name: string, body: () => readonly Tensor[]): Stage {
    const known = this.#evaluations.find((one) => one.body === body && one.stage.plan.name === name);
    if (known !== undefined) return known.stage;
    const run = (): unknown => Object.fromEntries(body().map((value, index) => [`o${index}`, value]));
    const stage = new Stage(this, { kind: 'predict', name, data: [], every: null, run });
    this.#evaluations.push({ body, stage });
    // Whoever makes a body anew each time must not fill the device.
    if (this.#evaluations.length > mostEvaluations) this.#evaluations.shift()?.stage.dispose();
    return stage;
  }

  /**
   * Rejects with a RunError where a loss, a gradient or a running statistic was not finite and `on_nan` is `stop`. Asked
   * before whatever outlives the run: a line of metrics, a validation, a checkpoint.
   */
  async checkFinite(): Promise<void> {
    if (this.onNan !== 'stop') return;
    const { values } = await this.badStep.download();
    const step = values[0] ?? -1;
    if (step >= 0) {
      const meaning = this.engine.meaningOfNaN ?? null;
      throw new RunError(
        `the loss, a gradient or a running statistic was not finite at step ${step} (${this.#rowsAt(step)}); ${meaning === null ? '' : `${meaning}; or `}look at these rows, lower the learning rate, clip gradients, or set on_nan = "skip"`,
      );
    }
  }

  /** The rows that step `step` (from 1) trained on, for messages: `rows 3, 17, 1 of train`. Rows count from 1. */
  #rowsAt(step: number): string {
    const { stepsPerEpoch, accumulate } = this.pace;
    const epoch = Math.floor((step - 1) / stepsPerEpoch);
    const first = ((step - 1) % stepsPerEpoch) * accumulate;
    return this.of('train')
      .flatMap(({ data, batches }) =>
        data.map((set) => {
          const numbers: number[] = [];
          for (let index = first; index < Math.min(batches, first + accumulate); index += 1)
            numbers.push(...set.rowsOf(epoch, index));
          return `${someRows(numbers)} of ${set.label}`;
        }),
      )
      .join(', ');
  }

  /**
   * Copies all state that a checkpoint holds. Rejects with a RunError where some of it is not finite, unless that is to be
   * ignored: weights can leave the range of f32 though their gradients are in it.
   */
  async downloadState(): Promise<{ readonly model: HostTensors; readonly optimizer: HostTensors }> {
    const [model, optimizer] = [await downloadAll(this.modelState), await downloadAll(this.optimizerState)];
    const wrong = [...model, ...optimizer].flatMap(([path, { values }]) =>
      this.onNan === 'ignore' || values.every((value) => Number.isFinite(value)) ? [] : [path],
    );
    if (wrong.length > 0) {
      throw new RunError(
        `values are not finite any more: ${someNames(wrong)}; lower the learning rate, or clip gradients`,
      );
    }
    return { model, optimizer };
  }

  /** All state that a checkpoint holds: weights in one part, optimizers' state in the other. */
  get modelState(): readonly StateVariable[] {
    return [...this.weights.map(({ weight }) => weight.variable), ...this.#measured.values()];
  }

  /** A figure of the data by `step.name`. Throws where it was not measured. */
  measured(name: string): StateVariable {
    const found = this.#measured.get(name);
    if (found !== undefined) return found;
    throw new RunError(
      `${name} was not measured: it comes from a measure step before training, or from a checkpoint that has it`,
    );
  }

  /** Keeps a figure for the steps to read, and for checkpoints. */
  keepMeasured(name: string, value: HostTensor): void {
    this.#measured.set(name, this.engine.variable(`${measuredPrefix}${name}`, value));
  }

  /** Takes up the figures that a checkpoint has; they are not measured again. */
  takeMeasured(tensors: HostTensors): void {
    for (const [path, value] of tensors)
      if (path.startsWith(measuredPrefix)) this.keepMeasured(path.slice(measuredPrefix.length), value);
  }

  get optimizerState(): readonly StateVariable[] {
    return [...[...this.optimizers.values()].flatMap(({ state }) => state), ...(this.scaling?.state ?? [])];
  }

  async close(): Promise<void> {
    for (const { stage } of [...this.stages, ...this.#evaluations.splice(0)]) stage.dispose();
    try {
      // Stages may share a data set, which is closed once.
      await closeAll(new Set(this.stages.flatMap(({ data }) => data)));
    } finally {
      this.engine.dispose();
    }
  }
}

type HostTensors = ReadonlyMap<string, HostTensor>;

/** Before the names of figures of the data, as keys of checkpoints. */
const measuredPrefix = 'measured/';
const shownRows = 8;
const shownNames = 3;
/** As many compiled bodies of add-ons are kept. */
const mostEvaluations = 8;

function someNames(names: readonly string[]): string {
  const more = names.length > shownNames ? ` and ${names.length - shownNames} more` : '';
  return `${names.slice(0, shownNames).join(', ')}${more}`;
}

/** Numbers of rows (from 0) as a reader counts them: `rows 3, 17, 1`. */
export function someRows(numbers: readonly number[]): string {
  const shown = numbers.slice(0, shownRows).map((number) => number + 1);
  const more = numbers.length > shownRows ? `, … (${numbers.length})` : '';
  return `row${numbers.length === 1 ? '' : 's'} ${shown.join(', ')}${more}`;
}

function scalar(value: number): HostTensor {
  return { dtype: 'f32', shape: [], values: Float32Array.of(value) };
}

async function openData<S extends object>(
  parts: SessionParts<S>,
): Promise<ReadonlyMap<Data<unknown>, OpenData>> {
  const opened = new Map<Data<unknown>, OpenData>();
  try {
    for (const plan of parts.steps) {
      if (!parts.kinds.includes(plan.kind)) continue;
      for (const set of plan.data) {
        if (opened.has(set)) continue;
        const label = parts.dataNames.get(set) ?? `${plan.name}.${plan.data.indexOf(set)}`;
        opened.set(set, await set.open({ root: parts.dataRoot, seed: parts.options.seed, label }));
      }
    }
  } catch (error) {
    await closeAll(opened.values()).catch(() => undefined);
    throw error;
  }
  return opened;
}

/** Closes each, also where one before it failed; then rejects with the first failure. */
async function closeAll(sets: Iterable<OpenData>): Promise<void> {
  const closed = await Promise.allSettled([...sets].map((set) => set.close()));
  for (const result of closed) if (result.status === 'rejected') throw result.reason;
}

function skippedNotes<S extends object>(
  parts: SessionParts<S>,
  opened: ReadonlyMap<Data<unknown>, OpenData>,
): readonly string[] {
  return [...opened].flatMap(([set, { skipped, rows }]) =>
    skipped === 0
      ? []
      : [
          `${skipped} bad rows of ${parts.dataNames.get(set) ?? set.source.name} are left out, ${rows} are used`,
        ],
  );
}

function bindAll<S extends object>(
  parts: SessionParts<S>,
  weights: readonly NamedWeight[],
): ReadonlyMap<string, BoundOptimizer> {
  const paths = new Map(weights.map(({ path, weight }) => [weight, path]));
  const owners = new Map<string, string>();
  const bound = new Map<string, BoundOptimizer>();
  for (const [name, optimizer] of parts.optimizers) {
    const found = optimizer.of.flatMap(weightsOf).flatMap((weight): FoundWeight[] => {
      const path = paths.get(weight);
      if (path === undefined) {
        throw new Error(
          `optimizer ${name} owns a model that configureModels did not return; return it there`,
        );
      }
      return weight.trainable
        ? [{ path, local: path.slice(path.indexOf('.') + 1), variable: weight.variable }]
        : [];
    });
    for (const { path } of found) {
      const other = owners.get(path);
      if (other !== undefined)
        throw new Error(`${path} belongs to ${other} and ${name}; give each weight one optimizer`);
      owners.set(path, name);
    }
    const { clip } = parts.options;
    bound.set(name, bindOptimizer(parts.engine, name, optimizer, found, clip, parts.clockOf));
  }
  return bound;
}

function paceOf(
  options: ResolvedOptions,
  steps: readonly StepPlan[],
  opened: ReadonlyMap<Data<unknown>, OpenData>,
): Pace {
  const { accumulate } = options;
  const plan = steps.find(({ kind }) => kind === 'train');
  const data = plan?.data.flatMap((set) => opened.get(set) ?? []) ?? [];
  const [first] = data;
  if (plan === undefined || first === undefined || data.length < plan.data.length) {
    return { stepsPerEpoch: 1, accumulate, rowsPerEpoch: 1, totalSteps: null };
  }
  const batches = Math.min(...data.map(({ batchesPerEpoch }) => batchesPerEpoch));
  const stepsPerEpoch = Math.ceil(batches / accumulate);
  const rowsPerEpoch = Math.min(first.rows, batches * (plan.data[0]?.options.batch ?? 1));
  const { epochs, steps: limit } = options;
  const totalSteps = limit ?? (epochs === null ? null : epochs * stepsPerEpoch);
  return { stepsPerEpoch, accumulate, rowsPerEpoch, totalSteps };
}
