/** Totals of vectors: what they are in f64, however rows are cut into batches, and over a checkpoint. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { CompiledStep, Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as arrays from '../../src/runtime/rows/arrays.js';
import * as rows from '../../src/runtime/rows/index.js';
import { mostNumbers, type JoinedHow } from '../../src/runtime/rows/joined.js';
import type { Tensor } from '../../src/runtime/tensor.js';
import { foldEvery, StageTotals, type ConstantTotals } from '../../src/runtime/trainer/totals.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

/** Years and others: spreads far from 0, where squares of f32 have no digits left for them. */
const width = 3;
const value = (row: number, column: number): number =>
  Math.fround(
    column === 0
      ? 20_000 + Math.sin(3 * row)
      : column === 1
        ? 100 * Math.cos(row) - 30
        : ((row * 7) % 11) - 20,
  );

const batchOf = (from: number, count: number, change = (x: number): number => x): HostTensor => ({
  dtype: 'f32',
  shape: [count, width],
  values: Float32Array.from({ length: count * width }, (_, at) =>
    change(value(from + Math.floor(at / width), at % width)),
  ),
});

const cuts: readonly (readonly number[])[] = [
  [37],
  [10, 10, 10, 7],
  [1, 36],
  Array.from({ length: 37 }, () => 1),
];

let stages = 0;
type Metric = (x: Tensor, w: Tensor) => rows.Reduction;

const begin = (): StageTotals => new StageTotals(engine, `joined${(stages += 1)}`);

/** What each value weighs: a third of the rows nothing. */
const weightOf = (x: HostTensor, from: number): HostTensor => ({
  dtype: 'f32',
  shape: [...x.shape],
  values: Float32Array.from(x.values, (_, at) => (from + Math.floor(at / width)) % 3),
});

type Metrics = Readonly<Record<string, Metric>>;

const compiled = new WeakMap<
  StageTotals,
  Map<string, { readonly step: CompiledStep; readonly constants: ConstantTotals }>
>();

/** A step for each shape, made once: a trace of it is used again. */
function stepOf(
  totals: StageTotals,
  inputs: readonly HostTensor[],
  metrics: Metrics,
  fine: boolean | null,
): { readonly step: CompiledStep; readonly constants: ConstantTotals } {
  const steps =
    compiled.get(totals) ??
    new Map<string, { readonly step: CompiledStep; readonly constants: ConstantTotals }>();
  compiled.set(totals, steps);
  const key = JSON.stringify([inputs.map(({ shape }) => shape), fine]);
  const known = steps.get(key);
  if (known !== undefined) return known;
  const constants: ConstantTotals = new Map();
  const step = engine.compile('probe', ([x, w]) => {
    constants.clear();
    if (x === undefined || w === undefined) return [];
    const counts = fine === null ? null : ops.greater(ops.sum(ops.ones({ shape: [1] })), fine ? 0 : 1);
    for (const [name, metric] of Object.entries(metrics))
      totals.record(name, metric(x, w), constants, counts);
    return [];
  });
  const made = { step, constants };
  steps.set(key, made);
  return made;
}

async function add(
  totals: StageTotals,
  inputs: readonly HostTensor[],
  metrics: Metrics,
  fine: boolean | null = null,
): Promise<void> {
  const { step, constants } = stepOf(totals, inputs, metrics, fine);
  await step.run(inputs, { seed: 0, step: 0, micro: 0, rowOffset: 0 });
  await totals.endBatch(constants);
}

async function over(cut: readonly number[], metrics: Metrics): Promise<(name: string) => number> {
  const totals = begin();
  let from = 0;
  for (const count of cut) {
    const x = batchOf(from, count);
    await add(totals, [x, weightOf(x, from)], metrics);
    from += count;
  }
  const finished = await totals.finishEpoch();
  return (name) => finished.get(name) ?? Number.NaN;
}

const column = (at: number): readonly number[] => Array.from({ length: 37 }, (_, row) => value(row, at));
const meanOf = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0) / all.length;
const varianceOf = (all: readonly number[]): number => meanOf(all.map((x) => (x - meanOf(all)) ** 2));

const expected: Readonly<Record<Exclude<JoinedHow, 'last'>, (all: readonly number[]) => number>> = {
  mean: meanOf,
  sum: (all) => meanOf(all) * all.length,
  variance: varianceOf,
  std: (all) => Math.sqrt(varianceOf(all)),
  max_of: (all) => Math.max(...all),
  min_of: (all) => Math.min(...all),
  norm: (all) => Math.sqrt(meanOf(all.map((x) => x * x)) * all.length),
};

