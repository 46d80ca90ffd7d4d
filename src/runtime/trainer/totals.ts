/**
 * Running totals of a stage's metrics: f32 on the device for a few batches, f64 on the host beyond them. A step only adds;
 * nothing is fetched until the totals are folded.
 */
import type { Json } from '../addons/addon.js';
import type { Engine, HostTensor, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import { exactNumber, fromExactNumbers, type ExactNumber } from '../../values/exact-number.js';
import { record } from '../../values/json-record.js';
import { joints } from '../rows/joined.js';
import {
  isOfNothing,
  type Figures,
  type Reduction,
  type Table,
  type Total,
  type Totals,
} from '../rows/reduction.js';
import type { Scalar, Tensor } from '../tensor.js';

interface Metric {
  /** Null where it was taken from a checkpoint, until the step that logs it is traced. */
  readonly finish: ((totals: Totals) => number | ReadonlyMap<string, number> | Table) | null;
  /** Names of its totals. */
  readonly totals: readonly string[];
  /** Names of the rows and columns of a table, where they have some. */
  readonly classes?: readonly string[];
}

/** Finished metrics by name, in the order in which they were first logged. */
export type Finished = ReadonlyMap<string, number>;

type Sums = Map<string, Float64Array>;

const jsonSums = (sums: Sums): Readonly<Record<string, readonly ExactNumber[]>> =>
  Object.fromEntries([...sums].map(([key, values]) => [key, Array.from(values, exactNumber)]));

const sumsOf = (json: unknown): Sums =>
  new Map(
    Object.entries(record('sums', json)).map(([key, values]) => [
      key,
      Float64Array.from(fromExactNumbers(values)),
    ]),
  );

/** Kinds of totals that have a place on the device. */
type Kind = Exclude<Total['kind'], 'constant'>;

const kinds: readonly Kind[] = ['sum', 'last', 'max', 'min', 'spread'];

/** What stands in a total that nothing was added to. */
const startOf = (kind: Kind): number => (kind === 'last' ? Number.NaN : joints[kind].start);

/**
 * After this many batches totals move from the device's f32 to the host's f64, however long a window is: with more, sums
 * lose digits to rounding, and a count of 2^24 stands still.
 */
export const foldEvery = 128;

/** Totals that only the shapes decide, by key: added on the host each time a step has run. */
export type ConstantTotals = Map<string, number>;

export class StageTotals {
  readonly #variables = new Map<string, { readonly variable: StateVariable; readonly kind: Kind }>();
  readonly #metrics = new Map<string, Metric>();
  #window: Sums = new Map();
  #epoch: Sums = new Map();
  #unfolded = 0;
  #tables: ReadonlyMap<string, Table> = new Map();

  constructor(
    private readonly engine: Engine,
    private readonly stage: string,
  ) {}

  /** Adds a batch's part of a metric. Only inside a step. With `fine`, a batch for which it is false adds nothing. */
  record(name: string, reduction: Reduction | Figures, constants: ConstantTotals, fine: Tensor | null): void {
    const finish = 'figures' in reduction ? reduction.figures : reduction.finish;
    const classes = 'classes' in reduction ? reduction.classes : undefined;
    const totals = [...reduction.totals.keys()];
    this.#metrics.set(name, { finish, totals, ...(classes === undefined ? {} : { classes }) });
    // A total that is 0 and a number that the host knows do not say by themselves that they were logged.
    this.#count(writesOf(name), 1, constants, fine);
    for (const [total, part] of reduction.totals) {
      const key = `${name}/${total}`;
      if (part.kind === 'constant') {
        this.#count(key, part.value, constants, fine);
      } else if (part.kind === 'last') {
        // Whether there is one cannot be told by the value: it may be NaN.
        this.#count(writesOf(key), 1, constants, fine);
        const variable = this.#variable(key, 'last', part.value.shape);
        variable.assign(fine === null ? part.value : ops.select<Tensor>(fine, part.value, variable.read()));
      } else {
        const variable = this.#variable(key, part.kind, part.value.shape);
        const before = variable.read();
        const joined = joints[part.kind].device(before, part.value);
        variable.assign(fine === null ? joined : ops.select<Tensor>(fine, joined, before));
      }
    }
  }

  /** Adds a number that the host knows; on the device only where the device decides whether the batch counts. */
  #count(key: string, value: number, constants: ConstantTotals, fine: Tensor | null): void {
    if (fine === null) constants.set(key, (constants.get(key) ?? 0) + value);
    else this.#add(key, ops.mul<Scalar>(ops.cast<Tensor>(fine, { to: 'f32' }), value));
  }

  #add(key: string, value: Tensor): void {
    const variable = this.#variable(key, 'sum', value.shape);
    variable.assign(ops.add<Tensor>(variable.read(), value));
  }

  #variable(key: string, kind: Kind, shape: readonly number[]): StateVariable {
    const known = this.#variables.get(key);
    if (known !== undefined) {
      const { variable } = known;
      if (known.kind === kind && variable.shape.join() === shape.join()) return variable;
      throw new Error(
        `the total ${key} of ${this.stage} was a ${known.kind} of shape [${variable.shape.join(', ')}] and is now a ${kind} of [${shape.join(', ')}]; it must be the same in each batch`,
      );
    }
    const size = shape.reduce((product, n) => product * n, 1);
    const values = new Float32Array(size).fill(startOf(kind));
    const variable = this.engine.variable(this.#path(key), { dtype: 'f32', shape, values });
    this.#variables.set(key, { variable, kind });
    return variable;
  }

  /** What a checkpoint keeps: totals as they are, on the device and beside it, so that not even their rounding changes. */
  async state(): Promise<Json> {
    return (await this.taken())();
  }

  /** The same of now, put in words later: only where it is wanted. */
  async taken(): Promise<() => Json> {
    const device: (readonly [key: string, kind: Kind, tensor: HostTensor])[] = [];
    for (const [key, { variable, kind }] of this.#variables)
      device.push([key, kind, await variable.download()]);
    const metrics = [...this.#metrics].map(([name, { totals }]) => ({ name, totals: [...totals] }));
    const unfolded = this.#unfolded;
    // Sums are replaced, never changed.
    const [window, epoch] = [new Map(this.#window), new Map(this.#epoch)];
    return () => ({
      metrics,
      unfolded,
      device: Object.fromEntries(
        device.map(([key, kind, { shape, values }]) => [
          key,
          { kind, shape: [...shape], values: Array.from(values, exactNumber) },
        ]),
      ),
      window: jsonSums(window),
      epoch: jsonSums(epoch),
    });
  }

  /** Takes it back, before the step is traced. Throws where it is none. */
  restore(state: unknown): void {
    const { metrics, unfolded, device, window, epoch } = record('totals', state);
    if (!Array.isArray(metrics) || typeof unfolded !== 'number')
      throw new Error('"metrics" and "unfolded" are missing in its totals');
    this.#unfolded = unfolded;
    this.#window = sumsOf(window);
    this.#epoch = sumsOf(epoch);
    for (const metric of metrics) {
      const { name, totals } = record('a metric', metric);
      if (typeof name !== 'string' || !Array.isArray(totals)) throw new Error('a metric has no name');
      // In the order in which they were first logged, which lines of metrics keep.
      this.#metrics.set(name, { finish: null, totals: totals.map(String) });
    }
    for (const [key, total] of Object.entries(record('device', device))) {
      const { kind, shape, values } = record(key, total);
      const own = kinds.find((each) => each === kind);
      if (own === undefined) throw new Error(`the total ${key} is of no known kind`);
      const numbers = Float32Array.from(fromExactNumbers(values));
      const given = { dtype: 'f32', shape: fromExactNumbers(shape), values: numbers } as const;
      this.#variables.set(key, { variable: this.engine.variable(this.#path(key), given), kind: own });
    }
  }

  /** Whether nothing is in them: all of it was finished. */
  get isEmpty(): boolean {
    return this.#unfolded === 0 && this.#window.size === 0 && this.#epoch.size === 0;
  }

  /** After how many more batches totals are folded by themselves: no call of the engine has more, or digits would depend on the size of calls. */
  get untilFold(): number {
    return foldEvery - this.#unfolded;
  }

  #path(key: string): string {
    return `metrics/${this.stage}/${key}`;
  }

  /** Called after each batch, with what its shapes decide. */
  async endBatch(constants: ReadonlyMap<string, number>): Promise<void> {
    for (const [key, value] of constants) join(this.#window, key, Float64Array.of(value), 'sum');
    this.#unfolded += 1;
    if (this.#unfolded >= foldEvery) await this.fold();
  }

  /** Moves the device's totals to the host. */
  async fold(): Promise<void> {
    this.#unfolded = 0;
    const lasts: (readonly [string, Float64Array])[] = [];
    for (const [key, { variable, kind }] of this.#variables) {
      const { values, shape, dtype } = await variable.download();
      if (kind === 'last') {
        lasts.push([key, Float64Array.from(values)]);
      } else {
        join(this.#window, key, Float64Array.from(values), kind);
        variable.upload({ dtype, shape, values: new Float32Array(values.length).fill(startOf(kind)) });
      }
    }
    for (const [key, values] of lasts) {
      if ((this.#window.get(writesOf(key))?.[0] ?? 0) > 0) this.#window.set(key, values);
    }
  }

  /** Folds, finishes the window's metrics, and starts another window. `ofEpoch`: whether there is an epoch that they are a part of. */
  async finishWindow(ofEpoch = true): Promise<Finished> {
    await this.fold();
    const window = this.#window;
    this.#window = new Map();
    if (!ofEpoch) return this.#finish(window);
    for (const [key, values] of window) {
      const kind = this.#variables.get(key)?.kind ?? 'sum';
      if (kind === 'last') this.#epoch.set(key, values);
      else join(this.#epoch, key, values, kind);
    }
    return this.#finish(window);
  }

  /** Finishes the metrics of all windows since the last call, the current one included. */
  async finishEpoch(): Promise<Finished> {
    await this.finishWindow();
    const epoch = this.#epoch;
    this.#epoch = new Map();
    return this.#finish(epoch);
  }

  /** Forgets everything since the last `finishEpoch`. */
  async discard(): Promise<void> {
    await this.finishEpoch();
  }

  /** Metrics that are tables, of what was finished last. */
  get tables(): ReadonlyMap<string, Table> {
    return this.#tables;
  }

  /** Names of the rows and columns of tables, by the metric, where they have some. */
  get classes(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#metrics].flatMap(([name, { classes }]) => (classes ? [[name, classes]] : [])));
  }

  #finish(sums: Sums): Finished {
    const finished = new Map<string, number>();
    const tables = new Map<string, Table>();
    this.#tables = tables;
    for (const [name, { finish, totals }] of this.#metrics) {
      const own = new Map<string, Float64Array>();
      for (const total of totals) {
        const values = sums.get(`${name}/${total}`);
        if (values !== undefined) own.set(total, values);
      }
      // Nothing was logged under this name in these batches (an update that did not run).
      if (!((sums.get(writesOf(name))?.[0] ?? 0) > 0)) continue;
      if (finish === null)
        throw new Error(
          `no step has logged ${name} since the run was resumed; this is a fault of the runtime`,
        );
      const value = finish(own);
      if (typeof value === 'number') {
        if (!Number.isNaN(value) || !isOfNothing(own, finish)) finished.set(name, value);
      } else if (isTable(value)) tables.set(name, value);
      else for (const [part, each] of value) finished.set(`${name}.${part}`, each);
    }
    return finished;
  }
}

function isTable(value: ReadonlyMap<string, number> | Table): value is Table {
  return Array.isArray(value);
}

/** Key of how often a total that keeps the newest value, or a metric without totals, was written. */
function writesOf(key: string): string {
  return `${key}/writes`;
}

function join(sums: Sums, key: string, values: Float64Array, kind: Exclude<Kind, 'last'>): void {
  const before = sums.get(key);
  sums.set(key, before === undefined ? Float64Array.from(values) : joints[kind].host(before, values));
}
