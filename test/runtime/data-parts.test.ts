/** Parts of a data set: together all rows, none twice, by exact counts, and fixed by nothing but their own seed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommonOptions, Data, Part, Parts } from '../../src/runtime/data/index.js';
import { allBut, folds, from, only } from '../../src/runtime/data/index.js';
import { shareOut, shareOutClasses } from '../../src/values/split.js';
import { percent } from '../../src/values/units.js';

/** Rows that are numbered, with a class each. */
function numbered(classes: readonly number[], options: CommonOptions): Data<unknown> {
  const source = () => ({
    length: classes.length,
    read: (indices: Int32Array) => ({ row: indices.slice(), label: indices.map((row) => classes[row] ?? 0) }),
  });
  const field = { dtype: 'i32', shape: [] } as const;
  return from(source, {}, { record: { row: field, label: field }, ...options });
}

/** The rows of a part, or none where it is empty. */
async function read(
  classes: readonly number[],
  options: CommonOptions,
  seed = 0,
  label = 'a',
): Promise<number[]> {
  const opened = await numbered(classes, { batch: 7, ...options })
    .open({ root: '.', seed, label })
    .catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('is none')) return null;
      throw error;
    });
  if (opened === null) return [];
  const rows: number[] = [];
  for (let index = 0; index < opened.batchesPerEpoch; index += 1) {
    const { tensors } = await opened.batch(0, index);
    rows.push(...(tensors[0]?.values ?? []));
    expect([...(tensors[0]?.values ?? [])]).toEqual([...opened.rowsOf(0, index)]);
  }
  expect(opened.rows).toBe(rows.length);
  return rows;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, row) => row);
const ascending = (rows: readonly number[]): number[] => [...rows].sort((a, b) => a - b);

/** Whole percentages of 2 to 4 parts, together 100. */
const shares = fc
  .uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 3 })
  .map((cuts) => [0, ...ascending(cuts), 100])
  .map((cuts) => cuts.slice(1).map((cut, at) => cut - (cuts[at] ?? 0)));

const names = ['train', 'validate', 'test', 'rest'];
const named = (percents: readonly number[]): Parts =>
  Object.fromEntries(percents.map((share, at) => [names[at] ?? '', percent(share)]));

const classesOf = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 80 });

