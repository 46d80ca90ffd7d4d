/**
 * Power cuts and kills at every moment of saving, as a model: what was not flushed may be on the disk or not. A file's bytes last once the
 * file was flushed, a name in a folder once the folder was. Each cut is laid out as real files and read.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { findCheckpoint, readState, readTensors } from '../../src/runtime/checkpoint/read.js';
import { littleEndian } from '../../src/runtime/checkpoint/safetensors.js';
import { deleteCheckpoint, pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { newestVerified } from './checkpoint-reading.js';
import { contents, layouts, weights } from './checkpoint-contents.js';
import { Disk, type DiskOp } from './power-cut-disk.js';

const recorded = vi.hoisted(() => ({ ops: [] as unknown[], handles: 0, isOn: false }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  const note = (op: DiskOp): void => {
    if (recorded.isOn) recorded.ops.push(op);
  };
  return {
    ...real,
    open: async (...given: Parameters<typeof real.open>) => {
      const file = await real.open(...given);
      const handle = (recorded.handles += 1);
      const path = String(given[0]);
      const isNew = typeof given[1] === 'number' && (given[1] & real.constants.O_CREAT) !== 0;
      note({ op: isNew ? 'create' : 'open', path, handle });
      return new Proxy(file, {
        get: (target, name) => {
          const own: unknown = Reflect.get(target, name);
          if (typeof own !== 'function') return own;
          return async (...args: readonly unknown[]): Promise<unknown> => {
            const done: unknown = await Reflect.apply(own, target, args);
            if (name === 'sync') note({ op: 'sync', handle });
            if (name === 'write' && args[0] instanceof Uint8Array) {
              const [from, count] = [Number(args[1]), Number(Object(done).bytesWritten)];
              note({ op: 'write', handle, bytes: args[0].slice(from, from + count) });
            }
            return done;
          };
        },
      });
    },
    mkdir: async (...given: Parameters<typeof real.mkdir>) => {
      const done = await real.mkdir(...given);
      note({ op: 'mkdir', path: String(given[0]) });
      return done;
    },
    rename: async (from: string, to: string) => {
      await real.rename(from, to);
      note({ op: 'rename', path: from, to });
    },
    link: async (from: string, to: string) => {
      await real.link(from, to);
      note({ op: 'link', path: from, to });
    },
    rm: async (...given: Parameters<typeof real.rm>) => {
      await real.rm(...given);
      note({ op: 'rm', path: String(given[0]) });
    },
  };
});

vi.mock('node:fs', async (original) => {
  const real = await original<{ readonly mkdirSync: typeof mkdirSync }>();
  return {
    ...real,
    mkdirSync: (...given: Parameters<typeof mkdirSync>) => {
      const done = real.mkdirSync(...given);
      if (recorded.isOn) recorded.ops.push({ op: 'mkdir', path: String(given[0]) } satisfies DiskOp);
      return done;
    },
  };
});

const root = mkdtempSync(join(tmpdir(), 'ztrain-power-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  recorded.ops = [];
});

const steps = [1, 2, 3];

/** A run that keeps one checkpoint, as the disk saw it. */
async function recordRun(name: string, layout: (typeof layouts)[number]): Promise<readonly DiskOp[]> {
  const base = join(root, name);
  mkdirSync(base);
  const folder = join(base, 'run', 'checkpoints');
  recorded.isOn = true;
  let before: string | null = null;
  for (const step of steps) {
    const saved = await writeCheckpoint(folder, contents(step, layout));
    recorded.ops.push({ op: 'mark', path: `saved ${step}` } satisfies DiskOp);
    await pointTo(folder, 'last', step);
    recorded.ops.push({ op: 'mark', path: `pointed ${step}` } satisfies DiskOp);
    if (before !== null) await deleteCheckpoint(before);
    before = saved;
  }
  recorded.isOn = false;
  return recorded.ops.map((op) => op as DiskOp);
}

/** What is wrong with what a cut left; nothing where it is as promised. */
async function faultsOf(disk: Disk, place: string): Promise<readonly string[]> {
  const faults: string[] = [];
  const { checkpoint } = await newestVerified(join(place, 'run')).catch(() => ({ checkpoint: null }));
  const saved = disk.marked('saved');
  const pointed = disk.marked('pointed');
  const found = checkpoint?.step ?? 0;
  if (found < saved) faults.push(`step ${saved} was saved, ${found} is the newest`);
  if (checkpoint !== null) {
    const model = await readTensors(checkpoint, 'model.safetensors');
    const state = await readState(checkpoint);
    const whole = [...weights].every(([name, { values }]) => {
      const read = model.get(name)?.values;
      return read !== undefined && Buffer.from(littleEndian(read)).equals(littleEndian(values));
    });
    if (!whole || !(state instanceof Map) || state.get('step') !== found)
      faults.push(`step ${found} has other contents`);
  }
  const last = await findCheckpoint(join(place, 'run')).then(
    ({ step }) => step,
    () => 0,
  );
  if (last < pointed) faults.push(`last was ${pointed}, and is ${last}`);
  return faults;
}

/** What is wrong after the first cut that shows anything, of cuts at every moment, each with several fates of what was not flushed. */
async function cutEverywhere(ops: readonly DiskOp[], name: string): Promise<readonly string[]> {
  const base = join(root, name);
  const seen = new Set<string>();
  for (let end = 0; end <= ops.length; end += 1) {
    const disk = new Disk(base);
    for (const op of ops.slice(0, end)) disk.apply(op);
    for (let seed = 0; seed < 4; seed += 1) {
      const left = disk.afterCut(seed);
      // Most moments leave what another left.
      const key = JSON.stringify([disk.marked('saved'), disk.marked('pointed'), left]);
      if (seen.has(key)) continue;
      seen.add(key);
      const folder = join(root, `${name}-cut-${seen.size}`);
      mkdirSync(folder);
      for (const { path, bytes } of left) {
        if (bytes === null) mkdirSync(join(folder, path));
        else writeFileSync(join(folder, path), bytes);
      }
      const faults = await faultsOf(disk, folder);
      rmSync(folder, { recursive: true });
      if (faults.length > 0) return faults;
    }
  }
  return [];
}

describe.each(layouts)('a %s', (layout) => {
  test('what was saved is whole after a power cut at any moment, and last names a whole one', async () => {
    const ops = await recordRun(layout, layout);
    expect(ops.length).toBeGreaterThan(60);
    expect(await cutEverywhere(ops, layout)).toEqual([]);
  });

  test.each<readonly [string, (disk: Disk) => (op: DiskOp) => boolean]>([
    ['no file', (disk) => (op) => op.op === 'sync' && !disk.isFolder(op.handle ?? 0)],
    ['no folder', (disk) => (op) => op.op === 'sync' && disk.isFolder(op.handle ?? 0)],
  ])('were %s flushed, the model would show it', async (which, left) => {
    const name = `${layout}-${which.replace(' ', '-')}`;
    const ops = await recordRun(name, layout);
    const disk = new Disk(join(root, name));
    for (const op of ops) disk.apply(op);
    const kept = ops.filter((op) => !left(disk)(op));
    expect(kept.length).toBeLessThan(ops.length);
    expect(await cutEverywhere(kept, name)).not.toEqual([]);
  });
});
