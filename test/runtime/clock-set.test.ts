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

/** Saves whenever a thousandth of a second has passed. */
class Timed extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.seconds(0.001), keep: 100 })];
  }
}

test.each([-3600, 3600])('set by %d seconds in mid-run', async (seconds) => {
  const name = `set-${seconds}`;
  const begun = performance.now();
  const { now } = Date;
  // The run's start is told by the first time that is asked for.
  let asked = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + (asked++ < 1 ? 0 : seconds * 1000));
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
