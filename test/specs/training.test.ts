/** Each shipped spec learns what it says: compiled, bundled and run as a program, on sizes that take seconds. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lastCheckpoint, lastWeights, openWorkplace, type Workplace } from './run-spec.js';
import { writeStripes } from './striped-images.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  writeStripes(join(place.folder, 'stripes'), { train: 960, test: 200 });
  // Where Fashion-MNIST is installed differs from machine to machine; the tests bring their own images.
  for (const spec of ['fashion', 'dcgan']) {
    const path = join(place.folder, `${spec}.ztrain`);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('split = "train"', 'split = "train" root = "stripes"'));
  }
});
afterAll(() => place.remove());

describe('digits', () => {
  test('gets 97 of 100 held-out digits right', async () => {
    const program = await place.build('digits');
    const trained = await place.train(program, 'digits', ['trainer.epochs=8']);
    const { best, metrics } = trained;
    expect(best.get('validate.accuracy')).toBeGreaterThanOrEqual(0.97);
    // What the run said of its last weights is what the executable says of them.
    const from = ['--from', lastCheckpoint(trained)];
    const tested: unknown = JSON.parse(await place.call(program, ['test', ...from, '--json']));
    expect(tested).toEqual({
      'validate.loss': metrics.get('validate.loss'),
      'validate.accuracy': metrics.get('validate.accuracy'),
    });
  }, 120_000);

  test('gives the same bytes for the same seed, and others for another', async () => {
    const program = await place.build('digits');
    const bytes = async (name: string, seed: number): Promise<Buffer> =>
      lastWeights(await place.train(program, name, ['trainer.epochs=2', `trainer.seed=${seed}`]));
    const first = await bytes('seed-a', 5);
    expect((await bytes('seed-b', 5)).equals(first)).toBe(true);
    expect((await bytes('seed-c', 6)).equals(first)).toBe(false);
  }, 120_000);
});

test('averaged ends with an average that is as good as its weights, of layers that began at different times', async () => {
  const { best, metrics } = await place.train(await place.build('averaged'), 'averaged', [
    'trainer.epochs=8',
  ]);
  expect(best.get('validate.smooth.accuracy')).toBeGreaterThanOrEqual(0.96);
  expect(metrics.get('validate.plain.accuracy')).toBeGreaterThanOrEqual(0.96);
}, 120_000);

test('iris tells 9 of 10 flowers apart', async () => {
  const { metrics, best } = await place.train(await place.build('iris'), 'iris', []);
  expect(metrics.get('validate.accuracy')).toBeGreaterThanOrEqual(0.9);
  expect(metrics.get('validate.f1')).toBeGreaterThanOrEqual(0.9);
  expect(best.get('validate.loss')).toBeLessThan(0.3);
}, 120_000);

test('folds tells 9 of 10 held-out flowers apart, by the mean over five folds', async () => {
  const program = await place.build('folds');
  const words = ['lr=0.1', 'units=8', '--run-dir', 'folds'];
  await place.call(program, words);
  const sweep: unknown = JSON.parse(readFileSync(join(place.folder, 'folds', 'sweep.json'), 'utf8'));
  expect(sweep).toMatchObject({
    points: [{ runs: [0, 1, 2, 3, 4].map((fold) => ({ settings: { fold }, state: 'finished' })) }],
    picked: { point: 1 },
  });
  expect(sweep).toHaveProperty(
    ['points', 0, 'metrics', 'validate.accuracy', 'mean'],
    expect.toSatisfy((mean: number) => mean >= 0.9),
  );
}, 120_000);

test('mpg explains 85 % of the variance, tests its best weights and writes its guesses', async () => {
  const program = await place.build('mpg');
  const { best, records, folder } = await place.train(program, 'mpg', []);
  const r2 = records.filter(({ stage }) => stage === 'validate').map((record) => Number(record['r2']));
  expect(Math.max(...r2)).toBeGreaterThanOrEqual(0.85);
  expect(best.get('validate.rmse')).toBeLessThan(3.2);
  const tested: unknown = JSON.parse(await place.call(program, ['test', '--from', folder, '--json']));
  expect(tested).toMatchObject({ 'test.rmse': best.get('validate.rmse') });
  await place.call(program, ['predict', '--from', folder]);
  const [header, ...rows] = readFileSync(join(place.folder, 'predictions.csv'), 'utf8').trim().split('\n');
  expect(header).toBe('guess,mpg');
  const errors = rows
    .map((row) => row.split(',').map(Number))
    .map(([guess = 0, mpg = 0]) => (guess - mpg) ** 2);
  expect(errors).toHaveLength(78);
  expect(Math.sqrt(errors.reduce((sum, each) => sum + each, 0) / 78)).toBeCloseTo(
    best.get('validate.rmse') ?? Number.NaN,
    3,
  );
}, 120_000);

test('fashion learns ten textures', async () => {
  const { metrics } = await place.train(await place.build('fashion'), 'fashion', [
    'width=8',
    'batch_size=16',
    'trainer.epochs=4',
  ]);
  expect(metrics.get('validate.accuracy')).toBeGreaterThanOrEqual(0.8);
  expect(metrics.get('validate.f1')).toBeGreaterThanOrEqual(0.8);
  expect(metrics.get('validate.top2')).toBeGreaterThanOrEqual(metrics.get('validate.accuracy') ?? 1);
}, 120_000);

test('dcgan changes both networks and shows what it draws', async () => {
  const program = await place.build('dcgan');
  const words = ['width=8', 'latent=8', 'reals.batch=80'];
  const short = await place.train(program, 'dcgan-1', [
    ...words,
    'trainer.steps=1',
    'trainer.log_every=1.steps',
  ]);
  const long = await place.train(program, 'dcgan-12', [
    ...words,
    'trainer.steps=12',
    'trainer.log_every=4.steps',
  ]);
  const losses = long.records.filter(({ stage }) => stage === 'train');
  expect(losses.length).toBeGreaterThanOrEqual(3);
  for (const record of losses) {
    for (const name of ['opt_d_loss', 'opt_g_loss']) expect(record[name], name).toSatisfy(Number.isFinite);
  }
  const [before, after] = [short, long].map((run) => tensorsOf(lastWeights(run)));
  for (const [name, values] of before ?? []) expect(after?.get(name)?.equals(values), name).toBe(false);
  expect([...(before?.keys() ?? [])].some((name) => name.startsWith('Generator.'))).toBe(true);
  expect([...(before?.keys() ?? [])].some((name) => name.startsWith('Discriminator.'))).toBe(true);
  const images = readdirSync(long.folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.png'),
  );
  expect(images).toHaveLength(1);
  const png = PNG.sync.read(readFileSync(join(long.folder, images[0] ?? '')));
  expect(png.width).toBeGreaterThanOrEqual(8 * 28);
  expect(new Set(png.data).size).toBeGreaterThan(10);
}, 120_000);

test('gpt learns to guess the next byte far better than chance', async () => {
  const program = await place.build('gpt');
  const { metrics, folder } = await place.train(program, 'gpt', [
    ...['depth=1', 'width=32', 'n_head=2', 'context=32', 'batch_size=16', 'lr=1e-2'],
    ...['trainer.steps=220', 'checkpoint.every=200.steps'],
  ]);
  // A guess among 256 bytes has ln(256) = 5.55; letter frequencies alone give about 3.
  expect(metrics.get('validate.loss')).toBeLessThan(2.9);
  expect(metrics.get('validate.perplexity')).toBeCloseTo(Math.exp(metrics.get('validate.loss') ?? 0), 6);
  // It writes on from what a window starts with; at a low temperature, the likeliest letters alone.
  const words = ['predict', '--from', folder, '--json', '--dev-run=4', 'prompt=24', 'temperature=0.2'];
  const lines = (await place.call(program, words)).trim().split('\n');
  const [first, again] = [lines, (await place.call(program, words)).trim().split('\n')];
  expect(again).toEqual(first);
  const bytes = lines.map((line): readonly number[] => Object(JSON.parse(line)).bytes);
  expect(new Set(bytes.map((row) => row.length))).toEqual(new Set([32]));
  const written = bytes.flatMap((row) => row.slice(24));
  const letters = written.filter((byte) => byte === 32 || (byte >= 97 && byte <= 122));
  expect(letters.length / written.length).toBeGreaterThan(0.8);
}, 120_000);

/** The bytes of each tensor of a safetensors file. */
function tensorsOf(file: Buffer): ReadonlyMap<string, Buffer> {
  const length = Number(file.readBigUInt64LE(0));
  const header: unknown = JSON.parse(file.subarray(8, 8 + length).toString('utf8'));
  return new Map(
    Object.entries(Object(header)).flatMap(([name, entry]): [string, Buffer][] => {
      const offsets: unknown = Object(entry).data_offsets;
      if (!Array.isArray(offsets)) return [];
      const [from, to] = offsets.map(Number);
      return [[name, file.subarray(8 + length + (from ?? 0), 8 + length + (to ?? 0))]];
    }),
  );
}

test('ppo balances a pole to the end of an episode, from games that it plays meanwhile', async () => {
  const trained = await place.train(await place.build('ppo'), 'ppo', []);
  const returns = trained.records.flatMap(({ stage, episode_return: found }) =>
    stage === 'train' && typeof found === 'number' ? [found] : [],
  );
  // At first the pole falls within a second; 500 is an episode that was not cut short.
  expect(returns[0]).toBeLessThan(60);
  expect(trained.best.get('train.episode_return')).toBe(500);
  const late = returns.slice(-20);
  expect(late.reduce((sum, each) => sum + each, 0) / late.length).toBeGreaterThan(300);
}, 600_000);
