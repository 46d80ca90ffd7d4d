/** State variables on the device: TensorFlow's resource variables, updated in place by the steps. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { DType, HostTensor, StateVariable } from '../engine.js';
import { RunError } from '../../run/run-error.js';
import { elementsFrom } from './backend.js';
import { tf, type TfType } from './element-types.js';
import type { TensorFlow } from './runtime.js';
import type { EagerValue } from './values.js';

/** What a variable asks of its engine. */
export interface ResourceOwner {
  readonly tensorflow: TensorFlow;
  readonly inStep: boolean;
  read(variable: ResourceVariable): Tensor;
  assign(variable: ResourceVariable, value: Tensor): void;
  forget(variable: ResourceVariable): void;
}

let made = 0;

/** The element type that holds a type of the language on the device. */
export function storageType(dtype: DType): TfType {
  return dtype === 'f32' ? tf.f32 : dtype === 'bool' ? tf.bool : tf.i32;
}

/** A host tensor's values as the elements of its storage type. */
export function storedElements({ dtype, values }: HostTensor): Float32Array | Int32Array | Uint8Array {
  switch (dtype) {
    case 'f32':
      return values instanceof Float32Array ? values : Float32Array.from(values);
    case 'bool':
      return Uint8Array.from(values, (value) => (value === 0 ? 0 : 1));
    case 'i32':
    case 'u8':
      return values instanceof Int32Array ? values : Int32Array.from(values);
  }
}

/** What was read from the device, under the type that the language knows it by. */
export function hostTensor(dtype: DType, shape: readonly number[], bytes: ArrayBuffer): HostTensor {
  const elements = elementsFrom(storageType(dtype), bytes);
  return { dtype, shape: [...shape], values: dtype === 'u8' ? Uint8Array.from(elements) : elements };
}

export class ResourceVariable implements StateVariable {
  readonly path: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly type: TfType;
  readonly #owner: ResourceOwner;
  #resource: EagerValue | null;
  /** Whether what it held is gone. */
  #lost = false;

  constructor(owner: ResourceOwner, path: string, initial: HostTensor) {
    this.#owner = owner;
    this.path = path;
    this.dtype = initial.dtype;
    this.shape = [...initial.shape];
    this.type = storageType(initial.dtype);
    const resource = this.#place();
    this.#resource = resource;
    try {
      this.#write(initial);
    } catch (error) {
      owner.tensorflow.free(resource);
      throw error;
    }
  }

  /** A place on the device that nothing else has. */
  #place(): EagerValue {
    const { tensorflow } = this.#owner;
    const attributes = {
      dtype: this.type,
      shape: this.shape,
      shared_name: `ztrain_${process.pid}_${made++}`,
    };
    const [resource] = tensorflow.op('VarHandleOp', [], attributes, tensorflow.device.name);
    if (resource === undefined) throw new Error(`variable \`${this.path}\` was not made`);
    return resource;
  }

  /**
   * Gives up what it holds, for a place of its own with zeros. XLA takes the memory of the variables that it writes before it asks for
   * more; where there is none it has freed theirs, and whoever reads or frees them again ends the process.
   */
  lose(): void {
    // The old handle is left alone for good.
    this.#owner.tensorflow.handles -= 1;
    this.#resource = this.#place();
    this.#lost = true;
    const size = this.shape.reduce((product, n) => product * n, 1);
    this.#write({ dtype: this.dtype, shape: this.shape, values: new Float32Array(size) });
  }

  get resource(): EagerValue {
    if (this.#resource === null) throw new Error(`variable \`${this.path}\` was disposed`);
    return this.#resource;
  }

  read(): Tensor {
    if (!this.#owner.inStep) {
      throw new Error(`variable \`${this.path}\` was read outside of a step; use download between steps`);
    }
    return this.#owner.read(this);
  }

  assign(value: Tensor): void {
    if (!this.#owner.inStep) {
      throw new Error(`variable \`${this.path}\` was assigned outside of a step; use upload between steps`);
    }
    this.#owner.assign(this, value);
  }

  async download(room?: ArrayBuffer): Promise<HostTensor> {
    if (this.#owner.inStep) {
      throw new Error(`variable \`${this.path}\` was downloaded inside a step; use read`);
    }
    if (this.#lost) {
      throw new RunError(
        `variable \`${this.path}\` lost its value when memory ran out; start from a checkpoint`,
      );
    }
    const { tensorflow } = this.#owner;
    const [value] = tensorflow.op('ReadVariableOp', [this.resource], { dtype: this.type });
    if (value === undefined) throw new Error(`variable \`${this.path}\` has no value`);
    try {
      return hostTensor(this.dtype, this.shape, tensorflow.download(value, room));
    } finally {
      tensorflow.free(value);
    }
  }

  upload(values: HostTensor): void {
    if (this.#owner.inStep) {
      throw new Error(`variable \`${this.path}\` was uploaded inside a step; use assign`);
    }
    const { dtype, shape } = values;
    if (storageType(dtype) !== this.type || shape.join() !== this.shape.join()) {
      throw new Error(
        `variable \`${this.path}\` holds ${this.dtype}[${this.shape.join(', ')}], but ${dtype}[${shape.join(', ')}] arrived`,
      );
    }
    this.#write(values);
    this.#lost = false;
  }

  #write(values: HostTensor): void {
    const { tensorflow } = this.#owner;
    const value = tensorflow.constant(this.type, this.shape, storedElements(values));
    try {
      tensorflow.op('AssignVariableOp', [this.resource, value], { dtype: this.type });
    } finally {
      tensorflow.free(value);
    }
  }

  dispose(): void {
    if (this.#resource === null) return;
    const { tensorflow } = this.#owner;
    // The device keeps what a handle names until it is told otherwise.
    const resource = this.#resource;
    this.#resource = null;
    this.#owner.forget(this);
    try {
      tensorflow.op('DestroyResourceOp', [resource], {});
    } finally {
      tensorflow.free(resource);
    }
  }
}
