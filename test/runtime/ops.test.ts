/** Values of ops against plain loops and numbers worked out by hand, and what they refuse. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest, nativeUnderTest } from '../engine-under-test.js';
import type { DType, Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { hostUniform } from '../../src/runtime/engine/philox.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Tensor, Tensor3D, Tensor4D } from '../../src/runtime/tensor.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

type Nested = number | boolean | readonly Nested[];

function flat(values: Nested): number[] {
  return typeof values === 'object' ? values.flatMap(flat) : [Number(values)];
}

function shapeOf(values: Nested): number[] {
  return typeof values === 'object' ? [values.length, ...shapeOf(values[0] ?? 0)] : [];
}

function host(values: Nested, dtype: DType = 'f32'): HostTensor {
  const list = flat(values);
  const array =
    dtype === 'f32'
      ? Float32Array.from(list)
      : dtype === 'i32'
        ? Int32Array.from(list)
        : Uint8Array.from(list);
  return { dtype, shape: shapeOf(values), values: array };
}

const i32 = (values: Nested): HostTensor => host(values, 'i32');
const bool = (values: Nested): HostTensor => host(values, 'bool');

async function compute(
  run: (...inputs: Tensor[]) => Tensor,
  ...inputs: readonly HostTensor[]
): Promise<HostTensor> {
  const [output] = await engine
    .compile('probe', (given) => [run(...given)])
    .run(inputs, { seed: 1, step: 0, micro: 0, rowOffset: 0 });
  if (output === undefined) throw new Error('no output');
  return output;
}

async function expectValues(
  run: (...inputs: Tensor[]) => Tensor,
  inputs: readonly HostTensor[],
  wanted: HostTensor,
): Promise<void> {
  const got = await compute(run, ...inputs);
  expect([got.dtype, got.shape]).toEqual([wanted.dtype, wanted.shape]);
  got.values.forEach((value, i) => {
    expect(value, `element ${i} of ${[...got.values].join(' ')}`).toBeCloseTo(
      wanted.values[i] ?? Number.NaN,
      4,
    );
  });
}

async function expectRefusal(
  run: (...inputs: Tensor[]) => Tensor,
  inputs: readonly HostTensor[],
  message: RegExp,
): Promise<void> {
  await expect(compute(run, ...inputs)).rejects.toThrow(message);
}

const x23 = host([
  [1, 2, 3],
  [4, 5, 6],
]);

test('numbers of the host as a tensor', async () => {
  await expectValues((x) => ops.sub<Tensor>(x, ops.vector([0.5, 1])), [host([[1, 2]])], host([[0.5, 1]]));
});

describe('element types', () => {
  test.each<[string, (a: Tensor, b: Tensor) => Tensor, HostTensor, HostTensor, HostTensor]>([
    ['whole numbers stay whole', (a, b) => ops.add(a, b), i32([1, 2]), i32([3, 4]), i32([4, 6])],
    ['division is exact', (a, b) => ops.div(a, b), i32([1, 7]), i32([2, 2]), host([0.5, 3.5])],
    ['whole and f32 meet in f32', (a, b) => ops.mul(a, b), i32([2, 3]), host([0.5, 0.5]), host([1, 1.5])],
    ['truths count as 0 and 1', (a, b) => ops.add(a, b), bool([1, 0]), bool([1, 1]), host([2, 1])],
    ['comparisons give truths', (a, b) => ops.lessEqual(a, b), i32([1, 2]), i32([1, 1]), bool([1, 0])],
    [
      'remainders have the sign of the divisor',
      (a, b) => ops.mod(a, b),
      host([-7, 7]),
      host([3, -3]),
      host([2, -2]),
    ],
    [
      'a choice keeps whole numbers',
      (a, b) => ops.select(ops.greater(a, b), a, b),
      i32([1, 5]),
      i32([2, 2]),
      i32([2, 5]),
    ],
    ['a choice of truths', (a, b) => ops.select(a, b, a), bool([1, 0]), bool([0, 1]), bool([0, 0])],
    ['logic', (a, b) => ops.or(ops.and(a, b), ops.not(a)), bool([1, 1, 0]), bool([1, 0, 0]), bool([1, 0, 1])],
  ])('%s', async (_, run, a, b, wanted) => {
    await expectValues((left, right) => run(left, right), [a, b], wanted);
  });

  test('numbers meet tensors in the tensor’s type where they are whole', async () => {
    await expectValues((x) => ops.add(x, 1), [i32([1])], i32([2]));
    await expectValues((x) => ops.add(x, 0.5), [i32([1])], host([1.5]));
    await expectValues((x) => ops.sub(1, x), [host([3])], host([-2]));
    await expectValues((x) => ops.mul(x, 2), [bool([1])], host([2]));
  });

  test('casts cut towards 0', async () => {
    await expectValues((x) => ops.cast(x, { to: 'i32' }), [host([1.9, -1.9])], i32([1, -1]));
    await expectValues((x) => ops.cast(x, { to: 'bool' }), [host([0, 0.2, -3])], bool([0, 1, 1]));
    await expectValues((x) => ops.cast(x, { to: 'f32' }), [bool([0, 1])], host([0, 1]));
    await expectValues((x) => ops.cast(x, { to: 'u8' }), [host([200.7])], i32([200]));
  });
});

describe('activations', () => {
  const points = [-20, -2, -0.3, -1e-4, 0, 1e-4, 0.3, 2, 20];
  const formulas: Readonly<Record<string, readonly [(x: Tensor) => Tensor, (x: number) => number]>> = {
    relu: [(x) => ops.relu(x), (x) => Math.max(x, 0)],
    leakyRelu: [(x) => ops.leakyRelu(x, { slope: 0.2 }), (x) => (x > 0 ? x : 0.2 * x)],
    elu: [(x) => ops.elu(x), (x) => (x > 0 ? x : Math.expm1(x))],
    selu: [
      (x) => ops.selu(x),
      // Klambauer et al., 2017, section 2: λ01 and α01.
      (x) => 1.0507009873554804934 * (x > 0 ? x : 1.6732632423543772848 * Math.expm1(x)),
    ],
    gelu: [
      (x) => ops.gelu(x),
      (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    ],
    silu: [(x) => ops.silu(x), (x) => x / (1 + Math.exp(-x))],
    sigmoid: [(x) => ops.sigmoid(x), (x) => 1 / (1 + Math.exp(-x))],
    tanh: [(x) => ops.tanh(x), Math.tanh],
    softplus: [(x) => ops.softplus(x), (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
    clamp: [(x) => ops.clamp(x, { low: -1, high: 0.5 }), (x) => Math.min(Math.max(x, -1), 0.5)],
    expm1: [
      (x) => ops.expm1(ops.clamp(x, { low: -5, high: 2 })),
      (x) => Math.expm1(Math.min(Math.max(x, -5), 2)),
    ],
    pow: [(x) => ops.pow(x, 3), (x) => x ** 3],
    round: [(x) => ops.round(x), Math.round],
    sign: [(x) => ops.sign(x), Math.sign],
  };
  test.each(Object.entries(formulas))('%s follows its formula', async (_, [run, formula]) => {
    const got = await compute((x) => run(x), host(points));
    points.forEach((point, i) => {
      const wanted = formula(point);
      const value = got.values[i] ?? Number.NaN;
      expect(Math.abs(value - wanted), `${value} at ${point}, not ${wanted}`).toBeLessThanOrEqual(
        2e-6 * Math.max(Math.abs(wanted), 1e-3) + 1e-7,
      );
    });
  });

  test.each(Object.entries(formulas))('%s lets NaN through', async (_, [run]) => {
    const got = await compute((x) => run(x), host([Number.NaN, 1]));
    expect(got.values[0]).toBeNaN();
  });

  test('halves round to even', async () => {
    await expectValues((x) => ops.round(x), [host([0.5, 1.5, 2.5, -0.5])], host([0, 2, 2, -0]));
  });

  test('softmax sums to 1 along its axis, also for large values', async () => {
    await expectValues(
      (x) => ops.softmax(x, { axis: 0 }),
      [
        host([
          [1000, 0],
          [1000, 0],
        ]),
      ],
      host([
        [0.5, 0.5],
        [0.5, 0.5],
      ]),
    );
    await expectValues((x) => ops.logSoftmax(x), [host([[0, 0]])], host([[-Math.LN2, -Math.LN2]]));
    await expectValues((x) => ops.logSoftmax(x), [host([[1000, 0]])], host([[0, -1000]]));
  });
});

describe('reductions', () => {
  test.each<[string, (x: Tensor) => Tensor, HostTensor]>([
    ['sum of all', (x) => ops.sum(x), host(21)],
    ['sum of rows', (x) => ops.sum(x, { axis: 1 }), host([6, 15])],
    ['sum of columns', (x) => ops.sum(x, { axis: 0 }), host([5, 7, 9])],
    ['mean', (x) => ops.mean(x, { axis: -1 }), host([2, 5])],
    ['largest', (x) => ops.maxOf(x, { axis: 0 }), host([4, 5, 6])],
    ['smallest', (x) => ops.minOf(x), host(1)],
    ['variance', (x) => ops.variance(x, { axis: 1 }), host([2 / 3, 2 / 3])],
    ['std', (x) => ops.std(x, { axis: 0 }), host([1.5, 1.5, 1.5])],
    ['norm', (x) => ops.norm(x, { axis: 1 }), host([Math.sqrt(14), Math.sqrt(77)])],
    ['logSumExp', (x) => ops.logSumExp(x, { axis: 1 }), host([3.40760596, 6.40760596])],
    ['argmax', (x) => ops.argmax(x), i32([2, 2])],
    ['argmin', (x) => ops.argmin(x, { axis: 0 }), i32([0, 0, 0])],
    ['none of the axes', (x) => ops.sum(x, { axis: [] }), x23],
  ])('%s', async (_, run, wanted) => {
    await expectValues((x) => run(x), [x23], wanted);
  });

  test('of whole numbers and truths', async () => {
    await expectValues((x) => ops.mean(x), [bool([1, 0, 1, 1])], host(0.75));
    await expectValues((x) => ops.sum(x), [i32([1, 2])], host(3));
    await expectValues((x) => ops.maxOf(x), [i32([1, 2])], i32(2));
  });

  test('weighted means', async () => {
    await expectValues((x, w) => ops.mean(x, { weight: w }), [x23, host([1, 0])], host(2));
    await expectValues(
      (x, w) => ops.mean(x, { axis: 0, weight: w }),
      [x23, host([1, 3])],
      host([3.25, 4.25, 5.25]),
    );
  });

  test('sums of many values keep their precision', async () => {
    const many: HostTensor = {
      dtype: 'f32',
      shape: [1_000_000],
      values: new Float32Array(1_000_000).fill(0.1),
    };
    const got = await compute((x) => ops.sum(x), many);
    // The embedded engine adds in pairs, TensorFlow in longer runs.
    expect(got.values[0]).toBeCloseTo(100_000.0015, nativeUnderTest ? 0 : 1);
  });

  test('axes apart', async () => {
    await expectValues(
      (x) => ops.sum(x, { axis: [0, 2] }),
      [
        host([
          [
            [1, 2],
            [3, 4],
          ],
          [
            [5, 6],
            [7, 8],
          ],
        ]),
      ],
      host([14, 22]),
    );
  });

  test('in_top counts logits above the label’s', async () => {
    const logits = host([
      [3, 1, 2],
      [3, 1, 2],
      [3, 1, 2],
    ]);
    await expectValues(
      (x, label) => ops.inTop(x, label, { k: 1 }),
      [logits, i32([0, 1, 2])],
      bool([1, 0, 0]),
    );
    await expectValues(
      (x, label) => ops.inTop(x, label, { k: 2 }),
      [logits, i32([0, 1, 2])],
      bool([1, 0, 1]),
    );
  });
});

describe('shapes', () => {
  test.each<[string, (x: Tensor) => Tensor, HostTensor]>([
    [
      'reshape',
      (x) => ops.reshape(x, { shape: [3, -1] }),
      host([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ],
    [
      'transpose',
      (x) => ops.transpose(x),
      host([
        [1, 4],
        [2, 5],
        [3, 6],
      ]),
    ],
    [
      'concat',
      (x) => ops.concat([x, x], { axis: 0 }),
      host([
        [1, 2, 3],
        [4, 5, 6],
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ],
    [
      'stack',
      (x) => ops.stack([x, x]),
      host([
        [
          [1, 1],
          [2, 2],
          [3, 3],
        ],
        [
          [4, 4],
          [5, 5],
          [6, 6],
        ],
      ]),
    ],
    [
      'repeatAxis',
      (x) => ops.repeatAxis(x, { count: 2, axis: 1 }),
      host([
        [1, 1, 2, 2, 3, 3],
        [4, 4, 5, 5, 6, 6],
      ]),
    ],
    [
      'pad',
      (x) =>
        ops.pad(x, {
          by: [
            [0, 1],
            [1, 0],
          ],
          value: 9,
        }),
      host([
        [9, 1, 2, 3],
        [9, 4, 5, 6],
        [9, 9, 9, 9],
      ]),
    ],
    ['slice from the end', (x) => ops.slice(x, [-1]), host([4, 5, 6])],
    [
      'slice a range',
      (x) => ops.slice(x, [null, [1, null]]),
      host([
        [2, 3],
        [5, 6],
      ]),
    ],
    ['slice behind an ellipsis', (x) => ops.slice(x, ['ellipsis', 0]), host([1, 4])],
    [
      'slice to the end',
      (x) => ops.slice(x, ['ellipsis', [0, -1]]),
      host([
        [1, 2],
        [4, 5],
      ]),
    ],
    [
      'zerosLike',
      (x) => ops.zerosLike(x),
      host([
        [0, 0, 0],
        [0, 0, 0],
      ]),
    ],
    ['flatten', (x) => ops.flatten(ops.expandDims(x, { axis: 1 })), x23],
  ])('%s', async (_, run, wanted) => {
    await expectValues((x) => run(x), [x23], wanted);
  });

  test('constants and indices', async () => {
    await expectValues(() => ops.range({ count: 3 }), [], i32([0, 1, 2]));
    await expectValues(() => ops.ones({ shape: [2] }), [], host([1, 1]));
    await expectValues(
      (index) => ops.oneHot(index, { classes: 3 }),
      [i32([2, 0, 1])],
      host([
        [0, 0, 1],
        [1, 0, 0],
        [0, 1, 0],
      ]),
    );
    await expectValues(
      (table, index) => ops.take(table, index),
      [x23, i32([[1], [0]])],
      host([[[4, 5, 6]], [[1, 2, 3]]]),
    );
  });

  test('heads are split and merged', async () => {
    const x = host([
      [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    ]);
    const split = (t: Tensor): Tensor4D =>
      ops.splitHeads(ops.reshape<Tensor3D>(t, { shape: [1, 2, 4] }), { heads: 2 });
    await expectValues(
      split,
      [x],
      host([
        [
          [
            [1, 2],
            [5, 6],
          ],
          [
            [3, 4],
            [7, 8],
          ],
        ],
      ]),
    );
    await expectValues((t) => ops.mergeHeads(split(t)), [x], x);
  });

  test('causal scores leave out what comes later', async () => {
    await expectValues(
      (s) => ops.softmax(ops.causalMask(s)),
      [
        host([
          [0, 5],
          [0, 0],
        ]),
      ],
      host([
        [1, 0],
        [0.5, 0.5],
      ]),
    );
  });
});

describe('products', () => {
  const random = (name: string, shape: readonly number[]): HostTensor => {
    const values = hostUniform(
      1,
      name,
      shape.reduce((a, b) => a * b, 1),
    ).map((value) => value - 0.5);
    return { dtype: 'f32', shape, values };
  };
  const value = (x: HostTensor, ...at: readonly number[]): number => {
    const inside = at.every((index, axis) => index >= 0 && index < (x.shape[axis] ?? 0));
    return inside ? (x.values[at.reduce((so, index, axis) => so * (x.shape[axis] ?? 1) + index, 0)] ?? 0) : 0;
  };
  const expectClose = (got: HostTensor, shape: readonly number[], wanted: readonly number[]): void => {
    expect(got.shape).toEqual(shape);
    const worst = Math.max(...wanted.map((one, i) => Math.abs(one - (got.values[i] ?? Number.NaN))));
    expect(worst).toBeLessThan(1e-4);
  };
  const times = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

  test.each([
    [3, 4, 5, 1],
    [20, 30, 17, 3],
    [2, 3, 2, 4],
  ])('matmul of %i×%i and %i columns, %i times', async (rows, inner, columns, count) => {
    const a = random('a', [count, rows, inner]);
    const b = random('b', [count, inner, columns]);
    const wanted = times(count).flatMap((n) =>
      times(rows).flatMap((i) =>
        times(columns).map((j) =>
          times(inner).reduce((sum, k) => sum + value(a, n, i, k) * value(b, n, k, j), 0),
        ),
      ),
    );
    expectClose(await compute((p, q) => ops.matmul(p, q), a, b), [count, rows, columns], wanted);
    const transposed = await compute((p, q) => ops.matmul(p, ops.transpose(q), { transposeB: true }), a, b);
    expectClose(transposed, [count, rows, columns], wanted);
  });

  const convolutions = [
    [3, 1, 'same', 5, 4],
    [3, 2, 'same', 5, 6],
    [4, 2, 'same', 6, 5],
    [3, 2, 'valid', 6, 7],
    [2, 3, 'same', 15, 12],
    [2, 3, 'same', 7, 5],
    [1, 2, 'same', 5, 4],
    [5, 1, 'same', 3, 3],
  ] as const;
  /** TensorFlow's rule: out = ceil(n / stride) with zeros around, the odd one after; or whole windows only. */
  const place = (n: number, kernel: number, stride: number, padding: string): readonly [number, number] => {
    if (padding === 'valid') return [Math.floor((n - kernel) / stride) + 1, 0];
    const out = Math.ceil(n / stride);
    return [out, Math.floor(Math.max((out - 1) * stride + kernel - n, 0) / 2)];
  };
  const as4 = (x: Tensor): Tensor4D => ops.reshape<Tensor4D>(x, { shape: x.shape });

  test.each(convolutions)(
    'conv2d of kernel %i, stride %i, %s over %i×%i',
    async (kernel, stride, padding, height, width) => {
      const x = random('x', [2, height, width, 2]);
      const w = random('w', [kernel, kernel, 2, 3]);
      const [oh, top] = place(height, kernel, stride, padding);
      const [ow, left] = place(width, kernel, stride, padding);
      const taps = times(kernel).flatMap((i) =>
        times(kernel).flatMap((j) => times(2).map((c) => [i, j, c] as const)),
      );
      const at = times(2).flatMap((n) => times(oh).flatMap((r) => times(ow).map((c) => [n, r, c] as const)));
      const wanted = at.flatMap(([n, r, s]) =>
        times(3).map((f) =>
          taps.reduce(
            (sum, [i, j, c]) =>
              sum + value(x, n, r * stride + i - top, s * stride + j - left, c) * value(w, i, j, c, f),
            0,
          ),
        ),
      );
      expectClose(
        await compute((p, q) => ops.conv2d(as4(p), as4(q), { stride, padding }), x, w),
        [2, oh, ow, 3],
        wanted,
      );

      // Each channel by itself, three filters a channel.
      const each = at.flatMap(([n, r, s]) =>
        times(2).flatMap((c) =>
          times(3).map((f) =>
            taps
              .filter(([, , k]) => k === c)
              .reduce(
                (sum, [i, j]) =>
                  sum + value(x, n, r * stride + i - top, s * stride + j - left, c) * value(w, i, j, c, f),
                0,
              ),
          ),
        ),
      );
      const depthwise = await compute(
        (p, q) => ops.depthwiseConv2d(as4(p), as4(q), { stride, padding }),
        x,
        w,
      );
      expectClose(depthwise, [2, oh, ow, 6], each);

      // Pooling: what lies outside does not count.
      const seen = (n: number, r: number, s: number, c: number): readonly number[] =>
        times(kernel).flatMap((i) =>
          times(kernel).flatMap((j) => {
            const [h, v] = [r * stride + i - top, s * stride + j - left];
            return h >= 0 && h < height && v >= 0 && v < width ? [value(x, n, h, v, c)] : [];
          }),
        );
      const windows = at.flatMap(([n, r, s]) => times(2).map((c) => seen(n, r, s, c)));
      const options = { size: kernel, stride, padding };
      expectClose(
        await compute((p) => ops.maxPool(as4(p), options), x),
        [2, oh, ow, 2],
        windows.map((one) => Math.max(...one)),
      );
      expectClose(
        await compute((p) => ops.avgPool(as4(p), options), x),
        [2, oh, ow, 2],
        windows.map((one) => one.reduce((sum, v) => sum + v, 0) / one.length),
      );
    },
  );

  test.each([
    [4, 2, 'same', 8],
    [3, 2, 'same', 8],
    [3, 1, 'same', 4],
    [3, 2, 'valid', 9],
    [2, 3, 'valid', 12],
    [5, 3, 'same', 12],
  ] as const)(
    'conv2dTranspose of kernel %i, stride %i, %s makes 4 into %i',
    async (kernel, stride, padding, size) => {
      const dy = random('dy', [2, 4, 4, 3]);
      const w = random('w', [kernel, kernel, 2, 3]);
      const [, top] = place(size, kernel, stride, padding);
      const wanted: number[] = new Array(2 * size * size * 2).fill(0);
      for (const n of times(2))
        for (const r of times(4))
          for (const s of times(4))
            for (const i of times(kernel))
              for (const j of times(kernel)) {
                const [h, v] = [r * stride + i - top, s * stride + j - top];
                if (h >= 0 && h < size && v >= 0 && v < size)
                  for (const c of times(2))
                    for (const f of times(3)) {
                      const k = ((n * size + h) * size + v) * 2 + c;
                      wanted[k] = (wanted[k] ?? 0) + value(dy, n, r, s, f) * value(w, i, j, c, f);
                    }
              }
      const got = await compute((p, q) => ops.conv2dTranspose(as4(p), as4(q), { stride, padding }), dy, w);
      expectClose(got, [2, size, size, 2], wanted);
    },
  );
});

