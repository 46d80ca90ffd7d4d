/** Rows that worker threads prepare: the bytes, the errors and the end are those of the main thread. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Data, HostBatch, OpenData } from '../../src/runtime/data/data.js';
import { DataError } from '../../src/runtime/data/data-error.js';
import type { RowWorkerStart } from '../../src/runtime/data/row-messages.js';
import { firstLines, startKey } from '../../src/runtime/data/row-worker.js';
import { RowWorkers, type StartWorker } from '../../src/runtime/data/row-workers.js';
import { bundledTrainer } from './bundled-program.js';
import { writePictures } from './made-up-pictures.js';
import { PictureTrainer, type PictureData } from './picture-trainer.js';

let folder: string;
let module: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-workers-'));
  writePictures(join(folder, 'all'), 6);
  module = pathToFileURL(await bundledTrainer('picture-trainer')).href;
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const startOf = (given: Partial<RowWorkerStart> & { readonly params?: object } = {}): RowWorkerStart => ({
  module,
  trainer: 'Pictures',
  className: 'PictureTrainer',
  code: '',
  sourceMaps: false,
  root: '/',
  ...given,
  params: { root: join(folder, 'all'), fault: '', ...given.params },
});

/** Threads by what they were started with: a data set takes as many of them as it wants. */
const running = new Map<string, RowWorkers>();
const most = 3;

function threadsFor(start: RowWorkerStart, begin: StartWorker | undefined): RowWorkers {
  const key = begin === undefined ? JSON.stringify(start) : 'with a start of their own';
  const found = running.get(key) ?? new RowWorkers(most, start, begin);
  running.set(key, found);
  return found;
}
afterAll(async () => {
  await Promise.all([...running.values()].map((workers) => workers.close()));
});

interface Opened {
  readonly open: OpenData;
  readonly workers: RowWorkers | null;
}

/** A data set of the trainer, opened with so many workers. */
async function opened(
  name: keyof PictureData,
  count: number,
  {
    params = {},
    change = (set) => set,
    begin,
    start = {},
  }: {
    readonly params?: Partial<Record<'root' | 'fault', string>>;
    readonly change?: (set: Data<unknown>) => Data<unknown>;
    readonly begin?: StartWorker;
    readonly start?: Partial<RowWorkerStart>;
  } = {},
): Promise<Opened> {
  const own = startOf({ ...start, params });
  const set = new PictureTrainer({ params: own.params }).dataSets().get(name);
  if (set === undefined) throw new Error(`no data ${name}`);
  const workers = count === 0 ? null : threadsFor(own, begin);
  const host = { root: '/', seed: 3, label: name, workers };
  return { open: await change(set.withOptions({ workers: count })).open(host), workers };
}

const bytesOf = ({ fields, tensors, rows, firstRow }: HostBatch): unknown => ({
  fields,
  rows,
  firstRow,
  tensors: tensors.map(({ dtype, shape, values }) => ({ dtype, shape, values: [...values] })),
});

async function epochsOf({ open }: Opened, epochs: number): Promise<unknown> {
  const places = Array.from({ length: epochs * open.batchesPerEpoch }, (_, at) => at);
  // All at once, as they are read ahead.
  const batches = await Promise.all(
    places.map((at) => open.batch(Math.floor(at / open.batchesPerEpoch), at % open.batchesPerEpoch)),
  );
  return batches.map(bytesOf);
}

describe('bytes', () => {
  test.each(['photos', 'held', 'digits', 'sensor'] as const)(
    '%s is the same with any number of workers',
    async (name) => {
      const wanted = await epochsOf(await opened(name, 0), 2);
      for (const count of [1, 2, 3]) {
        const own = await opened(name, count);
        expect(own.open.inWorkers).toBe(true);
        expect(await epochsOf(own, 2)).toEqual(wanted);
      }
    },
  );

  test('differ from epoch to epoch, and a batch may be asked for in any order', async () => {
    const own = await opened('photos', 2);
    const [later, first] = [await own.open.batch(1, 0), await own.open.batch(0, 0)];
    expect(bytesOf(later)).not.toEqual(bytesOf(first));
    expect(bytesOf(first)).toEqual(bytesOf(await (await opened('photos', 0)).open.batch(0, 0)));
  });

  test('stand in memory that is used again once it is given back, and not before', async () => {
    const { open } = await opened('photos', 2);
    const memory = ({ tensors }: HostBatch): unknown => tensors[0]?.values.buffer;
    const [first, second] = [await open.batch(0, 0), await open.batch(0, 1)];
    expect(memory(first)).toBeInstanceOf(SharedArrayBuffer);
    expect(memory(second)).not.toBe(memory(first));
    first.release?.();
    first.release?.();
    const [third, fourth] = [await open.batch(0, 2), await open.batch(1, 0)];
    expect(memory(third)).toBe(memory(first));
    expect([memory(first), memory(second)]).not.toContain(memory(fourth));
    // The last batch of an epoch is shorter, in the same memory.
    expect(third.rows).toBe(2);
    expect(bytesOf(third)).toEqual(bytesOf(await (await opened('photos', 0)).open.batch(0, 2)));
  });

  test('rows that nothing prepares are left to the main thread', async () => {
    const { digits } = await import('../../src/runtime/data/digits.js');
    const { workers } = await opened('photos', 1);
    const set = digits({ batch: 4, workers: 1 });
    expect(set.hasHostWork).toBe(false);
    const open = await set.open({ root: '/', seed: 0, label: 'd', workers });
    expect(open.inWorkers).toBe(false);
    expect((await open.batch(0, 0)).rows).toBe(4);
  });
});

