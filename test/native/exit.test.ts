/** How processes that used the library end: it crashes them at their end unless it is never unloaded. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, expect, test } from 'vitest';
import { nativeLibrary } from '../engine-under-test.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, '.cache', 'tests', `exit-program-${process.version}.mjs`);

beforeAll(async () => {
  await build({
    entryPoints: [join(root, 'test', 'native', 'exit-program.ts')],
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
  readonly signal: string | null;
  readonly output: string;
}

function ended(ending: string, signal?: NodeJS.Signals): Promise<Ended> {
  const child = spawn(process.execPath, [program, ending], {
    env: { ...process.env, ZTRAIN_TENSORFLOW: nativeLibrary().folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
      if (signal !== undefined && output.includes('waiting')) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, by) => resolve({ code, signal: by, output }));
  });
}

test.each([
  ['normally', 'normal', 0, /(^|\n)6\n$/],
  ['normally after XLA', 'xla', 0, /(^|\n)6\n$/],
  ['normally with everything freed', 'disposed', 0, /(^|\n)6\n$/],
  ['by an error while it starts', 'throw', 1, /thrown on purpose/],
  ['by an uncaught error', 'later', 1, /thrown on purpose/],
  ['by an unhandled rejection', 'reject', 1, /rejected on purpose/],
  ['by process.exit', 'exit', 7, /(^|\n)6\n$/],
  ['with a worker that used the library too', 'worker', 0, /6\n.*worker 0/s],
  ['with a worker that is terminated', 'terminate', 0, /6\n.*worker 1/s],
] as const)('a process ends %s', async (_, ending, code, output) => {
  const found = await ended(ending);
  expect(found.output).toMatch(output);
  expect(found).toMatchObject({ code, signal: null });
});

test.each(['SIGTERM', 'SIGINT'] as const)('a process ends by %s', async (signal) => {
  expect(await ended('wait', signal)).toMatchObject({ code: null, signal });
});