const hows: readonly Exclude<JoinedHow, 'last'>[] = [
  'mean',
  'sum',
  'variance',
  'std',
  'max_of',
  'min_of',
  'norm',
];

const near = (found: number, wanted: number): void => {
  expect(Math.abs(found - wanted) / Math.max(1e-3, Math.abs(wanted))).toBeLessThan(2e-5);
};

const whole = [0, 1, 2].flatMap(column);

/** Of each way to join: the number of one column, and of everything. */
const columnOf =
  (how: JoinedHow, at: number, change = (x: Tensor): Tensor => x): Metric =>
  (x) =>
    rows.derive({ m: rows.joined(change(x), { how, axis: [0] }) }, ({ m }) => arrays.at(m, [at]));
const wholes: Metrics = Object.fromEntries(hows.map((how) => [how, (x: Tensor) => rows.joined(x, { how })]));

test.each(cuts.map((cut) => [cut.length, cut] as const))('in %i batches', async (_, cut) => {
  const columns = hows.flatMap((how) => [0, 1, 2].map((at) => [`${how}${at}`, columnOf(how, at)] as const));
  const found = await over(cut, { ...wholes, ...Object.fromEntries(columns) });
  for (const how of hows) {
    near(found(how), expected[how](whole));
    for (const at of [0, 1, 2]) near(found(`${how}${at}`), expected[how](column(at)));
  }
});

test('more batches than are folded at once keep the digits of a deviation far from 0', async () => {
  const totals = begin();
  const count = foldEvery + 5;
  for (let at = 0; at < count; at += 1)
    await add(totals, [batchOf(5 * at, 5), batchOf(0, 1)], { m: columnOf('std', 0) });
  const all = Array.from({ length: 5 * count }, (_, row) => value(row, 0));
  near((await totals.finishEpoch()).get('m') ?? Number.NaN, Math.sqrt(varianceOf(all)));
});

test('a weight of a mean counts by column, and what weighs nothing may be NaN', async () => {
  for (const cut of cuts) {
    const m: Metric = (x, w) => {
      const values = ops.select<Tensor>(ops.greater<Tensor>(w, 0), x, Number.NaN);
      return rows.derive({ m: rows.joined(values, { how: 'mean', axis: [0], weight: w }) }, ({ m: each }) =>
        arrays.at(each, [2]),
      );
    };
    const weights = column(2).map((_, row) => row % 3);
    const sum = column(2).reduce((all, x, row) => all + x * (weights[row] ?? 0), 0);
    near((await over(cut, { m }))('m'), sum / weights.reduce((a, b) => a + b, 0));
  }
});

test('a NaN of a row that counts makes its own column NaN, and only that', async () => {
  for (const place of [0, 36]) {
    const broken = (x: Tensor): Tensor =>
      ops.select<Tensor>(ops.equal<Tensor>(x, value(place, 1)), Number.NaN, x);
    const metrics = hows.flatMap((how) =>
      [0, 1].map((at) => [`${how}${at}`, columnOf(how, at, broken)] as const),
    );
    const found = await over([10, 10, 10, 7], Object.fromEntries(metrics));
    for (const how of hows) {
      expect(found(`${how}1`)).toBeNaN();
      near(found(`${how}0`), expected[how](column(0)));
    }
  }
});

test('what is made of a column without weight is left out; what is NaN by itself, or made of other columns, is not', async () => {
  const totals = begin();
  const columns =
    (compute: (mean: arrays.HostArray) => number, of: (x: Tensor) => Tensor = (x) => x): Metric =>
    (x, w) =>
      rows.derive({ m: rows.joined(of(x), { how: 'mean', axis: [0], weight: w }) }, ({ m }) => compute(m));
  const at =
    (place: number) =>
    (mean: arrays.HostArray): number =>
      mean.values[place] ?? Number.NaN;
  const broken = (x: Tensor): Tensor => ops.log<Tensor>(ops.sub<Tensor>(ops.mul<Tensor>(x, 0), 1));
  const metrics: Metrics = {
    none: columns(at(1)),
    ratio: columns((mean) => at(1)(mean) / at(1)(mean)),
    root: columns((mean) => Math.sqrt(at(1)(mean))),
    all: columns((mean) => arrays.sum(mean)),
    scalar: (x, w) => rows.mean(x, { weight: ops.mul<Tensor>(w, 0) }),
    other: columns(at(0)),
    brokenNone: columns(at(1), broken),
    broken: columns(at(0), broken),
    undefined: columns((mean) => Math.sqrt(-1 - at(0)(mean) ** 2)),
  };
  for (const [from, count] of [
    [0, 20],
    [20, 17],
  ] as const) {
    const x = batchOf(from, count);
    // The second column weighs nothing in any row.
    const w: HostTensor = {
      ...x,
      values: Float32Array.from(x.values, (_, place) => (place % width === 1 ? 0 : 1)),
    };
    await add(totals, [x, w], metrics);
  }
  const found = await totals.finishEpoch();
  expect([...found.keys()]).toEqual(['other', 'broken', 'undefined']);
  near(found.get('other') ?? Number.NaN, meanOf(column(0)));
  expect(found.get('broken')).toBeNaN();
  expect(found.get('undefined')).toBeNaN();
});

