/** What is taken up again where a run goes on: all of it or nothing, and each start is told. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AddOn, Hooks } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as units from '../../src/values/units.js';
import { checkpoints, filesIn, killed, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('taken-up');

const made = (kind: string, hooks: Hooks): AddOn => {
  const own: AddOn = { kind, phase: 'independent', owns: [], withOptions: () => own, start: () => hooks };
  return own;
};

/** Saves each second step, writes a CSV file, and has add-ons of these hooks. */
const logging = (...all: readonly Hooks[]): typeof LineTrainer =>
  class extends LineTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const saving = addons.checkpoint({
        every: units.steps(2),
        keep: 20,
        best: addons.min('validate.loss'),
      });
      return [addons.csvLog(), saving, ...all.map((hooks, at) => made(`mine-${at + 1}`, hooks))];
    }
  };

test('an add-on that cannot take back its state leaves all as it was', async () => {
  const hooks: Hooks = { state: () => ({ count: 1 }) };
  await killed('kept', [], logging(hooks));
  const before = filesIn('kept');
  const refuses: Hooks = {
    ...hooks,
    restore: () => {
      throw new Error('a count of 2 is wanted');
    },
  };
  for (const from of ['kept', 'kept/checkpoints/step-00000004']) {
    const { code, text } = await run([`--resume=${from}`], logging(refuses));
    expect(code).toBe(3);
    expect(text).toContain('error: add-on mine-1 cannot take back its state: a count of 2 is wanted');
    expect(filesIn('kept')).toEqual(before);
  }
  // One that does goes on from there.
  expect((await run(['--resume=kept/checkpoints/step-00000004'], logging(hooks))).code).toBe(0);
  expect(checkpoints('kept')).toContain('aside-step-00000008');
  const lines = readFileSync('kept/logs/metrics.csv', 'utf8').trim().split('\n');
  expect(lines).toHaveLength(1 + readFileSync('kept/metrics.jsonl', 'utf8').trim().split('\n').length);
});

test('an update is told again to the add-on whose hook had failed on it, and to no other', async () => {
  const told: string[] = [];
  const tells: Hooks = { updateEnd: ({ step }, optimizer) => void told.push(`${step} ${optimizer}`) };
  const breaks: Hooks = {
    updateEnd: ({ step }) => {
      if (step === 3) throw new Error('no more');
    },
  };
  const { code, text } = await run(['--run-dir=updates'], logging(tells, breaks));
  expect(code).toBe(3);
  expect(text).toContain('add-on mine-2 failed in updateEnd: no more');
  expect(checkpoints('updates')).toEqual(['step-00000002', 'step-00000003']);
  expect(told.splice(0)).toEqual(['1 opt', '2 opt', '3 opt']);
  const second: Hooks = { updateEnd: ({ step }) => void told.push(`${step} second`) };
  expect((await run(['--resume=updates'], logging(tells, second))).code).toBe(0);
  expect(told.slice(0, 3)).toEqual(['3 second', '4 opt', '4 second']);
  // Where the step is over nothing of it is left to tell.
  told.length = 0;
  const { loop } = JSON.parse(readFileSync('updates/checkpoints/step-00000004/state.json', 'utf8'));
  expect(loop.updated).toEqual([]);
});

test.each([
  ['of before starts were written down', ({ starts: _, ...run }: Readonly<Record<string, unknown>>) => run],
  ['that says nothing', () => null],
])('a run.json %s: the first start is one all the same, and no resume is lost', async (name, changed) => {
  const folder = name.replaceAll(' ', '-');
  await killed(folder);
  const path = join(folder, 'run.json');
  const first = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify(changed(first)));
  const about = () => JSON.parse(readFileSync(path, 'utf8'));
  expect((await run([`--resume=${folder}`])).code).toBe(0);
  const known = name.startsWith('of');
  expect(about().starts).toMatchObject([
    { at: known ? first.started : null, from: null, step: 0, node: known ? process.version : null },
    { from: 'step-00000008', step: 8, reason: 'finished' },
  ]);
  expect(about().started).toBe(known ? first.started : null);
  rmSync(join(folder, 'checkpoints', 'step-00000014'), { recursive: true });
  rmSync(join(folder, 'checkpoints', 'step-00000015'), { recursive: true });
  expect((await run([`--resume=${folder}/checkpoints/step-00000012`])).code).toBe(0);
  expect(about().starts.map(({ step }: { readonly step: number }) => step)).toEqual([0, 8, 12]);
  expect(JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')).resumes).toEqual([8, 12]);
});
