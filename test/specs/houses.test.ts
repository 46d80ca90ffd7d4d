/** A table with gaps, from its file to its predictions: what is measured and trained is of what the file holds. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastCheckpoint, openWorkplace, type Workplace } from './run-spec.js';

const oceans = ['INLAND', 'NEAR BAY', 'NEAR OCEAN', 'ISLAND'];

/** Houses whose price follows from what is known of them; every third lacks its age, which then adds nothing. */
const houses = Array.from({ length: 600 }, (_, row) => {
  const income = 1 + ((row * 37) % 100) / 10;
  const rooms = 1 + ((row * 13) % 7);
  const age = row % 3 === 0 ? null : (row * 7) % 50;
  const ocean = (row * 5 + Math.floor(row / 4)) % 4;
  const logPrice = 10 + 0.12 * income + 0.3 * Math.log(rooms) + (age ?? 0) * 0.01 + ocean * 0.15;
  return { income, rooms, age, ocean: oceans[ocean] ?? '', price: Math.exp(logPrice) };
});

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  const spec = fileURLToPath(new URL('fixtures/houses.ztrain', import.meta.url));
  cpSync(spec, join(place.folder, 'houses.ztrain'));
  mkdirSync(join(place.folder, 'data'), { recursive: true });
  const lines = houses.map(({ income, rooms, age, ocean, price }) =>
    [income, rooms, age ?? '', ocean, price].join(','),
  );
  const head = 'median income,rooms,age,ocean,median house value';
  writeFileSync(join(place.folder, 'data', 'houses.csv'), [head, ...lines, ''].join('\n'));
});
afterAll(() => place.remove());

test('houses with gaps: learned, measured without them, predicted for each row', async () => {
  const program = await place.build('houses');
  const run = await place.train(program, 'houses', ['train_set.batch=32', 'trainer.epochs=40']);
  // Prices lie 0.45 apart in their logarithm; a network that could not tell a gap from an age of 0 is above 0.1.
  expect(run.best.get('validate.rmse')).toBeLessThan(0.1);
  const out = join(place.folder, 'prices.csv');
  await place.call(program, ['predict', '--from', lastCheckpoint(run)]);
  const [head, ...rows] = readFileSync(out, 'utf8').trim().split('\n');
  expect(head).toBe('price');
  expect(rows).toHaveLength(60);
  expect(rows.map(Number).every((price) => price > 1e4 && price < 1e6)).toBe(true);
}, 180_000);
