/** Models that read figures of the data: they have them in training, after a resume, and from a checkpoint alone. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lastCheckpoint, lastWeights, openWorkplace } from './run-spec.js';

const place = openWorkplace();
afterAll(() => place.remove());

/** A model that brings rows to their scale itself, and one whose rows are brought to it by \`map\`. */
const spec = (name: string, x: string, of: string): string => `
data points = csv -> { x: f32[2], y: f32 } { file = "points.csv" columns = { x: ["a", "b"] } parts = { train: 80.percent, validate: 20.percent } }
data raw = points { part = "train" }
step measure as seen(batch in raw) { metric mu = mean(batch.x, axis = 0) metric sigma = std(batch.x, axis = 0) }
data train_set = raw { batch = 16 shuffle = true map row -> { x: ${x}, y: row.y } }
data val_set = train_set { part = "validate" shuffle = false }
model Net on x: f32[n, 2] -> f32[n] { return ${of} |> dense(1) as head |> squeeze(axis = -1) }
model Smooth = ema(Net, decay = 0.9)
optimizer opt = sgd { of = Net lr = 0.05 }
step train(batch in train_set) { update opt { minimize mean(squared_error(Net(batch.x), batch.y)) } }
step validate(batch in val_set) every 1.epoch { metric mse = mean(squared_error(Net(batch.x), batch.y)) metric smooth = mean(squared_error(Smooth(batch.x), batch.y)) }
step test(batch in val_set) { metric mse = mean(squared_error(Net(batch.x), batch.y)) }
step predict(batch in val_set) { return { y: Net(batch.x), far: Net(batch.x) * sum(seen.mu) } }
trainer ${name} { epochs = 4 seed = 2 sanity = 1.batches }
addon checkpoint { every = 1.epoch keep = 4 }
addon predictions { file = "${name}.csv" }
`;
const rows = Array.from({ length: 120 }, (_, at) => {
  const [a, b] = [3000 + Math.sin(at) * 20, 0.01 * Math.cos(2 * at)];
  return `${a},${b},${(a - 3000) / 20 + 100 * b + 1}`;
});

test('a model with figures learns what it learns of rows that were brought to scale, and keeps them', async () => {
  writeFileSync(join(place.folder, 'points.csv'), `a,b,y\n${rows.join('\n')}\n`);
  const scaled = '(row.x - seen.mu) / seen.sigma';
  writeFileSync(join(place.folder, 'own.ztrain'), spec('Own', 'row.x', '(x - seen.mu) / seen.sigma'));
  writeFileSync(join(place.folder, 'mapped.ztrain'), spec('Mapped', scaled, 'x'));
  const own = await place.build('own');
  const found = await place.train(own, 'own', []);
  const other = await place.train(await place.build('mapped'), 'mapped', []);
  const mse = found.metrics.get('validate.mse') ?? Number.NaN;
  expect(mse).toBeLessThan(0.2);
  expect(mse).toBeCloseTo(other.metrics.get('validate.mse') ?? Number.NaN, 5);
  expect(found.metrics.get('validate.smooth')).toBeCloseTo(
    other.metrics.get('validate.smooth') ?? Number.NaN,
    5,
  );
  expect(lastWeights(found).toString('latin1')).toContain('measured/seen.sigma');

  const cut = await place.train(own, 'cut', ['trainer.epochs=2']);
  await place.call(own, ['trainer.epochs=4', '--resume', lastCheckpoint(cut), '--allow', 'epochs']);
  expect(lastWeights(cut).equals(lastWeights(found))).toBe(true);

  // A checkpoint alone says what the figures are: of these few rows they would be others.
  writeFileSync(join(place.folder, 'points.csv'), `a,b,y\n${rows.slice(0, 30).join('\n')}\n`);
  const checkpoint = lastCheckpoint(found);
  const tested = JSON.stringify(JSON.parse(await place.call(own, ['test', '--from', checkpoint, '--json'])));
  expect(Number(/"test\.mse":([0-9.e-]+)/.exec(tested)?.[1]), tested).toBeLessThan(0.3);
  await place.call(own, ['predict', '--from', checkpoint]);
  const lines = readFileSync(join(place.folder, 'Own.csv'), 'utf8').trim().split('\n').slice(1);
  expect(lines.length).toBe(6);
  for (const line of lines) {
    const [y, far] = line.split(',').map(Number);
    const mu =
      rows.map((row) => Number(row.split(',')[0])).reduce((all, each) => all + each, 0) / rows.length;
    expect((far ?? 0) / (y ?? 1) / mu).toBeCloseTo(1, 2);
  }
}, 180_000);
