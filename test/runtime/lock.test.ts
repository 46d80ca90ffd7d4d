/** One process at a time writes into a run's folder: real processes, real kills, claims of machines that are not here. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lockFolder, lockName } from '../../src/runtime/checkpoint/lock.js';
import { openRunFolder, reopenRunFolder } from '../../src/runtime/run/folder.js';
import { bundledProgram, startUntilLine } from './bundled-program.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-lock-'));
let program = '';
beforeAll(async () => {
  program = await bundledProgram('lock-program');
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(program, { force: true });
});

let made = 0;
const emptyFolder = (): string => {
  made += 1;
  const path = join(root, String(made));
  mkdirSync(path);
  return path;
};

/** The claim as its owner wrote it, changed. */
function rewrite(folder: string, change: Readonly<Record<string, unknown>>, secondsAgo: number): void {
  const claim = join(folder, lockName);
  const [name = ''] = readdirSync(claim);
  const path = join(claim, name);
  const owner: unknown = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...Object(owner), ...change }));
  const then = new Date(Date.now() - secondsAgo * 1000);
  utimesSync(path, then, then);
}

/** What the second is told. */
function lockedBy(folder: string): string {
  try {
    lockFolder(folder);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('it was free');
}

describe('between processes', () => {
  test('the second is refused and the first named; after a kill the folder is free, and one of many gets it', async () => {
    const folder = emptyFolder();
    const first = await startUntilLine(program, [folder]);
    expect(first.line).toBe('taken');
    const second = await startUntilLine(program, [folder]);
    expect(second.line).toBe(
      `${folder} is being written by process ${first.child.pid}; wait for it, or choose another --run-dir`,
    );
    await second.ended;
    first.child.kill('SIGKILL');
    await first.ended;
    // What it left is there: nothing ran at its end.
    expect(readdirSync(join(folder, lockName))).toHaveLength(1);
    const many = await Promise.all([1, 2, 3, 4].map(() => startUntilLine(program, [folder])));
    const takers = many.filter(({ line }) => line === 'taken');
    expect(takers).toHaveLength(1);
    for (const { line } of many)
      if (line !== 'taken') expect(line).toContain(`by process ${takers[0]?.child.pid};`);
    for (const { child, ended } of many) {
      child.kill('SIGTERM');
      await ended;
    }
  });

  test('a number that another process has by now is no owner', () => {
    const folder = emptyFolder();
    const first = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(`by process ${process.pid};`);
    rewrite(folder, { started: '1' }, 0);
    const next = lockFolder(folder);
    // The one before lets go of what it has no more.
    first.release();
    expect(readdirSync(join(folder, lockName))).toHaveLength(1);
    next.release();
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('an owner notices that its claim is gone, or another’s', () => {
  const folder = emptyFolder();
  const own = lockFolder(folder);
  own.check();
  rmSync(join(folder, lockName), { recursive: true });
  expect(() => own.check()).toThrow(
    `${folder} is not this run's any more: its .lock was removed by somebody`,
  );
  const next = lockFolder(folder);
  expect(() => own.check()).toThrow(`its .lock was taken over by process ${process.pid}, who`);
  // What the first lets go of is not the second's.
  own.release();
  next.check();
  next.release();
  const last = lockFolder(folder);
  rmSync(folder, { recursive: true });
  expect(() => last.check()).toThrow(`${folder} is gone: it was moved or removed while this process had it`);
  last.release();
});

describe('of a machine that is not this one, or not any more', () => {
  test.each<readonly [string, Readonly<Record<string, unknown>>, number, boolean]>([
    ['this machine before it was started anew', { boot: 'other' }, 60, true],
    ['a machine of the same name', { boot: 'other' }, 5, false],
    ['another machine, at work', { host: 'elsewhere' }, 300, false],
    ['another machine, silent', { host: 'elsewhere' }, 700, true],
    ['another container, at work', { space: 'pid:[1]' }, 300, false],
    ['another container, silent', { space: 'pid:[1]' }, 700, true],
    ['a process that is gone', { pid: 2 ** 30 }, 0, true],
  ])('%s', (_name, change, secondsAgo, free) => {
    const folder = emptyFolder();
    lockFolder(folder);
    rewrite(folder, change, secondsAgo);
    if (free) {
      lockFolder(folder).release();
      expect(readdirSync(folder)).toEqual([]);
      return;
    }
    const host = String(change['host'] ?? hostname());
    const refused = lockedBy(folder);
    expect(refused).toContain(
      `by process ${process.pid} on ${host}, last seen ${String(secondsAgo).slice(0, -1)}`,
    );
    expect(refused).toContain(`wait for it, choose another --run-dir, or remove ${folder}`);
  });

  test('a claim that nobody can read is respected, until it is silent', () => {
    const folder = emptyFolder();
    mkdirSync(join(folder, lockName));
    const path = join(folder, lockName, 'x.json');
    writeFileSync(path, '{"pid":');
    expect(() => lockFolder(folder)).toThrow('by process ? on ?');
    const then = new Date(Date.now() - 700_000);
    utimesSync(path, then, then);
    lockFolder(folder).release();
  });
});

test('a run has its folder until it is closed; then it holds a run', async () => {
  const start = { step: 0, allowed: false };
  const path = join(root, 'run');
  const both = await Promise.allSettled([openRunFolder(path), openRunFolder(path)]);
  const [first, second] = both;
  expect(second).toMatchObject({
    status: 'rejected',
    reason: {
      message: `${path} is being written by process ${process.pid}; wait for it, or choose another --run-dir`,
    },
  });
  if (first.status === 'rejected') throw first.reason;
  await first.value.write('run.json', {});
  await expect(openRunFolder(path)).rejects.toThrow('is being written by process');
  // Who would go on with it while it goes on changes none of its files.
  first.value.metrics({ step: 1 });
  await expect(reopenRunFolder(path, { 'metrics.jsonl': 0 }, start)).rejects.toThrow(
    'is being written by process',
  );
  expect(readFileSync(join(path, 'metrics.jsonl'), 'utf8')).toBe('{"step":1}\n');
  first.value.close();
  await expect(openRunFolder(path)).rejects.toThrow('holds a run already');
  expect(readdirSync(path).sort()).toEqual(['console.log', 'metrics.jsonl', 'run.json']);
  const again = await reopenRunFolder(path, { 'metrics.jsonl': 0 }, start);
  await expect(reopenRunFolder(path, { 'metrics.jsonl': 0 }, start)).rejects.toThrow(
    'is being written by process',
  );
  again.close();
  expect(readdirSync(path).sort()).toEqual(['console.log', 'metrics.jsonl', 'run.json']);
});
