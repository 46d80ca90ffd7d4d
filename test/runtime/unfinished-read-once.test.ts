/** A `run.json` that is replaced while runs are looked for: what was read first counts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { endedBy, unfinishedIn } from '../../src/runtime/trainer/resume.js';
import { killed } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';

/** Folders whose `run.json` is damaged as soon as it was read. */
const torn = vi.hoisted(() => new Set<string>());

vi.mock(import('../../src/runtime/run/about-run.js'), async (original) => {
  const real = await original();
  return {
    ...real,
    aboutRun: async (folder) => {
      const about = await real.aboutRun(folder);
      if (torn.has(folder)) writeFileSync(join(folder, 'run.json'), '{');
      return about;
    },
  };
});

workInFolder('read-once');

test('a run that was left is found by one reading of its run.json', async () => {
  const runs = join('runs', 'LineTrainer');
  const folder = join(runs, '20260101-000000-left');
  await killed(folder);
  torn.add(folder);
  const said: string[] = [];
  const point = await unfinishedIn(runs, 'LineTrainer', (line) => void said.push(line));
  expect(point?.checkpoint.step).toBe(8);
  expect(said).toEqual([]);
  // And now it is damaged.
  expect(await unfinishedIn(runs, 'LineTrainer', (line) => void said.push(line))).toBeNull();
  expect(said).toEqual([expect.stringContaining('run.json is damaged')]);
  expect(await endedBy(folder)).toBeNull();
});
