/** Links in the places of a run's files are never followed, and what cannot be removed yet ends no run. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import type * as fs from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { sweepTemporaries, writeNew } from '../../src/runtime/checkpoint/files.js';
import { findCheckpoint, openCheckpoint } from '../../src/runtime/checkpoint/read.js';
import { deleteCheckpoint, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { openRunFolder } from '../../src/runtime/run/folder.js';
import { contents, layouts } from './checkpoint-contents.js';
import { killed, run } from './killed-runs.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, rm: vi.fn(real.rm) };
});

const root = mkdtempSync(join(tmpdir(), 'ztrain-links-'));
let before = '';
beforeAll(() => {
  before = process.cwd();
  process.chdir(root);
});
afterAll(() => {
  process.chdir(before);
  rmSync(root, { recursive: true, force: true });
});

test.each(['metrics.jsonl', 'console.log'])(
  'a run does not go on over a link in the place of %s',
  async (name) => {
    const folder = `over-${name}`;
    await killed(folder);
    const whole = readFileSync(join(folder, name));
    const victim = `victim-${name}`;
    renameSync(join(folder, name), victim);
    symlinkSync(join(root, victim), join(folder, name));
    const { code, text } = await run(['--resume', folder]);
    expect(code).toBe(3);
    expect(text).toContain('a link stands there; choose a copy of it that can be written');
    expect(readFileSync(victim).equals(whole)).toBe(true);
    // Nor over a pipe, for whose reader it would wait.
    rmSync(join(folder, name));
    execFileSync('mkfifo', [join(folder, name)]);
    const piped = await run(['--resume', folder]);
    expect(piped.code).toBe(3);
    expect(piped.text).toMatch(/is no regular file|ENXIO/);
    rmSync(join(folder, name));
    renameSync(victim, join(folder, name));
    expect((await run(['--resume', folder])).code).toBe(0);
  },
);

test('a new run has its own files', async () => {
  mkdirSync('new');
  writeFileSync('victim-of-new', 'untouched');
  symlinkSync(join(root, 'victim-of-new'), 'new/console.log');
  await expect(openRunFolder(join(root, 'new'))).rejects.toThrow('holds other files (console.log)');
  expect(readFileSync('victim-of-new', 'utf8')).toBe('untouched');
});

test('a checkpoint that is a link is none, whoever names it', async () => {
  await killed('linked');
  renameSync('linked/checkpoints/step-00000008', 'elsewhere');
  symlinkSync(join(root, 'elsewhere'), 'linked/checkpoints/step-00000008');
  for (const path of ['linked/checkpoints/step-00000008', 'linked/checkpoints/step-00000008/']) {
    await expect(openCheckpoint(path)).rejects.toThrow('it is a link; give the path of what it leads to');
    await expect(findCheckpoint(path)).rejects.toThrow('it is a link');
    const { code, text } = await run(['--resume', path]);
    expect(code).toBe(3);
    expect(text).toContain('it is a link; give the path of what it leads to');
  }
  // A name of one's own is one's own.
  symlinkSync(join(root, 'elsewhere'), 'my-favourite');
  expect((await findCheckpoint('my-favourite')).step).toBe(8);
  const { text } = await run(['--resume', 'linked']);
  expect(text).toContain('goes on after step 6');
});

test('a checkpoint that was taken out of its run says what to do with it', async () => {
  await killed('source');
  mkdirSync('copied/checkpoints', { recursive: true });
  for (const [from, to] of [
    ['source/checkpoints/step-00000004', 'step-00000004'],
    ['source/checkpoints/step-00000006', 'copied/checkpoints/step-00000006'],
  ] as const) {
    renameSync(from, to);
    const { code, text } = await run(['--resume', to]);
    expect(code).toBe(3);
    expect(text).toBe(
      `error: ${to} is not among the checkpoints of its run, and a run goes on in its own folder; put it back there, or begin a new run from its weights by the add-on pretrained\n`,
    );
    expect((await findCheckpoint(to)).folder).toContain(to);
  }
});

describe('at the name of a temporary', () => {
  const name = 'file.tmp-1073741824-00000000aa';

  test('a link is not written through, and swept as a link', async () => {
    const folder = join(root, 'temporary');
    mkdirSync(folder);
    writeFileSync('victim-of-temporary', 'untouched');
    mkdirSync('victims');
    writeFileSync('victims/one', 'untouched');
    for (const victim of ['victim-of-temporary', 'victims', 'nowhere']) {
      symlinkSync(join(root, victim), join(folder, name));
      await expect(writeNew(join(folder, name), [Uint8Array.of(1)])).rejects.toThrow('EEXIST');
      await sweepTemporaries(folder);
      expect(readdirSync(folder)).toEqual([]);
    }
    expect(existsSync('nowhere')).toBe(false);
    expect(readFileSync('victim-of-temporary', 'utf8')).toBe('untouched');
    expect(readFileSync('victims/one', 'utf8')).toBe('untouched');
    // A second name of a file goes, the file stays.
    linkSync('victim-of-temporary', join(folder, name));
    await sweepTemporaries(folder);
    expect(readFileSync('victim-of-temporary', 'utf8')).toBe('untouched');
  });
});

describe.each(layouts)('in the layout %s', (layout) => {
  test('what cannot be removed yet ends nothing, and the next save tries again', async () => {
    const folder = join(root, `stays-${layout}`);
    const first = await writeCheckpoint(folder, contents(1, layout));
    await writeCheckpoint(folder, contents(2, layout));
    // As a disk answers where a reader has a file open.
    vi.mocked(rm).mockRejectedValueOnce(Object.assign(new Error('ENOTEMPTY'), { code: 'ENOTEMPTY' }));
    await expect(deleteCheckpoint(first)).resolves.toBeUndefined();
    const left = readdirSync(folder).filter((name) => name.includes('.tmp-'));
    expect(left).toHaveLength(1);
    expect(existsSync(first)).toBe(false);
    await writeCheckpoint(folder, contents(3, layout));
    expect(readdirSync(folder).filter((name) => name.includes('.tmp-'))).toEqual([]);
    // Nor does what cannot be cleared away hide why a save failed, or undo one that did not.
    vi.mocked(rm).mockRejectedValue(Object.assign(new Error('EBUSY'), { code: 'EBUSY' }));
    await expect(
      writeCheckpoint(folder, { ...contents(4, layout), state: { deep: deep() } }),
    ).rejects.toThrow('nested more than 64 deep');
    await expect(writeCheckpoint(folder, contents(5, layout))).resolves.toContain('step-00000005');
    const { rm: real } = await vi.importActual<typeof fs>('node:fs/promises');
    vi.mocked(rm).mockImplementation(real);
    await writeCheckpoint(folder, contents(6, layout));
    expect(readdirSync(folder).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });
});

/** More levels than a reader takes. */
function deep(): readonly (readonly unknown[])[] & [] {
  let all: unknown = [];
  for (let level = 0; level < 70; level += 1) all = [all];
  return all as [];
}
