/** A run whose live data fails keeps its state as it was before the step, and goes on to what it would have come to; so does one that is killed. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { bundledTrainer } from './bundled-program.js';
import { newestVerified } from './checkpoint-reading.js';
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
