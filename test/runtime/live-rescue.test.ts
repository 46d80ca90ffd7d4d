/** A run whose live data fails keeps its state as it was before the step, and goes on to what it would have come to; so does one that is killed. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Moment } from '../../src/runtime/addons/addon.js';
import * as data from '../../src/runtime/data/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import { bundledTrainer } from './bundled-program.js';
import { newestVerified } from './checkpoint-reading.js';
import { metricsLines } from './metrics-lines.js';
import { broken, counted, PairTrainer } from './pair-trainer.js';
import { Line } from './tiny-trainer.js';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-rescue-'));
  await fit('whole');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  broken.side = null;
});

const fit = async (name: string, goesOn = false, trainer = PairTrainer) => {
  const runDir = join(folder, name);
  return runFit(new trainer({ params: {}, options: {} }), {
    stream: { write: () => undefined },
    runDir,
    resume: goesOn ? await resumePointAt(runDir) : null,
  });
};

const read = (name: string, file: string): string =>
  readFileSync(join(folder, name, file)).toString('latin1');
const lines = (name: string): unknown => metricsLines(join(folder, name));

test.each([
  ['a harvest throws', 'left', 'throws'],
  ['rows are refused by the record', 'right', Number.NaN],
  ['the other set of the step fails', 'right', 'throws'],
] as const)('%s: the state of before the step is kept', async (name, side, how) => {
  Object.assign(broken, { side, how });
  await expect(fit(name)).rejects.toThrow(
    how === 'throws'
      ? `live counted: harvest 4 of ${side} failed: the server is gone`
      : `harvest 4 of right: row 2, column 'y': live counted: NaN is not a finite number`,
  );
  const { loop } = JSON.parse(read(name, 'checkpoints/step-00000003/state.json')) as { loop: unknown };
  const at = { harvests: 3, state: { at: 12 } };
  expect(loop).toMatchObject({ live: { left: at, right: at } });
  broken.side = null;
  expect((await fit(name, true)).reason).toBe('finished');
  expect(lines(name)).toEqual(lines('whole'));
  const weights = 'checkpoints/step-00000008/model.safetensors';
  expect(read(name, weights) === read('whole', weights)).toBe(true);
});

type ClassRow = Readonly<{ x: Tensor2D; y: Tensor1D }>;

/** The same with classes in the place of numbers: 0 and 1. */
function classed(
  options: Parameters<typeof counted>[0],
): data.LiveSource<{ x: Float32Array; y: Int32Array }> {
  const source = counted(options);
  return {
    ...source,
    async harvest(about) {
      const { x, y } = await source.harvest(about);
      return { x, y: Int32Array.from(y, (each) => Math.abs(each)) };
    },
  };
}

class Labelled extends Trainer<
  object,
  { readonly line: Line },
  { readonly left: data.Data<ClassRow>; readonly right: data.Data<ClassRow> }
> {
  static override readonly spec: TrainerSpec<object> = { name: 'labelled', trainer: 'Labelled', params: [] };

  protected override configureData() {
    const set = (side: 'left' | 'right'): data.Data<ClassRow> =>
      data.live<ClassRow>(
        classed,
        { guess: data.model('Line', { x: { dtype: 'f32', shape: [2] } }), side },
        { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'i32', shape: [] } }, batch: 4 },
      );
    return { left: set('left'), right: set('right') };
  }
  protected override configureModels() {
    return { line: new Line() };
  }
  protected override configureOptimizers(models: { readonly line: Line }) {
    return { opt: optim.adam({ of: [models.line], lr: 0.05 }) };
  }
  protected override configureSteps({ left, right }: ReturnType<Labelled['configureData']>) {
    return [
      steps.train('train', [left, right], (one, two) => {
        this.update(['opt'], () => ({ minimize: [this.#missOf(one), this.#missOf(two)] }));
      }),
    ];
  }
  #missOf({ x, y }: ClassRow) {
    const classes = ops.oneHot<Tensor2D>(y, { classes: 2 });
    return rows.mean(ops.mul(this.models.line.call(x), ops.sum<Tensor1D>(classes, { axis: 1 })));
  }
}

test.each([
  ['at a step', 3, { steps: 8 }, 3],
  // What its first batches have changed is taken back.
  ['where the step has begun', 5, { steps: 3, accumulate: 3 }, 1],
  ['in the first batch of a step', 3, { steps: 3, accumulate: 3 }, 1],
] as const)('a label that is no class, %s, is told by its harvest', async (name, index, options, step) => {
  Object.assign(broken, { side: 'right', how: 9, index });
  const trainer = new Labelled({ params: {}, options: { seed: 3, ...options } });
  const runDir = join(folder, name);
  await expect(runFit(trainer, { stream: { write: () => undefined }, runDir })).rejects.toThrow(
    `label 9 in row 2 of harvest ${index + 1} of left or row 2 of harvest ${index + 1} of right is not one of 2 classes`,
  );
  const { loop } = JSON.parse(read(name, `checkpoints/step-0000000${step}/state.json`)) as { loop: unknown };
  // Those of whole steps.
  const at = { harvests: 3, state: { at: 12 } };
  expect(loop).toMatchObject({ live: { left: at, right: at } });
});

test.each([
  [1, 'harvest 3 of left, harvest 3 of right'],
  [2, 'harvests 5 to 6 of left, harvests 5 to 6 of right'],
])('a loss that is not finite is told by its harvests, %i a step', async (accumulate, told) => {
  // Its square is more than f32 holds.
  Object.assign(broken, { side: 'left', how: 1e30, index: 3 * accumulate - 1 });
  const trainer = new PairTrainer({ params: {}, options: { accumulate, steps: 4 } });
  await expect(runFit(trainer, { stream: { write: () => undefined }, runDir: null })).rejects.toThrow(
    `was not finite at step 3 (${told})`,
  );
});

test('a process that is killed in the middle of a harvest goes on to the same bytes', async () => {
  const program = await bundledTrainer('live-program');
  const child = spawn(process.execPath, [program, join(folder, 'killed')], { stdio: 'ignore' });
  const signal = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
  rmSync(program, { force: true });
  expect(signal).toBe('SIGKILL');
  expect(existsSync(join(folder, 'killed', 'summary.json'))).toBe(false);
  expect((await newestVerified(join(folder, 'killed'))).checkpoint?.step).toBe(4);
  expect((await fit('killed', true)).reason).toBe('finished');
  expect(lines('killed')).toEqual(lines('whole'));
  const weights = 'checkpoints/step-00000008/model.safetensors';
  expect(read('killed', weights) === read('whole', weights)).toBe(true);
}, 120_000);

test('a line that an add-on failed on is not written again', async () => {
  let isFaulty = true;
  class Faulty extends PairTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const about = { kind: 'faulty', phase: 'independent', owns: [] } as const;
      const measured = ({ step }: Moment): undefined => {
        if (isFaulty && step === 6) throw new Error('no network');
      };
      return [...super.configureAddOns(), addons.extern(about, () => () => ({ measured }), {})];
    }
  }
  await expect(fit('faulty', false, Faulty)).rejects.toThrow('add-on faulty failed in measured: no network');
  isFaulty = false;
  expect((await fit('faulty', true, Faulty)).reason).toBe('finished');
  expect(lines('faulty')).toEqual(lines('whole'));
});
