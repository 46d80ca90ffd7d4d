/** A run in 16 bits goes on in 16 bits: where the device computes `mixed` in another type, only if that is meant. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
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
