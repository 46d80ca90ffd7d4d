/** Installs that are interrupted, killed, or run at the same time: real processes. */
import { existsSync, readdirSync, utimesSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { tensorflow } from '../made-up-library.js';
import { openDesk, type Desk, type Ended, type StartOptions } from './command-line.js';
import { openIndex, type FakeIndex } from './fake-index.js';

let desk: Desk;
let index: FakeIndex;
beforeAll(() => {
  desk = openDesk();
  index = openIndex(join(desk.folder, 'index'));
  index.publish(tensorflow('2.21.0', { name: process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow' }));
});
afterAll(() => desk.remove());

let cache = '';
let count = 0;
beforeEach(() => {
  cache = join(desk.folder, `cache-${count++}`);
});
const root = (): string => join(cache, 'ztrain', 'tensorflow');
const left = (): readonly string[] => (existsSync(root()) ? readdirSync(root()).sort() : []);

const install = (mode: string, watch?: StartOptions['watch']): Promise<Ended> =>
  desk.ztrainc(['engine', 'install'], {
    environment: { XDG_CACHE_HOME: cache, PATH: index.bin('python3'), FAKE_MODE: mode },
    ...(watch === undefined ? {} : { watch }),
  });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 200 && !holds(); i++) await sleep(50);
  expect(holds()).toBe(true);
};

/** Sends a signal once the tool and the process that it started are running, and `meanwhile` has ended. */
const hangAnd = (
  signal: NodeJS.Signals,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): { ended: Promise<Ended>; pids: Promise<readonly number[]> } => {
  const before = index.calls().length;
  const send: (() => void)[] = [];
  const ended = install('hang', (_, kill) => send.push(() => kill(signal)));
  const pids = (async () => {
    await until(() => index.calls().length === before + 2 && send.length > 0);
    const found = index.calls().slice(before);
    expect(left()).toHaveLength(2);
    await meanwhile();
    send[0]?.();
    return found.map(({ pid }) => pid);
  })();
  return { ended, pids };
};

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s ends the tool and what it started, and leaves nothing', async (signal, expected) => {
  const { ended, pids } = hangAnd(signal);
  const running = await pids;
  const { code, stderr } = await ended;
  expect([code, stderr]).toEqual([expected, expect.stringContaining('interrupted; nothing was changed\n')]);
  expect(left()).toEqual([]);
  await until(() => running.every((pid) => !isAlive(pid)));
});

test('what a killed install left is gone after the next', async () => {
  const { ended, pids } = hangAnd('SIGKILL');
  for (const pid of await pids) {
    // Nobody is left to end them.
    await ended;
    process.kill(pid, 'SIGKILL');
  }
  expect((await ended).code).toBeNull();
  expect(left().map((name) => name.replace(/-[^-]*$/, ''))).toEqual(['.claim', '.part-2.21.0']);
  const { code, stderr } = await install('');
  expect([code, stderr]).toEqual([0, expect.stringContaining('installed TensorFlow 2.21.0')]);
  expect(left()).toEqual(['2.21.0']);
});

test('old leftovers of any kind go, those of others stay', async () => {
  mkdirSync(join(root(), '.part-2.20.0-old'), { recursive: true });
  mkdirSync(join(root(), '.part-2.20.0-new'));
  mkdirSync(join(root(), '.part-2.19.0-elsewhere'));
  mkdirSync(join(root(), '.old-1234'));
  const elsewhere = join(root(), '.part-2.19.0-elsewhere', 'owner.json');
  writeFileSync(elsewhere, JSON.stringify({ host: 'another machine', pid: 1, started: '1' }));
  const hourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(join(root(), '.part-2.20.0-old'), hourAgo, hourAgo);
  await install('');
  expect(left()).toEqual(['.part-2.19.0-elsewhere', '.part-2.20.0-new', '2.21.0']);
  utimesSync(elsewhere, hourAgo, hourAgo);
  await install('');
  expect(left()).toEqual(['.part-2.20.0-new', '2.21.0']);
});

test('of several at once one fetches, and the others find its result', async () => {
  const before = index.calls().length;
  const all = await Promise.all([install('slow'), install('slow'), install('slow')]);
  expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(index.calls()).toHaveLength(before + 1);
  expect(all.filter(({ stderr }) => stderr.includes('installed TensorFlow'))).toHaveLength(1);
  expect(all.filter(({ stderr }) => stderr.includes('waiting for another install'))).toHaveLength(2);
  expect(left()).toEqual(['2.21.0']);
});

test('the one that waits goes on when the first is interrupted', async () => {
  let second: Promise<Ended> | null = null;
  const { ended, pids } = hangAnd('SIGINT', async () => {
    await new Promise<void>((resolve) => {
      second = install('', (stderr) => {
        if (stderr.includes('waiting for another')) resolve();
      });
    });
  });
  await pids;
  expect((await ended).code).toBe(130);
  expect(await second).toMatchObject({ code: 0 });
  expect(left()).toEqual(['2.21.0']);
});

test('waiting can be interrupted too', async () => {
  let sent = false;
  const { ended, pids } = hangAnd('SIGTERM', async () => {
    const second = await install('', (stderr, kill) => {
      if (sent || !stderr.includes('waiting for another')) return;
      sent = true;
      kill('SIGINT');
    });
    expect([second.code, sent]).toEqual([130, true]);
    // What the first is making stays.
    expect(left()).toHaveLength(2);
  });
  await pids;
  expect((await ended).code).toBe(143);
});
