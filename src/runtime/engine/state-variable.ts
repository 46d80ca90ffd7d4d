/** State variables of the engines that run on tfjs: a kept tensor that a step replaces. */
import { engine, type DataType, type Tensor } from '@tensorflow/tfjs-core';
import type { DType, HostTensor, StateVariable, Values } from './engine.js';
import { counted } from '../../values/counted.js';

/** The library's element type; bytes are widened. */
export function deviceType(dtype: DType): DataType {
  return dtype === 'f32' ? 'float32' : dtype === 'bool' ? 'bool' : 'int32';
}

/** The language's element type of a tensor on the device. */
export function elementType(tensor: Tensor): DType {
  switch (tensor.dtype) {
    case 'float32':
      return 'f32';
    case 'int32':
      return 'i32';
    case 'bool':
      return 'bool';
    default:
      throw new Error(
        `a tensor of ${tensor.dtype} is no value of this language; cast it to float32 or int32`,
      );
  }
}

/** Puts values on the device. The tensor belongs to the scope that is open now. */
export function toDevice(host: HostTensor): Tensor {
  const size = host.shape.reduce((product, n) => product * n, 1);
  if (host.values.length !== size) {
    throw new Error(
      `${counted(host.values.length, 'value')} arrived for shape [${host.shape.join(', ')}], which holds ${size}`,
    );
  }
  return engine().makeTensor(deviceValues(host), [...host.shape], deviceType(host.dtype));
}

function deviceValues({ dtype, values }: HostTensor): Values {
  switch (dtype) {
    case 'f32':
      return values instanceof Float32Array ? values : new Float32Array(values);
    case 'bool':
      return values instanceof Uint8Array
        ? values
        : Uint8Array.from(values, (value) => (value === 0 ? 0 : 1));
    case 'i32':
    case 'u8':
      return values instanceof Int32Array ? values : new Int32Array(values);
  }
}

/** A copy of a tensor's values. */
export function toHost(tensor: Tensor, dtype: DType = elementType(tensor)): HostTensor {
  const read: unknown = engine().readSync(tensor.dataId);
  const shape = [...tensor.shape];
  if (dtype === 'u8' && read instanceof Int32Array) {
    return { dtype, shape, values: new Uint8Array(read) };
  }
  if (read instanceof Float32Array || read instanceof Int32Array || read instanceof Uint8Array) {
    return { dtype, shape, values: read };
  }
  throw new Error(`values of a ${tensor.dtype} tensor cannot be read`);
}

/** What a variable needs to know of its engine. */
export interface VariableOwner {
  /** Whether a step runs now. */
  inStep(): boolean;
  /** Makes the owner's backend the current one. */
  activate(): void;
  /** Takes a value that a step replaced: freed when the step has ended, put back where it failed. */
  retire(variable: DeviceVariable, value: Tensor): void;
  forget(variable: DeviceVariable): void;
  /** Sees each read and assignment. */
  noteRead(variable: DeviceVariable): void;
  noteAssign(variable: DeviceVariable, value: Tensor): void;
  fetch(value: Tensor, dtype: DType): HostTensor;
}

export class DeviceVariable implements StateVariable {
  readonly path: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #owner: VariableOwner;
  #value: Tensor | null;

  constructor(owner: VariableOwner, path: string, initial: HostTensor) {
    this.#owner = owner;
    this.path = path;
    this.dtype = initial.dtype;
    this.shape = [...initial.shape];
    this.#value = engine().keep(engine().tidy(() => toDevice(initial)));
  }

  /** The tensor that holds the value now; the same object until the next `assign`. */
  get value(): Tensor {
    if (this.#value === null) {
      throw new Error(`variable \`${this.path}\` was disposed`);
    }
    return this.#value;
  }

  read(): Tensor {
    if (!this.#owner.inStep()) {
      throw new Error(`variable \`${this.path}\` was read outside of a step; use download between steps`);
    }
    this.#owner.noteRead(this);
    return this.value;
  }

  assign(value: Tensor): void {
    if (!this.#owner.inStep()) {
      throw new Error(`variable \`${this.path}\` was assigned outside of a step; use upload between steps`);
    }
    this.#check(value.dtype, value.shape);
    const before = this.value;
    if (value === before) {
      return;
    }
    // A handle of its own: the step's end frees the one that was given.
    this.#value = engine().keep(value.clone());
    this.#owner.retire(this, before);
    this.#owner.noteAssign(this, this.value);
  }

  download(): Promise<HostTensor> {
    if (this.#owner.inStep()) {
      return Promise.reject(new Error(`variable \`${this.path}\` was downloaded inside a step; use read`));
    }
    return Promise.resolve(this.#owner.fetch(this.value, this.dtype));
  }

  upload(values: HostTensor): void {
    if (this.#owner.inStep()) {
      throw new Error(`variable \`${this.path}\` was uploaded inside a step; use assign`);
    }
    this.#check(deviceType(values.dtype), values.shape);
    this.#owner.activate();
    const before = this.value;
    this.#value = engine().keep(engine().tidy(() => toDevice(values)));
    before.dispose();
  }

  /** Puts back a value that `assign` replaced. */
  restore(value: Tensor): void {
    this.value.dispose();
    this.#value = value;
  }

  dispose(): void {
    if (this.#value !== null) {
      this.#value.dispose();
      this.#value = null;
      this.#owner.forget(this);
    }
  }

  #check(dtype: DataType, shape: readonly number[]): void {
    const wanted = deviceType(this.dtype);
    if (dtype !== wanted || shape.length !== this.shape.length || shape.some((n, i) => n !== this.shape[i])) {
      throw new Error(
        `variable \`${this.path}\` holds a ${wanted} of shape [${this.shape.join(', ')}], but a ${dtype} of shape [${shape.join(', ')}] arrived`,
      );
    }
  }
}
