import { expect, test } from 'vitest';
import { useDrawNames } from '../../src/runtime/engine/current.js';
import { createEngineUnderTest } from '../engine-under-test.js';
import { turns } from '../../src/runtime/nn/index.js';
import { uniform } from '../../src/runtime/ops/index.js';
import { drawLabel, stepContext, withStepContext } from '../../src/runtime/trainer/step-context.js';
import type { Tensor } from '../../src/runtime/tensor.js';

test('what is drawn in a turn is keyed by its number', async () => {
  const engine = await createEngineUnderTest();
  useDrawNames(drawLabel);
  const drawn = (from: number): Promise<readonly (readonly number[])[]> => {
    const step = engine.compile('train', () =>
      withStepContext(stepContext(engine, 'train', 'train', null), () => {
        const made: Tensor[] = [];
        for (const _turn of turns(from, 3)) made.push(uniform<Tensor>({ shape: [4], draw: 'noise' }));
        return made;
      }),
    );
    const clock = { seed: 1, step: 5, micro: 0, rowOffset: 0 };
    return step.run([], clock).then((outputs) => outputs.map(({ values }) => [...values]));
  };
  const [first, second, third] = await drawn(0);
  expect(new Set([first, second, third].map((each) => JSON.stringify(each))).size).toBe(3);
  // The number counts, not how many turns ran before.
  expect(await drawn(1)).toEqual([second, third]);
  engine.dispose();
});
