/** What flows between ops: a tensor on the device, or an output of an operation of a graph that is being made. */
import type { Address, Output } from './c-api.js';
import type { TfType } from './element-types.js';

export interface EagerValue {
  readonly kind: 'eager';
  readonly handle: Address;
  readonly shape: readonly number[];
  readonly type: TfType;
}

export interface GraphValue {
  readonly kind: 'graph';
  /** The graph that it is part of; values of another graph are none here. */
  readonly graph: object;
  readonly output: Output;
  /** Null where it depends on values. */
  readonly shape: readonly number[] | null;
  readonly type: TfType;
}

export type Value = EagerValue | GraphValue;

export type AttributeValue = number | boolean | string | Uint8Array | readonly number[];

/** Attributes by their names in the op's definition. Types of inputs need not be given. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Typed arrays whose bytes a tensor of some type consists of. */
export type Elements = Float32Array | Int32Array | Uint8Array | BigInt64Array;

/** Runs ops at once, or writes them into a graph. */
export interface Executor {
  /** One op. An input that is a list stands for an op's list of tensors. */
  op(name: string, inputs: readonly (Value | readonly Value[])[], attributes?: Attributes): readonly Value[];
  constant(type: TfType, shape: readonly number[], elements: Elements): Value;
  /** Runs `body`, and frees what it made but for what it returns. */
  tidy<T extends Value | readonly Value[]>(body: () => T): T;
  /**
   * Refuses whole numbers outside of 0 to `count` - 1 before an op sees them: devices pass over those in silence. The op is to take
   * those that are returned.
   */
  requireIndex(value: Value, count: number, refuse: RefuseIndex): RequiredIndex;
}

/** Whole numbers that were looked at. */
export interface RequiredIndex {
  readonly indices: Value;
  /** Where nobody can refuse them, which are inside; null otherwise. */
  readonly inside: Value | null;
}

/** What to say of a whole number that is outside, at that place of the tensor. */
export type RefuseIndex = (index: number, place: number) => Error;

/** Throws for the first whole number outside of 0 to `count` - 1. */
export function checkIndices(indices: ArrayLike<number>, count: number, refuse: RefuseIndex): void {
  for (let place = 0; place < indices.length; place++) {
    const index = indices[place] ?? -1;
    if (index < 0 || index >= count) throw refuse(index, place);
  }
}

/** The only output of an op. */
export function single(
  executor: Executor,
  name: string,
  inputs: readonly (Value | readonly Value[])[],
  attributes: Attributes = {},
): Value {
  const [value] = executor.op(name, inputs, attributes);
  if (value === undefined) throw new Error(`${name} has no output`);
  return value;
}

/** Whether an input stands for an op's list of tensors. */
export function isList(input: Value | readonly Value[]): input is readonly Value[] {
  return Array.isArray(input);
}