describe('what is refused says what arrived', () => {
  test.each<[(...inputs: Tensor[]) => Tensor, readonly HostTensor[], RegExp]>([
    [(a, b) => ops.add(a ?? b, b ?? a), [x23, host([1, 2])], /add got shapes \[2, 3\] and \[2\]/],
    [
      (x) => ops.reshape(x, { shape: [4, 2] }),
      [x23],
      /reshape cannot bring f32\[2, 3\], 6 values, to shape \[4, 2\]/,
    ],
    [(x) => ops.sum(x, { axis: 2 }), [x23], /sum got axis 2, but the tensor has 2 axes/],
    [(x) => ops.sum(x, { axis: [0, -2] }), [x23], /sum got an axis twice/],
    [(x) => ops.squeeze(x, { axis: 0 }), [x23], /squeeze needs size 1 at axis 0/],
    [(x) => ops.matmul(x, x), [x23], /matmul cannot multiply f32\[2, 3\] and f32\[2, 3\]/],
    [(x) => ops.concat([x, ops.transpose(x)]), [x23], /concat along axis -1 got f32\[2, 3\] and f32\[3, 2\]/],
    [(x) => ops.slice(x, [5]), [x23], /slice got index 5 for axis 0 of f32\[2, 3\]/],
    [(x) => ops.relu(x), [i32([1])], /relu needs f32 values, but `x` is i32\[1\]; cast it to f32/],
    [
      (x) => ops.oneHot(x, { classes: 3 }),
      [host([1])],
      /oneHot needs whole numbers, but `index` is f32\[1\]/,
    ],
    [
      (x) => ops.oneHot(x, { classes: 3 }),
      [i32([2, 3])],
      /label 3 at place 1 of .2. is not one of 3 classes \(0 to 2\); correct the data/,
    ],
    [
      (x) => ops.oneHot(x, { classes: 3 }),
      [i32([[0, -1]])],
      /label -1 at place 1 of .1, 2. is not one of 3 classes/,
    ],
    [(x) => ops.not(x), [x23], /not needs bool values, but f32\[2, 3\] arrived/],
    [
      (x) => ops.take(x, ops.cast(x, { to: 'i32' })),
      [host([9])],
      // The native engine says so itself of indices that it computed.
      /index 9 at place 0 of .1. is no row of a table of 1 \(0 to 0\)|indices\[0\] = 9 is not in \[0, 1\)/,
    ],
    [(x) => ops.pad(x, { by: [[1, 1]] }), [x23], /pad needs a pair of whole numbers for each axis/],
    [
      (x) => ops.conv2d(ops.reshape(x, { shape: [1, 1, 2, 3] }), ops.ones({ shape: [3, 3, 2, 1] })),
      [x23],
      /their channels differ/,
    ],
    [
      (x) => ops.maxPool(ops.reshape(x, { shape: [1, 2, 3, 1] }), { size: 4 }),
      [x23],
      /maxPool of size 4 does not fit into f32\[1, 2, 3, 1\]/,
    ],
    [(x) => ops.clamp(x, { low: 1, high: 0 }), [x23], /clamp needs low <= high/],
  ])('%s', async (run, inputs, message) => {
    await expectRefusal(run, inputs, message);
  });
});
