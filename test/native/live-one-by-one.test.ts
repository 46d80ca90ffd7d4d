/** A run on live data takes one step a call: the next batch is harvested with the weights that the step has made. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runFit } from '../../src/runtime/trainer/run.js';
import { PairTrainer } from '../runtime/pair-trainer.js';

let folder = '';
const before = process.env['XDG_CACHE_HOME'];
beforeAll(() => {
  // What was measured before is not to be taken.
  folder = mkdtempSync(join(tmpdir(), 'ztrain-one-by-one-'));
  process.env['XDG_CACHE_HOME'] = folder;
});
afterAll(() => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  rmSync(folder, { recursive: true, force: true });
});

test('several steps in a call are neither tried nor told of', async () => {
  const lines: string[] = [];
  await runFit(new PairTrainer({ params: {}, options: { steps: 500 } }), {
    stream: { write: (text) => lines.push(text) },
    environment: {},
    engine: 'tensorflow',
    runDir: null,
  });
  const told = lines.filter((line) => line.includes('train is run as'));
  expect(told).toHaveLength(1);
  expect(told[0]).not.toContain('several steps a call');
}, 120_000);
