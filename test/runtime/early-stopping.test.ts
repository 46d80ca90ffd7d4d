import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOnHost, Answer, Hooks } from '../../src/runtime/addons/addon.js';
import type { EarlyStoppingOptions } from '../../src/runtime/addons/early-stopping.js';
import type { LiveAddOn } from '../../src/runtime/trainer/fit.js';
import { LineTrainer, setup, train } from './tiny-trainer.js';

const host: AddOnHost = {
  pace: { stepsPerEpoch: 2, accumulate: 1, rowsPerEpoch: 2, totalSteps: 100 },
  folder: null,
  root: '.',
  outputs: null,
  report: () => undefined,
  rates: () => new Map(),
  log: () => undefined,
  memory: () => new Map(),
  evaluate: () => Promise.resolve([]),
  save: () => Promise.resolve(null),
  beginSave: () => Promise.resolve(null),
  savedAt: () => null,
  goesOnFrom: null,
  point: () => Promise.resolve(),
  unpointBest: () => Promise.resolve(),
  saveFailed: () => Promise.resolve(null),
  notable: () => undefined,
  forget: () => Promise.resolve(),
  best: () => undefined,
};

const start = (options: Partial<EarlyStoppingOptions>): Hooks<Answer> =>
  addons.earlyStopping({ monitor: addons.min('v.m'), ...options }).start(host);

/** Measures one value after the other; which of them, from 1, asks for the end, and why. */
const endOf = async (
  options: Partial<EarlyStoppingOptions>,
  values: readonly number[],
): Promise<readonly [number, string] | null> => {
  const hooks = start(options);
  for (const [index, value] of values.entries()) {
    const moment = { step: index + 1, epoch: 0, seconds: 0 };
    const answer = await hooks.measured?.(moment, new Map([['v.m', value]]));
    if (typeof answer === 'object') return [index + 1, answer.because];
  }
  return null;
};

const max = addons.max('v.m');

