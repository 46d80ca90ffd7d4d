/**
 * The tracing engine of the tests: runs a step on tensors that have shapes but no values and keeps a list of what the step asked
 * for. A step that gives two different lists at two different times has frozen something of the host into itself.
 */
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import {
  engine,
  getKernelsForBackend,
  KernelBackend,
  registerKernel,
  type backend_util,
  type DataType,
  type KernelConfig,
  type NamedTensorInfoMap,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { makeDeviceEngine } from './device-engine.js';
import { createEmbeddedEngine, useBackend } from './embedded.js';
import type { DType, Engine, HostTensor } from './engine.js';

/** One thing that a step asked for. */
export interface TraceNode {
  /**
   * A kernel's name, or `Input`, `Read`, `Assign`, `Draw`, `Constant`, `Output`.
   */
  readonly kernel: string;
  /** Numbers of the values it takes, by name. */
  readonly inputs: Readonly<Record<string, number>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Numbers of the values it makes: the first is 0, and so on through the trace. */
  readonly outputs: readonly number[];
  /** Element type and shape of each output. */
  readonly shapes: readonly string[];
}

export interface SymbolicEngine extends Engine {
  /** What the last step that ran asked for, in order. */
  trace(): readonly TraceNode[];
}

/** What is being traced. One at a time: a step's body is synchronous. */
class Recorder {
  nodes: TraceNode[] = [];
  #numbers = new WeakMap<object, number>();
  #next = 0;
  recording = false;

  start(): void {
    this.nodes = [];
    this.#numbers = new WeakMap();
    this.#next = 0;
    this.recording = true;
  }

  knows(value: TensorInfo): boolean {
    return this.#numbers.has(value.dataId);
  }

  numberOf(value: TensorInfo): number {
    const number = this.#numbers.get(value.dataId);
    if (number === undefined) {
      throw new Error(
        'a step used a tensor that was made outside of it; pass it in as an input or keep it as state',
      );
    }
    return number;
  }

  add(
    kernel: string,
    inputs: Readonly<Record<string, TensorInfo>>,
    attributes: Readonly<Record<string, unknown>>,
    outputs: readonly TensorInfo[],
  ): void {
    if (!this.recording) {
      return;
    }
    const from = Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [name, this.numberOf(value)]),
    );
    const to = outputs.map((output) => {
      const number = this.#next++;
      this.#numbers.set(output.dataId, number);
      return number;
    });
    this.nodes.push({
      kernel,
      inputs: from,
      attributes,
      outputs: to,
      shapes: outputs.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`),
    });
  }
}

/** A device whose tensors have no values. */
class SymbolicBackend extends KernelBackend {
  readonly recorder = new Recorder();
  readonly #counts = new Map<object, number>();

  override write(values: backend_util.BackendValues | null, shape: number[], dtype: DataType): object {
    const info = this.make(shape, dtype);
    if (values !== null) {
      this.recorder.add('Constant', {}, { values: Array.from(values, Number) }, [info]);
    }
    return info.dataId;
  }

  make(shape: readonly number[], dtype: DataType): TensorInfo {
    const dataId = {};
    this.#counts.set(dataId, 1);
    return { dataId, shape: [...shape], dtype };
  }

  override readSync(): never {
    throw new Error('a tensor of the tracing engine has no values; they cannot be read');
  }

  override read(): Promise<never> {
    return Promise.reject(new Error('a tensor of the tracing engine has no values; they cannot be read'));
  }

  override incRef(dataId: object): void {
    this.#counts.set(dataId, this.refCount(dataId) + 1);
  }

  override refCount(dataId: object): number {
    return this.#counts.get(dataId) ?? 0;
  }

  override disposeData(dataId: object, force = false): boolean {
    const count = this.refCount(dataId) - 1;
    if (count > 0 && !force) {
      this.#counts.set(dataId, count);
      return false;
    }
    this.#counts.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.#counts.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {
    this.#counts.clear();
  }
}

let started: Promise<SymbolicBackend> | null = null;

/** Starts the tracing engine. Shapes are learned by running each kernel once on zeros on the embedded engine. */
export async function createSymbolicEngine(): Promise<SymbolicEngine> {
  started ??= start();
  const backend = await started;
  const { recorder } = backend;
  const made = (info: TensorInfo): Tensor => engine().makeTensorFromTensorInfo(info);
  const device = makeDeviceEngine({
    name: 'symbolic',
    version: 'shapes only',
    activate: () => {
      useBackend('symbolic');
    },
    fetch: zerosOf,
    noteStart: () => {
      recorder.start();
    },
    input: (host, index) => {
      const info = backend.make(host.shape, deviceTypeOf(host.dtype));
      recorder.add('Input', {}, { index }, [info]);
      return made(info);
    },
    draw: (kind, { shape, label, seed }) => {
      const info = backend.make(shape, 'float32');
      recorder.add('Draw', {}, { kind, label, seed: seed ?? null }, [info]);
      return made(info);
    },
    noteRead: (path, value) => {
      if (!recorder.knows(value)) {
        recorder.add('Read', {}, { path }, [value]);
      }
    },
    noteAssign: (path, value) => {
      recorder.add('Assign', { value }, { path }, []);
    },
    noteOutputs: (outputs) => {
      outputs.forEach((value, index) => {
        recorder.add('Output', { value }, { index }, []);
      });
      recorder.recording = false;
    },
  });
  return {
    ...device,
    trace: () => recorder.nodes,
    // A variable may first be needed inside a step; its first value is state, not a constant of the step.
    variable: (path, initial) => {
      const { recording } = recorder;
      recorder.recording = false;
      try {
        return device.variable(path, initial);
      } finally {
        recorder.recording = recording;
      }
    },
  };
}

function deviceTypeOf(dtype: DType): DataType {
  return dtype === 'f32' ? 'float32' : dtype === 'bool' ? 'bool' : 'int32';
}

/** Values for what has none: the loop around a step may look at its outputs. */
function zerosOf(tensor: Tensor, dtype: DType): HostTensor {
  const { shape, size } = tensor;
  const values =
    dtype === 'f32' ? new Float32Array(size) : dtype === 'i32' ? new Int32Array(size) : new Uint8Array(size);
  return { dtype, shape: [...shape], values };
}

async function start(): Promise<SymbolicBackend> {
  await createEmbeddedEngine();
  const wasm = engine().findBackend('wasm');
  if (!(wasm instanceof BackendWasm)) {
    throw new Error('the tracing engine needs the embedded engine, which did not start');
  }
  const backend = new SymbolicBackend();
  for (const config of getKernelsForBackend('wasm')) {
    registerKernel(symbolicKernel(config, wasm, backend));
  }
  engine().registerBackend('symbolic', () => backend);
  await engine().setBackend('symbolic');
  return backend;
}

type Shape = Pick<TensorInfo, 'shape' | 'dtype'>;

function symbolicKernel(config: KernelConfig, wasm: BackendWasm, backend: SymbolicBackend): KernelConfig {
  const learned = new Map<string, { readonly several: boolean; readonly outputs: readonly Shape[] }>();
  return {
    kernelName: config.kernelName,
    backendName: 'symbolic',
    kernelFunc: ({ inputs, attrs }) => {
      const given = Object.entries(inputs).flatMap(([name, info]) =>
        info === undefined ? [] : [[name, info] as const],
      );
      const attributes = { ...attrs };
      const key = JSON.stringify([given.map(([name, { shape, dtype }]) => [name, shape, dtype]), attributes]);
      const known = learned.get(key) ?? runOnZeros(config, wasm, given, Array.isArray(inputs), attributes);
      learned.set(key, known);
      const outputs = known.outputs.map(({ shape, dtype }) => backend.make(shape, dtype));
      backend.recorder.add(config.kernelName, Object.fromEntries(given), attributes, outputs);
      const [only] = outputs;
      return known.several || only === undefined ? outputs : only;
    },
  };
}

function runOnZeros(
  config: KernelConfig,
  wasm: BackendWasm,
  given: readonly (readonly [string, TensorInfo])[],
  list: boolean,
  attributes: NonNullable<Parameters<KernelConfig['kernelFunc']>[0]['attrs']>,
): { readonly several: boolean; readonly outputs: readonly Shape[] } {
  const zeros = given.map(([name, { shape, dtype }]) => {
    const info = wasm.makeOutput([...shape], dtype);
    wasm.typedArrayFromHeap(info).fill(0);
    return [name, info] as const;
  });
  const values = zeros.map(([, info]) => info);
  // Kernels of several parts take an array, which the library's types call a map as well; only a cast says so.
  const inputs = list ? (values as unknown as NamedTensorInfoMap) : Object.fromEntries(zeros);
  const made = config.kernelFunc({ inputs, backend: wasm, attrs: attributes });
  const outputs = Array.isArray(made) ? made : [made];
  const shapes = outputs.map(({ shape, dtype }) => ({ shape, dtype }));
  for (const { dataId } of [...outputs, ...zeros.map(([, info]) => info)]) {
    wasm.disposeData(dataId);
  }
  return { several: Array.isArray(made), outputs: shapes };
}
