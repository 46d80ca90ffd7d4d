/** A run that fails with its state as good as before keeps that state, and goes on from it to what it would have come to. */
import { existsSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as data from '../../src/runtime/data/index.js';
import { DeviceVariable } from '../../src/runtime/engine/state-variable.js';
import { ResourceVariable } from '../../src/runtime/engine/tensorflow/resource-variable.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { DataError } from '../../src/runtime/data/data-error.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { StageTotals } from '../../src/runtime/trainer/totals.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { newestVerified } from './checkpoint-reading.js';
import { expectSameEnd, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { lineData, LineTrainer, type LineData, type LineModels, type Row } from './tiny-trainer.js';

workInFolder('rescue');

/** Which read of which set fails, counted from 1. */
const broken = { train: 0, test: 0 };
const reads = { train: 0, test: 0 };
beforeEach(() => {
  Object.assign(broken, { train: 0, test: 0 });
});

/** A set whose rows cannot be read at times. */
const failing = (name: 'train' | 'test', rows: number, options: data.CommonOptions): data.Data<Row> =>
  data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
    () => {
      const source = lineData(rows);
      reads[name] = 0;
      return {
        ...source,
        read: (indices) => {
          reads[name] += 1;
          if (reads[name] === broken[name])
            throw new DataError('the file is cut off', { file: `${name}.csv` });
          return source.read(indices);
        },
      };
    },
    {},
    { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } }, ...options },
  );

/** 15 steps; nothing is saved before the end. */
class Rare extends LineTrainer {
  protected override configureData(): LineData {
    const { rows, batchSize } = this.params;
    return {
      train: failing('train', rows, { batch: batchSize, shuffle: true }),
      test: failing('test', 8, { batch: 3 }),
    };
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(1000), best: addons.min('validate.loss') })];
  }
}

async function sameAs(
  name: string,
  whole: string,
  words: readonly string[] = [],
  trainer: typeof LineTrainer = Rare,
): Promise<void> {
  if (!existsSync(whole)) expect((await run([`--run-dir=${whole}`, ...words], trainer)).code).toBe(0);
  expectSameEnd(name, whole);
}

test.each([2, 7, 8, 11, 15])('where read %i of the data fails, before the step began', async (at) => {
  const name = `train-${at}`;
  broken.train = at;
  const { code, text } = await run([`--run-dir=${name}`], Rare);
  expect(code).toBe(3);
  expect(text).toContain('train.csv: the file is cut off');
  const saved = (await newestVerified(name)).checkpoint?.step ?? 0;
  // What was collected for one call, of two steps at most, was not begun.
  expect(saved).toBeLessThan(at);
  expect(saved).toBeGreaterThanOrEqual(at - 2);
  expect(text).toContain(`the state of step ${saved} was saved: ${name}/checkpoints/step-`);
  expect(text).toContain(`go on: ./line.mjs --resume ${name}`);
  broken.train = 0;
  const again = await run(['--resume', name], Rare);
  expect(again.text).toContain(`goes on after step ${saved}`);
  expect(again.code).toBe(0);
  await sameAs(name, 'whole');
});

test('where a validation fails: it is done again, all of it', async () => {
  // Three batches in a pass; its second, in the second epoch.
  broken.test = 5;
  const { code, text } = await run(['--run-dir=validating'], Rare);
  expect(code).toBe(3);
  expect(text).toContain('test.csv: the file is cut off');
  expect((await newestVerified('validating')).checkpoint?.step).toBe(10);
  broken.test = 0;
  const again = await run(['--resume', 'validating'], Rare);
  expect(again.text).toContain('goes on after step 10');
  expect(again.code).toBe(0);
  await sameAs('validating', 'whole');
});

test.each([6, 7, 8, 18])(
  'in the middle of an accumulated step the state of before it is kept, at read %i',
  async (at) => {
    const words = ['trainer.accumulate=2', 'train.batch=2'];
    const name = `half-${at}`;
    broken.train = at;
    const { code, text } = await run([`--run-dir=${name}`, ...words], Rare);
    expect(code).toBe(3);
    broken.train = 0;
    const saved = (await newestVerified(name)).checkpoint?.step ?? null;
    // Two reads a step; what was collected for one call, of two steps at most, was not begun.
    const begun = Math.floor((at - 1) / 2);
    expect([begun, begun - 1]).toContain(saved);
    expect(text).toContain(`the state of step ${saved} was saved: ${name}/checkpoints/step-`);
    expect(text).toContain(`go on: ./line.mjs --resume ${name}`);
    expect((await run(['--resume', name], Rare)).code).toBe(0);
    await sameAs(name, 'whole-half', words);
  },
);