describe('early stopping', () => {
  test('an improvement is strict, and more than min_delta', async () => {
    expect(await endOf({ patience: 2 }, [1, 1, 1])).toEqual([
      3,
      'v.m has not improved on 1 for 2 measurements',
    ]);
    expect(await endOf({ patience: 2 }, [1, 1, 0.999, 1, 0.9])).toBe(null);
    // 0.5 and 0.25 are exact: an improvement by just min_delta is none.
    expect(await endOf({ patience: 1, minDelta: 0.25 }, [1, 0.75])).toEqual([
      2,
      'v.m has not improved on 1 by more than min_delta = 0.2500 for 1 measurement',
    ]);
    expect(await endOf({ patience: 1, minDelta: 0.25 }, [1, 0.5, 0])).toBe(null);
    // What never was a number has nothing that it could improve on.
    expect(await endOf({ patience: 2, checkFinite: false }, [Number.NaN, Number.NaN])).toEqual([
      2,
      'v.m was NaN in 2 measurements',
    ]);
    expect(await endOf({ patience: 1, minDelta: 0.25, monitor: max }, [1, 1.25])).not.toBe(null);
    // Small steps add up only against the last best.
    expect(await endOf({ patience: 3, minDelta: 0.25 }, [1, 0.875, 0.75, 0.625])).toBe(null);
  });

  test('patience counts measurements since the best', async () => {
    expect((await endOf({ patience: 1 }, [1, 2]))?.[0]).toBe(2);
    expect((await endOf({ patience: 3 }, [1, 2, 2, 0.5, 2, 2, 2]))?.[0]).toBe(7);
  });

  test('a value that is not finite ends the run, unless it is only no improvement', async () => {
    expect(await endOf({}, [1, Number.NaN])).toEqual([2, 'v.m is NaN']);
    expect(await endOf({ monitor: max }, [Number.POSITIVE_INFINITY])).toEqual([1, 'v.m is Infinity']);
    expect(await endOf({ checkFinite: false, patience: 2 }, [Number.NaN, 1, Number.NaN])).toBe(null);
    expect((await endOf({ checkFinite: false, patience: 2 }, [1, Number.NaN, Number.NaN]))?.[0]).toBe(3);
  });

  test('stop_at and diverge_at count from the value itself', async () => {
    expect(await endOf({ stopAt: 0.5 }, [1, 0.51])).toBe(null);
    expect(await endOf({ stopAt: 0.5 }, [1, 0.5])).toEqual([
      2,
      'v.m is 0.5000, which meets stop_at = 0.5000',
    ]);
    expect((await endOf({ stopAt: 1, monitor: max }, [0.99, 1]))?.[0]).toBe(2);
    expect(await endOf({ divergeAt: 100 }, [1, 99.9])).toBe(null);
    expect((await endOf({ divergeAt: 100 }, [1, 100]))?.[0]).toBe(2);
    expect((await endOf({ divergeAt: 0.25, monitor: max }, [0.5, 0.25]))?.[0]).toBe(2);
    expect(() => start({ stopAt: 1, divergeAt: 0.5 })).toThrow(
      'a stop_at that is better than diverge_at, got 1 and 0.5',
    );
    expect(() => start({ stopAt: 1, divergeAt: 0.5, monitor: max })).not.toThrow();
  });

  test('a wish that is held stands until the metric improves, and its state is all there is', async () => {
    const hooks = start({ patience: 1 });
    const moment = { step: 1, epoch: 0, seconds: 0 };
    const measure = (value: number): unknown => hooks.measured?.(moment, new Map([['v.m', value]]));
    await measure(1);
    expect([hooks.stepEnd?.(moment), hooks.nextStepEnd?.(4)]).toEqual([undefined, Number.POSITIVE_INFINITY]);
    await measure(2);
    const because = 'v.m has not improved on 1 for 1 measurement';
    expect([hooks.stepEnd?.(moment), hooks.nextStepEnd?.(4)]).toEqual([{ end: 'run', because }, 5]);
    expect(hooks.state?.()).toMatchObject({ best: 1, waited: 1, because, monitor: 'min(v.m)' });
    await measure(0.5);
    expect(hooks.stepEnd?.(moment)).toBe(undefined);
    expect(hooks.state?.()).toEqual({
      ...{ best: 0.5, waited: 0, because: null, monitor: 'min(v.m)' },
      ...{ newest: 0.5, measured: 3, minDelta: 0 },
      records: [
        [1, 1],
        [0.5, 3],
      ],
    });
  });

  const moment = { step: 1, epoch: 0, seconds: 0 };
  /** Goes on with other options after these values, with what was kept of them. */
  const taken = async (
    before: Partial<EarlyStoppingOptions>,
    values: readonly number[],
    after: Partial<EarlyStoppingOptions>,
    isPastEnd = false,
  ): Promise<Hooks<Answer>> => {
    const first = start(before);
    for (const value of values) await first.measured?.(moment, new Map([['v.m', value]]));
    const second = addons
      .earlyStopping({ monitor: addons.min('v.m'), ...after })
      .start({ ...host, isPastEnd });
    second.restore?.(JSON.parse(JSON.stringify(first.state?.())));
    return second;
  };

  test('with another min_delta, the best is what it had been with that from the start', async () => {
    for (const values of [[8, 7.5, 7.75, 6.5, 6, 5.75], [3], [4, 5], [Number.NaN, 2, 1.5, 1.75]])
      for (const minDelta of [0, 0.5, 1, 100])
        for (const was of [0, 0.5, 1, 100]) {
          const checkFinite = false;
          const { best, waited } = Object(
            (await taken({ minDelta: was, checkFinite }, values, { minDelta, checkFinite })).state?.(),
          );
          const whole = await taken({ minDelta, checkFinite }, values, { minDelta, checkFinite });
          expect({ best, waited }).toEqual({
            best: Object(whole.state?.()).best,
            waited: Object(whole.state?.()).waited,
          });
        }
  });

  test('a wish that is held is none any more where an option says otherwise', async () => {
    const because = 'v.m has not improved on 1 for 2 measurements';
    const values = [1, 2, 2];
    expect((await taken({ patience: 2 }, values, { patience: 2 })).stepEnd?.(moment)).toEqual({
      end: 'run',
      because,
    });
    expect((await taken({ patience: 2 }, values, { patience: 3 })).stepEnd?.(moment)).toBe(undefined);
    // Past its end the next measurement decides, whatever was changed.
    const on = await taken({ patience: 2 }, values, { patience: 2 }, true);
    expect([on.stepEnd?.(moment), on.nextStepEnd?.(4)]).toEqual([undefined, Number.POSITIVE_INFINITY]);
    expect(on.measured?.(moment, new Map([['v.m', 3]]))).toMatchObject({ end: 'run' });
  });

  test('held by min_steps, the run ends at that step', async () => {
    const live = (options: Partial<EarlyStoppingOptions>): LiveAddOn => ({
      kind: 'early_stopping',
      owns: ['stop'],
      hooks: addons.earlyStopping({ monitor: addons.min('train.loss'), ...options }).start(host),
    });
    const ending: Partial<EarlyStoppingOptions> = { stopAt: 1e9 };
    const early = await train(new LineTrainer(setup({}, { epochs: 6 })), [live(ending)]);
    expect(early.result).toMatchObject({ reason: 'stopped', at: { step: 5 } });
    expect(early.result.because).toMatch(/^train\.loss is [\d.]+, which meets stop_at = 1e9$/);
    await early.session.close();
    const held = await train(new LineTrainer(setup({}, { epochs: 6, minSteps: 13 })), [live(ending)]);
    expect(held.result).toMatchObject({ reason: 'stopped', at: { step: 13 } } satisfies object);
    await held.session.close();
  });
});
