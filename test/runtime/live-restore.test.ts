/** What live sources keep in checkpoints: errors that name the owner, before anything of the run is touched. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { filesIn } from './killed-runs.js';
import { PairTrainer, wrong } from './pair-trainer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-restore-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  Object.assign(wrong, { restore: null, state: null });
});

const fit = async (runDir: string, from: number | null = null) =>
  runFit(new PairTrainer({ params: {}, options: {} }), {
    stream: { write: () => undefined },
    runDir,
    resume:
      from === null
        ? null
        : await resumePointAt(join(runDir, 'checkpoints', `step-${String(from).padStart(8, '0')}`)),
  });

test('a state that restore does not take leaves the run as it was', async () => {
  const run = join(folder, 'refused');
  await fit(run);
  const before = filesIn(run);
  wrong.restore = 'another format';
  await expect(fit(run, 4)).rejects.toThrow(
    /state\.json does not fit this trainer: data left cannot take back its state: .*another format/,
  );
  expect(filesIn(run)).toEqual(before);
  wrong.restore = null;
  expect((await fit(run, 4)).reason).toBe('finished');
});