/** Where something goes wrong, and how it is told. */
async function failure(promise: Promise<unknown>): Promise<DataError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DataError)) throw new Error(`a DataError is wanted, got ${String(error)}`);
  return error;
}

describe('errors', () => {
  test('a picture that does not decode, a function that fails: as in the main thread', async () => {
    const root = join(folder, 'broken');
    writePictures(root, 3);
    writeFileSync(join(root, 'cats', '1.png'), 'no picture');
    writeFileSync(join(root, 'dogs', '2.jpg'), Buffer.of(0xff, 0xd8, 0xff));
    for (const params of [{ root }, { fault: 'row' }]) {
      const main = await opened('held', 0, { params, change: (set) => set.withOptions({ batch: 6 }) });
      for (const count of [1, 2, 3]) {
        const own = await opened('held', count, { params, change: (set) => set.withOptions({ batch: 6 }) });
        for (let index = 0; index < own.open.batchesPerEpoch; index += 1) {
          const asked = main.open.batch(0, index);
          const works = await asked.then(
            () => true,
            () => false,
          );
          if (works) {
            expect(bytesOf(await own.open.batch(0, index))).toEqual(bytesOf(await asked));
            continue;
          }
          const [wanted, found] = [await failure(asked), await failure(own.open.batch(0, index))];
          expect(found.message).toBe(wanted.message);
          expect([found.file, found.row]).toEqual([wanted.file, wanted.row]);
          expect(found.message).toMatch(/no picture|broken\/|this class is not wanted/);
        }
      }
    }
  });

  test('of several rows of a batch the first is told, whichever worker is faster', async () => {
    const params = { fault: 'row' };
    const change = (set: Data<unknown>): Data<unknown> => set.withOptions({ batch: 12 });
    const { open } = await opened('held', 3, { params, change });
    const { file, row } = await failure(open.batch(0, 0));
    // Six cats come before the dogs.
    expect([row, file]).toEqual([7, `${join(folder, 'all')}/dogs/0.jpg`]);
  });

  test('pictures that are skipped are counted alike', async () => {
    const root = join(folder, 'broken');
    const change = (set: Data<unknown>): Data<unknown> => set.withOptions({ onBadRow: 'skip' });
    const [main, own] = [
      await opened('photos', 0, { params: { root }, change }),
      await opened('photos', 2, { params: { root }, change }),
    ];
    expect([own.open.skipped, own.open.rows]).toEqual([main.open.skipped, main.open.rows]);
    expect(own.open.skipped).toBe(2);
    expect(await epochsOf(own, 1)).toEqual(await epochsOf(main, 1));
  });

  test('of an extern source', async () => {
    const params = { fault: 'source' };
    const [main, own] = [await opened('sensor', 0, { params }), await opened('sensor', 2, { params })];
    const text = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'none',
        (error: unknown) => (error instanceof Error ? error.message : 'no error'),
      );
    expect(await text(own.open.batch(0, 1))).toBe('the sensor is off');
    expect(await text(main.open.batch(0, 1))).toBe('the sensor is off');
    expect((await own.open.batch(0, 0)).rows).toBe(4);
  });
});

