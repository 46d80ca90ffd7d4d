/** Lengths of time are measured by a clock that nobody sets: a machine whose time is corrected while it trains loses nothing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import { checkpoints, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('clock-set');
afterEach(() => {
  vi.restoreAllMocks();
});

/** By how many milliseconds the clock is set: in the first step, to what is asked for. */
const set: { by: number | null; to: number } = { by: null, to: 0 };

/** Saves whenever a thousandth of a second has passed, and sets the clock. */
class Timed extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    const setting: AddOn = {
      kind: 'setting',
      phase: 'independent',
      owns: [],
      withOptions: () => setting,
      start: () => ({
        stepEnd: () => {
          set.by = set.to;
        },
      }),
    };
    return [setting, addons.checkpoint({ every: units.seconds(0.001), keep: 100 })];
  }
}

test.each([-3600, 3600])('set by %d seconds in mid-run', async (seconds) => {
  const name = `set-${seconds}`;
  const begun = performance.now();
  const { now } = Date;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + (set.by ?? 0));
  set.by = null;
  set.to = seconds * 1000;
  const words = ['trainer.epochs=none', 'trainer.steps=12', 'trainer.max_time=10.minutes'];
  expect(await run([`--run-dir=${name}`, ...words], Timed)).toMatchObject({ code: 0 });
  const took = (performance.now() - begun) / 1000;
  const summary: unknown = JSON.parse(readFileSync(join(name, 'summary.json'), 'utf8'));
  const told = Number(Object(summary).seconds);
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThanOrEqual(took);
  expect(summary).toMatchObject({ reason: 'finished', steps: 12 });
  expect(checkpoints(name).length).toBeGreaterThan(2);
});
