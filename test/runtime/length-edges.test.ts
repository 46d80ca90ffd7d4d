/** Options of a run at their edges: one, all, more than all, none; what falls between two windows, and on the last step. */
import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { LiveAddOn } from '../../src/runtime/trainer/fit.js';
import { fit, type MetricsRecord } from '../../src/runtime/trainer/fit.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, setup, train, weightsOf, type LineData } from './tiny-trainer.js';

/** 20 rows in batches of 4: 5 batches an epoch, the validation's 8 rows in 3. */
const line = (options: TrainerOptions, params: Readonly<Record<string, unknown>> = {}): LineTrainer =>
  new LineTrainer(setup(params, { logEvery: units.steps(1000), ...options }));

/** Steps at which a validation was made. */
const passes = (records: readonly MetricsRecord[]): readonly number[] =>
  records.flatMap(({ stage, over, at }) => (stage === 'validate' && over === 'pass' ? [at.step] : []));

/** Trains by a clock that goes on `perStep` seconds in each step. */
async function timed(trainer: LineTrainer, perStep: number, addOns: readonly LiveAddOn[] = []) {
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
  const records: MetricsRecord[] = [];
  let done = 0;
  const listener = {
    step: ({ step }: { readonly step: number }): void => void (done = step),
    metrics: (record: MetricsRecord): void => void records.push(record),
    validating: () => undefined,
    note: () => undefined,
  };
  const now = (): number => done * perStep;
  const result = await fit({ session, addOns, control: new Control(), listener, now, limit: null });
  await session.close();
  return { result, records };
}

describe('parts of the data', () => {
  const weights = async (options: TrainerOptions): Promise<readonly number[]> => {
    const { session } = await train(line({ epochs: 2, ...options }));
    return weightsOf(session);
  };

  test('all of it, in each way to say so, is the run without a limit', async () => {
    const whole = await weights({});
    expect(await weights({ limit: { train: units.percent(100) } })).toEqual(whole);
    expect(await weights({ limit: { train: units.batches(5) } })).toEqual(whole);
    expect(await weights({ limit: { train: units.batches(6) } })).toEqual(whole);
    expect(await weights({ limit: { train: units.batches(4) } })).not.toEqual(whole);
  });

  test('one batch, or a percentage that is just one', async () => {
    const steps_ = async (options: TrainerOptions): Promise<number> => {
      const { session, seen } = await train(line({ epochs: 3, ...options }));
      await session.close();
      return seen.length;
    };
    expect(await steps_({ limit: { train: units.batches(1) } })).toBe(3);
    expect(await steps_({ limit: { train: units.percent(20) } })).toBe(3);
    expect(await steps_({ limit: { train: units.percent(39.9) } })).toBe(3);
    expect(await steps_({ limit: { train: units.percent(40) } })).toBe(6);
    expect(await steps_({ overfit: units.batches(1) })).toBe(3);
    expect(await steps_({ overfit: units.percent(100) })).toBe(15);
    expect(await steps_({ overfit: units.batches(99) })).toBe(15);
  });

  test.each([
    ['of 1 of 3 batches', units.batches(1), [1]],
    ['of two thirds', units.percent(67), [1, 2]],
    ['of all', units.percent(100), [1, 2, 3]],
    ['of more', units.batches(4), [1, 2, 3]],
    ['of none', units.batches(0), []],
  ])('a validation %s', async (_, validate, wanted) => {
    const seen: number[] = [];
    const { session, records } = await train(
      line({ epochs: 1, limit: { validate } }),
      [],
      new Control(),
      (_name, done) => void seen.push(done),
    );
    await session.close();
    expect(seen).toEqual(wanted);
    expect(passes(records)).toEqual(wanted.length === 0 ? [] : [5]);
  });
});

