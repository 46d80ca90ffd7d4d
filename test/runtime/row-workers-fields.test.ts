/** Rows of texts, pictures that they name and lists of many sizes are the same whoever prepares them, and so are those that are left out. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HostBatch, OpenData } from '../../src/runtime/data/data.js';
import { BadRow, DataError, leftOutText } from '../../src/runtime/data/data-error.js';
import { openAgain } from '../../src/runtime/data/reopened.js';
import { receivedError, sentError } from '../../src/runtime/data/row-messages.js';
import { RowWorkers } from '../../src/runtime/data/row-workers.js';
import type { CommonOptions } from '../../src/runtime/data/index.js';
import { RunError } from '../../src/runtime/run/run-error.js';
import { bundledTrainer } from './bundled-program.js';
import { ListTrainer, type ListData } from './list-trainer.js';

let root: string;
let module: string;

const put = (file: string, content: string | Uint8Array): void => {
  mkdirSync(join(root, file, '..'), { recursive: true });
  writeFileSync(join(root, file), content);
};

const kinds = ['the', 'cat', 'dog'];
const rows = 23;
/** A table of pictures, in which some rows are told otherwise. */
const table = (other: ReadonlyMap<number, string> = new Map()): string =>
  ['file,name,kind,age']
    .concat(
      Array.from(
        { length: rows },
        (_, at) => other.get(at) ?? `pictures/${at}.png,"no. ${at}, ü",${kinds[at % 3] ?? ''},${at}`,
      ),
    )
    .join('\n');

const bad = new Map([
  [4, 'pictures/cut.png,cut,cat,1'],
  [11, 'pictures/3.png,strange,bird,1'],
  [12, 'pictures/gone.png,gone,cat,1'],
  [20, 'pictures/3.png,old,cat,very'],
]);

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ztrain-workers-fields-'));
  for (let at = 0; at < rows; at += 1) {
    const picture = new PNG({ width: 4 + (at % 3), height: 5 });
    picture.data.forEach((_, byte) => (picture.data[byte] = (byte * 7 + at * 31) % 256));
    put(`faces/pictures/${at}.png`, PNG.sync.write(picture));
  }
  put('faces/pictures/cut.png', PNG.sync.write(new PNG({ width: 9, height: 9 })).subarray(0, 40));
  put('faces/good.csv', table());
  put('faces/bad.csv', table(bad));
  put('faces/parsed.csv', table(new Map([...bad].filter(([at]) => at !== 20))));
  put('words.txt', `${kinds.join('\n')}\n`);
  const sentences = Array.from({ length: 13 }, (_, at) => {
    const words = Array.from({ length: at % 5 }, (__, place) => kinds[(at + place) % 4] ?? 'else');
    return JSON.stringify({ id: `s${at}`, words, scores: words.map((_word, place) => place / 2) });
  });
  put('sentences.jsonl', `${sentences.join('\n')}\n`);
  module = pathToFileURL(await bundledTrainer('list-trainer')).href;
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const running = new Map<string, RowWorkers>();
afterAll(async () => {
  await Promise.all([...running.values()].map((workers) => workers.close()));
});

async function opened(
  name: keyof ListData,
  count: number,
  { list = 'faces/good.csv', ...options }: CommonOptions & { readonly list?: string } = {},
): Promise<OpenData> {
  const params = { list };
  const set = new ListTrainer({ params }).dataSets().get(name);
  if (set === undefined) throw new Error(`no data ${name}`);
  const workers =
    running.get(list) ??
    new RowWorkers(3, {
      module,
      trainer: 'Lists',
      className: 'ListTrainer',
      code: '',
      sourceMaps: false,
      params,
      root,
    });
  running.set(list, workers);
  return set
    .withOptions({ ...options, workers: count })
    .open({ root, seed: 3, label: name, workers: count === 0 ? null : workers });
}

const seen = ({ fields, tensors, texts, rows: count, firstRow }: HostBatch): object => ({
  fields,
  rows: count,
  firstRow,
  texts,
  tensors: tensors.map(({ dtype, shape, values }) => ({ dtype, shape, values: [...values] })),
});

/** Batches of two epochs, all asked for at once. */
async function epochs(open: OpenData): Promise<readonly object[]> {
  const places = Array.from({ length: 2 * open.batchesPerEpoch }, (_, at) => at);
  const batches = await Promise.all(
    places.map((at) => open.batch(Math.floor(at / open.batchesPerEpoch), at % open.batchesPerEpoch)),
  );
  return batches.map(seen);
}

