/** Every spec that is shipped is among those whose steps are compared on both engines. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { specsFolder } from './run-spec.js';
import { trainers } from '../native/example-trainers.js';

/** Its rows are made while it trains, by an environment: no made-up rows stand in for them. */
const live: ReadonlySet<string> = new Set(['ppo']);

test('each shipped trainer is compared', () => {
  const shipped = readdirSync(specsFolder)
    .filter((file) => file.endsWith('.ztrain'))
    .filter((file) => /^trainer /m.test(readFileSync(join(specsFolder, file), 'utf8')))
    .map((file) => basename(file, '.ztrain'))
    .filter((name) => !live.has(name));
  expect(shipped.length).toBeGreaterThanOrEqual(8);
  expect(Object.keys(trainers)).toEqual(expect.arrayContaining(shipped));
});
