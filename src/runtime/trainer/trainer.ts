/**
 * The class that generated trainers extend. It also works with no spec at all: a subclass says what its models, data,
 * optimizers and steps are, and `fit`, `validate`, `test` and `predict` run them.
 */
import { ordered, type AddOn, type Measured } from '../addons/addon.js';
import { checkpoint } from '../addons/checkpoint.js';
import type { Data } from '../data/data.js';
import { isRowWorker } from '../data/row-worker.js';
import { chooseEngine, engineNames } from '../engine/choose.js';
import type { Copy } from '../copies/index.js';
import type { Part } from '../nn/module.js';
import type { Clock, Optimizer } from '../optim/optimizer.js';
import type { Figures, Reduction } from '../rows/reduction.js';
import type { Schedule } from '../schedules/index.js';
import { RunError } from '../run/run-error.js';
import { ranked, type Scalar, type Tensor } from '../tensor.js';
import { onlyAmended } from '../../values/amends.js';
import { dueAt, durationInSteps } from '../../values/durations.js';
import { optionTable } from '../../values/options.gen.js';
import type { Override } from '../../values/overrides.js';
import type { Duration } from '../../values/units.js';
import { ByHand } from './by-hand.js';
import { attributeOf, byOwner, overrideAttributes, overrideTrainer, type Attribute } from './attributes.js';
import {
  findCheckpoint,
  runFit,
  runPredict,
  runTest,
  type AnyTrainer,
  type FitStart,
  type RunOptions,
  type TestOptions,
} from './run.js';
import type { FitResult } from './fit.js';
import type { Outputs } from './stage.js';
import { rowWorkerStart } from './row-worker-start.js';
import { resolveParams, type ParamOrigin, type ResolvedParams } from './params.js';
import { checkFitOptions, checkKinds, checkUseOptions } from './option-check.js';
import { resolveOptions, type ResolvedOptions } from './resolved-options.js';
import type { Prepared, PrepareOptions } from './prepared.js';
import { Session } from './session.js';
import type { StepPlan } from './steps.js';
import type { TrainerOptions, TrainerSpec } from './spec.js';
import { runUpdate, type Objective } from './update.js';

/** What a trainer is made with. Nothing is needed. */
export interface TrainerSetup {
  /** Params by key; the others have their defaults. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Where those of them came from, by name, that a run had which this one goes on with; the others are given. */
  readonly origins?: Readonly<Record<string, ParamOrigin>>;
  /** Options of the run, instead of the spec's. */
  readonly options?: TrainerOptions;
  /** From a command line: `trainer.epochs=2`, `opt.lr=1e-3`. */
  readonly overrides?: readonly Override[];
}

type Named<T> = Readonly<Record<string, T>>;

/**
 * P are the params, M the models, D the data sets, S the schedules. A subclass overrides the `configure…` methods; the
 * bodies of its steps call `update`, `log`, `every`, `decide` and `now`.
 */
export abstract class Trainer<
  P extends object = object,
  M extends object = object,
  D extends object = object,
  S extends object = object,
