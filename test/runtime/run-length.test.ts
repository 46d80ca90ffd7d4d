/** How long a run is, and how much of its data it takes: limits, least lengths, time, dev runs. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { Answer } from '../../src/runtime/addons/addon.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit, type FitResult, type LiveAddOn, type MetricsRecord } from '../../src/runtime/trainer/fit.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { parseOverride } from '../../src/values/overrides.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, lineSet, setup, train, weightsOf, type LineData, type Row } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-length-'));
afterAll(() => rmSync(root, { recursive: true }));

interface Timed {
  readonly result: FitResult;
  readonly seen: readonly number[];
  readonly records: readonly MetricsRecord[];
  readonly notes: readonly string[];
  readonly state: unknown;
}

/** Trains by a clock that goes `perStep` seconds on in each step, and `perBatch` in each batch of a validation. */
async function timed(
  trainer: LineTrainer,
  {
    addOns = [],
    perStep = 1,
    perBatch = 0,
    limit = null,
  }: Partial<{ addOns: readonly LiveAddOn[]; perStep: number; perBatch: number; limit: number | null }>,
): Promise<Timed> {
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
  const seen: number[] = [];
  const records: MetricsRecord[] = [];
  const notes: string[] = [];
  let asked = 0;
  let validated = 0;
  const result = await fit({
    session,
    addOns,
    control: new Control(),
    listener: {
      step: ({ step }) => seen.push(step),
      metrics: (record) => records.push(record),
      validating: () => void (validated += perBatch),
      note: (line) => notes.push(line),
    },
    now: () => (seen.at(-1) ?? 0) * perStep + validated + (asked += 1e-9),
    limit,
  });
  const state = await session.loopState();
  await session.close();
  return { result, seen, records, notes, state };
}

const passes = (records: readonly MetricsRecord[], stage = 'validate'): readonly number[] =>
  records.flatMap((record) => (record.stage === stage && record.over === 'pass' ? [record.at.step] : []));

/** Asks to end the run after each step from `from` on, and before `to`. */
const ends = (
  from: number,
  answer: Answer = { end: 'run', because: 'it is enough' },
  to = Number.POSITIVE_INFINITY,
): LiveAddOn => ({
  kind: 'ends',
  owns: ['stop'],
  hooks: { stepEnd: ({ step }) => (step >= from && step < to ? answer : undefined) },
});

/** 20 rows in batches of 4: 5 steps an epoch. Validation has 3 batches of 8 rows. */
const line = (options: TrainerOptions, params: Readonly<Record<string, unknown>> = {}): LineTrainer =>
  new LineTrainer(setup(params, options));

