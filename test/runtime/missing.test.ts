/** Values that may be missing, from the text to the figures; and weights of 0, which let nothing through. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import * as data from '../../src/runtime/data/index.js';
import { SharedRows } from '../../src/runtime/data/shared-rows.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import * as ops from '../../src/runtime/ops/index.js';
import { Joined, measured, type MeasuredHow } from '../../src/runtime/rows/measured.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor, Tensor1D } from '../../src/runtime/tensor.js';

const root = mkdtempSync(path.join(tmpdir(), 'ztrain-missing-'));
let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});
afterAll(() => {
  engine.dispose();
  rmSync(root, { recursive: true });
});

const record = {
  age: { dtype: 'f32', shape: [], missing: true },
  pair: { dtype: 'i32', shape: [2], missing: true },
  ocean: { dtype: 'i32', shape: [], choices: ['in', 'out'], missing: true },
  on: { dtype: 'bool', shape: [], missing: true },
  price: { dtype: 'f32', shape: [] },
} as const;

async function read<B>(set: data.Data<B>): Promise<Readonly<Record<string, readonly number[]>>> {
  const open = await set.withOptions({ batch: 100 }).open({ root, seed: 0, label: 'd' });
  const { fields, tensors } = await open.batch(0, 0);
  return Object.fromEntries(fields.map((name, at) => [name, [...(tensors[at]?.values ?? [])]]));
}

function write(name: string, text: string | Uint8Array): string {
  writeFileSync(path.join(root, name), text);
  return name;
}

const wanted = {
  age: [1.5, 0, 3],
  'age.missing': [0, 1, 0],
  pair: [1, 2, 0, 4, 0, 0],
  'pair.missing': [0, 0, 1, 0, 1, 1],
  ocean: [1, 0, 0],
  'ocean.missing': [0, 1, 0],
  on: [1, 0, 0],
  'on.missing': [0, 0, 1],
  price: [10, 20, 30],
};

describe('files with gaps', () => {
  const columns = { pair: ['p', 'q'] };
  const head = 'age,p,q,ocean,on,price';

  test('csv: an empty cell is no value, and only where one may be missing', async () => {
    const file = write('a.csv', `${head}\n1.5,1,2,out,true,10\n ,,4,,0,20\n3,,,in,,30\n`);
    expect(await read(data.csv({ file, record, columns }))).toEqual(wanted);
    const bad = write('b.csv', `${head}\n1,1,2,in,1,\n`);
    await expect(read(data.csv({ file: bad, record, columns }))).rejects.toThrow(
      "b.csv:2: row 1, column 'price': the cell is empty, where a finite number is wanted",
    );
    const word = write('c.csv', `${head}\nNA,1,2,in,1,5\n`);
    await expect(read(data.csv({ file: word, record, columns }))).rejects.toThrow(
      "c.csv:2: row 1, column 'age': 'NA' is not a finite number",
    );
  });

  test('csv: the texts that are no value can be said', async () => {
    const file = write('d.csv', `${head}\n1.5,1,2,out,true,10\nNA,?,4,?,0,20\n3,NA,NA,in,NA,30\n`);
    expect(await read(data.csv({ file, record, columns, missing: ['NA', '?'] }))).toEqual(wanted);
    const empty = write('e.csv', `${head}\n,1,2,in,1,5\n`);
    await expect(read(data.csv({ file: empty, record, columns, missing: ['NA'] }))).rejects.toThrow(
      "column 'age': the cell is empty",
    );
  });

  test('csv: a bad row leaves no mask behind', async () => {
    const file = write('f.csv', `${head}\n,1,2,out,true,oops\n1.5,1,2,out,true,10\n`);
    expect(await read(data.csv({ file, record, columns, onBadRow: 'skip' }))).toMatchObject({
      age: [1.5],
      'age.missing': [0],
      'pair.missing': [0, 0],
    });
  });

  test('jsonl: null, or a key that is not there; in a list each for itself', async () => {
    const lines = [
      { age: 1.5, pair: [1, 2], ocean: 'out', on: true, price: 10 },
      { age: null, pair: [null, 4], ocean: null, on: false, price: 20 },
      { age: 3, ocean: 'in', price: 30 },
    ];
    const file = write('a.jsonl', gzipSync(lines.map((line) => JSON.stringify(line)).join('\n')));
    expect(await read(data.jsonl({ file, record }))).toEqual(wanted);
    const bad = write('b.jsonl', '{"age":1,"price":null}');
    await expect(read(data.jsonl({ file: bad, record }))).rejects.toThrow(
      "column 'price': null is not a finite number",
    );
    const short = write('c.jsonl', '{"pair":[1],"price":1}');
    await expect(read(data.jsonl({ file: short, record }))).rejects.toThrow(
      'a list of 2 is wanted, got one of 1',
    );
  });

  test('a step gets the values beside their mask', async () => {
    const file = write('g.csv', 'a,b\n1,2\n,4\n');
    const set = data
      .csv<{ readonly a: data.OrMissing<Tensor1D>; readonly b: Tensor1D }>({
        file,
        record: { a: { dtype: 'f32', shape: [], missing: true }, b: { dtype: 'f32', shape: [] } },
      })
      .map(({ a, b }) => ({ a: ops.select(a.missing, -1, a.value), all: ops.noneMissing(b) }));
    const open = await set.open({ root, seed: 0, label: 'd' });
    const { tensors } = await open.batch(0, 0);
    const step = engine.compile('mapped', (inputs) => {
      const { a, all } = set.toBatch(inputs);
      return [a, ops.cast(all, { to: 'i32' }), ops.cast(ops.stack<Tensor>([all, all]), { to: 'i32' })];
    });
    const out = await step.run(tensors, { seed: 0, step: 0, micro: 0, rowOffset: 0 });
    expect(out.map(({ values }) => [...values])).toEqual([
      [1, -1],
      [0, 0],
      [0, 0, 0, 0],
    ]);
  });

  test('no class of which some are missing shares rows out', () => {
    expect(() =>
      data.csv({ file: 'a.csv', record, parts: data.folds({ count: 2 }), stratify: 'ocean' }),
    ).toThrow("'ocean' is no class: stratify by one whole number or bool that every row has");
  });
});

const f32 = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from(values),
});
const bools = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  dtype: 'bool',
  shape,
  values: Uint8Array.from(values),
});

describe('figures of what is known', () => {
  // Three columns of 2,000 and more; the second has no value in the first batch, and what stands in a gap is no number.
  const table: readonly (readonly (number | null)[])[] = [
    [2001, null, 5],
    [2004.5, null, null],
    [null, null, -3],
    [2010, 7, null],
    [2000, 9, 4],
    [null, 8.5, 1],
    [1999, null, null],
  ];
  const known = (at: number): readonly number[] => table.flatMap((row) => row[at] ?? []);

  async function figure(
    how: MeasuredHow,
    batch: number,
    axis: readonly number[] | null,
  ): Promise<readonly number[]> {
    const joined = new Joined(how);
    for (let from = 0; from < table.length; from += batch) {
      const part = table.slice(from, from + batch);
      const shape = [part.length, 3];
      const step = engine.compile('figure', ([of, missing]) => {
        if (of === undefined || missing === undefined) return [];
        return Object.values(measured({ how, of, missing, axis }).parts);
      });
      const names = Object.keys({ ...partsOf(how) });
      const values = part.flat().map((value) => value ?? Number.NaN);
      const out = await step.run(
        [
          f32(values, shape),
          bools(
            part.flat().map((value) => (value === null ? 1 : 0)),
            shape,
          ),
        ],
        { seed: 0, step: 0, micro: 0, rowOffset: 0 },
      );
      joined.add(new Map(out.map((value, at) => [names[at] ?? '', value])), Number.NaN);
    }
    expect(joined.isOfNothing).toBe(false);
    return [...joined.finish().values];
  }
  const partsOf = (how: MeasuredHow): Readonly<Record<string, null>> =>
    how === 'max_of'
      ? { count: null, most: null }
      : how === 'min_of'
        ? { count: null, least: null }
        : how === 'sum' || how === 'mean'
          ? { count: null, sum: null }
          : { count: null, mean: null, squares: null };

  const plain: Readonly<Record<MeasuredHow, (of: readonly number[]) => number>> = {
    mean: (of) => of.reduce((sum, value) => sum + value, 0) / of.length,
    sum: (of) => of.reduce((sum, value) => sum + value, 0),
    variance: (of) => plain.mean(of.map((value) => (value - plain.mean(of)) ** 2)),
    std: (of) => Math.sqrt(plain.variance(of)),
    max_of: (of) => Math.max(...of),
    min_of: (of) => Math.min(...of),
  };

  test.each(['mean', 'sum', 'variance', 'std', 'max_of', 'min_of'] as const)(
    '%s, of each column and of all, whatever the batches',
    async (how) => {
      for (const batch of [1, 2, 3, 7]) {
        const columns = await figure(how, batch, [0]);
        columns.forEach((value, at) => {
          const want = plain[how](known(at));
          expect(Math.abs(value - want), `${how} ${at} by ${batch}`).toBeLessThan(
            2e-4 * Math.max(1, Math.abs(want)),
          );
        });
        const [all = Number.NaN] = await figure(how, batch, null);
        const want = plain[how]([0, 1, 2].flatMap(known));
        expect(Math.abs(all - want)).toBeLessThan(2e-4 * Math.max(1, Math.abs(want)));
      }
    },
  );

  test('a mean in which each counts by its weight, whatever the batches', async () => {
    const weights = [2, 0, 1, 3, 0.5, 0, 1];
    const step = engine.compile('weighted figure', ([of, missing, weight]) => {
      if (of === undefined || missing === undefined || weight === undefined) return [];
      const { count, sum } = measured({ how: 'mean', of, missing, weight, axis: [0] }).parts;
      return count === undefined || sum === undefined ? [] : [count, sum];
    });
    for (const batch of [1, 3, 7]) {
      const joined = new Joined('mean');
      for (let from = 0; from < table.length; from += batch) {
        const part = table.slice(from, from + batch);
        // What stands in a gap is no number, and neither is the third value of the second row, which weighs 0.
        const values = part.flatMap((row, at) =>
          row.map((v, c) => v ?? (from + at === 1 && c === 2 ? Infinity : NaN)),
        );
        const gaps = part.flatMap((row, at) =>
          row.map((v, c) => Number(v === null && !(from + at === 1 && c === 2))),
        );
        const shape = [part.length, 3];
        const [count, sum] = await step.run(
          [f32(values, shape), bools(gaps, shape), f32(weights.slice(from, from + batch), [part.length, 1])],
          { seed: 0, step: 0, micro: 0, rowOffset: 0 },
        );
        if (count === undefined || sum === undefined) throw new Error('two parts are expected');
        joined.add(new Map(Object.entries({ count, sum })), Number.NaN);
      }
      const found = joined.finish().values;
      [0, 1, 2].forEach((at) => {
        const there = table.flatMap((row, index) =>
          row[at] === null || row[at] === undefined ? [] : [[row[at], weights[index] ?? 0] as const],
        );
        const all = there.reduce((sum, [, weight]) => sum + weight, 0);
        expect(found[at], `column ${at} by ${batch}`).toBeCloseTo(
          there.reduce((sum, [value, weight]) => sum + value * weight, 0) / all,
          3,
        );
      });
    }
  });

  test('of a column that has none it is said', () => {
    const joined = new Joined('mean');
    joined.add(
      new Map([
        ['sum', f32([0, 3])],
        ['count', f32([0, 2])],
      ]),
      2,
    );
    expect(joined.isOfNothing).toBe(true);
  });
});

describe('a weight of 0', () => {
  const inside = [Number.NaN, Infinity, 3, -Infinity, 5];
  const weights = [0, 0, 1, 0, 3];

  test('lets nothing through, whatever the value is', async () => {
    const step = engine.compile('weighted', ([x, w]) => {
      if (x === undefined || w === undefined) return [];
      const mean = rows.mean(x, { weight: w });
      const sum = rows.sum(x, { weight: w });
      const totals = [...mean.totals.values(), ...sum.totals.values()];
      return [
        ...totals.flatMap((total) => (total.kind === 'sum' ? [total.value] : [])),
        ops.mean<Tensor>(x, { weight: w }),
      ];
    });
    const out = await step.run([f32(inside), f32(weights)], { seed: 0, step: 0, micro: 0, rowOffset: 0 });
    expect(out.map(({ values }) => values[0])).toEqual([18, 4, 18, 4.5]);
  });

  test('of a value that is missing is one whatever the weight is', async () => {
    const step = engine.compile('weighted', ([x, w, missing]) => {
      if (x === undefined || w === undefined || missing === undefined) return [];
      const weight = ops.select<Tensor>(missing, 0, w);
      return [ops.mean<Tensor>(ops.select<Tensor>(missing, 0, x), { weight })];
    });
    const gaps = bools([1, 1, 0, 1, 0], [5]);
    const out = await step.run([f32(inside), f32([Number.NaN, Infinity, 1, Number.NaN, 3]), gaps], {
      seed: 0,
      step: 0,
      micro: 0,
      rowOffset: 0,
    });
    expect(out[0]?.values[0]).toBe(4.5);
  });

  test('and a value that is no number counts where its weight does', async () => {
    const step = engine.compile('weighted', ([x, w]) => {
      if (x === undefined || w === undefined) return [];
      return [ops.mean<Tensor>(x, { weight: w })];
    });
    const out = await step.run([f32(inside), f32([1, 0, 1, 0, 0])], {
      seed: 0,
      step: 0,
      micro: 0,
      rowOffset: 0,
    });
    expect(out[0]?.values[0]).toBeNaN();
  });

  test('gives no gradient, not NaN', async () => {
    const variable = engine.variable('w', f32([1, 2, 3]));
    const step = engine.compile('gradient', ([x, w]) => {
      if (x === undefined || w === undefined) return [];
      const { gradients } = engine.differentiate(() => {
        const loss = rows.mean(ops.mul<Tensor>(ops.mul<Tensor>(variable.read(), x), 2), { weight: w });
        return { objectives: loss.terms?.map(({ numerator }) => numerator) ?? [], result: null };
      }, [variable]);
      return gradients.flat().flatMap((gradient) => gradient ?? []);
    });
    const out = await step.run([f32([Number.POSITIVE_INFINITY, 4, 5]), f32([0, 1, 2])], {
      seed: 0,
      step: 0,
      micro: 0,
      rowOffset: 0,
    });
    expect([...(out[0]?.values ?? [])].slice(1)).toEqual([8, 20]);
  });
});

describe('parts of one file', () => {
  test('are read from the disk once, and closed when the last has left', async () => {
    const file = write('h.csv', 'a\n1\n2\n3\n4\n');
    const set = (part: string): data.Data<unknown> =>
      data.csv({
        file,
        record: { a: { dtype: 'f32', shape: [] } },
        parts: { one: { unit: 'percent', value: 50 }, two: { unit: 'percent', value: 50 } },
        part,
      });
    const shared = new SharedRows();
    const host = { root, seed: 0, label: 'd', shared };
    const one = await set('one').open(host);
    // What would be read now is another file.
    write('h.csv', 'a\n5\n6\n7\n8\n');
    const two = await set('two').open(host);
    const valuesOf = async (open: data.OpenData): Promise<readonly number[]> => [
      ...((await open.batch(0, 0)).tensors[0]?.values ?? []),
    ];
    expect([...(await valuesOf(one)), ...(await valuesOf(two))].sort()).toEqual([1, 2, 3, 4]);
    expect(two.files).toEqual(one.files);
    await one.close();
    expect(await valuesOf(await set('one').open(host))).not.toContain(5);
    await two.close();
    const other = await set('two').open({ ...host, shared: new SharedRows() });
    expect(Math.min(...(await valuesOf(other)))).toBeGreaterThan(4);
  });

  test('a file that could not be read is tried anew', async () => {
    const shared = new SharedRows();
    const open = () =>
      data
        .csv({ file: 'late.csv', record: { a: { dtype: 'f32', shape: [] } } })
        .open({ root, seed: 0, label: 'd', shared });
    await expect(open()).rejects.toThrow('there is no such file');
    write('late.csv', 'a\n1\n');
    expect((await open()).rows).toBe(1);
  });
});
