/** A claim that was abandoned, and two that see it at once. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import type * as fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { claimed } from '../../src/cli/engine-claim.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-claim-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Runs in the moment after an owner was read and before anything follows from it, as another process might. */
let meanwhile: (() => void) | null = null;
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const readFileSync = (path: string, encoding: 'utf8'): string => {
    const text = real.readFileSync(path, encoding);
    const run = path.includes('.claim-') ? meanwhile : null;
    if (run !== null) meanwhile = null;
    run?.();
    return text;
  };
  return { ...real, readFileSync };
});

test('a claim of another machine is as old as the disk says, whatever the time is here', async () => {
  const claim = join(root, '.claim-2.20.0');
  const path = join(claim, 'owner-elsewhere');
  mkdirSync(claim);
  writeFileSync(path, JSON.stringify({ host: 'elsewhere', pid: 1, started: '1' }));
  // What is being made there, and was begun just now.
  mkdirSync(join(root, '.part-2.20.0-x'));
  const now = vi.spyOn(Date, 'now').mockImplementation(() => new Date().getTime() + 3_600_000);
  try {
    const given = new AbortController();
    const waiting = (): void => given.abort();
    const never = (): Promise<void> => Promise.reject(new Error('it was taken over'));
    await expect(claimed(root, '2.20.0', { signal: given.signal, waiting }, never)).rejects.toThrow(
      'aborted',
    );
    expect(readdirSync(root).sort()).toEqual(['.claim-2.20.0', '.part-2.20.0-x']);
    const { signal } = new AbortController();
    await claimed(root, '2.19.0', { signal, waiting: () => undefined }, () => Promise.resolve());
    expect(readdirSync(root).sort()).toEqual(['.claim-2.20.0', '.part-2.20.0-x']);
  } finally {
    now.mockRestore();
  }
  const longAgo = new Date(Date.now() - 120_000);
  for (const each of [path, join(root, '.part-2.20.0-x')]) utimesSync(each, longAgo, longAgo);
  const { signal } = new AbortController();
  const works = (): Promise<string> => Promise.resolve('it is free');
  expect(await claimed(root, '2.20.0', { signal, waiting: () => undefined }, works)).toBe('it is free');
  expect(readdirSync(root)).toEqual([]);
});

test('of two that find a claim abandoned one takes it over, and the other waits', async () => {
  const gone = join(root, '.claim-2.21.0', 'owner-gone');
  mkdirSync(join(root, '.claim-2.21.0'));
  writeFileSync(gone, JSON.stringify({ host: hostname(), pid: 2 ** 30, started: '1' }));
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(gone, longAgo, longAgo);
  const told: string[] = [];
  const { signal } = new AbortController();
  let end = (): void => undefined;
  const until = new Promise<void>((resolve) => (end = resolve));
  const first: Promise<void>[] = [];
  meanwhile = () => {
    const waiting = (): void => void told.push('the first waits');
    const work = async (): Promise<void> => {
      told.push('the first works');
      await until;
      told.push('the first is done');
    };
    first.push(claimed(root, '2.21.0', { signal, waiting }, work));
  };
  const waiting = (): void => {
    told.push('the second waits');
    end();
  };
  const work = (): Promise<void> => Promise.resolve(void told.push('the second works'));
  await claimed(root, '2.21.0', { signal, waiting }, work);
  await Promise.all(first);
  expect(told).toEqual(['the first works', 'the second waits', 'the first is done', 'the second works']);
  expect(readdirSync(root)).toEqual([]);
});
