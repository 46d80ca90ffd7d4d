/** A step that runs on TensorFlow: traced once for each signature, then one call for each run or for several. */
import { engine, type Tensor } from '@tensorflow/tfjs-core';
import { duringStep } from '../current.js';
import { beforeRuns, failedAfter, laterBy, runsBefore } from '../failed-call.js';
import type { CompiledStep, Engine, HostTensor, StepClock, StepRun, Watch } from '../engine.js';
import { elementType } from '../state-variable.js';
import { checkOutputs, refusingReads } from '../step-body.js';
import { IndexError } from '../../run/index-error.js';
import { RunError } from '../../run/run-error.js';
import type { TensorFlowBackend } from './backend.js';
import type { Address } from './c-api.js';
import { CompileChoice, stepKey } from './compile-choice.js';
import { tf } from './element-types.js';
import { disposeAll, type GraphOptions } from './graph.js';
import { endReplay, isReplayed, type KernelLog } from '../inspect.js';
import { optimized } from './optimized.js';
import { operationsIn, placeOf, withDeepStacks } from './places.js';
import type { NarrowType } from './precision.js';
import { clockWords, type DeviceClock } from './random.js';
import { hostTensor, storageType, storedElements } from './resource-variable.js';
import type { TensorFlow } from './runtime.js';
import { askedFor, outOfMemory, TensorFlowError } from './status.js';
import { StepState, type VariableAccess } from './step-state.js';
import { StackedRuns, type Given } from './stacked-runs.js';
import { loopOf, traceStep, type Loop, type TracedStep } from './traced-step.js';
import { refusalIn } from './refusals.js';
import { checkIndices, type EagerValue, type Value } from './values.js';

export type StepBody = (inputs: readonly Tensor[]) => readonly Tensor[];

/**
 * How a step is run: `graph` by TensorFlow's own kernels, `xla` compiled by XLA, `auto` by what its first runs show to be the fastest of
 * these; `eager` runs its ops one by one, untraced.
 */
export type CompileMode = 'auto' | 'graph' | 'xla' | 'eager';

/** What a step needs of its engine while its body runs. */
export interface StepHost {
  readonly self: Engine;
  readonly tensorflow: TensorFlow;
  readonly backend: TensorFlowBackend;
  readonly mode: CompileMode;
  /** Whether `graph` and `xla` take several runs in a call; null where the engine decides. */
  readonly loop: boolean | null;
  /** The 16-bit type that products are computed in, or null. */
  readonly narrow: NarrowType | null;
  /** How the run did it that this one goes on from, by the steps' keys. */
  readonly pinned: ReadonlyMap<string, string>;
  /** Told how a step is to be run, to be asked once that is settled. */
  remember(key: string, choice: CompileChoice): void;
  /** Told where a step makes NaN of what an index outside of its table picks. */
  marksIndices(): void;
  /** Runs a body with this clock and state as the current ones. */
  during<T>(clock: DeviceClock, state: StepState, body: () => T): T;
}

/** How many runs one call takes at most: a call costs what a few runs of a small model do. Compiling does not grow with it. */
const mostRuns = 128;
/** A loop of fewer runs is not worth its compilation. */
const fewestRuns = 8;
/** Milliseconds that a call of several runs may take: Ctrl-C waits for its end. */
const longestCall = 1000;
/** Bytes of batches that one call may hold. */
const largestLoop = 8 * 2 ** 20;

// A call on another thread costs about a tenth of a millisecond; a longer one leaves time to prepare the next batch.
const backgroundFrom = 1;

/** One call of a function. */
interface Call {
  readonly fn: string;
  readonly fed: readonly EagerValue[];
  readonly step: TracedStep;
  readonly outputs: number;
  readonly choice: CompileChoice;
}

interface Signature {
  readonly text: string;
  readonly step: TracedStep;
  readonly choice: CompileChoice;
  /** How many runs a loop has room for. */
  readonly most: number;
  /** For TensorFlow's kernels and for XLA. */
  readonly loops: Map<boolean, Loop>;
  /** Made when several runs are first taken at once. */
  stacked: StackedRuns | null;
}

