/** A trainer whose data depends on more than its params, as a hand-written one's may. Workers import this file. */
import { isMainThread } from 'node:worker_threads';
import * as data from '../../src/runtime/data/index.js';
import * as transforms from '../../src/runtime/transforms/index.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import type { StepPlan } from '../../src/runtime/trainer/steps.js';
import type { Tensor2D } from '../../src/runtime/tensor.js';

type Row = Readonly<{ x: Tensor2D }>;

export interface Own {
  readonly rows: number;
  readonly from: number;
  readonly isHalved: boolean;
}

const record = { x: { dtype: 'f32', shape: [2] } } as const;

const counted = (rows: number, { from }: { readonly from: number }): data.RowSource => ({
  length: rows,
  read: (indices) => ({ x: Float32Array.from([...indices].flatMap((row) => [from + row, 0])) }),
});

/** What the data is made of besides params: each thread has its own. */
let own: Own = { rows: 6, from: 0, isHalved: false };

export class OtherTrainer extends Trainer<object, object, { readonly counted: data.Data<Row> }> {
  static override readonly spec: TrainerSpec<object> = {
    name: 'other',
    trainer: 'Other',
    module: import.meta.url,
    params: [],
  };

  protected override configureData(): { readonly counted: data.Data<Row> } {
    const { rows, from, isHalved } = own;
    const set = data.from<Row>(
      (options: { readonly from: number }) => counted(rows, options),
      { from },
      { record, batch: 3, workers: 1 },
    );
    return {
      counted: isHalved
        ? set.prepare<Row>(record, ({ x }) => ({ x: transforms.div(x, 2) }))
        : set.prepare<Row>(record, ({ x }) => ({ x: transforms.mul(x, 2) })),
    };
  }
  protected override configureModels(): object {
    return {};
  }
  protected override configureOptimizers(): Readonly<Record<string, never>> {
    return {};
  }
  protected override configureSteps(): readonly StepPlan[] {
    return [];
  }
}

/** A trainer whose data is of this here, and of nothing of it where workers import the file. */
export function trainerOf(given: Partial<Own>): OtherTrainer {
  if (!isMainThread) throw new Error('only the main thread makes it');
  own = { rows: 6, from: 0, isHalved: false, ...given };
  return new OtherTrainer();
}
