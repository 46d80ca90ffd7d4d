/** A run whose later steps cannot be got ready, once its first is done, goes on with what comes after that step. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Hooks, Json, Moment } from '../../src/runtime/addons/addon.js';
import type * as device from '../../src/runtime/engine/device-engine.js';
import type * as prepare from '../../src/runtime/trainer/prepare-steps.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import * as units from '../../src/values/units.js';
import { PairTrainer } from './pair-trainer.js';
import { LineTrainer } from './tiny-trainer.js';

const failing = vi.hoisted(() => ({ now: false }));
vi.mock('../../src/runtime/trainer/prepare-steps.js', async (original) => {
  const real = await original<typeof prepare>();
  return {
    prepareSteps: async (...given: Parameters<typeof real.prepareSteps>): Promise<void> => {
      if (failing.now) throw new Error('the validation cannot be traced');
      await real.prepareSteps(...given);
    },
  };
});
// The embedded engine traces nothing: here it says that it does, until that has failed.
vi.mock('../../src/runtime/engine/device-engine.js', async (original) => {
  const real = await original<typeof device>();
  return {
    ...real,
    makeDeviceEngine: (options: device.DeviceOptions) =>
      Object.defineProperty(real.makeDeviceEngine(options), 'traces', { get: () => failing.now }),
  };
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-prepare-rescue-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  failing.now = false;
});

/** What an add-on was told, as its state has it at the end. */
let told: readonly string[] = [];
const recorder: AddOn = {
  kind: 'recorder',
  phase: 'independent',
  owns: [],
  withOptions: () => recorder,
  start: (): Hooks => {
    let calls: readonly string[] = [];
    const say = (text: string): undefined => void (calls = [...calls, text]);
    return {
      stepStart: ({ step }) => say(`stepStart ${step}`),
      updateEnd: ({ step }) => say(`updateEnd ${step}`),
      logged: ({ stage, over, at }) => say(`logged ${at.step} ${stage} ${over}`),
      validationEnd: ({ step }: Moment) => say(`validationEnd ${step}`),
      stepEnd: ({ step }) => say(`stepEnd ${step}`),
      epochEnd: ({ step }) => say(`epochEnd ${step}`),
      settled: ({ step }) => say(`settled ${step}`),
      fitEnd: () => void (told = calls),
      state: (): Json => ({ calls: [...calls] }),
      restore: (state) => {
        calls = (state as { readonly calls: readonly string[] }).calls;
      },
    };
  },
};

class Recorded extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(1000) }), recorder];
  }
}

const loopAt = (runDir: string, step: number): unknown => {
  const text = readFileSync(join(runDir, `checkpoints/step-0000000${step}/state.json`), 'utf8');
  return (JSON.parse(text) as { readonly loop: unknown }).loop;
};

const stream = { write: () => undefined };

test.each([
  ['one step of an epoch', { batchSize: 4 }],
  ['a whole epoch, after which a validation is due', { batchSize: 20 }],
] as const)('the first call is %s', async (name, params) => {
  const fit = async (runDir: string, goesOn = false) => {
    const trainer = new Recorded({ params, options: { epochs: 2, logEvery: units.steps(1) } });
    await runFit(trainer, { stream, runDir, resume: goesOn ? await resumePointAt(runDir) : null });
    return told;
  };
  const whole = await fit(join(folder, `${name} whole`));
  failing.now = true;
  const runDir = join(folder, name);
  await expect(fit(runDir)).rejects.toThrow('the validation cannot be traced');
  expect(loopAt(runDir, 1)).toMatchObject({ left: 'update', windowLogged: false });
  failing.now = false;
  expect(await fit(runDir, true)).toEqual(whole);
});

test.each([1, 3])('live data is kept as it was after the step, of %i batches', async (accumulate) => {
  const fit = async (runDir: string, goesOn = false) =>
    runFit(new PairTrainer({ params: {}, options: { accumulate, steps: 3 } }), {
      stream,
      runDir,
      resume: goesOn ? await resumePointAt(runDir) : null,
    });
  const [whole, runDir] = [join(folder, `live whole ${accumulate}`), join(folder, `live ${accumulate}`)];
  await fit(whole);
  failing.now = true;
  await expect(fit(runDir)).rejects.toThrow('the validation cannot be traced');
  expect(loopAt(runDir, 1)).toMatchObject({
    left: 'update',
    live: { left: { harvests: accumulate, state: { at: 4 * accumulate } } },
  });
  failing.now = false;
  await fit(runDir, true);
  const weights = (of: string): Buffer =>
    readFileSync(join(of, 'checkpoints/step-00000003/model.safetensors'));
  expect(weights(runDir).equals(weights(whole))).toBe(true);
});