test('a batch that is left out adds nothing', async () => {
  const totals = begin();
  const broken = batchOf(5, 4, () => 1e30);
  await add(totals, [batchOf(0, 20), broken], wholes, true);
  await add(totals, [broken, broken], wholes, false);
  await add(totals, [batchOf(20, 17), broken], wholes, true);
  const found = await totals.finishEpoch();
  for (const how of hows) near(found.get(how) ?? Number.NaN, expected[how](whole));
});

test('windows add up to the epoch', async () => {
  const totals = begin();
  const fits = (found: ReadonlyMap<string, number>, from: number, to: number): void => {
    for (const how of hows)
      near(
        found.get(how) ?? Number.NaN,
        expected[how]([0, 1, 2].flatMap((at) => column(at).slice(from, to))),
      );
  };
  await add(totals, [batchOf(0, 20), batchOf(0, 20)], wholes);
  fits(await totals.finishWindow(), 0, 20);
  await add(totals, [batchOf(20, 17), batchOf(20, 17)], wholes);
  fits(await totals.finishWindow(), 20, 37);
  fits(await totals.finishEpoch(), 0, 37);
});

test('totals that were saved in the middle go on to the same bits', async () => {
  const metrics: Metrics = Object.fromEntries(
    hows.map((how) => [
      how,
      (x: Tensor) => rows.derive({ m: rows.joined(x, { how, axis: [0] }) }, ({ m }) => arrays.sum(m)),
    ]),
  );
  const [through, first, second] = [begin(), begin(), begin()];
  for (const totals of [through, first]) {
    await add(totals, [batchOf(0, 9), batchOf(0, 9)], metrics);
    await totals.finishWindow();
    await add(totals, [batchOf(9, 8), batchOf(9, 8)], metrics);
  }
  const saved: unknown = JSON.parse(JSON.stringify(await first.state()));
  second.restore(saved);
  for (const totals of [through, second]) await add(totals, [batchOf(17, 20), batchOf(17, 20)], metrics);
  const [one, other] = [await through.finishEpoch(), await second.finishEpoch()];
  expect([...one.keys()]).toEqual([...hows]);
  expect([...one.values()].every(Number.isFinite)).toBe(true);
  expect(other).toEqual(one);
});

test('a total that is too large, or that changes its shape, says so', async () => {
  const size = mostNumbers + 1;
  const x: HostTensor = { dtype: 'f32', shape: [1, size], values: new Float32Array(size) };
  const joinedAt = (axis: number): Metrics => ({
    m: (given) =>
      rows.derive({ m: rows.joined(given, { how: 'mean', axis: [axis] }) }, ({ m }) => arrays.sum(m)),
  });
  await expect(add(begin(), [x, x], joinedAt(0))).rejects.toThrow(/262145 numbers; at most 262144/);
  const totals = begin();
  await add(totals, [batchOf(0, 4), batchOf(0, 4)], joinedAt(1));
  await expect(add(totals, [batchOf(0, 5), batchOf(0, 5)], joinedAt(1))).rejects.toThrow(
    /same in each batch/,
  );
});

