/** Runs and sweeps that this process cannot write, as another user's: `--resume auto` names them and passes over. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { isFree } from '../../src/runtime/checkpoint/lock.js';
import { RunError } from '../../src/runtime/run/run-error.js';
import { setAsideUnused, unfinishedSweepIn } from '../../src/runtime/run/sweep-folder.js';
import * as units from '../../src/values/units.js';
import { filesIn, killed, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

/** What the system says where a folder is to be made, by what its path has in it. */
const refused = vi.hoisted(() => new Map<string, string>());

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const mkdirSync = (path: string, options: object): unknown => {
    for (const [part, code] of refused)
      if (path.includes(part)) throw Object.assign(new Error(`${code}: refused, mkdir '${path}'`), { code });
    return real.mkdirSync(path, options);
  };
  return { ...real, mkdirSync };
});

workInFolder('unwritable-runs');

const runs = 'runs/LineTrainer';
const [older, newer] = [join(runs, '29990101-000000-aaaa'), join(runs, '29990102-000000-bbbb')];

beforeAll(() => killed('left'));
beforeEach(() => {
  refused.clear();
  rmSync('runs', { recursive: true, force: true });
  for (const folder of [older, newer]) cpSync('left', folder, { recursive: true });
});

class Always extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [
      addons.checkpoint({
        every: units.steps(2),
        keep: 20,
        best: addons.min('validate.loss'),
        resume: 'auto',
      }),
    ];
  }
}

describe.each([
  ['EACCES', 'no permission'],
  ['EPERM', 'not permitted'],
  ['EROFS', 'the file system is read-only'],
])('a run that cannot be written (%s)', (code, why) => {
  test('is named and passed over, by the command line and by the spec', async () => {
    for (const [words, trainer] of [
      [['--resume=auto'], undefined],
      [[], Always],
    ] as const) {
      rmSync(older, { recursive: true });
      cpSync('left', older, { recursive: true });
      refused.set(newer, code);
      const files = filesIn(newer);
      const ended = await run(words, trainer);
      expect(ended.text).toContain(
        `passed over: ${newer}, which has not finished: cannot write to ${newer}: ${why}; choose a copy of it that can be written\n`,
      );
      expect(ended.text).toContain(`goes on after step 8, from ${older}/checkpoints/step-00000008`);
      expect(ended.code).toBe(0);
      expect(filesIn(newer)).toEqual(files);
    }
  });

  test('is refused in a sentence where it is named', async () => {
    refused.set(newer, code);
    for (const words of [[`--resume=${newer}`], [`--run-dir=${newer}`, '--resume=auto']]) {
      const ended = await run(words);
      expect(ended.text).toContain(`error: cannot use`);
      expect(ended.text).toContain(`${why}; choose a copy of it that can be written\n`);
      expect(ended.text).not.toContain('    at ');
      expect(ended.code).toBe(3);
    }
  });
});

test('a full disk is no matter of one run: it is told, and no older run is taken', async () => {
  refused.set(newer, 'ENOSPC');
  const { code, text } = await run(['--resume=auto']);
  expect(text).toContain(
    `error: cannot write to ${newer}: the disk is full; free some space, or choose a copy of it that can be written\n`,
  );
  expect(text).not.toContain('    at ');
  expect(code).toBe(3);
});

test('a run that is removed just now is nothing to go on with', () => {
  refused.set('gone', 'ENOENT');
  mkdirSync('there');
  expect(isFree('gone', (line) => expect.unreachable(line))).toBe(false);
  expect(isFree('there', (line) => expect.unreachable(line))).toBe(true);
});

test('sweeps: one is passed over, a full disk is told', async () => {
  for (const name of ['a', 'b']) {
    mkdirSync(join('sweeps', name), { recursive: true });
    writeFileSync(join('sweeps', name, 'sweep.json'), '{"ended": false}');
  }
  const said: string[] = [];
  refused.set('sweeps/b', 'EROFS');
  expect(await unfinishedSweepIn('sweeps', (line) => said.push(line))).toBe('sweeps/a');
  expect(said).toEqual([
    'passed over: sweeps/b, which has not finished: cannot write to sweeps/b: the file system is read-only; choose a copy of it that can be written',
  ]);
  refused.set('sweeps/b', 'EDQUOT');
  const full = unfinishedSweepIn('sweeps', () => undefined);
  await expect(full).rejects.toThrow(/^cannot write to sweeps\/b: the disk quota is used up/);
  await expect(full).rejects.toBeInstanceOf(RunError);
});

test('what is to be put aside and cannot be moved is named', async () => {
  refused.set(older, 'EACCES');
  await expect(setAsideUnused(older)).rejects.toThrow(
    `cannot keep what is in ${older} beside it: no permission; choose another --run-dir`,
  );
});
