/** Metrics whose state adds up over batches, against plain loops over all rows at once. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as metrics from '../../src/runtime/metrics/index.js';
import type { Figures, Reduction, Table } from '../../src/runtime/rows/index.js';
import type { Tensor } from '../../src/runtime/tensor.js';
import { StageTotals, type ConstantTotals } from '../../src/runtime/trainer/totals.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

type Column = readonly number[] | readonly (readonly number[])[];
type Kind = HostTensor['dtype'];
const isRows = (column: Column): column is readonly (readonly number[])[] => Array.isArray(column[0]);

/** Columns of rows as a batch of some of them. */
function batchOf(columns: readonly (readonly [Kind, Column])[], from: number, to: number): HostTensor[] {
  return columns.map(([dtype, column]) => {
    const rows = column.slice(from, to);
    const shape = isRows(column) ? [rows.length, column[0]?.length ?? 0] : [rows.length];
    const flat = rows.flat();
    const values =
      dtype === 'f32'
        ? Float32Array.from(flat)
        : dtype === 'i32'
          ? Int32Array.from(flat)
          : Uint8Array.from(flat);
    return { dtype, shape, values };
  });
}

interface Measured {
  readonly numbers: ReadonlyMap<string, number>;
  readonly tables: ReadonlyMap<string, Table>;
}

let stages = 0;
/** A metric over rows that are cut into batches of these sizes. */
async function measure(
  columns: readonly (readonly [Kind, Column])[],
  sizes: readonly number[],
  metric: (...inputs: Tensor[]) => Reduction | Figures,
): Promise<Measured> {
  const totals = new StageTotals(engine, `metrics${(stages += 1)}`);
  let from = 0;
  for (const size of sizes) {
    const constants: ConstantTotals = new Map();
    const step = engine.compile('probe', (inputs) => {
      totals.record('m', metric(...inputs), constants, null);
      return [];
    });
    await step.run(batchOf(columns, from, from + size), { seed: 0, step: 0, micro: 0, rowOffset: 0 });
    await totals.endBatch(constants);
    from += size;
  }
  return { numbers: await totals.finishEpoch(), tables: totals.tables };
}

const number = ({ numbers }: Measured): number => numbers.get('m') ?? Number.NaN;

function two(metric: (a: Tensor, b: Tensor) => Reduction | Figures) {
  return (a?: Tensor, b?: Tensor): Reduction | Figures => {
    if (a === undefined || b === undefined) throw new Error('no input');
    return metric(a, b);
  };
}

function three(metric: (a: Tensor, b: Tensor, c: Tensor) => Reduction | Figures) {
  return (a?: Tensor, b?: Tensor, c?: Tensor): Reduction | Figures => {
    if (a === undefined || b === undefined || c === undefined) throw new Error('no input');
    return metric(a, b, c);
  };
}

/** Numbers in [0, 1) that are the same each time. */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const splits = [[40], [1, 39], [13, 13, 14], [20, 1, 1, 18]] as const;

// 40 rows of 4 classes, of which the last has no row; logits are multiples of 1/4, so that some are equal.
const draw = draws(11);
const rowCount = 40;
const labels = Array.from({ length: rowCount }, () => Math.floor(draw() * 3));
const logits = labels.map((label) =>
  [0, 1, 2, 3].map((c) => Math.floor(draw() * 8) / 4 + (c === label ? 0.5 : c === 3 ? -1 : 0)),
);
const guesses = logits.map((row) => row.indexOf(Math.max(...row)));
const weights = labels.map((_, index) => (index % 5 === 0 ? 0 : (index % 3) + 0.5));
const binaryLogits = labels.map((label) => Math.floor(draw() * 16) / 4 - 2 + (label === 1 ? 0.75 : 0));
const binaryLabels = labels.map((label) => Number(label === 1));
const ones = labels.map(() => 1);

/** Counts of one class by a loop. */
function counts(c: number, weight: readonly number[]): { tp: number; fp: number; fn: number; n: number } {
  let [tp, fp, fn, n] = [0, 0, 0, 0];
  labels.forEach((label, i) => {
    const w = weight[i] ?? 0;
    const guess = guesses[i];
    if (label === c) n += w;
    if (label === c && guess === c) tp += w;
    if (label !== c && guess === c) fp += w;
    if (label === c && guess !== c) fn += w;
  });
  return { tp, fp, fn, n };
}

