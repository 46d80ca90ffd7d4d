/** An add-on that the spec gives a name, `addon checkpoint as often`, has it in messages and on the command line. */
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import { record } from '../../src/values/json-record.js';
import { checkpoints, killed, run } from './killed-runs.js';
import { replaceState } from './replaced-state.js';
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

describe('what those of one kind keep', () => {
  /** Counts up from 0 by `by`, and says from where it goes on. */
  const counter = (by: number): AddOn =>
    addons.extern(
      { kind: 'counter', phase: 'independent', owns: [] },
      () =>
        ({ report }) => {
          let count = 0;
          return {
            fitStart: () => report(`by ${by} from ${count}`),
            stepEnd: () => {
              count += by;
              return undefined;
            },
            state: () => ({ count }),
            restore: (kept) => {
              count = Number(record('counter', kept)['count']);
            },
          };
        },
      {},
    );
  const [one, thousand] = [addons.named('one', counter(1)), addons.named('thousand', counter(1000))];
  const of = (...counters: readonly AddOn[]): typeof LineTrainer =>
    class Counting extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [addons.checkpoint({ every: units.steps(2), keep: 20 }), ...counters];
      }
    };
  /** Names of its states as versions had them that knew those of one kind by their order. */
  const byOrder = (name: string): void => {
    for (const each of checkpoints(name)) {
      const folder = join(name, 'checkpoints', each);
      const path = join(folder, 'state.json');
      const { addOnsByName, addOns, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
      expect(addOnsByName).toBe(true);
      const { 'counter as thousand': first, 'counter as one': second, ...others } = addOns;
      const text = JSON.stringify({ ...rest, addOns: { ...others, counter: first, 'counter#2': second } });
      replaceState(folder, text);
    }
  };

  test('goes by their names, whatever their order, and to none that was not there', async () => {
    await killed('counted', [], of(thousand, one));
    expect(state('counted', '00000008')).toMatchObject({
      addOns: { 'counter as thousand': { count: 8000 }, 'counter as one': { count: 8 } },
    });
    for (const [name, counters, lines, gone] of [
      ['turned', [one, thousand], ['by 1 from 8', 'by 1000 from 8000'], 0],
      ['fewer', [one], ['by 1 from 8'], 1],
      ['more', [addons.named('ten', counter(10)), one, thousand], ['by 10 from 0', 'by 1 from 8'], 0],
      ['unnamed', [counter(7), one, thousand], ['by 7 from 0', 'by 1000 from 8000'], 0],
    ] as const) {
      cpSync('counted', name, { recursive: true });
      const { code, text } = await run([`--resume=${name}`], of(...counters));
      for (const line of lines) expect(text).toContain(line);
      const told = 'add-on counter as thousand is not part of the run any more: what it kept is left out';
      expect(text.split(told)).toHaveLength(gone + 1);
      expect(code).toBe(0);
    }
  });

  test('goes to the only one of its kind, whatever it is called and was called', async () => {
    const [unnamed, other] = [counter(1), addons.named('other', counter(1))];
    await killed('plain', [], of(unnamed));
    await killed('called', [], of(one));
    for (const [from, now] of [
      ['plain', one],
      ['called', unnamed],
      ['called', other],
    ] as const) {
      cpSync(from, 'renamed', { recursive: true });
      const { code, text } = await run(['--resume=renamed'], of(now));
      expect(text).toContain('by 1 from 8');
      expect(text).not.toContain('not part of the run');
      expect(code).toBe(0);
      rmSync('renamed', { recursive: true });
    }
  });

  test('is told as left out where nobody has it, with a name or without', async () => {
    await killed('alone', [], of(counter(1)));
    for (const counters of [[], [one, thousand]]) {
      cpSync('alone', 'left', { recursive: true });
      const { code, text } = await run(['--resume=left'], of(...counters));
      expect(text).toContain('add-on counter is not part of the run any more: what it kept is left out');
      expect(code).toBe(0);
      rmSync('left', { recursive: true });
    }
  });

  test('is read of a checkpoint that has it by their order', async () => {
    await killed('ordered', [], of(thousand, one));
    byOrder('ordered');
    const { code, text } = await run(['--resume=ordered'], of(thousand, one));
    expect(text).toContain('by 1000 from 8000');
    expect(text).toContain('by 1 from 8');
    expect(text).not.toContain('not part of the run');
    expect(code).toBe(0);
  });
});
