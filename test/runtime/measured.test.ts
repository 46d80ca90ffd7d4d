/** Figures of the data: what they are, that batches do not matter, and that a checkpoint has them. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '../../src/runtime/tensor.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { runFit, runTest } from '../../src/runtime/trainer/run.js';
import { findCheckpoint } from '../../src/runtime/checkpoint/read.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import { Line } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-measured-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const count = 37;
/** Years: a small spread far from 0, where squares of f32 have no digits left for it. */
const xOf = (row: number, column: number): number =>
  column === 0 ? 2000 + Math.fround(5 * Math.sin(3 * row)) : Math.cos(row) * 100 - 30;
const pixel = (row: number, place: number, channel: number): number =>
  (row * 7 + place * 3 + channel * 50) % 256;

interface Batch {
  readonly x: Tensor2D;
  readonly y: Tensor1D;
  readonly image: Tensor4D;
}

let opened = 0;
const set = (batch: number): data.Data<Batch> =>
  data.from<{ readonly x: Tensor2D; readonly y: Tensor1D; readonly image: Tensor4D }>(
    () => {
      opened += 1;
      return {
        length: count,
        read: (indices) => ({
          x: Float32Array.from([...indices].flatMap((row) => [xOf(row, 0), xOf(row, 1)])),
          y: Float32Array.from([...indices].map((row) => row % 5)),
          image: Uint8Array.from(
            [...indices].flatMap((row) =>
              [0, 1, 2, 3].flatMap((place) => [pixel(row, place, 0), pixel(row, place, 1)]),
            ),
          ),
        }),
      };
    },
    {},
    {
      record: {
        x: { dtype: 'f32', shape: [2] },
        y: { dtype: 'f32', shape: [] },
        image: { dtype: 'u8', shape: [2, 2, 2] },
      },
      batch,
    },
  );

interface Sets {
  readonly part: data.Data<Batch>;
  readonly train: data.Data<{ readonly x: Tensor2D; readonly y: Tensor1D }>;
}

class Measuring extends Trainer<{ readonly batch: number }, { readonly line: Line }, Sets> {
  static override readonly spec: TrainerSpec<{ readonly batch: number }> = {
    name: 'measuring',
    trainer: 'Measuring',
    params: [{ name: 'batch', key: 'batch', type: 'int', default: 8, doc: '', where: null }],
    options: { epochs: 1, seed: 1, summary: false, progress: 'none' },
  };
  protected override configureData(): Sets {
    const { batch } = this.params;
    return {
      part: set(batch),
      train: set(8).map((row) => ({
        x: ops.div(
          ops.sub(row.x, this.measured<Tensor1D>('seen', 'mu')),
          this.measured<Tensor1D>('seen', 'sigma'),
        ),
        y: row.y,
      })),
    };
  }
  protected override configureModels() {
    return { line: new Line() };
  }
  protected override configureOptimizers(models: { readonly line: Line }) {
    return { opt: optim.sgd({ of: [models.line], lr: 0.1 }) };
  }
  protected override configureSteps(from: Sets) {
    return [
      steps.measure('seen', [from.part], ({ x, y, image }) => ({
        mu: rows.measured({ how: 'mean', of: x, axis: [0] }),
        sigma: rows.measured({ how: 'std', of: x, axis: [0] }),
        spread: rows.measured({ how: 'variance', of: x, axis: [0] }),
        total: rows.measured({ how: 'sum', of: y }),
        least: rows.measured({ how: 'min_of', of: x, axis: [0] }),
        most: rows.measured({ how: 'max_of', of: x }),
        channels: rows.measured({ how: 'mean', of: image, axis: [0, 1, 2] }),
        depth: rows.measured({ how: 'std', of: image, axis: [0, 1, 2] }),
        weighed: rows.measured({
          how: 'mean',
          of: x,
          axis: [0],
          weight: ops.reshape<Tensor2D>(y, { shape: [y.size, 1] }),
        }),
        some: rows.measured({ how: 'mean', of: y, weight: ops.greater(y, 2) }),
      })),
      steps.train('train', [from.train], (batch) => {
        this.update(['opt'], () => ({
          minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
        }));
      }),
      steps.test('test', [from.train], (batch) => {
        const scale = this.measured<Scalar>('seen', 'most');
        this.log({
          loss: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
          most: rows.last(scale),
        });
      }),
    ];
  }
}

const plain = (values: readonly number[]): { readonly mean: number; readonly variance: number } => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
};
const all = Array.from({ length: count }, (_, row) => row);
const column = (at: number): number[] => all.map((row) => xOf(row, at));
const channel = (at: number): number[] =>
  all.flatMap((row) => [0, 1, 2, 3].map((place) => pixel(row, place, at)));

