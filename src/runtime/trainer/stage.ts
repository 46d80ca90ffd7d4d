/**
 * One stage of a trainer (its train step, a validation, …) as compiled steps: one for each shape of batch, each branch
 * taken, and each place in an accumulation window. Which branches a step asks about is learned when it is traced.
 */
import type { Json } from '../addons/addon.js';
import type { CompiledStep, Engine, HostTensor, StateVariable, StepClock } from '../engine/engine.js';
import { KernelLog } from '../engine/inspect.js';
import type { MeasuredFigures } from './measured-figures.js';
import type { Profile } from '../progress/profile.js';
import type { HostBatch } from '../data/data.js';
import { Decoded, Texts, textOfBytes, type OutputTexts } from '../data/texts.js';
import type { Clock } from '../optim/optimizer.js';
import type { Figures, Reduction } from '../rows/reduction.js';
import { laterBy, runsBefore } from '../engine/failed-call.js';
import { RunError } from '../run/run-error.js';
import { Tensor } from '@tensorflow/tfjs-core';
import { ranked, type Scalar } from '../tensor.js';
import { stepContext, withStepContext, type StepContext } from './step-context.js';
import { record } from '../../values/json-record.js';
import type { StepPlan } from './steps.js';
import { StageTotals, type ConstantTotals } from './totals.js';

/** What the body of a step has said while it ran. */
export interface StepTrace {
  readonly stage: Stage;
  readonly context: StepContext;
  /** Whether this batch ends its accumulation window. */
  readonly last: boolean;
  /** The clock on the host: only to decide branches, never to compute with. */
  readonly clock: Clock;
  /** Scalars that change from step to step, by name. */
  readonly scalars: ReadonlyMap<string, Scalar>;
  /** Answers to the questions that the body asked. */
  readonly answers: Map<string, boolean>;
  readonly constants: ConstantTotals;
  /** Reductions to be added when their region ends. */
  readonly logged: { readonly name: string; readonly reduction: Reduction | Figures }[];
  /** Weights that this step leaves alone. */
  readonly frozen: Set<StateVariable>;
  /** How often each set of optimizers was updated in this trace. */
  readonly updates: Map<string, number>;
  /** Optimizers whose weights this step changes, if its values are finite. */
  readonly updated: Set<string>;
  /** What the body returned, in its order. */
  outputs: readonly OutputPlan[];
}

/** A field of what a body returned: a tensor of the step, or texts that go around it. */
interface OutputPlan {
  readonly name: string;
  /** Place among the step's tensors, or the texts of a batch. */
  readonly of: number | Texts;
  /** Whether the tensor's rows are bytes of a text. */
  readonly isText: boolean;
}

/** A batch that was run: the window that it belongs to, and its place in that window. */
export interface RunPlace {
  readonly step: number;
  readonly micro: number;
}

interface Variant {
  readonly shapes: string;
  readonly last: boolean;
  readonly compiled: CompiledStep;
  trace: StepTrace | null;
}

/** What a stage needs to know of its trainer. */
export interface StageHost {
  readonly engine: Engine;
  /** Takes the time, where that was asked for. */
  readonly profile: Profile | null;
  /** Figures of the data, which models may read. */
  readonly figures: Pick<MeasuredFigures, 'get'>;
  /** Names of the scalars that go into each step. */
  readonly scalarNames: readonly string[];
  /** How often a step will run on batches of so many rows, as far as is known; 0 where it is not. */
  expectedRuns(plan: StepPlan, rows: number | null): number;
  /** Called with the trace while a body runs, so that `update`, `log`, … find it. */
  tracing<T>(trace: StepTrace, body: () => T): T;
  /** Called before a body runs. */
  beginBody(trace: StepTrace): void;
  /** Adds what a body logged outside its updates. */
  finishBody(trace: StepTrace): void;
}

/** The host's side of one run of a step. */
export interface StepRun {
  readonly clock: Clock;
  readonly draws: StepClock;
  readonly scalars: readonly number[];
  readonly last: boolean;
}

/** One batch of each data set, and the run over them. */
export interface BatchRun {
  readonly batches: readonly HostBatch[];
  readonly run: StepRun;
}

/** A stage as `state.json` has it. */
export type StageState = Readonly<Record<'totals' | 'variants', Json>>;

/** Rows of output, by name. */
export type Outputs = ReadonlyMap<string, HostTensor | OutputTexts>;

export class Stage {
  readonly totals: StageTotals;
  readonly #variants: Variant[] = [];
  /** Variants whose batches are in the totals, each with the first of them. What else this process has run is not a matter of the run's state. */
  readonly #counted = new Map<Variant, RunPlace>();
  #newest: StepTrace | null = null;
  readonly #questions = new Map<string, (clock: Clock) => boolean>();

