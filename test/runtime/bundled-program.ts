/** Programs of tests that are processes of their own, to be killed for real. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import {
  bundleDefaults,
  commonJsBanner,
  commonJsNames,
  embedKoffi,
  embedWasm,
  withoutNodeFetch,
} from '../../src/codegen/embedding.js';

const sources = fileURLToPath(new URL('../..', import.meta.url));

/** Bundles a program of this folder and returns the file to start. */
export async function bundledProgram(name: string): Promise<string> {
  const outfile = join(sources, '.cache', 'tests', `${name}-${process.version}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(sources, 'test', 'runtime', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return outfile;
}

/** Bundles a file of this folder that has all of the runtime in it, as a trainer's executable has, and returns the bundle. */
export async function bundledTrainer(name: string): Promise<string> {
  const outfile = join(sources, '.cache', 'tests', `${name}-${process.version}-${process.pid}.mjs`);
  await build({
    ...bundleDefaults,
    entryPoints: [join(sources, 'test', 'runtime', `${name}.ts`)],
    outfile,
    banner: { js: commonJsBanner('trainer') },
    define: commonJsNames('trainer'),
    plugins: [withoutNodeFetch(), embedWasm(), embedKoffi()],
  });
  return outfile;
}

/** Starts it, and resolves when it has said a line. */
export async function startUntilLine(
  file: string,
  words: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly line: string; readonly ended: Promise<void> }> {
  const child = spawn(process.execPath, [file, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  let text = '';
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      const [first, rest] = text.split('\n');
      if (first !== undefined && rest !== undefined) resolve(first);
    });
    child.on('error', reject);
    child.on('close', () => reject(new Error(`it ended without a line: ${text}`)));
  });
  return { child, line, ended };
}
