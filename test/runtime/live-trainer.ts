/** A hand-written trainer on a live source that keeps a state, calls a model, draws numbers, and knows gaps. */
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import * as ops from '../../src/runtime/ops/index.js';
import { Line } from './tiny-trainer.js';

// A record has no index signature of its own unless it is written as a type.
export type WalkRow = Readonly<{ x: Tensor2D; y: Tensor1D; late: data.OrMissing<Tensor1D> }>;

interface WalkOptions {
  readonly guess: data.ModelFunction<{ readonly x: Float32Array }, Float32Array>;
  readonly keeps: boolean;
}

interface WalkFields {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly late: readonly (number | null)[];
}

/** What the harvests were asked for, and what the model gave: for tests to look at. */
export const seen: { rows: number; index: number; guess: number; first: readonly number[] }[] = [];

/** A walk that goes on from harvest to harvest, pushed by what the model guesses. */
export function walk({ guess, keeps }: WalkOptions): data.LiveSource<WalkFields> {
  let at = 0;
  return {
    async harvest({ rows: count, index, random }) {
      const x = Float32Array.from({ length: 2 * count }, () => random.normal());
      const [guessed, again] = await Promise.all([guess(count, { x }), guess(1, { x: x.subarray(0, 2) })]);
      seen.push({ rows: count, index, guess: again[0] ?? Number.NaN, first: [...x.subarray(0, 2)] });
      const y = Float32Array.from({ length: count }, (_, row) => {
        at = 0.9 * at + 0.1 * (guessed[row] ?? 0) + 0.01 * random.uniform();
        return 2 * (x[2 * row] ?? 0) - (x[2 * row + 1] ?? 0) + at;
      });
      return { x, y, late: Array.from(y, (value, row) => (row % 3 === 0 ? null : value)) };
    },
    ...(keeps
      ? {
          state: () => ({ at }),
          restore(state: unknown) {
            at = typeof state === 'object' && state !== null && 'at' in state ? Number(state.at) : Number.NaN;
          },
        }
      : {}),
  };
}

export const walkSet = (keeps: boolean, options: data.CommonOptions): data.Data<WalkRow> =>
  data.live<WalkRow>(
    walk,
    { guess: data.model('Line', { x: { dtype: 'f32', shape: [2] } }), keeps },
    {
      record: {
        x: { dtype: 'f32', shape: [2] },
        y: { dtype: 'f32', shape: [] },
        late: { dtype: 'f32', shape: [], missing: true },
      },
      ...options,
    },
  );

interface WalkData {
  readonly play: data.Data<WalkRow>;
  readonly watch: data.Data<WalkRow>;
}

export class LiveTrainer extends Trainer<{ readonly keeps: boolean }, { readonly line: Line }, WalkData> {
  static override readonly spec: TrainerSpec<{ readonly keeps: boolean }> = {
    name: 'live',
    trainer: 'LiveTrainer',
    params: [{ name: 'keeps', key: 'keeps', type: 'bool', default: true, doc: '', where: null }],
    options: { steps: 12, seed: 3, logEvery: units.steps(3), limit: { validate: units.batches(2) } },
  };

  protected override configureData(): WalkData {
    const { keeps } = this.params;
    return { play: walkSet(keeps, { batch: 6 }), watch: walkSet(keeps, { batch: 4 }) };
  }
  protected override configureModels() {
    return { line: new Line() };
  }
  protected override configureOptimizers(models: { readonly line: Line }) {
    return { opt: optim.adam({ of: [models.line], lr: 0.05 }) };
  }
  protected override configureSteps(from: WalkData) {
    return [
      steps.train('train', [from.play], (batch) => this.trainStep(batch)),
      steps.validate('validate', [from.watch], { every: units.steps(4) }, (batch) =>
        this.validateStep(batch),
      ),
    ];
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(1), keep: 20, best: addons.min('train.miss') })];
  }

  trainStep(batch: WalkRow): void {
    this.update(['opt'], () => {
      const loss = rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y));
      return { minimize: loss };
    });
    const known = ops.sub<Tensor1D>(1, ops.cast<Tensor1D>(batch.late.missing, { to: 'f32' }));
    this.log({
      miss: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
      late: rows.mean(batch.late.value, { weight: known }),
    });
  }
  validateStep(batch: WalkRow): void {
    this.log({ loss: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)) });
  }
}
