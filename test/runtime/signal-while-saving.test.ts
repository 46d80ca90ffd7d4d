/** A signal comes while a slow disk takes a checkpoint: that one is finished, the run ends, and goes on to what it would have come to. */
import { readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import type { StopSignal } from '../../src/runtime/trainer/control.js';
import * as units from '../../src/values/units.js';
import { newestVerified } from './checkpoint-reading.js';
import { checkpoints, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, open: vi.fn(real.open) };
});

workInFolder('signal');

class Saving extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(4), keep: 1 })];
  }
}

const model = (name: string): Buffer =>
  readFileSync(join(name, 'checkpoints', checkpoints(name).at(-1) ?? '', 'model.safetensors'));

test.each(['model.safetensors', 'manifest.json'])('at its %s', async (file) => {
  const { open: real } = await vi.importActual<typeof fs>('node:fs/promises');
  const listeners: ((signal: StopSignal) => void)[] = [];
  let isTold = false;
  vi.mocked(open).mockImplementation(async (...given) => {
    const isIts = /step-00000004\.tmp-[^/]*\//.test(String(given[0])) && String(given[0]).endsWith(file);
    if (isIts && !isTold) {
      isTold = true;
      listeners.forEach((listener) => listener('SIGTERM'));
      // The run comes to its end meanwhile.
      await wait(300);
    }
    return real(...given);
  });
  const name = `slow-${file}`;
  const onSignal = (listener: (signal: StopSignal) => void): (() => void) => {
    listeners.push(listener);
    return () => undefined;
  };
  const { code, text } = await run([`--run-dir=${name}`], Saving, { onSignal });
  vi.mocked(open).mockImplementation(real);
  expect(isTold).toBe(true);
  expect(code).toBe(143);
  expect(text).toContain(`--resume ${name}`);
  const { checkpoint, skipped } = await newestVerified(name);
  expect(skipped).toEqual([]);
  // The state at the signal is kept besides, or it is that of the checkpoint.
  expect(checkpoint?.step).toBeGreaterThanOrEqual(4);
  expect(checkpoint?.step).toBeLessThan(15);
  expect(readdirSync(join(name, 'checkpoints')).filter((each) => each.includes('.tmp-'))).toEqual([]);
  expect((await run(['--resume', name], Saving)).code).toBe(0);
  const whole = `whole-${file}`;
  expect((await run([`--run-dir=${whole}`], Saving)).code).toBe(0);
  expect(checkpoints(name).at(-1)).toBe('step-00000015');
  expect(model(name).equals(model(whole))).toBe(true);
});