  constructor(
    readonly host: StageHost,
    readonly plan: StepPlan,
  ) {
    this.totals = new StageTotals(host.engine, plan.name);
  }

  /** Answers a question of the body: on the host, from the clock alone. */
  ask(trace: StepTrace, label: string, question: (clock: Clock) => boolean): boolean {
    this.#questions.set(label, question);
    const answer = question(trace.clock);
    trace.answers.set(label, answer);
    return answer;
  }

  /** Traces the step for batches like these, without running it. Only on an engine that traces. */
  prepare(one: BatchRun): void {
    current = one.run;
    try {
      this.#variantOf(one).compiled.prepare(inputsOf(one));
    } finally {
      current = null;
    }
  }

  /** Runs the step over one batch of each data set. */
  run(batches: readonly HostBatch[], run: StepRun): Promise<Outputs> {
    const one = { batches, run };
    return this.#runOnce(this.#variantOf(one), one);
  }

  async #runOnce(variant: Variant, one: BatchRun): Promise<Outputs> {
    current = one.run;
    let fetched: readonly HostTensor[];
    try {
      fetched = await variant.compiled.run(inputsOf(one), one.run.draws);
    } finally {
      current = null;
    }
    const trace = this.#traceOf(variant);
    this.#newest = trace;
    this.#count(variant, one);
    await this.totals.endBatch(trace.constants);
    return new Map(
      trace.outputs.flatMap((plan): [string, HostTensor | OutputTexts][] => {
        const value = outputOf(plan, fetched, one.batches);
        return value === undefined ? [] : [[plan.name, value]];
      }),
    );
  }

  /** Runs the step several times, as if one by one: what follows each other and is alike goes to the engine at once. */
  async runAll(runs: readonly BatchRun[]): Promise<void> {
    for (let from = 0; from < runs.length;) {
      const first = runs[from];
      if (first === undefined) return;
      const variant = this.#variantOf(first);
      const { compiled, trace } = variant;
      let to = from + 1;
      if (trace !== null && trace.outputs.length === 0) {
        const most = Math.min(compiled.atOnce, this.totals.untilFold);
        while (to < runs.length && to - from < most) {
          const next = runs[to];
          if (next === undefined || this.#find(shapesOf(next), next.run) !== variant) break;
          to += 1;
        }
      }
      // A call that is all of what was asked for is that span already.
      const ended =
        to - from === runs.length
          ? undefined
          : this.host.profile?.begin({ name: 'call', category: 'call', details: { batches: to - from } });
      if (to - from === 1 || trace === null) {
        const before = from;
        await this.#runOnce(variant, first).catch((error: unknown) => {
          throw laterBy(before, error);
        });
      } else {
        const alike = runs.slice(from, to);
        const before = from;
        // A failing call is traced again, to say where.
        current = first.run;
        await compiled
          .runAll(alike.map((one) => ({ inputs: inputsOf(one), clock: one.run.draws })))
          .catch(async (error: unknown) => {
            const done = runsBefore(error) ?? 0;
            if (done > 0) this.#count(variant, first);
            for (let left = done; left > 0; left -= 1) await this.totals.endBatch(trace.constants);
            throw laterBy(before, error);
          })
          .finally(() => {
            current = null;
          });
        this.#newest = trace;
        this.#count(variant, first);
        for (let done = from; done < to; done += 1) await this.totals.endBatch(trace.constants);
      }
      ended?.();
      from = to;
    }
  }

  /** Runs the step over one batch op by op, without keeping anything of it. */
  async inspect(one: BatchRun, log: KernelLog): Promise<void> {
    const variant = this.#variantOf(one);
    const { trace } = variant;
    current = one.run;
    try {
      await variant.compiled.inspect(inputsOf(one), one.run.draws, log);
    } finally {
      current = null;
      // What was looked at may have ended in the middle of the body: its trace is not the step's.
      variant.trace = trace;
    }
  }

  /** What a checkpoint keeps: totals that are not finished, and which batches show all that the step logs. */
  async state(): Promise<StageState> {
    return (await this.taken())();
  }

  /** The same of now, put in words later: only where it is wanted. */
  async taken(): Promise<() => StageState> {
    const places = this.totals.isEmpty ? [] : [...this.#counted.values()];
    const variants = places.map(({ step, micro }) => ({ step, micro }));
    const totals = await this.totals.taken();
    return () => ({ totals: totals(), variants });
  }

  /** Takes it back, before anything is run. Returns the batches to `learn`. Throws where it is no state of a stage. */
  restore(state: unknown): readonly RunPlace[] {
    const { totals, variants } = record(this.plan.name, state);
    this.totals.restore(totals);
    if (!Array.isArray(variants)) throw new Error(`"variants" of ${this.plan.name} must be a list`);
    return variants.map((place) => {
      const { step, micro } = record('a place', place);
      if (typeof step !== 'number' || typeof micro !== 'number')
        throw new Error(`a place of ${this.plan.name} has no step`);
      return { step, micro };
    });
  }

  /** Traces the step as it is for this batch, without keeping anything of what it computes. */
  async learn(one: BatchRun): Promise<void> {
    const variant = this.#variantOf(one);
    this.#count(variant, one);
    if (variant.trace !== null) return;
    current = one.run;
    try {
      const inputs = inputsOf(one);
      if (this.host.engine.traces) variant.compiled.prepare(inputs);
      else await variant.compiled.inspect(inputs, one.run.draws, new KernelLog());
    } finally {
      current = null;
    }
  }

  /** Called once a batch has run, before it is counted in the totals. */
  #count(variant: Variant, { run }: BatchRun): void {
    if (this.totals.isEmpty) this.#counted.clear();
    const { step, micro } = run.draws;
    if (!this.#counted.has(variant)) this.#counted.set(variant, { step, micro });
  }

  /** How many runs in a row the engine would take at once: what the last one was compiled to says so. */
  get atOnce(): number {
    return Math.max(1, ...this.#variants.map(({ compiled }) => compiled.atOnce));
  }

  /** Whether a call of several runs may end in the middle, where one refuses an index that it computes. */
  get refusesIndices(): boolean {
    return this.#variants.some(({ compiled }) => compiled.refusesIndices);
  }

  /** Optimizers that the newest run updated, in the order of the step, if its values were finite. */
  get updated(): readonly string[] {
    return [...(this.#newest?.updated ?? [])];
  }

  /** How the engine runs the step, once it has found out. */
  get decision(): string | null {
    return this.#variants[0]?.compiled.decision ?? null;
  }

  #variantOf(one: BatchRun): Variant {
    const shapes = shapesOf(one);
    return this.#find(shapes, one.run) ?? this.#compile(shapes, one.batches, one.run.last);
  }

  #traceOf({ trace }: Variant): StepTrace {
    if (trace === null)
      throw new Error(`step ${this.plan.name} was never traced; this is a fault of the engine`);
    return trace;
  }

  /** Frees the compiled steps. */
  dispose(): void {
    for (const { compiled } of this.#variants) compiled.dispose();
    this.#variants.length = 0;
    this.#counted.clear();
  }

  #find(shapes: string, run: StepRun): Variant | undefined {
    return this.#variants.find(
      (variant) =>
        variant.shapes === shapes &&
        variant.last === run.last &&
        variant.trace !== null &&
        [...variant.trace.answers].every(
          ([label, answer]) => this.#questions.get(label)?.(run.clock) === answer,
        ),
    );
  }

  #compile(shapes: string, batches: readonly HostBatch[], last: boolean): Variant {
    const counts = batches.map(({ tensors }) => tensors.length);
    const [first, ...others] = batches;
    const rows = first !== undefined && others.length === 0 ? first.rows : null;
    const body = (inputs: readonly Tensor[]): readonly Tensor[] => {
      const trace = this.#trace(inputs.slice(counts.reduce((sum, n) => sum + n, 0)), rows, last);
      variant.trace = trace;
      return this.#body(trace, split(inputs, counts));
    };
    const expected = this.host.expectedRuns(this.plan, rows);
    const compiled = this.host.engine.compile(
      this.plan.name,
      body,
      expected,
      (name) => this.host.profile?.begin({ name, category: 'compile' }) ?? (() => undefined),
      // A batch of live data is harvested once the step before is done.
      this.plan.data.some(({ source }) => source.live !== undefined),
    );
    const variant: Variant = { shapes, last, compiled, trace: null };
    this.#variants.push(variant);
    return variant;
  }

  #trace(scalars: readonly Tensor[], rows: number | null, last: boolean): StepTrace {
    const { engine, scalarNames, figures } = this.host;
    if (current === null)
      throw new Error(`step ${this.plan.name} was traced outside a run; this is a fault of the engine`);
    return {
      stage: this,
      context: stepContext(
        engine,
        this.plan.name,
        this.plan.kind === 'train' ? 'train' : 'eval',
        rows,
        (name) => figures.get(name),
      ),
      last,
      clock: current.clock,
      scalars: new Map(
        scalarNames.flatMap((name, index): [string, Scalar][] => {
          const value = scalars[index];
          return value === undefined ? [] : [[name, ranked<Scalar>(value)]];
        }),
      ),
      answers: new Map(),
      constants: new Map(),
      logged: [],
      frozen: new Set(),
      updates: new Map(),
      updated: new Set(),
      outputs: [],
    };
  }

  #body(trace: StepTrace, tensors: readonly (readonly Tensor[])[]): readonly Tensor[] {
    return withStepContext(trace.context, () =>
      this.host.tracing(trace, () => {
        this.host.beginBody(trace);
        const result = this.plan.run(tensors);
        if (result instanceof Promise) {
          throw new Error(`step ${this.plan.name} returned a promise; the body of a step is synchronous`);
        }
        this.host.finishBody(trace);
        const { plans, tensors: outputs } = outputsOf(this.plan.name, result);
        // Parts of figures have shapes of their own.
        if (this.plan.data.length > 0 && this.plan.kind !== 'measure')
          checkRows(this.plan.name, plans, outputs, trace.context.rows);
        trace.outputs = plans;
        return outputs;
      }),
    );
  }
}

