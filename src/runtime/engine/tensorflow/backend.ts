/** The tensor library's backend on TensorFlow: holds what its tensors stand for, and runs kernels by the current executor. */
import {
  DataStorage,
  engine,
  KernelBackend,
  type backend_util,
  type DataType,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { dataTypeOf, tf, tfTypeOf } from './element-types.js';
import type { TensorFlow } from './runtime.js';
import type { Elements, EagerValue, Executor, Value } from './values.js';

interface Entry {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** Null until it is first used: most small values are used on the host or in a graph only. */
  value: Value | null;
  readonly elements: Elements | null;
  references: number;
}

export class TensorFlowBackend extends KernelBackend {
  readonly #entries: DataStorage<Entry>;
  #executor: Executor;

  constructor(readonly tensorflow: TensorFlow) {
    super();
    this.#entries = new DataStorage<Entry>(this, engine());
    this.#executor = tensorflow;
  }

  get executor(): Executor {
    return this.#executor;
  }

  /** Runs `body` with another executor: a graph that is being made. */
  with<T>(executor: Executor, body: () => T): T {
    const before = this.#executor;
    this.#executor = executor;
    try {
      return body();
    } finally {
      this.#executor = before;
    }
  }

  /** What a tensor stands for. */
  valueFor(info: TensorInfo): Value {
    const entry = this.#entries.get(info.dataId);
    if (entry.value !== null) return entry.value;
    if (entry.elements === null) throw new Error('a tensor has neither a value nor elements');
    const value = this.#executor.constant(tfTypeOf(entry.dtype), entry.shape, entry.elements);
    // A constant belongs to the graph that it was made in; the elements can be used again elsewhere.
    if (value.kind === 'eager') entry.value = value;
    return value;
  }

  /** The handle of a tensor on the device. */
  eagerOf(info: TensorInfo): EagerValue {
    const value = this.valueFor(info);
    if (value.kind === 'graph') {
      throw new Error('a tensor of a step was used after the step; return it from the step');
    }
    return value;
  }

  /** Takes a value over: it is freed with the tensor. */
  wrap(value: Value, what: string): TensorInfo {
    const { shape } = value;
    if (shape === null) {
      throw new Error(
        `the shape of what ${what} gives depends on values; a step needs shapes that are known ahead`,
      );
    }
    const dataId = {};
    const dtype = dataTypeOf(value.type);
    this.#entries.set(dataId, { shape, dtype, value, elements: null, references: 1 });
    return { dataId, shape: [...shape], dtype };
  }

  /** A tensor of the library for a value. */
  tensor(value: Value, what: string): Tensor {
    return engine().makeTensorFromTensorInfo(this.wrap(value, what));
  }

  /** Another tensor of the same value and shape of its own. */
  reshaped(info: TensorInfo, shape: readonly number[]): TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
  }

  override write(values: backend_util.BackendValues | null, shape: number[], dtype: DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: backend_util.BackendValues | null,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    this.#entries.set(dataId, {
      shape: [...shape],
      dtype,
      value: null,
      elements: elementsOf(values, shape, dtype),
      references: refCount,
    });
  }

  override readSync(dataId: object): Float32Array | Int32Array | Uint8Array {
    const entry = this.#entries.get(dataId);
    if (entry.elements !== null && !(entry.elements instanceof BigInt64Array)) return entry.elements;
    if (entry.value?.kind !== 'eager') {
      throw new Error(
        'a step read the values of a tensor; compute with the tensor instead, or return it from the step',
      );
    }
    return elementsFrom(entry.value.type, this.tensorflow.download(entry.value));
  }

  override read(dataId: object): Promise<Float32Array | Int32Array | Uint8Array> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#entries.has(dataId)) return true;
    const entry = this.#entries.get(dataId);
    entry.references -= 1;
    if (entry.references > 0 && !force) return false;
    if (entry.value?.kind === 'eager') this.tensorflow.free(entry.value);
    this.#entries.delete(dataId);
    return true;
  }

  override incRef(dataId: object): void {
    this.#entries.get(dataId).references += 1;
  }

  override refCount(dataId: object): number {
    return this.#entries.has(dataId) ? this.#entries.get(dataId).references : 0;
  }

  override numDataIds(): number {
    return this.#entries.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {
    // Its tensors are disposed by the library, one by one.
  }
}

/** The bytes of a tensor of an element type, as an array of the language. */
export function elementsFrom(
  type: Value['type'],
  bytes: ArrayBuffer,
): Float32Array | Int32Array | Uint8Array {
  switch (type) {
    case tf.f32:
      return new Float32Array(bytes);
    case tf.i32:
      return new Int32Array(bytes);
    default:
      return new Uint8Array(bytes);
  }
}

function elementsOf(
  values: backend_util.BackendValues | null,
  shape: readonly number[],
  dtype: DataType,
): Elements {
  const size = shape.reduce((product, n) => product * n, 1);
  switch (dtype) {
    case 'float32':
      return values instanceof Float32Array ? values : Float32Array.from(numbers(values, size));
    case 'int32':
      return values instanceof Int32Array ? values : Int32Array.from(numbers(values, size));
    case 'bool':
      return values instanceof Uint8Array
        ? values
        : Uint8Array.from(numbers(values, size), (x) => (x === 0 ? 0 : 1));
    default:
      throw new Error(`tensors of ${dtype} are not part of this language; use f32, i32 or bool`);
  }
}

function numbers(values: backend_util.BackendValues | null, size: number): ArrayLike<number> {
  return values === null ? new Uint8Array(size) : Array.from(values, Number);
}
