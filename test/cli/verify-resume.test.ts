/** `ztrainc verify-resume`: real trainers, really killed. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  const digits = readFileSync(join(desk.folder, 'digits.ztrain'), 'utf8');
  const light = digits.replace('addon checkpoint { ', 'addon checkpoint { weights_only = true ');
  writeFileSync(join(desk.folder, 'light.ztrain'), light);
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
    expect(stdout).toMatch(/^3 kills, /);
    expect(stderr).toContain('kill 1 of 3 while it got ready');
    // What the kills have shown is told: each of the others fell into its own part of the run, after something was saved.
    const [, told = '', saved = ''] =
      /\(1 while it got ready; 2 while it trained, after steps (.*), gone on from (.*)\)\n$/.exec(stdout) ??
      [];
    const [early = 0, late = 0] = told.split(' and ').map(Number);
    expect(early).toBeGreaterThanOrEqual(Math.floor(steps / 9) + 1);
    expect(late).toBeGreaterThan(steps / 2);
    expect(late).toBeLessThan(steps);
    for (const [index, step] of saved.split(' and ').map(Number).entries()) {
      expect(step).toBeGreaterThan(0);
      expect(step).toBeLessThanOrEqual([early, late][index] ?? 0);
    }
    expect(code).toBe(0);
  },
  240_000,
);

// Loss scaling is a part of what a run goes on with.
test('a precision that the device has no units for goes where it is forced, if the engine has it at all', async () => {
  const words = ['verify-resume', 'digits.ztrain', 'trainer.epochs=1', 'trainer.precision=f16', '--kills=1'];
  const refused = await desk.ztrainc([...words, '--engine=embedded', '--force-precision']);
  expect(refused.stderr).toContain('the embedded engine computes in f32 only');
  expect(refused.code).toBe(3);
  if (!nativeUnderTest) return;
  const { code, stdout, stderr } = await desk.ztrainc([...words, `--engine=${engine}`, '--force-precision']);
  expect(stderr).not.toContain('error');
  expect(stdout).toMatch(/^1 kill, 45 steps: the last checkpoints are equal byte for byte/);
  expect(code).toBe(0);
}, 240_000);

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
  const found = await differencesOf(one ?? '', other ?? '');
  expect(found).toEqual([
    expect.stringMatching(/^model\.safetensors of step-00000045 differs from byte \d+ on$/),
    expect.stringMatching(/^optimizer\.safetensors of step-00000045 differs/),
    'state.json of step-00000045 differs',
    expect.stringMatching(/^line 1 of metrics\.jsonl is .* in one and .* in the other$/),
  ]);
  expect(await differencesOf(one ?? '', one ?? '')).toEqual([]);
}, 120_000);

test('checkpoints of one file, and a way that the spec names, which stays', async () => {
  const path = join(desk.folder, 'one-file.ztrain');
  const text = readFileSync(join(desk.folder, 'digits.ztrain'), 'utf8')
    .replace('addon checkpoint { ', 'addon checkpoint { format = "ckpt" ')
    .replace(
      /trainer DigitsTrainer \{[^}]*\}/,
      'trainer DigitsTrainer { epochs = 2 seed = 1 compile = "eager" }',
    );
  writeFileSync(path, text);
  const words = ['verify-resume', 'one-file.ztrain', '--kills=1', `--engine=${engine}`, '--out=kept'];
  const { code, stdout, stderr } = await desk.ztrainc(words);
  expect(stderr).not.toContain('error');
  expect(stdout).toContain('1 kill, 90 steps: the last checkpoints are equal byte for byte');
  expect(code).toBe(0);
  const about = JSON.parse(readFileSync(join(desk.folder, 'kept/undisturbed/run.json'), 'utf8'));
  expect(about.options.compile).toBe('eager');
  expect(about.starts).toHaveLength(1);
  const killed = JSON.parse(readFileSync(join(desk.folder, 'kept/killed/run.json'), 'utf8'));
  expect(killed.starts.length).toBeGreaterThanOrEqual(2);

  const { differencesOf } = await import('../../src/cli/compare-runs.js');
  const train = ['run', 'one-file.ztrain', 'trainer.epochs=2', 'trainer.seed=2', `--engine=${engine}`];
  await desk.ztrainc([...train, '--run-dir=other-file']);
  const [one, other] = ['kept/undisturbed', 'other-file'].map((name) => join(desk.folder, name));
  expect(await differencesOf(one ?? '', other ?? '')).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^tensor \S+ of step-00000090\.ckpt differs from byte \d+ on$/),
    ]),
  );
}, 240_000);

test('what has the name of what a clock says is compared where no clock says it', async () => {
  const { differencesOf } = await import('../../src/cli/compare-runs.js');
  const words = ['run', 'digits.ztrain', 'trainer.epochs=1', `--engine=${engine}`, '--run-dir=named'];
  expect((await desk.ztrainc(words)).code).toBe(0);
  const named = join(desk.folder, 'named');
  const copied = join(desk.folder, 'renamed');
  const lines = readFileSync(join(named, 'metrics.jsonl'), 'utf8');
  const withLines = async (change: (line: string) => string): Promise<readonly string[]> => {
    rmSync(copied, { recursive: true, force: true });
    cpSync(named, copied, { recursive: true });
    writeFileSync(join(copied, 'metrics.jsonl'), lines.split('\n').map(change).join('\n'));
    return differencesOf(named, copied);
  };
  expect(await withLines((line) => line.replace(/"wall":[^,}]*/, '"wall":9'))).toEqual([]);
  for (const name of ['seconds', 'lock', 'files', 'compile', 'saved'])
    expect(await withLines((line) => line.replace(/}$/, `,"${name}":1}`))).toHaveLength(1);
}, 240_000);

