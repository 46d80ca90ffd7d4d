import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { useDrawNames } from '../../src/runtime/engine/current.js';
import * as nn from '../../src/runtime/nn/index.js';
import { attach, type Part } from '../../src/runtime/nn/module.js';
import { ranked, type Tensor, type Tensor2D, type Tensor4D } from '../../src/runtime/tensor.js';
import {
  drawLabel,
  stepContext,
  withStepContext,
  type Mode,
} from '../../src/runtime/trainer/step-context.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
  useDrawNames(drawLabel);
});

let count = 0;
/** Attaches a model under a fresh name and returns paths below it, with their state. */
function place(model: Part) {
  const name = `Model${(count += 1)}`;
  const weights = attach(model, name);
  for (const { path, weight } of weights)
    weight.bind(engine.variable(path, weight.initial(3, path.replace(name, 'Model'))));
  return new Map(weights.map(({ path, weight }) => [path.slice(name.length + 1), weight]));
}

async function forward(
  body: (x: Tensor) => Tensor,
  x: HostTensor,
  { mode = 'eval', step = 0 }: { readonly mode?: Mode; readonly step?: number } = {},
): Promise<HostTensor> {
  const compiled = engine.compile('probe', ([input]) => {
    if (input === undefined) throw new Error('no input');
    const context = stepContext(engine, 'probe', mode, null);
    return withStepContext(context, () => {
      const y = body(input);
      for (const [variable, value] of context.pending) variable.assign(value);
      return [y];
    });
  });
  const [y] = await compiled.run([x], { seed: 5, step, micro: 0, rowOffset: 0 });
  if (y === undefined) throw new Error('no output');
  return y;
}

const f32 = (shape: readonly number[], at: (index: number) => number = (i) => Math.sin(i)): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
});

describe('names', () => {
  class Block extends nn.Module<[x: Tensor2D], Tensor2D> {
    readonly dense = this.add('dense', nn.dense({ inputs: 2, units: 2, bias: false }));
    protected override forward(x: Tensor2D): Tensor2D {
      return this.dense.call(x);
    }
  }
  class Deep extends nn.Module<[x: Tensor2D], Tensor2D> {
    readonly blocks = this.add(
      'blocks',
      nn.list(2, () => new Block()),
    );
    readonly pair = this.add('pair', nn.group({ a: nn.layerNorm({ inputs: 2 }), b: new Block() }));
    readonly maybe: nn.Dense | null = null;
    protected override forward(x: Tensor2D): Tensor2D {
      let h = x;
      for (const block of this.blocks) h = block.call(h);
      return this.pair.b.call(this.pair.a.call(h));
    }
  }

  test('of lists, groups and layers make the paths of weights', async () => {
    const model = new Deep();
    expect([...place(model).keys()]).toEqual([
      'blocks.0.dense.weight',
      'blocks.1.dense.weight',
      'pair.a.gamma',
      'pair.a.beta',
      'pair.b.dense.weight',
    ]);
    const y = await forward((x) => model.call(ranked<Tensor2D>(x)), f32([3, 2]));
    expect(y.shape).toEqual([3, 2]);
    expect(() => nn.present(model.maybe)).toThrow('does not exist under these params');
    expect(() => model.blocks.at(2)).toThrow('no number 2');
  });

  test('that stand twice, or cannot be read back, are refused', () => {
    class Twice extends nn.Module<[], number> {
      constructor(name: string) {
        super();
        this.add(name, nn.dropout({ rate: 0.1 }));
        this.add(name, nn.dropout({ rate: 0.1 }));
      }
      protected override forward(): number {
        return 0;
      }
    }
    expect(() => new Twice('a')).toThrow('already has a part named a');
    expect(() => new Twice('a.b')).toThrow('cannot name a part');
    const shared = nn.dense({ inputs: 1, units: 1 });
    place(shared);
    expect(() => attach(shared, 'Other')).toThrow('a module cannot be both');
  });

  test('of a module that is another as a whole are those of the other', async () => {
    class Whole extends nn.Module<[x: Tensor2D], Tensor2D> {
      readonly block: Block;
      constructor(before: string | null, after: string | null) {
        super();
        if (before !== null) this.add(before, nn.dropout({ rate: 0.1 }));
        this.block = this.become(new Block());
        if (after !== null) this.add(after, nn.dropout({ rate: 0.1 }));
      }
      protected override forward(x: Tensor2D): Tensor2D {
        return this.block.call(x);
      }
    }
    const model = new Whole(null, null);
    expect([...place(model).keys()]).toEqual(['dense.weight']);
    const y = await forward((x) => model.call(ranked<Tensor2D>(x)), f32([3, 2]));
    expect(y.shape).toEqual([3, 2]);
    expect(() => attach(model.block, 'Other')).toThrow('a module cannot be both');
    expect(() => new Whole('a', null)).toThrow(
      'Whole has parts already; it cannot be another part as a whole',
    );
    expect(() => new Whole(null, 'b')).toThrow('Whole is another part as a whole; b has no place in it');
  });

  test('outside a step nothing runs', () => {
    expect(() => new Deep().call(ranked<Tensor2D>(Object.create(null)))).toThrow('outside a step');
  });
});

