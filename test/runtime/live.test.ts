/** Live data: harvested when the step asks, with the weights as they are, and going on from a checkpoint to the same bytes. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as data from '../../src/runtime/data/index.js';
import { LiveRandom } from '../../src/runtime/data/live-random.js';
import { Turns } from '../../src/runtime/data/turns.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { LiveTrainer, seen } from './live-trainer.js';
import { metricsLines, withoutTime } from './metrics-lines.js';

const quiet = { stream: { write: () => undefined } };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }), 60_000);

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

test.each([true, false])(
  'a run goes on from any of its checkpoints to the same bytes, state kept: %s',
  async (keeps) => {
    const { runDir } = await train(`whole-${keeps}`, keeps);
    for (const step of keeps ? [1, 4, 7] : [4]) {
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
      expect(metricsLines(run)).toEqual(metricsLines(runDir));
      expect(withoutTime(last(run, 'state.json').toString())).toEqual(
        withoutTime(last(runDir, 'state.json').toString()),
      );
    }
  },
  120_000,
);

test('where a hook fails that is told of a measurement, it is told again, and the line is there once', async () => {
  const { runDir: whole } = await train('unbroken', true);
  let left = 1;
  class Faulty extends LiveTrainer {
    protected override configureAddOns() {
      const fails: AddOn = {
        kind: 'faulty',
        phase: 'independent',
        owns: [],
        withOptions: () => fails,
        start: () => ({
          measured: (at) => {
            if (at.step === 6 && left-- > 0) throw new Error('no network');
            return undefined;
          },
        }),
      };
      return [...super.configureAddOns(), fails];
    }
  }
  const run = join(folder, 'broken');
  const faulty = () => new Faulty(setup({ keeps: true }));
  await expect(runFit(faulty(), { ...quiet, runDir: run })).rejects.toThrow(
    'add-on faulty failed in measured: no network',
  );
  const resume = await resumePointAt(run);
  await runFit(faulty(), { ...quiet, runDir: run, resume });
  expect(resume.state['step']).toBe(6);
  expect(metricsLines(run)).toEqual(metricsLines(whole));
  expect(last(run, 'model.safetensors').equals(last(whole, 'model.safetensors'))).toBe(true);
  const newest = (of: string): unknown => JSON.parse(last(of, 'state.json').toString()).loop.newest;
  expect(newest(run)).toEqual(newest(whole));
}, 120_000);

const openSet = (source: (options: object) => data.LiveSource<object>, options: data.CommonOptions = {}) =>
  data.live<{ readonly x: Tensor1D }>(
    source,
    {},
    { record: { x: { dtype: 'f32', shape: [] } }, batch: 4, ...options },
  );

/** A live set whose source is started, without a model to call. */
async function started(source: (options: object) => data.LiveSource<object>): Promise<data.OpenData> {
  const open = await openSet(source).open({ root: '.', seed: 1, label: 'play' });
  await open.live?.start(() => Promise.reject(new Error('no model')), new Turns());
  return open;
}

test('what a harvest gives is held against the record', async () => {
  const wrong = async (x: unknown): Promise<unknown> =>
    (await started(() => ({ harvest: () => ({ x }) }))).batch(0, 0).catch((error: unknown) => String(error));
  expect(await wrong(new Float32Array(3))).toContain(
    "harvest() of 4 rows gave 3 values for field 'x' (f32); give 4 × 1",
  );
  expect(await wrong([1, null, 2, 3])).toContain(
    "harvest() gave null in field 'x' (f32); give a number, or declare the field as `f32 | missing`",
  );
  expect(await wrong(undefined)).toContain("harvest() gave no field 'x'");
  const more = await started(() => ({
    harvest: () => ({ x: new Float32Array(4), xs: new Float32Array(4) }),
  }));
  await expect(more.batch(0, 0)).rejects.toThrow(
    /^harvest 1 of play: .*harvest\(\) gave a field 'xs', which is none of x; did you mean x\?$/,
  );
  const failing = await started(() => ({
    harvest: () => {
      throw new Error('the game is over');
    },
  }));
  await expect(failing.batch(0, 0)).rejects.toThrow(/harvest 1 of play failed: the game is over/);
});