describe('limits', () => {
  test('batches and percentages of the train step make the epoch shorter', async () => {
    const of = async (train_: units.Quantity<'batches'> | units.Quantity<'percent'>): Promise<number> => {
      const { session, seen } = await train(line({ epochs: 2, limit: { train: train_ } }));
      expect(session.pace.stepsPerEpoch * 2).toBe(seen.length);
      await session.close();
      return session.pace.stepsPerEpoch;
    };
    expect(await of(units.batches(3))).toBe(3);
    expect(await of(units.batches(9))).toBe(5);
    expect(await of(units.percent(79))).toBe(3);
    expect(await of(units.percent(80))).toBe(4);
  });

  test('windows are of what is left, the last of them shorter', async () => {
    const { session, seen } = await train(
      line({ epochs: 1, accumulate: 2, limit: { train: units.batches(3) } }),
    );
    expect(seen).toEqual([1, 2]);
    expect(session.pace.rowsPerEpoch).toBe(12);
    await session.close();
  });

  test('a limited epoch is the beginning of the whole one', async () => {
    const whole = await train(line({ epochs: null, steps: 3 }));
    const part = await train(line({ epochs: 1, limit: { train: units.batches(3) } }));
    expect(await weightsOf(part.session)).toEqual(await weightsOf(whole.session));
  });

  test('a percentage that is no batch is refused, with counts', async () => {
    await expect(train(line({ limit: { train: units.percent(19) } }))).rejects.toThrow(
      'limit.train = 19 percent of the 5 batches of train is none; write 20.percent or more, or a number of batches',
    );
    await expect(train(line({ overfit: units.percent(25) }))).rejects.toThrow(
      'overfit = 25 percent of the 3 batches of test is none',
    );
  });

  describe('data sets of different length that a step reads together', () => {
    /** 5 batches of train beside 3 of test, in the kind of step that is asked for. */
    class Together extends LineTrainer {
      constructor(
        private readonly kind: 'train' | 'validate',
        options: TrainerOptions,
      ) {
        super(setup({}, options));
      }
      protected override configureSteps(from: LineData) {
        const both = [from.train, from.test] as const;
        return this.kind === 'train'
          ? [steps.train('train', both, (batch, _other) => this.trainStep(batch))]
          : [
              steps.train('train', [from.train], (batch) => this.trainStep(batch)),
              steps.validate('validate', both, { every: units.epochs(1) }, (batch, _other) =>
                this.validateStep(batch),
              ),
            ];
      }
    }

    test('end an epoch of training with the shortest, which the start says', async () => {
      const { session, seen } = await train(new Together('train', { epochs: 2 }));
      expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
      expect(session.notes).toEqual([
        'an epoch of train is over after the 3 batches of its shortest data set; 2 of the 5 batches of train are left out, others each time',
      ]);
      await session.close();
    });
    test('are said to end with the last that is read, set by set, where one is not shuffled', async () => {
      // All of them, as overfit reads them.
      const { session } = await train(new Together('train', { epochs: 1, overfit: units.percent(100) }));
      expect(session.notes).toEqual([
        'an epoch of train is over after the 3 batches of its shortest data set; the last 2 of the 5 batches of train are never trained on: it is not shuffled',
      ]);
      await session.close();
    });
    test('of which a percentage leaves one without a batch are refused for that, not for their lengths', async () => {
      const limit = { validate: units.percent(25) };
      await expect(train(new Together('validate', { epochs: 1, limit }))).rejects.toThrow(
        'limit.validate = 25 percent of the 3 batches of train and test is none; write 34.percent or more, or a number of batches',
      );
    });
    test('are refused in a validation, which is of whole sets', async () => {
      await expect(train(new Together('validate', { epochs: 1 }))).rejects.toThrow(
        'a validate step reads its data sets together, whole, and they have different lengths: train 5 batches, test 3 batches; give each a step of its own, or take as many batches of each: limit.validate = 3.batches',
      );
    });
    test('are as long as one another where a limit takes as many of each', async () => {
      const limit = { train: units.batches(2), validate: units.batches(2) };
      for (const kind of ['train', 'validate'] as const) {
        const { session } = await train(new Together(kind, { epochs: 1, limit }));
        expect(session.notes).toEqual([]);
        await session.close();
      }
    });
  });

  test('validation of less, or of nothing: then its data is not even opened', async () => {
    const counted: number[] = [];
    const count = (_name: string, done: number): void => void counted.push(done);
    const some = await train(
      line({ epochs: 1, limit: { validate: units.batches(2) } }),
      [],
      new Control(),
      count,
    );
    expect(counted).toEqual([1, 2]);
    await some.session.close();
    class Missing extends LineTrainer {
      protected override configureData(): LineData {
        const { train: own } = super.configureData();
        const missing = lineSet(0, { batch: 3 });
        return { train: own, test: missing };
      }
    }
    const none = await train(new Missing(setup({}, { epochs: 1, limit: { validate: units.batches(0) } })));
    expect(passes(none.records)).toEqual([]);
    await none.session.close();
    await expect(train(new Missing(setup({}, { epochs: 1 })))).rejects.toThrow('no rows');
  });

  test('test and predict have limits of their own; validate steps that stand in for test steps take that of test', async () => {
    const runDir = join(root, 'limited');
    const silent: TrainerOptions = { epochs: 1, progress: 'none' };
    await line({ ...silent, limit: { validate: units.batches(0) } }).fit({ runDir });
    const rows = (options: TrainerOptions): Promise<number> =>
      line({ ...silent, ...options }).predict(runDir, () => undefined);
    expect(await rows({})).toBe(8);
    expect(await rows({ limit: { predict: units.batches(2) } })).toBe(6);
    const loss = async (options: TrainerOptions): Promise<number | undefined> =>
      (await line({ ...silent, ...options }).test(runDir)).get('validate.loss');
    const whole = await loss({ limit: { validate: units.batches(0) } });
    expect(await loss({})).toBe(whole);
    expect(await loss({ limit: { test: units.batches(1) } })).not.toBe(whole);
    await expect(loss({ limit: { test: units.batches(0) } })).rejects.toThrow(
      'test is turned off by limit.test = 0 batches',
    );
  });

  test.each([
    [
      { limit: { train: units.batches(0) } },
      'limit.train takes a whole number of batches of at least 1, got 0',
    ],
    [
      { limit: { validate: units.percent(0) } },
      'limit.validate takes more than 0 and at most 100 percent, got 0',
    ],
    [
      { overfit: units.batches(2), limit: { validate: units.batches(2) } },
      'both overfit = 2 batches and limit.validate',
    ],
    [{ epochs: 2, minEpochs: 3 }, 'min_epochs = 3 is more than epochs = 2'],
    [{ epochs: null, steps: 2, minSteps: 3 }, 'min_steps = 3 is more than steps = 2'],
    [{ maxTime: units.seconds(0) }, 'max_time takes more than 0 seconds'],
    [{ sanity: units.batches(0) }, 'sanity takes a whole number of batches of at least 1'],
  ] satisfies [TrainerOptions, string][])('%j is refused', (options, message) => {
    expect(() => line(options)).toThrow(message);
  });
});

