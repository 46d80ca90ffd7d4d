/** A run whose live data fails keeps its state as it was before the step, and goes on to what it would have come to. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { broken, PairTrainer } from './pair-trainer.js';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-rescue-'));
  await fit('whole');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  broken.side = null;
});

const fit = async (name: string, goesOn = false) => {
  const runDir = join(folder, name);
  return runFit(new PairTrainer({ params: {}, options: {} }), {
    stream: { write: () => undefined },
    runDir,
    resume: goesOn ? await resumePointAt(runDir) : null,
  });
};

const read = (name: string, file: string): string =>
  readFileSync(join(folder, name, file)).toString('latin1');
const lines = (name: string): unknown =>
  read(name, 'metrics.jsonl')
    .trim()
    .split('\n')
    .map((line) =>
      JSON.parse(line, (key, value: unknown) =>
        ['seconds', 'wall', 'steps_per_second', 'rows_per_second'].includes(key) ? undefined : value,
      ),
    );

test.each([
  ['a harvest throws', 'left', 'throws'],
  ['rows are refused by the record', 'left', 'gives NaN'],
  ['the other set of the step fails', 'right', 'throws'],
] as const)('%s: the state of before the step is kept', async (name, side, how) => {
  Object.assign(broken, { side, how });
  await expect(fit(name)).rejects.toThrow(
    how === 'throws' ? /harvest 4 of right|harvest 4 of left/ : /NaN is not/,
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
