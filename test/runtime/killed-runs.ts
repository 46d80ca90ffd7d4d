/** Runs of a tiny trainer in the current folder, as a command line makes them, and as a kill leaves them. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { main, type MainIo } from '../../src/runtime/main.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import type { TrainerClass } from '../../src/runtime/trainer/trainer.js';
import { metricsLines } from './metrics-lines.js';
import { LineTrainer } from './tiny-trainer.js';

/** Saves each second step; 15 steps in all. */
export class Saving extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(2), keep: 20, best: addons.min('validate.loss') })];
  }
}

export async function run(
  argv: readonly string[],
  trainer: TrainerClass = Saving,
  more: Partial<MainIo> = {},
) {
  const said: string[] = [];
  const io: Partial<MainIo> = {
    stdout: { write: (text) => said.push(text) },
    stderr: { write: (text: string) => said.push(text) },
    environment: {},
    onSignal: () => () => undefined,
    called: './line.mjs',
    ...more,
  };
  const code = await main(trainer, argv, io);
  return { code, text: said.join('') };
}

export const checkpoints = (name: string): readonly string[] =>
  readdirSync(join(name, 'checkpoints'))
    .filter((each) => /^(?:step|aside)-/.test(each))
    .sort();

/** Its `run.json` as a kill leaves it. */
export function unsaid(name: string): void {
  const path = join(name, 'run.json');
  const text = readFileSync(path, 'utf8');
  // In the whole and in its start.
  const open = JSON.parse(text, (key, value: unknown) =>
    key === 'reason' || key === 'ended' ? null : value,
  );
  writeFileSync(path, JSON.stringify(open));
}

/** A run of 15 steps as it was when it was killed after step 8. */
export async function killed(
  name: string,
  words: readonly string[] = [],
  trainer: TrainerClass = Saving,
): Promise<void> {
  expect((await run([`--run-dir=${name}`, ...words], trainer)).code).toBe(0);
  for (const each of checkpoints(name))
    if (each > 'step-00000008') rmSync(join(name, 'checkpoints', each), { recursive: true });
  writeFileSync(join(name, 'checkpoints', 'last'), 'step-00000008\n');
  writeFileSync(join(name, 'checkpoints', 'best'), 'step-00000005\n');
  rmSync(join(name, 'summary.json'));
  unsaid(name);
}

/** Every file below a folder, with a digest of what it holds. */
export const filesIn = (name: string): readonly string[] =>
  readdirSync(name, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`);

/** Whether a run has come to what another has: lines of metrics, the last checkpoint, the bytes of its tensors. */
export function expectSameEnd(name: string, whole: string): void {
  expect(metricsLines(name)).toEqual(metricsLines(whole));
  const last = checkpoints(whole).at(-1) ?? '';
  expect(checkpoints(name).at(-1)).toBe(last);
  for (const file of ['model.safetensors', 'optimizer.safetensors']) {
    const bytes = (of: string): Buffer => readFileSync(join(of, 'checkpoints', last, file));
    expect(bytes(name).equals(bytes(whole))).toBe(true);
  }
}
