/** Runs whose rows workers prepare: the same weights with any number of them, and nothing left when a run is over. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { goOn } from '../../src/runtime/go-on.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { FitResult } from '../../src/runtime/trainer/fit.js';
import { runFit, type RunOptions } from '../../src/runtime/trainer/run.js';
import type { TrainerOptions, TrainerSpec } from '../../src/runtime/trainer/spec.js';
import type { TrainerSetup } from '../../src/runtime/trainer/trainer.js';
import { parseOverride } from '../../src/values/overrides.js';
import * as units from '../../src/values/units.js';
import { bundledTrainer } from './bundled-program.js';
import { writePictures } from './made-up-pictures.js';
import { metricsLines } from './metrics-lines.js';
import { PictureTrainer, type PictureParams } from './picture-trainer.js';

let folder: string;
let Pictures: typeof PictureTrainer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-workers-run-'));
  writePictures(join(folder, 'pictures'), 7);
  // Workers import a file of JavaScript.
  const module = pathToFileURL(await bundledTrainer('picture-trainer')).href;
  Pictures = class extends PictureTrainer {
    static override readonly spec = { ...PictureTrainer.spec, module };
  };
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Threads of this process that have not ended, and how many there were. */
const threads = new Set<Worker>();
let begun = 0;
const count = (worker: Worker): void => {
  begun += 1;
  threads.add(worker);
  worker.on('exit', () => threads.delete(worker));
};
beforeEach(() => {
  begun = 0;
  process.on('worker', count);
});
afterEach(() => {
  process.off('worker', count);
  expect([...threads]).toEqual([]);
});

const setupOf = (words: readonly string[], fault = ''): TrainerSetup => ({
  params: { root: join(folder, 'pictures'), fault },
  overrides: words.map(parseOverride),
});

async function run(
  name: string,
  words: readonly string[],
  {
    fault = '',
    options = {},
    ...more
  }: RunOptions & { readonly fault?: string; readonly options?: TrainerOptions } = {},
): Promise<FitResult> {
  const trainer = new Pictures({ ...setupOf(words, fault), options });
  return runFit(trainer, { stream: { write: () => undefined }, runDir: join(folder, name), ...more });
}

const weights = (name: string, step: number): Buffer =>
  readFileSync(
    join(folder, name, 'checkpoints', `step-${String(step).padStart(8, '0')}`, 'model.safetensors'),
  );

const linesOf = (name: string): unknown => metricsLines(join(folder, name));

test('weights and metrics are the same with any number of workers and of batches ahead', async () => {
  await run('whole', []);
  for (const [at, words] of [
    ['photos.workers=1', 'held.workers=2'],
    ['photos.workers=3', 'photos.prefetch=7.batches', 'held.workers=1', 'held.prefetch=3.batches'],
    ['photos.prefetch=4.batches', 'held.prefetch=0.batches'],
  ].entries()) {
    await run(`same-${at}`, words);
    expect(weights(`same-${at}`, 6).equals(weights('whole', 6))).toBe(true);
    expect(linesOf(`same-${at}`)).toEqual(linesOf('whole'));
  }
  // Sets share the threads of the one that wants most.
  expect(begun).toBe(2 + 3);
});

/** A signal that comes when the run looks for one after its second step. */
class StopsAtSecondLook extends Control {
  #looks = 0;
  override get signal(): 'SIGINT' | null {
    this.#looks += 1;
    return this.#looks < 2 ? null : 'SIGINT';
  }
}

test('a run that was stopped in the middle of an epoch goes on with other workers, and nothing to allow', async () => {
  const control = new StopsAtSecondLook();
  const words = ['photos.workers=2', 'held.workers=1', 'photos.prefetch=5.batches'];
  const cut = await run('cut', words, { control });
  expect([cut.reason, cut.at.step]).toEqual(['interrupted', 2]);
  for (const [at, attributes] of [
    [],
    ['photos.workers=0', 'held.prefetch=2.batches'],
    ['photos.workers=3'],
  ].entries()) {
    const own = `cut-${at}`;
    cpSync(join(folder, 'cut'), join(folder, own), { recursive: true });
    await goOn(
      Pictures,
      join(folder, own),
      { params: {}, attributes: attributes.map(parseOverride), allow: [], runDir: undefined, devRun: null },
      { stream: { write: () => undefined } },
    );
    expect(weights(own, 6).equals(weights('whole', 6))).toBe(true);
    expect(linesOf(own)).toEqual(linesOf('whole'));
  }
});

test('a worker that dies, and a picture that is broken, end the run as wrong data does, and leave no thread', async () => {
  const words = ['photos.workers=2', 'held.workers=2'];
  await expect(run('dead', words, { fault: 'exit' })).rejects.toThrow(
    /a worker that prepares rows of data 'photos' has ended \(exit code 7\)/,
  );
  expect(JSON.parse(readFileSync(join(folder, 'dead', 'run.json'), 'utf8'))).toMatchObject({
    reason: expect.stringMatching(/^failed: a worker that prepares rows/),
  });
  await expect(run('wrong', words, { fault: 'row' })).rejects.toThrow(
    /dogs\/\d\.(?:jpg|png): row \d+: this class is not wanted/,
  );
});

test('data that is opened again is prepared by the same workers', async () => {
  const options: TrainerOptions = { reloadData: units.epochs(1) };
  await run('reloaded', ['photos.workers=2', 'held.workers=1', 'photos.prefetch=9.batches'], { options });
  expect(weights('reloaded', 6).equals(weights('whole', 6))).toBe(true);
});

test('the time that a step waits for its rows is told as such', async () => {
  const lines: string[] = [];
  const options: TrainerOptions = { profile: 'simple', progress: 'plain' };
  const stream = { write: (text: string) => lines.push(text) };
  await run('profiled', ['photos.workers=1'], { options, stream, fault: 'slow' });
  const [, each = '0'] = /wait for data .* ([\d.]+) ms/.exec(lines.join('')) ?? [];
  // A batch of 5 rows takes 100 ms, a step of this network hardly one.
  expect(Number(each)).toBeGreaterThan(30);
});

test('what workers cannot do is told at the start', async () => {
  const { name, trainer, params } = PictureTrainer.spec;
  const nowhere: TrainerSpec<PictureParams> = { name, trainer, params };
  class Nowhere extends PictureTrainer {
    static override readonly spec = nowhere;
  }
  class Other extends Pictures {
    protected override configureData() {
      return { ...super.configureData() };
    }
  }
  const told = (made: new (setup: TrainerSetup) => PictureTrainer): Promise<unknown> =>
    runFit(new made(setupOf(['photos.workers=1'])), { stream: { write: () => undefined }, runDir: null });
  await expect(told(Nowhere)).rejects.toThrow(
    'workers import the file of Nowhere, which does not say where it is; give its `static spec` the line `module: import.meta.url`, or set workers = 0',
  );
  await expect(told(Other)).rejects.toThrow(/Other has data sets of its own, and the spec of the class/);
});