> {
  static readonly spec: TrainerSpec<never> = { name: 'trainer', trainer: 'Trainer', params: [] };

  /** The run's params, checked. */
  readonly params: P;
  /** Options of the run with defaults filled in. */
  readonly options: ResolvedOptions;
  readonly resolved: ResolvedParams<P>;
  /** What the command line set besides params, as `owner.option=value`. */
  readonly overrides: readonly string[];
  readonly #overrides: ReadonlyMap<string, readonly Override[]>;
  /** Options before the command line's. */
  readonly #bySpec: TrainerOptions;
  #models: M | null = null;
  /** Made once: what add-ons are conflicts before the run, and works in it. */
  #made: { readonly models: M; readonly addOns: readonly AddOn[] } | null = null;
  #session: Session | null = null;

  /** Throws a UsageError where params or options are wrong. */
  constructor(setup: TrainerSetup = {}) {
    const spec = this.spec;
    this.resolved = resolveParams(spec, setup.params ?? {}, setup.origins);
    this.params = this.resolved.values;
    const own = typeof spec.options === 'function' ? spec.options(this.params) : (spec.options ?? {});
    this.overrides = (setup.overrides ?? []).map(({ path, text }) => `${path.join('.')}=${text}`);
    this.#overrides = byOwner(setup.overrides ?? []);
    this.#bySpec = { ...own, ...setup.options };
    checkKinds(this.#bySpec, optionTable.get('trainer/options') ?? []);
    const given = overrideTrainer(this.#bySpec, this.#overrides.get('trainer') ?? [], optionTable);
    this.options = resolveOptions(given);
  }

  /** The class's spec. */
  get spec(): TrainerSpec<P> {
    const { spec } = classOf(this);
    return isSpecOf<P>(spec) ? spec : fault();
  }

  /** The models, once the trainer is prepared. */
  get models(): M {
    if (this.#models === null)
      throw new Error('the models exist once the trainer is prepared; call fit, test or predict');
    return this.#models;
  }

  protected abstract configureData(): D;
  protected abstract configureModels(): M;
  protected configureSchedules?(): S;
  protected abstract configureOptimizers(models: M): Named<Optimizer<S>>;
  /** Models that have their weights from others, by name. */
  protected configureCopies?(models: M): Named<Copy<S>>;
  protected abstract configureSteps(from: D): readonly StepPlan[];
  protected configureAddOns?(models: M): readonly AddOn[];

  /**
   * This class with more add-ons, after its own of the same phase: `class Mine extends Digits.addOn(notify({ … })) {}` or
   * `new (Digits.addOn(a, b))()`. Making a trainer of it throws where two add-ons own the same effect, naming both.
   */
  static addOn<T extends TrainerClass>(this: T, ...addOns: readonly AddOn[]): T {
    const made = withAddOns(this, addOns);
    return isSubclass(made, this) ? made : fault();
  }

  /** What `addOn` has added to this class. */
  static readonly addedOn: readonly AddOn[] = [];

  /** Throws an Error where two add-ons own the same effect, naming both. */
  checkAddOns(): void {
    ordered(this.#makeOnce().addOns);
  }

  /** Where its `checkpoint` goes on unless the command line says otherwise: `auto`, or a path; null for a new run. */
  get resumes(): string | null {
    const found = this.#makeOnce().addOns.find(({ kind }) => kind === 'checkpoint');
    return found?.resume ?? null;
  }

  #makeOnce(): { readonly models: M; readonly addOns: readonly AddOn[] } {
    if (this.#made !== null) return this.#made;
    const models = this.configureModels();
    const addOns = [...(this.configureAddOns?.(models) ?? []), ...classOf(this).addedOn];
    this.#made = { models, addOns };
    return this.#made;
  }

  /** The data sets by their names in the spec, without opening any. */
  dataSets(): ReadonlyMap<string, Data<unknown>> {
    return new Map(dataOf(this.configureData()).map(([key, set]) => [this.spec.data?.[key] ?? key, set]));
  }

  /** Names of the data sets in the spec that steps read. */
  dataNames(): readonly string[] {
    return [...this.dataSets().keys()];
  }

  /** What `owner.option` is and what the spec says of it, but for the trainer's own, without opening anything; null where it is none. */
  attribute(name: string): Attribute | null {
    const { models, addOns } = this.#makeOnce();
    const optimizers = new Map(Object.entries(this.configureOptimizers(models)));
    const configured = {
      data: this.dataSets(),
      optimizers,
      addOns: withCheckpoint(addOns),
      amends: this.spec.amends ?? {},
    };
    return attributeOf(configured, name, optionTable);
  }

  /** What the spec says of `owner.option` with other params, by their names; undefined where it is not known, or these do not fit. */
  inSpecWith(params: Readonly<Record<string, unknown>>, name: string): unknown {
    const made: unknown = this.constructor;
    if (!isTrainerClass(made)) return undefined;
    const entries = this.spec.params.map((each): [string, unknown] => [each.key, params[each.name]]);
    try {
      return new made({ params: Object.fromEntries(entries) }).attribute(name)?.inSpec;
    } catch {
      // A trainer may be made with other arguments than these.
      return undefined;
    }
  }

  /** Names of data sets whose options a command line may set: those that steps read, and what these are made of. */
  settableData(): readonly string[] {
    const names = this.dataNames();
    return [...names, ...onlyAmended(this.spec.amends?.data ?? [], names)];
  }

  /** Makes models and weights and opens data. Once a trainer. */
  async prepare(options: PrepareOptions): Promise<Prepared> {
    if (this.#session !== null) throw new Error('a trainer runs once; make another one');
    if (isRowWorker())
      throw new RunError(
        'a run starts while its module is imported, which workers do as well; start it by `main`, or only where `isMainThread` of node:worker_threads is true',
      );
    const { spec } = this;
    const from = this.configureData();
    const { models, addOns } = this.#makeOnce();
    this.#models = models;
    const parts = partsOf(models);
    const dataNames = new Map(dataOf(from).map(([key, set]) => [set, spec.data?.[key] ?? key]));
    const named = new Map([...parts].map(([key, part]) => [spec.models?.[key] ?? capital(key), part]));
    const configured = {
      data: new Map([...dataNames].map(([set, name]) => [name, set])),
      optimizers: new Map(Object.entries(this.configureOptimizers(models))),
      addOns: withCheckpoint(addOns),
      amends: spec.amends ?? {},
    };
    const overridden = overrideAttributes(configured, this.#overrides, optionTable);
    const workersGiven = new Set(
      [...dataNames].flatMap(([set, name]) => {
        const { workers } = overridden.data.get(set)?.options ?? set.options;
        return workers === set.options.workers ? [] : [name];
      }),
    );
    const isTraining = typeof options.kinds !== 'function' && options.kinds.includes('train');
    const replaced =
      this.options.overfit !== null && isTraining
        ? unshuffled(dataNames.keys(), overridden.data)
        : overridden.data;
    const steps = this.configureSteps(from).map((step) => ({
      ...step,
      data: step.data.map((set) => replaced.get(set) ?? set),
    }));
    for (const [before, after] of replaced) {
      const name = dataNames.get(before);
      if (name !== undefined) dataNames.set(after, name);
    }
    const schedules = schedulesOf(this.configureSchedules?.());
    const { engine, note } =
      options.engine instanceof Object
        ? { engine: options.engine, note: null }
        : await chooseEngine({
            engine:
              options.engine ?? engineNames.find((name) => name === process.env['ZTRAIN_ENGINE']) ?? 'auto',
            compile: this.options.compile,
            device: options.device,
            precision: this.options.precision,
            deterministic: this.options.deterministic,
            forcePrecision: options.forcePrecision,
            ranOn: options.ranOn,
          });
    const copies = new Map(Object.entries(this.configureCopies?.(models) ?? {}));
    const { readsChanged: reads } = spec;
    const session = await Session.open<S>({
      engine,
      options: this.options,
      bySpec: this.#bySpec,
      overrides: this.overrides,
      goesOn: options.goesOn,
      readsChanged: typeof reads === 'function' ? reads(this.params) : (reads ?? []),
      // What a run that goes on was given before may make it another one than the spec's.
      allowed: [...(spec.allowed ?? []), ...(options.goesOn === true ? [] : (options.warned ?? []))],
      models: named,
      optimizers: overridden.optimizers,
      copies,
      schedules,
      dataNames,
      steps,
      kinds: typeof options.kinds === 'function' ? options.kinds(steps) : options.kinds,
      limitAs: options.limitAs,
      reads: overridden.addOns.flatMap(({ reads = [] }) => reads),
      dataRoot: options.dataRoot,
      isChecked: (label) => spec.sha256 !== undefined && !workersGiven.has(label),
      rowWorkers: () => rowWorkerStart(this, spec, options.dataRoot),
      clockOf: (clock) => (isClockOf<S>(clock, schedules) ? clock : fault()),
    }).catch((error: unknown) => {
      engine.dispose();
      throw error;
    });
    this.#session = session;
    const attribute = (name: string): Attribute | null => attributeOf(configured, name, optionTable);
    return { session, addOns: overridden.addOns, models: named, copies, note, attribute };
  }

  /** Trains from the first step, or from where a run was left (`resume`). Once a trainer. */
  async fit(options: FitStart = {}): Promise<FitResult> {
    checkFitOptions('fit', options);
    return runFit(this, options);
  }

  /**
   * Trains as `fit` does, a step or an epoch at a time, as its owner asks: `const run = trainer.byHand(); while (await run.runStep()) …`.
   * Once a trainer. A run that is not over is to be ended by its `end`.
   */
  byHand(options: FitStart = {}): ByHand {
    checkFitOptions('byHand', options);
    return new ByHand((hand) => runFit(this, { ...options, hand }));
  }

  /**
   * Measures a checkpoint's weights (a folder of a run or checkpoint) with the validate steps. `rows` gets each batch's rows of a step
   * that returns some, unless an add-on takes them.
   */
  async validate(from: string, options: TestOptions = {}): Promise<Measured> {
    checkUseOptions('validate', options);
    return runTest(this, await findCheckpoint(from), { ...options, kind: 'validate' });
  }

  /** Measures a checkpoint's weights with the test steps, or the validate steps where there are none. `rows` as in `validate`. */
  async test(from: string, options: TestOptions = {}): Promise<Measured> {
    checkUseOptions('test', options);
    return runTest(this, await findCheckpoint(from), options);
  }

  /** Runs the predict steps with a checkpoint's weights. `rows` gets each batch's rows with the step's name, unless an add-on takes them. */
  async predict(
    from: string,
    rows: (rows: Outputs, step: string) => Promise<void> | void,
    options: RunOptions = {},
  ): Promise<number> {
    checkFitOptions('predict', options);
    return runPredict(this, await findCheckpoint(from), { ...options, rows });
  }

  /** The prepared session. Throws before `prepare`. */
  protected get session(): Session {
    if (this.#session === null) throw new Error('the trainer is not prepared yet; call fit, test or predict');
    return this.#session;
  }

  /**
   * Minimizes over the named optimizers' weights. Values made outside the body carry no gradient in. Logs the loss, and
   * the gradient's norm where it is clipped. Only in a train step.
   */
  protected update(names: readonly string[], body: () => Objective): void {
    const { session } = this;
    const trace = session.trace('update');
    if (trace.stage.plan.kind !== 'train')
      throw new Error(`step ${trace.stage.plan.name} updates weights; only a train step may`);
    if (names.length === 0 || new Set(names).size < names.length) {
      throw new Error(`update takes each optimizer once, got [${names.join(', ')}]; name one or more`);
    }
    const optimizers = names.map((name) => {
      const optimizer = session.optimizers.get(name);
      if (optimizer === undefined) {
        throw new Error(
          `no optimizer is named ${name}; there are ${[...session.optimizers.keys()].join(', ')}`,
        );
      }
      return optimizer;
    });
    runUpdate(session, trace, optimizers, body);
  }

  /** Adds a batch's part to metrics, by name. Only in a step. Throws for a name that each line of metrics has. */
  protected log(metrics: Named<Reduction | Figures>): void {
    const trace = this.session.trace('log');
    for (const [name, reduction] of Object.entries(metrics)) {
      if (lineKeys.has(name)) {
        throw new Error(
          `a metric cannot be named ${name}, which each line of metrics has; take another name`,
        );
      }
      trace.logged.push({ name, reduction });
    }
  }

  /** Whether this window is a multiple of `interval`: `every 3.steps` holds in the 3rd, 6th, … Only in a step. */
  protected every(label: string, interval: Duration): boolean {
    const { session } = this;
    const trace = session.trace('every');
    const steps = durationInSteps(interval, session.pace);
    return trace.stage.ask(trace, label, ({ step }) => dueAt(step + 1, steps));
  }

  /** A condition on the clock, decided on the host. Only in a step. */
  protected decide(label: string, test: (run: Clock<S>) => boolean): boolean {
    const trace = this.session.trace('decide');
    return trace.stage.ask(trace, label, (clock) => test(isClockOf<S>(clock, {}) ? clock : fault()));
  }

  /** A figure of the data that the measure step `step` has found. Only in a step. */
  protected measured<T extends Tensor>(step: string, name: string): T {
    this.session.trace('measured');
    return ranked<T>(this.session.figures.get(`${step}.${name}`).read());
  }

  /** The value of a schedule as a tensor. Only in a step of a training run. */
  protected now(name: keyof S & string): Scalar {
    const trace = this.session.trace('now');
    const value = trace.scalars.get(`schedule:${name}`);
    if (value === undefined || !this.session.hasSchedule(name)) {
      throw new Error(`schedule ${name} has no value here; schedules exist in a training run only`);
    }
    return value;
  }
}

// What a line of `metrics.jsonl` says besides the metrics.
const lineKeys: ReadonlySet<string> = new Set([
  'stage',
  'over',
  'step',
  'epoch',
  'wall',
  'steps_per_second',
  'rows_per_second',
]);

/** A trainer's class, as `main` takes it. */
export interface TrainerClass {
  new (setup?: TrainerSetup): AnyTrainer & Pick<Trainer, 'attribute' | 'checkAddOns' | 'resumes'>;
  readonly spec: TrainerSpec<never>;
  readonly addedOn: readonly AddOn[];
}

/** Every trainer saves. */
const withCheckpoint = (addOns: readonly AddOn[]): readonly AddOn[] =>
  addOns.some(({ kind }) => kind === 'checkpoint') ? addOns : [...addOns, checkpoint()];

interface SpecClass {
  readonly spec: TrainerSpec<never>;
  readonly addedOn: readonly AddOn[];
}

function classOf(trainer: object): SpecClass {
  const made: unknown = trainer.constructor;
  return isSpecClass(made) ? made : Trainer;
}

const isTrainerClass = (made: unknown): made is TrainerClass =>
  typeof made === 'function' && made.prototype instanceof Trainer;

function isSpecClass(made: unknown): made is SpecClass {
  return typeof made === 'function' && 'spec' in made && 'addedOn' in made;
}

function withAddOns(base: TrainerClass, addOns: readonly AddOn[]): TrainerClass {
  const made = class extends base {
    static override readonly addedOn = [...base.addedOn, ...addOns];

    constructor(setup?: TrainerSetup) {
      super(setup);
      this.checkAddOns();
    }
  };
  Object.defineProperty(made, 'name', { value: base.name });
  return made;
}

// A subclass that adds nothing but add-ons is what the class is.
function isSubclass<T extends TrainerClass>(made: TrainerClass, of: T): made is T {
  return Object.getPrototypeOf(made) === of;
}

// Generated code writes the spec and the class's type parameters from the same declarations.
function isSpecOf<P>(spec: TrainerSpec<never>): spec is TrainerSpec<P> {
  return Array.isArray(spec.params);
}

// The session makes the clock of every schedule that `configureSchedules` returned.
function isClockOf<S extends object>(clock: Clock, schedules: object): clock is Clock<S> {
  return Object.keys(schedules).every((name) => name in clock);
}

function fault(): never {
  throw new Error('the trainer is not what its class says; this is a fault of the runtime');
}

function capital(key: string): string {
  return key.slice(0, 1).toUpperCase() + key.slice(1);
}

function partsOf(models: object): ReadonlyMap<string, Part> {
  return new Map(Object.entries(models).filter((entry): entry is [string, Part] => isObject(entry[1])));
}

function dataOf(from: object): readonly [string, Data<unknown>][] {
  return Object.entries(from).filter((entry): entry is [string, Data<unknown>] => isObject(entry[1]));
}

/** Each data set in the order of its source: `overfit` takes the same batches in each epoch. */
function unshuffled(
  sets: Iterable<Data<unknown>>,
  overridden: ReadonlyMap<Data<unknown>, Data<unknown>>,
): ReadonlyMap<Data<unknown>, Data<unknown>> {
  return new Map([...sets].map((set) => [set, (overridden.get(set) ?? set).withOptions({ shuffle: false })]));
}

function schedulesOf(schedules: object | undefined): Named<Schedule> {
  return Object.fromEntries(
    Object.entries(schedules ?? {}).filter((entry): entry is [string, Schedule] => isObject(entry[1])),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