export class TensorFlowStep implements CompiledStep {
  readonly #signatures: Signature[] = [];
  /** Functions that were called: the first call of one compiles it. */
  readonly #called = new Set<string>();

  constructor(
    private readonly host: StepHost,
    private readonly name: string,
    private readonly body: StepBody,
    private readonly expected: number,
    private readonly watch: Watch = () => () => undefined,
    private readonly oneByOne = false,
  ) {}

  prepare(inputs: readonly HostTensor[]): void {
    if (this.host.mode !== 'eager') this.#signatureOf(inputs);
  }

  async run(inputs: readonly HostTensor[], clock: StepClock): Promise<readonly HostTensor[]> {
    if (this.host.mode === 'eager') return this.#runEagerly(inputs, clock);
    const signature = beforeRuns(() => this.#signatureOf(inputs));
    const { step, choice } = signature;
    if (choice.way.loop) {
      // The loop is compiled already, and takes one run as well.
      await this.runAll([{ inputs, clock }]);
      return [];
    }
    this.#checkRules(step, [{ inputs, clock }]);
    const { tensorflow } = this.host;
    const from = performance.now();
    // Made first: what was fed is freed by the call.
    const fn = step.fn(choice.way.xla).name;
    const fed = beforeRuns(() => this.#feed(inputs, clock));
    const call = { fn, fed, step, outputs: step.outputs.length, choice };
    const outputs = await this.#execute(call, [{ inputs, clock }]);
    const values = tensorflow.adopt(outputs);
    try {
      const results = values.map((value, index) => {
        const output = step.outputs[index];
        if (output === undefined) throw new Error(`step ${this.name} gave more than its outputs`);
        return hostTensor(output.dtype, output.shape, tensorflow.download(value));
      });
      choice.note(1, performance.now() - from);
      return results;
    } finally {
      for (const value of values) tensorflow.free(value);
    }
  }

  get atOnce(): number {
    if (this.host.mode === 'eager') return 1;
    const [first] = this.#signatures;
    if (first?.choice.way.loop !== true) return 1;
    // Whoever asks the run to stop waits for the call that is under way.
    const { choice, most } = first;
    return Math.max(1, Math.min(most, choice.atOnce, Math.floor(longestCall / Math.max(choice.each, 1))));
  }

  get refusesIndices(): boolean {
    return this.#signatures.some(({ step }) => step.computesIndices);
  }

  get decision(): string | null {
    return this.#signatures[0]?.choice.text ?? null;
  }

  async runAll(runs: readonly StepRun[]): Promise<void> {
    const [first] = runs;
    if (first === undefined) return;
    if (this.host.mode === 'eager') {
      for (const [run, { inputs, clock }] of runs.entries()) {
        try {
          this.#runEagerly(inputs, clock);
        } catch (error) {
          throw laterBy(run, error);
        }
      }
      return;
    }
    const signature = beforeRuns(() => this.#signatureOf(first.inputs));
    const { step, choice, loops, most } = signature;
    if (runs.length > most || step.outputs.length > 0) {
      throw new Error(`step ${this.name} cannot take ${runs.length} runs in one call`);
    }
    this.#checkRules(step, runs);
    const { tensorflow } = this.host;
    const { xla } = choice.way;
    const from = performance.now();
    const loop = loops.get(xla) ?? loopOf(tensorflow, this.name, step, most, xla);
    loops.set(xla, loop);
    signature.stacked ??= new StackedRuns(step, most);
    const stacked = signature.stacked.of(runs);
    const fed = beforeRuns(() => this.#put([[tf.i32, [], Int32Array.of(runs.length)], ...stacked], true));
    await this.#execute({ fn: loop.fn.name, fed, step, outputs: 0, choice }, runs);
    choice.note(runs.length, performance.now() - from);
  }

  dispose(): void {
    disposeAll(this.#signatures.splice(0).flatMap(({ step, loops }) => [...loops.values(), step]));
  }

  #signatureOf(inputs: readonly HostTensor[]): Signature {
    const { mode } = this.host;
    if (mode === 'eager') throw new Error(`step ${this.name} is not traced: compile is "eager"`);
    const text = inputs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join(' ');
    const known = this.#signatures.find((one) => one.text === text);
    if (known !== undefined) return known;
    const { tensorflow, self } = this.host;
    const step = this.#trace(inputs, {});
    if (mode === 'xla' && step.computesIndices) this.host.marksIndices();
    const key = stepKey(this.name, step);
    const most = Math.min(mostRuns, Math.floor(largestLoop / bytesOfRun(step)));
    const choice = new CompileChoice({
      mode,
      step,
      expected: this.expected,
      onCpu: tensorflow.device.type === 'CPU',
      engine: self.version,
      canLoop: !this.oneByOne && step.outputs.length === 0 && most >= fewestRuns,
      loop: this.host.loop,
      pinned: this.host.pinned.get(key) ?? null,
    });
    this.host.remember(key, choice);
    const signature: Signature = { text, step, choice, most, loops: new Map(), stacked: null };
    this.#signatures.push(signature);
    return signature;
  }

  #trace(inputs: readonly HostTensor[], given: GraphOptions): TracedStep {
    const options = { ...given, narrow: this.host.narrow, xla: this.host.mode === 'xla' };
    const done = this.watch(`trace ${this.name}`);
    try {
      return traceStep(this.host.backend, this.name, inputs, options, (values, clock, state) =>
        this.host.during(clock, state, () => this.#runBody(values)),
      );
    } finally {
      done();
    }
  }

  /**
   * An error of TensorFlow with the place in the spec that the failing op comes from. Tracing is always the same, so the step is
   * traced again to find it: keeping every place would cost each step that does not fail.
   */
  #placed(error: unknown, runs: readonly StepRun[]): unknown {
    const [{ inputs } = { inputs: [] }] = runs;
    if (!(error instanceof TensorFlowError)) return error;
    const done = runsBefore(error);
    const known = <T>(made: T): T => (done === null ? made : failedAfter(done, made));
    if (error.code === outOfMemory) return known(this.#tooLarge(error, inputs));
    const names = [...operationsIn(error.detail)].reverse();
    const placed = this.#traced(inputs, ({ stacks }) =>
      names.flatMap((name) => {
        const place = placeOf(stacks.get(name));
        return place === null ? [] : [error.at(name.replace(/_\d+$/, ''), place)];
      }),
    );
    return known(placed?.[0] ?? error);
  }

  /** What the step says of itself when it is traced once more with the places of its ops; null where it cannot be. */
  #traced<T>(inputs: readonly HostTensor[], look: (step: TracedStep) => T): T | null {
    try {
      const step = withDeepStacks(() => this.#trace(inputs, { keepStacks: true }));
      try {
        return look(step);
      } finally {
        step.dispose();
      }
    } catch {
      // The error itself is what counts.
      return null;
    }
  }

  /** Refuses inputs that the step cannot run with, before any of the runs. */
  #checkRules(step: TracedStep, runs: readonly StepRun[]): void {
    for (const [run, { inputs }] of runs.entries())
      for (const [rule, { numbers, count, refuse }] of step.rules.entries())
        try {
          checkIndices(numbers.read(inputs), count, refuse);
        } catch (error) {
          if (!(error instanceof IndexError)) throw failedAfter(0, error);
          const place = this.#traced(inputs, ({ rules }) => placeOf(rules[rule]?.stack));
          throw failedAfter(0, error.ofRun(run).at(place));
        }
  }

  /** The error of an index that an op of the graph has refused; null where it is another error. The runs before that one are done. */
  #refused(error: unknown, step: TracedStep, runs: readonly StepRun[]): unknown {
    if (!(error instanceof TensorFlowError)) return null;
    const found = refusalIn(error.detail, step.refusals, runs);
    const inputs = found === null ? undefined : runs[found.run]?.inputs;
    if (found === null || inputs === undefined) return null;
    const place = this.#traced(inputs, ({ stacks }) => placeOf(stacks.get(found.op)));
    return failedAfter(found.run, found.error.ofRun(found.run).at(place));
  }

  /** Says how much was asked for, and finds the largest batch that fits by trying halves without changing anything. */
  #tooLarge(error: TensorFlowError, inputs: readonly HostTensor[]): RunError {
    const { tensorflow } = this.host;
    const rows = inputs.find(({ shape }) => shape.length > 0)?.shape[0] ?? 0;
    const asked = askedFor(error.detail);
    const what = `no memory on ${tensorflow.device.type} for step ${this.name}${asked === null ? '' : ` (${asked})`}`;
    for (let fewer = Math.floor(rows / 2); fewer >= 1; fewer = Math.floor(fewer / 2)) {
      if (this.#fits(inputs, rows, fewer)) {
        return new RunError(
          `${what} with batches of ${rows} rows; batches of ${fewer} fit: set batch = ${fewer}`,
        );
      }
    }
    return new RunError(`${what}; use a smaller batch or a smaller model`, { cause: error });
  }

