/** The shipped digits, IDX files, Fashion-MNIST, extern sources, and the data files of the example specs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tokenWindows } from '../../specs/corpus.js';
import {
  csv,
  digits,
  fashionMnist,
  from,
  idx,
  path as dataPath,
  type Data,
  type ExternSource,
  type HostBatch,
} from '../../src/runtime/data/index.js';

let root = '';
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'ztrain-data-'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(path.join(root, name), content);
  return name;
}

async function tensors<B>(data: Data<B>, from = root): Promise<HostBatch['tensors']> {
  const open = await data.withOptions({ batch: 100_000 }).open({ root: from, seed: 0, label: 'd' });
  return (await open.batch(0, 0)).tensors;
}

describe('digits', () => {
  test('three splits, of which train and test share no row', async () => {
    const [all, train, test] = await Promise.all(
      (['all', 'train', 'test'] as const).map(async (split) => (await tensors(digits({ split })))[0]),
    );
    expect([all?.shape, train?.shape, test?.shape]).toEqual([
      [1797, 8, 8, 1],
      [1438, 8, 8, 1],
      [359, 8, 8, 1],
    ]);
    expect(test?.values.slice(0, 64)).toEqual(all?.values.slice(4 * 64, 5 * 64));
    expect(train?.values.slice(4 * 64, 5 * 64)).toEqual(all?.values.slice(5 * 64, 6 * 64));
  });

  test('the first image is a zero, and every class is there', async () => {
    const [image, label] = await tensors(digits({ split: 'all' }));
    expect([...(image?.values.slice(0, 16) ?? [])]).toEqual([
      0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0,
    ]);
    expect(image?.dtype).toBe('u8');
    expect(label?.dtype).toBe('i32');
    const counts = Array.from(
      { length: 10 },
      (_, digit) => label?.values.filter((value) => value === digit).length,
    );
    expect(counts).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    expect(Array.from(image?.values ?? []).reduce((most, value) => Math.max(most, value), 0)).toBe(16);
  });
});

/** An IDX file: `head` are the four bytes it starts with. */
function idxFile(head: readonly number[], sizes: readonly number[], values: readonly number[]): Uint8Array {
  const header = sizes.flatMap((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]);
  return Uint8Array.from([...head, ...header, ...values]);
}

describe('idx', () => {
  const record = { image: { dtype: 'u8', shape: [2, 2, 1] }, label: { dtype: 'i32', shape: [] } } as const;
  const images = idxFile([0, 0, 8, 3], [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 255]);
  const labels = idxFile([0, 0, 8, 1], [2], [7, 9]);
  const read = (image: Uint8Array, label: Uint8Array = labels) =>
    tensors(idx({ images: write('i', image), labels: write('l', label), record }));

  test('plain and gzip', async () => {
    const wanted = [
      { dtype: 'u8', shape: [2, 2, 2, 1], values: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255) },
      { dtype: 'i32', shape: [2], values: Int32Array.of(7, 9) },
    ];
    expect(await read(images)).toEqual(wanted);
    expect(await read(gzipSync(images), gzipSync(labels))).toEqual(wanted);
  });

  test.each([
    [
      'another magic',
      idxFile([1, 0, 8, 3], [2, 2, 2], []),
      'i: this is no IDX file: it starts with 0x01000803',
    ],
    ['floats', idxFile([0, 0, 13, 3], [2, 2, 2], []), 'the values have IDX type 0xd; only unsigned bytes'],
    [
      'cut in the values',
      images.subarray(0, 20),
      'the header promises 2 rows of 4 bytes (24 in all), the file has 20 bytes',
    ],
    [
      'cut in the header',
      images.subarray(0, 10),
      'the header promises 3 sizes and the file has 10 bytes; fetch it again',
    ],
    ['nearly nothing', images.subarray(0, 2), 'the file has 2 bytes, too few for an IDX header'],
    [
      'another size',
      idxFile([0, 0, 8, 3], [1, 2, 3], [1, 2, 3, 4, 5, 6]),
      "shape [2, 3], field 'image' is u8[2, 2, 1]",
    ],
    ['bytes left over', Uint8Array.from([...images, 0]), 'the file has 25 bytes unpacked'],
    ['damaged gzip', gzipSync(images).subarray(0, 20), 'the gzip data is damaged'],
  ])('%s', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });

  test('files that do not belong together', async () => {
    await expect(read(images, idxFile([0, 0, 8, 1], [3], [1, 2, 3]))).rejects.toThrow(
      'l: the file has 3 labels, and i 2 images; both files must belong together',
    );
    await expect(tensors(idx({ images: 'i', labels: 'l', record: { image: record.image } }))).rejects.toThrow(
      'got { image: u8[2, 2, 1] }; correct the record',
    );
  });
});