describe('the command line', () => {
  const given = (...texts: readonly string[]): LineTrainer =>
    new LineTrainer({ overrides: texts.map((text) => parseOverride(text)) });
  test('sets each limit by its name, and leaves the others', () => {
    const trainer = new LineTrainer({
      options: { limit: { train: units.batches(4), test: units.batches(2) } },
      overrides: ['trainer.limit.train=50.percent', 'trainer.limit.validate=0.batches'].map(parseOverride),
    });
    expect(trainer.options.limit).toEqual({
      train: units.percent(50),
      validate: units.batches(0),
      test: units.batches(2),
    });
    expect(given('trainer.limit.train=none').options.limit).toEqual({ train: null });
  });
  test('sets times and least lengths, which are held against each other', () => {
    expect(given('trainer.max_time=2.hours').options.maxTime).toBe(7200);
    expect(() => given('trainer.min_epochs=9')).toThrow('min_epochs = 9 is more than epochs = 3');
    expect(() => given('trainer.limit.train=0.batches')).toThrow('at least 1, got 0');
    expect(() => given('trainer.overfit=2.batches', 'trainer.limit.train=1.batches')).toThrow(
      'keep one of them',
    );
    expect(() => given('trainer.limit.val=2.batches')).toThrow('trainer has no option "limit.val"');
    expect(() => given('trainer.limit.train.of=2.batches')).toThrow('is no option');
  });
});

describe('overfit', () => {
  test('trains on the same first rows in each epoch, and validates on its own', async () => {
    const rows = new Set<string>();
    class Watched extends LineTrainer {
      protected override configureData(): LineData {
        const { train: own, test: other } = super.configureData();
        return { train: own, test: other.withOptions({ shuffle: true }) };
      }
    }
    const trainer = new Watched(setup({}, { epochs: 3, overfit: units.batches(2) }));
    const { session, records, seen } = await train(trainer);
    expect(seen).toHaveLength(6);
    for (const { data } of session.stages) {
      for (const set of data)
        for (const epoch of [0, 1, 2])
          rows.add(`${set.label} ${[0, 1].map((at) => [...set.rowsOf(epoch, at)].join()).join()}`);
    }
    expect([...rows]).toEqual(['train 0,1,2,3,4,5,6,7', 'test 0,1,2,3,4,5']);
    expect(passes(records)).toEqual([2, 4, 6]);
    await session.close();
  });
});

describe('sanity', () => {
  test('shows what is wrong with a validation before the first step', async () => {
    class Broken extends LineTrainer {
      override validateStep(batch: Row): void {
        super.validateStep(batch);
        throw new Error('broken');
      }
    }
    const steps_: number[] = [];
    const counting: LiveAddOn = { kind: 'count', hooks: { stepEnd: ({ step }) => void steps_.push(step) } };
    await expect(train(new Broken(setup({}, { sanity: units.batches(1) })), [counting])).rejects.toThrow(
      'broken',
    );
    expect(steps_).toEqual([]);
  });

  test('leaves nothing behind', async () => {
    const counted: string[] = [];
    const count = (name: string, done: number, of: number): void =>
      void counted.push(`${name} ${done}/${of}`);
    const plain = await train(line({ epochs: 2 }));
    const checked = await train(line({ epochs: 2, sanity: units.batches(2) }), [], new Control(), count);
    expect(counted.slice(0, 3)).toEqual(['sanity validate 1/2', 'sanity validate 2/2', 'validate 1/3']);
    const lines = (records: readonly MetricsRecord[]): unknown =>
      records.map(({ stage, over, at, metrics }) => [stage, over, at.step, ...metrics]);
    expect(lines(checked.records)).toEqual(lines(plain.records));
    expect(await weightsOf(checked.session)).toEqual(await weightsOf(plain.session));
  });
});