async function figures(batch: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const trainer = new Measuring({ params: { batch } });
  const { session } = await trainer.prepare({ kinds: ['measure', 'train'], dataRoot: '.' });
  const { measureAll } = await import('../../src/runtime/trainer/measure.js');
  expect(await measureAll(session, new Control())).toBe(true);
  const names = ['mu', 'sigma', 'spread', 'total', 'least', 'most', 'channels', 'depth', 'weighed', 'some'];
  const found = new Map<string, readonly number[]>();
  for (const name of names)
    found.set(name, [...(await session.figures.get(`seen.${name}`).download()).values]);
  await session.close();
  return found;
}

describe('figures', () => {
  const close = (found: readonly number[] | undefined, wanted: readonly number[], relative = 2e-6): void => {
    expect(found).toHaveLength(wanted.length);
    wanted.forEach((value, at) =>
      expect(Math.abs((found?.[at] ?? Number.NaN) / value - 1)).toBeLessThan(relative),
    );
  };
  // One batch, even ones, a last one of a single row, and rows one by one.
  test.each([[64], [37], [12], [1]])('are those of all rows, in batches of %i', async (batch) => {
    const found = await figures(batch);
    const columns = [plain(column(0)), plain(column(1))];
    close(
      found.get('mu'),
      columns.map(({ mean }) => mean),
      1e-5,
    );
    // Squares of numbers around 2,000 would leave nothing of a deviation of 3.5 in f32.
    close(
      found.get('sigma'),
      columns.map(({ variance }) => Math.sqrt(variance)),
      2e-4,
    );
    close(
      found.get('spread'),
      columns.map(({ variance }) => variance),
      4e-4,
    );
    expect(found.get('total')).toEqual([all.reduce((sum, row) => sum + (row % 5), 0)]);
    close(found.get('least'), [Math.min(...column(0)), Math.min(...column(1))]);
    close(found.get('most'), [Math.max(...column(0), ...column(1))]);
    const channels = [plain(channel(0)), plain(channel(1))];
    close(
      found.get('channels'),
      channels.map(({ mean }) => mean),
      1e-5,
    );
    close(
      found.get('depth'),
      channels.map(({ variance }) => Math.sqrt(variance)),
      1e-5,
    );
    const weights = all.map((row) => row % 5);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const weighed = (at: number): number =>
      column(at).reduce((total, value, row) => total + value * (weights[row] ?? 0), 0) / sum;
    close(found.get('weighed'), [weighed(0), weighed(1)], 1e-5);
    const some = weights.filter((weight) => weight > 2);
    close(found.get('some'), [some.reduce((total, weight) => total + weight, 0) / some.length]);
  });
  test('a weight is that of a mean', () => {
    const ones = ops.ones<Tensor2D>({ shape: [2, 2] });
    expect(() => rows.measured({ how: 'std', of: ones, weight: ones })).toThrow('is a mean');
  });
  test('without the rows’ axis there is none', () => {
    expect(() =>
      rows.measured({ how: 'mean', of: ops.ones<Tensor2D>({ shape: [2, 2] }), axis: [1] }),
    ).toThrow();
  });
});

describe('a run', () => {
  test('saves them, and whoever starts from there does not measure', async () => {
    const folder = join(root, 'run');
    await runFit(new Measuring(), { runDir: folder });
    const name = readFileSync(join(folder, 'checkpoints', 'last'), 'utf8').trim();
    const manifest: unknown = JSON.parse(
      readFileSync(join(folder, 'checkpoints', name, 'manifest.json'), 'utf8'),
    );
    expect(manifest).toMatchObject({
      tensors: expect.arrayContaining([
        expect.objectContaining({ name: 'measured/seen.mu', file: 'model.safetensors' }),
      ]),
    });
    const before = opened;
    const metrics = await runTest(new Measuring({ params: { batch: 3 } }), await findCheckpoint(folder), {});
    // The test step's own data alone.
    expect(opened - before).toBe(1);
    expect(metrics.get('test.most')).toBeCloseTo(Math.max(...column(0)), 2);
    expect(metrics.get('test.loss')).toBeLessThan(20);
  });
  test('that is ended while it measures trains nothing and saves nothing', async () => {
    const folder = join(root, 'cut');
    const control = new Control();
    control.stop('SIGINT');
    const result = await runFit(new Measuring(), { runDir: folder, control });
    expect(result).toMatchObject({ reason: 'interrupted', signal: 'SIGINT', at: { step: 0 } });
    expect(existsSync(join(folder, 'checkpoints'))).toBe(false);
    expect(readdirSync(folder)).toContain('summary.json');
  });
  test('of steps alone, without measuring, says what is missing', async () => {
    const trainer = new Measuring();
    const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.' });
    expect(() => session.figures.get('seen.mu')).toThrow('seen.mu was not measured');
    await session.close();
  });
});
