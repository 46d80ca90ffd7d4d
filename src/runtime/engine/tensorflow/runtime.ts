/** The opened library with its context: devices, and ops that run at once. */
import { dims, eagerSetters, setAttributes } from './attributes.js';
import type { Address, NativeLibrary } from './c-api.js';
import { bytesOf, tfType, type TfType } from './element-types.js';
import { OpDefinitions, type OpDefinition } from './op-definitions.js';
import { encode } from './protobuf.js';
import { RunError } from '../../run/run-error.js';
import { check } from './status.js';
import {
  checkIndices,
  isList,
  type Attributes,
  type EagerValue,
  type Elements,
  type Executor,
  type RefuseIndex,
  type RequiredIndex,
  type Value,
} from './values.js';

export interface Device {
  /** As TensorFlow writes it, e.g. `/job:localhost/replica:0/task:0/device:CPU:0`. */
  readonly name: string;
  /** `CPU`, `GPU`. */
  readonly type: string;
}

export interface ContextOptions {
  /** Threads inside one op, and ops side by side; the library's choice (one for each core) unless given. */
  readonly intraThreads?: number | undefined;
  readonly interThreads?: number | undefined;
  /** `cpu`, `gpu` (the first one) or `gpu:1`; the first GPU unless given, or the CPU where there is none. */
  readonly device?: string | undefined;
}

/** `ConfigProto` (tensorflow/core/protobuf/config.proto): threads, soft placement, GPU memory that grows as needed. */
function contextConfig({ intraThreads, interThreads, device = 'auto' }: ContextOptions): Uint8Array {
  const number = /^gpu:(\d+)$/.exec(device)?.[1];
  const gpu = encode([4, true], [5, number]);
  // A GPU that is not asked for is not opened, and keeps its memory for others.
  const count = device === 'cpu' ? encode([1, 'GPU'], [2, 0]) : undefined;
  return encode([1, count], [2, intraThreads], [5, interThreads], [6, gpu], [7, true]);
}

export class TensorFlow implements Executor {
  readonly devices: readonly Device[];
  /** Where steps run: the first GPU, or the CPU. */
  readonly device: Device;
  readonly #definitions: OpDefinitions;
  /** Handles that are alive, for `memory()` and tests that count them. */
  handles = 0;
  /** Functions that the context knows, for the same. */
  functions = 0;
  /** What was made since the innermost `tidy` began. */
  #made: EagerValue[] | null = null;
  readonly #status: Address;
  readonly #context: Address;
  readonly #setters: ReturnType<typeof eagerSetters>;

