/** What live sources keep in checkpoints: errors that name the owner, before anything of the run is touched. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import type { Json } from '../../src/runtime/addons/addon.js';
import { jsonCopy } from '../../src/runtime/checkpoint/strict-json.js';
import { Turns } from '../../src/runtime/data/turns.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
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

test('a state that no checkpoint holds is told at the start, with its data set', async () => {
  const run = join(folder, 'unheld');
  wrong.state = () => ({ best: Number.NEGATIVE_INFINITY });
  await expect(fit(run)).rejects.toThrow(
    'data left cannot give its state to a checkpoint: live counted: state.best is -Infinity, which JSON does not hold',
  );
  expect(existsSync(run)).toBe(false);
});

test('where nothing is written the state is asked for at the start, and not before each step', async () => {
  let asked = 0;
  wrong.state = () => ({ asked: (asked += 1) });
  const options = { stream: { write: () => undefined } };
  await runFit(new PairTrainer({ params: {}, options: {} }), { ...options, runDir: null });
  const once = asked;
  await runFit(new PairTrainer({ params: {}, options: {} }), { ...options, runDir: join(folder, 'kept') });
  expect(once).toBeLessThanOrEqual(2);
  // Before each step, since that may fail.
  expect(asked).toBeGreaterThan(4 * once);
});

test('of a state that JSON does not hold the place is named, however deep it is', async () => {
  const deep: Json = { arms: [{ pulls: 3 }, { __proto__x: [1, Number.NaN] }] };
  wrong.state = () => deep;
  await expect(fit(join(folder, 'deep'))).rejects.toThrow('state.arms[1].__proto__x[1] is NaN, which JSON');
  const nested = JSON.parse('{ "__proto__": { "a": 1 }, "b": [true, null, "\\ud83d\\ude00"] }');
  const copied = jsonCopy(nested, 'state');
  expect(JSON.stringify(copied)).toBe(JSON.stringify(nested));
  expect(Object.getPrototypeOf(copied)).toBe(Object.prototype);
  expect(() => jsonCopy({ a: ['\ud83d'] }, 'state')).toThrow(
    'state.a[0] is a text with half a surrogate pair',
  );
  expect(() => jsonCopy({ a: { '\ud83d': 1 } }, 'state')).toThrow(
    'state.a has a key with half a surrogate pair',
  );
});

test('what state() and restore() throw names the declared source and its line', async () => {
  const source = () => ({
    harvest: () => ({ x: new Float32Array(1) }),
    state: (): number => {
      throw new Error('no pen');
    },
    restore: () => {
      throw new Error('no paper');
    },
  });
  const declared = { name: 'pulls', file: './live-restore.test.ts' };
  const record = { x: { dtype: 'f32', shape: [] } } as const;
  const set = data.live<Readonly<{ x: Tensor1D }>>(source, {}, { record, batch: 1, declared });
  const open = await set.open({ root: '.', seed: 1, label: 'play' });
  await open.live?.start(() => Promise.reject(new Error('no model')), new Turns());
  const named = (hook: string): RegExp =>
    new RegExp(
      `data source .pulls. of ./live-restore.test.ts failed in ${hook}\\(\\) at ./live-restore.test.ts:\\d+:\\d+: no `,
    );
  expect(() => open.live?.state()).toThrow(named('state'));
  expect(() => open.live?.restore({ harvests: 1, state: 1 })).toThrow(named('restore'));
});