  #fits(inputs: readonly HostTensor[], rows: number, fewer: number): boolean {
    const { tensorflow } = this.host;
    const part = inputs.map((input) => (input.shape[0] === rows ? firstRows(input, fewer) : input));
    try {
      const step = this.#trace(part, { dry: true });
      try {
        const clock = { seed: 0, step: 0, micro: 0, rowOffset: 0 };
        const fed = this.#feed(part, clock);
        const { api } = tensorflow.library;
        const outputs = step.outputs.length + step.replaced;
        try {
          const op = api.TFE_NewOp(tensorflow.context, step.fn(false).name, tensorflow.status);
          tensorflow.check(this.name);
          try {
            const returned: Address[] = new Array<Address>(outputs).fill(null);
            this.#give(op, fed, step);
            api.TFE_Execute(op, returned, [outputs], tensorflow.status);
            tensorflow.check(`step ${this.name}`);
            for (const handle of returned) api.TFE_DeleteTensorHandle(handle);
            return true;
          } finally {
            api.TFE_DeleteOp(op);
          }
        } finally {
          for (const value of fed) tensorflow.free(value);
        }
      } finally {
        step.dispose();
      }
    } catch {
      return false;
    }
  }

  /** Gives a call its inputs, the variables and its configuration. */
  #give(op: Address, fed: readonly EagerValue[], step: TracedStep): void {
    const { tensorflow } = this.host;
    const { api } = tensorflow.library;
    const { status } = tensorflow;
    // All in one call: a status holds the last call's error only, and one that went well would cover up one that did not.
    const given = [...fed, ...step.resources.map(({ resource }) => resource)].map(({ handle }) => handle);
    api.TFE_OpAddInputList(op, given, given.length, status);
    tensorflow.check(this.name);
    api.TFE_OpSetAttrString(op, 'config_proto', optimized, optimized.length);
    api.TFE_OpSetDevice(op, tensorflow.device.name, status);
    tensorflow.check(this.name);
  }

  #runBody(inputs: readonly Value[]): readonly Tensor[] {
    const { backend, self } = this.host;
    const tensors = inputs.map((value, index) => backend.tensor(value, `input ${index}`));
    const outputs = duringStep(self, this.name, () => refusingReads(this.name, () => this.body(tensors)));
    checkOutputs(this.name, outputs);
    return outputs;
  }

  /** Puts the inputs of one run on the device, then its clock. Whoever asks frees them. */
  #feed(inputs: readonly HostTensor[], clock: StepClock): readonly EagerValue[] {
    return this.#put([
      ...inputs.map((input) => [storageType(input.dtype), input.shape, storedElements(input)] as const),
      [tf.i32, [4], clockWords(clock)],
      [tf.i64, [], BigInt64Array.of(BigInt(clock.rowOffset))],
    ]);
  }

  #put(values: readonly Given[], partial = false): readonly EagerValue[] {
    const { tensorflow } = this.host;
    const made: EagerValue[] = [];
    try {
      for (const [type, shape, elements] of values)
        made.push(tensorflow.constant(type, shape, elements, partial));
      return made;
    } catch (error) {
      for (const value of made) tensorflow.free(value);
      throw error;
    }
  }

  /** Calls a function with what was put on the device and the step's variables; frees the former. */
  async #execute(
    { fn, fed, step, outputs, choice }: Call,
    runs: readonly StepRun[],
  ): Promise<readonly Address[]> {
    const { tensorflow } = this.host;
    const { library, context, status } = tensorflow;
    const { api } = library;
    const called = this.#called.has(fn) ? null : this.watch(`first call of ${fn}`);
    this.#called.add(fn);
    try {
      const op = api.TFE_NewOp(context, fn, status);
      tensorflow.check(this.name);
      try {
        this.#give(op, fed, step);
        const returned: Address[] = new Array<Address>(outputs).fill(null);
        if (choice.milliseconds > backgroundFrom) {
          await tensorflow.executeInBackground(op, returned, `step ${this.name}`);
        } else {
          api.TFE_Execute(op, returned, [outputs], status);
          tensorflow.check(`step ${this.name}`);
        }
        return returned;
      } finally {
        api.TFE_DeleteOp(op);
      }
    } catch (error) {
      if (choice.way.xla && error instanceof TensorFlowError && error.code === outOfMemory) {
        for (const variable of step.resources) variable.lose();
      }
      // Of a loop it is not known how far it came, but where it says so itself.
      const failsWhole = step.failsWhole && !choice.way.xla && !choice.way.loop;
      throw (
        this.#refused(error, step, runs) ?? this.#placed(failsWhole ? failedAfter(0, error) : error, runs)
      );
    } finally {
      called?.();
      for (const value of fed) tensorflow.free(value);
    }
  }

  async inspect(inputs: readonly HostTensor[], clock: StepClock, log: KernelLog): Promise<void> {
    try {
      this.#runEagerly(inputs, clock, log);
    } catch (error) {
      if (!isReplayed(error)) throw error;
    }
  }

  /** With `log`, each op is looked at, and nothing that the step changes is kept. */
  #runEagerly(
    inputs: readonly HostTensor[],
    clock: StepClock,
    log: KernelLog | null = null,
  ): readonly HostTensor[] {
    const { tensorflow, backend } = this.host;
    const access: VariableAccess<true> = {
      load: (variable) => {
        const [value] = tensorflow.op('ReadVariableOp', [variable.resource], { dtype: variable.type });
        if (value === undefined) throw new Error(`variable \`${variable.path}\` has no value`);
        return value;
      },
      change: (op, variables, given, attributes) => {
        tensorflow.op(op, [...variables.map(({ resource }) => resource), ...given], attributes);
        return true;
      },
    };
    // Any op may fail after a variable was changed.
    const state = new StepState(backend, access, true);
    const own = this.#put([
      [tf.i32, [4], clockWords(clock)],
      [tf.i64, [], BigInt64Array.of(BigInt(clock.rowOffset))],
    ]);
    const [words, rowOffset] = own;
    if (words === undefined || rowOffset === undefined) throw new Error('a step has no clock');
    const scope = engine();
    scope.startScope(this.name);
    let isComputed = false;
    try {
      // The inputs belong to the scope's tensors, the clock to nobody.
      const given = this.#put(
        inputs.map((input) => [storageType(input.dtype), input.shape, storedElements(input)] as const),
      );
      const outputs = this.host.during({ words, rowOffset }, state, () =>
        log === null
          ? this.#runBody(given)
          : log.watch(() => {
              this.#runBody(given);
              return endReplay();
            }),
      );
      const results = outputs.map((output) =>
        hostTensor(elementType(output), output.shape, tensorflow.download(backend.eagerOf(output))),
      );
      isComputed = true;
      state.finish();
      return results;
    } catch (error) {
      throw isComputed ? error : failedAfter(0, error);
    } finally {
      state.dispose();
      for (const value of own) tensorflow.free(value);
      scope.endScope();
    }
  }
}

/** The first rows of a tensor. */
function firstRows({ dtype, shape, values }: HostTensor, rows: number): HostTensor {
  const size = shape.slice(1).reduce((product, n) => product * n, 1);
  return { dtype, shape: [rows, ...shape.slice(1)], values: values.slice(0, rows * size) };
}

/** Bytes of the inputs of one run. */
function bytesOfRun({ inputs }: TracedStep): number {
  return inputs.reduce((total, { shape }) => total + 4 * shape.reduce((size, n) => size * n, 1), 0);
}