const quotient = (a: number, b: number): number => (b === 0 ? 0 : a / b);
const scoresOf = {
  f1: ({ tp, fp, fn }: ReturnType<typeof counts>) => quotient(2 * tp, 2 * tp + fp + fn),
  precision: ({ tp, fp }: ReturnType<typeof counts>) => quotient(tp, tp + fp),
  recall: ({ tp, fn }: ReturnType<typeof counts>) => quotient(tp, tp + fn),
} as const;
type Score = keyof typeof scoresOf;

function expected(
  name: Score,
  average: 'macro' | 'micro' | 'weighted',
  weight: readonly number[] = ones,
): number {
  const all = [0, 1, 2, 3].map((c) => counts(c, weight));
  const score = scoresOf[name];
  if (average === 'micro') {
    const sum = (key: 'tp' | 'fp' | 'fn' | 'n') => all.reduce((total, each) => total + each[key], 0);
    return score({ tp: sum('tp'), fp: sum('fp'), fn: sum('fn'), n: sum('n') });
  }
  const seen = all.filter(({ tp, fp, fn }) => tp + fp + fn > 0);
  const by = (each: (typeof all)[number]) => (average === 'weighted' ? each.n : 1);
  return (
    seen.reduce((sum, each) => sum + by(each) * score(each), 0) /
    seen.reduce((sum, each) => sum + by(each), 0)
  );
}

const classed: readonly (readonly [Kind, Column])[] = [
  ['f32', logits],
  ['i32', labels],
];

describe('f1, precision and recall', () => {
  const names = ['f1', 'precision', 'recall'] as const;
  const averages = ['macro', 'micro', 'weighted'] as const;
  test.each(names.flatMap((name) => averages.map((average) => [name, average] as const)))(
    '%s, %s, however the rows are cut',
    async (name, average) => {
      for (const sizes of splits) {
        const got = await measure(
          classed,
          sizes,
          two((x, y) => metrics[name](x, y, { average })),
        );
        expect(number(got)).toBeCloseTo(expected(name, average), 6);
      }
    },
  );

  test('weights count rows, and those of weight 0 not at all', async () => {
    const spoilt = logits.map((row, i) => (weights[i] === 0 ? row.map(() => Number.NaN) : row));
    const columns = [
      ['f32', spoilt],
      ['i32', labels],
      ['f32', weights],
    ] as const;
    for (const average of averages) {
      const got = await measure(
        columns,
        [17, 23],
        three((x, y, weight) => metrics.f1(x, y, { average, weight })),
      );
      expect(number(got)).toBeCloseTo(expected('f1', average, weights), 5);
    }
  });

  test('a mask of bools is a weight', async () => {
    const mask = weights.map((weight) => Number(weight > 0));
    const columns = [
      ['f32', logits],
      ['i32', labels],
      ['bool', mask],
    ] as const;
    const got = await measure(
      columns,
      [40],
      three((x, y, weight) => metrics.recall(x, y, { weight })),
    );
    expect(number(got)).toBeCloseTo(expected('recall', 'macro', mask), 6);
  });

  test('apart, with NaN for a class that is neither seen nor guessed', async () => {
    const { numbers } = await measure(
      classed,
      [7, 33],
      two((x, y) => metrics.f1(x, y, { average: 'none' })),
    );
    expect([...numbers.keys()]).toEqual(['m.class_0', 'm.class_1', 'm.class_2', 'm.class_3']);
    [0, 1, 2].forEach((c) => {
      expect(numbers.get(`m.class_${c}`)).toBeCloseTo(scoresOf.f1(counts(c, ones)), 6);
    });
    expect(guesses).not.toContain(3);
    expect(numbers.get('m.class_3')).toBeNaN();
  });

  test('classes instead of logits', async () => {
    const columns = [
      ['i32', guesses],
      ['i32', labels],
    ] as const;
    const got = await measure(
      columns,
      [40],
      two((x, y) => metrics.f1(x, y, { classes: 4 })),
    );
    expect(number(got)).toBeCloseTo(expected('f1', 'macro'), 6);
    await expect(
      measure(
        columns,
        [40],
        two((x, y) => metrics.f1(x, y)),
      ),
    ).rejects.toThrow(/i32\[n\] twice and how many classes/);
  });

  test.each([
    ['i32', binaryLabels],
    ['bool', binaryLabels],
    ['f32', binaryLabels],
  ] as const)('one logit a row, labels %s', async (kind, column) => {
    const columns = [
      ['f32', binaryLogits],
      [kind, column],
    ] as const;
    const at = (threshold: number) => {
      const guess = binaryLogits.map((logit) => Number(logit > threshold));
      const tp = guess.filter((each, i) => each === 1 && binaryLabels[i] === 1).length;
      return (2 * tp) / (guess.filter((each) => each === 1).length + binaryLabels.filter(Boolean).length);
    };
    const got = await measure(
      columns,
      [9, 31],
      two((x, y) => metrics.f1(x, y)),
    );
    expect(number(got)).toBeCloseTo(at(0), 6);
    // At the threshold itself class 0 is guessed.
    const higher = await measure(
      columns,
      [9, 31],
      two((x, y) => metrics.f1(x, y, { threshold: 0.25 })),
    );
    expect(binaryLogits).toContain(0.25);
    expect(number(higher)).toBeCloseTo(at(0.25), 6);
  });

  test('one NaN logit in a row that counts makes it NaN', async () => {
    const spoilt = logits.map((row, i) => (i === 20 ? [...row.slice(0, 3), Number.NaN] : row));
    const columns = [
      ['f32', spoilt],
      ['i32', labels],
    ] as const;
    for (const sizes of [[40], [10, 30]]) {
      const got = await measure(
        columns,
        sizes,
        two((x, y) => metrics.precision(x, y)),
      );
      expect(got.numbers.get('m')).toBeNaN();
    }
  });

  test('all rows of one class, all guessed right and all wrong', async () => {
    const columns = (guess: number) =>
      [
        ['i32', labels.map(() => guess)],
        ['i32', labels.map(() => 1)],
      ] as const;
    const f1 = two((x, y) => metrics.f1(x, y, { classes: 3 }));
    expect(number(await measure(columns(1), [15, 25], f1))).toBe(1);
    expect(number(await measure(columns(2), [15, 25], f1))).toBe(0);
  });

  test('a label that is no class is refused', async () => {
    const columns = [
      ['f32', logits],
      ['i32', labels.map((label, i) => (i === 3 ? 4 : label))],
    ] as const;
    await expect(
      measure(
        columns,
        [40],
        two((x, y) => metrics.f1(x, y)),
      ),
    ).rejects.toThrow(/4/);
  });
});

