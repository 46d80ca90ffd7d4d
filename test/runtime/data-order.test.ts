/** Batches: which rows they hold, in which order, and that nothing but seed, label and epoch decides it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Data } from '../../src/runtime/data/index.js';
import { from, type CommonOptions, type DataHost, type OpenData } from '../../src/runtime/data/index.js';

const host: DataHost = { root: '.', seed: 7, label: 'train_set' };

/** A source whose only field is the row's number. */
function numbered(rows: number, options: CommonOptions): Data<unknown> {
  const source = () => ({ length: rows, read: (indices: Int32Array) => ({ row: indices.slice() }) });
  return from(source, {}, { record: { row: { dtype: 'i32', shape: [] } }, ...options });
}

async function epochRows(open: OpenData, epoch: number): Promise<number[]> {
  const rows: number[] = [];
  for (let index = 0; index < open.batchesPerEpoch; index += 1) {
    const batch = await open.batch(epoch, index);
    expect(batch.firstRow).toBe(rows.length);
    expect(batch.fields).toEqual(['row']);
    expect(batch.tensors[0]?.shape).toEqual([batch.rows]);
    rows.push(...(batch.tensors[0]?.values ?? []));
  }
  return rows;
}

const ascending = (rows: readonly number[]): number[] => [...rows].sort((a, b) => a - b);
const upTo = (rows: number): number[] => Array.from({ length: rows }, (_, i) => i);

describe('order', () => {
  test('without shuffling rows come as they are, in every epoch', async () => {
    const open = await numbered(7, { batch: 3 }).open(host);
    expect(await epochRows(open, 0)).toEqual(upTo(7));
    expect(await epochRows(open, 5)).toEqual(upTo(7));
  });

  test('an epoch is the same when it is read again, by another trainer and in any order of batches', async () => {
    const data = numbered(100, { batch: 8, shuffle: true });
    const one = await data.open(host);
    const first = await epochRows(one, 0);
    await epochRows(one, 1);
    expect(await epochRows(one, 0)).toEqual(first);
    const other = await data.open(host);
    const late = await other.batch(0, 11);
    expect([...(late.tensors[0]?.values ?? [])]).toEqual(first.slice(88, 96));
  });

  test('epoch, seed and label each change it', async () => {
    const data = numbered(50, { batch: 50, shuffle: true });
    const rows = async (changed: Partial<DataHost>, epoch: number) =>
      (await epochRows(await data.open({ ...host, ...changed }), epoch)).join(' ');
    const orders = [
      await rows({}, 0),
      await rows({}, 1),
      await rows({ seed: 8 }, 0),
      await rows({ label: 'b' }, 0),
    ];
    expect(new Set(orders).size).toBe(4);
  });

  test('every epoch holds each row once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat(5),
        async (n, batch, epoch) => {
          const open = await numbered(n, { batch, shuffle: true }).open(host);
          expect(open.batchesPerEpoch).toBe(Math.ceil(n / batch));
          expect(ascending(await epochRows(open, epoch))).toEqual(upTo(n));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('each row can come first', async () => {
    const open = await numbered(4, { batch: 4, shuffle: true }).open(host);
    const firsts = new Set<number | undefined>();
    for (let epoch = 0; epoch < 60; epoch += 1) firsts.add((await epochRows(open, epoch))[0]);
    expect(firsts.size).toBe(4);
  });
});

describe('batches', () => {
  test('the last one is shorter, or left out', async () => {
    const kept = await numbered(10, { batch: 4 }).open(host);
    expect([kept.rows, kept.batchesPerEpoch, (await kept.batch(0, 2)).rows]).toEqual([10, 3, 2]);
    const left = await numbered(10, { batch: 4, dropLast: true }).open(host);
    expect([left.rows, left.batchesPerEpoch]).toEqual([10, 2]);
    await expect(left.batch(0, 2)).rejects.toThrow("data 'train_set' has batches 0 to 1, got 2");
    await expect(left.batch(0, -1)).rejects.toThrow(RangeError);
  });

  test('none at all is an error before the run', async () => {
    await expect(numbered(0, {}).open(host)).rejects.toThrow(
      /'train_set' .*has no rows; give it at least one/,
    );
    await expect(numbered(10, { batch: 16, dropLast: true }).open(host)).rejects.toThrow(
      /has 10 rows, fewer than one batch of 16, and drop_last leaves them out; lower batch/,
    );
  });

  test('a size that is no size is refused', () => {
    expect(() => numbered(3, { batch: 0 })).toThrow('batch is a whole number of at least 1, got 0');
    expect(() => numbered(3, { batch: 2.5 })).toThrow('got 2.5');
  });

  test('options have defaults and can be replaced', () => {
    const data = numbered(3, {});
    expect(data.options).toMatchObject({ batch: 32, shuffle: false, dropLast: false, onBadRow: 'error' });
    expect(data.withOptions({ batch: 5 }).options).toEqual({ ...data.options, batch: 5 });
  });
});
