/** What a user can do something about ends with one line that says what, and with exit code 3. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openLibrary } from '../../src/runtime/engine/tensorflow/c-api.js';
import { OpDefinitions } from '../../src/runtime/engine/tensorflow/op-definitions.js';
import { main } from '../../src/runtime/main.js';
import { nativeLibrary } from '../engine-under-test.js';
import { LineTrainer } from '../runtime/tiny-trainer.js';
import { watch, type Watch } from './watched-library.js';

let watched: Watch;
beforeAll(async () => {
  // Before any engine is started: a process starts TensorFlow once.
  watched = watch(await openLibrary(nativeLibrary()), []);
});
afterAll(() => watched.end());

/** Runs a small training; returns its exit code and what follows the first error on stderr. */
async function run(...words: readonly string[]): Promise<readonly [number, string]> {
  const lines: string[] = [];
  const code = await main(LineTrainer, ['--dev-run', ...words], {
    stdout: { write: () => true },
    stderr: { write: (text) => lines.push(text) },
    environment: { ZTRAIN_ENGINE: 'tensorflow' },
    onSignal: () => () => undefined,
  });
  const all = lines.join('');
  return [code, all.slice(Math.max(0, all.indexOf('error: ')))];
}

test('a GPU that another process has for itself', async () => {
  watched.fail(0, { name: 'TFE_NewContext', words: 'all CUDA-capable devices are busy or unavailable' });
  const [code, told] = await run();
  expect([code, told.split('\n')]).toEqual([3, [expect.any(String), '']]);
  expect(told).toMatch(
    /^error: no TensorFlow could be used \(.*: starting TensorFlow: internal: all CUDA.*unavailable\); `ztrainc engine doctor`.*--devices cpu/,
  );
});

test('a GPU whose driver is missing', async () => {
  watched.fail(Number.POSITIVE_INFINITY);
  const [code, told] = await run('--devices', 'gpu');
  expect([code, told]).toEqual([
    3,
    expect.stringMatching(
      /^error: no gpu is to be seen: TensorFlow found CPU:0; see nvidia-smi, and docs.gpu.md\n$/,
    ),
  ]);
});

test('an op that the library lacks', async () => {
  const get = vi.spyOn(OpDefinitions.prototype, 'get').mockImplementation(() => undefined);
  const [code, told] = await run();
  get.mockRestore();
  expect([code, told]).toEqual([
    3,
    expect.stringMatching(
      /^error: this TensorFlow \(\S+\) has no op \w+, which the step needs; install a newer .*\n$/,
    ),
  ]);
});

test('no memory, wherever it ends', async () => {
  watched.fail(Number.POSITIVE_INFINITY);
  expect(await run()).toEqual([0, expect.any(String)]);
  const told = new Set<string>();
  for (let n = 0; n < 400; n += 2) {
    watched.fail(n, { code: 8, name: 'TFE_Execute', words: 'failed to allocate memory' });
    const [code, line] = await run();
    if (watched.failed() === null) break;
    expect([code, line]).toEqual([3, expect.stringMatching(/^error: [^\n]*memory[^\n]*\n$/)]);
    told.add(line.replace(/^[^:]*: (no memory on CPU for step \w+|\w+: out of memory).*\n$/, '$1'));
  }
  expect([...told].sort()).toEqual(
    expect.arrayContaining([expect.stringContaining('step train'), expect.stringContaining('VariableOp')]),
  );
});