describe('the confusion matrix', () => {
  const matrix = (normalize: 'none' | 'label' | 'guess' | 'all') =>
    two((x, y) => metrics.confusionMatrix(x, y, { normalize }));
  const wanted = [0, 1, 2, 3].map((row) =>
    [0, 1, 2, 3].map((column) => labels.filter((label, i) => label === row && guesses[i] === column).length),
  );

  test('counts rows, however they are cut', async () => {
    for (const sizes of splits) {
      const { tables, numbers } = await measure(classed, sizes, matrix('none'));
      expect(tables.get('m')).toEqual(wanted);
      expect(numbers.size).toBe(0);
    }
  });

  test('normalized; a class without rows is 0', async () => {
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const column = (c: number) => sum(wanted.map((row) => row[c] ?? 0));
    for (const [how, by] of [
      ['label', (row: number) => sum(wanted[row] ?? [])],
      ['guess', (_row: number, c: number) => column(c)],
      ['all', () => rowCount],
    ] as const) {
      const { tables } = await measure(classed, [40], matrix(how));
      expect(tables.get('m')).toEqual(
        wanted.map((row, i) => row.map((count, c) => quotient(count, by(i, c)))),
      );
    }
  });

  test('weighted', async () => {
    const { tables } = await measure(
      [...classed, ['f32', weights]],
      [11, 29],
      three((x, y, weight) => metrics.confusionMatrix(x, y, { weight })),
    );
    const of = (row: number, column: number) =>
      weights.reduce((total, w, i) => total + (labels[i] === row && guesses[i] === column ? w : 0), 0);
    expect(tables.get('m')).toEqual([0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((c) => of(row, c))));
  });
});

/** By all pairs; ties count half. */
function areaByPairs(
  scores: readonly number[],
  truth: readonly number[],
  weight: readonly number[] = scores.map(() => 1),
): number {
  let [won, pairs] = [0, 0];
  scores.forEach((a, i) => {
    if (truth[i] !== 1) return;
    scores.forEach((b, j) => {
      if (truth[j] === 1) return;
      const w = (weight[i] ?? 0) * (weight[j] ?? 0);
      pairs += w;
      won += w * (a > b ? 1 : a === b ? 0.5 : 0);
    });
  });
  return won / pairs;
}

