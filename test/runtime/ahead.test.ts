/** Batches that are read while a step runs: in order, each once, none past the end, and errors where the batch is used. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OpenData } from '../../src/runtime/data/data.js';
import * as data from '../../src/runtime/data/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { Ahead } from '../../src/runtime/trainer/ahead.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { LiveAddOn } from '../../src/runtime/trainer/fit.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, setup, train, type LineData } from './tiny-trainer.js';

/** Rejections that nobody handled while a test ran. */
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  await wait(5);
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

/** A data set whose batches are read when it is told to. */
function manual(label = 'train') {
  const asked: string[] = [];
  const pending = new Map<string, { readonly done: () => void; readonly fail: (error: Error) => void }>();
  const set: OpenData = {
    label,
    rows: 100,
    skipped: 0,
    leftOut: [],
    files: [],
    batchesPerEpoch: 10,
    inWorkers: false,
    prefetch: null,
    batch: (epoch, index) => {
      const key = `${epoch}/${index}`;
      asked.push(key);
      return new Promise((resolve, reject) => {
        pending.set(key, {
          done: () => resolve({ fields: [], tensors: [], rows: 10, firstRow: 10 * index }),
          fail: reject,
        });
      });
    },
    first: () => Promise.reject(new Error('only batches are read ahead')),
    rowsOf: () => new Int32Array(),
    close: () => Promise.resolve(),
  };
  const of = (key: string) => {
    const found = pending.get(key);
    if (found === undefined) throw new Error(`${key} was not asked for`);
    return found;
  };
  return {
    set,
    asked,
    done: (key: string) => of(key).done(),
    fail: (key: string) => of(key).fail(new Error(`no ${key}`)),
  };
}

const at = (epoch: number, ...indices: readonly number[]) => indices.map((index) => ({ epoch, index }));

describe('reading ahead', () => {
  test('begins at once, in order, and reads each batch once', async () => {
    const { set, asked, done } = manual();
    const ahead = new Ahead([set]);
    ahead.prepare(at(0, 3, 4, 5));
    expect(asked).toEqual(['0/3', '0/4', '0/5']);
    ahead.prepare(at(0, 4, 5, 6));
    expect(asked).toEqual(['0/3', '0/4', '0/5', '0/6']);
    // They may come in any order; what is taken is what was asked for.
    ['0/6', '0/5', '0/4'].forEach(done);
    for (const index of [4, 5, 6]) {
      expect((await ahead.take({ epoch: 0, index }))[0]?.firstRow).toBe(10 * index);
    }
    expect(asked).toHaveLength(4);
    done('0/3');
    await ahead.drain();
  });

  test('a batch that was not prepared is read now, also one that was taken before', async () => {
    const { set, asked, done } = manual();
    const ahead = new Ahead([set]);
    for (let time = 0; time < 2; time++) {
      const taken = ahead.take({ epoch: 1, index: 7 });
      done('1/7');
      await taken;
    }
    expect(asked).toEqual(['1/7', '1/7']);
  });

  test('an error is for whoever takes the batch, and nobody else', async () => {
    const { set, done, fail } = manual();
    const ahead = new Ahead([set]);
    ahead.prepare(at(0, 0, 1, 2));
    fail('0/1');
    done('0/0');
    await wait(1);
    expect(await ahead.take({ epoch: 0, index: 0 })).toHaveLength(1);
    await expect(ahead.take({ epoch: 0, index: 1 })).rejects.toThrow('no 0/1');
    fail('0/2');
    await ahead.drain();
  });

  test('what is no longer wanted is dropped, errors and all, but waited for at the end', async () => {
    const { set, asked, done, fail } = manual();
    const ahead = new Ahead([set]);
    ahead.prepare(at(0, 1, 2));
    ahead.prepare(at(1, 0));
    expect(asked).toEqual(['0/1', '0/2', '1/0']);
    fail('0/1');
    done('1/0');
    let drained = false;
    const end = ahead.drain().then(() => {
      drained = true;
    });
    await wait(2);
    // A source that is still read must not be closed, whoever wanted the batch.
    expect(drained).toBe(false);
    done('0/2');
    await end;
    await ahead.drain();
  });

  test('goes as far in each set as that one wants, in the order of the steps', () => {
    const order: string[] = [];
    const [first, second] = (['first', 'second'] as const).map((label) => {
      const { set } = manual(label);
      return {
        ...set,
        batch: (epoch: number, index: number) => {
          order.push(`${label} ${epoch}/${index}`);
          return set.batch(epoch, index);
        },
      };
    });
    if (first === undefined || second === undefined) throw new Error('two sets');
    const ahead = new Ahead([first, second]);
    const depth = ({ label }: OpenData): number => (label === 'first' ? 3 : 1);
    // Those of workers begin before the others.
    ahead.prepare(at(0, 4, 5, 6, 7), depth, ({ label }) => label === 'second');
    expect(order.splice(0)).toEqual(['second 0/4']);
    ahead.prepare(at(0, 4, 5, 6, 7), depth);
    expect(order.splice(0)).toEqual(['first 0/4', 'first 0/5', 'first 0/6']);
    ahead.prepare(at(0, 5, 6, 7), depth);
    expect(order).toEqual(['second 0/5', 'first 0/7']);
  });

  test('tells a batch that is dropped that nobody wants it', async () => {
    const stopped: string[] = [];
    const { set } = manual();
    const ahead = new Ahead([
      {
        ...set,
        batch: (epoch, index, signal) =>
          new Promise((_, reject) => {
            signal?.addEventListener('abort', () => {
              stopped.push(`${epoch}/${index}`);
              reject(new Error('dropped'));
            });
          }),
      },
    ]);
    ahead.prepare(at(0, 0, 1, 2));
    ahead.prepare(at(0, 1, 2, 3));
    expect(stopped).toEqual(['0/0']);
    await ahead.drain();
    expect(stopped).toEqual(['0/0', '0/1', '0/2', '0/3']);
  });

  test('of several data sets fails when all of them are done', async () => {
    const [first, second] = [manual('first'), manual('second')];
    const ahead = new Ahead([first.set, second.set]);
    ahead.prepare(at(0, 0));
    first.fail('0/0');
    let drained = false;
    const taken = ahead.take({ epoch: 0, index: 0 });
    const failed = taken.catch((error: unknown) => String(error));
    const end = ahead.drain().then(() => {
      drained = true;
    });
    await wait(2);
    expect(drained).toBe(false);
    second.done('0/0');
    expect(await failed).toBe('Error: no 0/0');
    await end;
  });
});