describe('fashion_mnist', () => {
  test('from a folder, plain or gzip', async () => {
    const image = idxFile(
      [0, 0, 8, 3],
      [1, 28, 28],
      Array.from({ length: 784 }, (_, i) => i % 256),
    );
    write('t10k-images-idx3-ubyte', image);
    write('t10k-labels-idx1-ubyte.gz', gzipSync(idxFile([0, 0, 8, 1], [1], [4])));
    const [pixels, label] = await tensors(fashionMnist({ split: 'test', root: '.' }));
    expect(pixels?.shape).toEqual([1, 28, 28, 1]);
    expect(pixels?.values[300]).toBe(44);
    expect(label?.values).toEqual(Int32Array.of(4));
  });

  test('a folder without it says what it must hold', async () => {
    await expect(tensors(fashionMnist({ root: 'nothing' }))).rejects.toThrow(
      /train-images-idx3-ubyte\.gz: there is no such file .*; the folder must hold train-images-idx3-ubyte\.gz and/,
    );
  });

  test('without the package it says how to install it', async () => {
    const reading = tensors(fashionMnist({ split: 'test' })).then(
      ([image]) => `${image?.shape.join('×') ?? ''} images`,
      (error: unknown) => String(error),
    );
    expect(await reading).toMatch(
      /^10000×28×28×1 images$|install it with `apt-get install dataset-fashion-mnist`/,
    );
  });
});

