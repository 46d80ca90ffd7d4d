/** Rows of files as a check counts them: as many as a run reads, and none that only the run can tell. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { countingHost, countRows as countsForPlan, mostCounted } from '../../src/cli/row-counts.js';
import { settingsOf } from '../../src/cli/settings.js';
import { checkSpec, specFile } from '../../src/cli/specs.js';
import type { Host } from '../../src/checker/host.js';
import { nodeHost } from '../../src/node-host.js';
import { csv, idx, jsonl } from '../../src/runtime/data/index.js';

const all = mkdtempSync(join(tmpdir(), 'ztrain-rows-'));
afterAll(() => rmSync(all, { recursive: true, force: true }));
/** Each test has its own: none finds what another has put. */
let folder = all;
beforeEach(() => {
  folder = mkdtempSync(join(all, 'test-'));
});

const countRows = (path: string, source: string, delimiter = ','): number | null =>
  countingHost.countRows(path, source, delimiter);
const put = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
};

/** An IDX file of zeros. */
const labelsOf = (rows: number): Buffer => {
  const bytes = Buffer.alloc(8 + rows);
  bytes.set([0, 0, 8, 1]);
  bytes.writeUInt32BE(rows, 4);
  return bytes;
};

describe('as many as a run reads', () => {
  test.each([
    ['plain', 'x,y\n1,2\n3,4\n'],
    ['without an end of the last line', 'x,y\n1,2\n3,4'],
    ['with empty lines', '\nx,y\n\n1,2\n\n\n3,4\n\n'],
    ['with lines of Windows', 'x,y\r\n1,2\r\n\r\n3,4\r\n'],
    ['with a byte order mark', '\uFEFFx,y\n1,2\n3,4\n'],
    ['with quotes, and breaks in them', 'x,y\n"1",2\n3,"4"\n'],
    ['with a mark, an empty line and quotes', '\uFEFF\n"x","y"\n1,2\n3,4\n'],
    ['with empty texts in quotes', 'x,y,z\n1,2,""\n3,4,""'],
    ['with texts of several lines', 'x,y,z\n1,2,"a\nb""c\r\n"\n3,4,"\n"\n'],
  ])('%s', async (name, text) => {
    for (const [file, content] of [
      [`${name}.csv`, text],
      [`${name}.csv.gz`, gzipSync(text)],
    ] as const) {
      const path = put(file, content);
      const record = { x: { dtype: 'f32', shape: [] }, y: { dtype: 'f32', shape: [] } } as const;
      const opened = await csv({ file, record }).open({ root: folder, seed: 0, label: 'd' });
      expect([opened.rows, countRows(path, 'csv')]).toEqual([2, 2]);
      await opened.close();
    }
  });
  test('of JSON lines', async () => {
    const path = put('rows.jsonl', '{"x":1}\r\n\n  \n{"x":2}');
    const record = { x: { dtype: 'f32', shape: [] } } as const;
    const opened = await jsonl({ file: 'rows.jsonl', record }).open({ root: folder, seed: 0, label: 'd' });
    expect([opened.rows, countRows(path, 'jsonl')]).toEqual([2, 2]);
    await opened.close();
  });
  test('of IDX files, packed or not, whatever their names', async () => {
    const record = { image: { dtype: 'u8', shape: [2] }, label: { dtype: 'u8', shape: [] } } as const;
    put('images', Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6));
    for (const [file, content] of [
      ['labels', labelsOf(3)],
      ['labels.gz', labelsOf(3)],
      ['packed', gzipSync(labelsOf(3))],
      ['packed.gz', gzipSync(labelsOf(3))],
    ] as const) {
      const path = put(file, content);
      const opened = await idx({ images: 'images', labels: file, record }).open({
        root: folder,
        seed: 0,
        label: 'd',
      });
      expect([opened.rows, countRows(path, 'idx')]).toEqual([3, 3]);
      await opened.close();
    }
    expect(countRows(join(folder, 'images'), 'idx')).toBe(3);
  });
});

