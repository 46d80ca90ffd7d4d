/** Workers make the data of a trainer anew, of its params alone: where that is another than the trainer's own, it is refused. */
import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { bundledTrainer } from './bundled-program.js';
import { batchInWorker } from './other-data-program.js';
import type { Own } from './other-data-trainer.js';

let program: string;
beforeAll(async () => {
  program = await bundledTrainer('other-data-program');
}, 60_000);

const told = async (given: Partial<Own>): Promise<string> =>
  (await promisify(execFile)(process.execPath, [program, JSON.stringify(given)])).stdout;

test('the same data is made there', async () => {
  expect(await told({})).toBe('6 0 8 0 10 0');
});

test.each<readonly [string, Partial<Own>, string]>([
  ['another number of rows', { rows: 7 }, 'its source has 6 rows there, and 7 here'],
  ['other options of the source', { from: 1 }, 'what its source is given is another there'],
  ['another function', { isHalved: true }, 'the code of its functions is another there'],
])('%s is refused', async (_, given, difference) => {
  const text = await told(given);
  expect(text).toMatch(/data 'counted' is not the same in .*other-data-program.*, which workers import/);
  expect(text).toContain(`(${difference}); make it of the trainer's params alone`);
});

test('a module that is compiled in another way has other texts of the same functions', async () => {
  expect(await batchInWorker({}, pathToFileURL(program).href)).toEqual([6, 0, 8, 0, 10, 0]);
});
