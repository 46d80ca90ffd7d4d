/** Add-ons that end a run: the reason that is told of it, and that it takes the effect `stop`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Answer, Hooks } from '../../src/runtime/addons/index.js';
import { checkpoints, run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import type { LineTrainer } from './tiny-trainer.js';

workInFolder('end-run');

/** A trainer that saves, with an add-on of these hooks. */
const ended = (hooks: Hooks<Answer>, owns: readonly string[]): typeof LineTrainer =>
  class extends Saving {
    protected override configureAddOns(): readonly AddOn[] {
      const about = { kind: 'judge', phase: 'trigger', owns } as const;
      return [...super.configureAddOns(), addons.extern(about, () => () => hooks, {})];
    }
  };
const at =
  (step: number, answer: Answer) =>
  (moment: { readonly step: number }): Answer =>
    moment.step === step ? answer : undefined;

const summary = (name: string) => JSON.parse(readFileSync(join(name, 'summary.json'), 'utf8'));

describe('an end without a reason has one that names the add-on and its hook', () => {
  test.each([
    ['stepEnd', 3],
    ['measured', 5],
    ['epochEnd', 10],
  ] as const)('%s', async (hook, step) => {
    const { code, text } = await run([`--run-dir=${hook}`], ended({ [hook]: at(step, 'end-run') }, ['stop']));
    expect(code).toBe(0);
    const because = `add-on judge asked to end the run in ${hook}`;
    expect(summary(hook)).toMatchObject({ reason: 'stopped', because, steps: step });
    expect(text).toContain(`stopped early (${because})`);
  });

  test('also where it is held until the run may end', async () => {
    const hooks = { stepEnd: ({ step }: addons.Moment) => (step >= 3 ? ('end-run' as const) : undefined) };
    const { text } = await run(['--run-dir=held', 'trainer.min_steps=7'], ended(hooks, ['stop']));
    const because = 'add-on judge asked to end the run in stepEnd';
    expect(text).toContain(`${because}: held until step 7 (min_steps = 7)`);
    expect(summary('held')).toMatchObject({ because, steps: 7 });
  });

  test('at the last step nothing is ended early: the reason is told, and the run has finished', async () => {
    for (const [hook, answer] of [
      ['stepEnd', 'end-run'],
      ['epochEnd', { end: 'run', because: 'it is enough' }],
    ] as const) {
      const name = `last-${hook}`;
      const { code, text } = await run([`--run-dir=${name}`], ended({ [hook]: at(15, answer) }, ['stop']));
      expect(code).toBe(0);
      expect(summary(name)).toMatchObject({ reason: 'finished', because: null, steps: 15 });
      expect(text).toMatch(
        /\n(?:add-on judge asked to end the run in stepEnd|it is enough); that was the last step anyway\n/,
      );
      expect(text).toContain('finished after 15 steps in');
      expect(text).not.toContain('stopped early');
    }
  });

  test('patience that ends with the last epoch is told, and lifted where the run is made longer', async () => {
    class Patient extends Saving {
      protected override configureAddOns(): readonly AddOn[] {
        const monitor = addons.min('validate.loss');
        const stop = addons.earlyStopping({ monitor, patience: 2, minDelta: 1000 });
        return [...super.configureAddOns(), stop];
      }
    }
    const { text } = await run(['--run-dir=patient'], Patient);
    expect(text).toMatch(/ for 2 measurements; that was the last step anyway\n/);
    expect(summary('patient')).toMatchObject({ reason: 'finished', because: null, steps: 15 });
    const again = await run(['--resume=patient'], Patient);
    expect(again.text).toContain('nothing is left to do: patient has finished its 15 steps');
    const longer = 'trainer.epochs=6 early_stopping.patience=4 --allow epochs,early_stopping.patience';
    expect(again.text).toContain(`to train longer: ./line.mjs --resume patient ${longer}\n`);
    // With the epochs alone it ends where patience did, and before the end that it has now.
    const epochs = ['--resume=patient', 'trainer.epochs=6', '--allow=epochs'];
    const stopped = await run(epochs, Patient);
    expect(stopped.text).toContain('stopped early (validate.loss has not improved on');
    expect(summary('patient')).toMatchObject({ reason: 'stopped' });
    const whole = ['--resume=patient', ...longer.split(' ')];
    expect((await run(whole, Patient)).code).toBe(0);
    expect(summary('patient').steps).toBeGreaterThan(20);
  });

  test('a reason that it gives is its own', async () => {
    const answer = { end: 'run', because: 'it is enough' } as const;
    await run(['--run-dir=own'], ended({ stepEnd: at(3, answer) }, ['stop']));
    expect(summary('own')).toMatchObject({ because: 'it is enough' });
  });
});

describe('an end by an add-on that does not own "stop"', () => {
  test.each([
    ['stepEnd', 'end-run'],
    ['measured', { end: 'run', because: 'it is enough' }],
    ['epochEnd', 'end-run'],
  ] as const)('is refused in %s, and the state is saved', async (hook, answer) => {
    const name = `refused-${hook}`;
    const { code, text } = await run([`--run-dir=${name}`], ended({ [hook]: at(5, answer) }, ['report']));
    expect(code).toBe(3);
    expect(text).toContain(
      `add-on judge failed in ${hook}: it asks to end the run and does not own the effect "stop"; declare owns = ["stop"], which one add-on of a run may`,
    );
    expect(checkpoints(name)).toContain('step-00000005');
    // What is declared then: the run goes on from there, and asks again.
    const { code: again } = await run(['--resume', name], ended({ [hook]: at(5, answer) }, ['stop']));
    expect(again).toBe(0);
    expect(summary(name)).toMatchObject({ reason: 'stopped', steps: 5 });
  });

  test('to end an epoch takes no effect', async () => {
    const { code } = await run(['--run-dir=epoch'], ended({ stepEnd: at(3, 'end-epoch') }, []));
    expect(code).toBe(0);
    expect(summary('epoch')).toMatchObject({ reason: 'finished' });
  });

  test('is a mistake for TypeScript already', () => {
    const ends = (): addons.Start<'stop'> => () => ({ stepEnd: () => 'end-run' });
    const skips = (): addons.Start => () => ({ epochEnd: () => Promise.resolve('end-epoch') });
    const about = { kind: 'judge', phase: 'trigger' } as const;
    addons.extern({ ...about, owns: ['stop'] }, ends, {});
    addons.extern({ ...about, owns: ['stop', 'report'] }, skips, {});
    addons.extern({ ...about, owns: [] }, skips, {});
    // @ts-expect-error -- nothing is owned
    addons.extern({ ...about, owns: [] }, ends, {});
    // @ts-expect-error -- another effect is
    addons.extern({ ...about, owns: ['report'] }, ends, {});
    // @ts-expect-error -- what starts it says nothing of the effect
    const quiet: addons.Start = () => ({ stepEnd: () => 'end-run' });
    // @ts-expect-error -- nor does it where the hook waits
    const waits: addons.Start = () => ({ measured: () => Promise.resolve('end-run') });
    expect([quiet, waits]).toHaveLength(2);
  });
});