test('where the state of before cannot be taken back it is said why nothing is saved', async () => {
  broken.train = 6;
  for (const kind of [DeviceVariable, ResourceVariable]) {
    const upload = kind.prototype.upload;
    vi.spyOn(kind.prototype, 'upload').mockImplementation(function (this: never, values) {
      if (reads.train === broken.train) throw new Error('the device is lost');
      upload.call(this, values);
    });
  }
  const words = ['trainer.accumulate=2', 'train.batch=2'];
  const { code, text } = await run(['--run-dir=lost', ...words], Rare);
  vi.restoreAllMocks();
  expect(code).toBe(3);
  expect(text).toContain('train.csv: the file is cut off');
  expect(text).toContain(
    'the state of before the step cannot be taken back, and is not saved: the device is lost',
  );
  expect(text).not.toContain('was saved');
});

test.each([
  ['in a run with a folder', {}, true],
  ['in one that writes nothing', { devRun: 4 }, false],
] as const)(
  'what a step is to go back to is taken only where it can be kept: %s',
  async (_, options, isKept) => {
    const taken = vi.spyOn(StageTotals.prototype, 'taken');
    const trainer = new Rare({ params: {}, options: { accumulate: 2 } });
    await runFit(trainer, { stream: { write: () => undefined }, runDir: 'kept', ...options });
    const { length } = taken.mock.calls;
    vi.restoreAllMocks();
    if (isKept) expect(length).toBeGreaterThan(4);
    else expect(length).toBe(0);
  },
);

test('with statistics that each batch of the step changes, and totals that each is added to', async () => {
  class Normal extends nn.Module<[x: Tensor2D], Tensor1D> {
    readonly norm = this.add('norm', nn.batchNorm({ inputs: 2 }));
    readonly dense = this.add('dense', nn.dense({ inputs: 2, units: 1 }));
    protected override forward(x: Tensor2D): Tensor1D {
      return ops.squeeze(this.dense.call(this.norm.call(x)), { axis: -1 });
    }
  }
  class Normalized extends Rare {
    readonly #normal = new Normal();
    protected override configureModels(): LineModels & { readonly normal: Normal } {
      return { ...super.configureModels(), normal: this.#normal };
    }
    override trainStep(batch: Row): void {
      this.update(['opt'], () => ({
        minimize: rows.mean(
          losses.squaredError(ops.add(this.models.line.call(batch.x), this.#normal.call(batch.x)), batch.y),
        ),
      }));
    }
  }
  const words = ['trainer.accumulate=3', 'train.batch=2', 'trainer.log_every=2.steps'];
  for (const at of [9, 12]) {
    const name = `normal-${at}`;
    broken.train = at;
    expect((await run([`--run-dir=${name}`, ...words], Normalized)).code).toBe(3);
    broken.train = 0;
    expect((await newestVerified(name)).checkpoint?.step).toBeGreaterThan(0);
    expect((await run(['--resume', name], Normalized)).code).toBe(0);
    await sameAs(name, 'whole-normal', words, Normalized);
  }
});

test.each(['measured', 'logged'] as const)(
  'where a hook fails in %s, the epoch is measured once more when the run goes on',
  async (hook) => {
    let left = 1;
    const heard: number[] = [];
    class Faulty extends Rare {
      protected override configureAddOns(): readonly AddOn[] {
        const fail = (step: number): void => {
          if (step === 10 && left-- > 0) throw new Error('no network');
          heard.push(step);
        };
        const faulty: AddOn = {
          kind: 'faulty',
          phase: 'independent',
          owns: [],
          withOptions: () => faulty,
          start: () =>
            hook === 'logged'
              ? { logged: ({ over, at }) => void (over === 'epoch' && fail(at.step)) }
              : {
                  measured: (at, metrics) => {
                    if (metrics.has('train.loss')) fail(at.step);
                    return undefined;
                  },
                },
        };
        return [...super.configureAddOns(), faulty];
      }
    }
    const name = `hook-${hook}`;
    const { code, text } = await run([`--run-dir=${name}`], Faulty);
    expect(text).toContain(`add-on faulty failed in ${hook}: no network`);
    expect(code).not.toBe(0);
    expect((await newestVerified(name)).checkpoint?.step).toBe(10);
    expect((await run(['--resume', name], Faulty)).code).toBe(0);
    expect(heard).toEqual([5, 10, 15]);
    await sameAs(name, 'whole');
  },
);

test('where the disk refuses a save, it is told of that one and not of another step', async () => {
  class Refused extends LineTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const own: AddOn = {
        kind: 'refuser',
        phase: 'core',
        owns: [],
        withOptions: () => own,
        start: () => ({
          stepEnd: ({ step }) => {
            if (step === 1) writeFileSync('refused/checkpoints', '');
          },
        }),
      };
      return [own, addons.checkpoint({ every: units.steps(2) })];
    }
  }
  const { code, text } = await run(['--run-dir=refused'], Refused);
  expect(code).toBe(3);
  expect(text.match(/cannot save the checkpoint \S+/g)).toEqual([expect.stringMatching(/step-00000002:$/)]);
});
