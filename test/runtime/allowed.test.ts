/** What a run does that goes on with something else than before, since that was allowed. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AddOn, Monitor } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as schedules from '../../src/runtime/schedules/index.js';
import { compareLocks, type Lock } from '../../src/runtime/trainer/run-lock.js';
import { Schedules } from '../../src/runtime/trainer/schedules.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import { checkpoints, filesIn, killed, run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import {
  Line,
  lineSet,
  LineTrainer,
  type LineData,
  type LineModels,
  type LineParams,
  type Row,
} from './tiny-trainer.js';

workInFolder('allowed');

interface Waiting {
  readonly slow: schedules.Schedule;
}

/** `lr` until a metric that never improves was measured twice; then half of it. */
class Lowered extends Trainer<LineParams, LineModels, LineData, Waiting> {
  static override readonly spec = LineTrainer.spec;

  protected override configureData(): LineData {
    return { train: lineSet(20, { batch: 4 }), test: lineSet(8, { batch: 8 }) };
  }
  protected override configureModels(): LineModels {
    return { line: new Line() };
  }
  protected override configureSchedules(): Waiting {
    const { lr } = this.params;
    return { slow: schedules.chain([schedules.constant({ value: lr, over: units.steps(1) }), halving()]) };
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
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(2), keep: 20 }), addons.lrLog({ every: units.steps(1) })];
  }
  trainStep(batch: Row): void {
    this.update(['opt'], () => ({
      minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
    }));
  }
}

function halving(options: Partial<schedules.PlateauOptions> = {}): schedules.Phase {
  return schedules.plateau({
    monitor: addons.max('validate.same'),
    factor: 0.5,
    patience: 0,
    over: units.rest,
    ...options,
  });
}

const linesOf = (name: string) =>
  readFileSync(join(name, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a learning rate that a plateau has lowered', () => {
  test('is lowered as often from the one that is allowed', async () => {
    expect((await run(['--run-dir=lowered', 'trainer.epochs=4'], Lowered)).code).toBe(0);
    cpSync('lowered', 'same', { recursive: true });
    const from = join('checkpoints', 'step-00000012');
    const { code, text } = await run(['--resume', join('lowered', from), 'lr=0.2', '--allow=lr'], Lowered);
    expect(text).toContain('allowed: lr was 0.1, is 0.2\n');
    expect(text).toContain(
      'schedule slow was lowered once, from 0.1000 to 0.05000: as often from 0.2000 is 0.1000, with which it goes on\n',
    );
    expect(code).toBe(0);
    const rates = (name: string): readonly unknown[] =>
      linesOf(name)
        .filter(({ stage }) => stage === 'lr_log')
        .map((line) => line['lr.opt'])
        .slice(8);
    expect(rates('lowered')).toEqual([0.1, 0.1, 0.05, 0.05, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05]);
    // With nothing to allow there is nothing to say.
    const before = rates('same');
    const same = await run(['--resume', join('same', from)], Lowered);
    expect(same.text).not.toContain('was lowered');
    expect(rates('same')).toEqual(before);
  });

  const pace = { stepsPerEpoch: 5, accumulate: 1, rowsPerEpoch: 20, totalSteps: 40 };
  /** After measurements at these steps that never improve, and what another one of these phases makes of it. */
  const taken = (
    phases: (begin: number) => readonly schedules.Phase[],
    change: (state: Readonly<Record<string, unknown>>) => object = (state) => state,
    begin = 1,
  ) => {
    const make = (from: number) => new Schedules({ slow: schedules.chain(phases(from)) }, pace);
    const before = make(0.1);
    for (const step of [2, 5, 10, 15, 25, 30]) before.observe(step, new Map([['validate.same', 0]]));
    const states = Object.fromEntries(
      Object.entries(before.states).map(([name, all]) => [name, all.map(change)]),
    );
    const after = make(begin);
    const lines = after.restore(JSON.parse(JSON.stringify(states)), true);
    return { before, after, lines, rates: after.valuesAt(35)['slow'] };
  };

  test('stands at min where it comes to that, and one that stood there does not when it begins higher', () => {
    const least = (begin: number) => [halving({ min: 0.02, from: begin })];
    const { before, rates } = taken(least);
    expect(before.valuesAt(35)['slow']).toBe(0.02);
    expect(rates).toBe(0.125);
    expect(taken(least, undefined, 0.04).rates).toBe(0.02);
    expect(taken(least, undefined, 0.01).rates).toBe(0.01);
  });

  test('of a phase after another one begins where that has come to', () => {
    const { before, after, lines } = taken((begin) => [
      halving({ from: begin, over: units.steps(20) }),
      halving({ over: units.steps(20) }),
    ]);
    expect([before.valuesAt(19)['slow'], before.valuesAt(35)['slow']]).toEqual([0.0125, 0.00625]);
    expect([after.valuesAt(19)['slow'], after.valuesAt(35)['slow']]).toEqual([0.125, 0.0625]);
    expect(lines).toHaveLength(2);
  });

  test('stays where the checkpoint does not say from where, and that is told', () => {
    const { rates, lines, before } = taken(
      (begin) => [halving({ from: begin })],
      ({ begin: _begin, reductions: _reductions, monitor: _monitor, ...older }) => older,
    );
    expect(rates).toBe(before.valuesAt(35)['slow']);
    expect(lines).toEqual([
      expect.stringMatching(/^schedule slow stays at .* the checkpoint does not say from where$/),
    ]);
  });

  test('waits anew where it watches another metric', () => {
    const { after, lines } = taken(
      (begin) => [halving({ from: begin })],
      (state) => ({ ...state, monitor: 'min(train.loss)' }),
      0.1,
    );
    expect(lines).toEqual([
      'schedule slow watched min(train.loss) and watches max(validate.same) now: it waits anew',
    ]);
    expect(after.states['slow']).toMatchObject([{ best: null, waited: 0, reductions: 5 }]);
  });
});

