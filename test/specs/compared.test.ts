/** Every spec that is shipped is among those whose steps and whole runs are compared on both engines. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { specsFolder } from './run-spec.js';
import { shipped, trainers } from '../native/example-trainers.js';

test('each shipped trainer is compared', () => {
  const there = readdirSync(specsFolder)
    .filter((file) => file.endsWith('.ztrain'))
    .filter((file) => /^trainer /m.test(readFileSync(join(specsFolder, file), 'utf8')))
    .map((file) => basename(file, '.ztrain'));
  expect(there.length).toBeGreaterThanOrEqual(10);
  expect(Object.keys(shipped).sort()).toEqual(there.sort());
  expect(Object.keys(trainers)).toEqual(expect.arrayContaining(there));
});
