/** The shipped trainers at small sizes on made-up rows, and trainers for what the specs leave out. */
import { AveragedTrainer, type AveragedData } from '../../specs/generated/averaged.js';
import { DcganTrainer, type DcganData } from '../../specs/generated/dcgan.js';
import { DigitsTrainer, type DigitsData } from '../../specs/generated/digits.js';
import { FashionTrainer, type FashionData } from '../../specs/generated/fashion.js';
import { FoldsTrainer, type FoldsData } from '../../specs/generated/folds.js';
import { GptTrainer, type GptData } from '../../specs/generated/gpt.js';
import { IrisTrainer, type IrisData } from '../../specs/generated/iris.js';
import { MpgTrainer, type MpgData } from '../../specs/generated/mpg.js';
import { PpoTrainer, type PpoData } from '../../specs/generated/ppo.js';
import { TransferTrainer, type TransferData } from '../../specs/generated/transfer.js';
import { Data } from '../../src/runtime/data/data.js';
import { recordColumns, type FieldType } from '../../src/runtime/data/record.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { hostUniform } from '../../src/runtime/engine/philox.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import type { AnyTrainer } from '../../src/runtime/trainer/run.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import type { TrainerSetup } from '../../src/runtime/trainer/trainer.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, type Line, type LineData, type LineModels, type Row } from '../runtime/tiny-trainer.js';

/** The same numbers for the same row, whatever batch it is in. */
function valuesOf(
  name: string,
  { dtype, shape }: FieldType,
  indices: Int32Array,
  classes: number,
): HostTensor {
  const size = shape.reduce((product, n) => product * n, 1);
  const count = size * indices.length;
  const values =
    dtype === 'f32'
      ? new Float32Array(count)
      : dtype === 'i32'
        ? new Int32Array(count)
        : new Uint8Array(count);
  const below = dtype === 'u8' && size > 1 ? 256 : dtype === 'bool' ? 2 : classes;
  indices.forEach((index, at) => {
    const drawn = hostUniform(3, name, size, { offset: index * size });
    values.set(
      drawn.map((value) => (dtype === 'f32' ? value : Math.floor(value * below))),
      at * size,
    );
  });
  return { dtype, shape: [indices.length, ...shape], values };
}

/** A data set of `length` made-up rows in place of its files. */
function madeUp<B>(set: Data<B>, length: number, classes: number): Data<B> {
  // Live rows would depend on the weights; the same made-up ones show what the step makes of them.
  const { live: _, ...source } = set.source;
  const { record } = source;
  return new Data(
    {
      ...source,
      open: () =>
        Promise.resolve({
          length,
          skipped: 0,
          read: (indices: Int32Array) =>
            Promise.resolve(
              recordColumns(record).map(({ name, field }) => valuesOf(name, field, indices, classes)),
            ),
          close: () => Promise.resolve(),
        }),
    },
    set.options,
    (tensors) => set.toBatch(tensors),
  );
}

class Digits extends DigitsTrainer {
  protected override configureData(): DigitsData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: madeUp(trainSet, 30, 10), testSet: madeUp(testSet, 10, 10) };
  }
}
class Averaged extends AveragedTrainer {
  protected override configureData(): AveragedData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: madeUp(trainSet, 30, 10), testSet: madeUp(testSet, 10, 10) };
  }
}
class Folds extends FoldsTrainer {
  protected override configureData(): FoldsData {
    const { trainSet, heldOut, testSet } = super.configureData();
    return {
      trainSet: madeUp(trainSet, 50, 3),
      heldOut: madeUp(heldOut, 10, 3),
      testSet: madeUp(testSet, 10, 3),
    };
  }
}
class Iris extends IrisTrainer {
  protected override configureData(): IrisData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: madeUp(trainSet, 50, 3), testSet: madeUp(testSet, 10, 3) };
  }
}
class Mpg extends MpgTrainer {
  protected override configureData(): MpgData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: madeUp(trainSet, 70, 3), testSet: madeUp(testSet, 10, 3) };
  }
}
class Transfer extends TransferTrainer {
  protected override configureData(): TransferData {
    const { few, testSet } = super.configureData();
    return { few: madeUp(few, 30, 2), testSet: madeUp(testSet, 10, 2) };
  }
  // Without the run whose layers it begins with.
  protected override configureAddOns() {
    return super.configureAddOns().filter(({ kind }) => kind !== 'pretrained');
  }
}
class Fashion extends FashionTrainer {
  protected override configureData(): FashionData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: madeUp(trainSet, 22, 10), testSet: madeUp(testSet, 10, 10) };
  }
}
class Dcgan extends DcganTrainer {
  protected override configureData(): DcganData {
    return { reals: madeUp(super.configureData().reals, 10, 10) };
  }
}
class Ppo extends PpoTrainer {
  protected override configureData(): PpoData {
    return { play: madeUp(super.configureData().play, 48, 2) };
  }
}
class Gpt extends GptTrainer {
  protected override configureData(): GptData {
    const { trainSet, valSet, prompts } = super.configureData();
    return {
      trainSet: madeUp(trainSet, 22, 256),
      valSet: madeUp(valSet, 10, 256),
      prompts: madeUp(prompts, 10, 256),
    };
  }
  // Every 250 steps, in a run of that many.
  protected override configureSteps(from: GptData) {
    return super
      .configureSteps(from)
      .map((step) => (step.kind === 'validate' ? { ...step, every: units.steps(10) } : step));
  }
}

