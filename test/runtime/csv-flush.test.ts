/** `csv_log` has its lines on the disk before a checkpoint counts on them. */
import type * as fs from 'node:fs';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import { LineTrainer } from './tiny-trainer.js';

/** Lengths of files that were flushed, by the ends of their paths. */
const flushed: (readonly [string, number])[] = [];
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const paths = new Map<number, string>();
  const openSync = (...given: Parameters<typeof fs.openSync>): number => {
    const file = real.openSync(...given);
    paths.set(file, String(given[0]));
    return file;
  };
  const fsyncSync = (file: number): void => {
    flushed.push([paths.get(file) ?? '', real.fstatSync(file).size]);
    real.fsyncSync(file);
  };
  return { ...real, openSync, fsyncSync };
});

class Logging extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(4) }), addons.csvLog()];
  }
}

test('at each checkpoint, all that was logged until then', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'ztrain-csv-'));
  await new Logging({ options: { epochs: 3, progress: 'none' } }).fit({ runDir });
  const file = join(runDir, 'logs', 'metrics.csv');
  const lengths = flushed.flatMap(([path, size]) => (path === file ? [size] : []));
  // After steps 4, 8, 12 and at the end, and at no line between them.
  expect(lengths).toHaveLength(4);
  expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
  expect(lengths.at(-1)).toBe(readFileSync(file).length);
  // And the file's own entry, before the first checkpoint that counts on it.
  const folders = flushed.map(([path]) => path).filter((path) => path === file || path === dirname(file));
  expect(folders.slice(0, 2)).toEqual([file, dirname(file)]);
  rmSync(runDir, { recursive: true });
});
