/** Recurrent layers against plain loops by the formulas of PyTorch's documentation, also with weights in the layouts of PyTorch and Keras. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import { storedWeights, type WeightLayout } from '../../src/runtime/checkpoint/layouts.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { useDrawNames } from '../../src/runtime/engine/current.js';
import * as nn from '../../src/runtime/nn/index.js';
import { attach } from '../../src/runtime/nn/module.js';
import * as ops from '../../src/runtime/ops/index.js';
import { ranked, type Scalar, type Tensor, type Tensor2D, type Tensor3D } from '../../src/runtime/tensor.js';
import { drawLabel, stepContext, withStepContext } from '../../src/runtime/trainer/step-context.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
  useDrawNames(drawLabel);
});

const [rows, steps, inputs, units] = [3, 5, 4, 2];
type Layer = nn.Lstm | nn.Gru | nn.Bidirectional<nn.Lstm> | nn.Bidirectional<nn.Gru>;
type Kind = 'lstm' | 'gru';

const filled = (shape: readonly number[], from: number): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(from + 1.7 * i)),
});

const x = filled([rows, steps, inputs], 3);
/** Gaps at the end, in the middle and at the start; no step of the last row counts. */
const mask: HostTensor = {
  dtype: 'bool',
  shape: [rows, steps],
  values: Uint8Array.of(1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0),
};

let count = 0;
async function outputOf(layer: Layer, withMask: boolean, input = x): Promise<HostTensor> {
  const name = `Recurrent${(count += 1)}`;
  for (const { path, weight } of attach(layer, name))
    weight.bind(engine.variable(path, given.get(weight) ?? weight.initial(3, path)));
  const compiled = engine.compile('probe', ([a, b]) => {
    if (a === undefined || b === undefined) throw new Error('no input');
    const kept = withMask ? ranked<Tensor2D>(b) : null;
    return withStepContext(stepContext(engine, 'probe', 'eval', null), () => [
      layer.call<Tensor>(ranked<Tensor3D>(a), kept),
    ]);
  });
  const [y] = await compiled.run([input, mask], { seed: 5, step: 0, micro: 0, rowOffset: 0 });
  if (y === undefined) throw new Error('no output');
  return y;
}

/** Gradients of the weights, with the mask. */
async function gradientsOf(layer: Layer, input: HostTensor): Promise<readonly HostTensor[]> {
  const name = `Recurrent${(count += 1)}`;
  const variables = attach(layer, name).map(({ path, weight }) => {
    const variable = engine.variable(path, given.get(weight) ?? weight.initial(3, path));
    weight.bind(variable);
    return variable;
  });
  const compiled = engine.compile('gradients', ([a, b]) => {
    if (a === undefined || b === undefined) throw new Error('no input');
    return withStepContext(stepContext(engine, 'gradients', 'eval', null), () => {
      const { gradients } = engine.differentiate(() => {
        const y = layer.call<Tensor>(ranked<Tensor3D>(a), ranked<Tensor2D>(b));
        return { objectives: [ops.sum<Scalar>(ops.square(y))], result: null };
      }, variables);
      return variables.map((variable, at) => gradients[0]?.[at] ?? ops.zerosLike(variable.read()));
    });
  });
  return compiled.run([input, mask], { seed: 5, step: 0, micro: 0, rowOffset: 0 });
}

/** Values that weights get in place of their own first ones. */
const given = new Map<nn.Weight, HostTensor>();

/** A `state_dict` of torch.nn.LSTM or torch.nn.GRU below `rnn`. */
const torchFile = (kind: Kind): ReadonlyMap<string, HostTensor> => {
  const gates = (kind === 'lstm' ? 4 : 3) * units;
  return new Map(
    ['', '_reverse'].flatMap((end, way): [string, HostTensor][] => [
      [`rnn.weight_ih_l0${end}`, filled([gates, inputs], 10 + way)],
      [`rnn.weight_hh_l0${end}`, filled([gates, units], 20 + way)],
      [`rnn.bias_ih_l0${end}`, filled([gates], 30 + way)],
      [`rnn.bias_hh_l0${end}`, filled([gates], 40 + way)],
    ]),
  );
};

