/** Which ops become 16-bit ones, what is cast and how often, and what a precision means on a device. */
import { describe, expect, test, vi } from 'vitest';
import { chooseEngine } from '../../src/runtime/engine/choose.js';
import { tf, type TfType } from '../../src/runtime/engine/tensorflow/element-types.js';
import {
  Narrowing,
  resolvePrecision,
  unitsOfCpu,
  unitsOfGpu,
  type NarrowType,
} from '../../src/runtime/engine/tensorflow/precision.js';
import type { Attributes, GraphValue, Value } from '../../src/runtime/engine/tensorflow/values.js';

/** A graph that only remembers what was asked for. An op's result has the type of its first float, a cast's its own. */
function recording(type: NarrowType) {
  const graph = {};
  const asked: string[] = [];
  let last = 0n;
  const value = (of: TfType): GraphValue => {
    last += 1n;
    return { kind: 'graph', graph, output: { oper: last, index: 0 }, shape: [2, 2], type: of };
  };
  const letter = (of: TfType): string => Object.entries(tf).find(([, number]) => number === of)?.[0] ?? '?';
  const add = (name: string, inputs: readonly (Value | readonly Value[])[], attributes: Attributes) => {
    const given = inputs.flat();
    asked.push(`${name} ${given.map((input) => letter(input.type)).join(' ')}`);
    const floats = given.filter((input) => input.type !== tf.i32);
    const to = attributes['DstT'];
    const result = value(to === tf.f32 || to === type ? to : (floats[0]?.type ?? tf.f32));
    return [result];
  };
  const narrowing = new Narrowing(type);
  const op = (name: string, ...inputs: readonly (Value | readonly Value[])[]): GraphValue => {
    const [first] = narrowing.apply(name, inputs, {}, add) ?? add(name, inputs, {});
    if (first === undefined) throw new Error(`${name} made nothing`);
    return first;
  };
  /** What was asked for since the last time. */
  const since = (): readonly string[] => asked.splice(0);
  return { value, op, since };
}

describe.each(['bf16', 'f16'] as const)('narrowing to %s', (name) => {
  const type = tf[name];

  test('products take what is cast and give f32', () => {
    const { value, op, since } = recording(type);
    const product = op('MatMul', value(tf.f32), value(tf.f32));
    expect(since()).toEqual(['Cast f32', 'Cast f32', `MatMul ${name} ${name}`, `Cast ${name}`]);
    expect(product.type).toBe(tf.f32);
  });

  test.each([
    'BatchMatMulV2',
    'Conv2D',
    'Conv2DBackpropInput',
    'Conv2DBackpropFilter',
    'DepthwiseConv2dNative',
    'DepthwiseConv2dNativeBackpropInput',
    'DepthwiseConv2dNativeBackpropFilter',
  ])('%s is a product, and sizes among its inputs stay whole numbers', (product) => {
    const { value, op, since } = recording(type);
    op(product, value(tf.i32), value(tf.f32), value(tf.f32));
    expect(since()).toEqual(['Cast f32', 'Cast f32', `${product} i32 ${name} ${name}`, `Cast ${name}`]);
  });

  test('each value is cast once, however many ops take it', () => {
    const { value, op, since } = recording(type);
    const x = value(tf.f32);
    const w = value(tf.f32);
    op('MatMul', x, w);
    since();
    op('MatMul', w, x);
    expect(since()).toEqual([`MatMul ${name} ${name}`, `Cast ${name}`]);
    op('Conv2D', x, x);
    expect(since()).toEqual([`Conv2D ${name} ${name}`, `Cast ${name}`]);
    op('MatMul', x, value(tf.f32));
    expect(since()).toEqual(['Cast f32', `MatMul ${name} ${name}`, `Cast ${name}`]);
  });

  test('what follows a product goes on in 16 bits, without casting there and back', () => {
    const { value, op, since } = recording(type);
    const product = op('Conv2D', value(tf.f32), value(tf.f32));
    since();
    const active = op('Relu', product);
    expect(since()).toEqual([`Relu ${name}`, `Cast ${name}`]);
    const pooled = op('MaxPool', active);
    const flat = op('Reshape', pooled, value(tf.i32));
    expect(since()).toEqual([`MaxPool ${name}`, `Cast ${name}`, `Reshape ${name} i32`, `Cast ${name}`]);
    // Nothing is cast for the next product but its weight.
    op('MatMul', flat, value(tf.f32));
    expect(since()).toEqual(['Cast f32', `MatMul ${name} ${name}`, `Cast ${name}`]);
    expect([active, pooled, flat].map((one) => one.type)).toEqual([tf.f32, tf.f32, tf.f32]);
  });

  test('ops that only pass values on stay f32 where something f32 comes in', () => {
    const { value, op, since } = recording(type);
    const product = op('MatMul', value(tf.f32), value(tf.f32));
    since();
    op('Relu', value(tf.f32));
    op('ReluGrad', value(tf.f32), product);
    op('Transpose', value(tf.f32), value(tf.i32));
    expect(since()).toEqual(['Relu f32', 'ReluGrad f32 f32', 'Transpose f32 i32']);
    op('ReluGrad', product, product);
    expect(since()).toEqual([`ReluGrad ${name} ${name}`, `Cast ${name}`]);
  });

  test('what was cast for a product only keeps its digits for all else', () => {
    const { value, op, since } = recording(type);
    const residual = value(tf.f32);
    const product = op('MatMul', residual, value(tf.f32));
    since();
    for (const one of ['Relu', 'Reshape', 'Transpose', 'Slice', 'MaxPool']) op(one, residual);
    op('MaxPoolGrad', residual, residual, product);
    op('ReluGrad', residual, product);
    expect(since()).toEqual([
      'Relu f32',
      'Reshape f32',
      'Transpose f32',
      'Slice f32',
      'MaxPool f32',
      'MaxPoolGrad f32 f32 f32',
      'ReluGrad f32 f32',
    ]);
    // Of what chooses only the sign is looked at.
    op('ReluGrad', product, residual);
    expect(since()).toEqual([`ReluGrad ${name} ${name}`, `Cast ${name}`]);
  });

  test('sums, losses, norms and updates stay f32', () => {
    const { value, op, since } = recording(type);
    const product = op('MatMul', value(tf.f32), value(tf.f32));
    since();
    const names = [
      'AddV2',
      'Sub',
      'Mul',
      'RealDiv',
      'Exp',
      'Log',
      'Softmax',
      'SparseSoftmaxCrossEntropyWithLogits',
      'Sum',
      'Mean',
      'FusedBatchNormV3',
      'ResourceApplyAdam',
      'Sigmoid',
      'Tanh',
      'Rsqrt',
      'L2Loss',
    ];
    for (const one of names) op(one, product, product);
    expect(since()).toEqual(names.map((one) => `${one} f32 f32`));
    // Lists are joined in f32, and products of whole numbers are not narrowed.
    op('ConcatV2', [product, product], value(tf.i32));
    op('MatMul', value(tf.i32), value(tf.i32));
    expect(since()).toEqual(['ConcatV2 f32 f32 i32', 'MatMul i32 i32']);
  });
});