describe('initial weights', () => {
  test('depend on seed and path alone', () => {
    const layer = nn.dense({ inputs: 30, units: 40 });
    const first = layer.weight.initial(1, 'M.a.weight').values;
    nn.dense({ inputs: 5, units: 5 });
    expect(nn.dense({ inputs: 30, units: 40 }).weight.initial(1, 'M.a.weight').values).toEqual(first);
    expect(layer.weight.initial(1, 'M.b.weight').values).not.toEqual(first);
    expect(layer.weight.initial(2, 'M.a.weight').values).not.toEqual(first);
  });

  test('more than there is memory for is told by path and size', () => {
    const huge = nn.dense({ inputs: 100_000, units: 100_000_000 });
    expect(() => huge.weight.initial(1, 'M.a.weight')).toThrow(
      'M.a.weight is f32[100000, 100000000] and asks for 38146973 MiB, which cannot be had; use a smaller model',
    );
  });

  const spread = (values: ArrayLike<number>): number => {
    const all = Array.from(values);
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    return Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length);
  };

  test.each([
    ['glorot_uniform', Math.sqrt(2 / 500)],
    ['glorot_normal', Math.sqrt(2 / 500)],
    ['he_normal', Math.sqrt(2 / 200)],
    ['he_uniform', Math.sqrt(2 / 200)],
    ['lecun_normal', Math.sqrt(1 / 200)],
    ['lecun_uniform', Math.sqrt(1 / 200)],
    ['normal_0.02', 0.02],
    ['uniform_0.3', 0.3 / Math.sqrt(3)],
    ['zeros', 0],
  ])('%s has its spread', (init, deviation) => {
    const { values } = nn.dense({ inputs: 200, units: 300, init }).weight.initial(0, 'M.w');
    expect(Math.abs(spread(values) - deviation)).toBeLessThanOrEqual(0.01 * deviation);
  });

  test('an unknown name lists the known', () => {
    expect(() => nn.dense({ inputs: 1, units: 1, init: 'xavier' })).toThrow(
      'there are zeros, ones, glorot_uniform',
    );
  });
});

