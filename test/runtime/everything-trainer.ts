/** A trainer with all kinds of state that a run can have, on tiny data: for the tests of runs that go on. */
import * as addons from '../../src/runtime/addons/index.js';
import * as copies from '../../src/runtime/copies/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as schedules from '../../src/runtime/schedules/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { lineSet, LineTrainer, type LineData, type Row } from './tiny-trainer.js';

class Net extends nn.Module<[x: Tensor2D], Tensor1D> {
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 2 }));
  readonly wide = this.add('wide', nn.dense({ inputs: 2, units: 6 }));
  readonly drop = this.add('drop', nn.dropout({ rate: 0.3 }));
  readonly head = this.add('head', nn.dense({ inputs: 6, units: 1 }));

  protected override forward(x: Tensor2D): Tensor1D {
    const wide = this.drop.call(ops.relu<Tensor2D>(this.wide.call(this.norm.call(x))));
    return ops.squeeze(this.head.call(wide), { axis: -1 });
  }
}

interface Models {
  readonly net: Net;
  readonly rival: Net;
  readonly smooth: Net;
  readonly mean: Net;
}
interface Falling {
  readonly falling: schedules.Schedule;
}

/**
 * 7 batches an epoch in windows of 2, the last one short: 4 steps. Dropout, batch norm, two optimizers of which one runs each third
 * step, a plateau, weights that are frozen at first and again, averages of weights, validation twice an epoch, early stopping, a line of metrics each 3 steps.
 */
export class EverythingTrainer extends Trainer<object, Models, LineData, Falling> {
  static override readonly spec = { ...LineTrainer.spec, params: [], asserts: [] };

  constructor(options: object = {}) {
    super({
      options: {
        epochs: 4,
        accumulate: 2,
        logEvery: units.steps(3),
        onNan: 'skip',
        progress: 'none',
        ...options,
      },
    });
  }
  protected override configureData(): LineData {
    return { train: lineSet(26, { batch: 4, shuffle: true }), test: lineSet(8, { batch: 3 }) };
  }
  protected override configureModels(): Models {
    return { net: new Net(), rival: new Net(), smooth: new Net(), mean: new Net() };
  }
  protected override configureSchedules(): Falling {
    return {
      falling: schedules.chain([
        schedules.plateau({
          from: 0.05,
          over: units.rest,
          monitor: addons.min('validate.loss'),
          patience: 1,
          factor: 0.5,
        }),
      ]),
    };
  }
  protected override configureOptimizers({ net, rival }: Models) {
    return {
      opt: optim.adam<Falling>({
        of: [net],
        lr: ({ falling }) => falling,
        // Frozen, free, and frozen again: steps 3 to 11 of 16.
        groups: [
          {
            name: 'norm',
            match: ['norm.*'],
            freeze: optim.freezeAfter({ from: units.steps(11), first: units.steps(2) }),
          },
        ],
      }),
      other: optim.sgd<Falling>({ of: [rival], lr: 0.02, momentum: 0.9, clip: optim.clipNorm({ most: 1 }) }),
    };
  }
  protected override configureCopies({ net, smooth, mean }: Models) {
    return {
      smooth: copies.ema<Net, Falling>({ of: net, into: smooth, decay: 0.9 }),
      mean: copies.average<Net>({ of: net, into: mean, from: units.steps(5), every: units.steps(2) }),
    };
  }
  protected override configureSteps(from: LineData) {
    return [
      steps.train('train', [from.train], (batch) => this.trainStep(batch)),
      steps.validate('validate', [from.test], { every: units.epochs(0.5) }, (batch) =>
        this.validateStep(batch),
      ),
    ];
  }
  protected override configureAddOns() {
    return [
      addons.checkpoint({ every: units.steps(1), keep: 100, best: addons.max('validate.loss') }),
      addons.earlyStopping({ monitor: addons.max('validate.smooth'), patience: 40 }),
      addons.lrLog({ every: units.steps(2) }),
      addons.csvLog(),
    ];
  }

  trainStep(batch: Row): void {
    const { net, rival } = this.models;
    this.update(['opt'], () => {
      const loss = losses.squaredError(net.call(batch.x), batch.y);
      this.log({ worst: rows.last(ops.sum(loss)) });
      return { minimize: rows.mean(loss) };
    });
    if (this.every('rival', units.steps(3)))
      this.update(['other'], () => ({
        minimize: rows.mean(losses.squaredError(rival.call(batch.x), batch.y)),
      }));
  }
  validateStep(batch: Row): void {
    const { net, smooth, mean } = this.models;
    const loss = (model: Net) => rows.mean(losses.squaredError(model.call(batch.x), batch.y));
    this.log({ loss: loss(net), smooth: loss(smooth), mean: loss(mean) });
  }
}
