/** `ztrainc verify-resume`: real trainers, really killed. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nativeUnderTest } from '../engine-under-test.js';
import { writeStripes } from '../specs/striped-images.js';
import { openDesk, root, type Desk } from './command-line.js';

let desk: Desk;
beforeAll(() => {
  desk = openDesk();
  cpSync(join(root, 'specs'), desk.folder, { recursive: true });
  writeStripes(join(desk.folder, 'stripes'), { train: 960, test: 200 });
  const path = join(desk.folder, 'dcgan.ztrain');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('split = "train"', 'split = "train" root = "stripes"'));
});
afterAll(() => desk.remove());

const engine = nativeUnderTest ? 'tensorflow' : 'embedded';

test.each([
  ['a classifier', 'digits', ['trainer.epochs=4'], 180],
  [
    'a GAN',
    'dcgan',
    ['trainer.epochs=2', 'width=4', 'latent=8', 'batch_size=32', 'trainer.log_every=7.steps'],
    60,
  ],
  [
    'a language model',
    'gpt',
    [
      'trainer.steps=150',
      'width=16',
      'depth=1',
      'n_head=2',
      'context=16',
      'trainer.limit.validate=2.batches',
    ],
    150,
  ],
] as const)(
  'of %s nothing tells afterwards that it was killed',
  async (_what, spec, words, steps) => {
    const { code, stdout, stderr } = await desk.ztrainc([
      'verify-resume',
      `${spec}.ztrain`,
      ...words,
      '--kills=3',
      `--engine=${engine}`,
    ]);
    expect(stderr).not.toContain('error');
    expect(stdout).toContain(`${steps} steps: the last checkpoints are equal byte for byte`);
    // The very start and the very end are no place for a kill, and the machine may be fast.
    expect(Number(/^(\d+) kills/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(1);
    expect(code).toBe(0);
  },
  240_000,
);

test('what is not the same is found', async () => {
  const { differencesOf } = await import('../../src/cli/compare-runs.js');
  const train = (name: string, seed: number) =>
    desk.ztrainc([
      'run',
      'digits.ztrain',
      'trainer.epochs=1',
      `trainer.seed=${seed}`,
      `--engine=${engine}`,
      `--run-dir=${name}`,
    ]);
  await train('one', 1);
  await train('other', 2);
  const [one, other] = ['one', 'other'].map((name) => join(desk.folder, name));
  const found = differencesOf(one ?? '', other ?? '');
  expect(found).toEqual([
    expect.stringMatching(/^model\.safetensors of step-00000045 differs from byte \d+ on$/),
    expect.stringMatching(/^optimizer\.safetensors of step-00000045 differs/),
    'state.json of step-00000045 differs',
    expect.stringMatching(/^line 1 of metrics\.jsonl is .* in one and .* in the other$/),
  ]);
  expect(differencesOf(one ?? '', one ?? '')).toEqual([]);
}, 120_000);