class Wide extends nn.Module<[x: Tensor2D], Tensor1D> {
  readonly first = this.add('first', nn.dense({ inputs: 2, units: 8 }));
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 8 }));
  readonly drop = this.add('drop', nn.dropout({ rate: 0.3 }));
  readonly last = this.add('last', nn.dense({ inputs: 8, units: 1 }));
  protected override forward(x: Tensor2D): Tensor1D {
    const hidden = this.drop.call(this.norm.call(ops.tanh(this.first.call(x))));
    return ops.squeeze(this.last.call(hidden), { axis: -1 });
  }
}

/** Two models, each with an optimizer of its own, the second in every third step only. */
class Pair extends LineTrainer {
  readonly wide = new Wide();
  constructor(
    private readonly pair: (line: Line, wide: Wide) => Readonly<Record<'opt_a' | 'opt_b', optim.Optimizer>>,
    options: TrainerOptions,
  ) {
    super({ params: { rows: 29, batchSize: 8 }, options });
  }
  protected override configureModels(): LineModels & { readonly wide: Wide } {
    return { ...super.configureModels(), wide: this.wide };
  }
  protected override configureOptimizers(models: LineModels) {
    return this.pair(models.line, this.wide);
  }
  protected override configureSteps(from: LineData) {
    return [steps.train('train', [from.train], (batch) => this.trainStep(batch))];
  }
  override trainStep(batch: Row): void {
    this.update(['opt_a'], () => ({
      minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
    }));
    if (this.every('train.every1', units.steps(3))) {
      this.update(['opt_b'], () => ({
        minimize: rows.mean(losses.huber(this.wide.call(batch.x), batch.y)),
      }));
    }
  }
}

const options: TrainerOptions = { epochs: null, steps: 1000, logEvery: units.steps(5), progress: 'none' };
const small = { batchSize: 4 };

/** An offset before a batch norm has no effect: its gradient is rounding noise, which Adam makes as large as any. */
export const noisyWeights = /^Generator\.up\d\.(conv\.bias|norm\.mean)$/;

/** What a test wants otherwise. */
interface More {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly options?: TrainerOptions;
}
type Trained = new (setup: TrainerSetup) => AnyTrainer;

const maker =
  (Class: Trained, params: Readonly<Record<string, unknown>> = {}) =>
  (more: More = {}): AnyTrainer =>
    new Class({ params: { ...params, ...more.params }, options: { ...options, ...more.options } });

/** Those of `specs/`: each makes a trainer of 1,000 steps, unless more is said. */
export const shipped: Readonly<Record<string, (more?: More) => AnyTrainer>> = {
  digits: maker(Digits, { ...small, lr: 2e-4 }),
  averaged: maker(Averaged),
  folds: maker(Folds),
  iris: maker(Iris),
  mpg: maker(Mpg),
  transfer: maker(Transfer, { lr: 1e-3 }),
  fashion: maker(Fashion, { ...small, width: 2 }),
  dcgan: maker(Dcgan, { ...small, width: 2, latent: 6, critics: 3 }),
  ppo: maker(Ppo, { envs: 4, horizon: 4, turns: 2, parts: 2, lr: 1e-4 }),
  gpt: maker(Gpt, { ...small, depth: 1, width: 16, nHead: 2, context: 12, drop: 0.1 }),
};

/** All: of `specs/`, and of what they leave out. */
export const trainers: Readonly<Record<string, () => AnyTrainer>> = {
  ...shipped,
  'accumulation and adam': () =>
    new Pair(
      (line, wide) => ({
        opt_a: optim.sgd({ of: [line], lr: 0.05, momentum: 0.9 }),
        opt_b: optim.adam({ of: [wide], lr: 0.002 }),
      }),
      { ...options, accumulate: 3 },
    ),
  'clipping by norm': () =>
    new Pair(
      (line, wide) => ({
        opt_a: optim.sgd({ of: [line], lr: 0.05, momentum: 0.9, nesterov: true }),
        opt_b: optim.adamw({ of: [wide], lr: 0.002, weightDecay: 0.1 }),
      }),
      { ...options, clip: optim.clipNorm({ most: 0.1 }) },
    ),
  'clipping by value and rmsprop': () =>
    new Pair(
      (line, wide) => ({
        opt_a: optim.rmsprop({ of: [line], lr: 0.02, momentum: 0.5 }),
        opt_b: optim.rmsprop({ of: [wide], lr: 0.002, clip: optim.clipValue({ most: 0.01 }) }),
      }),
      options,
    ),
  'adagrad and lion': () =>
    new Pair(
      (line, wide) => ({
        opt_a: optim.adagrad({ of: [line], lr: 0.05 }),
        opt_b: optim.lion({ of: [wide], lr: 0.001 }),
      }),
      options,
    ),
};