function shapesOf({ batches }: BatchRun): string {
  return batches
    .flatMap(({ tensors }) => tensors)
    .map(({ dtype, shape }) => `${dtype}[${shape.join()}]`)
    .join(' ');
}

/** What goes into the compiled step: the batches' tensors, then the scalars. */
function inputsOf({ batches, run }: BatchRun): readonly HostTensor[] {
  const scalars = run.scalars.map((value): HostTensor => ({
    dtype: 'f32',
    shape: [],
    values: Float32Array.of(value),
  }));
  return [...batches.flatMap(({ tensors }) => tensors), ...scalars];
}

// The run whose body is being traced or executed: bodies are synchronous, so there is one.
let current: StepRun | null = null;

function split(inputs: readonly Tensor[], counts: readonly number[]): readonly (readonly Tensor[])[] {
  let from = 0;
  return counts.map((count) => inputs.slice(from, (from += count)));
}

/** What a step returns is written row by row, so it has them: `rows`, or (several data sets) any number. */
function checkRows(
  step: string,
  plans: readonly OutputPlan[],
  tensors: readonly Tensor[],
  rows: number | null,
): void {
  for (const { name, of } of plans) {
    const shape = typeof of === 'number' ? tensors[of]?.shape : undefined;
    if (shape === undefined) continue;
    const [count] = shape;
    if (count === undefined || (rows !== null && count !== rows)) {
      throw new RunError(
        `step ${step} returned ${name} of shape [${shape.join(', ')}]${rows === null ? '' : ` for a batch of ${rows} rows`}; return a row for each row of the batch, or log a number of the whole batch in a test step`,
      );
    }
  }
}