describe('the least length', () => {
  test('an add-on ends the run once both are met', async () => {
    const at = async (options: TrainerOptions): Promise<number> => {
      const { result } = await timed(line({ epochs: 6, ...options }), { addOns: [ends(2)] });
      expect(result).toMatchObject({ reason: 'stopped', because: 'it is enough' });
      return result.at.step;
    };
    expect(await at({})).toBe(2);
    expect(await at({ minSteps: 7 })).toBe(7);
    expect(await at({ minEpochs: 2 })).toBe(10);
    expect(await at({ minSteps: 12, minEpochs: 2 })).toBe(12);
    expect(await at({ minSteps: 8, minEpochs: 2 })).toBe(10);
    // Alone, `min_steps` holds for an epoch at least.
    expect(await at({ minSteps: 3 })).toBe(5);
  });

  test('of two answers the end of the run is the stronger, whoever gives it; while it is held, the other one is', async () => {
    const epoch = ends(3, 'end-epoch');
    for (const addOns of [
      [epoch, ends(3)],
      [ends(3, 'end-run'), epoch],
    ]) {
      const free = await timed(line({ epochs: 3 }), { addOns });
      expect(free.result).toMatchObject({ reason: 'stopped', at: { step: 3 } });
      const held = await timed(line({ epochs: 3, minEpochs: 2 }), { addOns });
      expect(held.seen).toEqual([1, 2, 3, 6, 11]);
      expect(held.result).toMatchObject({ reason: 'stopped', at: { step: 11 } });
    }
  });

  test('says so once, and an add-on that has changed its mind is not held to it', async () => {
    const once = ends(2, { end: 'run', because: 'no better' }, 4);
    const { result, notes } = await timed(line({ epochs: 2, minSteps: 5 }), { addOns: [once] });
    expect(result).toMatchObject({ reason: 'finished', because: null, at: { step: 10 } });
    expect(notes.filter((note) => note.includes('held'))).toEqual([
      'no better: held until step 5 (min_steps = 5)',
    ]);
  });

  test('says that min_steps below an epoch holds for one', async () => {
    const { notes } = await timed(line({ epochs: 2, minSteps: 3 }), { addOns: [ends(2)] });
    expect(notes.filter((note) => note.includes('held'))).toEqual([
      'it is enough: held until step 5 (min_steps = 3, and an epoch at least)',
    ]);
  });

  test('an epoch may end before it', async () => {
    const skips: LiveAddOn = {
      kind: 'skips',
      hooks: { stepEnd: ({ step }) => (step === 2 ? 'end-epoch' : undefined) },
    };
    const { result } = await timed(line({ epochs: 2, minSteps: 9 }), { addOns: [ends(2), skips] });
    expect(result).toMatchObject({ reason: 'stopped', at: { step: 9 } });
  });
});

describe('max_time', () => {
  test('ends after the step in which it passes, with a last validation', async () => {
    const { result, seen, records } = await timed(line({ epochs: 9, maxTime: units.seconds(7) }), {});
    expect(result).toMatchObject({ reason: 'out-of-time', because: null, at: { step: 7 } });
    expect(seen.at(-1)).toBe(7);
    expect(passes(records)).toEqual([5, 7]);
    expect(result.metrics.has('train.loss')).toBe(true);
  });
  test('alone, it is the length of the run; the other lengths come before it', async () => {
    const alone = await timed(line({ epochs: null, maxTime: units.seconds(12) }), {});
    expect(alone.result).toMatchObject({ reason: 'out-of-time', at: { step: 12 } });
    expect((await timed(line({ epochs: 1, maxTime: units.seconds(5) }), {})).result.reason).toBe('finished');
    expect(
      (await timed(line({ epochs: 9, minSteps: 30, maxTime: units.seconds(5) }), {})).result.at.step,
    ).toBe(5);
  });
  test('a run that nothing ends is refused', async () => {
    await expect(timed(line({ epochs: null }), {})).rejects.toThrow('set epochs, steps or max_time');
  });
});