describe('layers', () => {
  test('dense multiplies over the last axis, of any rank', async () => {
    const layer = nn.dense({ inputs: 3, units: 2 });
    const weights = place(layer);
    const w = (await weights.get('weight')?.variable.download())?.values ?? [];
    for (const shape of [[3], [4, 3], [2, 5, 3]]) {
      const x = f32(shape);
      const y = await forward((input) => layer.call(input), x);
      expect(y.shape).toEqual([...shape.slice(0, -1), 2]);
      for (let row = 0; row < y.values.length / 2; row += 1) {
        const expected = [0, 1, 2].reduce(
          (sum, i) => sum + (x.values[row * 3 + i] ?? 0) * (w[i * 2 + 1] ?? 0),
          0,
        );
        expect(y.values[row * 2 + 1]).toBeCloseTo(expected, 5);
      }
    }
    await expect(forward((x) => layer.call(x), f32([2, 4]))).rejects.toThrow('dense was made for 3 values');
  });

  test('convolutions keep their shape rules', async () => {
    const image = f32([2, 7, 7, 3]);
    const shapeOf = async (
      layer: nn.Conv2d | nn.Conv2dTranspose | nn.DepthwiseConv2d,
    ): Promise<readonly number[]> => {
      place(layer);
      return (await forward((x) => layer.call(ranked<Tensor4D>(x)), image)).shape;
    };
    expect(await shapeOf(nn.conv2d({ inputs: 3, filters: 4, kernel: 3 }))).toEqual([2, 5, 5, 4]);
    expect(
      await shapeOf(nn.conv2d({ inputs: 3, filters: 4, kernel: 4, stride: 2, padding: 'same' })),
    ).toEqual([2, 4, 4, 4]);
    expect(
      await shapeOf(nn.conv2dTranspose({ inputs: 3, filters: 4, kernel: 4, stride: 2, padding: 'same' })),
    ).toEqual([2, 14, 14, 4]);
    expect(
      await shapeOf(nn.depthwiseConv2d({ inputs: 3, kernel: 3, multiplier: 2, padding: 'same' })),
    ).toEqual([2, 7, 7, 6]);
    await expect(shapeOf(nn.conv2d({ inputs: 2, filters: 4, kernel: 3 }))).rejects.toThrow(
      'conv2d was made for 2',
    );
  });

  test('batch_norm uses the batch while training and its running statistics after', async () => {
    const layer = nn.batchNorm({ inputs: 2, momentum: 0.75, epsilon: 1e-3 });
    const weights = place(layer);
    const x = f32([4, 2], (i) => [1, 10, 2, 20, 3, 30, 4, 60][i] ?? 0);
    const y = await forward((input) => layer.call(input), x, { mode: 'train' });
    // Channel 0: mean 2.5, population variance 1.25; channel 1: mean 30, variance 350.
    expect(y.values[0]).toBeCloseTo(-1.5 / Math.sqrt(1.25 + 1e-3), 5);
    expect(y.values[7]).toBeCloseTo(30 / Math.sqrt(350 + 1e-3), 5);
    const mean = (await weights.get('mean')?.variable.download())?.values ?? [];
    const variance = (await weights.get('variance')?.variable.download())?.values ?? [];
    expect([...mean]).toEqual([0.625, 7.5]);
    expect(variance[0]).toBeCloseTo(0.75 + 0.25 * 1.25, 6);
    expect(variance[1]).toBeCloseTo(0.75 + 0.25 * 350, 4);
    const evaluated = await forward((input) => layer.call(input), x);
    expect(evaluated.values[0]).toBeCloseTo((1 - 0.625) / Math.sqrt(1.0625 + 1e-3), 5);
  });

  test('two calls in one step move the running statistics twice', async () => {
    const layer = nn.batchNorm({ inputs: 1, momentum: 0.5 });
    const weights = place(layer);
    const x = f32([2, 1], (i) => [2, 6][i] ?? 0);
    await forward((input) => (layer.call(input), layer.call(input)), x, { mode: 'train' });
    expect((await weights.get('mean')?.variable.download())?.values[0]).toBeCloseTo(0.5 * 2 + 0.5 * 4, 6);
  });

  test('layer_norm and rms_norm normalize each row', async () => {
    const x = f32([2, 4], (i) => (i + 1) ** 2);
    const normed = nn.layerNorm({ inputs: 4 });
    place(normed);
    const y = [...(await forward((input) => normed.call(input), x)).values.slice(0, 4)];
    expect(y.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
    expect(y.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 4);
    const rms = nn.rmsNorm({ inputs: 4 });
    place(rms);
    const z = [...(await forward((input) => rms.call(input), x)).values.slice(4)];
    expect(z.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 4);
  });

  test('dropout keeps the mean while training, and everything after', async () => {
    const layer = nn.dropout({ rate: 0.25 });
    place(layer);
    const x = f32([100, 100], () => 1);
    const first = await forward((input) => layer.call(input), x, { mode: 'train' });
    const values = [...first.values];
    expect(values.reduce((a, b) => a + b, 0) / 1e4).toBeCloseTo(1, 1);
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect((await forward((input) => layer.call(input), x)).values).toEqual(x.values);
    const again = await forward((input) => layer.call(input), x, { mode: 'train' });
    expect(again.values).toEqual(first.values);
    const next = await forward((input) => layer.call(input), x, { mode: 'train', step: 1 });
    expect(next.values).not.toEqual(first.values);
    const view = await forward((input) => layer.as('other').call(input), x, { mode: 'train' });
    expect(view.values).not.toEqual(first.values);
    expect(() => nn.dropout({ rate: 1 })).toThrow('from 0 to below 1, got 1');
  });

  test('embedding looks rows up', async () => {
    const layer = nn.embedding({ count: 5, width: 3 });
    const weights = place(layer);
    const table = (await weights.get('weight')?.variable.download())?.values ?? new Float32Array();
    const index: HostTensor = { dtype: 'i32', shape: [2, 2], values: Int32Array.of(4, 0, 1, 4) };
    const y = await forward((input) => layer.call<Tensor>(input), index);
    expect(y.shape).toEqual([2, 2, 3]);
    expect([...y.values.slice(0, 3)]).toEqual([...table.slice(12, 15)]);
  });
});

test('limits hold for layers that are made in code', () => {
  const image = { inputs: 1, filters: 2, kernel: 3 };
  expect(() => nn.conv2d({ ...image, filters: 0 })).toThrow(
    'conv2d takes a whole number of at least 1 as filters',
  );
  expect(() => nn.conv2dTranspose({ ...image, stride: 1.5 })).toThrow(
    'conv2d_transpose takes a whole number',
  );
  expect(() => nn.depthwiseConv2d({ inputs: 1, kernel: 3, multiplier: -1 })).toThrow('as multiplier, got -1');
  for (const layer of [nn.batchNorm, nn.layerNorm, nn.rmsNorm])
    expect(() => layer({ inputs: 2, epsilon: 0 })).toThrow('takes an epsilon above 0, got 0');
});
