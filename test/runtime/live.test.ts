/** Live data: harvested when the step asks, with the weights as they are, and going on after a kill to the same bytes. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { LiveTrainer, seen } from './live-trainer.js';

const quiet = { stream: { write: () => undefined } };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const withoutTime = (text: string): unknown =>
  JSON.parse(text, (key, value: unknown) =>
    ['seconds', 'wall', 'steps_per_second', 'rows_per_second', 'files'].includes(key) ? undefined : value,
  );
const linesOf = (run: string): readonly unknown[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').map(withoutTime);
const last = (run: string, file: string): Buffer =>
  readFileSync(join(run, 'checkpoints', 'step-00000012', file));

const setup = (params: Readonly<Record<string, unknown>>, options = {}) => ({ params, options });

/** Bias and weights of the model at a step. */
async function weightsOf(run: string, step: number): Promise<readonly number[]> {
  const folder = join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
  const tensors = await readTensors(await openCheckpoint(folder), 'model.safetensors');
  return ['Line.dense.bias', 'Line.dense.weight'].flatMap((name) => [...(tensors.get(name)?.values ?? [])]);
}

/** A run of 12 steps, and what its harvests saw. */
async function train(name: string, keeps: boolean, options = {}) {
  seen.length = 0;
  const runDir = join(folder, name);
  const result = await runFit(new LiveTrainer(setup({ keeps }, options)), {
    ...quiet,
    runDir,
  });
  return { runDir, result, harvests: seen.splice(0) };
}

test('each harvest meets the weights as they are then, and is made once', async () => {
  const { runDir, result, harvests } = await train('seen', true);
  expect(result.reason).toBe('finished');
  const trained = harvests.filter(({ rows }) => rows === 6);
  expect(trained.map(({ index }) => index)).toEqual(Array.from({ length: 12 }, (_, index) => index));
  expect(new Set(trained.map(({ first }) => first[0])).size).toBe(12);
  // What the model gave for the harvest after step k is what the weights of step k give.
  for (const { index, guess, first } of trained.slice(1)) {
    const [bias = 0, ...weight] = await weightsOf(runDir, index);
    const wanted = bias + (weight[0] ?? 0) * (first[0] ?? 0) + (weight[1] ?? 0) * (first[1] ?? 0);
    expect(guess).toBeCloseTo(wanted, 5);
  }
  // Each pass of the validation is over the same harvests, but for the weights.
  const watched = harvests.filter(({ rows }) => rows === 4);
  expect(watched.map(({ index }) => index)).toEqual([0, 1, 0, 1, 0, 1]);
  expect(watched[2]?.first).toEqual(watched[0]?.first);
  expect(watched[2]?.guess).not.toBe(watched[0]?.guess);
});

test.each([true, false])('a run that was killed goes on to the same bytes, state kept: %s', async (keeps) => {
  const { runDir } = await train(`whole-${keeps}`, keeps);
  for (const step of [1, 4, 7, 11]) {
    const run = join(folder, `killed-${keeps}-${step}`);
    cpSync(runDir, run, { recursive: true });
    rmSync(join(run, 'summary.json'));
    const name = `step-${String(step).padStart(8, '0')}`;
    for (const each of readdirSync(join(run, 'checkpoints')))
      if (each.startsWith('step-') && each > name)
        rmSync(join(run, 'checkpoints', each), { recursive: true });
    await runFit(new LiveTrainer(setup({ keeps })), {
      ...quiet,
      runDir: run,
      resume: await resumePointAt(run),
    });
    // Without a state the walk begins anew, and the figures are others: that is what the state is for.
    const isSame = last(run, 'model.safetensors').equals(last(runDir, 'model.safetensors'));
    expect(isSame).toBe(keeps);
    if (!keeps) continue;
    expect(linesOf(run)).toEqual(linesOf(runDir));
    expect(withoutTime(last(run, 'state.json').toString())).toEqual(
      withoutTime(last(runDir, 'state.json').toString()),
    );
  }
});