function outputsOf(
  step: string,
  result: unknown,
): { readonly plans: readonly OutputPlan[]; readonly tensors: readonly Tensor[] } {
  if (result === undefined || result === null) return { plans: [], tensors: [] };
  if (typeof result !== 'object')
    throw new Error(`step ${step} must return a record of tensors or nothing, got ${typeof result}`);
  const tensors: Tensor[] = [];
  const plans = Object.entries(result).map(([name, value]: [string, unknown]): OutputPlan => {
    if (value instanceof Texts) return { name, of: value, isText: true };
    const tensor: unknown = value instanceof Decoded ? value.bytes : value;
    if (!(tensor instanceof Tensor))
      throw new Error(
        `step ${step} returned ${name}, which is no tensor and no text; return a record of tensors`,
      );
    return { name, of: tensors.push(tensor) - 1, isText: value instanceof Decoded };
  });
  return { plans, tensors };
}

/** A field of output from what the step computed and from the batches that it read. */
function outputOf(
  { name, of, isText }: OutputPlan,
  fetched: readonly HostTensor[],
  batches: readonly HostBatch[],
): HostTensor | OutputTexts | undefined {
  if (typeof of !== 'number') {
    const values = batches[of.batch]?.texts?.get(of.field);
    if (values === undefined)
      throw new Error(`${name} has no texts of ${of.field}; this is a fault of the runtime`);
    return { dtype: 'string', shape: [values.length], values };
  }
  const tensor = fetched[of];
  if (tensor === undefined || !isText) return tensor;
  const [rows = 0, ...inner] = tensor.shape;
  const size = inner.reduce((all, one) => all * one, 1);
  const texts = Array.from({ length: rows }, (_, row) =>
    textOfBytes(tensor.values.subarray(row * size, (row + 1) * size)),
  );
  return { dtype: 'string', shape: [rows], values: texts };
}