describe('nothing of a CSV file whose quotes or lines the run takes otherwise', () => {
  const record = { x: { dtype: 'f32', shape: [] } } as const;
  test.each([
    ['quotes in cells', 'x,y\n1,5" disk\n2,z\n3,6" x\n', /q\.csv:2: .*invalid Opening Quote/],
    ['a quote after a space', 'x,y\n1, "a\n2,b"\n', /q\.csv:2: .*invalid Opening Quote/],
    ['more after a quote', 'x,y\n1,"a"b\n', /q\.csv:2: .*invalid Closing Quote/],
    ['a text over lines, then more', 'x,y\n1,"a\nb" \n', /q\.csv:3: .*invalid Closing Quote/],
    ['quotes in quotes', 'x,y\n1,"5" disk"\n', /q\.csv:2: .*invalid Closing Quote/],
    ['an open quote', 'x,y\n1,2\n3,"""\n', /q\.csv:3: .*quote not closed/],
    ['an open quote at the end', 'x,y\n1,"', /q\.csv:2: .*quote not closed/],
    ['another end of a line', 'x,y\r\n1,2\n3,4\r\n', /q\.csv.*3 cells/],
  ])('%s', async (_, text, problem) => {
    const path = put('q.csv', text);
    const opened = csv({ file: 'q.csv', record }).open({ root: folder, seed: 0, label: 'd' });
    await expect(opened).rejects.toThrow(problem);
    expect(countRows(path, 'csv')).toBeNull();
  });
  test('but with the delimiter that is given', async () => {
    const path = put('tab.csv', 'x\ty\n1\t"a, b\n"\n2\t"c"\n');
    const opened = await csv({ file: 'tab.csv', record, delimiter: '\t' }).open({
      root: folder,
      seed: 0,
      label: 'd',
    });
    expect(opened.rows).toBe(2);
    await opened.close();
    const counts = ['\t', ',', '', '→'].map((delimiter) => countRows(path, 'csv', delimiter));
    expect(counts).toEqual([2, null, null, null]);
  });
});

test('nothing of what is not there, is no file, is too large, or is not to be made out', () => {
  expect(countRows(join(folder, 'gone.csv'), 'csv')).toBeNull();
  expect(countRows(folder, 'csv')).toBeNull();
  expect(countRows(put('old.csv', 'x\r1\r2\r'), 'csv')).toBeNull();
  expect(countRows(put('open.csv', 'x\n"1\n2\n'), 'csv')).toBeNull();
  const large = put('large.csv', 'x\n1\n');
  truncateSync(large, mostCounted + 1);
  expect(countRows(large, 'csv')).toBeNull();
  const grown = put('grown.csv.gz', gzipSync(Buffer.alloc(mostCounted + 1, 'x\n')));
  expect(countRows(grown, 'csv')).toBeNull();
});

// A pipe would be waited for, and some devices have no end; this one is empty.
test.runIf(existsSync('/dev/null'))('nothing of a device, for a plan either', () => {
  for (const source of ['csv', 'jsonl', 'idx']) expect(countRows('/dev/null', source)).toBeNull();
  const file = specFile(put('device.ztrain', spec().replace('data/rows.csv', '/dev/null')));
  const { ir } = checkSpec(file);
  const [data] = ir?.trainer?.data ?? [];
  if (!ir?.trainer || !data) throw new Error('no data');
  expect(countsForPlan(file.path, data, settingsOf(ir.trainer, ir, []).names)).toEqual({
    unknown: 'the rows of /dev/null are counted by the run alone',
  });
});

test.each([
  ['too short for a head', [0, 0, 8, 1, 0, 0]],
  ['of no sizes', [0, 0, 8, 0, 0, 0, 0, 1]],
  ['of no IDX', [1, 0, 8, 1, 0, 0, 0, 1, 7]],
  ['of other values than bytes', [0, 0, 13, 1, 0, 0, 0, 1, 7, 7, 7, 7]],
  ['cut short', [0, 0, 8, 1, 0, 0, 0, 3, 7, 7]],
  ['with more than promised', [0, 0, 8, 1, 0, 0, 0, 1, 7, 7]],
])('nothing of labels that a run refuses: %s', (_, bytes) => {
  expect(countRows(put('labels', Uint8Array.from(bytes)), 'idx')).toBeNull();
  expect(countRows(put('packed', gzipSync(Uint8Array.from(bytes))), 'idx')).toBeNull();
});

