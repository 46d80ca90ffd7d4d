/** A run in 16 bits goes on in 16 bits: where the device computes `mixed` in another type, only if that is meant. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import type * as precision from '../../src/runtime/engine/tensorflow/precision.js';
import { filesIn, killed, run } from '../runtime/killed-runs.js';
import { workInFolder } from '../runtime/temporary-folder.js';

workInFolder('precision');

/** What the device is said to have. */
let units = { bf16: true, f16: false };
vi.mock('../../src/runtime/engine/tensorflow/precision.js', async (original) => {
  const real = await original<typeof precision>();
  const resolvePrecision: typeof real.resolvePrecision = (named, _unitsOf, device, forced) =>
    real.resolvePrecision(named, () => units, device, forced);
  return { ...real, resolvePrecision };
});

const model = (name: string): Buffer =>
  readFileSync(join(name, 'checkpoints', 'step-00000015', 'model.safetensors'));

test('mixed of a device with units for it, on one without', async () => {
  const words = ['trainer.precision=mixed', 'trainer.compile=graph', '--engine=tensorflow'];
  expect((await run(['--run-dir=whole', ...words])).code).toBe(0);
  for (const name of ['narrow', 'meant']) await killed(name, words);
  const state = readFileSync('narrow/checkpoints/step-00000008/state.json', 'utf8');
  expect(JSON.parse(state).lock.computes_in).toBe('bf16');

  units = { bf16: false, f16: false };
  const before = filesIn('narrow');
  const refused = await run(['--resume=narrow', '--engine=tensorflow']);
  expect(refused.code).toBe(3);
  expect(refused.text).toContain('it computed in bf16, this device computes in f32');
  expect(refused.text).toContain('--allow precision');
  expect(filesIn('narrow')).toEqual(before);
  const { code, text } = await run(['--resume=meant', '--engine=tensorflow', '--allow=precision']);
  expect(code).toBe(0);
  expect(text).toContain('allowed: it computed in bf16, this device computes in f32');
  expect(model('meant').equals(model('whole'))).toBe(false);

  units = { bf16: true, f16: false };
  expect((await run(['--resume=narrow', '--engine=tensorflow'])).code).toBe(0);
  expect(model('narrow').equals(model('whole'))).toBe(true);
}, 240_000);

test('loss scaling begins where mixed becomes f16, and ends where it was', async () => {
  const words = ['trainer.precision=mixed', 'trainer.compile=graph', '--engine=tensorflow'];
  const tensorsOf = async (name: string, step: string): Promise<ReadonlyMap<string, HostTensor>> =>
    readTensors(await openCheckpoint(join(name, 'checkpoints', step)), 'optimizer.safetensors');
  const [f16, bf16] = [
    { bf16: false, f16: true },
    { bf16: true, f16: false },
  ];
  units = f16;
  await killed('scaled', words);
  expect((await tensorsOf('scaled', 'step-00000008')).has('scaling/scale')).toBe(true);
  units = bf16;
  const before = filesIn('scaled');
  const refused = await run(['--resume=scaled', '--engine=tensorflow']);
  expect(refused.text).toContain('it computed in f16, this device computes in bf16');
  expect(refused.text).toContain('--allow precision');
  expect(refused.code).toBe(3);
  expect(filesIn('scaled')).toEqual(before);
  const ended = await run(['--resume=scaled', '--engine=tensorflow', '--allow=precision']);
  expect(ended.text).toContain('allowed: it computed in f16, this device computes in bf16\n');
  expect(ended.text).toContain(
    'the loss is scaled no longer, which f16 alone needs: the scale of the checkpoint is left out\n',
  );
  expect(ended.code).toBe(0);
  expect((await tensorsOf('scaled', 'step-00000015')).has('scaling/scale')).toBe(false);

  await killed('plain', words);
  units = f16;
  const begun = await run(['--resume=plain', '--engine=tensorflow', '--allow=precision']);
  expect(begun.text).toContain(
    'the loss is scaled from here on, as f16 needs it: its scale begins as in a new run, with 32768\n',
  );
  expect(begun.code).toBe(0);
  const tensors = await tensorsOf('plain', 'step-00000015');
  expect(tensors.get('scaling/scale')?.values).toEqual(Float32Array.of(2 ** 15));
  // Each update since was finite.
  expect(tensors.get('scaling/good')?.values).toEqual(Float32Array.of(7));
  // The same again goes on without a word.
  const { code, text } = await run([
    '--resume=plain/checkpoints/step-00000012',
    '--engine=tensorflow',
    '--allow=precision',
  ]);
  expect(text).not.toContain('the loss is scaled');
  expect(code).toBe(0);
  expect((await tensorsOf('plain', 'step-00000015')).get('scaling/good')?.values[0]).toBe(7);
}, 240_000);
