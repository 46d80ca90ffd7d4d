import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import * as units from '../../src/values/units.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit, type LiveAddOn } from '../../src/runtime/trainer/fit.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import {
  Line,
  lineData,
  LineTrainer,
  setup,
  train,
  type LineData,
  type LineModels,
  type Row,
} from './tiny-trainer.js';
import { nativeUnderTest } from '../engine-under-test.js';
import { WarmTrainer } from './warm-trainer.js';

describe('the loop', () => {
  test('learns a line and measures it after each epoch and at the end', async () => {
    const { records, result, session, seen } = await train(new LineTrainer(setup({}, { epochs: 30 })));
    expect(result).toMatchObject({ reason: 'finished', at: { step: 150, epoch: 30 }, rows: 600 });
    expect(seen).toHaveLength(150);
    expect(result.metrics.get('validate.loss')).toBeLessThan(0.02);
    expect(result.metrics.get('validate.rmse')).toBeCloseTo(
      Math.sqrt(result.metrics.get('validate.loss') ?? 0),
      10,
    );
    expect(records.filter(({ stage }) => stage === 'validate')).toHaveLength(30);
    await session.close();
  });

  test('an epoch of steps that ends early is still measured', async () => {
    const { records, session } = await train(new LineTrainer(setup({}, { epochs: null, steps: 7 })));
    expect(records.map(({ stage, over, at }) => `${stage} ${over} ${at.step}`)).toEqual([
      'train window 2',
      'train window 4',
      'train epoch 5',
      'validate pass 5',
      'train window 6',
      'train epoch 7',
      'validate pass 7',
    ]);
    await session.close();
  });

  test('a learning rate below 0 ends the run by an error that its user can mend', async () => {
    class Falling extends LineTrainer {
      protected override configureOptimizers(models: LineModels): Readonly<Record<string, optim.Optimizer>> {
        return { opt: optim.sgd({ of: [models.line], lr: ({ step }) => 0.1 - step / 10 - 0.05 }) };
      }
    }
    await expect(train(new Falling(setup({}, { epochs: 1 })))).rejects.toMatchObject({
      name: 'RunError',
      message: 'the learning rate of opt is -0.05 at step 2; it must be a number of at least 0',
    });
  });

  test('a run without an end is refused', async () => {
    await expect(train(new LineTrainer(setup({}, { epochs: null })))).rejects.toThrow(
      'set epochs, steps or max_time',
    );
  });

  test('a signal ends the run after its step', async () => {
    const control = new Control();
    const stop: LiveAddOn = {
      kind: 'test',
      hooks: { stepEnd: ({ step }) => void (step === 3 && control.stop('SIGINT')) },
    };
    const { result, session } = await train(new LineTrainer(), [stop], control);
    expect(result).toMatchObject({ reason: 'interrupted', signal: 'SIGINT', at: { step: 3 } });
    await session.close();
  });

  /** Two validations, `first` and `second`; a signal comes while the one named is at its first batch of the given pass. */
  class TwiceTrainer extends LineTrainer {
    passes = 0;
    constructor(
      readonly control: Control,
      readonly at: { readonly name: string; readonly pass: number },
      options: TrainerOptions,
    ) {
      super({ options });
    }
    /** To be told of each batch. */
    readonly validating = (name: string, done: number): void => {
      if (name === this.at.name && done === 1 && (this.passes += 1) === this.at.pass)
        this.control.stop('SIGINT');
    };
    protected override configureSteps(from: LineData) {
      const measured = (name: string) =>
        steps.validate(name, [from.test], { every: units.steps(4) }, (batch) => this.validateStep(batch));
      return [
        steps.train('train', [from.train], (batch) => this.trainStep(batch)),
        measured('first'),
        measured('second'),
      ];
    }
  }

  test('a signal in a round of validations keeps what was measured before it', async () => {
    const control = new Control();
    const told: string[][] = [];
    const addOn: LiveAddOn = {
      kind: 'told',
      hooks: { measured: (_at, metrics) => void told.push([...metrics.keys()]) },
    };
    const trainer = new TwiceTrainer(control, { name: 'second', pass: 1 }, { epochs: 3 });
    const { result, session } = await train(trainer, [addOn], control, trainer.validating);
    expect(result).toMatchObject({ reason: 'interrupted', signal: 'SIGINT', at: { step: 4 } });
    expect(told).toEqual([['first.loss', 'first.rmse']]);
    expect([...result.metrics.keys()]).toEqual(['first.loss', 'first.rmse']);
    await session.close();
  });

  test('a signal in the last validation interrupts the run, for it is not whole', async () => {
    const control = new Control();
    const trainer = new TwiceTrainer(control, { name: 'first', pass: 2 }, { epochs: null, steps: 6 });
    const { result, session } = await train(trainer, [], control, trainer.validating);
    expect(result).toMatchObject({ reason: 'interrupted', signal: 'SIGINT', at: { step: 6 } });
    await session.close();
  });

  test('a signal after everything is done changes nothing', async () => {
    const control = new Control();
    const late: LiveAddOn = { kind: 'late', hooks: { fitEnd: () => control.stop('SIGTERM') } };
    const { result, session } = await train(new LineTrainer(), [late], control);
    expect(result).toMatchObject({ reason: 'finished', signal: null });
    await session.close();
  });

  test('a hook that throws is named', async () => {
    const broken: LiveAddOn = {
      kind: 'broken',
      hooks: {
        stepEnd: () => {
          throw new Error('no more');
        },
      },
    };
    await expect(train(new LineTrainer(), [broken])).rejects.toThrow(
      'add-on broken failed in stepEnd: no more',
    );
  });

  test('early stopping waits for its patience', async () => {
    const addOn: AddOn = addons.earlyStopping({ monitor: addons.max('validate.loss'), patience: 2 });
    const host = new Proxy<Parameters<AddOn['start']>[0]>(Object.create(null), {
      get: () => () => undefined,
    });
    const { result, session } = await train(new LineTrainer(setup({}, { epochs: 20 })), [
      { kind: addOn.kind, owns: addOn.owns, hooks: addOn.start(host) },
    ]);
    expect(result).toMatchObject({ reason: 'stopped', at: { epoch: 3 } });
    await session.close();
  });

  test('state does not pile up on the device', async () => {
    const trainer = new LineTrainer(setup({}, { epochs: 60 }));
    const counts: number[] = [];
    const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
    const count: LiveAddOn = {
      kind: 'count',
      hooks: { epochEnd: () => void counts.push(session.engine.memory().tensors) },
    };
    await fit({
      session,
      addOns: [count],
      control: new Control(),
      listener: {
        step: () => undefined,
        metrics: () => undefined,
        validating: () => undefined,
        note: () => undefined,
      },
      now: () => 0,
      limit: null,
    });
    expect(new Set(counts.slice(1)).size).toBe(1);
    await session.close();
  });
});

