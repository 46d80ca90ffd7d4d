/** Which engine a run goes on with where none is named, and a TensorFlow library is there. */
import { expect, test } from 'vitest';
import { differencesOf } from '../../src/cli/compare-runs.js';
import { run } from '../runtime/killed-runs.js';
import { workInFolder } from '../runtime/temporary-folder.js';

workInFolder('engine-kept');

const steps = (count: number): readonly string[] => ['trainer.epochs=none', `trainer.steps=${count}`];

test('the embedded one where it was that, to the same bytes', async () => {
  expect(await run(['--run-dir=whole', '--engine=embedded', ...steps(12)])).toMatchObject({ code: 0 });
  expect(await run(['--run-dir=stopped', '--engine=embedded', ...steps(6)])).toMatchObject({ code: 0 });
  const { code, text } = await run(['--resume=stopped', ...steps(12), '--allow=steps']);
  expect(code).toBe(0);
  expect(text).toContain('on the embedded engine, as before; --engine tensorflow takes TensorFlow');
  expect(text).not.toContain('float tolerance');
  const apart = await differencesOf('whole', 'stopped');
  expect(apart.filter((line) => !line.includes('metrics.jsonl'))).toEqual([]);
});

test('the one that is asked for, and TensorFlow where it was that', async () => {
  expect(await run(['--run-dir=asked', '--engine=embedded', ...steps(4)])).toMatchObject({ code: 0 });
  const asked = await run(['--resume=asked', ...steps(8), '--allow=steps', '--engine=tensorflow']);
  expect(asked.text).toContain('on tensorflow ');
  expect(asked.text).toContain('float tolerance');
  const again = await run(['--resume=asked', ...steps(12), '--allow=steps']);
  expect(again.text).toContain('on tensorflow ');
  expect(again.text).not.toContain('as before; --engine');
});

test('TensorFlow in a type that the embedded one has not', async () => {
  expect(await run(['--run-dir=types', '--engine=embedded', ...steps(4)])).toMatchObject({ code: 0 });
  const words = ['trainer.precision=bf16', '--force-precision', '--allow=steps,precision'];
  const { code, text } = await run(['--resume=types', ...steps(8), ...words]);
  expect({ code, text }).toMatchObject({ code: 0 });
  expect(text).toContain('on tensorflow ');
});
