/** A trainer with a schedule, for the tests of clocks. */
import * as losses from '../../src/runtime/losses/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as schedules from '../../src/runtime/schedules/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import { Line, lineSet, type LineData, type LineModels, type Row } from './tiny-trainer.js';

export interface WarmSchedules {
  readonly warm: schedules.Schedule;
}

/** Warms up over 5 steps to 0.05, then stays. */
export class WarmTrainer extends Trainer<object, LineModels, LineData, WarmSchedules> {
  constructor(private readonly lr: optim.Rate<WarmSchedules>) {
    super({ options: { epochs: 2, logEvery: units.steps(2) } });
  }
  protected override configureData(): LineData {
    return { train: lineSet(16, { batch: 4 }), test: lineSet(4, {}) };
  }
  protected override configureModels(): LineModels {
    return { line: new Line() };
  }
  protected override configureSchedules(): WarmSchedules {
    return {
      warm: schedules.chain([
        schedules.warmup({ to: 0.05, over: units.steps(5) }),
        schedules.constant({ value: 0.05, over: units.rest }),
      ]),
    };
  }
  protected override configureOptimizers(models: LineModels) {
    return { opt: optim.rmsprop({ of: [models.line], lr: this.lr, momentum: 0.5 }) };
  }
  protected override configureSteps(from: LineData) {
    return [steps.train('train', [from.train], (batch) => this.trainStep(batch))];
  }
  trainStep(batch: Row): void {
    this.update(['opt'], () => {
      this.log({ warm: rows.last(this.now('warm')) });
      return { minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)) };
    });
  }
}
