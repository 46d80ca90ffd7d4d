import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle, writeExecutable } from '../../src/codegen/bundle.js';
import { emit } from '../../src/codegen/emit.js';
import { digits } from './examples.js';

const run = promisify(execFile);

let folder = '';
let program = '';
beforeAll(async () => {
  // Outside this repository: there is no node_modules above it.
  folder = await mkdtemp(join(tmpdir(), 'ztrain-executable-'));
  program = join(folder, 'dist', 'digits.mjs');
  const files = await emit(digits(), { compilerVersion: '0.1.0' });
  await writeExecutable(
    program,
    await bundle({ files, folder: join(folder, 'generated'), outFile: program }),
  );
}, 120_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('an emitted trainer trains with nothing but Node', async () => {
  const runDir = join(folder, 'run');
  await run(program, ['tag=x', 'trainer.epochs=4', '--run-dir', runDir]);
  const summary = await readFile(join(runDir, 'metrics.jsonl'), 'utf8');
  const records = summary
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  const last = records.findLast(
    (record) =>
      typeof record === 'object' && record !== null && 'stage' in record && record.stage === 'validate',
  );
  expect(last).toMatchObject({ accuracy: expect.any(Number) });
  expect(JSON.stringify(last)).toMatch(/"accuracy":0\.[89]/);
}, 60_000);

test('it refuses a param outside its limits, in the words of the spec', async () => {
  await expect(run(program, ['tag=x', 'lr=-1'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('lr > 0'),
  });
});

test('it brings its licences and the engine along', async () => {
  const code = await readFile(program, 'utf8');
  expect(code).toContain('@tensorflow/tfjs-core');
  expect(code).not.toMatch(/from "(@tensorflow|csv-parse|pngjs)/);
});
