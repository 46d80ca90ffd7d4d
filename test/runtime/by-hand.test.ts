/** Training by hand is the same run as `fit`, held at the ends of steps. */
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Answer, Hooks } from '../../src/runtime/addons/index.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { Standing } from '../../src/runtime/trainer/by-hand.js';
import { checkpoints, filesIn, Saving, unsaid } from './killed-runs.js';
import { metricsLines } from './metrics-lines.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer, setup } from './tiny-trainer.js';

workInFolder('by-hand');
const stream = { isTTY: false, columns: 80, write: () => true };
const made = (options: Parameters<typeof setup>[1] = {}) => new LineTrainer(setup({}, options));

const tensorsIn = (name: string): readonly string[] =>
  filesIn(name)
    .filter((line) => line.includes('.safetensors'))
    .map((line) => line.slice(name.length));

const lastTensors = (name: string): readonly string[] =>
  tensorsIn(name).filter((line) => line.includes('/step-00000015'));

/** An add-on with these hooks, which come after those of others. */
const watching = (hooks: Hooks) => {
  const watch = {
    kind: 'watch',
    phase: 'dependent',
    owns: [],
    withOptions: () => watch,
    start: () => hooks,
  } as const;
  return watch;
};

async function all(next: () => Promise<Standing | null>): Promise<readonly Standing[]> {
  const stood: Standing[] = [];
  for (let at = await next(); at !== null; at = await next()) stood.push(at);
  return stood;
}

