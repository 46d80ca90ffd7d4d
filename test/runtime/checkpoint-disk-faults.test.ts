/** Saving where the process is killed and the disk refuses: real kills, a real full disk, calls that fail one after the other. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { findCheckpoint } from '../../src/runtime/checkpoint/read.js';
import { deleteCheckpoint, pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { newestVerified } from './checkpoint-reading.js';
import { bundledProgram } from './bundled-program.js';
import { contents, layouts } from './checkpoint-contents.js';

/** The call that fails, counted from now on, and how; none where it is null. */
const failing = vi.hoisted(() => ({ at: null as number | null, code: 'EIO', calls: 0 }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  const refuse = (what: string): void => {
    failing.calls += 1;
    if (failing.at !== failing.calls) return;
    throw Object.assign(new Error(`${failing.code}: made to fail, ${what}`), { code: failing.code });
  };
  const wrapped =
    <A extends readonly unknown[], R>(name: string, call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      refuse(name);
      return call(...args);
    };
  return {
    ...real,
    mkdir: wrapped('mkdir', real.mkdir),
    rename: wrapped('rename', real.rename),
    link: wrapped('link', real.link),
    open: async (...given: Parameters<typeof real.open>) => {
      refuse('open');
      const file = await real.open(...given);
      return new Proxy(file, {
        get: (target, name) => {
          const own: unknown = Reflect.get(target, name);
          if (typeof own !== 'function') return own;
          return (...args: readonly unknown[]): unknown => {
            if (name === 'write' || name === 'sync') {
              try {
                refuse(name);
              } catch (error) {
                return Promise.reject(error);
              }
            }
            return Reflect.apply(own, target, args);
          };
        },
      });
    },
  };
});

/** How often a process is killed in each layout. CONTRIBUTING says how to kill more. */
const kills = Number(process.env['ZTRAIN_KILLS'] ?? 60);

const root = mkdtempSync(join(tmpdir(), 'ztrain-disk-'));
let program = '';
beforeAll(async () => {
  program = await bundledProgram('save-program');
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(program, { force: true });
});