function load(layer: Layer, layout: WeightLayout, file: ReadonlyMap<string, HostTensor>): readonly string[] {
  const { weights } = storedWeights(nn.group({ rnn: layer }), layout);
  for (const stored of weights) {
    const found = stored.names.flatMap((name) => file.get(name) ?? [])[0];
    if (found === undefined) throw new Error(`the file lacks ${stored.names.join(' or ')}`);
    expect(found.shape, stored.path).toEqual(stored.shape);
    given.set(stored.weight, stored.place(found));
  }
  return weights.map(({ path }) => path);
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** One direction by the formulas of torch.nn.LSTM and torch.nn.GRU: the states of all steps, and the last. */
function byLoops(
  kind: Kind,
  end: '' | '_reverse',
  kept: (row: number, step: number) => boolean,
  file = torchFile(kind),
): { readonly all: number[][][]; readonly last: number[][] } {
  const values = (name: string): HostTensor['values'] =>
    file.get(`rnn.${name}_l0${end}`)?.values ?? new Float32Array();
  const [wih, whh, bih, bhh] = [
    values('weight_ih'),
    values('weight_hh'),
    values('bias_ih'),
    values('bias_hh'),
  ];
  const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const all = range(rows).map(() => range(steps).map(() => range(units).map(() => 0)));
  const last = range(rows).map((row) => {
    let h = range(units).map(() => 0);
    let c = range(units).map(() => 0);
    for (const step of end === '' ? range(steps) : range(steps).reverse()) {
      if (!kept(row, step)) continue;
      const ofInput = (gate: number, u: number): number =>
        range(inputs).reduce(
          (sum, i) =>
            sum +
            (wih[(gate * units + u) * inputs + i] ?? 0) * (x.values[(row * steps + step) * inputs + i] ?? 0),
          bih[gate * units + u] ?? 0,
        );
      const before = h;
      const ofState = (gate: number, u: number): number =>
        range(units).reduce(
          (sum, j) => sum + (whh[(gate * units + u) * units + j] ?? 0) * (before[j] ?? 0),
          bhh[gate * units + u] ?? 0,
        );
      const gate = (which: number, u: number): number => ofInput(which, u) + ofState(which, u);
      if (kind === 'lstm') {
        c = range(units).map(
          (u) => sigmoid(gate(1, u)) * (c[u] ?? 0) + sigmoid(gate(0, u)) * Math.tanh(gate(2, u)),
        );
        h = range(units).map((u) => sigmoid(gate(3, u)) * Math.tanh(c[u] ?? 0));
      } else {
        h = range(units).map((u) => {
          const [r, z] = [sigmoid(gate(0, u)), sigmoid(gate(1, u))];
          const n = Math.tanh(ofInput(2, u) + r * ofState(2, u));
          return (1 - z) * n + z * (before[u] ?? 0);
        });
      }
      const line = all[row];
      if (line) line[step] = h;
    }
    return h;
  });
  return { all, last };
}

const made = { lstm: nn.lstm, gru: nn.gru };
const always = (): boolean => true;
const inMask = (row: number, step: number): boolean => mask.values[row * steps + step] === 1;

function near(found: HostTensor, wanted: readonly number[], shape: readonly number[]): void {
  expect(found.shape).toEqual(shape);
  expect(found.values).toHaveLength(wanted.length);
  [...found.values].forEach((value, index) => expect(value).toBeCloseTo(wanted[index] ?? Number.NaN, 5));
}

/** What Keras 3.15 gives for the first two rows, in this test's Keras case, by `Bidirectional(LSTM(2, return_sequences=True))` and GRU. */
const fromKeras: Readonly<Record<Kind, readonly number[]>> = {
  lstm: [
    [
      -0.0196, -0.1482, -0.3139, -0.2101, 0.1584, -0.3005, -0.3766, -0.1715, 0.2282, -0.4281, -0.2715,
      -0.0935,
    ],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0566, 0.233, 0.1076, -0.3069, 0, 0, 0, 0],
    [0.1135, 0.1293, 0.0758, 0.0189, 0.1351, 0.1479, 0.0937, 0.0884],
  ].flat(),
  gru: [
    [0.4952, 0.0845, 0.5683, -0.5154, 0.6758, 0.1902, 0.3794, -0.5541, 0.7526, -0.0743, 0.1642, -0.5128],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0506, -0.5065, -0.4179, -0.2381, 0, 0, 0, 0],
    [-0.6827, -0.0752, 0.3178, 0.1422, -0.2758, 0.0231, 0.3656, 0.065],
  ].flat(),
};

