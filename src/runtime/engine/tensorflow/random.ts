/**
 * Random numbers inside of a step: the bits of `../philox.ts`, computed on the device. TensorFlow's own stateless floats differ
 * between its kernels and XLA, its Philox bits don't, so floats are made of bits in the graph.
 */
import { labelHash, seededMicro } from '../philox.js';
import type { DrawOptions, StepClock } from '../engine.js';
import { tf } from './element-types.js';
import { single, type Attributes, type Executor, type Value } from './values.js';

/** The clock of a step on the device. */
export interface DeviceClock {
  /** i32 of 4: the seed's low word, what its high word adds to the key, step, micro. */
  readonly words: Value;
  /** i64: global index of the batch's first row. */
  readonly rowOffset: Value;
}

/** The four words of `DeviceClock.words`. */
export function clockWords({ seed, step, micro }: StepClock): Int32Array {
  return Int32Array.of(seed, Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1), step, micro);
}

class Bits {
  constructor(private readonly executor: Executor) {}

  op(name: string, inputs: readonly (Value | readonly Value[])[], attributes: Attributes = {}): Value {
    return single(this.executor, name, inputs, attributes);
  }

  ints(values: readonly number[]): Value {
    return this.executor.constant(tf.i32, [values.length], Int32Array.from(values));
  }

  int(value: number): Value {
    return this.executor.constant(tf.i32, [], Int32Array.of(value));
  }

  long(value: number): Value {
    return this.executor.constant(tf.i64, [], BigInt64Array.of(BigInt(value)));
  }

  float(value: number): Value {
    return this.executor.constant(tf.f32, [], Float32Array.of(value));
  }

  /** Words `from` to `from + count` of the clock. */
  part(words: Value, from: number, count: number): Value {
    return this.op('Slice', [words, this.ints([from]), this.ints([count])]);
  }
}

/** Where the words of a draw begin: key and counter as u64, and how many words of the first block are not its own. */
interface Place {
  readonly key: Value;
  readonly counter: Value;
  /** Null: none. */
  readonly skip: Value | null;
}

function placeOf(bits: Bits, clock: DeviceClock, { label, seed, shape }: DrawOptions): Place {
  const hash = labelHash(label) | 0;
  if (seed !== undefined) {
    const [low = 0, high = 0] = clockWords({ seed, step: 0, micro: 0, rowOffset: 0 });
    return {
      key: wide(bits, bits.ints([low, hash ^ high]), 1),
      counter: wide(bits, bits.ints([0, 0, 0, seededMicro | 0]), 2),
      skip: null,
    };
  }
  const key = bits.op('BitwiseXor', [bits.part(clock.words, 0, 2), bits.ints([0, hash])]);
  const size = shape.reduce((product, n) => product * n, 1);
  const first = shape[0] ?? 0;
  const rowSize = first === 0 ? 0 : size / first;
  const offset = bits.op('Mul', [clock.rowOffset, bits.long(rowSize)]);
  const block = bits.op('FloorDiv', [offset, bits.long(4)]);
  const words = [bits.op('Bitcast', [block], { type: tf.i32 }), bits.part(clock.words, 2, 2)];
  const skip =
    rowSize % 4 === 0
      ? null
      : bits.op('Cast', [bits.op('FloorMod', [offset, bits.long(4)])], { DstT: tf.i32 });
  return {
    key: wide(bits, key, 1),
    counter: wide(bits, bits.op('ConcatV2', [words, bits.int(0)]), 2),
    skip,
  };
}

/** Pairs of words, low one first, as u64. */
function wide(bits: Bits, words: Value, count: number): Value {
  return bits.op('Bitcast', [bits.op('Reshape', [words, bits.ints([count, 2])])], { type: tf.u64 });
}

/** Uniform numbers from [0, 1), multiples of 2^-24, of a flat shape. */
function uniformStream(bits: Bits, { key, counter }: Place, count: number): Value {
  // Algorithm 1 is Philox.
  const words = bits.op('StatelessRandomUniformFullIntV2', [bits.ints([count]), key, counter, bits.int(1)], {
    dtype: tf.u32,
  });
  const eight = bits.op('Cast', [bits.int(8)], { DstT: tf.u32 });
  const shifted = bits.op('Bitcast', [bits.op('RightShift', [words, eight])], { type: tf.i32 });
  return bits.op('Mul', [bits.op('Cast', [shifted], { DstT: tf.f32 }), bits.float(2 ** -24)]);
}

/** `count` elements after those that are skipped, in the draw's shape. */
function cut(bits: Bits, stream: Value, length: number, skip: Value | null, shape: readonly number[]): Value {
  const count = shape.reduce((product, n) => product * n, 1);
  let own = stream;
  if (skip !== null) {
    // Not a slice: XLA would compile a function anew for each place where one begins.
    const range = bits.op('Range', [bits.int(0), bits.int(count), bits.int(1)]);
    const places = bits.op('AddV2', [range, skip]);
    own = bits.op('GatherV2', [stream, places, bits.int(0)], { batch_dims: 0 });
  } else if (length !== count) own = bits.part(stream, 0, count);
  return bits.op('Reshape', [own, bits.ints(shape)]);
}

export function drawUniform(executor: Executor, clock: DeviceClock, draw: DrawOptions): Value {
  const bits = new Bits(executor);
  const place = placeOf(bits, clock, draw);
  const count = draw.shape.reduce((product, n) => product * n, 1);
  const length = place.skip === null ? count : count + 3;
  return cut(bits, uniformStream(bits, place, length), length, place.skip, draw.shape);
}

/** Box and Muller (1958) on the pairs of elements 2i and 2i + 1. */
export function drawNormal(executor: Executor, clock: DeviceClock, draw: DrawOptions): Value {
  const bits = new Bits(executor);
  const place = placeOf(bits, clock, draw);
  const count = draw.shape.reduce((product, n) => product * n, 1);
  const length = 2 * Math.ceil((place.skip === null ? count : count + 3) / 2);
  const pairs = bits.op('Reshape', [uniformStream(bits, place, length), bits.ints([length / 2, 2])]);
  const column = (index: number): Value =>
    bits.op('Slice', [pairs, bits.ints([0, index]), bits.ints([length / 2, 1])]);
  // 1 - u is in (0, 1], so that the logarithm is finite.
  const log = bits.op('Log', [bits.op('Sub', [bits.float(1), column(0)])]);
  const radius = bits.op('Sqrt', [bits.op('Mul', [log, bits.float(-2)])]);
  const angle = bits.op('Mul', [column(1), bits.float(2 * Math.PI)]);
  const parts = ['Cos', 'Sin'].map((wave) => bits.op('Mul', [radius, bits.op(wave, [angle])]));
  const stream = bits.op('Reshape', [bits.op('ConcatV2', [parts, bits.int(1)]), bits.ints([length])]);
  return cut(bits, stream, length, place.skip, draw.shape);
}