/** What a source did, in order: `read 0 1 2`, `failed`, `close`. */
class Recorded extends LineTrainer {
  readonly read: number[][] = [];
  readonly events: string[] = [];
  constructor(
    options: TrainerOptions,
    private readonly rowCount: number,
    private readonly broken: number | null = null,
    private readonly slow = 0,
    private readonly prefetch: number | null = null,
  ) {
    super(setup({ rows: rowCount, batchSize: 4 }, options));
  }
  protected override configureData(): LineData {
    const set = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
      () => ({
        length: this.rowCount,
        read: async (rows) => {
          this.read.push([...rows]);
          this.events.push(`read ${rows[0] ?? 0}`);
          if (this.slow > 0) await wait(this.slow);
          if (this.broken !== null && rows.includes(this.broken)) throw new Error('the source broke');
          this.events.push(`done ${rows[0] ?? 0}`);
          return { x: new Float32Array(2 * rows.length).fill(0.5), y: new Float32Array(rows.length) };
        },
        close: () => {
          this.events.push('close');
        },
      }),
      {},
      {
        record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } },
        batch: 4,
        prefetch: this.prefetch === null ? null : units.batches(this.prefetch),
      },
    );
    return { train: set, test: super.configureData().test };
  }
}

/** Rows of so many batches of 4, epoch after epoch. */
function wanted(rowCount: number, batches: number): readonly (readonly number[])[] {
  const perEpoch = Math.ceil(rowCount / 4);
  return Array.from({ length: batches }, (_, batch) => {
    const first = 4 * (batch % perEpoch);
    return Array.from({ length: Math.min(4, rowCount - first) }, (_row, i) => first + i);
  });
}