/** Two models and two optimizers; the second is updated in every third step, the third branch from step 4 on. */
class PairTrainer extends LineTrainer {
  readonly ran: string[] = [];
  readonly other = new Line();

  protected override configureModels(): LineModels & { readonly other: Line } {
    return { line: new Line(), other: this.other };
  }
  protected override configureOptimizers(models: LineModels) {
    return {
      opt_a: optim.sgd({ of: [models.line], lr: 0.1 }),
      opt_b: optim.adam({ of: [this.other], lr: 0.1, clip: optim.clipNorm({ most: 0.5 }) }),
    };
  }
  protected override configureSteps(from: LineData) {
    return [steps.train('train', [from.train], (batch) => this.trainStep(batch))];
  }
  override trainStep(batch: Row): void {
    this.ran.push('a');
    this.update(['opt_a'], () => ({
      minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
    }));
    if (this.every('train.every1', units.steps(3))) {
      this.ran.push('b');
      this.update(['opt_b'], () => ({ minimize: rows.mean(ops.square(this.other.call(batch.x))) }));
    }
    if (this.decide('train.if1', (run) => run.step >= 4)) {
      this.ran.push('c');
      this.log({ late: rows.mean(batch.y) });
    }
  }
}

describe('several optimizers', () => {
  test('each changes its own weights, in the steps that ask for it', async () => {
    const trainer = new PairTrainer(setup({ rows: 24 }, { epochs: 1 }));
    const { session, records, result } = await train(trainer);
    // The native engine asks once for each set of branches.
    const again = nativeUnderTest ? '' : 'a';
    expect(trainer.ran.join('')).toBe('a' + again + 'ab' + again + 'ac' + 'abc');
    const metrics = records.at(-1)?.metrics ?? new Map<string, number>();
    expect([...metrics.keys()].sort()).toEqual(['late', 'opt_a_loss', 'opt_b_grad_norm', 'opt_b_loss']);
    expect(result.at.step).toBe(6);
    const counts = session.optimizerState.filter(({ path }) => path.endsWith('/count'));
    const values = await Promise.all(
      counts.map(async (count) => [count.path, (await count.download()).values[0]]),
    );
    expect(Object.fromEntries(values)).toEqual({ 'opt_a/count': 6, 'opt_b/count': 2 });
    await session.close();
  });

  test('a model that two optimizers own is refused', async () => {
    class Shared extends PairTrainer {
      protected override configureOptimizers(models: LineModels) {
        return {
          opt_a: optim.sgd({ of: [models.line], lr: 0.1 }),
          opt_b: optim.adam({ of: [models.line, this.other] }),
        };
      }
    }
    await expect(train(new Shared())).rejects.toThrow('belongs to opt_a and opt_b');
  });
});

