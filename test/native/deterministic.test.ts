/** `deterministic` on the native engine: a process of its own, since TensorFlow reads it once. */
import { expect, test } from 'vitest';
import { chooseEngine } from '../../src/runtime/engine/choose.js';
import { LineTrainer, setup, train, weightsOf } from '../runtime/tiny-trainer.js';

test('ops are asked to be deterministic, and XLA is never tried', async () => {
  const run = async () => {
    const { session } = await train(new LineTrainer(setup({}, { epochs: 40, deterministic: true })));
    // One step a call or several of them is the same graph, with the same bits.
    expect(session.decisions['train'] ?? 'graph').not.toContain('xla');
    return weightsOf(session);
  };
  const first = await run();
  expect(process.env['TF_DETERMINISTIC_OPS']).toBe('1');
  expect(await run()).toEqual(first);
});

test('it holds for the whole process', async () => {
  await expect(chooseEngine({ engine: 'tensorflow' })).rejects.toThrow(
    'TensorFlow runs in this process with deterministic = true, not false',
  );
});
