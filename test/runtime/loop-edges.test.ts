/** Where the loop's parts meet: an epoch that ends early, a run that ends before its first step, steps that share data. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddOn, Hooks } from '../../src/runtime/addons/addon.js';
import * as copies from '../../src/runtime/copies/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { main } from '../../src/runtime/main.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit, type LiveAddOn } from '../../src/runtime/trainer/fit.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import { Line, lineSet, LineTrainer, setup, train, type LineData, type Row } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-edges-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const quiet = { stream: { write: () => undefined } };

interface Two {
  readonly line: Line;
  readonly mean: Line;
  readonly other: Line;
}

/** 5 steps an epoch; what follows the model is for each test to say. */
class Copied extends Trainer<object, Two, LineData> {
  static override readonly spec = { ...LineTrainer.spec, params: [], asserts: [] };

  constructor(private readonly make: (models: Two) => Readonly<Record<string, copies.Copy>>) {
    super({ options: { epochs: 2, progress: 'none' } });
  }
  protected override configureData(): LineData {
    return { train: lineSet(20, { batch: 4 }), test: lineSet(4, {}) };
  }
  protected override configureModels(): Two {
    return { line: new Line(), mean: new Line(), other: new Line() };
  }
  protected override configureOptimizers({ line }: Two) {
    return { opt: optim.sgd({ of: [line], lr: 0.1 }) };
  }
  protected override configureCopies(models: Two) {
    return this.make(models);
  }
  protected override configureSteps(from: LineData) {
    return [
      steps.train('train', [from.train], (batch: Row) =>
        this.update(['opt'], () => ({
          minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
        })),
      ),
    ];
  }
}

describe('an average', () => {
  test('takes the weights in at the end of an epoch that an add-on ends early', async () => {
    const trainer = new Copied(({ line, mean }) => ({
      mean: copies.average<Line>({ of: line, into: mean, from: units.epochs(1), every: units.epochs(1) }),
    }));
    const weights: (readonly number[])[] = [];
    const early: LiveAddOn = {
      kind: 'early',
      hooks: {
        stepEnd: async ({ step }) => {
          const { session } = { session: Reflect.get(trainer, 'session') };
          const [weight] = session.modelState;
          if (step === 3 || step === 8) weights.push([...(await weight.download()).values]);
          return step === 3 || step === 8 ? 'end-epoch' : undefined;
        },
      },
    };
    const { session, result } = await train(trainer, [early]);
    expect(result.at.step).toBe(10);
    const valueOf = async (path: string): Promise<readonly number[]> => {
      const all = [...session.modelState, ...session.optimizerState];
      return [...((await all.find((one) => one.path === path)?.download())?.values ?? [])];
    };
    expect(await valueOf('mean/count')).toEqual([2]);
    const [first = [], second = []] = weights;
    (await valueOf('Mean.dense.weight')).forEach((value, at) =>
      expect(value).toBeCloseTo(((first[at] ?? 0) + (second[at] ?? 0)) / 2, 6),
    );
    await session.close();
  });

  test.each([
    ['the copy first', false],
    ['the copy of it first', true],
  ])('of an average is refused, %s', async (_which, turned) => {
    const trainer = new Copied(({ line, mean, other }) => {
      const one = ['mean', copies.ema<Line>({ of: line, into: mean, decay: 0.9 })] as const;
      const two = ['other', copies.ema<Line>({ of: mean, into: other, decay: 0.9 })] as const;
      return Object.fromEntries(turned ? [two, one] : [one, two]);
    });
    await expect(trainer.prepare({ kinds: ['train'], dataRoot: '.' })).rejects.toThrow('share a model');
  });
});