describe('what outlives a run', () => {
  test('what is tested does not need the data of validations', async () => {
    class Tested extends LineTrainer {
      protected override configureData(): LineData & { readonly gone: data.Data<Row> } {
        const gone = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
          () => {
            throw new Error('it was opened');
          },
          {},
          { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } } },
        );
        return { ...super.configureData(), gone };
      }
      protected override configureSteps(from: ReturnType<Tested['configureData']>) {
        const every = units.epochs(1);
        return [
          steps.train('train', [from.train], (batch) => this.trainStep(batch)),
          ...(this.measures
            ? [steps.validate('validate', [from.gone], { every }, (batch) => this.validateStep(batch))]
            : []),
          steps.test('test', [from.test], (batch) => this.validateStep(batch)),
        ];
      }
      constructor(readonly measures: boolean) {
        super({ options: { epochs: 1, progress: 'none' } });
      }
    }
    const runDir = mkdtempSync(join(tmpdir(), 'ztrain-tested-'));
    await new Tested(false).fit({ runDir });
    expect([...(await new Tested(true).test(runDir)).keys()]).toEqual(['test.loss', 'test.rmse']);
    await expect(new Tested(true).validate(runDir)).rejects.toThrow('it was opened');
    rmSync(runDir, { recursive: true });
  });

  test('a prediction without rows says what to return', async () => {
    class Whole extends LineTrainer {
      protected override configureSteps(from: LineData) {
        return [
          steps.train('train', [from.train], (batch) => this.trainStep(batch)),
          steps.predict('predict', [from.test], (batch) => ({
            worst: ops.maxOf(this.models.line.call(batch.x)),
          })),
        ];
      }
    }
    const runDir = mkdtempSync(join(tmpdir(), 'ztrain-whole-'));
    await new Whole(setup({}, { progress: 'none' })).fit({ runDir });
    await expect(new Whole().predict(runDir, () => undefined)).rejects.toThrow(
      'step predict returned worst of shape [] for a batch of 3 rows; return a row for each row of the batch',
    );
    rmSync(runDir, { recursive: true });
  });

  test('data that steps share is closed once, and the engine is left also where that fails', async () => {
    let closed = 0;
    class Shared extends LineTrainer {
      protected override configureData(): LineData {
        const set = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
          () => ({
            ...lineData(8),
            close: () => {
              closed += 1;
              throw new Error('cannot close');
            },
          }),
          {},
          { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } } },
        );
        return { train: set, test: set };
      }
    }
    const { session } = await train(new Shared(setup({})));
    const before = session.engine.memory().tensors;
    await expect(session.close()).rejects.toThrow('cannot close');
    expect(closed).toBe(1);
    expect(session.engine.memory().tensors).toBeLessThan(before);
  });

  test('a step that throws leaves weights and memory as they were, and the next one runs', async () => {
    class Failing extends LineTrainer {
      fails = false;
      override trainStep(batch: Row): void {
        super.trainStep(batch);
        if (this.fails) throw new Error('no more');
      }
    }
    const trainer = new Failing(setup({}));
    const { session } = await trainer.prepare({ kinds: ['train'], dataRoot: '.' });
    const [open] = session.of('train');
    if (open === undefined) throw new Error('no train step');
    const run = async (index: number): Promise<void> => {
      const inputs = await Promise.all(open.data.map((set) => set.batch(0, index)));
      const clock = session.clockAt(index);
      const draws = { seed: 1, step: index, micro: 0, rowOffset: 0 };
      await open.stage.run(inputs, { clock, draws, scalars: session.scalarsAt(clock, true), last: true });
    };
    // The native engine runs a body while it traces, and never again: the first run there is the one that fails, and makes the
    // variables of metrics.
    if (nativeUnderTest) {
      trainer.fails = true;
      await expect(run(0)).rejects.toThrow('no more');
    } else await run(0);
    const before = [session.engine.memory(), (await session.modelState[0]?.download())?.values];
    trainer.fails = true;
    for (let index = 1; index < 4; index += 1) await expect(run(index)).rejects.toThrow('no more');
    expect([session.engine.memory(), (await session.modelState[0]?.download())?.values]).toEqual(before);
    trainer.fails = false;
    await run(1);
    expect(session.engine.memory()).toEqual(before[0]);
    await session.close();
  });

  test('an update names each optimizer once', async () => {
    class Twice extends LineTrainer {
      override trainStep(batch: Row): void {
        this.update(['opt', 'opt'], () => ({ minimize: rows.mean(this.models.line.call(batch.x)) }));
      }
    }
    await expect(train(new Twice(setup({})))).rejects.toThrow('takes each optimizer once, got [opt, opt]');
  });

  test('a metric cannot take the name of what each line has', async () => {
    class Named extends LineTrainer {
      override validateStep(batch: Row): void {
        this.log({ step: rows.mean(batch.y) });
      }
    }
    await expect(train(new Named(setup({})))).rejects.toThrow('a metric cannot be named step');
  });

  test('an epoch that an add-on ends is measured like any other', async () => {
    const seen: number[] = [];
    const hooks = {
      stepEnd: ({ step }: { readonly step: number }) => (step % 5 === 2 ? ('end-epoch' as const) : undefined),
      epochEnd: ({ step }: { readonly step: number }) => void seen.push(step),
    };
    const { records, result, session } = await train(new LineTrainer(setup({}, { epochs: 3 })), [
      { kind: 'short', hooks },
    ]);
    expect(seen).toEqual([5, 10, 15]);
    expect(result.rows).toBe(3 * 2 * 4);
    const lines = (over: string) => records.filter((record) => record.over === over).map(({ at }) => at.step);
    expect(lines('epoch')).toEqual([5, 10, 15]);
    expect(lines('pass')).toEqual([5, 10, 15]);
    await session.close();
  });

  test('rows that are left out are told', async () => {
    const root = mkdtempSync(join(tmpdir(), 'ztrain-rows-'));
    writeFileSync(join(root, 'a.csv'), 'x,y\n1,2\nno,3\n2,5\n');
    class Reading extends LineTrainer {
      protected override configureData(): LineData {
        const set = data
          .csv<{ readonly x: Tensor1D; readonly y: Tensor1D }>({
            file: 'a.csv',
            record: { x: { dtype: 'f32', shape: [] }, y: { dtype: 'f32', shape: [] } },
            onBadRow: 'skip',
          })
          .map(({ x, y }): Row => ({ x: ops.stack([x, x], { axis: 1 }), y }));
        return { train: set, test: set.withOptions({ batch: 1 }) };
      }
    }
    const { session } = await new Reading(setup({})).prepare({ kinds: ['train'], dataRoot: root });
    expect(session.notes).toEqual([
      "1 bad row of train is left out, 2 are used: a.csv:3: row 2, column 'x': 'no' is not a finite number",
    ]);
    await session.close();
    rmSync(root, { recursive: true });
  });
});

describe('schedules and clocks', () => {
  test('rates follow the schedule, and a step sees its value as a tensor', async () => {
    const { records, session } = await train(new WarmTrainer(({ warm }) => warm * 2));
    const rates = records.filter(({ stage }) => stage === 'train').map((record) => record.rates.get('opt'));
    expect(rates[0]).toBeCloseTo(0.04, 10);
    const values = records.map(({ metrics }) => metrics.get('warm'));
    expect(values[0]).toBeCloseTo(0.02, 6);
    await session.close();
  });
});