/** By every threshold that is a score. */
function precisionByThresholds(
  scores: readonly number[],
  truth: readonly number[],
  weight: readonly number[] = scores.map(() => 1),
): number {
  const sum = (test: (i: number) => boolean) =>
    scores.reduce((total, _, i) => total + (test(i) ? (weight[i] ?? 0) : 0), 0);
  const all = sum((i) => truth[i] === 1);
  return [...new Set(scores)].reduce((total, at) => {
    const here = sum((i) => truth[i] === 1 && scores[i] === at);
    const above = sum((i) => (scores[i] ?? 0) >= at);
    return (
      total +
      (here / all) *
        quotient(
          sum((i) => truth[i] === 1 && (scores[i] ?? 0) >= at),
          above,
        )
    );
  }, 0);
}

describe('auroc and average precision', () => {
  const binary = [
    ['f32', binaryLogits],
    ['i32', binaryLabels],
  ] as const;

  test.each([
    ['auroc', metrics.auroc, areaByPairs],
    ['average precision', metrics.averagePrecision, precisionByThresholds],
  ] as const)(
    '%s is exact where different scores have bins of their own, with ties',
    async (_n, metric, by) => {
      expect(new Set(binaryLogits).size).toBeLessThan(rowCount / 2);
      for (const sizes of splits) {
        const got = await measure(
          binary,
          sizes,
          two((x, y) => metric(x, y)),
        );
        expect(number(got)).toBeCloseTo(by(binaryLogits, binaryLabels), 6);
      }
      const weighted = await measure(
        [...binary, ['f32', weights]],
        [12, 28],
        three((x, y, weight) => metric(x, y, { weight })),
      );
      expect(number(weighted)).toBeCloseTo(by(binaryLogits, binaryLabels, weights), 5);
    },
  );

  test('auroc of spread scores is within its bound', async () => {
    const next = draws(5);
    const scores = Array.from({ length: 600 }, () => next());
    const truth = scores.map((score) => Number(next() < score));
    for (const bins of [200, 2048]) {
      const got = await measure(
        [
          ['f32', scores],
          ['bool', truth],
        ],
        [250, 350],
        two((x, y) => metrics.auroc(x, y, { bins })),
      );
      // Probabilities lie in a quarter of the bins: those of x / (1 + |x|) from 0 to 1/2.
      expect(Math.abs(number(got) - areaByPairs(scores, truth))).toBeLessThan(4 / (2 * bins));
    }
  });

  test('of several classes each is held against the others', async () => {
    const odds = (c: number) =>
      logits.map((row) => {
        const p = Math.exp(row[c] ?? 0) / row.reduce((sum, x) => sum + Math.exp(x), 0);
        return Number(Math.log(p / (1 - p)).toFixed(5));
      });
    const each = [0, 1, 2].map((c) =>
      areaByPairs(
        odds(c),
        labels.map((label) => Number(label === c)),
      ),
    );
    const of = async (average: 'macro' | 'weighted') =>
      number(
        await measure(
          classed,
          [5, 35],
          two((x, y) => metrics.auroc(x, y, { average })),
        ),
      );
    // The last class has no row, and says nothing.
    expect(await of('macro')).toBeCloseTo(each.reduce((sum, value) => sum + value, 0) / 3, 3);
    const weighted = each.reduce((sum, value, c) => sum + value * counts(c, ones).n, 0) / rowCount;
    expect(await of('weighted')).toBeCloseTo(weighted, 3);
    const { numbers } = await measure(
      classed,
      [40],
      two((x, y) => metrics.auroc(x, y, { average: 'none' })),
    );
    expect(numbers.get('m.class_1')).toBeCloseTo(each[1] ?? 0, 3);
    expect(numbers.get('m.class_3')).toBeNaN();
  });

  test('infinite scores are the first and the last', async () => {
    const scores = [Number.NEGATIVE_INFINITY, -1e9, 1e9, Number.POSITIVE_INFINITY];
    const got = await measure(
      [
        ['f32', scores],
        ['i32', [0, 0, 1, 1]],
      ],
      [4],
      two((x, y) => metrics.auroc(x, y)),
    );
    expect(number(got)).toBe(1);
  });

  test.each([0, 1])('all rows of class %d have no area', async (label) => {
    const columns = [
      ['f32', binaryLogits],
      ['i32', labels.map(() => label)],
    ] as const;
    const area = await measure(
      columns,
      [40],
      two((x, y) => metrics.auroc(x, y)),
    );
    expect(area.numbers.get('m')).toBeNaN();
    const precision = await measure(
      columns,
      [40],
      two((x, y) => metrics.averagePrecision(x, y)),
    );
    expect(number(precision)).toBe(label === 1 ? 1 : Number.NaN);
  });

  test('NaN that counts makes it NaN; one of weight 0 does not', async () => {
    const scores = binaryLogits.map((score, i) => (i === 5 ? Number.NaN : score));
    const at = async (weight: number) => {
      const column = ones.map((one, i) => (i === 5 ? weight : one));
      return measure(
        [
          ['f32', scores],
          ['i32', binaryLabels],
          ['f32', column],
        ],
        [3, 37],
        three((x, y, w) => metrics.auroc(x, y, { weight: w })),
      );
    };
    expect((await at(1)).numbers.get('m')).toBeNaN();
    const without = ones.map((one, i) => (i === 5 ? 0 : one));
    expect(number(await at(0))).toBeCloseTo(areaByPairs(binaryLogits, binaryLabels, without), 6);
  });

  test('takes no fewer than 2 bins', async () => {
    const run = measure(
      binary,
      [40],
      two((x, y) => metrics.auroc(x, y, { bins: 1 })),
    );
    await expect(run).rejects.toThrow(/at least 2 bins.*got 1/);
  });
});