describe('the same rows with any number of workers', () => {
  test.each(['faces', 'sentences'] as const)('%s', async (name) => {
    const main = await opened(name, 0);
    const wanted = await epochs(main);
    expect(main.inWorkers).toBe(false);
    for (const count of [1, 2, 3]) {
      const own = await opened(name, count);
      expect(own.inWorkers).toBe(true);
      expect(await epochs(own)).toEqual(wanted);
    }
    // There is something to compare.
    expect(JSON.stringify(wanted[0])).not.toBe(JSON.stringify(wanted[1]));
  });

  test('and their texts come back from the worker that reads them', async () => {
    const textsOf = async (count: number): Promise<readonly (readonly string[])[]> => {
      const open = await opened('heard', count);
      const batches = await Promise.all([0, 1, 2].map((index) => open.batch(0, index)));
      return batches.map(({ texts }) => texts?.get('id') ?? []);
    };
    const wanted = await textsOf(0);
    expect(wanted.flat()).toEqual(Array.from({ length: 11 }, (_, row) => `main ${row}`));
    for (const count of [1, 2])
      expect(await textsOf(count)).toEqual(
        wanted.map((all) => all.map((text) => text.replace('main', 'worker'))),
      );
    const tensorsOf = async (count: number) =>
      (await epochs(await opened('heard', count))).map((one) => ({ ...one, texts: null }));
    expect(await tensorsOf(2)).toEqual(await tensorsOf(0));
  });

  test('first rows are those of the source, of any number, in memory that no batch is written into', async () => {
    const [main, own] = [await opened('faces', 0), await opened('faces', 2)];
    const first = await own.first(12);
    const wanted = seen(await main.first(12));
    expect(seen(first)).toEqual(wanted);
    expect(first.texts?.get('name')?.[11]).toBe('no. 11, ü');
    expect(first.release).toBeUndefined();
    for (let index = 0; index < own.batchesPerEpoch; index += 1) (await own.batch(0, index)).release?.();
    expect(seen(first)).toEqual(wanted);
    await expect(own.first(rows + 1)).rejects.toThrow(
      `data 'faces' has ${rows} rows, fewer than the first 24`,
    );
  });
});

async function failure(promise: Promise<unknown>): Promise<DataError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DataError)) throw new Error(`a DataError is wanted, got ${String(error)}`);
  return error;
}

const placeOf = ({ message, file, line, row, column }: DataError): object => ({
  message,
  file,
  line,
  row,
  column,
});

describe('bad rows', () => {
  test('are told with their place: a picture that does not decode, one that is not there, a strange word', async () => {
    const options = { list: 'faces/parsed.csv', shuffle: false, batch: 4 };
    const main = await opened('faces', 0, options);
    for (const [index, text] of [
      [1, /^faces\/parsed\.csv:6: row 5, column 'file': the picture pictures\/cut\.png cannot be read \(/],
      [2, /^faces\/parsed\.csv:13: row 12, column 'kind': "bird" is no word of words\.txt; add it there/],
      [3, /^faces\/parsed\.csv:14: row 13, column 'file': the picture .*gone\.png .*there is no such file/],
    ] as const) {
      const wanted = await failure(main.batch(0, index));
      expect(wanted.message).toMatch(text);
      for (const count of [1, 2, 3]) {
        const found = await failure((await opened('faces', count, options)).batch(0, index));
        expect(placeOf(found)).toEqual(placeOf(wanted));
        expect(found).toBeInstanceOf(BadRow);
      }
    }
    // Of several in a batch the first is told.
    const whole = await opened('faces', 3, { ...options, batch: rows });
    expect((await failure(whole.batch(0, 0))).row).toBe(5);
  });

  test('are left out alike, those of the file and those of map', async () => {
    const options = { list: 'faces/bad.csv', onBadRow: 'skip' } as const;
    const main = await opened('faces', 0, options);
    expect([main.rows, main.skipped]).toEqual([rows - 4, 4]);
    expect(main.leftOut.map(leftOutText)).toEqual([
      expect.stringMatching(/^faces\/bad\.csv:22: row 21, column 'age': 'very' is not a finite number$/),
      expect.stringMatching(
        /^faces\/bad\.csv:6: row 5, column 'file': the picture pictures\/cut\.png cannot be read \(/,
      ),
      `faces/bad.csv:13: row 12, column 'kind': "bird" is no word of words.txt`,
      expect.stringMatching(
        /^faces\/bad\.csv:14: row 13, column 'file': the picture .*there is no such file/,
      ),
    ]);
    const wanted = await epochs(main);
    expect(
      JSON.stringify(wanted.map((one) => ('texts' in one && one.texts instanceof Map ? [...one.texts] : []))),
    ).not.toMatch(/cut|strange|gone|old/);
    for (const count of [1, 2, 3]) {
      const own = await opened('faces', count, options);
      expect([own.rows, own.skipped]).toEqual([main.rows, main.skipped]);
      expect(own.leftOut).toEqual(main.leftOut);
      expect(await epochs(own)).toEqual(wanted);
      expect(seen(await own.first(7))).toEqual(seen(await main.first(7)));
    }
  });

  test('an error keeps what it is on its way to another thread', () => {
    const place = { file: 'a.csv', line: 3, row: 2, column: 'x' };
    for (const error of [new BadRow('wrong', place), new DataError('wrong', place), new RunError('wrong')]) {
      const arrived = receivedError(structuredClone(sentError(error)));
      expect(arrived).toEqual(error);
      expect(arrived.constructor).toBe(error.constructor);
    }
  });
});

describe('a file of words', () => {
  test('is read anew by workers as the data is opened again', async () => {
    const open = await openAgain(() => opened('sentences', 2));
    const tokens = async (): Promise<unknown> => (await open.first(13)).tensors[0]?.values.slice(0, 20);
    const before = await tokens();
    put('words.txt', `${[...kinds].reverse().join('\n')}\n`);
    expect(await tokens()).toEqual(before);
    await open.reopen();
    const after = await tokens();
    expect(after).not.toEqual(before);
    expect(after).toEqual((await (await opened('sentences', 0)).first(13)).tensors[0]?.values.slice(0, 20));
    put('words.txt', `${kinds.join('\n')}\n`);
  });
});