describe('another metric to watch', () => {
  const watching = (monitor: Monitor): typeof LineTrainer =>
    class extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [
          addons.checkpoint({ every: units.steps(2), keep: 20, best: monitor }),
          addons.earlyStopping({ monitor, patience: 1 }),
        ];
      }
    };

  test('the best begins anew, and so does the patience', async () => {
    const loss = watching(addons.min('validate.loss'));
    await killed('loss', [], loss);
    cpSync('loss', 'rmse', { recursive: true });
    const same = await run(['--resume', 'loss'], loss);
    expect(same.code).toBe(0);
    expect(same.text).not.toContain('watched');
    // Each root is larger than the loss that was best.
    const { code, text } = await run(['--resume', 'rmse'], watching(addons.min('validate.rmse')));
    for (const kind of ['checkpoint', 'early_stopping'])
      expect(text).toContain(
        `${kind} watched min(validate.loss) and watches min(validate.rmse) now: its best begins anew\n`,
      );
    expect(text).toContain('finished');
    expect(code).toBe(0);
    expect(readFileSync('rmse/checkpoints/best', 'utf8')).toBe('step-00000015\n');
    // Of a metric that nobody watches nothing is best.
    expect(text).toMatch(/^best validate\.rmse/m);
    expect(text).not.toMatch(/^best validate\.loss/m);
  });

  const often = (best: Monitor | null, keep: number): typeof LineTrainer =>
    class extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [addons.named('often', addons.checkpoint({ every: units.steps(2), keep, best }))];
      }
    };

  test('none any more: the checkpoint that was best is kept no longer', async () => {
    // The first is the best, and kept.
    await killed('nothing', [], often(addons.max('validate.loss'), 20));
    expect(checkpoints('nothing')).toContain('step-00000005');
    const { code, text } = await run(['--resume', 'nothing'], often(null, 1));
    expect(text).toContain(
      'often watched max(validate.loss) and watches nothing now: its best begins anew\n',
    );
    expect(text).not.toMatch(/^best /m);
    expect(code).toBe(0);
    expect(checkpoints('nothing')).toEqual(['step-00000015']);
    expect(existsSync(join('nothing', 'checkpoints', 'best'))).toBe(false);
  });
});

describe('another number of steps in an epoch', () => {
  beforeAll(() => killed('base'));

  test.each([
    ['a batch', 'train.batch=2', 'train.batch', 'had 5 steps and has 10 now'],
    ['accumulate', 'trainer.accumulate=2', 'accumulate', 'had 5 steps and has 3 now'],
    ['rows', 'rows=24', 'rows,data', 'had 5 steps and has 6 now'],
  ])('by %s: refused, with both', async (_what, word, allow, both) => {
    const before = filesIn('base');
    const { code, text } = await run(['--resume=base', word, `--allow=${allow}`]);
    expect(text).toContain(`an epoch ${both}, with which step 8 would lie at epoch`);
    expect(text).toContain('not at epoch 1.60; keep batch, accumulate, limit and the number of rows');
    expect(code).toBe(3);
    expect(filesIn('base')).toEqual(before);
  });

  test('nothing is advised to be allowed where that would be refused', async () => {
    const { code, text } = await run(['--resume=base', 'trainer.accumulate=2', 'lr=0.2']);
    expect(text).toContain('an epoch had 5 steps and has 3 now');
    expect(text).not.toContain('--allow');
    expect(code).toBe(3);
  });

  test('a batch of a validation changes none of it', async () => {
    cpSync('base', 'validated', { recursive: true });
    const { code } = await run(['--resume=validated', 'test.batch=2', '--allow=test.batch']);
    expect(code).toBe(0);
    expect(checkpoints('validated')).toContain('step-00000015');
  });
});

