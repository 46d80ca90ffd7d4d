/** The inputs of several runs of a step, one below the other, as a call of a loop takes them. */
import type { HostTensor, StepRun } from '../engine.js';
import { tf } from './element-types.js';
import { clockWords } from './random.js';
import { storageType, storedElements } from './resource-variable.js';
import type { TracedStep } from './traced-step.js';
import type { Elements, Value } from './values.js';

/** What becomes a tensor on the device. */
export type Given = readonly [type: Value['type'], shape: readonly number[], elements: Elements];

/** Room for one input, or a part of the clock, of as many runs as a loop takes. */
interface Stack {
  readonly type: Value['type'];
  /** With the runs in front. */
  readonly shape: readonly number[];
  readonly elements: Elements;
  /** How many of the elements are of one run. */
  readonly size: number;
}

function stackOf(type: Value['type'], most: number, shape: readonly number[]): Stack {
  const size = shape.reduce((product, n) => product * n, 1);
  return { type, shape: [most, ...shape], elements: arrayOf(type, most * size), size };
}

function arrayOf(type: Value['type'], length: number): Elements {
  switch (type) {
    case tf.f32:
      return new Float32Array(length);
    case tf.i32:
      return new Int32Array(length);
    case tf.i64:
      return new BigInt64Array(length);
    default:
      return new Uint8Array(length);
  }
}

/** Room for as many runs as a loop takes. It is written anew for each call. */
export class StackedRuns {
  readonly #stacks: readonly Stack[];

  constructor({ inputs }: TracedStep, most: number) {
    this.#stacks = [
      ...inputs.map(({ dtype, shape }) => stackOf(storageType(dtype), most, shape)),
      stackOf(tf.i32, most, [4]),
      stackOf(tf.i64, most, []),
    ];
  }

  /** The runs' inputs, then their clocks; only as many elements as there are runs. */
  of(runs: readonly StepRun[]): readonly Given[] {
    runs.forEach(({ inputs, clock }, run) => {
      this.#stacks.forEach((stack, index) => {
        const at = run * stack.size;
        if (index < inputs.length) put(stack, at, inputs[index]);
        else if (stack.elements instanceof BigInt64Array) stack.elements[at] = BigInt(clock.rowOffset);
        else if (stack.elements instanceof Int32Array) stack.elements.set(clockWords(clock), at);
      });
    });
    return this.#stacks.map(({ type, shape, elements, size }) => [
      type,
      shape,
      elements.subarray(0, runs.length * size),
    ]);
  }
}

function put({ elements }: Stack, at: number, input: HostTensor | undefined): void {
  if (input === undefined || elements instanceof BigInt64Array) throw new Error('a run lacks an input');
  elements.set(storedElements(input), at);
}
