/**
 * An LSTM over 32 steps of 16 numbers with 64 units, batches of 32; the last state goes to ten classes. The language has no
 * recurrence yet, so this is a trainer written by hand: each step of the sequence is in the graph.
 */
import { Trainer, data, losses, nn, ops, optim, rows, steps } from 'ztrain/runtime';
import type { Data, Tensor1D, Tensor2D, Tensor3D, TrainerSpec } from 'ztrain/runtime';
import { syntheticSequences } from './synthetic.js';

const length = 32;
const features = 16;
const units = 64;
const classes = 10;

class Lstm extends nn.Module<[x: Tensor3D], Tensor2D> {
  readonly given = this.add('given', nn.dense({ inputs: features, units: 4 * units }));
  readonly before = this.add('before', nn.dense({ inputs: units, units: 4 * units, bias: false }));
  readonly head = this.add('head', nn.dense({ inputs: units, units: classes }));

  protected override forward(x: Tensor3D): Tensor2D {
    let state: Tensor2D = ops.zeros<Tensor2D>({ shape: [x.shape[0], units] });
    let cell: Tensor2D = state;
    for (let at = 0; at < length; at += 1) {
      // The input has no gradient; a product of the whole sequence, cut into steps, would have to put theirs together.
      const given = this.given.call(ops.slice<Tensor2D>(x, [null, at, null]));
      const gates = ops.add<Tensor2D>(given, this.before.call(state));
      const gate = (index: number): Tensor2D =>
        ops.slice<Tensor2D>(gates, [null, [index * units, (index + 1) * units]]);
      const kept = ops.mul<Tensor2D>(ops.sigmoid(gate(1)), cell);
      cell = ops.add<Tensor2D>(kept, ops.mul<Tensor2D>(ops.sigmoid(gate(0)), ops.tanh(gate(2))));
      state = ops.mul<Tensor2D>(ops.sigmoid(gate(3)), ops.tanh(cell));
    }
    return this.head.call(state);
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