describe('a run by hand', () => {
  test('step by step and epoch by epoch is the run that fit makes', async () => {
    const whole = await made().fit({ runDir: 'whole', stream });
    const stepping = made().byHand({ runDir: 'steps', stream });
    const steps = await all(() => stepping.runStep());
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1));
    expect(steps.map(({ epoch }) => epoch).slice(3, 6)).toEqual([0, 1, 1]);
    const epochs = made().byHand({ runDir: 'epochs', stream });
    expect((await all(() => epochs.runEpoch())).map(({ step }) => step)).toEqual([5, 10, 15]);
    for (const [name, run] of [
      ['steps', stepping],
      ['epochs', epochs],
    ] as const) {
      expect(metricsLines(name)).toEqual(metricsLines('whole'));
      expect(checkpoints(name)).toEqual(checkpoints('whole'));
      expect(tensorsIn(name)).toEqual(tensorsIn('whole'));
      // What is over stays over.
      expect(await run.runStep()).toBeNull();
      expect(await run.end()).toMatchObject({ reason: 'finished', metrics: whole.metrics });
    }
  });

  test('stands after all that falls at the end of a step', async () => {
    const told: string[] = [];
    const hooks: Hooks = {
      stepEnd: ({ step }) => void told.push(`end ${step}`),
      validationEnd: ({ step }) => void told.push(`validated ${step}`),
      epochStart: ({ epoch }) => void told.push(`epoch ${epoch}`),
    };
    const watch = watching(hooks);
    const Watched = LineTrainer.addOn(watch);
    const run = new Watched(setup({}, { epochs: 2 })).byHand({ runDir: null, stream });
    expect(told).toEqual([]);
    expect((await run.runStep())?.metrics.size).toBe(0);
    expect(told).toEqual(['epoch 0', 'end 1']);
    expect([...((await run.runStep())?.metrics.keys() ?? [])]).toContain('train.loss');
    // The rest of an epoch that was begun.
    const first = await run.runEpoch();
    expect(first).toMatchObject({ step: 5, epoch: 1 });
    expect(first?.metrics.get('validate.loss')).toBeGreaterThan(0);
    expect(told.slice(-2)).toEqual(['validated 5', 'end 5']);
    expect((await run.runStep())?.step).toBe(6);
    expect(told.slice(-2)).toEqual(['epoch 1', 'end 6']);
    await run.end();
  });

  test('ends where its owner says, and goes on from there as any other', async () => {
    await made().fit({ runDir: 'unheld', stream });
    const run = made().byHand({ runDir: 'ended', stream });
    for (let step = 1; step <= 7; step += 1) await run.runStep();
    expect(await run.end()).toMatchObject({ reason: 'interrupted', signal: null, at: { step: 7, epoch: 1 } });
    expect(checkpoints('ended').at(-1)).toBe('step-00000007');
    expect(await run.runStep()).toBeNull();
    expect(readFileSync('ended/console.log', 'utf8')).toContain('ended by hand after 7 steps');
    const rest = made().byHand({ resume: 'ended', stream });
    const first = await rest.runStep();
    expect(first?.step).toBe(8);
    // What was measured before is known to who goes on.
    expect(first?.metrics.get('validate.loss')).toBeGreaterThan(0);
    expect((await all(() => rest.runEpoch())).map(({ step }) => step)).toEqual([10, 15]);
    expect(await rest.end()).toMatchObject({ reason: 'finished' });
    expect(metricsLines('ended')).toEqual(metricsLines('unheld'));
    expect(lastTensors('ended')).toEqual(lastTensors('unheld'));
  });

  test('goes on from a checkpoint of an earlier step with the step after it, and the epoch after it', async () => {
    const saving = () => new Saving(setup({}));
    const whole = saving().byHand({ runDir: 'saving', stream });
    await all(() => whole.runStep());
    // Step 10 is the last of an epoch.
    for (const step of [6, 10]) {
      const resume = `from-${step}/checkpoints/step-${String(step).padStart(8, '0')}`;
      for (const [how, next] of [
        ['runStep', step + 1],
        ['runEpoch', step === 6 ? 10 : 15],
      ] as const) {
        cpSync('saving', `from-${step}`, { recursive: true });
        const rest = saving().byHand({ resume, stream });
        const first = await rest[how]();
        expect(first?.step).toBe(next);
        expect(first?.metrics.get('validate.loss')).toBeGreaterThan(0);
        await all(() => rest.runStep());
        expect(metricsLines(`from-${step}`)).toEqual(metricsLines('saving'));
        expect(lastTensors(`from-${step}`)).toEqual(lastTensors('saving'));
        rmSync(`from-${step}`, { recursive: true });
      }
    }
    cpSync('saving', 'at-end', { recursive: true });
    rmSync('at-end/summary.json');
    unsaid('at-end');
    const over = saving().byHand({ resume: 'at-end', stream });
    expect(await over.runStep()).toBeNull();
    expect(await over.end()).toMatchObject({ reason: 'finished', at: { step: 15 } });
  });

  test.each(['stepEnd', 'settled'] as const)(
    'tells a step whose %s has failed once that is done',
    async (hook) => {
      const name = `failed-${hook}`;
      const make = (isBroken: boolean): LineTrainer => {
        const hooks: Hooks = {
          [hook]: ({ step }: { readonly step: number }) => {
            if (isBroken && step === 7) throw new Error('not this one');
          },
        };
        const watch = watching(hooks);
        return new (Saving.addOn(watch))(setup({}));
      };
      const broken = make(true).byHand({ runDir: name, stream });
      for (let step = 1; step <= 6; step += 1) expect((await broken.runStep())?.step).toBe(step);
      await expect(broken.runStep()).rejects.toThrow('not this one');
      expect(checkpoints(name).at(-1)).toBe('step-00000007');
      const rest = make(false).byHand({ resume: name, stream });
      expect((await all(() => rest.runStep())).map(({ step }) => step)).toEqual([
        7, 8, 9, 10, 11, 12, 13, 14, 15,
      ]);
    },
  );

  test('goes on as the run that it was: with other params or options what differs is told, and nothing is touched', async () => {
    const run = made().byHand({ runDir: 'kept', stream });
    for (let step = 1; step <= 7; step += 1) await run.runStep();
    await run.end();
    const before = filesIn('kept');
    const other = (): LineTrainer => new LineTrainer(setup({ lr: 0.2, mode: 'other' }, { epochs: 4 }));
    const told = [
      'cannot go on from kept/checkpoints/step-00000007, this run is another one:',
      '  lr was 0.1, is 0.2',
      '  mode was plain, is other',
      '  trainer.epochs was 3, is 4',
      'go back to what it was, or say that it is meant: --allow lr,mode,epochs',
    ].join('\n');
    for (const resume of ['kept', 'kept/checkpoints/last']) {
      await expect(other().fit({ resume, stream })).rejects.toThrow(told);
      const held = other().byHand({ resume, stream });
      await expect(held.runStep()).rejects.toThrow(told);
    }
    await expect(other().fit({ resume: 'kept', allow: ['lr', 'epochs'], stream })).rejects.toThrow(
      /:\n  mode was plain, is other\ngo back/,
    );
    expect(filesIn('kept')).toEqual(before);
    const allow = ['lr', 'mode', 'epochs'];
    const result = await other().fit({ resume: 'kept', allow, stream });
    expect(result).toMatchObject({ reason: 'finished', at: { step: 20 } });
    expect(metricsLines('kept').at(-1)).toMatchObject({ step: 20 });
  });

  test('that has come to its end, or that an add-on ends, is not ended by hand', async () => {
    const whole = made().byHand({ runDir: null, stream });
    for (let step = 1; step <= 15; step += 1) await whole.runStep();
    expect(await whole.end()).toMatchObject({ reason: 'finished', at: { step: 15 } });
    const ending: Hooks<Answer> = {
      stepEnd: ({ step }) => (step === 2 ? { end: 'run', because: 'it said so' } : undefined),
    };
    const stop = {
      kind: 'ending',
      phase: 'dependent',
      owns: ['stop'],
      withOptions: () => stop,
      start: () => ending,
    } as const;
    const stopped = new (LineTrainer.addOn(stop))(setup({})).byHand({ runDir: null, stream });
    for (let step = 1; step <= 2; step += 1) await stopped.runStep();
    expect(await stopped.end()).toMatchObject({ reason: 'stopped', because: 'it said so', at: { step: 2 } });
  });

  test('is interrupted by a signal that comes while it stands', async () => {
    const control = new Control();
    const run = made().byHand({ runDir: 'signalled', stream, control });
    await run.runStep();
    control.stop('SIGINT');
    expect(await run.runStep()).toBeNull();
    expect(await run.end()).toMatchObject({ reason: 'interrupted', signal: 'SIGINT', at: { step: 1 } });
    expect(checkpoints('signalled')).toEqual(['step-00000001']);
  });

  test('fails where the run does, and takes one order at a time', async () => {
    const bad: Hooks = {
      stepEnd: ({ step }) => {
        if (step === 2) throw new Error('not this one');
      },
    };
    const watch = watching(bad);
    const run = new (LineTrainer.addOn(watch))(setup({})).byHand({ runDir: null, stream });
    await expect(run.end()).rejects.toThrow('nothing was run that could end; call runStep or runEpoch first');
    const first = run.runStep();
    await expect(run.runEpoch()).rejects.toThrow(
      'a step is being run; await it before the next is asked for',
    );
    expect((await first)?.step).toBe(1);
    await expect(run.runEpoch()).rejects.toThrow('not this one');
    await expect(run.runStep()).rejects.toThrow('not this one');
    await expect(run.end()).rejects.toThrow('not this one');
  });
});