describe('what a device has', () => {
  const cpu = (flags: string): string =>
    `processor\t: 0\nmodel name\t: made up\nflags\t\t: fpu ${flags} sse2\n`;

  test.each([
    ['', { bf16: false, f16: false }],
    ['avx2 f16c avx512f', { bf16: false, f16: false }],
    ['avx512_bf16', { bf16: true, f16: false }],
    ['amx_bf16 amx_tile amx_int8', { bf16: true, f16: false }],
    ['avx_ne_convert', { bf16: true, f16: false }],
    ['avx512_fp16', { bf16: false, f16: true }],
    ['amx_fp16 avx512_bf16', { bf16: true, f16: true }],
  ])('a processor with %j', (flags, units) => {
    expect(unitsOfCpu(cpu(flags))).toEqual(units);
  });

  test('a processor that tells nothing has none', () => {
    expect(unitsOfCpu('')).toEqual({ bf16: false, f16: false });
    expect(unitsOfCpu('Features : fp asimd bf16')).toEqual({ bf16: false, f16: false });
  });

  test.each([
    ['6.1', { bf16: false, f16: false }],
    ['7.0', { bf16: false, f16: true }],
    ['7.5', { bf16: false, f16: true }],
    ['8.0', { bf16: true, f16: true }],
    ['9.0', { bf16: true, f16: true }],
    ['12.0', { bf16: true, f16: true }],
    ['', { bf16: false, f16: false }],
    ['[N/A]', { bf16: false, f16: false }],
  ])('a GPU of compute capability %j', (capability, units) => {
    expect(unitsOfGpu(capability)).toEqual(units);
  });
});

describe('what a precision means', () => {
  const both = () => ({ bf16: true, f16: true });
  const none = () => ({ bf16: false, f16: false });
  const half = () => ({ bf16: false, f16: true });

  test('f32 is f32, and asks nobody for units', () => {
    const units = vi.fn(both);
    expect(resolvePrecision('f32', units, 'this GPU', true)).toEqual({ type: null, note: null });
    expect(units).not.toHaveBeenCalled();
  });

  test('mixed takes bf16, then f16, then f32 and says so', () => {
    expect(resolvePrecision('mixed', both, 'this GPU', false)).toEqual({ type: tf.bf16, note: null });
    expect(resolvePrecision('mixed', half, 'this GPU', false)).toEqual({ type: tf.f16, note: null });
    expect(resolvePrecision('mixed', none, 'this CPU', false)).toEqual({
      type: null,
      note: 'precision "mixed": this CPU has no units for 16-bit numbers, computing in f32',
    });
  });

  test('a type without units is refused, unless it is forced', () => {
    expect(resolvePrecision('f16', half, 'this GPU', false)).toEqual({ type: tf.f16, note: null });
    expect(() => resolvePrecision('bf16', half, 'this GPU', false)).toThrow(
      'precision = "bf16": this GPU has no units for it and would be slower than in f32; use "mixed" or "f32", or --force-precision',
    );
    expect(() => resolvePrecision('f16', none, 'this CPU', false)).toThrow('precision = "f16": this CPU');
    expect(resolvePrecision('bf16', none, 'this CPU', true)).toEqual({ type: tf.bf16, note: null });
  });

  test.each(['bf16', 'f16'] as const)(
    '%s is refused by the embedded engine, which nothing forces',
    async (precision) => {
      await expect(chooseEngine({ engine: 'embedded', precision, forcePrecision: true })).rejects.toThrow(
        `precision = "${precision}": the embedded engine computes in f32 only, also with --force-precision`,
      );
    },
  );
});
