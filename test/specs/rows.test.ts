/** A recurrent net and mixed rows, from the spec to its accuracy. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { lastWeights, openWorkplace, type Workplace } from './run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  const spec = fileURLToPath(new URL('fixtures/rows.ztrain', import.meta.url));
  cpSync(spec, join(place.folder, 'rows.ztrain'));
});
afterAll(() => place.remove());

test('digits are read row by row, in both directions, with masks and mixed rows', async () => {
  const run = await place.train(await place.build('rows'), 'rows', []);
  expect(run.best.get('validate.accuracy')).toBeGreaterThan(0.93);
  const shapes = [...readSafetensors(lastWeights(run)).tensors].map(([name, { shape }]) => [name, shape]);
  expect(Object.fromEntries(shapes)).toEqual({
    'Reader.first.forward.weight': [8, 64],
    'Reader.first.forward.recurrent': [16, 64],
    'Reader.first.forward.bias': [64],
    'Reader.first.backward.weight': [8, 64],
    'Reader.first.backward.recurrent': [16, 64],
    'Reader.first.backward.bias': [64],
    'Reader.second.weight': [32, 72],
    'Reader.second.recurrent': [24, 72],
    'Reader.second.bias': [2, 72],
    'Reader.head.weight': [24, 10],
    'Reader.head.bias': [10],
  });
}, 180_000);