describe('windows', () => {
  test.each([
    // As many as there are: one step an epoch, over all rows.
    [5, [20, 20]],
    // The last window has what is left: 4, 3, 2 batches of 5, then 1, 2, 3.
    [4, [16, 4, 16, 4]],
    [3, [12, 8, 12, 8]],
    [2, [8, 8, 4, 8, 8, 4]],
    [1, [4, 4, 4, 4, 4, 4, 4, 4, 4, 4]],
  ])('of %d batches', async (accumulate, wanted) => {
    const trainer = line({ epochs: 2, accumulate });
    const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
    const rows: number[] = [];
    const listener = {
      step: (_at: unknown, all: number): void =>
        void rows.push(all - rows.reduce((sum, each) => sum + each, 0)),
      metrics: () => undefined,
      validating: () => undefined,
      note: () => undefined,
    };
    // A hook of each step: none is run together with the next.
    const each: LiveAddOn = { kind: 'each', hooks: { stepEnd: () => undefined } };
    await fit({ session, addOns: [each], control: new Control(), listener, now: () => 0, limit: null });
    await session.close();
    expect(rows).toEqual(wanted);
  });

  test('a window of all batches is the whole epoch, and a longer one is refused', async () => {
    const { session, seen } = await train(line({ epochs: 3, accumulate: 5 }));
    expect(seen).toEqual([1, 2, 3]);
    await session.close();
    await expect(train(line({ epochs: 3, accumulate: 6 }))).rejects.toThrow(
      'accumulate = 6 is more than the 5 batches of an epoch, and a window never crosses an epoch; take 5 or less',
    );
    await expect(
      train(line({ epochs: 3, accumulate: 2, limit: { train: units.batches(1) } })),
    ).rejects.toThrow('accumulate = 2 is more than the 1 batch of an epoch');
    // Who does not train has no windows.
    const other = await line({ epochs: 3, accumulate: 6 }).prepare({ kinds: ['validate'], dataRoot: '.' });
    await other.session.close();
  });

  test('the gradient of an epoch in one window is that of one batch of all rows', async () => {
    const first = await weightsOf((await train(line({ epochs: 2, accumulate: 5 }))).session);
    const second = await weightsOf((await train(line({ epochs: 2 }, { batchSize: 20 }))).session);
    first.forEach((value, at) => expect(value).toBeCloseTo(second[at] ?? Number.NaN, 6));
  });

  test('steps of a schedule, of lines and of lengths are windows', async () => {
    const { result, records } = await timed(
      line({ epochs: null, steps: 7, accumulate: 2, logEvery: units.steps(2) }),
      1,
    );
    // 3 windows an epoch; a line each 2nd, unless an epoch has its own there.
    const lines = records.flatMap(({ stage, over, at }) => (stage === 'train' ? [`${over} ${at.step}`] : []));
    expect(lines).toEqual(['window 2', 'epoch 3', 'window 4', 'epoch 6', 'epoch 7']);
    expect(result).toMatchObject({ reason: 'finished', at: { step: 7, epoch: 2 }, rows: 48 });
  });
});

describe('validation', () => {
  class Every extends LineTrainer {
    constructor(
      private readonly interval: units.Duration,
      options: TrainerOptions,
      params: Readonly<Record<string, unknown>> = {},
    ) {
      super(setup(params, { logEvery: units.steps(1000), ...options }));
    }
    protected override configureSteps(from: LineData) {
      const [first] = super.configureSteps(from);
      const again = steps.validate('validate', [from.test], { every: this.interval }, (batch) =>
        this.validateStep(batch),
      );
      return [...(first === undefined ? [] : [first]), again];
    }
  }
  test.each<readonly [string, units.Duration, TrainerOptions, readonly number[]]>([
    ['a quarter of 5 steps', units.epochs(0.25), { epochs: 2 }, [2, 3, 4, 5, 7, 8, 9, 10]],
    ['a half of 5 steps', units.epochs(0.5), { epochs: 2 }, [3, 5, 8, 10]],
    ['less than a step', units.epochs(0.01), { epochs: null, steps: 3 }, [1, 2, 3]],
    ['an epoch', units.epochs(1), { epochs: 2 }, [5, 10]],
    ['each second epoch of three', units.epochs(2), { epochs: 3 }, [10, 15]],
    ['one and a half', units.epochs(1.5), { epochs: 3 }, [8, 15]],
    ['steps, across epochs', units.steps(7), { epochs: 3 }, [7, 14, 15]],
    ['as many steps as there are', units.steps(10), { epochs: 2 }, [10]],
    ['more than there are', units.steps(11), { epochs: 2 }, [10]],
    ['each step', units.steps(1), { epochs: null, steps: 3 }, [1, 2, 3]],
    ['half of the windows', units.epochs(0.5), { epochs: 2, accumulate: 2 }, [2, 3, 5, 6]],
  ])('every %s', async (_, every, options, wanted) => {
    const { session, records } = await train(new Every(every, options));
    await session.close();
    expect(passes(records)).toEqual(wanted);
  });

  test.each<readonly [string, units.Duration, TrainerOptions, readonly number[]]>([
    ['all rows, of which the last batch has less', units.samples(18), { epochs: 2 }, [5, 10]],
    ['half of them', units.samples(9), { epochs: 2 }, [3, 5, 8, 10]],
    ['those of a shorter epoch', units.samples(8), { epochs: 2, limit: { train: units.batches(2) } }, [2, 4]],
    ['a window of batches', units.batches(2), { epochs: 2, accumulate: 2 }, [1, 2, 3, 4, 5, 6]],
    ['a window and a half', units.batches(3), { epochs: 2, accumulate: 2 }, [2, 3, 5, 6]],
  ])('every so many rows or batches: %s', async (_, every, options, wanted) => {
    const { session, records } = await train(new Every(every, options, { rows: 18, batchSize: 4 }));
    await session.close();
    expect(passes(records)).toEqual(wanted);
  });

  test('a quarter of 45 steps, as the manual has it', async () => {
    const { session, records } = await train(
      new Every(units.epochs(0.25), { epochs: 1 }, { rows: 45, batchSize: 1 }),
    );
    await session.close();
    expect(passes(records)).toEqual([12, 23, 34, 45]);
  });
});