test('a default that is another one now is not taken, and that is told', async () => {
  const { spec } = LineTrainer;
  class Faster extends Saving {
    static override readonly spec = {
      ...spec,
      files: [{ path: 'line.ztrain', text: 'trainer LineTrainer { }' }],
      params: spec.params.map((param) =>
        param.name === 'lr' && param.type === 'float' ? { ...param, default: 0.2 } : param,
      ),
    };
  }
  await killed('default');
  cpSync('default', 'given', { recursive: true });
  const words = (name: string) => [`--resume=${name}`, '--allow=spec,lr'];
  const stays = 'lr stays 0.1, with which the run began; for 0.2: lr=0.2 --allow spec,lr\n';
  cpSync('default', 'spec', { recursive: true });
  // As it is to be given again: `--allow` stands once.
  for (const argv of [words('default'), ['--resume=spec', '--allow=spec']])
    expect((await run(argv, Faster)).text).toContain(stays);
  const { code, text } = await run([...words('given'), 'lr=0.2'], Faster);
  expect(text).toContain('allowed: lr was 0.1, is 0.2\n');
  expect(text).not.toContain('lr stays');
  expect(code).toBe(0);
});

describe('lines of a spec that are not as they were', () => {
  const lock = (files: Readonly<Record<string, string>>): Lock => ({
    spec: Object.entries(files).map(([path, text]) => ({ path, text })),
    params: {},
    options: {},
    overrides: [],
    data: {},
  });
  const changed = (was: Readonly<Record<string, string>>, is: Readonly<Record<string, string>>) =>
    compareLocks('here', lock(was), lock(is), ['spec']);

  test('one that stands twice is told, however often it stands elsewhere', () => {
    const [one, two] = ['a\nb\nc', 'a\nb\nb\nc'].map((text) => ({ 's.ztrain': text }));
    expect(changed(one ?? {}, two ?? {})).toEqual(['s.ztrain: + b']);
    expect(changed(two ?? {}, one ?? {})).toEqual(['s.ztrain: - b']);
    expect(changed({ s: 'a\nb' }, { s: 'b\na' })).toEqual(['s: its lines are in another order']);
  });

  test('of a file that has another name too, and none of one that has only that', () => {
    expect(changed({ 'old.ztrain': 'a\nb' }, { 'new.ztrain': 'a\nc' })).toEqual([
      'new.ztrain: - b',
      'new.ztrain: + c',
    ]);
    expect(changed({ 'old.ztrain': 'a' }, { 'new.ztrain': 'a' })).toEqual([]);
    // Which of several it was is not known.
    expect(changed({ 'old.ztrain': 'a' }, { 'one.ztrain': 'b', 'two.ztrain': 'c' })).toEqual([
      'old.ztrain is not part of it any more',
      'one.ztrain is new',
      'two.ztrain is new',
    ]);
  });
});

describe('what is said of a run', () => {
  test('that has done more than it is to do', async () => {
    await killed('shorter');
    const { code, text } = await run(['--resume=shorter', 'trainer.epochs=1', '--allow=epochs']);
    expect(code).toBe(0);
    expect(text).toContain('nothing is left to train: 8 steps are done, and the run has 5 in all now\n');
    const over = await run(['--resume=shorter', 'trainer.epochs=1', '--allow=epochs']);
    expect(over.text).toContain('trainer.epochs=2 --allow epochs');
  });

  test('whose folder was removed: nothing goes on from it', async () => {
    class Removed extends Saving {
      protected override configureAddOns(): readonly AddOn[] {
        const own: AddOn = {
          kind: 'remover',
          phase: 'core',
          owns: [],
          withOptions: () => own,
          start: () => ({
            settled: ({ step }) => {
              if (step === 9) rmSync('removed', { recursive: true });
            },
          }),
        };
        return [...super.configureAddOns(), own];
      }
    }
    const { code, text } = await run(['--run-dir=removed'], Removed);
    expect(code).toBe(3);
    expect(text).toContain('nothing goes on from this run: removed is gone\n');
    expect(text.match(/removed is gone: it was moved or removed while this process had it/g)).toHaveLength(1);
    expect(text).not.toContain('took this process for gone');
    expect(text).not.toContain('go on:');
  });

  test('that cannot be written: a copy goes on, in no other folder', async () => {
    await killed('closed');
    rmSync('closed/console.log');
    mkdirSync('closed/console.log');
    const { code, text } = await run(['--resume=closed']);
    expect(code).toBe(3);
    expect(text).toContain(
      "closed as the run's folder: a folder stands there; choose a copy of it that can be written",
    );
    expect(text).not.toContain('--run-dir');
  });
});