describe('validation by time', () => {
  class Clocked extends LineTrainer {
    protected override configureSteps(from: LineData) {
      const [first, , ...others] = super.configureSteps(from);
      const again = (
        name: string,
        every: ReturnType<typeof units.seconds> | units.Quantity<'steps'>,
      ): steps.StepPlan => steps.validate(name, [from.test], { every }, (batch) => this.validateStep(batch));
      return [
        ...(first === undefined ? [] : [first]),
        again('clock', units.seconds(4)),
        again('third', units.steps(3)),
        ...others,
      ];
    }
  }
  test('each validation has its own time, and the run ends with all of them', async () => {
    const { records, state, result } = await timed(new Clocked(setup({}, { epochs: 2 })), { perStep: 1.5 });
    expect(result.at.step).toBe(10);
    expect(passes(records, 'clock')).toEqual([3, 6, 8, 10]);
    expect(passes(records, 'third')).toEqual([3, 6, 9, 10]);
    expect(state).toMatchObject({ rows: 40, measured: { clock: 10, third: 10 } });
  });
});

test('the time that a validation takes itself makes it due no earlier', async () => {
  class Slow extends LineTrainer {
    protected override configureSteps(from: LineData) {
      const [first] = super.configureSteps(from);
      const slow = steps.validate('validate', [from.test], { every: units.seconds(4) }, (batch) =>
        this.validateStep(batch),
      );
      return [...(first === undefined ? [] : [first]), slow];
    }
  }
  // Three batches of 2 seconds: step 4 and its validation end at 10 seconds, the interval that is open then at 12.
  const { records } = await timed(new Slow(setup({}, { epochs: 2 })), { perBatch: 2 });
  expect(passes(records)).toEqual([4, 6, 8, 10]);
});

describe('a dev run', () => {
  test('stays in one epoch, without sanity, checkpoints, early stopping or a folder', async () => {
    class Full extends LineTrainer {
      protected override configureAddOns() {
        return [
          addons.checkpoint({ every: units.steps(1) }),
          addons.earlyStopping({ monitor: addons.min('train.loss'), stopAt: 1e9 }),
        ];
      }
    }
    const runDir = join(root, 'dev');
    const of = async (n: number, more: TrainerOptions = {}): Promise<FitResult> =>
      new Full(
        setup(
          {},
          { epochs: 3, progress: 'none', sanity: units.batches(1), devRun: units.batches(n), ...more },
        ),
      ).fit({
        runDir,
      });
    expect(await of(2)).toMatchObject({ reason: 'finished', at: { step: 2 } });
    expect(await of(7)).toMatchObject({ reason: 'finished', at: { step: 5 } });
    expect(await of(7, { epochs: null, steps: 3 })).toMatchObject({ at: { step: 3 } });
    expect(existsSync(runDir)).toBe(false);
  });
  test('the command line comes before the spec', async () => {
    const trainer = line({ epochs: 3, progress: 'none', devRun: units.batches(4) });
    expect((await trainer.fit({ runDir: null, devRun: 1 })).at.step).toBe(1);
  });
});

describe('throughput', () => {
  test('a line has the steps and rows of its own steps', async () => {
    const { session } = await line({ epochs: 1, logEvery: units.steps(2) }).prepare({
      kinds: ['train', 'validate'],
      dataRoot: '.',
    });
    const records: MetricsRecord[] = [];
    let now = 0;
    await fit({
      session,
      addOns: [],
      control: new Control(),
      listener: {
        step: () => undefined,
        metrics: (record) => records.push(record),
        validating: () => undefined,
        note: () => undefined,
      },
      // Each look at the clock is half a second after the last; a step is two of them.
      now: () => (now += 0.5),
      limit: null,
    });
    await session.close();
    const shown = records.map(({ stage, over, throughput }) => [stage, over, throughput]);
    const speed = { stepsPerSecond: 2, rowsPerSecond: 8 };
    expect(shown).toEqual([
      ['train', 'window', speed],
      ['train', 'window', speed],
      ['train', 'epoch', speed],
      ['validate', 'pass', null],
    ]);
  });
});