describe('extern sources', () => {
  const record = { x: { dtype: 'f32', shape: [2] } } as const;
  const give = (source: ExternSource) => tensors(from(source, {}, { record }));

  test('paths arrive resolved, other options as they are', async () => {
    let got: object = {};
    const source = (options: object) => {
      got = options;
      return { length: 1, read: () => ({ x: Float64Array.of(0.5, 2) }) };
    };
    const options = { file: dataPath('a/b.bin'), length: 3, name: 'a/b.bin', list: [1, 2] };
    const [x] = await tensors(from(source, options, { record }));
    expect(got).toEqual({ file: path.join(root, 'a/b.bin'), length: 3, name: 'a/b.bin', list: [1, 2] });
    expect(x).toEqual({ dtype: 'f32', shape: [1, 2], values: Float32Array.of(0.5, 2) });
  });

  test('what it gives is held against the record', async () => {
    await expect(give(() => ({ length: 1, read: () => ({}) }))).rejects.toThrow(
      "read() gave no field 'x' (f32[2]); return an array of that name",
    );
    const x = Float32Array.of(1, 2);
    await expect(give(() => ({ length: 1, read: () => ({ x, weight: x }) }))).rejects.toThrow(
      "read() gave a field 'weight', which is none of x; declare it, or leave it out",
    );
    await expect(give(() => ({ length: 1, read: () => ({ X: x }) }))).rejects.toThrow(
      "read() gave a field 'X', which is none of x; did you mean x?",
    );
    // Without a value it is none.
    await expect(give(() => ({ length: 1, read: () => ({ x, weight: undefined }) }))).resolves.toHaveLength(
      1,
    );
    const lists = from(
      () => ({ length: 1, read: () => ({ name: ['a'], names: ['b'] }) }),
      {},
      { record: { name: { dtype: 'string', shape: [] } } },
    );
    await expect(tensors(lists)).rejects.toThrow(
      "gave a field 'names', which is none of name; did you mean name?",
    );
    for (const [wrong, told] of [
      [[x], 'a list'],
      [x, 'a Float32Array'],
    ] as const)
      await expect(give(() => ({ length: 1, read: () => wrong }))).rejects.toThrow(
        `read() gave ${told}; return a record with an array for each field`,
      );
    await expect(give(() => ({ length: 1, read: () => ({ x: [1, 2] }) }))).rejects.toThrow(
      "read() gave a list for field 'x' (f32[2]); give numbers in a typed array",
    );
    const gaps = from(
      () => ({ length: 1, read: () => ({ g: ['one'] }) }),
      {},
      {
        record: { g: { dtype: 'f32', shape: [], missing: true } },
      },
    );
    await expect(tensors(gaps)).rejects.toThrow(
      "gave a list for field 'g' (f32 | missing); give numbers, in a typed array or in a list with null where one is missing",
    );
    await expect(give(() => ({ length: 2, read: () => ({ x: Float32Array.of(1, 2) }) }))).rejects.toThrow(
      "read() of 2 rows gave 2 values for field 'x' (f32[2]); give 2 × 2",
    );
    await expect(give(() => ({ length: 1.5, read: () => ({ x: Float32Array.of(1, 2) }) }))).rejects.toThrow(
      'length must be a whole number of rows, got 1.5',
    );
    const bytes = from(
      () => ({ length: 1, read: () => ({ b: Int32Array.of(256) }) }),
      {},
      { record: { b: { dtype: 'u8', shape: [] } } },
    );
    await expect(tensors(bytes)).rejects.toThrow(
      "row 1, column 'b': extern source: 256 is not a whole number from 0 to 255",
    );
  });

  test('it gives a record of numbers that are numbers', async () => {
    await expect(
      give(() => ({ length: 1, read: () => ({ x: Float32Array.of(1, Number.NaN) }) })),
    ).rejects.toThrow("row 1, column 'x': extern source: NaN is not a finite number");
    const nothing: ExternSource = () => ({ length: 1, read: () => JSON.parse('null') });
    await expect(give(nothing)).rejects.toThrow(
      'read() gave null; return a record with an array for each field',
    );
  });

  test('its own failure is reported with what it was given', async () => {
    const broken: ExternSource = () => {
      throw new Error('boom');
    };
    await expect(tensors(from(broken, { length: 3 }, { record }))).rejects.toThrow(
      'extern broken failed with length = 3: boom',
    );
  });

  test('it is closed with the data set', async () => {
    let closed = 0;
    const source: ExternSource = () => ({
      length: 1,
      read: () => ({ x: Float32Array.of(1, 2) }),
      close: () => {
        closed += 1;
      },
    });
    const open = await from(source, {}, { record }).open({ root, seed: 0, label: 'd' });
    await open.close();
    expect(closed).toBe(1);
  });

  test('the windows of the language model overlap by one byte', async () => {
    write('t.txt', 'abcdefgh');
    const windows = from(
      tokenWindows,
      { file: dataPath('t.txt'), length: 4 },
      { record: { tokens: { dtype: 'i32', shape: [4] } } },
    );
    const [tokens] = await tensors(windows);
    expect(tokens?.shape).toEqual([2, 4]);
    expect(String.fromCharCode(...(tokens?.values ?? []))).toBe('abcddefg');
    await expect(
      tensors(
        from(
          tokenWindows,
          { file: dataPath('t.txt'), length: 9 },
          { record: { tokens: { dtype: 'i32', shape: [9] } } },
        ),
      ),
    ).rejects.toThrow('has 8 bytes, a window needs 9');
  });
});

describe('data of the example specs', () => {
  const specs = path.join(import.meta.dirname, '..', '..', 'specs');
  const species = { dtype: 'i32', shape: [], choices: ['setosa', 'versicolor', 'virginica'] } as const;

  test('iris', async () => {
    const record = { x: { dtype: 'f32', shape: [4] }, species } as const;
    const columns = { x: ['sepal_*', 'petal_*'] };
    const [x, y] = await tensors(csv({ file: 'data/iris-train.csv', record, columns }), specs);
    expect(x?.shape).toEqual([120, 4]);
    expect([0, 1, 2].map((of) => y?.values.filter((value) => value === of).length)).toEqual([40, 40, 40]);
    expect((await tensors(csv({ file: 'data/iris-test.csv', record, columns }), specs))[0]?.shape).toEqual([
      30, 4,
    ]);
  });

  test('mpg', async () => {
    const number = { dtype: 'f32', shape: [] } as const;
    const record = {
      mpg: number,
      weight: number,
      origin: { ...species, choices: ['usa', 'europe', 'japan'] },
    };
    expect((await tensors(csv({ file: 'data/mpg-train.csv', record }), specs))[0]?.shape).toEqual([314]);
    expect((await tensors(csv({ file: 'data/mpg-test.csv', record }), specs))[0]?.shape).toEqual([78]);
  });
});
