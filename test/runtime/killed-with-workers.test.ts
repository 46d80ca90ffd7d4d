/** A process that trains with workers is killed, and the run goes on with the same number of them, another, and none. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledTrainer } from './bundled-program.js';
import { newestVerified } from './checkpoint-reading.js';
import { writePictures } from './made-up-pictures.js';
import { metricsLines } from './metrics-lines.js';

let folder = '';
let program = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-killed-workers-'));
  writePictures(join(folder, 'pictures'), 7);
  program = await bundledTrainer('picture-program');
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(program, { force: true });
});

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

/** Runs the program; kills it with SIGKILL once `isTime`. */
async function started(words: readonly string[], isTime: () => boolean = () => false): Promise<Ended> {
  const child = spawn(process.execPath, [program, 'main', ...words], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (part: Buffer) => (text += part.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  while (child.exitCode === null && child.signalCode === null) {
    if (isTime()) child.kill('SIGKILL');
    await wait(2);
  }
  return { code: await ended, text };
}

const words = (name: string, workers: number): readonly string[] => [
  `root=${join(folder, 'pictures')}`,
  // Each row takes a while: a kill finds workers in the middle of one.
  'fault=slow',
  `photos.workers=${workers}`,
  'held.workers=1',
  'checkpoint.every=1.steps',
  'checkpoint.keep=20',
  `--run-dir=${name}`,
];
const saved = (name: string, step: number): string =>
  join(folder, name, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
const bytes = (name: string): readonly Buffer[] =>
  ['model.safetensors', 'optimizer.safetensors'].map((file) => readFileSync(join(saved(name, 6), file)));
const lines = (name: string): unknown => metricsLines(join(folder, name));

test('it comes to what it would have come to', async () => {
  expect(await started(words('whole', 2))).toMatchObject({ code: 0 });
  const killed = await started(words('killed', 2), () => existsSync(saved('killed', 2)));
  expect(killed.code).toBeNull();
  const at = (await newestVerified(join(folder, 'killed'))).checkpoint?.step ?? 0;
  expect(at).toBeGreaterThanOrEqual(2);
  expect(at).toBeLessThan(6);
  for (const workers of [2, 3, 0]) {
    const name = `again-${workers}`;
    cpSync(join(folder, 'killed'), join(folder, name), { recursive: true });
    const { code, text } = await started([...words(name, workers), '--resume=auto']);
    expect(code, text).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, name, 'run.json'), 'utf8')).starts).toHaveLength(2);
    expect(bytes(name)).toEqual(bytes('whole'));
    expect(lines(name)).toEqual(lines('whole'));
  }
}, 240_000);
