/** Harvests that do not come to an end, in a process of its own: one that waits for nothing, and one that is longer than Ctrl-C waits. */
import { metricsLines } from './metrics-lines.js';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledTrainer } from './bundled-program.js';

let folder = '';
let program = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-live-harvest-'));
  program = await bundledTrainer('live-harvest-program');
  expect((await run('whole')).code).toBe(0);
}, 120_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(program, { force: true });
});

/** Runs the program; a signal, where one is given, is sent once it harvests. */
async function run(how: string, words: readonly string[] = [], signal: NodeJS.Signals | null = null) {
  const place = words.length === 0 ? ['--run-dir', join(folder, how)] : words;
  const child = spawn(process.execPath, [program, how, ...place], {
    stdio: 'pipe',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let text = '';
  let seconds = 0;
  child.stderr.on('data', (data: Buffer) => (text += data.toString()));
  child.stdout.on('data', () => {
    seconds = performance.now();
    if (signal !== null) child.kill(signal);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, text, seconds: (performance.now() - seconds) / 1000 };
}

const read = (name: string, file: string): string =>
  readFileSync(join(folder, name, file)).toString('latin1');
const lines = (name: string): unknown => metricsLines(join(folder, name));

/** Goes on with a run, to what the whole one has come to. */
async function goesOn(name: string): Promise<void> {
  expect((await run('goes on', ['--resume', join(folder, name)])).code).toBe(0);
  expect(lines(name)).toEqual(lines('whole'));
  const weights = 'checkpoints/step-00000008/model.safetensors';
  expect(read(name, weights) === read('whole', weights)).toBe(true);
}

/** Each live set as it was when five steps were done. */
const kept = (name: string): unknown =>
  JSON.parse(read(name, 'checkpoints/step-00000005/state.json')).loop.live;
const at = { harvests: 5, state: { at: 20 } };

test('a harvest that nothing is left to settle is an error, and the run goes on from before its step', async () => {
  const { code, text } = await run('stuck');
  expect(code).toBe(3);
  expect(text).toContain(
    'error: live counted: harvest 6 of right failed: nothing is left that could settle the promise it gave',
  );
  expect(text).toContain('the state of step 5 was saved');
  expect(text).toMatch(/go on: .*--resume \S*stuck/);
  expect(kept('stuck')).toEqual({ left: at, right: at });
  await goesOn('stuck');
}, 120_000);

test('a signal gives up the harvest that goes on, and the run goes on from before its step', async () => {
  const { code, text, seconds } = await run('slow', [], 'SIGINT');
  expect(code).toBe(130);
  expect(seconds).toBeLessThan(30);
  expect(text).toContain('what was harvested for step 6 is given up');
  expect(kept('slow')).toEqual({ left: at, right: at });
  expect(text).toMatch(/--resume \S*slow/);
  await goesOn('slow');
}, 120_000);

const notClosed = (side: string): string =>
  `data ${side} was not closed: live counted failed in close(): the server does not answer of ${side}`;

test('what sources throw when they are closed is said where the run is done', async () => {
  const { code, text } = await run('not closed');
  expect(code).toBe(3);
  expect(text).toMatch(/finished after 8 steps/);
  expect(text.trim().split('\n').at(-1)).toBe(
    `error: all was done, and then ${notClosed('left')}; ${notClosed('right')}`,
  );
  expect(JSON.parse(read('not closed', 'summary.json'))).toMatchObject({ reason: 'finished' });
}, 120_000);

test('what sources throw when they are closed is told beside the error of a run that failed', async () => {
  const { code, text } = await run('not closed, failed');
  expect(code).toBe(3);
  expect(text).toContain('error: live counted: harvest 6 of right failed: the game is over\n');
  expect(text).toContain(`not closed after an error: ${notClosed('left')}; ${notClosed('right')}\n`);
  expect(text).toContain('the state of step 5 was saved');
}, 120_000);