describe('before the first step', () => {
  const calls: string[] = [];
  const watching = (): AddOn => {
    const note = (name: string) => (): undefined => void calls.push(name);
    const hooks: Hooks = {
      fitStart: note('fitStart'),
      failed: note('failed'),
      interrupted: note('interrupted'),
      fitEnd: note('fitEnd'),
    };
    const own: AddOn = {
      kind: 'watching',
      phase: 'core',
      owns: [],
      withOptions: () => own,
      start: () => hooks,
    };
    return own;
  };
  class Measuring extends LineTrainer {
    protected override configureSteps(from: LineData) {
      return [
        steps.measure('seen', [from.test], (batch: Row) => ({
          bad: rows.measured({ how: 'mean', of: ops.log(ops.mul(batch.y, 0)) }),
        })),
        ...super.configureSteps(from),
      ];
    }
    protected override configureAddOns() {
      return [watching()];
    }
  }

  test('a figure that is not finite fails the run, and add-ons are told', async () => {
    calls.length = 0;
    const runDir = join(root, 'figure');
    await expect(
      runFit(new Measuring(setup({}, { progress: 'none' })), { ...quiet, runDir }),
    ).rejects.toThrow('seen.bad is not finite');
    expect(calls).toEqual(['failed']);
    expect(existsSync(join(runDir, 'checkpoints'))).toBe(false);
  });

  test('a signal in the sanity validation ends it, and saves no untrained weights', async () => {
    class Sane extends LineTrainer {
      protected override configureAddOns() {
        return [watching()];
      }
    }
    calls.length = 0;
    const control = new Control();
    control.stop('SIGTERM');
    const runDir = join(root, 'sane');
    const options = { progress: 'none', sanity: units.batches(2) } as const;
    const result = await runFit(new Sane(setup({}, options)), { ...quiet, runDir, control });
    expect(result).toMatchObject({ reason: 'interrupted', at: { step: 0 } });
    expect(calls).toEqual(['fitStart', 'interrupted', 'fitEnd']);
    expect(existsSync(join(runDir, 'checkpoints'))).toBe(false);
  });
});

test('a limit of another kind of step that shares the data is none of a fit', async () => {
  class Sharing extends LineTrainer {
    protected override configureSteps(from: LineData) {
      return [
        ...super.configureSteps(from),
        steps.test('test', [from.test], (batch: Row) => this.validateStep(batch)),
      ];
    }
  }
  // A percentage that is no batch is an error, of a test.
  const options = { progress: 'none', limit: { test: units.percent(1) } } as const;
  const runDir = join(root, 'sharing');
  const result = await runFit(new Sharing(setup({}, options)), { ...quiet, runDir });
  expect(result.reason).toBe('finished');
  await expect(new Sharing(setup({}, options)).test(runDir, quiet)).rejects.toThrow(
    'limit.test = 1 percent of the 3 batches of test is none',
  );
});

test('detect_anomaly sees each bad batch of a window whose updates are skipped', async () => {
  class Bad extends LineTrainer {
    override trainStep(batch: Row): void {
      const guess = this.models.line.call(batch.x);
      this.update(['opt'], () => ({
        minimize: rows.mean(ops.sqrt(ops.sub(-1, losses.squaredError(guess, batch.y)))),
      }));
    }
  }
  const options = { accumulate: 2, epochs: 1, onNan: 'skip', detectAnomaly: true } as const;
  const { session } = await new Bad(setup({}, options)).prepare({ kinds: ['train'], dataRoot: '.' });
  const notes: string[] = [];
  const listener = {
    step: () => undefined,
    metrics: () => undefined,
    validating: () => undefined,
    note: (line: string) => void notes.push(line),
  };
  await fit({ session, addOns: [], control: new Control(), listener, now: () => 0, limit: null });
  expect(notes.map((note) => /at step \d/.exec(note)?.[0])).toEqual(['at step 1', 'at step 1', 'at step 2']);
  await session.close();
});

test('a part of a run that has no end is told without a stack of calls', async () => {
  class Endless extends LineTrainer {
    protected override configureSteps(from: LineData) {
      return [
        steps.train('train', [from.train], (batch: Row) => this.trainStep(batch)),
        steps.validate('validate', [from.test], { every: units.percent(10) }, (batch: Row) =>
          this.validateStep(batch),
        ),
      ];
    }
  }
  class Timed extends Endless {
    static override readonly spec = {
      ...LineTrainer.spec,
      options: { maxTime: units.seconds(5), progress: 'none' as const },
    };
  }
  const said: string[] = [];
  const stderr = { write: (text: string) => void said.push(text) };
  const io = { stderr, stdout: stderr, environment: {}, onSignal: () => () => undefined };
  expect(await main(Timed, [`--run-dir=${join(root, 'endless')}`], io)).toBe(3);
  expect(said.at(-1)).toBe('error: 10 percent of a run that has no end; give the trainer epochs or steps\n');
});
