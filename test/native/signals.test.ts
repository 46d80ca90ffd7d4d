/** Signals that arrive while a long native call is under way on another thread. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nativeLibrary } from '../engine-under-test.js';

const sources = fileURLToPath(new URL('../..', import.meta.url));
const program = join(sources, '.cache', 'tests', `signals-program-${process.version}.mjs`);
const root = mkdtempSync(join(tmpdir(), 'ztrain-signals-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeAll(async () => {
  await build({
    entryPoints: [join(sources, 'test', 'native', 'signals-program.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
});

interface Ended {
  readonly code: number | null;
  readonly by: string | null;
  readonly err: string;
  /** When each text was first seen, and the end, in milliseconds. */
  readonly at: ReadonlyMap<string, number>;
}

/** The first step compiles, the second is measured, the third is the first on another thread. */
const before = 'ended 2';
const heard = 'finishing the step and saving';
const intoTheStep = 100;

function run(folder: string, products: number, signals: readonly NodeJS.Signals[]): Promise<Ended> {
  const child = spawn(
    process.execPath,
    [program, String(products), 'trainer.compile=xla', 'trainer.epochs=1000', '--run-dir', folder],
    {
      env: { ...process.env, ZTRAIN_TENSORFLOW: nativeLibrary().folder, ZTRAIN_ENGINE: 'tensorflow' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let err = '';
  const at = new Map<string, number>();
  const [first = 'SIGINT', second] = signals;
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
    for (const text of ['ended 1', before, heard]) {
      if (!err.includes(text) || at.has(text)) continue;
      at.set(text, performance.now());
      if (text === before) setTimeout(() => child.kill(first), intoTheStep);
      if (text === heard && second !== undefined) child.kill(second);
    }
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, by) => {
      at.set('end', performance.now());
      resolve({ code, by, err, at });
    });
  });
}

const between = ({ at }: Ended, from: string, to: string): number =>
  (at.get(to) ?? Number.NaN) - (at.get(from) ?? Number.NaN);

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s is heard while the step is computed, which then ends and is saved', async (signal, code) => {
  const folder = join(root, signal);
  const ended = await run(folder, 20, [signal]);
  expect(ended, ended.err).toMatchObject({ code, by: null });
  const [, after = ''] = ended.err.split(heard);
  const [, last = ''] = /ended (\d+)/.exec(after) ?? [];
  expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual(['last', `step-${last.padStart(8, '0')}`]);
  expect(readFileSync(join(folder, 'run.json'), 'utf8')).toContain('"reason": "interrupted"');
});

test('a second signal ends at once, in the middle of the call', async () => {
  const folder = join(root, 'twice');
  const ended = await run(folder, 80, ['SIGINT', 'SIGINT']);
  expect(ended, ended.err).toMatchObject({ code: 130, by: null });
  expect(ended.err.split(heard)[1]).not.toMatch(/ended \d/);
  expect(ended.err).toMatch(/\nended at once by SIGINT: nothing of it was saved\n$/);
  expect(between(ended, heard, 'end')).toBeLessThan(between(ended, 'ended 1', before) / 2);
  expect(readFileSync(join(folder, 'run.json'), 'utf8')).toContain('"reason": "ended at once by SIGINT"');
});
