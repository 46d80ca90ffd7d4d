/** A learning rate that waits for a plateau, in a run. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as schedules from '../../src/runtime/schedules/index.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import type { LiveAddOn } from '../../src/runtime/trainer/fit.js';
import * as units from '../../src/values/units.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import {
  Line,
  lineSet,
  LineTrainer,
  train,
  type LineData,
  type LineModels,
  type Row,
} from './tiny-trainer.js';

interface Waiting {
  readonly slow: schedules.Schedule;
}

/** A metric that never improves: each validation after the first lowers the rate. */
class WaitingTrainer extends Trainer<object, LineModels, LineData, Waiting> {
  static override readonly spec = { ...LineTrainer.spec, params: [], asserts: [] };

  protected override configureData(): LineData {
    return { train: lineSet(20, { batch: 4 }), test: lineSet(8, { batch: 8 }) };
  }
  protected override configureModels(): LineModels {
    return { line: new Line() };
  }
  protected override configureSchedules(): Waiting {
    return {
      slow: schedules.chain([
        schedules.warmup({ to: 0.1, over: units.steps(5) }),
        schedules.plateau({
          monitor: addons.max('validate.same'),
          factor: 0.5,
          patience: 0,
          over: units.rest,
        }),
      ]),
    };
  }
  protected override configureOptimizers(models: LineModels) {
    return { opt: optim.sgd<Waiting>({ of: [models.line], lr: ({ slow }) => slow }) };
  }
  protected override configureSteps(from: LineData) {
    return [
      steps.train('train', [from.train], (batch) => this.trainStep(batch)),
      steps.validate('validate', [from.test], { every: units.epochs(1) }, (batch) =>
        this.log({ same: rows.mean(batch.y) }),
      ),
    ];
  }
  trainStep(batch: Row): void {
    this.log({ rate: rows.last(this.now('slow')) });
    this.update(['opt'], () => ({
      minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
    }));
  }
}

test('the step after a measurement has the lowered rate; the one before it has not', async () => {
  const rates: (readonly [number, number | undefined])[] = [];
  const trainer = new WaitingTrainer({ options: { epochs: 4, logEvery: units.steps(1), onNan: 'stop' } });
  const seen: string[] = [];
  const watcher: LiveAddOn = {
    kind: 'watcher',
    hooks: { measured: ({ step }) => void seen.push(String(step)) },
  };
  const { records, session } = await train(trainer, [watcher]);
  for (const { stage, over, at, metrics } of records)
    if (stage === 'train' && over === 'window') rates.push([at.step, metrics.get('rate')]);
  // Measured at 5 (before the phase has a step), 10 (the first), 15 and 20; an epoch of 5 steps ends without a window's line.
  const value = (step: number): number => rates.find(([at]) => at === step)?.[1] ?? Number.NaN;
  expect(value(4)).toBeCloseTo(0.08, 6);
  expect(value(6)).toBeCloseTo(0.1, 6);
  expect(value(11)).toBeCloseTo(0.1, 6);
  expect(value(14)).toBeCloseTo(0.1, 6);
  expect(value(16)).toBeCloseTo(0.05, 6);
  expect(value(19)).toBeCloseTo(0.05, 6);
  expect(session.scheduleStates).toMatchObject({ slow: [{ waited: 0, value: 0.05 }] });
  await session.close();
});

test('a run that goes on in the middle of a step has the rates that the step was made with', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'ztrain-plateau-'));
  class Logging extends WaitingTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const saving: AddOn = {
        kind: 'saving',
        phase: 'core',
        owns: [],
        withOptions: () => saving,
        // The validation of step 15 has lowered the rate; its lines are not all written.
        start: (host) => ({ stepEnd: async (at) => void (at.step === 15 && (await host.save(at))) }),
      };
      return [saving, addons.lrLog({ every: units.steps(1) })];
    }
  }
  const make = (): Logging => new Logging({ options: { epochs: 4, progress: 'none' } });
  const rates = (): unknown =>
    readFileSync(join(runDir, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .flatMap((line) => (line.stage === 'lr_log' ? [[line.step, line['lr.opt']]] : []));
  await make().fit({ runDir });
  const whole = rates();
  rmSync(join(runDir, 'checkpoints/step-00000020'), { recursive: true });
  const resume = await resumePointAt(runDir);
  expect(resume.state['loop']).toMatchObject({ left: 'stepEnd' });
  await make().fit({ resume });
  expect(rates()).toEqual(whole);
  rmSync(runDir, { recursive: true });
});

test('the state is in state.json, as JSON that gives it back', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'ztrain-plateau-'));
  await new WaitingTrainer({ options: { epochs: 3, progress: 'none' } }).fit({ runDir });
  const state: unknown = JSON.parse(
    readFileSync(join(runDir, 'checkpoints/step-00000015/state.json'), 'utf8'),
  );
  // At step 15 the run ends with the phase, whose last measurement has nothing left to lower.
  expect(state).toMatchObject({ schedules: { slow: [{ waited: 0, cooling: 0, value: null }] } });
  const log = readFileSync(join(runDir, 'console.log'), 'utf8');
  expect(log).not.toContain('has not improved');
  const longer = join(runDir, 'longer');
  await new WaitingTrainer({ options: { epochs: 4, progress: 'plain' } }).fit({ runDir: longer });
  expect(readFileSync(join(longer, 'console.log'), 'utf8')).toMatch(
    /validate\.same has not improved on [\d.-]+: slow goes from 0\.1\d* to 0\.05\d*/,
  );
  rmSync(runDir, { recursive: true });
});

test('a metric of a step that does not run is refused at the start', async () => {
  const off = { epochs: 2, progress: 'none', limit: { validate: units.batches(0) } } as const;
  await expect(new WaitingTrainer({ options: off }).fit({ runDir: null })).rejects.toThrow(
    'schedule slow watches validate.same, and no step that runs measures it: the run has train',
  );
});