test('nothing of packed labels that are too large, packed or unpacked', () => {
  // Of plain ones, the head tells.
  const plain = put('plain', labelsOf(mostCounted));
  expect(countRows(plain, 'idx')).toBe(mostCounted);
  expect(countRows(put('grown', gzipSync(labelsOf(mostCounted), { level: 1 })), 'idx')).toBeNull();
  const large = put('large', gzipSync(labelsOf(3)));
  truncateSync(large, mostCounted + 1);
  expect(countRows(large, 'idx')).toBeNull();
});

const spec = (
  rest: { readonly data?: string; readonly over?: string; readonly sweep?: string } = {},
): string => `
param size: int = 4 where size > 0
data rows = csv -> { x: f32[2], label: i32 } { file = "data/rows.csv" columns = { x: ["a", "b"] } batch = size ${rest.data ?? ''} }
model Net on x: f32[n, 2] -> f32[n, 2] { return x |> dense(2) as head }
schedule warm { warmup(to = 0.1, over = ${rest.over ?? '50.steps'}) cosine(to = 0.01, over = rest) }
optimizer opt = adam { of = Net lr = warm }
step train(batch in rows) { update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.label)) } }
trainer Rows { epochs = 2 }
${rest.sweep ?? ''}
`;
const rowsOf = (count: number): string =>
  `a,b,label\n${Array.from({ length: count }, (_, at) => `${at},1,${at % 2}\n`).join('')}`;

describe('a check', () => {
  const found = (text: string, host: Partial<Host> = countingHost) =>
    checkSpec(specFile(put('counted.ztrain', text)), { ...nodeHost, ...host }).diagnostics;
  const codes = (text: string, host?: Partial<Host>): readonly string[] =>
    found(text, host).map(({ code }) => code);

  test('holds schedules against the rows of a file beside the spec', () => {
    expect(codes(spec())).toEqual([]);
    put('data/rows.csv', rowsOf(40));
    const [only, ...others] = found(spec());
    expect(others).toEqual([]);
    expect([only?.code, ...(only?.notes ?? [])]).toEqual([
      'ZT4202',
      "the phases before take 50 steps of the run's 20",
      '`rows` has 40 rows: 10 batches of 4 in an epoch; 2 epochs are 20 steps',
    ]);
    // Nobody counts where the host does not.
    expect(codes(spec(), {})).toEqual([]);
    put('data/rows.csv', rowsOf(400));
    expect(codes(spec())).toEqual([]);
  });
  test('does not where rows may be left out, or none are there', () => {
    put('data/rows.csv', rowsOf(40));
    expect(codes(spec({ data: 'on_bad_row = "skip"' }))).toEqual([]);
    expect(codes(spec({ data: 'on_bad_row = "error"' }))).toEqual(['ZT4202']);
    put('data/rows.csv', rowsOf(0));
    expect(codes(spec())).toEqual([]);
  });
  test('holds each run of a sweep against it', () => {
    put('data/rows.csv', rowsOf(40));
    const sweep = 'addon sweep { over = [axis(size, [1, 2, 8])] pick = min(train.loss) }';
    const [only, ...others] = found(spec({ over: '30.steps', sweep }));
    expect(others).toEqual([]);
    expect(only?.code).toBe('ZT4202');
    expect(JSON.stringify(only)).toContain('size = 8');
  });
  test('counts with the delimiter of the spec', () => {
    put('data/rows.csv', rowsOf(40).replaceAll(',', '\t').replaceAll('\t1\t', '\t"1"\t'));
    expect(codes(spec({ data: 'delimiter = "\\t"' }))).toEqual(['ZT4202']);
  });
  test.each([40, null])('counts a file once, in all the runs of a sweep: %s', (rows) => {
    const asked: string[] = [];
    const countRows = (path: string, source: string): number | null => {
      asked.push(`${source} ${path}`);
      return rows;
    };
    const sweep = 'addon sweep { over = [axis(size, [1, 2, 8])] pick = min(train.loss) }';
    expect(codes(spec({ over: '30.steps', sweep }), { countRows })).toEqual(rows === null ? [] : ['ZT4202']);
    expect(asked).toEqual([`csv ${join(folder, 'data/rows.csv')}`]);
  });
  test('looks where relative paths of data start', () => {
    put('data/rows.csv', rowsOf(400));
    put('other/data/rows.csv', rowsOf(40));
    expect(codes(spec(), { ...countingHost, dataRoot: join(folder, 'other') })).toEqual(['ZT4202']);
  });
});