describe('arithmetic on arrays means what it means on tensors', () => {
  const a: HostTensor = { dtype: 'f32', shape: [2, 3], values: Float32Array.from([1, -2, 0.5, 4, 2.5, -1]) };
  const b: HostTensor = { dtype: 'f32', shape: [3], values: Float32Array.from([2, 3, -2]) };
  const host = ({ shape, values }: HostTensor): arrays.HostArray => ({
    shape,
    values: Float64Array.from(values),
  });
  const cases: readonly (readonly [
    string,
    (x: Tensor, y: Tensor) => Tensor,
    (x: arrays.HostArray, y: arrays.HostArray) => arrays.Numbers,
  ])[] = [
    ['add', (x, y) => ops.add(x, y), arrays.add],
    ['sub', (x, y) => ops.sub(y, x), (x, y) => arrays.sub(y, x)],
    ['mul', (x, y) => ops.mul(x, y), arrays.mul],
    ['div', (x, y) => ops.div(x, y), arrays.div],
    ['mod', (x, y) => ops.mod(x, y), arrays.mod],
    ['pow', (x) => ops.pow(x, 2), (x) => arrays.pow(x, 2)],
    ['min', (x, y) => ops.min(x, y), arrays.min],
    ['max', (x, y) => ops.max(x, y), arrays.max],
    ['neg', (x) => ops.neg(x), arrays.neg],
    ['exp', (x) => ops.exp(x), arrays.exp],
    ['expm1', (x) => ops.expm1(x), arrays.expm1],
    ['log', (x) => ops.log(ops.square(x)), (x) => arrays.log(arrays.square(x))],
    ['log1p', (x) => ops.log1p(ops.abs(x)), (x) => arrays.log1p(arrays.abs(x))],
    ['sqrt', (x) => ops.sqrt(ops.abs(x)), (x) => arrays.sqrt(arrays.abs(x))],
    ['rsqrt', (x) => ops.rsqrt(ops.abs(x)), (x) => arrays.rsqrt(arrays.abs(x))],
    ['sigmoid', (x) => ops.sigmoid(x), arrays.sigmoid],
    ['tanh', (x) => ops.tanh(x), arrays.tanh],
    ['floor', (x) => ops.floor(x), arrays.floor],
    ['ceil', (x) => ops.ceil(x), arrays.ceil],
    ['round', (x) => ops.round(x), arrays.round],
    ['sign', (x) => ops.sign(x), arrays.sign],
    ['less', (x, y) => ops.toFloat(ops.less(x, y)), arrays.less],
    ['greaterEqual', (x, y) => ops.toFloat(ops.greaterEqual(x, y)), arrays.greaterEqual],
    ['equal', (x) => ops.toFloat(ops.equal(x, 4)), (x) => arrays.equal(x, 4)],
    ['sum', (x) => ops.sum(x), (x) => arrays.sum(x)],
    ['mean of columns', (x) => ops.mean(x, { axis: [0] }), (x) => arrays.mean(x, { axis: [0] })],
    ['variance of rows', (x) => ops.variance(x, { axis: -1 }), (x) => arrays.variance(x, { axis: -1 })],
    ['std', (x) => ops.std(x), (x) => arrays.std(x)],
    ['maxOf rows', (x) => ops.maxOf(x, { axis: [1] }), (x) => arrays.maxOf(x, { axis: [1] })],
    ['minOf', (x) => ops.minOf(x, { axis: [0, 1] }), (x) => arrays.minOf(x, { axis: [0, 1] })],
    ['norm', (x) => ops.norm(x, { axis: [0] }), (x) => arrays.norm(x, { axis: [0] })],
    ['a place', (x) => ops.slice(x, [1, -1]), (x) => arrays.at(x, [1, -1])],
    [
      'a range',
      (x) => ops.slice(x, ['ellipsis', [1, null]]),
      (x) => arrays.slice(x, ['ellipsis', [1, null]]),
    ],
    ['a row', (x) => ops.slice(x, [1]), (x) => arrays.slice(x, [1])],
  ];
  test.each(cases)('%s', async (_name, onDevice, onHost) => {
    const step = engine.compile('probe', ([x, y]) =>
      x === undefined || y === undefined ? [] : [onDevice(x, y)],
    );
    const [device] = await step.run([a, b], { seed: 0, step: 0, micro: 0, rowOffset: 0 });
    const found = onHost(host(a), host(b));
    const { shape, values } = typeof found === 'number' ? { shape: [], values: [found] } : found;
    expect(shape).toEqual(device?.shape);
    [...values].forEach((each, at) => expect(each).toBeCloseTo(Number(device?.values[at]), 4));
  });
  test('what lies outside is refused', () => {
    expect(() => arrays.slice(host(a), [2])).toThrow(/outside/);
    expect(() => arrays.add(host(a), arrays.vector([1, 2]))).toThrow(/does not fit/);
  });
});