describe('a worker that ends', () => {
  test.each([
    ['exit', /a worker that prepares rows of data 'held' has ended \(exit code 7\); `held\.workers=0`/],
    ['throw later', /data 'held' has ended \(nobody waits for this\)/],
  ])('by %s fails what it had to do, and what comes after', async (fault, text) => {
    const { open } = await opened('held', 2, { params: { fault } });
    const last = open.batchesPerEpoch - 1;
    // Rows of the first class do it no harm.
    expect((await open.batch(0, 0)).rows).toBe(4);
    const ends = Promise.all(Array.from({ length: 40 }, () => open.batch(0, last)));
    expect((await failure(ends)).message).toMatch(text);
    expect((await failure(Promise.all([open.batch(0, 0), open.batch(0, last)]))).message).toMatch(text);
    await open.close();
  });

  test('as it has no memory left says so', async () => {
    const { open } = await opened('held', 1, {
      params: { fault: 'memory' },
      begin: (start) =>
        new Worker(firstLines, {
          eval: true,
          workerData: { [startKey]: start },
          resourceLimits: { maxOldGenerationSizeMb: 64 },
        }),
    });
    expect((await failure(open.batch(0, open.batchesPerEpoch - 1))).message).toMatch(
      /a worker that prepares rows of data 'held' ran out of memory; make the rows smaller/,
    );
  });

  test('and a batch that nobody wants any more keeps nobody busy', async () => {
    const { open } = await opened('photos', 1);
    const dropped = new AbortController();
    dropped.abort();
    await expect(open.batch(0, 0, dropped.signal)).rejects.toThrow('nobody wants this batch any more');
    expect((await open.batch(0, 0)).rows).toBe(5);
  });
});

describe('where workers find the data', () => {
  const told = async (start: Partial<RowWorkerStart>): Promise<string> => {
    const { open } = await opened('photos', 1, { start });
    return open.batch(0, 0).then(
      () => 'nothing',
      (error: unknown) => (error instanceof Error ? error.message : 'no error'),
    );
  };

  test('a module that is not there, has no trainer, or another one', async () => {
    expect(await told({ module: pathToFileURL(join(folder, 'none.mjs')).href })).toMatch(
      /none\.mjs cannot be imported in a worker: Cannot find module/,
    );
    const other = join(folder, 'other.mjs');
    writeFileSync(other, 'export const answer = 42;');
    expect(await told({ module: pathToFileURL(other).href })).toMatch(
      /other\.mjs does not use ztrain\/runtime/,
    );
    expect(await told({ trainer: 'Others', className: 'Others' })).toMatch(
      /does not export Others; export it, so that workers find its data/,
    );
  });

  test('data that is another there', async () => {
    const change = (set: Data<unknown>): Data<unknown> => set.map((row) => row);
    const { open } = await opened('photos', 1, { change });
    // What runs in the step is no business of workers.
    expect((await open.batch(0, 0)).rows).toBe(5);
    const { workers } = await opened('photos', 1);
    const { digits } = await import('../../src/runtime/data/digits.js');
    const own = digits({ workers: 1 }).prepare({ image: { dtype: 'u8', shape: [8, 8, 1] } }, ({ image }) => ({
      image,
    }));
    const another = await own.open({ root: '/', seed: 0, label: 'photos', workers });
    await expect(another.batch(0, 0)).rejects.toThrow(
      /data 'photos' is not the same in .*picture-trainer.*, which workers import \(its source is another there\); make it/,
    );
  });
});

describe('a program of its own', () => {
  let program: string;
  beforeAll(async () => {
    program = await bundledTrainer('picture-program');
  }, 60_000);
  const started = (words: readonly string[]): Promise<{ readonly code: number; readonly text: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, ...words], { cwd: folder }, (error, _out, text) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, text }),
      );
    });

  test('may hand its trainer to main, in workers too, and ends by itself', async () => {
    const root = `root=${join(folder, 'all')}`;
    const { code, text } = await started(['main', root, 'photos.workers=2', '--engine=embedded']);
    expect(text).not.toContain('error');
    expect(code).toBe(0);
  });

  test('that trains when it is imported is told to wait for main', async () => {
    const { code, text } = await started(['at-import', join(folder, 'all')]);
    expect(text).toMatch(/cannot be imported in a worker: a run starts while its module is imported/);
    expect(code).not.toBe(0);
  });
});

describe('an extern source', () => {
  test('is opened in each worker that reads it, and closed with the data', async () => {
    const root = join(folder, 'notes');
    mkdirSync(root);
    const own = startOf({ params: { root } });
    const workers = new RowWorkers(2, own);
    const set = new PictureTrainer({ params: own.params }).dataSets().get('sensor');
    const open = await set
      ?.withOptions({ workers: 2 })
      .open({ root: '/', seed: 3, label: 'sensor', workers });
    if (open === undefined) throw new Error('no data');
    await Promise.all([0, 1, 2].map((index) => open.batch(0, index)));
    await open.close();
    const notes = readFileSync(join(root, 'notes.txt'), 'utf8').trim().split('\n');
    const count = (line: string): number => notes.filter((each) => each === line).length;
    expect([count('open in main'), count('open in worker'), count('read in main')]).toEqual([1, 2, 0]);
    expect([count('close in main'), count('close in worker')]).toEqual([1, 2]);
    expect(count('read in worker')).toBe(6);
    await workers.close();
    await workers.close();
  });
});