test.each([
  [['nowhere.ztrain'], 2, /^error: cannot read nowhere\.ztrain: /],
  [['digits.ztrain', 'trainer.epoch=2'], 2, /^error: .*did you mean epochs\?\n$/],
  [['digits.ztrain', '--kills=0'], 2, /^error: --kills takes a whole number/],
  [['light.ztrain'], 1, /^error\[ZT4211\]: [^]* light\.ztrain:\d+:\d+\n[^]*weights_only = true/],
] as const)('%j is told as it is', async (words, code, message) => {
  const ended = await desk.ztrainc(['verify-resume', ...words]);
  expect(ended.stderr).toMatch(message);
  expect(ended.code).toBe(code);
});

// One of the two saves the last step by the step's last hook, the other at the run's end.
test('two runs are equal where one of them saves its last step anyway', async () => {
  const { comparable } = await import('../../src/cli/compare-runs.js');
  const text = readFileSync(join(desk.folder, 'digits.ztrain'), 'utf8');
  const unsaved = text.replace(/^addon checkpoint .*$/m, '');
  expect(unsaved).not.toBe(text);
  writeFileSync(join(desk.folder, 'unsaved.ztrain'), unsaved);
  const words = ['trainer.epochs=1', '--kills=1', '--every=15', `--engine=${engine}`, '--out=even'];
  const { code, stdout, stderr } = await desk.ztrainc(['verify-resume', 'unsaved.ztrain', ...words]);
  expect(stderr).not.toContain('differs');
  expect(stdout).toContain('1 kill, 45 steps: the last checkpoints are equal byte for byte');
  expect(code).toBe(0);

  const [one = '', other = ''] = ['undisturbed', 'killed'].map((name) =>
    readFileSync(join(desk.folder, 'even', name, 'checkpoints/step-00000045/state.json'), 'utf8'),
  );
  expect([JSON.parse(one).loop.left, JSON.parse(other).loop.left]).toEqual([null, 'settled']);
  expect(comparable(other)).toBe(comparable(one));
  // Of a step in which more is left to be done, how far it has got is compared.
  const half = other.replace('"settled"', '"stepEnd"');
  expect(JSON.parse(half).loop.left).toBe('stepEnd');
  expect(comparable(half)).not.toBe(comparable(other));
}, 240_000);
