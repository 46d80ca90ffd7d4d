/** What a run will need later is traced when its first step is done. */
import { expect, test } from 'vitest';
import { createEngineUnderTest, nativeUnderTest } from '../engine-under-test.js';
import { prepareSteps } from '../../src/runtime/trainer/prepare-steps.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
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
