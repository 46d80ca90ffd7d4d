/** A run with loss scaling that goes on from any of its steps ends as if it had never stopped, the scale and its count too. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { openCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import { createTensorFlowEngine } from '../../src/runtime/engine/tensorflow/tensorflow-engine.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import * as units from '../../src/values/units.js';
import { nativeLibrary } from '../engine-under-test.js';
import { LineTrainer, setup, type Row } from '../runtime/tiny-trainer.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-f16-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const quiet = { stream: { write: () => undefined } };

/** Gradients of the scaled loss leave f16 until the scale is low enough: some updates are left out. */
class Large extends LineTrainer {
  override async prepare(given: Parameters<LineTrainer['prepare']>[0]) {
    const files = nativeLibrary();
    const engine = await createTensorFlowEngine({
      files,
      compile: 'graph',
      precision: 'f16',
      forcePrecision: true,
    });
    return super.prepare({ ...given, engine });
  }
  protected override configureAddOns() {
    return [addons.checkpoint({ every: units.steps(1), keep: 100 })];
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const far = ops.add<Tensor1D>(ops.mul<Tensor1D>(batch.y, 0), 300);
      return { minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), far)) };
    });
  }
}
const made = (progress: 'none' | 'plain' = 'none'): Large =>
  new Large(setup({ lr: 1e-3 }, { epochs: null, steps: 12, progress }));

const names = (run: string): readonly string[] =>
  readdirSync(join(run, 'checkpoints'))
    .filter((name) => name.startsWith('step-'))
    .sort();
const bytes = (run: string, name: string, file: string): Buffer =>
  readFileSync(join(run, 'checkpoints', name, file));

test('loss scaling goes on', async () => {
  const whole = join(folder, 'whole');
  const lines: string[] = [];
  await runFit(made('plain'), { stream: { write: (line: string) => void lines.push(line) }, runDir: whole });
  const all = names(whole);
  expect(all).toHaveLength(12);
  const scales: (number | undefined)[] = [];
  for (const name of all) {
    const checkpoint = await openCheckpoint(join(whole, 'checkpoints', name));
    scales.push((await readTensors(checkpoint, 'optimizer.safetensors')).get('scaling/scale')?.values[0]);
  }
  // It changes on the way, so a run that began with another one would come to something else.
  expect(scales.at(-1)).toBeLessThan(2 ** 13);
  const halvings = Math.log2(2 ** 15 / (scales.at(-1) ?? 1));
  expect(lines.join('')).toContain(
    `${halvings} updates were left out while loss scaling looked for its scale`,
  );
  for (const at of [1, 3, 8]) {
    const run = join(folder, `killed-${at}`);
    cpSync(whole, run, { recursive: true });
    for (const name of all.slice(at)) rmSync(join(run, 'checkpoints', name), { recursive: true });
    await runFit(made(), { ...quiet, resume: await resumePointAt(run) });
    const last = all.at(-1) ?? '';
    const state = JSON.parse(bytes(run, last, 'state.json').toString());
    expect(state).toMatchObject({ skipped: 0, overflowed: halvings });
    expect(names(run)).toEqual(all);
    for (const file of ['model.safetensors', 'optimizer.safetensors'])
      expect(bytes(run, last, file).equals(bytes(whole, last, file)), `${file} from step ${at}`).toBe(true);
  }
}, 120_000);
