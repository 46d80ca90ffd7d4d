/** What kernels work with: tensors on the WebAssembly heap, and other kernels. */
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { getKernel, type NamedAttrMap, type TensorInfo } from '@tensorflow/tfjs-core';

export interface Call {
  readonly inputs: Readonly<Record<string, TensorInfo | undefined>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly heap: Heap;
}

/** One kernel run's view of the heap. Frees what it made, but for the result. */
export class Heap {
  readonly #backend: BackendWasm;
  readonly #made = new Set<TensorInfo>();

  constructor(backend: unknown) {
    if (!(backend instanceof BackendWasm)) {
      throw new Error('a kernel of the WebAssembly engine was called on another one');
    }
    this.#backend = backend;
  }

  /** Room for a result. Its values are whatever was there. */
  make(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): TensorInfo {
    const info = this.#backend.makeOutput([...shape], dtype);
    this.#made.add(info);
    return info;
  }

  /** Runs another kernel. */
  call(
    kernel: string,
    inputs: Readonly<Record<string, TensorInfo>>,
    attributes: NamedAttrMap = {},
  ): TensorInfo {
    const config = getKernel(kernel, 'wasm');
    if (config === undefined) {
      throw new Error(`the WebAssembly engine has no kernel ${kernel}`);
    }
    const made = config.kernelFunc({ inputs: { ...inputs }, backend: this.#backend, attrs: attributes });
    if (Array.isArray(made)) {
      throw new Error(`kernel ${kernel} has several outputs where one is needed`);
    }
    this.#made.add(made);
    return made;
  }

  /** The values, in place. Taken after everything is allocated: the heap moves when it grows. */
  floats(info: TensorInfo): Float32Array {
    const values = this.#backend.typedArrayFromHeap(info);
    if (!(values instanceof Float32Array)) {
      throw new Error(`a kernel needs f32 values, but a ${info.dtype} tensor arrived`);
    }
    return values;
  }

  integers(info: TensorInfo): Int32Array {
    const values = this.#backend.typedArrayFromHeap(info);
    if (!(values instanceof Int32Array)) {
      throw new Error(`a kernel needs i32 values, but a ${info.dtype} tensor arrived`);
    }
    return values;
  }

  /** A copy of a part of the values. */
  part(x: TensorInfo, from: number, shape: readonly number[]): TensorInfo {
    const copy = this.make(shape);
    const to = this.floats(copy);
    to.set(this.floats(x).subarray(from, from + to.length));
    return copy;
  }

  /** Frees these now. */
  free(...infos: readonly TensorInfo[]): void {
    for (const info of infos) {
      this.#made.delete(info);
      this.#backend.disposeData(info.dataId);
    }
  }

  /** Frees everything but the result. */
  release(result: TensorInfo | null): void {
    for (const info of this.#made) {
      if (info !== result) {
        this.#backend.disposeData(info.dataId);
      }
    }
  }
}

export function inputAt(call: Call, name: string): TensorInfo {
  const info = call.inputs[name];
  if (info === undefined) {
    throw new Error(`a kernel lacks its input \`${name}\``);
  }
  return info;
}

export function listAt(call: Call, name: string): readonly number[] {
  const value = call.attributes[name];
  if (typeof value === 'number') {
    return [value];
  }
  if (Array.isArray(value) && value.every((entry): entry is number => typeof entry === 'number')) {
    return value;
  }
  throw new Error(`a kernel lacks its list of numbers \`${name}\``);
}

export function sizeAlong(info: TensorInfo, axis: number): number {
  const size = info.shape[axis];
  if (size === undefined) {
    throw new Error(`a kernel needs axis ${axis} of a tensor of shape [${info.shape.join(', ')}]`);
  }
  return size;
}