describe('sanity', () => {
  const seen = async (options: TrainerOptions): Promise<readonly string[]> => {
    const said: string[] = [];
    const { session } = await train(
      line({ epochs: 1, ...options }),
      [],
      new Control(),
      (name, done, of) => void said.push(`${name} ${done}/${of}`),
    );
    await session.close();
    return said.filter((each) => each.startsWith('sanity'));
  };
  test('none unless asked for, one, and no more than there are', async () => {
    expect(await seen({})).toEqual([]);
    expect(await seen({ sanity: units.batches(1) })).toEqual(['sanity validate 1/1']);
    const all = [1, 2, 3].map((done) => `sanity validate ${done}/3`);
    expect(await seen({ sanity: units.batches(3) })).toEqual(all);
    expect(await seen({ sanity: units.batches(9) })).toEqual(all);
  });
  test('within the limit of validation, and nothing where that is off', async () => {
    const limited = { sanity: units.batches(3), limit: { validate: units.batches(2) } };
    expect(await seen(limited)).toEqual(['sanity validate 1/2', 'sanity validate 2/2']);
    expect(await seen({ ...limited, limit: { validate: units.batches(0) } })).toEqual([]);
  });
});

describe('max_time', () => {
  test('that passes within a window ends the run after it: no window is cut', async () => {
    // Windows of 2, 2 and 1 batches, 1.5 seconds each.
    const { result, records } = await timed(
      line({ epochs: 4, accumulate: 2, maxTime: units.seconds(2) }),
      1.5,
    );
    expect(result).toMatchObject({ reason: 'out-of-time', at: { step: 2, seconds: 3 }, rows: 16 });
    expect(passes(records)).toEqual([2]);
  });
  test('that passes with the last step is the end of the run all the same', async () => {
    const at = async (seconds: number) =>
      (await timed(line({ epochs: 2, maxTime: units.seconds(seconds) }), 1)).result;
    expect(await at(9)).toMatchObject({ reason: 'out-of-time', at: { step: 9 } });
    expect(await at(10)).toMatchObject({ reason: 'finished', at: { step: 10 } });
    expect(await at(1)).toMatchObject({ reason: 'out-of-time', at: { step: 1 } });
    expect(await at(0.001)).toMatchObject({ reason: 'out-of-time', at: { step: 1 } });
  });
  test('at the end of an epoch leaves one validation, not two', async () => {
    const { records } = await timed(line({ epochs: 4, maxTime: units.seconds(5) }), 1);
    expect(passes(records)).toEqual([5]);
  });
});

describe('early stopping', () => {
  /** Never better: the first measurement is the best. */
  const stopping = (patience: number) =>
    class extends LineTrainer {
      constructor(options: TrainerOptions) {
        super(
          setup({ lr: 2 }, { logEvery: units.steps(1000), onNan: 'ignore', progress: 'none', ...options }),
        );
      }
      protected override configureAddOns() {
        return [addons.earlyStopping({ monitor: addons.min('validate.loss'), patience })];
      }
    };
  const endOf = async (patience: number, options: TrainerOptions) => {
    const { reason, at } = await new (stopping(patience))(options).fit({ runDir: null });
    return [reason, at.step];
  };
  test('patience of 1, and of all measurements that there are', async () => {
    // Measured at 5, 10, 15, 20.
    expect(await endOf(1, { epochs: 4 })).toEqual(['stopped', 10]);
    expect(await endOf(2, { epochs: 4 })).toEqual(['stopped', 15]);
    expect(await endOf(4, { epochs: 4 })).toEqual(['finished', 20]);
  });
  test('is held by min_steps and min_epochs up to their step, not beyond', async () => {
    expect(await endOf(1, { epochs: 4, minSteps: 10 })).toEqual(['stopped', 10]);
    expect(await endOf(1, { epochs: 4, minSteps: 11 })).toEqual(['stopped', 11]);
    expect(await endOf(1, { epochs: 4, minEpochs: 2 })).toEqual(['stopped', 10]);
    expect(await endOf(1, { epochs: 4, minEpochs: 3 })).toEqual(['stopped', 15]);
    // The length itself may be the least.
    expect((await endOf(1, { epochs: 4, minEpochs: 4 }))[1]).toBe(20);
  });
});
