/** What was allowed at a start that was killed before its next checkpoint holds for whoever goes on from there. */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import { checkpoints, expectSameEnd, filesIn, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('allowed-before');

/** After which step the folder of a run is copied, as a kill would leave it just then. */
let kill: { readonly step: number; readonly from: string; readonly to: string } | null = null;

/** Waits until a step was saved: that goes on beside the steps. */
const saved = (name: string, step: number): Promise<void> =>
  vi.waitFor(() => {
    const last = readFileSync(join(name, 'checkpoints', 'last'), 'utf8');
    expect(last).toBe(`step-${String(step).padStart(8, '0')}\n`);
  });

/** Saves each fourth step; 15 steps in all. */
class Killable extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    const copying = addons.extern(
      { kind: 'copying', phase: 'independent', owns: [] },
      () => () => ({
        stepEnd: async ({ step }) => {
          if (kill === null || kill.step !== step) return undefined;
          const { from, to } = kill;
          // It comes before the checkpoint of its own step.
          await saved(from, step === 16 ? 15 : step - (step % 4));
          cpSync(from, to, { recursive: true, filter: (path) => !path.includes('.lock') });
          kill = null;
          return undefined;
        },
      }),
      {},
    );
    return [copying, addons.checkpoint({ every: units.steps(4), keep: 20 })];
  }
}

const go = (...words: readonly string[]) => run(words, Killable);

/** What a run with these words leaves in the folder `to` where it is killed after a step. It goes on in a copy of `from`, unless that is null. */
async function killedAt(step: number, from: string | null, to: string, words: readonly string[]) {
  const own = `${to}-whole`;
  if (from !== null) cpSync(from, own, { recursive: true });
  kill = { step, from: own, to };
  const { code, text } = await go(...(from === null ? [`--run-dir=${own}`] : [`--resume=${own}`]), ...words);
  expect([code, kill], text).toEqual([0, null]);
  return text;
}

const about = (name: string) => JSON.parse(readFileSync(join(name, 'run.json'), 'utf8'));
const copied = (name: string, from: string): string => {
  cpSync(from, name, { recursive: true });
  return name;
};
const change = (name: string, ...[was, is]: readonly [string, string]): void => {
  const file = join(name, 'run.json');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(was);
  writeFileSync(file, text.replaceAll(was, is));
};

// Killed after step 6; then, after its fourth, with another `lr`, killed once more before it has saved.
beforeAll(async () => {
  await killedAt(6, null, 'base', []);
  await killedAt(7, 'base', 'changed', ['lr=0.02', '--allow=lr']);
});

describe('a param', () => {
  test.each([
    ['auto', (name: string) => ['--run-dir', name, '--resume=auto']],
    ['the run', (name: string) => ['--resume', name]],
    ['its checkpoint', (name: string) => ['--resume', join(name, 'checkpoints', 'step-00000004')]],
  ])('stays as it was allowed: %s', async (what, words) => {
    const name = copied(`stays-${what.replaceAll(' ', '-')}`, 'changed');
    const { code, text } = await go(...words(name));
    expect(text).toMatch(/^lr=0.02: as was allowed at the start of \d{4}-\d\d-\d\d \d\d:\d\d UTC$/m);
    expect(text).toContain('allowed: lr was 0.1, is 0.02');
    expect(text).toContain('goes on after step 4');
    expect(code).toBe(0);
    expectSameEnd(name, 'changed-whole');
    const { params, origins, starts } = about(name);
    expect([params.lr, origins.lr, origins.rows]).toEqual([0.02, 'given', 'default']);
    expect(starts.map(({ allowed }: { allowed: unknown }) => allowed)).toEqual([
      [],
      ['lr was 0.1, is 0.02'],
      ['lr was 0.1, is 0.02'],
    ]);
  });

  test('also where that start is killed in its turn', async () => {
    await killedAt(6, 'changed', 'twice', []);
    const { code, text } = await go('--resume=twice');
    expect(text).toContain('lr=0.02: as was allowed');
    expect(code).toBe(0);
    expectSameEnd('twice', 'changed-whole');
  });

  test('is what the command line says where it says it', async () => {
    const back = await go('--resume', copied('back', 'changed'), 'lr=0.1');
    expect(back.text).not.toContain('allowed');
    expect(back.code).toBe(0);
    expectSameEnd('back', 'base-whole');
    // As it was allowed before; another value was not.
    expect((await go('--resume', copied('again', 'changed'), 'lr=0.02')).code).toBe(0);
    expectSameEnd('again', 'changed-whole');
    const name = copied('other', 'changed');
    const before = filesIn(name);
    const { code, text } = await go('--resume', name, 'lr=0.3');
    expect(code).toBe(3);
    expect(text).toContain('lr was 0.1, is 0.3');
    expect(filesIn(name)).toEqual(before);
  });

  test('and from then on: who has gone back to what it was stays there', async () => {
    await killedAt(6, 'changed', 'gone-back', ['lr=0.1']);
    const { code, text } = await go('--resume=gone-back');
    expect(text).not.toContain('allowed');
    expect(code).toBe(0);
    expectSameEnd('gone-back', 'base-whole');
  });

  test('a start that was refused changes nothing of it', async () => {
    const name = copied('refused', 'changed');
    expect((await go('--resume', name, 'lr=0.3')).code).toBe(3);
    expect((await go('--resume', name, 'rows=40', '--allow=rows')).code).toBe(3);
    expect((await go('--resume', name)).code).toBe(0);
    expectSameEnd(name, 'changed-whole');
  });

  test('where the checkpoint that has it is damaged, so that an older one is gone on from', async () => {
    await killedAt(10, 'base', 'lost', ['lr=0.02', '--allow=lr']);
    await killedAt(10, 'lost', 'lost-later', []);
    truncateSync(join('lost-later', 'checkpoints', 'step-00000008', 'model.safetensors'), 40);
    const { code, text } = await go('--resume=lost-later');
    expect(text).toContain('lr=0.02: as was allowed');
    expect(text).toContain('goes on after step 4');
    expect(code).toBe(0);
    expectSameEnd('lost-later', 'changed-whole');
  });

  test('not where an older checkpoint is named: what that has holds', async () => {
    await killedAt(10, 'base', 'older', []);
    await killedAt(10, 'older', 'older-later', ['lr=0.02', '--allow=lr']);
    const { code, text } = await go('--resume', join('older-later', 'checkpoints', 'step-00000004'));
    expect(text).not.toContain('allowed');
    expect(code).toBe(0);
    expect(about('older-later').params.lr).toBe(0.1);
    expectSameEnd('older-later', 'base-whole');
  });
});