  constructor(
    readonly library: NativeLibrary,
    options: ContextOptions = {},
  ) {
    const { api } = library;
    this.#status = api.TF_NewStatus();
    this.#setters = eagerSetters(api, this.#status);
    let context: Address = null;
    try {
      context = this.#newContext(options);
      this.#context = context;
      this.devices = this.#listDevices();
      this.device = deviceOf(this.devices, options.device);
      this.#definitions = new OpDefinitions(library);
    } catch (error) {
      // A start that failed may be tried again.
      if (context !== null) api.TFE_DeleteContext(context);
      api.TF_DeleteStatus(this.#status);
      throw error;
    }
  }

  #newContext(given: ContextOptions): Address {
    const { api } = this.library;
    const options = api.TFE_NewContextOptions();
    try {
      const config = contextConfig(given);
      api.TFE_ContextOptionsSetConfig(options, config, config.length, this.#status);
      this.check('configuring TensorFlow');
      const context = api.TFE_NewContext(options, this.#status);
      this.check('starting TensorFlow');
      return context;
    } finally {
      api.TFE_DeleteContextOptions(options);
    }
  }

  get context(): Address {
    return this.#context;
  }

  /** Throws what the last call left in the shared status. */
  check(what: string): void {
    check(this.library.api, this.#status, what);
  }

  /** The status of calls that are made one after another. */
  get status(): Address {
    return this.#status;
  }

  #listDevices(): readonly Device[] {
    const { api } = this.library;
    const list = api.TFE_ContextListDevices(this.#context, this.#status);
    this.check('listing devices');
    try {
      return Array.from({ length: api.TF_DeviceListCount(list) }, (_, index) => {
        const name = api.TF_DeviceListName(list, index, this.#status);
        this.check('naming a device');
        const type = api.TF_DeviceListType(list, index, this.#status);
        this.check('naming a device');
        return { name, type };
      });
    } finally {
      api.TF_DeleteDeviceList(list);
    }
  }

  definition(name: string): OpDefinition {
    const definition = this.#definitions.get(name, this.#status);
    if (definition === undefined) {
      throw new RunError(
        `this TensorFlow (${this.library.version}) has no op ${name}, which the step needs; install a newer one with \`ztrainc engine install\`, or use --engine embedded`,
      );
    }
    return definition;
  }

  /**
   * A tensor in host memory, as the library holds it. Whoever asks frees it with `TF_DeleteTensor`. With `partial` there may be
   * fewer elements than it holds; those after them are left as they are.
   */
  hostTensor(type: TfType, shape: readonly number[], elements: Elements, partial = false): Address {
    const { api } = this.library;
    // A negative or fractional size ends the whole process.
    if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
      throw new Error(`a tensor cannot have the shape [${shape.join(', ')}]`);
    }
    const bytes = shape.reduce((size, n) => size * n, 1) * bytesOf[type];
    if (partial ? elements.byteLength > bytes : elements.byteLength !== bytes) {
      throw new Error(
        `${elements.byteLength} bytes arrived for a tensor of shape [${shape.join(', ')}], which takes ${bytes}`,
      );
    }
    const tensor = api.TF_AllocateTensor(type, dims(shape), shape.length, bytes);
    if (tensor === null) {
      throw new RunError(
        `there is no memory for a tensor of ${bytes} bytes; use a smaller batch or a smaller model`,
      );
    }
    try {
      if (elements.byteLength > 0) this.library.write(api.TF_TensorData(tensor), elements);
      return tensor;
    } catch (error) {
      api.TF_DeleteTensor(tensor);
      throw error;
    }
  }

  /** A tensor on the device; `partial` as for `hostTensor`. */
  constant(type: TfType, shape: readonly number[], elements: Elements, partial = false): EagerValue {
    const { api } = this.library;
    const tensor = this.hostTensor(type, shape, elements, partial);
    try {
      const handle = api.TFE_NewTensorHandle(tensor, this.#status);
      this.check('making a tensor');
      return this.#keep({ kind: 'eager', handle, shape: [...shape], type });
    } finally {
      api.TF_DeleteTensor(tensor);
    }
  }

  tidy<T extends Value | readonly Value[]>(body: () => T): T {
    const before = this.#made;
    const made: EagerValue[] = [];
    this.#made = made;
    let kept: readonly Value[] = [];
    try {
      const result = body();
      kept = isValues(result) ? result : [result];
      return result;
    } finally {
      this.#made = before;
      for (const value of made) {
        if (!kept.includes(value)) this.free(value);
        else before?.push(value);
      }
    }
  }

  /** Executes an op on a thread of its own. The shared status stays free for what the program does meanwhile. */
  async executeInBackground(op: Address, outputs: Address[], what: string): Promise<void> {
    const { api } = this.library;
    const status = api.TF_NewStatus();
    try {
      await this.library.executeInBackground(op, outputs, [outputs.length], status);
      check(api, status, what);
    } finally {
      api.TF_DeleteStatus(status);
    }
  }

  free({ handle }: EagerValue): void {
    this.handles -= 1;
    this.library.api.TFE_DeleteTensorHandle(handle);
  }

  /** Handles that a call returned, with what they hold. Where one cannot be read, none of them stays. */
  adopt(handles: readonly Address[]): readonly EagerValue[] {
    try {
      const values = handles.map((handle) => this.#described(handle));
      return values.map((value) => this.#keep(value));
    } catch (error) {
      for (const handle of handles) this.library.api.TFE_DeleteTensorHandle(handle);
      throw error;
    }
  }

  #described(handle: Address): EagerValue {
    const { api } = this.library;
    const rank = api.TFE_TensorHandleNumDims(handle, this.#status);
    this.check('reading a shape');
    const shape = Array.from({ length: rank }, (_, axis) => {
      const size = Number(api.TFE_TensorHandleDim(handle, axis, this.#status));
      this.check('reading a shape');
      return size;
    });
    return { kind: 'eager', handle, shape, type: tfType(api.TFE_TensorHandleDataType(handle)) };
  }

  #keep(value: EagerValue): EagerValue {
    this.handles += 1;
    this.#made?.push(value);
    return value;
  }

  /** A copy of a tensor's bytes, in `room` where that has their size. */
  download({ handle }: EagerValue, room?: ArrayBuffer): ArrayBuffer {
    const { api } = this.library;
    const tensor = api.TFE_TensorHandleResolve(handle, this.#status);
    this.check('reading a tensor');
    try {
      return this.library.read(api.TF_TensorData(tensor), Number(api.TF_TensorByteSize(tensor)), room);
    } finally {
      api.TF_DeleteTensor(tensor);
    }
  }

  requireIndex(value: Value, count: number, refuse: RefuseIndex): RequiredIndex {
    if (value.kind === 'eager') checkIndices(new Int32Array(this.download(value)), count, refuse);
    return { indices: value, inside: null };
  }

  op(
    name: string,
    inputs: readonly (Value | readonly Value[])[],
    attributes: Attributes = {},
    device: string | null = null,
  ): readonly EagerValue[] {
    const { api } = this.library;
    const definition = this.definition(name);
    const op = api.TFE_NewOp(this.#context, name, this.#status);
    this.check(name);
    try {
      for (const input of inputs) {
        if (isList(input)) {
          api.TFE_OpAddInputList(op, input.map(handleOf), input.length, this.#status);
        } else api.TFE_OpAddInput(op, handleOf(input), this.#status);
        this.check(name);
      }
      setAttributes(this.#setters, op, definition, attributes);
      if (device !== null) {
        api.TFE_OpSetDevice(op, device, this.#status);
        this.check(name);
      }
      // Lists among the outputs are of ops that say how many they split into.
      const outputs: Address[] = new Array<Address>(Math.max(definition.outputs, 1) + 8).fill(null);
      const count = [outputs.length];
      api.TFE_Execute(op, outputs, count, this.#status);
      this.check(name);
      return this.adopt(outputs.slice(0, count[0]));
    } finally {
      api.TFE_DeleteOp(op);
    }
  }
}

/** The first GPU, or the CPU, unless a GPU is asked for. */
function deviceOf(devices: readonly Device[], asked = 'auto'): Device {
  const gpu = devices.find(({ type }) => type === 'GPU');
  if (gpu === undefined && asked.startsWith('gpu')) {
    const found = devices.map(({ name }) => name.replace(/^.*device:/, '')).join(', ');
    throw new RunError(
      `no ${asked} is to be seen: TensorFlow found ${found}; see nvidia-smi, and docs/gpu.md`,
    );
  }
  const device = gpu ?? devices[0];
  if (device === undefined) throw new Error('TensorFlow found no device, not even a CPU');
  return device;
}

function isValues(result: Value | readonly Value[]): result is readonly Value[] {
  return Array.isArray(result);
}

function handleOf(value: Value): Address {
  if (value.kind === 'graph') {
    throw new Error('a value of a graph was used after the graph was made');
  }
  return value.handle;
}
