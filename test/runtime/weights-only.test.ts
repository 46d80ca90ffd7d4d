/** Checkpoints of weights alone: smaller, good for all but going on, and each says so. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Json } from '../../src/runtime/addons/addon.js';
import { manifestText } from '../../src/runtime/checkpoint/manifest.js';
import { findCheckpoint, openCheckpoint, verifyCheckpoint } from '../../src/runtime/checkpoint/read.js';
import * as units from '../../src/values/units.js';
import { checkpoints, filesIn, killed, run, unsaid } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('weights-only');

const saving = (
  weightsOnly: boolean,
  format: 'folder' | 'ckpt',
  more: readonly AddOn[] = [],
): typeof LineTrainer =>
  class extends LineTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const best = addons.min('validate.loss');
      return [addons.checkpoint({ every: units.steps(5), keep: 2, best, weightsOnly, format }), ...more];
    }
  };

test.each(['folder', 'ckpt'] as const)('%s: the weights are those of a whole checkpoint', async (format) => {
  const [light, whole] = [saving(true, format), saving(false, format)];
  expect((await run([`--run-dir=light-${format}`], light)).code).toBe(0);
  expect((await run([`--run-dir=whole-${format}`], whole)).code).toBe(0);
  const [own, other] = await Promise.all(
    [`light-${format}`, `whole-${format}`].map((each) => findCheckpoint(each)),
  );
  if (own === undefined || other === undefined) throw new Error('no checkpoint');
  expect([own.weightsOnly, other.weightsOnly]).toEqual([true, false]);
  await verifyCheckpoint(own);
  expect(own.tensors.get('model.safetensors')).toEqual(other.tensors.get('model.safetensors'));
  expect(own.tensors.has('optimizer.safetensors')).toBe(false);
  expect(other.tensors.has('optimizer.safetensors')).toBe(true);
  if (format === 'folder') expect(existsSync(join(own.folder, 'optimizer.safetensors'))).toBe(false);
  // Kept and pointed at like others.
  const names = (name: string): readonly string[] => readdirSync(join(name, 'checkpoints'));
  expect(names(`light-${format}`)).toEqual(names(`whole-${format}`));
  // And tested like others.
  const tests = await Promise.all(
    [light, whole].map((trainer, at) =>
      run(['test', '--json', '--from', at === 0 ? `light-${format}` : `whole-${format}`], trainer),
    ),
  );
  const [ownTest, otherTest] = tests.map(({ code, text }) => [code, text.slice(text.indexOf('{'))]);
  expect(ownTest).toEqual(otherTest);
  expect(ownTest?.[0]).toBe(0);
});

test('no run goes on from one: each way to ask says why', async () => {
  const light = saving(true, 'folder');
  const begun = await run(['--run-dir=left'], light);
  expect(begun.code).toBe(0);
  // At its start, before anything is lost.
  const told = 'nothing goes on from what this run saves: it is weights only (checkpoint.weights_only)\n';
  expect(begun.text.indexOf(told)).toBeGreaterThan(0);
  expect(begun.text.indexOf(told)).toBeLessThan(begun.text.indexOf('epoch 1/3'));
  expect((await run(['--run-dir=whole-left'], saving(false, 'folder'))).text).not.toContain(told);
  const [first = ''] = readdirSync(join('left', 'checkpoints')).filter((name) => name.startsWith('step-'));
  const bytes = readFileSync(join('left', 'checkpoints', first, 'manifest.json'));
  for (const argv of [
    ['--resume', 'left'],
    ['--resume', join('left', 'checkpoints', first)],
  ]) {
    const { code, text } = await run(argv, light);
    expect(code).toBe(3);
    expect(text).toContain('holds weights only (checkpoint.weights_only)');
  }
  expect(readFileSync(join('left', 'checkpoints', first, 'manifest.json'))).toEqual(bytes);
});

test('started again by auto, a run that has ended stays, and one that was cut off begins anew beside it', async () => {
  const light = saving(true, 'folder');
  const words = ['--run-dir=job', '--resume=auto'];
  expect((await run(words, light)).code).toBe(0);
  const ended = filesIn('job');
  const { code, text } = await run(words, light);
  expect(code).toBe(0);
  expect(text).toContain(
    'nothing is left to do: job has come to its end, and its checkpoints hold weights only',
  );
  expect(filesIn('job')).toEqual(ended);
  unsaid('job');
  for (const turn of [1, 2]) {
    const again = await run(words, light);
    expect(again.code).toBe(0);
    expect(again.text).toContain(`job is job.before-${turn} now: its checkpoints hold weights only`);
    expect(again.text).toContain('nothing was left to go on with in job: a new run');
    expect((await findCheckpoint(`job.before-${turn}`)).weightsOnly).toBe(true);
    unsaid('job');
  }
  // Without a folder of its own it is passed over, and an older run goes on.
  await killed('runs/LineTrainer/20260101-000000-aaaa');
  renameSync('job', 'runs/LineTrainer/20260102-000000-bbbb');
  const other = await run(['--resume=auto']);
  expect(other.code).toBe(0);
  expect(other.text).toContain(
    'passed over: runs/LineTrainer/20260102-000000-bbbb, whose checkpoints hold weights only',
  );
  expect(other.text).toContain('goes on after step 8, from runs/LineTrainer/20260101-000000-aaaa');
  // State that is damaged is lost, and nobody wants that without a word.
  await killed('mixed');
  for (const name of checkpoints('mixed'))
    rmSync(join('mixed', 'checkpoints', name, 'optimizer.safetensors'));
  expect((await run(['--run-dir=mixed', '--resume=auto'])).code).toBe(3);
});

test('a run that is interrupted names no command to go on with', async () => {
  const listeners: ((signal: 'SIGINT') => void)[] = [];
  const stop: AddOn = {
    kind: 'stop',
    phase: 'dependent',
    owns: [],
    withOptions: () => stop,
    start: () => ({
      stepEnd: ({ step }) => {
        if (step === 3) listeners.forEach((listener) => listener('SIGINT'));
        return undefined;
      },
    }),
  };
  const { code, text } = await run(['--run-dir=cut'], saving(true, 'folder', [stop]), {
    onSignal: (listener) => {
      listeners.push(listener);
      return () => undefined;
    },
  });
  expect(code).toBe(130);
  expect(text).toContain('checkpoint: cut/checkpoints/step-00000003');
  expect(text).not.toContain('go on:');
  expect(text).toContain('nothing goes on from this run: its checkpoints hold weights only');
  expect((await openCheckpoint('cut/checkpoints/step-00000003')).weightsOnly).toBe(true);
});

test('what the manifest says of it is one word, and resume beside it is refused', async () => {
  const path = join('left', 'checkpoints', 'last');
  const place = join('left', 'checkpoints', readFileSync(path, 'utf8').trim());
  const manifest = readFileSync(join(place, 'manifest.json'), 'utf8');
  expect(manifest).toContain('"holds": "weights"');
  // Sealed anew, for its own checksum is looked at first.
  const { sha256: _own, ...other } = JSON.parse(manifest) as Record<string, Json>;
  writeFileSync(join(place, 'manifest.json'), manifestText({ ...other, holds: 'nothing' }));
  await expect(openCheckpoint(place)).rejects.toThrow('"holds" must be "weights", got "nothing"');
  expect(() => addons.checkpoint({ weightsOnly: true, resume: 'auto' })).toThrow(
    'checkpoint takes no resume with weights_only',
  );
});
