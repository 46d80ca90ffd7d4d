/**
 * Runs as older versions left them when they were killed after step 11, by the code of that time: each goes on to what a run comes to
 * today, or says what to do instead.
 */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { findCheckpoint, openCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import type { CheckpointLayout } from '../../src/runtime/checkpoint/write.js';
import * as units from '../../src/values/units.js';
import { checkpoints, filesIn, run } from './killed-runs.js';
import { metricsLines } from './metrics-lines.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

const corpus = fileURLToPath(new URL('run-corpus', import.meta.url));
workInFolder('run-corpus');

/** The trainer that they are of. */
const saving = (format: CheckpointLayout): typeof LineTrainer =>
  class extends LineTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      return [
        addons.checkpoint({ every: units.steps(8), keep: 20, best: addons.min('validate.loss'), format }),
      ];
    }
  };

/** Tensors of a run's last checkpoint. */
async function tensorsOf(name: string): Promise<unknown> {
  const found = await openCheckpoint(join(name, 'checkpoints', checkpoints(name).at(-1) ?? ''));
  return [await readTensors(found, 'model.safetensors'), await readTensors(found, 'optimizer.safetensors')];
}

test('there is one of each older format', () => {
  expect(readdirSync(corpus).sort()).toEqual([
    'format-1',
    'format-2',
    'format-2-ckpt',
    'format-3',
    'format-3-ckpt',
  ]);
});

test.each([
  ['format-2', 'folder', ''],
  ['format-2-ckpt', 'ckpt', '.ckpt'],
  ['format-3', 'folder', ''],
  ['format-3-ckpt', 'ckpt', '.ckpt'],
] as const)(
  'a run of %s goes on from its newest checkpoint, and from an older one',
  async (name, format, ending) => {
    const whole = `whole-${name}`;
    expect((await run([`--run-dir=${whole}`], saving(format))).code).toBe(0);
    for (const [at, from] of [
      [10, ''],
      [8, `/checkpoints/step-00000008${ending}`],
    ] as const) {
      const own = `${name}-${at}`;
      cpSync(join(corpus, name), own, { recursive: true });
      const { code, text } = await run(['--resume', `${own}${from}`], saving(format));
      expect(text).toContain(`goes on after step ${at}`);
      expect(code).toBe(0);
      expect(checkpoints(own).at(-1)).toBe(`step-00000015${ending}`);
      expect(await tensorsOf(own)).toEqual(await tensorsOf(whole));
      expect(metricsLines(own)).toEqual(metricsLines(whole));
    }
  },
);

test('a run of format 1 kept too little to go on from, and its weights are read', async () => {
  cpSync(join(corpus, 'format-1'), 'format-1', { recursive: true });
  const files = filesIn('format-1');
  const ways = [
    ['--resume', 'format-1'],
    ['--resume', 'format-1/checkpoints/step-00000008'],
    ['--run-dir=format-1', '--resume=auto'],
  ];
  for (const words of ways) {
    const { code, text } = await run(words, saving('folder'));
    expect(text).toMatch(
      /^error: cannot go on from \S+: a ztrain wrote it that kept too little to go on from; test, predict and export take it/,
    );
    expect(code).toBe(3);
  }
  expect(filesIn('format-1')).toEqual(files);
  expect((await findCheckpoint('format-1')).step).toBe(10);
});
