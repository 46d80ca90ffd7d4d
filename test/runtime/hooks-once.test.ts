/** A run that fails in a hook, and goes on, calls each hook as often as one that never failed. */
import { beforeAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Hooks, Json, Moment } from '../../src/runtime/addons/addon.js';
import { run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('hooks-once');

/** Where the second add-on fails, once. */
let failsAt = '';
/** Where it saves. */
let savesAt = '';
/** What each add-on was told, as its state has it at the end. */
const told = new Map<string, readonly string[]>();

function recorder(kind: string, fails: boolean): AddOn {
  const own: AddOn = {
    kind,
    phase: 'independent',
    owns: [],
    withOptions: () => own,
    start: (host): Hooks => {
      let calls: readonly string[] = [];
      const say = (text: string): undefined => {
        if (fails && text === failsAt) {
          failsAt = '';
          throw new Error('no network');
        }
        calls = [...calls, text];
      };
      const saying = async (text: string, at: Moment): Promise<void> => {
        say(text);
        if (fails && text === savesAt) await host.save(at);
      };
      return {
        epochStart: ({ step }) => say(`epochStart ${step}`),
        stepStart: ({ step }) => say(`stepStart ${step}`),
        updateEnd: ({ step }) => say(`updateEnd ${step}`),
        logged: ({ stage, over, at }) => say(`logged ${at.step} ${stage} ${over}`),
        validationStart: ({ step }) => say(`validationStart ${step}`),
        validationBatch: ({ step }, { done }) => say(`validationBatch ${step} ${done}`),
        validationEnd: (at) => saying(`validationEnd ${at.step}`, at),
        measured: async (at, metrics) => {
          await saying(`measured ${at.step} ${[...metrics.keys()][0] ?? ''}`, at);
          return undefined;
        },
        stepEnd: ({ step }) => say(`stepEnd ${step}`),
        epochEnd: ({ step }) => say(`epochEnd ${step}`),
        settled: (at) => saying(`settled ${at.step}`, at),
        fitEnd: () => void told.set(kind, calls),
        state: (): Json => ({ calls: [...calls] }),
        restore: (state) => {
          calls = (state as { readonly calls: readonly string[] }).calls;
        },
      };
    },
  };
  return own;
}

class Recorded extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [
      addons.checkpoint(),
      recorder('before', false),
      recorder('failing', true),
      recorder('after', false),
    ];
  }
}

let whole: ReadonlyMap<string, readonly string[]> = new Map();
beforeAll(async () => {
  expect((await run(['--run-dir=whole'], Recorded)).code).toBe(0);
  whole = new Map(told);
});

test.each([
  'updateEnd 7',
  'logged 6 train window',
  'logged 10 train epoch',
  'measured 10 train.loss',
  'validationStart 10',
  'validationBatch 10 2',
  'logged 10 validate pass',
  'validationEnd 10',
  'measured 10 validate.loss',
  'measured 15 train.loss',
  'measured 15 validate.loss',
  'stepEnd 7',
  'stepEnd 10',
  'epochEnd 10',
  'settled 7',
  'stepStart 7',
  'stepStart 5',
  'epochStart 5',
])('after a failure in %s', async (place) => {
  expect(whole.get('failing')).toContain(place);
  failsAt = place;
  told.clear();
  const name = place.replaceAll(' ', '-');
  const failed = await run([`--run-dir=${name}`], Recorded);
  expect(failed.text).toContain('no network');
  expect(failsAt).toBe('');
  expect((await run(['--resume', name], Recorded)).code).toBe(0);
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(whole));
});

test.each(['measured 10 train.loss', 'validationEnd 10', 'measured 10 validate.loss', 'settled 7'])(
  'from what an add-on has saved in %s',
  async (place) => {
    savesAt = place;
    const name = `saved-${place.replaceAll(' ', '-')}`;
    expect((await run([`--run-dir=${name}`], Recorded)).code).toBe(0);
    savesAt = '';
    told.clear();
    const [, step = ''] = place.split(' ');
    const from = `${name}/checkpoints/step-${step.padStart(8, '0')}`;
    expect((await run(['--resume', from], Recorded)).code).toBe(0);
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(whole));
  },
);
