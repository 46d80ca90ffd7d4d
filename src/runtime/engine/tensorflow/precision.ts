/**
 * Narrow precision as a pass over the graph while it is made: products and convolutions, and what only moves or cuts off their
 * results, are computed in 16 bits; weights, sums, losses, norms and updates stay f32. Which ops are which follows TensorFlow's
 * own lists (tensorflow/core/grappler/optimizers/auto_mixed_precision_lists.h: "allow" and a part of "clear").
 */
import { RunError } from '../../run/run-error.js';
import { tf } from './element-types.js';
import { isList, type AttributeValue, type GraphValue, type Value } from './values.js';

export type NarrowType = typeof tf.bf16 | typeof tf.f16;

/** Computed in 16 bits, whatever comes in. */
const products: ReadonlySet<string> = new Set([
  'MatMul',
  'BatchMatMulV2',
  'Conv2D',
  'Conv2DBackpropInput',
  'Conv2DBackpropFilter',
  'DepthwiseConv2dNative',
  'DepthwiseConv2dNativeBackpropInput',
  'DepthwiseConv2dNativeBackpropFilter',
]);

/** Computed in 16 bits where all that comes in was made in 16 bits: each value of the result is one that came in, or 0. */
const passing: ReadonlySet<string> = new Set([
  'Relu',
  'ReluGrad',
  'LeakyRelu',
  'MaxPool',
  'MaxPoolGrad',
  'Reshape',
  'Transpose',
  'Slice',
]);

type Inputs = readonly (Value | readonly Value[])[];
type Attributes = Readonly<Record<string, AttributeValue>>;
type Add = (name: string, inputs: Inputs, attributes: Attributes) => readonly GraphValue[];

/** Inputs of the passing ops that only choose what passes: rounding does not change their signs. */
const choosing: Readonly<Record<string, number>> = { ReluGrad: 1 };

/** The 16-bit form of an f32 value. */
interface Narrow {
  readonly value: GraphValue;
  /** Whether the f32 value was made of it: it holds no more, and nothing is lost by going on in 16 bits. */
  readonly whole: boolean;
}

/** Rewrites the ops of one graph. */
export class Narrowing {
  readonly #narrow = new Map<bigint | null, Map<number, Narrow>>();

  constructor(private readonly type: NarrowType) {}

  /** The op in 16 bits with its results back in f32, or null where it stays as it is. */
  apply(name: string, inputs: Inputs, attributes: Attributes, add: Add): readonly GraphValue[] | null {
    const floats = inputs.flatMap((input) => (isFloat(input) ? [input] : []));
    if (floats.length === 0) return null;
    if (!products.has(name) && !(passing.has(name) && this.#passes(name, floats))) return null;
    const given = inputs.map((input) => (isFloat(input) ? this.#cast(input, add) : input));
    return add(name, given, attributes).map((result) => {
      if (result.type !== this.type) return result;
      const [wide] = add('Cast', [result], { DstT: tf.f32 });
      if (wide === undefined) throw new Error('Cast has no output');
      this.#remember(wide, { value: result, whole: true });
      return wide;
    });
  }

  /** A value that was only cast for a product has more digits than that cast, which others may count on. */
  #passes(name: string, floats: readonly GraphValue[]): boolean {
    return floats.every((value, index) => {
      const known = this.#known(value);
      return known !== undefined && (known.whole || choosing[name] === index);
    });
  }

  #known({ output }: GraphValue): Narrow | undefined {
    return this.#narrow.get(output.oper)?.get(output.index);
  }

  #remember({ output }: GraphValue, narrow: Narrow): void {
    const outputs = this.#narrow.get(output.oper) ?? new Map<number, Narrow>();
    outputs.set(output.index, narrow);
    this.#narrow.set(output.oper, outputs);
  }

  #cast(value: GraphValue, add: Add): GraphValue {
    const known = this.#known(value);
    if (known !== undefined) return known.value;
    const [made] = add('Cast', [value], { DstT: this.type });
    if (made === undefined) throw new Error('Cast has no output');
    this.#remember(value, { value: made, whole: false });
    return made;
  }
}

function isFloat(input: Value | readonly Value[]): input is GraphValue {
  return !isList(input) && input.kind === 'graph' && input.type === tf.f32;
}

/** What a user asks for. */
export type Precision = 'f32' | 'mixed' | 'bf16' | 'f16';

/** What a device can do in 16 bits faster than in 32. */
export interface NarrowUnits {
  readonly bf16: boolean;
  readonly f16: boolean;
}

/** What the flags of /proc/cpuinfo say. */
export function unitsOfCpu(cpuinfo: string): NarrowUnits {
  const flags = new Set((/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? '').trim().split(/\s+/));
  return {
    bf16: flags.has('avx512_bf16') || flags.has('amx_bf16') || flags.has('avx_ne_convert'),
    f16: flags.has('avx512_fp16') || flags.has('amx_fp16'),
  };
}

/** What a GPU of that compute capability (`8.0`) can do. */
export function unitsOfGpu(capability: string): NarrowUnits {
  const value = Number(capability);
  return { bf16: value >= 8, f16: value >= 7 };
}

/** The type to compute in, null for f32; `note` is for the user to read. */
export interface ResolvedPrecision {
  readonly type: NarrowType | null;
  readonly note: string | null;
}

/**
 * What a precision means on a device, which is asked for its units only where they matter. `mixed` is bf16 where the device has it, else f16, else f32, which it says. Throws for
 * another one that the device has no units for, unless it is forced.
 */
export function resolvePrecision(
  precision: Precision,
  unitsOf: () => NarrowUnits,
  device: string,
  forced: boolean,
): ResolvedPrecision {
  // Asking a GPU starts a process.
  if (precision === 'f32') return { type: null, note: null };
  const units = unitsOf();
  switch (precision) {
    case 'mixed':
      if (units.bf16) return { type: tf.bf16, note: null };
      if (units.f16) return { type: tf.f16, note: null };
      return {
        type: null,
        note: `precision "mixed": ${device} has no units for 16-bit numbers, computing in f32`,
      };
    case 'bf16':
    case 'f16':
      if (!units[precision] && !forced) {
        throw new RunError(
          `precision = "${precision}": ${device} has no units for it and would be slower than in f32; use "mixed" or "f32", or --force-precision`,
        );
      }
      return { type: tf[precision], note: null };
  }
}
