/** The native engine: TensorFlow through its C library, each step traced once and run as one call. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { engine, registerBackend, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { RunError } from '../../run/run-error.js';
import { differentiateTape } from '../differentiate.js';
import { useBackend } from '../embedded.js';
import type { DrawOptions, Engine, HostTensor, InPlaceUpdate, StateVariable, Watch } from '../engine.js';
import { registerGradients } from '../gradients.js';
import { TensorFlowBackend } from './backend.js';
import { openLibrary } from './c-api.js';
import { wayNamed, type CompileChoice } from './compile-choice.js';
import { TensorFlowStep, type CompileMode, type StepBody, type StepHost } from './compiled-step.js';
import { registerTensorFlowKernels } from './kernels.js';
import { assignUpdate, inPlaceOp } from './in-place.js';
import type { LibraryFiles } from './library-files.js';
import {
  resolvePrecision,
  unitsOfCpu,
  unitsOfGpu,
  type NarrowType,
  type NarrowUnits,
  type Precision,
  type ResolvedPrecision,
} from './precision.js';
import { tf } from './element-types.js';
import { drawNormal, drawUniform, type DeviceClock } from './random.js';
import { ResourceVariable, type ResourceOwner } from './resource-variable.js';
import { TensorFlow, type ContextOptions, type Device } from './runtime.js';
import type { StepState } from './step-state.js';
import type { Executor, Value } from './values.js';

export interface TensorFlowOptions extends ContextOptions {
  readonly files: LibraryFiles;
  readonly compile?: CompileMode | undefined;
  /** With `graph` and `xla`: several steps in a call always or never; as the engine finds it faster unless given. */
  readonly loop?: boolean | undefined;
  /** f32 unless given. */
  readonly precision?: Precision | undefined;
  /** Computes in 16 bits also where the device has no units for it. */
  readonly forcePrecision?: boolean | undefined;
  /**
   * Takes only kernels that give the same bits each time, and runs steps as one graph: which way is fastest would be found out by
   * the clock. An op without such a kernel is an error.
   */
  readonly deterministic?: boolean | undefined;
}

const backendName = 'tensorflow';

let started: {
  readonly key: string;
  readonly deterministic: boolean;
  readonly backend: Promise<TensorFlowBackend>;
} | null = null;

/** Starts the native engine. A process has one library and one context; each engine has variables of its own. */
export async function createTensorFlowEngine(options: TensorFlowOptions): Promise<Engine> {
  const backend = await startOnce(options);
  const { device } = backend.tensorflow;
  const { precision = 'f32', forcePrecision = false } = options;
  if (options.compile === 'eager' && precision !== 'f32') {
    throw new RunError(
      `compile = "eager" computes in f32, but precision is "${precision}"; use compile = "graph"`,
    );
  }
  const resolved = resolvePrecision(
    precision,
    () => narrowUnits(device),
    `this ${device.type}`,
    forcePrecision,
  );
  const { compile = 'auto', deterministic = false, loop = null } = options;
  const mode = deterministic && compile === 'auto' ? 'graph' : compile;
  return new TensorFlowEngine(backend, mode, loop, resolved);
}

/** The one backend of the process. A start that failed may be tried again. */
function startOnce(options: TensorFlowOptions): Promise<TensorFlowBackend> {
  const { files, device = 'auto', intraThreads, interThreads, deterministic = false } = options;
  const key = JSON.stringify([files.folder, device, intraThreads, interThreads]);
  if (started !== null && started.deterministic !== deterministic) {
    throw new RunError(
      `TensorFlow runs in this process with deterministic = ${started.deterministic}, not ${deterministic}; it is set once, before the first op: use a process of its own`,
    );
  }
  if (started !== null && started.key !== key) {
    throw new RunError(
      `TensorFlow runs in this process with ${started.key}, not ${key}; a process has one library and one device`,
    );
  }
  started ??= { key, deterministic, backend: start(options) };
  const { backend } = started;
  backend.catch(() => {
    started = null;
  });
  return backend;
}

/** What the device has for 16-bit numbers, as the system tells it. */
function narrowUnits({ type }: Device): NarrowUnits {
  try {
    if (type === 'CPU') return unitsOfCpu(readFileSync('/proc/cpuinfo', 'utf8'));
    const question = ['--query-gpu=compute_cap', '--format=csv,noheader'];
    const answer = execFileSync('nvidia-smi', question, { encoding: 'utf8', timeout: 10_000 });
    return unitsOfGpu(answer.split('\n')[0] ?? '');
  } catch {
    return { bf16: false, f16: false };
  }
}

async function start({ files, deterministic, ...context }: TensorFlowOptions): Promise<TensorFlowBackend> {
  // Read by the library when the first op runs.
  if (deterministic === true) process.env['TF_DETERMINISTIC_OPS'] = '1';
  const backend = new TensorFlowBackend(new TensorFlow(await openLibrary(files), context));
  registerTensorFlowKernels(backendName);
  registerGradients();
  registerBackend(backendName, () => backend);
  await engine().setBackend(backendName);
  return backend;
}

class TensorFlowEngine implements Engine, ResourceOwner, StepHost {
  readonly name = 'tensorflow';
  readonly reusesMemory = true;
  readonly version: string;
  readonly narrow: NarrowType | null;
  readonly notes: readonly string[];
  readonly #variables = new Map<string, ResourceVariable>();
  readonly pinned = new Map<string, string>();
  readonly #choices = new Map<string, CompileChoice>();
  #marksIndices = false;
  #running: { readonly clock: DeviceClock; readonly state: StepState } | null = null;

