/** What a kernel gets when it is called, and the words for what it refuses. */
import { tf, type TfType } from './element-types.js';
import { single, type Attributes, type Executor, type Value } from './values.js';

/** A call of a kernel: its inputs as values, its attributes as the ops gave them. */
export class Call {
  constructor(
    readonly kernel: string,
    readonly executor: Executor,
    private readonly inputs: ReadonlyMap<string, Value>,
    private readonly attributes: Readonly<Record<string, unknown>>,
  ) {}

  input(name: string): Value {
    const value = this.inputs.get(name);
    if (value === undefined) throw new Error(`kernel ${this.kernel} needs an input \`${name}\``);
    return value;
  }

  get all(): readonly Value[] {
    return [...this.inputs.values()];
  }

  has(name: string): boolean {
    return this.attributes[name] !== undefined && this.attributes[name] !== null;
  }

  number(name: string): number {
    const value = this.attributes[name];
    if (typeof value !== 'number') {
      throw new Error(`kernel ${this.kernel} needs a number \`${name}\`, but ${typeof value} arrived`);
    }
    return value;
  }

  flag(name: string): boolean {
    return this.attributes[name] === true;
  }

  text(name: string): string {
    const value = this.attributes[name];
    if (typeof value !== 'string') {
      throw new Error(`kernel ${this.kernel} needs a text \`${name}\`, but ${typeof value} arrived`);
    }
    return value;
  }

  numbers(name: string): readonly number[] {
    const value = this.attributes[name];
    if (typeof value === 'number') return [value];
    if (!isNumbers(value)) {
      throw new Error(`kernel ${this.kernel} needs numbers \`${name}\`, but ${typeof value} arrived`);
    }
    return value;
  }

  pairs(name: string): readonly (readonly number[])[] {
    const value = this.attributes[name];
    if (!Array.isArray(value) || !value.every(isNumbers)) {
      throw new Error(`kernel ${this.kernel} needs pairs of numbers \`${name}\``);
    }
    return value;
  }

  op(name: string, inputs: readonly (Value | readonly Value[])[], attributes: Attributes = {}): Value {
    return single(this.executor, name, inputs, attributes);
  }

  /** The first `count` outputs of an op that has several. */
  outputs(
    count: number,
    name: string,
    inputs: readonly (Value | readonly Value[])[],
    attributes: Attributes = {},
  ): readonly Value[] {
    return this.executor.op(name, inputs, attributes).slice(0, count);
  }

  /** Whole numbers that an op takes as a tensor: sizes, axes, places. */
  ints(values: readonly number[]): Value {
    return this.executor.constant(tf.i32, [values.length], Int32Array.from(values));
  }

  int(value: number): Value {
    return this.executor.constant(tf.i32, [], Int32Array.of(value));
  }

  /** A scalar of an element type. */
  scalar(value: number, type: TfType): Value {
    switch (type) {
      case tf.f32:
        return this.executor.constant(type, [], Float32Array.of(value));
      case tf.i32:
        return this.int(value);
      case tf.bool:
        return this.executor.constant(type, [], Uint8Array.of(value === 0 ? 0 : 1));
      default:
        throw new Error(`kernel ${this.kernel} has no number of type ${type}`);
    }
  }

  shapeOf(value: Value): readonly number[] {
    if (value.shape === null) throw new Error(`kernel ${this.kernel} got a value of unknown shape`);
    return value.shape;
  }
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'number');
}

/** What a kernel makes: one value, or several. */
export type Kernel = (call: Call) => Value | readonly Value[];
