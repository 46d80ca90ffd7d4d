/** Which engine a run goes on with where none is named, and a TensorFlow library is there. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { differencesOf } from '../../src/cli/compare-runs.js';
import { run } from '../runtime/killed-runs.js';
import { workInFolder } from '../runtime/temporary-folder.js';
import { LineTrainer } from '../runtime/tiny-trainer.js';

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

test('the one that the runs of a sweep were on, for those that are left', async () => {
  const swept = class extends LineTrainer {
    static override readonly spec = {
      ...LineTrainer.spec,
      sweep: addons.sweep({
        over: [addons.axis({ name: 'lr', values: [0.05, 0.1, 0.2] })],
        average: [],
        pick: addons.min('validate.loss'),
      }),
    };
  };
  expect(await run(['--run-dir=swept', '--engine=embedded'], swept)).toMatchObject({ code: 0 });
  rmSync(join('swept', 'point-3'), { recursive: true });
  const { code, text } = await run(['--run-dir=swept', '--resume=auto'], swept);
  expect({ code, text }).toMatchObject({ code: 0 });
  expect(text).toContain('; 2 done before');
  const about: unknown = JSON.parse(readFileSync(join('swept', 'point-3', 'run.json'), 'utf8'));
  expect(about).toMatchObject({ engine: expect.stringMatching(/^tfjs-backend-wasm /) });
});

test('TensorFlow in a type that the embedded one has not', async () => {
  expect(await run(['--run-dir=types', '--engine=embedded', ...steps(4)])).toMatchObject({ code: 0 });
  const words = ['trainer.precision=bf16', '--force-precision', '--allow=steps,precision'];
  const { code, text } = await run(['--resume=types', ...steps(8), ...words]);
  expect({ code, text }).toMatchObject({ code: 0 });
  expect(text).toContain('on tensorflow ');
});