test('a state is plain JSON, and is taken back by restore', async () => {
  // What TypeScript refuses, JavaScript gives.
  const keeping = async (state: unknown): Promise<unknown> => {
    const source = { harvest: () => ({ x: new Float32Array(4) }) };
    Reflect.set(source, 'state', () => state);
    return (await started(() => source)).live?.state();
  };
  expect(await keeping([1, { a: null }])).toEqual({ harvests: 0, state: [1, { a: null }] });
  await expect(keeping({ a: new Float32Array(1) })).rejects.toThrow(/\.a is of the class Float32Array/);
  await expect(keeping('\ud800')).rejects.toThrow(/is a text with half a surrogate pair/);
  const round: unknown[] = [];
  round.push(round);
  await expect(keeping(round)).rejects.toThrow(/is nested more than 64 deep/);
  await expect(keeping({ a: [0, Number.NaN] })).rejects.toThrow(/\.a\[1\] is NaN/);
  const open = await started(() => ({ harvest: () => ({ x: new Float32Array(4) }) }));
  expect(() => open.live?.restore({ harvests: 2, state: 1 })).toThrow(/has kept a state, and has no restore/);
});

test('options of rows that are there beforehand are refused', () => {
  const source = () => ({ harvest: () => ({ x: new Float32Array(4) }) });
  expect(() => openSet(source, { shuffle: true })).toThrow(/shuffle does not fit live source/);
  expect(() => openSet(source, { workers: 2 })).toThrow(/workers does not fit live source/);
  expect(() => openSet(source, { prefetch: units.batches(1) })).toThrow(/prefetch does not fit live source/);
});

test('lengths of epochs are refused, and evaluations without an end', async () => {
  const run = (options: object): Promise<unknown> =>
    runFit(new LiveTrainer(setup({}, options)), { ...quiet, runDir: null }).catch((error: unknown) =>
      String(error),
    );
  const limit = { validate: units.batches(1) };
  expect(await run({ steps: null, epochs: 2, limit })).toContain(
    'epochs = 2: live data (play) has no epochs; set steps or max_time instead',
  );
  const epochs = [{ path: ['trainer', 'epochs'], text: '3' }];
  const given = new LiveTrainer({ ...setup({}, { limit }), overrides: epochs });
  await expect(runFit(given, { ...quiet, runDir: null })).rejects.toThrow(
    'epochs = 3: live data (play) has no epochs; leave trainer.epochs out, the spec sets steps = ',
  );
  expect(await run({ limit: {} })).toContain(
    'live data (watch) has no end: say how much of it a pass takes, trainer.limit.validate=10.batches',
  );
  expect(await run({ limit: { ...limit, train: units.batches(1) } })).toContain(
    'limit.train cuts an epoch short',
  );
  expect(await run({ limit: {}, overfit: units.batches(1) })).toContain('overfit trains on the same batches');
});

test('numbers are those of their harvest alone', () => {
  const drawn = (harvest: number, label = 'play'): readonly number[] => {
    const random = new LiveRandom(7, label, harvest);
    return Array.from({ length: 600 }, () => random.uniform());
  };
  expect(drawn(3)).toEqual(drawn(3));
  expect(new Set([...drawn(3), ...drawn(4), ...drawn(3, 'watch')]).size).toBeGreaterThan(1795);
  const random = new LiveRandom(7, 'play', 0);
  const counts = [0, 0, 0];
  for (let at = 0; at < 6000; at += 1) {
    const place = random.categorical([0, Math.log(2), Math.log(3)]);
    counts[place] = (counts[place] ?? 0) + 1;
  }
  counts.forEach((count, at) => expect(count / 6000).toBeCloseTo((at + 1) / 6, 1));
  const values = Array.from({ length: 6000 }, () => random.normal());
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length).toBeCloseTo(1, 1);
  expect(() => random.integer(0)).toThrow(RangeError);
  expect(() => random.categorical([Number.NaN])).toThrow(RangeError);
  expect(Math.max(...Array.from({ length: 300 }, () => random.integer(5)))).toBe(4);
});
