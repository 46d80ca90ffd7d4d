/** Harvests one after the other, sources that are opened once, and model calls that end with theirs. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import { Turns } from '../../src/runtime/data/turns.js';
import type { ModelCalls } from '../../src/runtime/data/open-live.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { busy, PairTrainer } from './pair-trainer.js';

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
});

test('live sets of one step are harvested one after the other', async () => {
  busy.most = 0;
  const trainer = new PairTrainer({ params: {}, options: {} });
  const { reason, at, rows } = await runFit(trainer, {
    stream: { write: () => undefined },
    runDir: null,
  });
  expect({ reason, step: at.step, rows }).toEqual({ reason: 'finished', step: 8, rows: 32 });
  expect(busy).toEqual({ now: 0, most: 1 });
});

type Guess = data.ModelFunction<{ readonly x: Float32Array }, Float32Array>;

/** A set of one row whose harvest is `harvest`, with a model that `calls` computes. */
async function started(
  harvest: (guess: Guess, signal: AbortSignal) => Promise<unknown>,
  calls: ModelCalls,
  signal?: AbortSignal,
) {
  const scalar = { dtype: 'f32', shape: [] } as const;
  const set = data.live<Readonly<{ x: Tensor1D }>>(
    ({ guess }: { readonly guess: Guess }) => ({
      harvest: async (asked) => {
        await harvest(guess, asked.signal);
        return { x: new Float32Array(1) };
      },
    }),
    { guess: data.model('Line', { x: scalar }) },
    { record: { x: scalar }, batch: 1 },
  );
  const open = await set.open({ root: '.', seed: 1, label: 'play' });
  await open.live?.start(calls, new Turns(), signal);
  return open;
}
const one = { x: new Float32Array(1) };
const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('a harvest that fails is over once its calls are', async () => {
  const done: number[] = [];
  const open = await started(
    async (guess) => {
      void guess(1, one);
      void guess(1, one);
      await Promise.reject(new Error('the game is over'));
    },
    async ({ call }) => {
      await later();
      done.push(call);
      return new Float32Array(1);
    },
  );
  await expect(open.batch(0, 0)).rejects.toThrow('harvest 1 of play failed: the game is over');
  expect(done).toEqual([0, 1]);
});

test('a harvest that is given up is over once its calls are, and tells its source', async () => {
  const stop = new AbortController();
  const log: string[] = [];
  const open = await started(
    async (guess, signal) => {
      signal.addEventListener('abort', () => log.push('told'));
      void guess(1, one);
      await later();
      stop.abort(new Error('the run is to end'));
      await later();
      await later();
      try {
        await guess(1, one);
      } catch (error) {
        log.push(String(error));
      }
    },
    async () => {
      await later();
      await later();
      log.push('called');
      return new Float32Array(1);
    },
    stop.signal,
  );
  await expect(open.batch(0, 0)).rejects.toThrow(/^the run is to end$/);
  expect(log).toEqual(['told', 'called']);
  // What is given up goes on, and its models are not there any more.
  await later();
  await later();
  expect(log).toEqual(['told', 'called', expect.stringContaining('was called outside of a harvest')]);
  // None is begun afterwards, and what the source keeps was not asked for it.
  await expect(open.batch(0, 1)).rejects.toThrow(/^the run is to end$/);
  expect(log).toHaveLength(3);
  expect(open.live?.state()).toEqual({ harvests: 0 });
  expect(unhandled).toEqual([]);
});

test('a call that fails, and that nobody waits for, ends nothing', async () => {
  const open = await started(
    (guess) => Promise.resolve(void guess(1, one)),
    () => Promise.reject(new Error('no such weights')),
  );
  expect((await open.batch(0, 0)).rows).toBe(1);
  await later();
  expect(unhandled).toEqual([]);
});

test('a call after the harvest is refused', async () => {
  let kept: Guess | null = null;
  const open = await started(
    (guess) => Promise.resolve(void (kept = guess)),
    () => Promise.resolve(new Float32Array(1)),
  );
  await open.batch(0, 0);
  expect(() => kept?.(1, one)).toThrow('play.guess was called outside of a harvest');
});

test('a source is opened anew only once something was asked of it', async () => {
  const log: string[] = [];
  const source = (): data.LiveSource<{ x: Float32Array }> => {
    log.push('opened');
    return {
      harvest: ({ index }) => {
        log.push(`harvest ${index}`);
        if (index === 1) throw new Error('the game is over');
        return { x: new Float32Array(1) };
      },
      close: () => void log.push('closed'),
      restore: () => undefined,
    };
  };
  const record = { x: { dtype: 'f32', shape: [] } } as const;
  const set = data.live<Readonly<{ x: Tensor1D }>>(source, {}, { record, batch: 1 });
  const open = await set.open({ root: '.', seed: 1, label: 'play' });
  await open.live?.start(() => Promise.reject(new Error('no model')), new Turns());
  await open.live?.restart();
  expect(log.splice(0)).toEqual(['opened']);
  await open.batch(0, 0);
  await open.live?.restart();
  expect(log.splice(0)).toEqual(['harvest 0', 'closed', 'opened']);
  await open.live?.restart();
  expect(log).toEqual([]);
  open.live?.restore({ harvests: 1, state: null });
  await expect(open.batch(0, 0)).rejects.toThrow('the game is over');
  await open.live?.restart();
  expect(log).toEqual(['harvest 1', 'closed', 'opened']);
});