describe('what run.json says is no reason not to go on', () => {
  test.each(['damaged', 'gone'])('one that is %s: the checkpoint says it, and that is told', async (what) => {
    const name = copied(what, 'changed');
    if (what === 'gone') rmSync(join(name, 'run.json'));
    else truncateSync(join(name, 'run.json'), 40);
    const { code, text } = await go('--resume', name);
    expect(text).toMatch(
      new RegExp(`run.json is ${what}.*; it is written anew, without earlier starts; params and options are`),
    );
    expect(code).toBe(0);
    expectSameEnd(name, 'base-whole');
  });

  test.each([
    ['values of another type', '0.02', '"fast"', 'base-whole'],
    ['a value that no line allows', '"lr": 0.02', '"lr": 0.07', 'base-whole'],
    ['a value that cannot be', '0.02', '-1', 'base-whole'],
    ['no starts', '"starts"', '"begun"', 'base-whole'],
    ['starts that are none', '"allowed": [', '"allowed": 4, "was": [', 'base-whole'],
  ])('%s', async (what, was, is, whole) => {
    const name = copied(what.replaceAll(' ', '-'), 'changed');
    change(name, was, is);
    const { code, text } = await go('--resume', name);
    expect(text).toContain('goes on after step 4');
    expect(code).toBe(0);
    expectSameEnd(name, whole);
  });
});

describe('a length', () => {
  test('a longer one of a run that had finished is trained, and not taken for done', async () => {
    await killedAt(16, 'base-whole', 'longer', ['trainer.epochs=5', '--allow=epochs']);
    expect(checkpoints('longer').at(-1)).toBe('step-00000015');
    const { code, text } = await go('--run-dir=longer', '--resume=auto');
    expect(text).toContain('trainer.epochs=5: as was allowed at the start of');
    expect(text).toContain('allowed: trainer.epochs was 3, is 5');
    expect(code).toBe(0);
    expect(checkpoints('longer').at(-1)).toBe('step-00000025');
    expectSameEnd('longer', 'longer-whole');
    expect((await go('--run-dir=longer', '--resume=auto')).text).toContain('nothing is left to do');
  });

  test('once more another one', async () => {
    await killedAt(16, 'base-whole', 'long', ['trainer.epochs=5', '--allow=epochs']);
    expect((await go('--resume=long', 'trainer.epochs=4')).code).toBe(3);
    const { code } = await go('--resume=long', 'trainer.epochs=4', '--allow=epochs');
    expect(code).toBe(0);
    expect(checkpoints('long').at(-1)).toBe('step-00000020');
  });

  test('one that is done already ends the run, which stays ended', async () => {
    await killedAt(10, null, 'short', []);
    const first = await go('--resume=short', 'trainer.epochs=1', '--allow=epochs');
    expect(first.text).toContain('nothing is left to train: 8 steps are done, and the run has 5 in all now');
    expect(first.code).toBe(0);
    const files = filesIn('short');
    const { code, text } = await go('--resume=short');
    expect(text).toContain('trainer.epochs=1: as was allowed');
    expect(text).toContain('nothing is left to do: short has finished its 8 steps');
    expect(code).toBe(0);
    expect(filesIn('short')).toEqual(files);
    // Further on, where that is said.
    const on = await go('--resume=short', 'trainer.epochs=3');
    expect(on.code).toBe(0);
    expectSameEnd('short', 'base-whole');
  });
});

test('an attribute of an optimizer, and one of two that is said otherwise', async () => {
  const both = ['opt.lr=0.05', 'lr=0.02', '--allow=opt.lr,lr'];
  await killedAt(7, 'base', 'two', both);
  const { code, text } = await go('--resume', copied('two-again', 'two'));
  expect(text).toMatch(/^lr=0.02, opt.lr=0.05: as was allowed/m);
  expect(code).toBe(0);
  expectSameEnd('two-again', 'two-whole');
  const other = await go('--resume=two', 'lr=0.1');
  expect(other.text).toMatch(/^opt.lr=0.05: as was allowed/m);
  expect(other.code).toBe(0);
});