describe.each(layouts)('in the layout %s', (layout) => {
  test(
    'killed at any time, what was said to be saved is there, and the next save sweeps what was cut off',
    async () => {
      const folder = join(root, `killed-${layout}`, 'checkpoints');
      let leftovers = 0;
      let from = 1;
      for (let round = 0; round < kills; round += 1) {
        const child = spawn(process.execPath, [program, folder, layout, String(from)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let said = '';
        // Some saves are done; then the kill falls anywhere into the next ones.
        child.stdout.on('data', (data: Buffer) => {
          said += data.toString();
          if (said.split('\n').length > 2)
            setTimeout(() => child.kill('SIGKILL'), ((round % 12) + Math.random()) * 3);
        });
        await new Promise((resolve) => child.on('close', resolve));
        const done = Number(said.trimEnd().split('\n').at(-1));
        const { checkpoint, skipped } = await newestVerified(folder);
        expect(skipped).toEqual([]);
        expect(checkpoint?.step).toBeGreaterThanOrEqual(done);
        expect((await findCheckpoint(join(folder, '..'))).step).toBeGreaterThanOrEqual(done);
        leftovers += readdirSync(folder).filter((name) => name.includes('.tmp-')).length;
        from = (checkpoint?.step ?? 0) + 1;
      }
      expect(leftovers).toBeGreaterThan(0);
      await writeCheckpoint(folder, contents(from, layout));
      expect(readdirSync(folder).filter((name) => name.includes('.tmp-'))).toEqual([]);
    },
    Math.max(30_000, kills * 2000),
  );

  test.each(['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'EROFS', 'EACCES'])(
    'whichever call fails with %s, the error says what to do, the old one stays, and the next save goes through',
    async (code) => {
      const folder = join(root, `${code}-${layout}`);
      await writeCheckpoint(folder, contents(1, layout));
      await pointTo(folder, 'last', 1);
      let step = 2;
      let failures = 0;
      for (let at = 1; ; at += 1) {
        Object.assign(failing, { at, code, calls: 0 });
        const outcome = await writeCheckpoint(folder, contents(step, layout)).then(
          () => null,
          (error: unknown) => error,
        );
        const reached = failing.calls >= at;
        failing.at = null;
        const newest = await newestVerified(folder);
        expect(newest.skipped).toEqual([]);
        expect(readdirSync(folder).filter((name) => name.includes('.tmp-'))).toEqual([]);
        if (outcome !== null) {
          failures += 1;
          expect(outcome).toMatchObject({ name: 'RunError' });
          expect(String(outcome)).toMatch(
            /cannot save the checkpoint .+: (the disk|too many open files|the file system is read-only|no permission)/,
          );
          // Where only the last flush failed it is there, though not for certain; else the old one is.
          expect([1, step]).toContain(newest.checkpoint?.step);
          if (newest.checkpoint?.step === step) await deleteCheckpoint(newest.checkpoint.folder);
        } else {
          expect(newest.checkpoint?.step).toBe(step);
          await deleteCheckpoint(newest.checkpoint?.folder ?? '');
          step += 1;
        }
        if (!reached) break;
      }
      expect(failures).toBeGreaterThan(7);
    },
  );
});

test('a pointer that cannot be written leaves the old one; so does a checkpoint that cannot be deleted', async () => {
  const folder = join(root, 'pointer');
  const first = await writeCheckpoint(folder, contents(1));
  await pointTo(folder, 'last', 1);
  await writeCheckpoint(folder, contents(2));
  for (let at = 1; at <= 4; at += 1) {
    Object.assign(failing, { at, code: 'ENOSPC', calls: 0 });
    await expect(pointTo(folder, 'last', 2)).rejects.toThrow(
      `cannot write ${join(folder, 'last')}: the disk is full; free some space`,
    );
    failing.at = null;
    expect((await fs.readFile(join(folder, 'last'), 'utf8')).trim()).toBe('step-00000001');
  }
  Object.assign(failing, { at: 1, code: 'EACCES', calls: 0 });
  await expect(deleteCheckpoint(first)).rejects.toThrow(
    `cannot delete the checkpoint step-00000001 in ${folder}: no permission`,
  );
  failing.at = null;
  expect(readdirSync(folder).sort()).toEqual(['last', 'step-00000001', 'step-00000002']);
});

/** Megabytes of weights, for a disk with room for one of two checkpoints. */
const large = (step: number, layout: (typeof layouts)[number]) => ({
  ...contents(step, layout),
  model: new Map<string, HostTensor>([
    ['M.w', { dtype: 'f32', shape: [2 ** 18], values: new Float32Array(2 ** 18).fill(step) }],
  ]),
});

/** A folder that has room for `bytes`: a small disk of its own where that may be mounted. */
async function onSmallDisk(
  name: string,
  bytes: number,
  body: (folder: string, fill: () => void) => Promise<void>,
): Promise<void> {
  const folder = join(root, name);
  mkdirSync(folder);
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]);
  const isMounted = mount.status === 0;
  const why = isMounted ? '' : mount.stderr.toString().trim() || mount.error?.message;
  console.info(`${name}: ${isMounted ? 'a real disk, that is full' : `an error that is made up (${why})`}`);
  // A machine that may mount says so: there an error that is made up is not enough.
  if (!isMounted && process.env['ZTRAIN_REAL_DISK'] === '1')
    throw new Error(`no disk could be mounted: ${why}`);
  try {
    // Without the right to mount, a write is made to fail as it would.
    await body(folder, () => {
      if (!isMounted) Object.assign(failing, { at: failing.calls + 12, code: 'ENOSPC' });
    });
  } finally {
    failing.at = null;
    if (isMounted) spawnSync('umount', [folder]);
  }
}

test.each(layouts)(
  'on a full disk the old %s stays whole, and the next save goes through when there is room',
  async (layout) => {
    await onSmallDisk(`full-${layout}`, 1.5 * 2 ** 20, async (folder, fill) => {
      const checkpoints = join(folder, 'checkpoints');
      const old = await writeCheckpoint(checkpoints, large(1, layout));
      await pointTo(checkpoints, 'last', 1);
      fill();
      await expect(writeCheckpoint(checkpoints, large(2, layout))).rejects.toThrow(
        /cannot save the checkpoint .+: the disk is full; free some space, or choose another --run-dir/,
      );
      failing.at = null;
      expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 1 }, skipped: [] });
      expect(readdirSync(checkpoints)).toHaveLength(2);
      await deleteCheckpoint(old);
      await writeCheckpoint(checkpoints, large(2, layout));
      expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 2 }, skipped: [] });
    });
  },
);

test('the folder is gone in the middle of a run: the next save makes it again', async () => {
  const folder = join(root, 'gone', 'checkpoints');
  await writeCheckpoint(folder, contents(1));
  rmSync(join(root, 'gone'), { recursive: true });
  await writeCheckpoint(folder, contents(2));
  expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 2 }, skipped: [] });
});
