/** Where a signal comes while live data is harvested. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Control } from '../../src/runtime/trainer/control.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import * as units from '../../src/values/units.js';
import { newestVerified } from './checkpoint-reading.js';
import { broken, PairTrainer, type PairData } from './pair-trainer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-stop-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  broken.side = null;
});

/** What the newest run has told. */
const said: string[] = [];

/** A run that is told to stop while `side` is harvested for the time `index` (from 0), and that harvest, which goes on as long as `wait`. */
async function stopped(
  name: string,
  side: 'left' | 'right',
  index: number,
  {
    wait,
    trainer = PairTrainer,
    options = {},
  }: {
    readonly wait: () => Promise<void>;
    readonly trainer?: typeof PairTrainer;
    readonly options?: object;
  },
) {
  const control = new Control();
  const how = (): Promise<void> => {
    control.stop('SIGINT');
    return wait();
  };
  Object.assign(broken, { side, index, how });
  const runDir = join(folder, name);
  said.splice(0);
  const result = await runFit(new trainer({ params: {}, options }), {
    stream: { write: (text: string) => said.push(text) },
    runDir,
    control,
  });
  const { checkpoint } = await newestVerified(runDir);
  return { reason: result.reason, step: result.at.step, rows: result.rows, saved: checkpoint?.step ?? null };
}

const never = (): Promise<void> => new Promise(() => undefined);

test.each([
  ['left', 3, { reason: 'interrupted', step: 3, rows: 12, saved: 3 }],
  ['right', 3, { reason: 'interrupted', step: 3, rows: 12, saved: 3 }],
  // There is nothing to be saved of it.
  ['left', 0, { reason: 'interrupted', step: 0, rows: 0, saved: null }],
] as const)('the harvest of %s, number %i, is given up', async (side, index, wanted) => {
  expect(await stopped(`${side}-${index}`, side, index, { wait: never })).toEqual(wanted);
  const given = `what was harvested for step ${wanted.step + 1} is given up`;
  const told = said.join('').match(/what was harvested for step .*/);
  expect(told?.[0]).toBe(wanted.saved === null ? given : `${given}; a run that goes on harvests it again`);
});

test('a step that has begun to train is finished, with the harvests that are left of it', async () => {
  const options = { accumulate: 3, steps: 3 };
  const second = { wait: () => Promise.resolve(), options };
  expect(await stopped('half', 'left', 4, second)).toEqual({
    reason: 'interrupted',
    step: 2,
    rows: 24,
    saved: 2,
  });
  // Of the first harvest of a step nothing is trained yet.
  const first = { wait: never, options };
  expect(await stopped('none', 'left', 3, first)).toMatchObject({ step: 1, rows: 12, saved: 1 });
});

class Validating extends PairTrainer {
  protected override configureSteps({ left, right }: PairData) {
    return [
      steps.train('train', [left], (one) => this.update(['opt'], () => ({ minimize: this.missOf(one) }))),
      steps.validate('validate', [right], { every: units.steps(2) }, (one) =>
        this.log({ miss: this.missOf(one) }),
      ),
    ];
  }
}

test('a validation is given up with its harvest, and is due once more', async () => {
  const options = { limit: { validate: units.batches(2) } };
  const given = { wait: never, trainer: Validating, options };
  expect(await stopped('validating', 'right', 1, given)).toMatchObject({
    reason: 'interrupted',
    step: 2,
    saved: 2,
  });
  broken.side = null;
  const runDir = join(folder, 'validating');
  const trainer = new Validating({ params: {}, options });
  const resume = await resumePointAt(runDir);
  expect((await runFit(trainer, { stream: { write: () => undefined }, runDir, resume })).reason).toBe(
    'finished',
  );
  const measured = readFileSync(join(runDir, 'metrics.jsonl'), 'utf8').match(
    /"stage":"validate".*?"step":\d+/g,
  );
  expect(measured?.map((line) => Number(/\d+$/.exec(line)))).toEqual([2, 4, 6, 8]);
});
