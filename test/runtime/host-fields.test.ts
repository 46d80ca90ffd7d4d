/** Fields that the host alone has, from their files to batches: texts, pictures that rows name, lists whose sizes differ. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, describe, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import { textOfBytes } from '../../src/runtime/data/texts.js';
import * as transforms from '../../src/runtime/transforms/index.js';
import { csvHeader, csvLines, jsonLines } from '../../src/runtime/addons/predictions.js';
import type { Tensor1D, Tensor2D, Tensor4D } from '../../src/runtime/tensor.js';
import { percent } from '../../src/values/units.js';

const root = mkdtempSync(path.join(tmpdir(), 'ztrain-host-fields-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const host = { root, seed: 1, label: 'd' };

function put(file: string, content: string | Uint8Array): string {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), content);
  return file;
}

function picture(width: number, height: number, level: number): Buffer {
  const png = new PNG({ width, height });
  png.data.fill(level);
  return PNG.sync.write(png);
}

const facesRecord = {
  file: { dtype: 'path', shape: [] },
  name: { dtype: 'string', shape: [] },
  age: { dtype: 'f32', shape: [], missing: true },
} as const;
type FaceRow = Readonly<{ file: data.Texts; name: data.Texts; age: data.OrMissing<Tensor1D> }>;
type Face = Readonly<{ image: Tensor4D; name: data.Texts; age: data.OrMissing<Tensor1D> }>;

const faces = (file: string, options: data.CommonOptions = {}): data.Data<Face> =>
  data.csv<FaceRow>({ file, record: facesRecord, ...options }).prepare<Face>(
    {
      image: { dtype: 'u8', shape: [2, 2, 3] },
      name: { dtype: 'string', shape: [] },
      age: { dtype: 'f32', shape: [], missing: true },
    },
    (row) => ({
      image: transforms.resize(transforms.decodeImage(row.file, { channels: 3 }), { size: [2, 2] }),
      name: row.name,
      age: row.age,
    }),
  );

const table = (rows: readonly string[]): string => `file,name,age\n${rows.join('\n')}\n`;

describe('texts and paths', () => {
  test('a path starts at the folder of the file that it stands in, and a text stays as it is', async () => {
    put('faces/pictures/a.png', picture(3, 5, 40));
    const far = put('elsewhere/b.png', picture(2, 2, 90));
    const file = put(
      'faces/list.csv',
      table(['pictures/a.png," Ann, or ""A"" ",4', `${path.join(root, far)},,`]),
    );
    const open = await faces(file).open(host);
    const { tensors, texts, fields } = await open.batch(0, 0);
    expect(fields).toEqual(['image', 'age', 'age.missing']);
    expect([...(tensors[0]?.values ?? [])]).toEqual([...Array(12).fill(40), ...Array(12).fill(90)]);
    expect([...(tensors[2]?.values ?? [])]).toEqual([0, 1]);
    expect(texts?.get('name')).toEqual([' Ann, or "A" ', '']);
    expect(open.files.map(({ file: name }) => name)).toEqual(['faces/list.csv']);
  });

  test('without a map they are beside the tensors', async () => {
    const file = put('plain.csv', table(['x.png,Ann,4', 'y.png,Ben,5']));
    const { tensors, texts } = await (
      await data.csv<FaceRow>({ file, record: facesRecord, batch: 2 }).open(host)
    ).batch(0, 0);
    expect([...(tensors[0]?.values ?? [])]).toEqual([4, 5]);
    expect(texts?.get('file')).toEqual(['x.png', 'y.png']);
  });

  test('a picture that does not decode is an error with its place, or is skipped and counted', async () => {
    put('bad/good.png', picture(2, 2, 7));
    put('bad/cut.png', picture(9, 9, 7).subarray(0, 40));
    put('bad/text.png', 'no picture');
    const file = put(
      'bad/list.csv',
      table(['good.png,a,1', 'cut.png,b,2', 'gone.png,c,3', 'good.png,d,4', 'text.png,e,5']),
    );
    const open = await faces(file, { batch: 2 }).open(host);
    await expect(open.batch(0, 0)).rejects.toThrow(
      /^bad\/list\.csv:3: row 2, column 'file': the picture cut\.png cannot be read \(.*\); correct the path, or replace the picture, or set on_bad_row = "skip"$/,
    );
    await expect(open.batch(0, 1)).rejects.toThrow(
      `bad/list.csv:4: row 3, column 'file': the picture gone.png cannot be read (there is no such file; looked for ${path.join(root, 'bad', 'gone.png')})`,
    );
    await expect(open.batch(0, 2)).rejects.toThrow(
      "bad/list.csv:6: row 5, column 'file': the picture text.png cannot be read (the file is no PNG and no JPEG)",
    );
    const kept = await faces(file, { batch: 5, onBadRow: 'skip' }).open(host);
    expect([kept.rows, kept.skipped]).toEqual([2, 3]);
    expect((await kept.batch(0, 0)).texts?.get('name')).toEqual(['a', 'd']);
  });

  test('who is left out moves nobody to another part', async () => {
    put('parts/good.png', picture(2, 2, 7));
    const names = Array.from({ length: 40 }, (_, at) => `n${at}`);
    const file = put(
      'parts/list.csv',
      table(names.map((name, at) => `${at % 5 === 0 ? 'gone' : 'good'}.png,${name},1`)),
    );
    const parts = { train: percent(75), validate: percent(25) };
    const namesOf = async (set: data.Data<unknown>): Promise<readonly string[]> =>
      (await (await set.open(host)).batch(0, 0)).texts?.get('name') ?? [];
    const plain = (part: string) => data.csv<FaceRow>({ file, record: facesRecord, parts, part, batch: 40 });
    for (const part of ['train', 'validate']) {
      const all = await namesOf(plain(part));
      const kept = await namesOf(faces(file, { parts, part, batch: 40, onBadRow: 'skip' }));
      expect(kept).toEqual(all.filter((name) => Number(name.slice(1)) % 5 !== 0));
    }
  });

  test('a cell that is no path', async () => {
    const file = put('empty.csv', table([',Ann,4']));
    await expect(data.csv<FaceRow>({ file, record: facesRecord }).open(host)).rejects.toThrow(
      "empty.csv:2: row 1, column 'file': the cell is empty, where a path is wanted; correct it or set on_bad_row",
    );
  });

  test('the first rows are those of the source, whatever the order', async () => {
    const file = put('order.csv', table(Array.from({ length: 30 }, (_, at) => `x.png,n${at},${at}`)));
    const open = await data.csv<FaceRow>({ file, record: facesRecord, batch: 4, shuffle: true }).open(host);
    const { tensors, texts, rows } = await open.first(3);
    expect([...(tensors[0]?.values ?? [])]).toEqual([0, 1, 2]);
    expect([texts?.get('name'), rows]).toEqual([['n0', 'n1', 'n2'], 3]);
    await expect(open.first(31)).rejects.toThrow(
      "data 'd' has 30 rows, fewer than the first 31 that are asked for",
    );
  });
});

const wordsRecord = {
  words: { dtype: 'string', shape: [-1], names: ['len'] },
  tags: { dtype: 'i32', shape: [-1], names: ['len'] },
  weight: { dtype: 'f32', shape: [] },
} as const;
type WordRow = Readonly<{ words: data.Texts; tags: Tensor2D; weight: Tensor1D }>;
type Padded = Readonly<{ tokens: Tensor2D; mask: Tensor2D; length: Tensor1D }>;

const tagged = (
  file: string,
  options: data.CommonOptions & { readonly unknown?: number; readonly truncate?: boolean } = {},
): data.Data<Padded> => {
  const { unknown, truncate = false, ...common } = options;
  return data.jsonl<WordRow>({ file, record: wordsRecord, ...common }).prepare<Padded>(
    {
      tokens: { dtype: 'i32', shape: [4] },
      mask: { dtype: 'bool', shape: [4] },
      length: { dtype: 'i32', shape: [] },
    },
    (row) => ({
      tokens: transforms.padTo(
        transforms.lookup(row.words, { file: 'words.txt', ...(unknown === undefined ? {} : { unknown }) }),
        { to: 4, truncate },
      ),
      mask: transforms.padTo(transforms.notEqual(row.tags, 2), { to: 4, truncate }),
      length: transforms.sizeOf(row.words, { axis: 0 }),
    }),
    { words: ['words.txt'] },
  );
};

const lines = (rows: readonly unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

describe('lists whose sizes differ', () => {
  put('words.txt', 'the\r\ncat\r\nsat\n\nThe\n');
  const good = [
    { words: ['the', 'cat', 'sat'], tags: [1, 2, 3], weight: 1 },
    { words: [], tags: [], weight: 1 },
    { words: ['', 'The'], tags: [2, 0], weight: 1 },
  ];

  test('words become the numbers of their lines, and rows one size', async () => {
    const open = await tagged(put('good.jsonl', lines(good))).open(host);
    const { tensors } = await open.batch(0, 0);
    expect(tensors.map(({ dtype, shape }) => `${dtype} ${shape.join('×')}`)).toEqual([
      'i32 3×4',
      'bool 3×4',
      'i32 3',
    ]);
    expect([...(tensors[0]?.values ?? [])]).toEqual([0, 1, 2, 0, 0, 0, 0, 0, 3, 4, 0, 0]);
    expect([...(tensors[1]?.values ?? [])]).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    expect([...(tensors[2]?.values ?? [])]).toEqual([3, 0, 2]);
    expect(open.files.map(({ file }) => file)).toEqual(['good.jsonl', 'words.txt']);
  });

  test('what is no word has its number, or makes its row bad', async () => {
    const file = put('other.jsonl', lines([...good, { words: ['the', 'dog'], tags: [1, 1], weight: 1 }]));
    const { tensors } = await (await tagged(file, { unknown: 9 }).open(host)).batch(0, 0);
    expect([...(tensors[0]?.values.slice(12) ?? [])]).toEqual([0, 9, 0, 0]);
    await expect((await tagged(file).open(host)).batch(0, 0)).rejects.toThrow(
      `other.jsonl:4: row 4, column 'words': "dog" is no word of words.txt; add it there, or say what number unknown words have (unknown = …), or set on_bad_row = "skip"`,
    );
    const kept = await tagged(file, { onBadRow: 'skip' }).open(host);
    expect([kept.rows, kept.skipped]).toEqual([3, 1]);
  });

  test('a longer row is bad, or cut', async () => {
    const file = put(
      'long.jsonl',
      lines([{ words: Array(6).fill('cat'), tags: [1, 2, 3, 4, 5, 6], weight: 1 }]),
    );
    const { tensors } = await (await tagged(file, { truncate: true }).open(host)).batch(0, 0);
    expect([...(tensors[0]?.values ?? [])]).toEqual([1, 1, 1, 1]);
    expect([...(tensors[1]?.values ?? [])]).toEqual([1, 0, 1, 1]);
    await expect((await tagged(file).open(host)).batch(0, 0)).rejects.toThrow(
      'long.jsonl:1: row 1: the row has 6 values, more than the 4 that pad makes of it; make `to` larger, or write truncate = true, or set on_bad_row = "skip"',
    );
  });

  test.each([
    [
      { words: ['the'], tags: [1, 2], weight: 1 },
      "column 'tags': it has 2 values and 'words' 1, where both are to have 'len'",
    ],
    [{ words: ['the', 3], tags: [1, 2], weight: 1 }, "column 'words': at [1]: a text is wanted, got 3"],
    [{ words: 'the', tags: [1], weight: 1 }, 'column \'words\': a list is wanted, got "the"'],
    [{ words: ['the'], tags: [1.5], weight: 1 }, "column 'tags': at [0]: 1.5 is not a whole number"],
    [{ words: ['the'], weight: 1 }, "column 'tags': a list is wanted, got nothing"],
  ])('a row that does not fit: %j', async (row, message) => {
    const file = put('wrong.jsonl', lines([...good, row]));
    await expect(tagged(file).open(host)).rejects.toThrow(`wrong.jsonl:4: row 4, ${message}`);
    expect((await tagged(file, { onBadRow: 'skip' }).open(host)).skipped).toBe(1);
  });

  test('a file of words that names one twice, or is not there', async () => {
    put('twice/words.txt', 'a\nb\na\n');
    const file = put('twice/rows.jsonl', lines(good));
    const at = { ...host, root: path.join(root, 'twice') };
    await expect(tagged('rows.jsonl').open(at)).rejects.toThrow(
      'words.txt:3: "a" is on line 1 already, so that its number is not known; take one of them out',
    );
    const gone = { ...host, root: path.join(root, 'faces') };
    await expect(tagged(path.join(root, file)).open(gone)).rejects.toThrow(
      'words.txt: there is no such file',
    );
  });

  test('lists that no function makes one size of are an error', async () => {
    const open = await data.jsonl<WordRow>({ file: 'good.jsonl', record: wordsRecord }).open(host);
    await expect(open.batch(0, 0)).rejects.toThrow(
      "good.jsonl:1: row 1, column 'tags': the value is i32[3], i32[len] is wanted; pad it in map",
    );
  });

  test('lists of lists', async () => {
    const record = { points: { dtype: 'f32', shape: [-1, 2], names: ['m'] } } as const;
    const file = put(
      'points.jsonl',
      lines([
        {
          points: [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
        },
        { points: [] },
      ]),
    );
    type Points = Readonly<{ points: Tensor4D }>;
    const open = await data
      .jsonl<Points>({ file, record })
      .prepare<Points>({ points: { dtype: 'f32', shape: [2, 2] } }, (row) => ({
        points: transforms.padTo(row.points, { to: 2, value: -1, truncate: true }),
      }))
      .open(host);
    const { tensors } = await open.batch(0, 0);
    expect([...(tensors[0]?.values ?? [])]).toEqual([1, 2, 3, 4, -1, -1, -1, -1]);
  });
});

describe('a source in TypeScript', () => {
  const give = (read: data.RowSource['read'], record: data.RecordType = wordsRecord) =>
    data
      .from<WordRow>(() => ({ length: 2, read }), {}, { record })
      .prepare<Padded>(
        {
          tokens: { dtype: 'i32', shape: [4] },
          mask: { dtype: 'bool', shape: [4] },
          length: { dtype: 'i32', shape: [] },
        },
        (row) => ({
          tokens: transforms.padTo(transforms.lookup(row.words, { file: 'words.txt' }), { to: 4 }),
          mask: transforms.padTo(transforms.notEqual(row.tags, 0), { to: 4 }),
          length: transforms.cast(row.weight, { to: 'i32' }),
        }),
        { words: ['words.txt'] },
      );

  test('gives lists, an entry for each row', async () => {
    const read: data.RowSource['read'] = (indices) => ({
      words: Array.from(indices, (row) => (row === 0 ? ['cat', 'sat'] : ['the'])),
      tags: Array.from(indices, (row) => (row === 0 ? Int32Array.of(1, 2) : [3])),
      weight: Float32Array.from(indices, (row) => row + 7),
    });
    const record = { ...wordsRecord, tags: { ...wordsRecord.tags, dtype: 'u8' } } as const;
    const { tensors } = await (await give(read, record).open(host)).batch(0, 0).catch((error: unknown) => {
      throw error;
    });
    expect([...(tensors[0]?.values ?? [])]).toEqual([1, 2, 0, 0, 0, 0, 0, 0]);
    expect([...(tensors[2]?.values ?? [])]).toEqual([7, 8]);
  });

  test('is shared out by class beside lists whose sizes differ', async () => {
    const record = { words: wordsRecord.words, weight: { dtype: 'i32', shape: [] } } as const;
    const kind = (row: number): number => Number(row % 4 === 0);
    const source: data.RowSource = {
      length: 40,
      read: (indices) => ({
        words: Array.from(indices, (row) => Array.from({ length: row % 3 }, () => 'cat')),
        weight: Int32Array.from(indices, kind),
      }),
    };
    const split = {
      parts: { train: percent(70), validate: percent(30) },
      part: 'validate',
      stratify: 'weight',
    };
    const open = await data
      .from<WordRow>(() => source, {}, { record, batch: 40, ...split })
      .prepare<Pick<Padded, 'length'>>({ length: { dtype: 'i32', shape: [] } }, ({ weight }) => ({
        length: transforms.cast(weight, { to: 'i32' }),
      }))
      .open(host);
    const [values] = (await open.batch(0, 0)).tensors.map((tensor) => [...tensor.values]);
    // 30 % of 10 and of 30.
    expect([values?.filter((one) => one === 1).length, values?.length]).toEqual([3, 12]);
  });

  test.each([
    [
      { words: [['cat']], tags: [[1]], weight: Float32Array.of(1, 2) },
      "read() of 2 rows gave a list of 1 for field 'words' (string[len]); give a list of 2, an entry for each row",
    ],
    [
      { words: [['cat'], ['the']], tags: [[1], [1, 2]], weight: Float32Array.of(1, 2) },
      "it has 2 values and 'words' 1, where both are to have 'len'",
    ],
    [
      { words: [['cat'], ['the']], tags: [[1], [1.5]], weight: Float32Array.of(1, 2) },
      "row 2, column 'tags': extern source: 1.5 is not a whole number",
    ],
    [
      { words: [['cat'], ['the']], tags: [[1], [1]], weight: Float32Array.of(1) },
      'give a typed array of 2 × 1 values',
    ],
  ])('what it gives is held against the record (%#)', async (values, message) => {
    await expect((await give(() => values).open(host)).batch(0, 0)).rejects.toThrow(message);
  });
});

test('arithmetic on the host is that of a step', () => {
  const x = transforms.cast({ dtype: 'i32', shape: [3], values: Int32Array.of(-3, 0, 7) }, { to: 'i32' });
  const one = { dtype: 'i32', shape: [], values: Int32Array.of(2) } as const;
  expect([...transforms.mul(x, one).values]).toEqual([-6, 0, 14]);
  expect([...transforms.mul({ ...x, values: Int32Array.of(65537, 2, 3) }, 65537).values]).toEqual([
    131073, 131074, 196611,
  ]);
  expect(transforms.div(x, 2)).toMatchObject({ dtype: 'f32', values: Float32Array.of(-1.5, 0, 3.5) });
  expect([
    ...transforms.and(transforms.lessEqual(x, 0), transforms.not(transforms.equal(x, one))).values,
  ]).toEqual([1, 1, 0]);
  expect([...transforms.or(transforms.less(one, x), transforms.greaterEqual(x, 0)).values]).toEqual([
    0, 1, 1,
  ]);
  expect([...transforms.neg(x).values, ...transforms.zerosLike(x).values]).toEqual([3, 0, -7, 0, 0, 0]);
  expect(() => transforms.add(x, { ...x, shape: [1, 3] })).toThrow(
    'add of [3] and [1, 3]: shapes must be equal',
  );
});

test('bytes as text: what is no byte is left out, what is no UTF-8 is marked', () => {
  const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
  expect(textOfBytes([...bytes('Grüße'), 256, -1, 300, ...bytes('!')])).toBe('Grüße!');
  expect(textOfBytes([0xc3, 0x41, 0xe2, 0x82, 0x42, 0xff])).toBe('\uFFFDA\uFFFDB\uFFFD');
  expect(textOfBytes([0xef, 0xbb, 0xbf, 0x61, 0])).toBe('\uFEFFa\0');
});

test('texts among predictions', () => {
  const rows = new Map([
    ['id', { dtype: 'string', shape: [3], values: ['a', 'b,"c"\nd', ''] }],
    ['p', { dtype: 'f32', shape: [3], values: Float32Array.of(0.5, 1, 2) }],
  ] as const);
  expect(csvHeader(rows)).toBe('id,p');
  expect(csvLines(rows)).toEqual(['a,0.5', '"b,""c""\nd",1', ',2']);
  expect(jsonLines(rows)[1]).toBe('{"id":"b,\\"c\\"\\nd","p":1}');
});