describe.each(['lstm', 'gru'] as const)('%s', (kind) => {
  const layer = made[kind];
  test.each([
    ['without a mask', false],
    ['with a mask', true],
  ] as const)('both directions, %s', async (_, masked) => {
    const kept = masked ? inMask : always;
    const [ahead, behind] = [byLoops(kind, '', kept), byLoops(kind, '_reverse', kept)];
    const both = layer({ inputs, units, direction: 'both' });
    load(both, 'torch', torchFile(kind));
    const wanted = ahead.all.flatMap((line, row) =>
      line.flatMap((state, step) => [...state, ...(behind.all[row]?.[step] ?? [])]),
    );
    near(await outputOf(both, masked), wanted, [rows, steps, 2 * units]);
    const last = layer({ inputs, units, direction: 'both', last: true });
    load(last, 'torch', torchFile(kind));
    const ends = ahead.last.flatMap((state, row) => [...state, ...(behind.last[row] ?? [])]);
    near(await outputOf(last, masked), ends, [rows, 2 * units]);
  });

  test.each(['forward', 'backward'] as const)('%s', async (direction) => {
    const one = layer({ inputs, units, direction });
    // PyTorch has no layer that goes backward alone.
    load(one, 'torch', torchFile(kind));
    const file = new Map([...torchFile(kind)].filter(([name]) => !name.endsWith('_reverse')));
    const reversed = new Map([...file].map(([name, tensor]) => [`${name}_reverse`, tensor]));
    const wanted =
      direction === 'forward' ? byLoops(kind, '', inMask) : byLoops(kind, '_reverse', inMask, reversed);
    near(await outputOf(one, true), wanted.all.flat(2), [rows, steps, units]);
  });

  test('Keras has the same shapes, and its gates in the same order', async () => {
    const gates = (kind === 'lstm' ? 4 : 3) * units;
    const bias = kind === 'lstm' ? [gates] : [2, gates];
    const file = new Map(
      ['forward', 'backward'].flatMap((way, index): [string, HostTensor][] => [
        [`rnn.${way}_${kind}.${kind}_cell.kernel`, filled([inputs, gates], 50 + index)],
        [`rnn.${way}_${kind}.${kind}_cell.recurrent_kernel`, filled([units, gates], 60 + index)],
        [`rnn.${way}_${kind}.${kind}_cell.bias`, filled(bias, 70 + index)],
      ]),
    );
    const both = layer({ inputs, units, direction: 'both' });
    expect(load(both, 'keras', file)).toEqual(
      ['forward', 'backward'].flatMap((way) =>
        ['weight', 'recurrent', 'bias'].map((each) => `rnn.${way}.${each}`),
      ),
    );
    // The same weights as PyTorch keeps them: Keras' GRU has update before reset.
    const order = kind === 'lstm' ? [0, 1, 2, 3] : [1, 0, 2];
    const rowOf = (row: number): number => (order[Math.floor(row / units)] ?? 0) * units + (row % units);
    const as = (name: string, shape: readonly number[], at: (row: number, column: number) => number) => {
      const values = file.get(name)?.values ?? new Float32Array();
      const width = shape[1] ?? 1;
      return {
        dtype: 'f32' as const,
        shape,
        values: Float32Array.from(
          { length: gates * width },
          (_, i) => values[at(rowOf(Math.floor(i / width)), i % width)] ?? 0,
        ),
      };
    };
    const torch = new Map(
      ['forward', 'backward'].flatMap((way): [string, HostTensor][] => {
        const end = way === 'forward' ? '' : '_reverse';
        const path = `rnn.${way}_${kind}.${kind}_cell`;
        return [
          [`rnn.weight_ih_l0${end}`, as(`${path}.kernel`, [gates, inputs], (row, i) => i * gates + row)],
          [
            `rnn.weight_hh_l0${end}`,
            as(`${path}.recurrent_kernel`, [gates, units], (row, i) => i * gates + row),
          ],
          [`rnn.bias_ih_l0${end}`, as(`${path}.bias`, [gates], (row) => row)],
          ...(kind === 'gru'
            ? [
                [`rnn.bias_hh_l0${end}`, as(`${path}.bias`, [gates], (row) => gates + row)] as [
                  string,
                  HostTensor,
                ],
              ]
            : []),
        ];
      }),
    );
    const [ahead, behind] = [byLoops(kind, '', inMask, torch), byLoops(kind, '_reverse', inMask, torch)];
    const wanted = ahead.all.flatMap((line, row) =>
      line.flatMap((state, step) => [...state, ...(behind.all[row]?.[step] ?? [])]),
    );
    const found = await outputOf(both, true);
    near(found, wanted, [rows, steps, 2 * units]);
    [...found.values.slice(0, 40)].forEach((value, at) =>
      expect(value).toBeCloseTo(fromKeras[kind][at] ?? Number.NaN, 4),
    );
  });

  test('what a masked step holds does not matter', async () => {
    const spoiled: HostTensor = { ...x, values: Float32Array.from(x.values) };
    const values = spoiled.values;
    for (let at = 0; at < rows * steps; at += 1)
      if (mask.values[at] === 0) values.fill(Number.NaN, at * inputs, (at + 1) * inputs);
    // A module is used in one place.
    const made = (): Layer => {
      const both = layer({ inputs, units, direction: 'both' });
      load(both, 'torch', torchFile(kind));
      return both;
    };
    expect((await outputOf(made(), true, spoiled)).values).toEqual((await outputOf(made(), true)).values);
    const gradients = await gradientsOf(made(), spoiled);
    expect(gradients).toHaveLength(6);
    expect(gradients).toEqual(await gradientsOf(made(), x));
    expect(gradients.every(({ values: each }) => each.some((value) => value !== 0))).toBe(true);
  });

  test('first weights: the state turns without growing, the forget gate begins open', () => {
    const { recurrent, bias } = layer({ inputs, units: 6 });
    const { shape, values } = recurrent.initial(1, 'M.recurrent');
    const width = shape[1] ?? 0;
    for (let a = 0; a < 6; a += 1)
      for (let b = 0; b < 6; b += 1) {
        let product = 0;
        for (let i = 0; i < width; i += 1)
          product += (values[a * width + i] ?? 0) * (values[b * width + i] ?? 0);
        expect(product).toBeCloseTo(a === b ? 1 : 0, 5);
      }
    const first = [...(bias?.initial(1, 'M.bias').values ?? [])];
    expect(first).toEqual(
      kind === 'lstm' ? first.map((_, index) => (index >= 6 && index < 12 ? 1 : 0)) : first.map(() => 0),
    );
    expect(first).toHaveLength(kind === 'lstm' ? 24 : 36);
    expect(layer({ inputs, units, bias: false }).bias).toBeNull();
  });

  test('what it cannot take is told', async () => {
    await expect(outputOf(layer({ inputs: 3, units }), false)).rejects.toThrow(
      `${kind} was made for 3 values`,
    );
    await expect(outputOf(layer({ inputs, units }), true, filled([rows, 4, inputs], 1))).rejects.toThrow(
      `${kind} takes a mask of bool [3, 4], one for each step, got bool [3, 5]`,
    );
    expect(() => layer({ inputs, units: 0 })).toThrow(`${kind} takes a whole number of at least 1 as units`);
  });
});

test('orthogonal columns where a matrix is tall, and of a kernel over all axes but the last', () => {
  const { weight } = nn.conv2d({ inputs: 3, filters: 4, kernel: 2, init: 'orthogonal' });
  const { values } = weight.initial(1, 'M.weight');
  for (let a = 0; a < 4; a += 1)
    for (let b = 0; b < 4; b += 1) {
      let product = 0;
      for (let row = 0; row < 12; row += 1)
        product += (values[row * 4 + a] ?? 0) * (values[row * 4 + b] ?? 0);
      expect(product).toBeCloseTo(a === b ? 1 : 0, 5);
    }
});
