/** CSV and JSON lines: what is read, and what is said about what cannot be read. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  csv,
  DataError,
  jsonl,
  type CsvOptions,
  type HostBatch,
  type JsonlOptions,
} from '../../src/runtime/data/index.js';
import { decodeText, digestOf, readWhole } from '../../src/runtime/data/files.js';

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

async function everything(data: ReturnType<typeof csv>): Promise<HostBatch & { readonly skipped: number }> {
  const open = await data.withOptions({ batch: 1000 }).open({ root, seed: 0, label: 'd' });
  return { ...(await open.batch(0, 0)), skipped: open.skipped };
}

const readCsv = (content: string | Uint8Array, options: Omit<CsvOptions, 'file'>) =>
  everything(csv({ file: write('t.csv', content), ...options }));
const readJson = (content: string, options: Omit<JsonlOptions, 'file'>) =>
  everything(jsonl({ file: write('t.jsonl', content), ...options }));

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<DataError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof DataError) return error;
  throw new Error(`a DataError was expected, got ${String(error)}`);
}

const f32 = { dtype: 'f32', shape: [] } as const;
const i32 = { dtype: 'i32', shape: [] } as const;

test('an open data set knows its files, and their digests as they lie on the disk', async () => {
  const content = gzipSync('a\n1\n2\n');
  const file = write('digest.csv.gz', content);
  const { files } = await csv({ file, record: { a: f32 } }).open({ root, seed: 0, label: 'd' });
  const sha256 = createHash('sha256').update(content).digest('hex');
  const read = await Promise.all(files.map(async (each) => ({ ...each, sha256: await each.sha256 })));
  expect(read).toEqual([{ file, bytes: content.length, sha256 }]);
  // A large file's digest is made in parts.
  expect(await digestOf(content, 4, 7)).toBe(sha256);
});

describe('csv', () => {
  test('columns by name, whatever their order, as their types', async () => {
    const record = {
      b: f32,
      a: i32,
      c: { dtype: 'bool', shape: [] },
      d: { dtype: 'u8', shape: [] },
      e: { dtype: 'i32', shape: [], choices: ['low', 'high'] },
    } as const;
    const batch = await readCsv('a,unused,b,c,d,e\n-3,x,1.5,TRUE,255, high \n4,,-.5e1,0,0,low\n', { record });
    expect(batch.fields).toEqual(['b', 'a', 'c', 'd', 'e']);
    expect(batch.tensors).toEqual([
      { dtype: 'f32', shape: [2], values: Float32Array.of(1.5, -5) },
      { dtype: 'i32', shape: [2], values: Int32Array.of(-3, 4) },
      { dtype: 'bool', shape: [2], values: Uint8Array.of(1, 0) },
      { dtype: 'u8', shape: [2], values: Uint8Array.of(255, 0) },
      { dtype: 'i32', shape: [2], values: Int32Array.of(1, 0) },
    ]);
  });

  test('several columns to one field: by list, by pattern, with a shape', async () => {
    const x = { dtype: 'f32', shape: [2, 2] } as const;
    const text = 'f_1,y,f_2,g.1,g.2\n1,9,2,3,4\n';
    const byList = await readCsv(text, { record: { x }, columns: { x: ['g.2', 'f_1', 'y', 'g.1'] } });
    expect(byList.tensors[0]).toEqual({
      dtype: 'f32',
      shape: [1, 2, 2],
      values: Float32Array.of(4, 1, 9, 3),
    });
    const byPattern = await readCsv(text, { record: { x }, columns: { x: ['f_*', 'g.*'] } });
    expect(byPattern.tensors[0]?.values).toEqual(Float32Array.of(1, 2, 3, 4));
    const pair = await readCsv(text, { record: { x: { dtype: 'f32', shape: [2] } }, columns: { x: 'f_*' } });
    expect(pair.tensors[0]?.values).toEqual(Float32Array.of(1, 2));
    const renamed = await readCsv(text, { record: { x: f32 }, columns: { x: 'y' } });
    expect(renamed.tensors[0]?.values).toEqual(Float32Array.of(9));
  });

  test('other delimiters, quotes, byte order mark, CRLF, blank lines, gzip', async () => {
    const quoted = await readCsv('\uFEFFa;"b;c"\r\n1;"2"\r\n\r\n3;4\r\n', {
      record: { a: f32, z: f32 },
      columns: { z: 'b;c' },
      delimiter: ';',
    });
    expect(quoted.tensors.map(({ values }) => [...values])).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect((await readCsv(gzipSync('a\n5\n'), { record: { a: f32 } })).tensors[0]?.values).toEqual(
      Float32Array.of(5),
    );
  });

  test('a missing file says where it was looked for', async () => {
    const error = await failure(everything(csv({ file: 'none/x.csv', record: { a: f32 } })));
    expect(error.message).toBe(
      `none/x.csv: there is no such file (looked for ${path.join(root, 'none/x.csv')}); correct the path, or say with --data-root where relative paths start`,
    );
    expect((await failure(everything(csv({ file: '.', record: { a: f32 } })))).message).toContain(
      'this is a folder',
    );
  });

  test.each([
    [
      'a word',
      'a,b\n1,2\n3,x y\n',
      "t.csv:3: row 2, column 'b': 'x y' is not a finite number; correct it or set on_bad_row = \"skip\"",
    ],
    [
      'an empty cell',
      'a,b\n1,\n',
      "t.csv:2: row 1, column 'b': the cell is empty, where a finite number is wanted; correct it",
    ],
    ['infinity', 'a,b\n1,Infinity\n', "'Infinity' is not a finite number"],
    ['hexadecimal', 'a,b\n1,0x10\n', "'0x10' is not a finite number"],
    ['too large for f32', 'a,b\n1,1e39\n', "'1e39' is not a finite number"],
    [
      'a fraction',
      'a,b\n1.5,1\n',
      "row 1, column 'a': '1.5' is not a whole number from -2147483648 to 2147483647",
    ],
    ['too large for i32', 'a,b\n2147483648,1\n', "'2147483648' is not a whole number"],
    [
      'too few cells',
      'a,b\n1,2\n1\n',
      't.csv:3: row 2: the row has 1 cell and the header 2; correct the row or set',
    ],
    ['too many cells', 'a,b\n1,2,3\n', 'the row has 3 cells and the header 2'],
  ])('a bad row: %s', async (_, text, message) => {
    expect((await failure(readCsv(text, { record: { a: i32, b: f32 } }))).message).toContain(message);
  });

  test('the place of a fault can be read by programs', async () => {
    const error = await failure(
      readCsv('p1,p2\n1,2\n\n1,no\n', { record: { x: { dtype: 'f32', shape: [2] } }, columns: { x: 'p*' } }),
    );
    expect(error).toMatchObject({ file: 't.csv', row: 2, line: 4, column: 'p2' });
  });

  test('a text that is none of the choices', async () => {
    const record = { e: { dtype: 'i32', shape: [], choices: ['low', 'high'] } } as const;
    expect((await failure(readCsv('e\nhihg\n', { record }))).message).toContain(
      "'hihg' is not one of 'low', 'high'",
    );
  });

  test('bad rows can be skipped and are counted; nothing of them stays', async () => {
    const record = { x: { dtype: 'f32', shape: [2] }, y: i32 } as const;
    const batch = await readCsv('a,b,y\n1,2,3\n4,5,no\n6,no,7\n8\n9,10,11\n', {
      record,
      columns: { x: ['a', 'b'] },
      onBadRow: 'skip',
    });
    expect(batch.skipped).toBe(3);
    expect(batch.tensors.map(({ values }) => [...values])).toEqual([
      [1, 2, 9, 10],
      [3, 11],
    ]);
    await expect(readCsv('y\nno\n', { record: { y: i32 }, onBadRow: 'skip' })).rejects.toThrow(
      /has no rows \(1 bad row was skipped\)/,
    );
  });

  test.each([
    [
      'no such column',
      { record: { c: f32 } },
      "t.csv:1: column 'c': there is no column 'c' for field 'c'; the file has 'a', 'b'",
    ],
    ['no match', { record: { c: f32 }, columns: { c: 'x*' } }, "no column matches 'x*' for field 'c'"],
    [
      'a shape without columns',
      { record: { c: { dtype: 'f32', shape: [2] } } },
      "field 'c' (f32[2]) needs 2 columns; list them, as columns = { c:",
    ],
    [
      'too few columns',
      { record: { c: { dtype: 'f32', shape: [3] } }, columns: { c: ['a', 'b'] } },
      "needs 3 columns, got 2: 'a', 'b'",
    ],
    [
      'too many columns',
      { record: { c: f32 }, columns: { c: '*' } },
      "field 'c' (f32) needs 1 column, got 2",
    ],
  ] as const)('the header does not fit: %s', async (_, options, message) => {
    const error = await failure(readCsv('a,b\n1,2\n', { onBadRow: 'skip', ...options }));
    expect(error.message).toContain(message);
  });

  test('what is no table', async () => {
    const record = { a: f32 };
    expect((await failure(readCsv('', { record }))).message).toBe(
      't.csv: the file is empty; its first line must name the columns',
    );
    expect((await failure(readCsv('a,a\n1,2\n', { record }))).message).toContain("names column 'a' twice");
    const quote = await failure(readCsv('a\n1\n"2\n', { record }));
    expect(quote.message).toMatch(/not CSV with ',' between cells \(quote not closed/i);
    const early = await failure(readCsv('a\n"1\n"\n"x""y\n2\n3\n', { record }));
    expect(early.message).toMatch(/^t\.csv:4: .*\(quote not closed: it opens on this line/);
    for (const [separator, written] of [
      [';', '";"'],
      ['\t', '"\\t"'],
    ] as const) {
      const other = await failure(readCsv(`a${separator}b\n1${separator}2\n`, { record }));
      expect(other.message).toContain(`the separator seems to be ${written}: set delimiter = ${written}`);
    }
    expect((await failure(readCsv(Uint8Array.of(0x61, 0x0a, 0xff, 0x0a), { record }))).message).toContain(
      'not UTF-8',
    );
    const damaged = gzipSync('a\n5\n').subarray(0, 12);
    expect((await failure(readCsv(damaged, { record }))).message).toContain('the gzip data is damaged');
    expect(() => csv({ file: 't.csv', record, columns: { b: 'a' } })).toThrow(
      "columns names 'b', which is no field",
    );
  });
});

describe('jsonl', () => {
  test('objects with lists, texts and truth values', async () => {
    const record = {
      x: { dtype: 'f32', shape: [2, 2] },
      ok: { dtype: 'bool', shape: [] },
      kind: { dtype: 'i32', shape: [], choices: ['a', 'b'] },
    } as const;
    const text =
      '{"x":[[1,2],[3,4]],"ok":true,"kind":"b","more":0}\r\n\n{"kind":"a","ok":0,"x":[[5,6],[7,8]]}';
    expect((await readJson(text, { record })).tensors).toEqual([
      { dtype: 'f32', shape: [2, 2, 2], values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
      { dtype: 'bool', shape: [2], values: Uint8Array.of(1, 0) },
      { dtype: 'i32', shape: [2], values: Int32Array.of(1, 0) },
    ]);
  });

  test.each([
    ['no JSON', '{"x":[1,2]}\n{x}', 't.jsonl:2: row 2: the line is not JSON ('],
    ['no object', '[1,2]', 't.jsonl:1: row 1: the line is JSON but no object { … }; correct the row or set'],
    [
      'a missing key',
      '{"y":1}',
      "t.jsonl:1: row 1, column 'x': a list of 2 is wanted, got nothing; correct it",
    ],
    ['a wrong length', '{"x":[1,2,3]}', 'a list of 2 is wanted, got one of 3'],
    ['a text', '{"x":[1,"2"]}', 'at [1]: "2" is not a finite number'],
    ['null', '{"x":[null,2]}', 'at [0]: null is not a finite number'],
  ])('a bad line: %s', async (_, text, message) => {
    expect(
      (await failure(readJson(text, { record: { x: { dtype: 'f32', shape: [2] } } }))).message,
    ).toContain(message);
  });

  test('half-read lines leave nothing behind when they are skipped', async () => {
    const record = { x: { dtype: 'i32', shape: [2] } } as const;
    const batch = await readJson('{"x":[1,2]}\n{"x":[3,"n"]}\nno\n{"x":[4,5]}', { record, onBadRow: 'skip' });
    expect(batch.skipped).toBe(2);
    expect(batch.tensors[0]?.values).toEqual(Int32Array.of(1, 2, 4, 5));
  });
});

test.each([1, 7, 100])('a file is read whole, %d bytes at a time', async (most) => {
  const text = 'eleven byte';
  expect((await readWhole(path.join(root, write('whole', text)), most)).toString()).toBe(text);
  expect((await readWhole(path.join(root, write('none', '')), most)).length).toBe(0);
});

test('a text that is too long for one says so', () => {
  expect(decodeText(Buffer.from('äöü'), 'a.csv', 3)).toBe('äöü');
  expect(() => decodeText(Buffer.from('abcd'), 'a.csv', 3)).toThrow(
    'a.csv: the text has 4 bytes, and at most 3 letters are read at once; split the file',
  );
});