  constructor(
    readonly backend: TensorFlowBackend,
    readonly mode: CompileMode,
    readonly loop: boolean | null,
    precision: ResolvedPrecision,
  ) {
    this.narrow = precision.type;
    this.notes = precision.note === null ? [] : [precision.note];
    const { library, device } = backend.tensorflow;
    this.version = `tensorflow ${library.version} (${device.type.toLowerCase()})`;
  }

  get self(): Engine {
    return this;
  }

  get tensorflow(): TensorFlow {
    return this.backend.tensorflow;
  }

  get needsLossScaling(): boolean {
    return this.computesIn === 'f16';
  }

  get computesIn(): 'f32' | 'bf16' | 'f16' {
    if (this.narrow === null) return 'f32';
    return this.narrow === tf.f16 ? 'f16' : 'bf16';
  }

  marksIndices(): void {
    this.#marksIndices = true;
  }

  get meaningOfNaN(): string | null {
    return this.#marksIndices
      ? 'an index that the step computes may be outside of its table, which compile = "xla" shows as NaN: compile = "graph" names it'
      : null;
  }

  get ways(): Readonly<Record<string, string>> {
    return Object.fromEntries([
      // A step that has not run since is still to be run as it was.
      ...this.pinned,
      ...[...this.#choices].flatMap(([key, { settled }]) =>
        settled === null ? [] : [[key, settled] as const],
      ),
    ]);
  }

  pin(ways: Readonly<Record<string, string>>): void {
    for (const [key, way] of Object.entries(ways)) {
      wayNamed(way);
      this.pinned.set(key, way);
    }
  }

  remember(key: string, choice: CompileChoice): void {
    this.#choices.set(key, choice);
  }

  get traces(): boolean {
    return this.mode !== 'eager';
  }

  /** XLA has no kernels for sequences, 16 bits no form of them; on other devices they were not tried. */
  get fusesSequences(): boolean {
    return this.mode !== 'xla' && this.narrow === null && this.tensorflow.device.type === 'CPU';
  }

  get inStep(): boolean {
    return this.#running !== null;
  }

  variable(path: string, initial: HostTensor): StateVariable {
    if (this.#variables.has(path)) throw new Error(`two variables have the path \`${path}\``);
    const variable = new ResourceVariable(this, path, initial);
    this.#variables.set(path, variable);
    return variable;
  }

  compile(name: string, body: StepBody, expected = 0, watch?: Watch, oneByOne = false): TensorFlowStep {
    return new TensorFlowStep(this, name, body, expected, watch, oneByOne);
  }

  during<T>(clock: DeviceClock, state: StepState, body: () => T): T {
    useBackend(backendName);
    this.#running = { clock, state };
    try {
      return body();
    } finally {
      this.#running = null;
    }
  }

  #state(what: string): { readonly clock: DeviceClock; readonly state: StepState } {
    if (this.#running === null) throw new Error(`${what} outside of a step`);
    return this.#running;
  }

  read(variable: ResourceVariable): Tensor {
    return this.#state(`variable \`${variable.path}\` was read`).state.read(variable);
  }

  assign(variable: ResourceVariable, value: Tensor): void {
    this.#state(`variable \`${variable.path}\` was assigned`).state.assign(variable, value);
  }

  updateInPlace(update: InPlaceUpdate): void {
    const { state } = this.#state(`variable \`${update.weight.path}\` was changed`);
    if (state.atEndOnly) {
      assignUpdate(update);
      return;
    }
    const { op, variables, inputs, attributes = {} } = inPlaceOp(update);
    const own = variables.map((variable) => {
      if (!(variable instanceof ResourceVariable))
        throw new Error(`\`${variable.path}\` is of another engine`);
      return variable;
    });
    state.change(op, own, inputs, attributes);
  }

  forget(variable: ResourceVariable): void {
    this.#variables.delete(variable.path);
  }

  differentiate<T>(
    body: () => { readonly objectives: readonly Scalar[]; readonly result: T },
    by: readonly StateVariable[],
  ) {
    const values = by.map((variable) => variable.read());
    return differentiateTape(body, values);
  }

  uniform(options: DrawOptions): Tensor {
    const { clock } = this.#state(`random numbers \`${options.label}\` were drawn`);
    return this.#drawn((executor) => drawUniform(executor, clock, options));
  }

  normal(options: DrawOptions): Tensor {
    const { clock } = this.#state(`random numbers \`${options.label}\` were drawn`);
    return this.#drawn((executor) => drawNormal(executor, clock, options));
  }

  #drawn(draw: (executor: Executor) => Value): Tensor {
    const { executor } = this.backend;
    return this.backend.tensor(
      executor.tidy(() => draw(executor)),
      'a draw',
    );
  }

  memory(): { readonly tensors: number; readonly bytes: number } {
    const bytes = [...this.#variables.values()].reduce(
      (total, { shape }) => total + 4 * shape.reduce((size, n) => size * n, 1),
      0,
    );
    return { tensors: this.tensorflow.handles, bytes };
  }

  dispose(): void {
    for (const variable of [...this.#variables.values()]) variable.dispose();
  }
}
