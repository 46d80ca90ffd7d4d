/** Indices that a step computes: only the device sees them, and what it does with one outside of its table must be seen. */
import { engine as library, type Tensor } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit } from '../../src/runtime/trainer/fit.js';
import { createNativeEngine } from '../engine-under-test.js';
import { LineTrainer, type Row } from '../runtime/tiny-trainer.js';
import { allEngines, clockAt, difference, f32, type AllEngines } from './all-engines.js';

let engines: AllEngines;
beforeAll(async () => {
  engines = await allEngines();
});

const need = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('an input is missing');
  return value;
};

test.each(['eager', 'graph'] as const)(
  'a step of %s that fails after a change in place has changed nothing',
  async (mode) => {
    const engine = engines[mode];
    const one = (): Tensor => ops.ones<Tensor>({ shape: [] });
    const state = ['weight', 'mean', 'square'].map((name, i) =>
      engine.variable(`${mode}/early/${name}`, f32([3], [1 + i, 2, 3])),
    );
    const [weight, mean, square] = state;
    if (weight === undefined || mean === undefined || square === undefined) throw new Error('no state');
    const half = (): Tensor => ops.mul(one(), 0.5);
    const gradient = (): Tensor => ops.add(ops.ones<Tensor>({ shape: [3] }), 0.25);
    const shared = (): { weight: typeof weight; rate: Tensor; gradient: Tensor } => ({
      weight,
      rate: half(),
      gradient: gradient(),
    });
    const updates = {
      subtract: () => engine.updateInPlace?.({ kind: 'subtract', weight, amount: gradient() }),
      descent: () => engine.updateInPlace?.({ kind: 'descent', ...shared() }),
      momentum: (nesterov: boolean) =>
        engine.updateInPlace?.({ kind: 'momentum', ...shared(), velocity: mean, momentum: half(), nesterov }),
      adam: () =>
        engine.updateInPlace?.({
          kind: 'adam',
          ...shared(),
          mean,
          square,
          beta1: half(),
          beta2: half(),
          epsilon: half(),
        }),
    };
    const values = async (): Promise<readonly (readonly number[])[]> => {
      const found: (readonly number[])[] = [];
      for (const variable of state) found.push([...(await variable.download()).values]);
      return found;
    };
    const before = await values();
    const again: readonly (() => void)[] = [
      updates.subtract,
      updates.descent,
      () => updates.momentum(false),
      () => updates.momentum(true),
      updates.adam,
      // One after the other, and after an assignment.
      () => [updates.subtract(), updates.adam()],
      () => [weight.assign(ops.mul(weight.read(), 2)), updates.adam()],
    ];
    for (const update of again) {
      const step = engine.compile('early', ([x]) => {
        update();
        const index = ops.cast(ops.mul(need(x), 2), { to: 'i32' });
        return [ops.take(weight.read(), index)];
      });
      await expect(step.run([f32([1], [9])], clockAt(0))).rejects.toThrow(/18/);
      expect(await values()).toEqual(before);
      // What it computes otherwise is what is computed in place.
      const [picked] = await step.run([f32([1], [0.5])], clockAt(1));
      const composed = await values();
      expect(picked?.values[0]).toBe(composed[0]?.[1]);
      const restore = (): void => state.forEach((variable, i) => variable.upload(f32([3], before[i] ?? [])));
      restore();
      if (mode === 'graph') {
        const inPlace = engine.compile('in place', () => [update(), []].flatMap(() => []));
        await inPlace.run([], clockAt(2));
        const found = await values();
        composed.forEach((own, i) => expect(difference(own, found[i] ?? [])).toBeLessThan(1e-6));
        restore();
        inPlace.dispose();
      }
      step.dispose();
    }
    for (const variable of state) variable.dispose();
  },
);

describe('an index that the graph computed, compiled by XLA', () => {
  const computed = (x: Tensor | undefined): Tensor => ops.cast(ops.mul(need(x), 2), { to: 'i32' });

  test('makes what it picks NaN where it is outside, and nothing else', async () => {
    const step = engines.xla.compile('computed', ([x, table]) => [
      ops.take(need(table), computed(x)),
      ops.oneHot(computed(x), { classes: 3 }),
      losses.softmaxCrossEntropy(ops.oneHot(ops.range({ count: 4 }), { classes: 4 }), computed(x)),
    ]);
    const table = f32([3, 2], [1, 2, 3, 4, 5, 6]);
    const [picked, classes, loss] = await step.run([f32([4], [0.5, -0.5, 9, 1]), table], clockAt(0));
    const none = Number.NaN;
    expect([...(picked?.values ?? [])]).toEqual([3, 4, none, none, none, none, 5, 6]);
    expect([...(classes?.values ?? [])]).toEqual([0, 1, 0, none, none, none, none, none, none, 0, 0, 1]);
    expect([...(loss?.values ?? [])].map(Number.isNaN)).toEqual([false, true, true, false]);
    step.dispose();
  });

  test('of whole numbers is refused', async () => {
    const step = engines.xla.compile('whole', ([x]) => {
      const table = ops.range({ count: 3 });
      return [library().runKernel<Tensor>('GatherV2', { x: table, indices: computed(x) }, { axis: 0 })];
    });
    await expect(step.run([f32([1], [1])], clockAt(0))).rejects.toThrow('use compile = "graph"');
  });

  test('ends a run, which says what it may be', async () => {
    class Picking extends LineTrainer {
      override trainStep(batch: Row): void {
        this.update(['opt'], () => {
          const guess = this.models.line.call(batch.x);
          return { minimize: rows.mean(ops.take<Tensor1D>(guess, computed(ops.add(batch.y, 100)))) };
        });
      }
    }
    const engine = await createNativeEngine('xla');
    const { session } = await new Picking().prepare({ kinds: ['train'], dataRoot: '.', engine });
    const listener = {
      step: () => undefined,
      metrics: () => undefined,
      validating: () => undefined,
      note: () => undefined,
    };
    const run = { session, addOns: [], control: new Control(), listener, now: () => 0, limit: null };
    await expect(fit(run)).rejects.toThrow(
      /not finite at step 1 \(rows .*\); an index that the step computes may be outside of its table/,
    );
    await session.close();
  });
});