describe('a run', () => {
  test.each([
    ['epochs', { epochs: 3 }, 15],
    ['steps that end in an epoch', { epochs: null, steps: 7 }, 7],
    ['steps that end with an epoch', { epochs: null, steps: 10 }, 10],
    ['one step', { epochs: null, steps: 1 }, 1],
    ['windows of 2, the last of an epoch shorter', { epochs: 2, accumulate: 2 }, 10],
    ['windows that end in an epoch', { epochs: null, steps: 4, accumulate: 2 }, 7],
    ['windows as long as an epoch', { epochs: 2, accumulate: 5 }, 10],
    ['many quiet steps', { epochs: 40, logEvery: units.steps(1000) }, 200],
    // On the native engine several steps are one call.
    ['many steps in a call', { epochs: 12, logEvery: units.steps(1000), compile: 'xla' }, 60],
    ['windows in a call', { epochs: 12, accumulate: 2, logEvery: units.steps(1000), compile: 'xla' }, 60],
  ] as const)('of %s reads each batch once, in order, and none past its end', async (_, options, batches) => {
    const trainer = new Recorded(options, 18);
    const { session } = await train(trainer);
    await session.close();
    expect(trainer.read).toEqual(wanted(18, batches));
    expect(trainer.events.at(-1)).toBe('close');
  });

  test.each([0, 1, 3, 7])(
    'with %d batches ahead goes into the next epochs, reads each once, in order, and none past its end',
    async (prefetch) => {
      const trainer = new Recorded({ epochs: null, steps: 12 }, 18, null, 0, prefetch);
      const ahead: number[] = [];
      const watch: LiveAddOn = {
        kind: 'watch',
        hooks: { stepEnd: ({ step }) => void ahead.push(trainer.read.length - step) },
      };
      const { session } = await train(trainer, [watch]);
      await session.close();
      expect(trainer.read).toEqual(wanted(18, 12));
      expect(ahead).toEqual(Array.from({ length: 12 }, (_, step) => Math.min(prefetch, 11 - step)));
    },
  );

  test('batches are read beside each other also where a call takes more of them than are read ahead', async () => {
    const options = { epochs: 12, logEvery: units.steps(1000), compile: 'xla' } as const;
    const trainer = new Recorded(options, 18, null, 2, 3);
    const { session } = await train(trainer);
    await session.close();
    expect(trainer.read).toEqual(wanted(18, 60));
    let underWay = 0;
    let beside = 0;
    for (const event of trainer.events) {
      if (event.startsWith('done')) underWay -= 1;
      if (!event.startsWith('read')) continue;
      if (underWay > 0) beside += 1;
      underWay += 1;
    }
    expect(beside).toBeGreaterThan(45);
  });

  test('a dev run reads what it takes', async () => {
    const trainer = new Recorded({ epochs: 3, progress: 'none' }, 18);
    await trainer.fit({ runDir: null, devRun: 2 });
    expect(trainer.read).toEqual(wanted(18, 2));
  });

  test('an error of reading ends it at the step that takes the batch', async () => {
    // Row 13 is in the fourth batch, which is read while the third step runs.
    const trainer = new Recorded({ epochs: 3, logEvery: units.steps(1) }, 18, 13);
    const ended: number[] = [];
    const watch: LiveAddOn = { kind: 'watch', hooks: { stepEnd: ({ step }) => void ended.push(step) } };
    await expect(train(trainer, [watch])).rejects.toThrow(/the source broke/);
    expect(ended).toEqual([1, 2, 3]);
    expect(trainer.read.slice(0, 4)).toEqual(wanted(18, 4));
  });

  test('a batch that fails and that no step takes is no error', async () => {
    // The fourth batch is read ahead while the third step runs, after which the run is stopped.
    const trainer = new Recorded({ epochs: 3, progress: 'none' }, 18, 13);
    const stop: LiveAddOn = {
      kind: 'stop',
      owns: ['stop'],
      hooks: { stepEnd: ({ step }) => (step === 3 ? 'end-run' : undefined) },
    };
    const { result, session } = await train(trainer, [stop]);
    expect(result.reason).toBe('stopped');
    expect(trainer.events.filter((line) => line.startsWith('read'))).toHaveLength(4);
    await session.close();
  });

  test.each(['end-run', 'signal', 'throw'] as const)(
    'that ends early by %s closes its source when nothing reads it any more',
    async (how) => {
      const control = new Control();
      class Ended extends Recorded {
        protected override configureAddOns() {
          const addOn = {
            kind: 'ends',
            phase: 'trigger' as const,
            owns: ['stop'],
            withOptions: () => addOn,
            start: () => ({
              stepEnd: ({ step }: { readonly step: number }) => {
                if (step < 2) return undefined;
                if (how === 'throw') throw new Error('on purpose');
                if (how === 'signal') control.stop('SIGINT');
                return how === 'end-run' ? ('end-run' as const) : undefined;
              },
            }),
          };
          return [addOn];
        }
      }
      const trainer = new Ended({ epochs: 3, progress: 'none' }, 18, null, 8);
      const run = trainer.fit({ runDir: null, control });
      if (how === 'throw') await expect(run).rejects.toThrow('on purpose');
      else expect((await run).reason).toBe(how === 'signal' ? 'interrupted' : 'stopped');
      expect(trainer.events.slice(-2)).toEqual(['done 8', 'close']);
    },
  );

  test('an epoch that an add-on ends drops what was read for it and goes on with the next', async () => {
    const trainer = new Recorded({ epochs: 2 }, 18);
    const end: LiveAddOn = {
      kind: 'end',
      hooks: { stepEnd: ({ step }) => (step === 2 ? 'end-epoch' : undefined) },
    };
    const { session } = await train(trainer, [end]);
    await session.close();
    // The third batch was under way; the second epoch is whole.
    expect(trainer.read).toEqual([...wanted(18, 3), ...wanted(18, 5)]);
  });
});
