/** Every step is traceable: two runs with another clock, rate and data ask the engine for exactly the same. */
import { expect, test } from 'vitest';
import { createSymbolicEngine } from '../../src/runtime/engine/symbolic.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { batchesAt } from '../../src/runtime/trainer/evaluate.js';
import type { OpenStage, Session } from '../../src/runtime/trainer/session.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { Line, LineTrainer, type LineModels, type Row } from './tiny-trainer.js';

class Noisy extends Line {
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 2 }));
  readonly drop = this.add('drop', nn.dropout({ rate: 0.5 }));

  protected override forward(x: Tensor2D): Tensor1D {
    return super.forward(this.drop.call(this.norm.call(x)));
  }
}

const rules: readonly ((of: readonly Line[], lr: optim.Rate<object>) => optim.Optimizer)[] = [
  (of, lr) => optim.sgd({ of, lr, momentum: 0.9, nesterov: true }),
  (of, lr) => optim.adam({ of, lr, clip: optim.clipNorm({ most: 1 }) }),
  (of, lr) =>
    optim.adamw({
      of,
      lr,
      clip: optim.clipValue({ most: 1 }),
      groups: [{ name: 'g', match: ['**.bias'], lr }],
    }),
  (of, lr) => optim.rmsprop({ of, lr, momentum: 0.9 }),
];

async function traces(rule: number, options: TrainerOptions): Promise<readonly (readonly unknown[])[]> {
  class Traced extends LineTrainer {
    protected override configureModels(): LineModels {
      return { line: new Noisy() };
    }
    protected override configureOptimizers(models: LineModels) {
      const make = rules[rule] ?? (() => optim.sgd({ of: [models.line], lr: 1 }));
      return { opt: make([models.line], ({ step }: optim.Clock) => 0.1 / (1 + step)) };
    }
    override trainStep(batch: Row): void {
      this.update(['opt'], () => {
        const guess = this.models.line.call(batch.x);
        this.log({ noise: rows.mean(ops.normalLike(guess, { draw: 'noise' })) });
        return {
          minimize: [
            rows.mean(losses.squaredError(guess, batch.y)),
            rows.times(0.1, rows.mean(ops.abs(guess))),
          ],
        };
      });
    }
  }
  const engine = await createSymbolicEngine();
  const trainer = new Traced({ params: { rows: 16 }, options });
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.', engine });
  const [train] = session.of('train');
  const [validate] = session.of('validate');
  if (train === undefined || validate === undefined) throw new Error('a stage is missing');
  const found: (readonly unknown[])[] = [];
  for (const [open, step, last] of [
    [train, 0, true],
    [train, 1, true],
    [train, 2, true],
    [train, 2, false],
    [train, 3, false],
    [validate, 3, true],
    [validate, 5, true],
    [validate, 7, true],
  ] as const) {
    await runAt(session, open, step, last);
    found.push(engine.trace());
  }
  await session.close();
  return found;
}

async function runAt(
  session: Session,
  { stage, data }: OpenStage,
  step: number,
  last: boolean,
): Promise<void> {
  const clock = session.clockAt(step);
  const inputs = await batchesAt(data, step, stage.plan.kind === 'train' ? step : 0);
  await stage.run(inputs, {
    clock,
    draws: { seed: 1, step, micro: step, rowOffset: 4 * step },
    scalars: session.scalarsAt(clock, true),
    last,
  });
}

test.each([
  [0, {}],
  [1, {}],
  [2, {}],
  [3, {}],
  [1, { accumulate: 2 }],
  [1, { onNan: 'skip', accumulate: 2 }],
  [2, { onNan: 'skip' }],
  [2, { onNan: 'ignore' }],
] as const)('optimizer %d with %j freezes no number', async (rule, options) => {
  // The first run of a stage makes the variables of its metrics; the runs after it are to be equal.
  const [, second, third, open, again, , evaluated, later] = await traces(rule, options);
  expect(third).toEqual(second);
  expect(again).toEqual(open);
  expect(later).toEqual(evaluated);
  expect(JSON.stringify(second)).not.toBe(JSON.stringify(evaluated));
});
