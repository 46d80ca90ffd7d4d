/** Metrics that are functions of the language, over batches of 5, 5 and 3 rows, against loops over all rows. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorkplace, type Workplace } from './run-spec.js';

interface Row {
  readonly p: readonly number[];
  readonly t: readonly number[];
  readonly w: readonly number[];
  readonly logits: readonly number[];
  readonly label: number;
  readonly score: number;
  readonly v: number;
}

const at = (numbers: readonly number[], index: number): number => numbers[index] ?? Number.NaN;

// Quarters, so that logits are equal to one another and scores to a threshold.
const quarter = (seed: number): number => ((seed * 37 + 11) % 17) / 4 - 2;
const rows = Array.from({ length: 13 }, (_, i): Row => {
  const label = (i + Math.floor(i / 4) + 1) % 4;
  return {
    p: [quarter(i), quarter(i + 3)],
    t: [quarter(2 * i), quarter(5 * i + 1)],
    w: [i % 3, (i % 4) / 2],
    // In two rows all four are equal.
    logits: [0, 1, 2, 3].map((c) => (i % 6 === 5 ? 1 : quarter(3 * i + 5 * c) / (c === label ? 1 : 2))),
    label,
    score: [0, 0.5, quarter(i), -0.25][i % 4] ?? 0,
    // The last batch weighs more than the others.
    v: i < 10 ? i % 3 : 4,
  };
});

const mean = (values: readonly number[], weights: readonly number[] = values.map(() => 1)): number =>
  values.reduce((sum, value, i) => sum + value * at(weights, i), 0) /
  weights.reduce((sum, each) => sum + each, 0);

const errors = rows.flatMap(({ p, t }) => p.map((value, i) => value - at(t, i)));
const squares = errors.map((each) => each * each);
const each = rows.flatMap(({ w }) => w);
const v = rows.map((row) => row.v);
/** How many logits are larger than the label's. */
const rank = rows.map(({ logits, label }) => logits.filter((logit) => logit > at(logits, label)).length);
/** `argmax` takes the first of equal ones. */
const first = rows.map(({ logits, label }) => logits.indexOf(Math.max(...logits)) === label);
const top = (k: number): readonly number[] => rank.map((larger) => Number(larger < k));
const above = (threshold: number): readonly number[] =>
  rows.map(({ score, label }) => Number(score > threshold === (label === 1)));
const loss = rows.map(
  ({ logits, label }) =>
    Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - at(logits, label),
);

const expected: Readonly<Record<string, number>> = {
  mse: mean(squares),
  weighted_mse: mean(squares, each),
  mae: mean(errors.map(Math.abs)),
  weighted_mae: mean(errors.map(Math.abs), each),
  top1: mean(top(1)),
  top2: mean(top(2)),
  weighted_top3: mean(top(3), v),
  accuracy: mean(first.map(Number)),
  weighted_accuracy: mean(first.map(Number), v),
  above: mean(above(0)),
  above_half: mean(above(0.5)),
  weighted_above: mean(above(0), v),
  perplexity: Math.exp(mean(loss)),
  weighted_perplexity: Math.exp(mean(loss, v)),
};

let place: Workplace;
let measured: ReadonlyMap<string, number>;
beforeAll(async () => {
  place = openWorkplace();
  const spec = fileURLToPath(new URL('fixtures/measures.ztrain', import.meta.url));
  cpSync(spec, join(place.folder, 'measures.ztrain'));
  const lines = rows.map(({ p, t, w, logits, label, score, v: weight }) =>
    [...p, ...t, ...w, ...logits, label, score, weight].join(','),
  );
  const head = 'p0,p1,t0,t1,w0,w1,l0,l1,l2,l3,label,score,v';
  writeFileSync(join(place.folder, 'measures.csv'), [head, ...lines, ''].join('\n'));
  ({ metrics: measured } = await place.train(await place.build('measures'), 'measures', []));
}, 180_000);
afterAll(() => place.remove());

test.each(Object.entries(expected))('%s is %d', (name, value) => {
  expect(measured.get(`validate.${name}`)).toBeCloseTo(value, 5);
});

describe('the rows tell right bodies from wrong ones', () => {
  const differ = (a: readonly number[], b: readonly number[], weights?: readonly number[]): void =>
    expect(Math.abs(mean(a, weights) - mean(b, weights))).toBeGreaterThan(0.01);

  test('a threshold, `>` or `>=`, and the side', () => {
    const atLeast = (threshold: number): readonly number[] =>
      rows.map(({ score, label }) => Number(score >= threshold === (label === 1)));
    for (const threshold of [0, 0.5]) differ(above(threshold), atLeast(threshold));
    differ(above(0), above(0.5));
    differ(
      above(0),
      above(0).map((right) => 1 - right),
    );
  });

  test('k, and ties', () => {
    differ(top(1), top(2));
    differ(top(2), top(3));
    differ(top(3), top(2), v);
    differ(top(1), first.map(Number));
  });

  test('weights, batches and the order of mean and exp', () => {
    differ(squares, errors.map(Math.abs));
    for (const values of [squares, errors.map(Math.abs)])
      expect(Math.abs(mean(values) - mean(values, each))).toBeGreaterThan(0.01);
    const ofBatches = (values: readonly number[], size: number): number =>
      mean([0, 5, 10].map((from) => mean(values.slice(from * size, (from + 5) * size))));
    expect(Math.abs(ofBatches(squares, 2) - mean(squares))).toBeGreaterThan(0.01);
    expect(Math.abs(Math.exp(ofBatches(loss, 1)) - Math.exp(mean(loss)))).toBeGreaterThan(0.001);
    differ(
      loss.map(Math.exp),
      [Math.exp(mean(loss))].concat(Array.from({ length: 12 }, () => Math.exp(mean(loss)))),
    );
  });
});
