import { expect, test } from 'vitest';
import { emit } from '../../src/codegen/emit.js';
import { gan } from './examples.js';

/** Seconds that some work takes at best of a few turns, so that a busy machine does not decide. */
const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const times: number[] = [];
  for (let turn = 0; turn < 2; turn += 1) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) / 1000);
  }
  return Math.min(...times);
};

test('time grows with the number of classes, not with its square', async () => {
  const ir = gan();
  const [blocks, main] = ir.modules;
  const up = blocks?.classes[0];
  if (blocks === undefined || main === undefined || up === undefined)
    throw new Error('the example has a block');
  const withClasses = (count: number) => ({
    ...ir,
    trainer: null,
    modules: [
      {
        ...blocks,
        classes: Array.from({ length: count }, (_, index) => ({ ...up, name: `Up${index + 1}` })),
      },
    ],
  });
  const emitted = (count: number) => emit(withClasses(count), { compilerVersion: '0.1.0' });
  await emitted(10);
  const few = await secondsOf(() => emitted(100));
  const many = await secondsOf(() => emitted(400));
  const [file] = await emitted(400);
  expect(file?.text.match(/^export class /gm)).toHaveLength(400);
  expect(many / few).toBeLessThan(8);
  expect(many).toBeLessThan(10);
});