describe('r2', () => {
  test('of targets far from 0, cut into batches anyhow', async () => {
    const far = Array.from({ length: 64 }, (_, i) => 100_000 + ((i * 37) % 64));
    const guess = far.map((value, i) => value + ((i * 11) % 7) - 3);
    const mean = far.reduce((sum, value) => sum + value, 0) / far.length;
    const sum = (of: (value: number, i: number) => number) =>
      far.reduce((all, each, i) => all + of(each, i), 0);
    const truth = 1 - sum((value, i) => (value - (guess[i] ?? 0)) ** 2) / sum((value) => (value - mean) ** 2);
    for (const cut of [[64], [1, 30, 33], [20, 20, 20, 4]]) {
      const got = await measure(
        [
          ['f32', guess],
          ['f32', far],
        ],
        cut,
        two((a, b) => metrics.r2(a, b)),
      );
      expect(number(got)).toBeCloseTo(truth, 5);
    }
  });

  test('whose weights are small, and nothing in some batches', async () => {
    const w = [0, 0, 0.01, 0.02, 0.005];
    const got = await measure(
      [
        ['f32', p],
        ['f32', y],
        ['f32', w],
      ],
      [2, 2, 1],
      three((a, b, weight) => metrics.r2(a, b, { weight })),
    );
    expect(number(got)).toBeCloseTo(by(w), 5);
  });

  const y = [1, 2, 4, 8, 3];
  const p = [1.5, 2, 3, 7, 5];
  const by = (w: readonly number[]) => {
    const total = w.reduce((sum, each) => sum + each, 0);
    const mean = y.reduce((sum, value, i) => sum + value * (w[i] ?? 0), 0) / total;
    const squares = (of: (value: number, i: number) => number) =>
      y.reduce((sum, value, i) => sum + (w[i] ?? 0) * of(value, i) ** 2, 0);
    return 1 - squares((value, i) => value - (p[i] ?? 0)) / squares((value) => value - mean);
  };

  test('against its definition', async () => {
    const got = await measure(
      [
        ['f32', p],
        ['f32', y],
      ],
      [2, 3],
      two((a, b) => metrics.r2(a, b)),
    );
    expect(number(got)).toBeCloseTo(by([1, 1, 1, 1, 1]), 6);
  });

  test('weighted, with a row of weight 0 that holds NaN', async () => {
    const w = [1, 0.5, 0, 2, 1];
    const got = await measure(
      [
        ['f32', p.map((value, i) => (i === 2 ? Number.NaN : value))],
        ['f32', y],
        ['f32', w],
      ],
      [2, 3],
      three((a, b, weight) => metrics.r2(a, b, { weight })),
    );
    expect(number(got)).toBeCloseTo(by(w), 6);
  });
});
