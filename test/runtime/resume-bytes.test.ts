/** What a run that was killed and went on has in its last checkpoint, beside one that never stopped: every byte, those of its state too. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differencesOf } from '../../src/cli/compare-runs.js';
import { checkpoints, run, unsaid } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';

workInFolder('resume-bytes');

// The last batch of an epoch is a shorter one, of which a step of its own is made.
const words = ['rows=18', 'trainer.epochs=none', 'trainer.steps=9'];

test.each([5, 6, 8])('gone on from step %d, in the middle of an epoch or between two', async (from) => {
  const [whole, again] = [`whole-${from}`, `again-${from}`];
  const all = [...words, `checkpoint.every=${from}.steps`];
  expect(await run([`--run-dir=${whole}`, ...all])).toMatchObject({ code: 0 });
  cpSync(whole, again, { recursive: true });
  const name = `step-0000000${from}`;
  for (const each of checkpoints(again))
    if (each > name) rmSync(join(again, 'checkpoints', each), { recursive: true });
  for (const pointer of ['last', 'best']) writeFileSync(join(again, 'checkpoints', pointer), `${name}\n`);
  rmSync(join(again, 'summary.json'));
  unsaid(again);
  expect(await run([`--resume=${again}`, ...all])).toMatchObject({ code: 0 });
  expect(await differencesOf(whole, again)).toEqual([]);
  // Totals are open at the end, with batches of one kind in them: the shorter one was in those of the epoch before.
  const last = join(whole, 'checkpoints', checkpoints(whole).at(-1) ?? '', 'state.json');
  const state: unknown = JSON.parse(readFileSync(last, 'utf8'));
  expect(state).toMatchObject({ loop: { train: { variants: [{ step: 5, micro: 0 }] } } });
});
