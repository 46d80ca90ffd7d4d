/** What a run on live data, which has no epochs and no end of its own, keeps as it goes on. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Stage } from '../../src/runtime/trainer/stage.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { PairTrainer } from './pair-trainer.js';

test('totals are those of a window, however many steps there were; a model is compiled once for all that call it', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'ztrain-live-memory-'));
  const made = vi.spyOn(Stage.prototype, 'run');
  await runFit(new PairTrainer({ params: {}, options: { steps: 403 } }), {
    stream: { write: () => undefined },
    runDir,
  });
  const called = new Set(made.mock.contexts);
  expect([...called].flatMap((each) => (each instanceof Stage ? [each.plan.name] : []))).toEqual([
    'live.Line',
  ]);
  made.mockRestore();
  const trainAt = (step: number): Record<string, Record<string, unknown>> =>
    JSON.parse(readFileSync(join(runDir, `checkpoints/step-00000${step}/state.json`), 'utf8')).loop.train;
  // Each at the end of a window of two steps.
  for (const step of [400, 396]) {
    const { totals, variants } = trainAt(step);
    expect(totals).toMatchObject({ epoch: {}, window: {}, unfolded: 0 });
    expect(variants).toEqual([]);
  }
  // One step into a window.
  expect(trainAt(403)['totals']).toMatchObject({ epoch: {}, unfolded: 1 });
  rmSync(runDir, { recursive: true, force: true });
}, 120_000);