describe('parts', () => {
  test('together are all rows, and none is in two of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        classesOf,
        shares,
        fc.nat(),
        fc.boolean(),
        async (classes, percents, splitSeed, byClass) => {
          const parts = named(percents);
          const options = { parts, splitSeed, stratify: byClass ? 'label' : null };
          const all = await Promise.all(
            percents.map((_, at) => read(classes, { ...options, part: names[at] ?? '' })),
          );
          expect(ascending(all.flat())).toEqual(upTo(classes.length));
          // As the source has them, so that a set that is not shuffled reads its file in order.
          for (const rows of all) expect(rows).toEqual(ascending(rows));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('folds too; all but one are the others', async () => {
    await fc.assert(
      fc.asyncProperty(
        classesOf,
        fc.integer({ min: 2, max: 6 }),
        fc.boolean(),
        async (classes, count, byClass) => {
          const options = { parts: folds({ count }), stratify: byClass ? 'label' : null };
          const all = await Promise.all(
            upTo(count).map((fold) => read(classes, { ...options, part: only({ fold }) })),
          );
          expect(ascending(all.flat())).toEqual(upTo(classes.length));
          const sizes = all.map((rows) => rows.length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          const others = await read(classes, { ...options, part: allBut({ fold: 1 }) });
          expect(others).toEqual(ascending(all.flatMap((rows, fold) => (fold === 1 ? [] : rows))));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('by class, each part has its share of every class, to one row', async () => {
    await fc.assert(
      fc.asyncProperty(classesOf, shares, async (classes, percents) => {
        for (const [at, share] of percents.entries()) {
          const rows = await read(classes, {
            parts: named(percents),
            part: names[at] ?? '',
            stratify: 'label',
          });
          for (const label of new Set(classes)) {
            const own = rows.filter((row) => classes[row] === label).length;
            const exact = (classes.filter((each) => each === label).length * share) / 100;
            expect(Math.abs(own - exact)).toBeLessThan(1);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('are the same whatever the seed of the run, the name of the set and its batches are', async () => {
    const classes = upTo(50).map((row) => row % 3);
    const options = { parts: named([60, 40]), part: 'train', splitSeed: 5 };
    const rows = await read(classes, options);
    expect(await read(classes, { ...options, batch: 50 }, 9, 'another')).toEqual(rows);
    expect(await read(classes, { ...options, splitSeed: 6 })).not.toEqual(rows);
    expect(rows).not.toEqual(upTo(30));
  });

  test('of one seed are these rows, in each version of ztrain', async () => {
    const rows = await read(upTo(10), { parts: named([50, 50]), part: 'validate', splitSeed: 1 });
    expect(rows).toMatchInlineSnapshot(`
      [
        0,
        1,
        6,
        7,
        9,
      ]
    `);
  });

  test('shuffled, an epoch has the rows of its part in an order of its own', async () => {
    const data = numbered(upTo(40), {
      parts: folds({ count: 4 }),
      part: only({ fold: 0 }),
      shuffle: true,
      batch: 10,
    });
    const opened = await data.open({ root: '.', seed: 3, label: 'a' });
    const [first, second] = [opened.rowsOf(0, 0), opened.rowsOf(1, 0)];
    expect([...first]).not.toEqual([...second]);
    expect(ascending([...first])).toEqual(ascending([...second]));
    expect(ascending([...first])).toEqual(
      await read(upTo(40), { parts: folds({ count: 4 }), part: only({ fold: 0 }) }),
    );
  });

  test('without a part, a set has all rows', async () => {
    expect(await read(upTo(9), { parts: folds({ count: 3 }) })).toEqual(upTo(9));
  });

  const wrong = (options: CommonOptions, rows = 4): Promise<unknown> =>
    Promise.resolve().then(() =>
      numbered(upTo(rows), options).open({ root: '.', seed: 0, label: 'val_set' }),
    );
  const part = (given: Part, parts: Parts = named([80, 20])): Promise<unknown> =>
    wrong({ parts, part: given });
  test('what is no part is refused', async () => {
    await expect(part('valid')).rejects.toThrow("there is no part 'valid'; there are train, validate");
    await expect(part(only({ fold: 0 }))).rejects.toThrow('the parts have names (train, validate)');
    await expect(part('train', folds({ count: 3 }))).rejects.toThrow("got part 'train'");
    await expect(part(only({ fold: 3 }), folds({ count: 3 }))).rejects.toThrow(
      'fold 3 is none of the 3 folds, 0 to 2',
    );
    await expect(part(only({ fold: -1 }), folds({ count: 3 }))).rejects.toThrow('fold -1');
    await expect(wrong({ part: 'train' })).rejects.toThrow("part 'train' needs parts");
    await expect(part('train', named([80, 19]))).rejects.toThrow(
      'the parts are 99 percent together, not 100',
    );
    await expect(part('train', named([100, 0]))).rejects.toThrow(
      "part 'validate' must have more than 0 percent",
    );
    expect(() => folds({ count: 1 })).toThrow('at least 2, got 1');
    await expect(wrong({ parts: named([50, 50]), stratify: 'x' })).rejects.toThrow(
      "no field 'x' to stratify by",
    );
  });
  test('a part without rows says whose', async () => {
    await expect(wrong({ parts: named([95, 5]), part: 'validate' })).rejects.toThrow(
      "data 'val_set' (extern source) has no rows: part 'validate' of 4 rows is none; make the part larger, or add rows",
    );
  });
});

describe('shares', () => {
  test.each([
    [10, [80, 20], [8, 2]],
    // 8.8 and 2.2: the larger remainder gets the row that is left.
    [11, [80, 20], [9, 2]],
    [13, [80, 20], [10, 3]],
    // Equal remainders: the earlier part first.
    [1, [50, 50], [1, 0]],
    [5, [1, 1, 1], [2, 2, 1]],
    [0, [1, 1], [0, 0]],
    // 33.3 of 1,000 is 333, exactly.
    [1000, [33_300_000, 33_300_000, 33_400_000], [333, 333, 334]],
  ])('%i rows by %j', (rows, weights, expected) => {
    expect(shareOut(rows, weights)).toEqual(expected);
  });
  test('what a class leaves over goes first to the part that is behind', () => {
    expect(shareOutClasses([1, 1, 1], [1, 1])).toEqual([
      [1, 0],
      [0, 1],
      [1, 0],
    ]);
    expect(shareOutClasses([3, 3], [1, 1, 1, 1])).toEqual([
      [1, 1, 1, 0],
      [1, 1, 0, 1],
    ]);
  });
});
