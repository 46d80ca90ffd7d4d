/**
 * An LSTM over 32 steps of 16 numbers with 64 units, batches of 32; the last state goes to ten classes. It is written in
 * TypeScript for its made-up data alone.
 */
import { Trainer, data, losses, nn, optim, rows, steps } from 'ztrain/runtime';
import type { Data, Tensor1D, Tensor2D, Tensor3D, TrainerSpec } from 'ztrain/runtime';
import { syntheticSequences } from './synthetic.js';

const length = 32;
const features = 16;
const units = 64;
const classes = 10;

class Lstm extends nn.Module<[x: Tensor3D], Tensor2D> {
  readonly rnn = this.add('rnn', nn.lstm({ inputs: features, units, last: true }));
  readonly head = this.add('head', nn.dense({ inputs: units, units: classes }));

  protected override forward(x: Tensor3D): Tensor2D {
    return this.head.call(this.rnn.call<Tensor2D>(x));
  }
}

type Batch = Readonly<Record<'x', Tensor3D> & Record<'y', Tensor1D>>;

export class LstmTrainer extends Trainer<
  object,
  { readonly lstm: Lstm },
  { readonly sequences: Data<Batch> }
> {
  static override readonly spec: TrainerSpec<object> = {
    name: 'lstm',
    trainer: 'LstmTrainer',
    params: [],
    models: { lstm: 'Lstm' },
    data: { sequences: 'sequences' },
    options: { epochs: 1 },
  };

  protected override configureData() {
    return {
      sequences: data.from<Batch>(
        syntheticSequences,
        { length, features, classes },
        {
          record: { x: { dtype: 'f32', shape: [length, features] }, y: { dtype: 'i32', shape: [] } },
          batch: 32,
        },
      ),
    };
  }

  protected override configureModels() {
    return { lstm: new Lstm() };
  }

  protected override configureOptimizers(models: { readonly lstm: Lstm }) {
    return { opt: optim.adam({ of: [models.lstm], lr: 1e-3 }) };
  }

  protected override configureSteps(from: { readonly sequences: Data<Batch> }) {
    return [
      steps.train('train', [from.sequences], (batch) => {
        this.update(['opt'], () => ({
          minimize: rows.mean(losses.softmaxCrossEntropy<Tensor1D>(this.models.lstm.call(batch.x), batch.y)),
        }));
      }),
    ];
  }
}
