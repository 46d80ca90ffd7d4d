/** A hand-written trainer whose train step reads two live sets, each with a state, which can be made to fail. */
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Json } from '../../src/runtime/addons/addon.js';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { Line } from './tiny-trainer.js';

// A record has no index signature of its own unless it is written as a type.
export type PairRow = Readonly<{ x: Tensor2D; y: Tensor1D }>;

type Side = 'left' | 'right';

/** Which harvest fails, and how: the source throws once it has moved on, gives this number in its second row, or does this. */
export const broken: {
  side: Side | null;
  index: number;
  how: 'throws' | number | (() => Promise<void>);
} = {
  side: null,
  index: 3,
  how: 'throws',
};

/** What `restore` throws, and what `close` does, and what `state` gives instead of its own; null: neither. */
export const wrong: { restore: string | null; state: (() => Json) | null; close: string | null } = {
  restore: null,
  state: null,
  close: null,
};

/** Harvests that go on at the same time. */
export const busy = { now: 0, most: 0 };

interface Options {
  readonly guess: data.ModelFunction<{ readonly x: Float32Array }, Float32Array>;
  readonly side: Side;
}

/** Counts on from row to row, whatever becomes of the rows. */
export function counted({ guess, side }: Options): data.LiveSource<{ x: Float32Array; y: Float32Array }> {
  let at = 0;
  return {
    async harvest({ rows: count, index, random }) {
      busy.now += 1;
      busy.most = Math.max(busy.most, busy.now);
      try {
        const x = Float32Array.from({ length: 2 * count }, () => random.normal());
        const guessed = await guess(count, { x });
        const y = Float32Array.from(guessed, (each) => 0.1 * each + Math.sin((at += 1)));
        if (broken.side === side && broken.index === index) {
          const { how } = broken;
          if (how === 'throws') throw new Error('the server is gone');
          if (typeof how === 'number') y[1] = how;
          else await how();
        }
        return { x, y };
      } finally {
        busy.now -= 1;
      }
    },
    close() {
      if (wrong.close !== null) throw new Error(`${wrong.close} of ${side}`);
    },
    state: () => wrong.state?.() ?? { at },
    restore(state) {
      if (wrong.restore !== null) throw new Error(wrong.restore);
      at = typeof state === 'object' && state !== null && 'at' in state ? Number(state.at) : Number.NaN;
    },
  };
}

export interface PairData {
  readonly left: data.Data<PairRow>;
  readonly right: data.Data<PairRow>;
}

export class PairTrainer extends Trainer<object, { readonly line: Line }, PairData> {
  static override readonly spec: TrainerSpec<object> = {
    name: 'pair',
    trainer: 'PairTrainer',
    params: [],
    options: { steps: 8, seed: 3, logEvery: units.steps(2) },
  };

  protected override configureData(): PairData {
    const set = (side: Side): data.Data<PairRow> =>
      data.live<PairRow>(
        counted,
        { guess: data.model('Line', { x: { dtype: 'f32', shape: [2] } }), side },
        { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } }, batch: 4 },
      );
    return { left: set('left'), right: set('right') };
  }
  protected override configureModels() {
    return { line: new Line() };
  }
  protected override configureOptimizers(models: { readonly line: Line }) {
    return { opt: optim.adam({ of: [models.line], lr: 0.05 }) };
  }
  protected override configureSteps({ left, right }: PairData) {
    return [steps.train('train', [left, right], (one, two) => this.trainStep(one, two))];
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(4), keep: 5 })];
  }

  trainStep(one: PairRow, two: PairRow): void {
    this.update(['opt'], () => ({ minimize: [this.missOf(one), this.missOf(two)] }));
    this.log({ left: this.missOf(one), right: this.missOf(two) });
  }
  missOf({ x, y }: PairRow) {
    return rows.mean(losses.squaredError(this.models.line.call(x), y));
  }
}
