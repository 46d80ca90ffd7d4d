/** What a run will need later is traced when its first step is done. */
import { expect, test } from 'vitest';
import { createEngineUnderTest, nativeUnderTest } from '../engine-under-test.js';
import { prepareSteps } from '../../src/runtime/trainer/prepare-steps.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, type Row } from './tiny-trainer.js';

/** Rows of each batch that a step was traced or run for. */
class Watched extends LineTrainer {
  readonly trained: number[] = [];
  readonly validated: number[] = [];
  override trainStep(batch: Row): void {
    this.trained.push(batch.x.shape[0]);
    super.trainStep(batch);
  }
  override validateStep(batch: Row): void {
    this.validated.push(batch.x.shape[0]);
    super.validateStep(batch);
  }
}

async function prepared(rows: number, options: TrainerOptions): Promise<Watched> {
  const trainer = new Watched({ params: { rows, batchSize: 4 }, options });
  const engine = await createEngineUnderTest();
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.', engine });
  const trained = await Promise.all(
    session.of('train').flatMap(({ data }) => data.map((set) => set.batch(0, 0))),
  );
  await prepareSteps(session, session.pace.totalSteps ?? 0, trained);
  await session.close();
  return trainer;
}

test('the last, smaller batch of an epoch and the validations', async () => {
  const { trained, validated } = await prepared(10, { epochs: 2 });
  expect(trained).toEqual(nativeUnderTest ? [2] : []);
  expect(new Set(validated)).toEqual(new Set(nativeUnderTest ? [3, 2] : []));
});

test('nothing for the train step where all batches are alike, or where the run ends before', async () => {
  expect((await prepared(8, { epochs: 2 })).trained).toEqual([]);
  expect((await prepared(10, { epochs: null, steps: 2 })).trained).toEqual([]);
});

/** How often each step is expected to run, on full batches. */
async function expectedRuns(
  options: TrainerOptions,
  devRun: number | null,
): Promise<Readonly<Record<string, number>>> {
  const trainer = new LineTrainer({ params: { rows: 40, batchSize: 4 }, options });
  const engine = await createEngineUnderTest();
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.', engine });
  session.devRun = devRun;
  const runs = session.stages.map(({ stage: { plan } }) => [plan.name, session.expectedRuns(plan, null)]);
  await session.close();
  return Object.fromEntries(runs) as Readonly<Record<string, number>>;
}

test('a dev run is not expected to last as long as the run', async () => {
  // 10 steps an epoch; 3 batches of a validation.
  expect(await expectedRuns({ epochs: 20 }, null)).toEqual({ train: 200, validate: 60 });
  expect(await expectedRuns({ epochs: 20 }, 2)).toEqual({ train: 2, validate: 2 });
  expect(await expectedRuns({ epochs: 20 }, 50)).toEqual({ train: 10, validate: 3 });
  expect(await expectedRuns({ epochs: null, steps: 4 }, 50)).toEqual({ train: 4, validate: 3 });
  expect(await expectedRuns({ epochs: null, maxTime: units.hours(1) }, 3)).toEqual({ train: 3, validate: 3 });
  // A validation comes at the end, however short the run is.
  expect(await expectedRuns({ epochs: null, steps: 4 }, null)).toEqual({ train: 4, validate: 3 });
});

test('the loop says that it is a dev run', async () => {
  const found: (number | null)[] = [];
  class Seen extends LineTrainer {
    override trainStep(batch: Row): void {
      found.push(this.session.devRun);
      super.trainStep(batch);
    }
  }
  await new Seen({ options: { epochs: 20 } }).fit({
    devRun: 2,
    stream: { write: () => undefined },
    runDir: null,
  });
  expect(new Set(found)).toEqual(new Set([2]));
});
