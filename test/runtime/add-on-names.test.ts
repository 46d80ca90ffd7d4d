/** An add-on that the spec gives a name, `addon checkpoint as often`, has it in messages and on the command line. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import { run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('add-on-names');

let fails = false;

class Named extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    const about = { kind: 'notify', phase: 'independent', owns: [] } as const;
    const notify = addons.extern(
      about,
      () => () => ({
        stepEnd: ({ step }) => {
          if (fails && step === 7) throw new Error('no network');
          return undefined;
        },
      }),
      {},
    );
    const often = addons.checkpoint({ every: units.steps(1000), best: addons.min('validate.loss'), keep: 9 });
    return [addons.named('often', often), addons.named('losses', notify)];
  }
}

const state = (name: string, step: string): unknown =>
  JSON.parse(readFileSync(join(name, 'checkpoints', `step-${step}`, 'state.json'), 'utf8'));

test('in options, and not the kind', async () => {
  expect((await run(['--run-dir=often', 'often.every=2.steps'], Named)).code).toBe(0);
  expect(existsSync('often/checkpoints/step-00000008')).toBe(true);
  // What a checkpoint keeps does not depend on the name.
  expect(state('often', '00000008')).toMatchObject({ addOns: { checkpoint: { bestStep: 5 } } });
  const { code, text } = await run(['--run-dir=other', 'checkpoint.every=2.steps'], Named);
  expect(code).toBe(2);
  expect(text).toContain('nothing is named "checkpoint"; there are trainer, train, test, opt, often, losses');
});

test('in messages', async () => {
  fails = true;
  const { code, text } = await run(['--run-dir=messages'], Named);
  fails = false;
  expect(code).not.toBe(0);
  expect(text).toContain('add-on losses failed in stepEnd: no network');
  // Its round is known by that name too.
  expect((await run(['--resume=messages'], Named)).code).toBe(0);
  const limited = await run(['--run-dir=limited', 'trainer.limit.validate=0.batches'], Named);
  expect(limited.text).toContain('add-on often watches validate.loss');
});

test('where two own the same', async () => {
  class Twice extends Named {
    protected override configureAddOns(): readonly AddOn[] {
      return [...super.configureAddOns(), addons.named('rare', addons.checkpoint())];
    }
  }
  const { text } = await run(['--run-dir=twice'], Twice);
  expect(text).toContain('add-ons often and rare both own "checkpoint"');
});
