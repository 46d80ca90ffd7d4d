/** `ztrainc verify-resume`, ended from outside: what it has started ends with it. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digits, openDesk, program, type Desk } from './command-line.js';

let desk: Desk;
beforeAll(() => {
  desk = openDesk();
});
afterAll(() => desk.remove());

/** Processes whose command line has this text. */
const processesWith = (text: string): readonly string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false;
    }
  });

test.runIf(process.platform === 'linux').each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)(
  'where %s ends it, so ends the run that it has started, and nothing is left',
  async (signal, code) => {
    const temporary = join(desk.folder, signal);
    mkdirSync(temporary);
    const words = ['verify-resume', digits, 'trainer.epochs=500', '--engine=embedded'];
    const child = spawn(process.execPath, [program, ...words], {
      cwd: desk.folder,
      env: { ...process.env, TMPDIR: temporary, XDG_CACHE_HOME: join(desk.folder, '.cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const ended = new Promise<number | null>((resolve) => {
      child.on('close', resolve);
    });
    const isTraining = (): boolean =>
      readdirSync(temporary).some((name) =>
        existsSync(join(temporary, name, 'undisturbed', 'metrics.jsonl')),
      );
    while (child.exitCode === null && !isTraining()) await sleep(20);
    expect(processesWith(temporary)).not.toEqual([]);
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(stderr).toBe(`${signal}: nothing is shown; nothing of the runs is left\n`);
    expect(readdirSync(temporary)).toEqual([]);
    for (let turn = 0; processesWith(temporary).length > 0 && turn < 50; turn += 1) await sleep(20);
    expect(processesWith(temporary)).toEqual([]);
  },
  120_000,
);
