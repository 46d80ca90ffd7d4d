/** A trainer whose rows take work on the host: pictures in folders, an extern source, and rows in memory. Workers import this file. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import * as data from '../../src/runtime/data/index.js';
import * as transforms from '../../src/runtime/transforms/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import type { Tensor1D, Tensor2D, Tensor4D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';

export type Photos = Readonly<{ image: Tensor4D; label: Tensor1D }>;
type Sensor = Readonly<{ x: Tensor2D }>;

export interface PictureParams {
  readonly root: string;
  /** What goes wrong: nothing, or how a worker ends. */
  readonly fault: string;
}

export interface PictureData {
  readonly photos: data.Data<Photos>;
  readonly held: data.Data<Photos>;
  readonly digits: data.Data<Photos>;
  readonly sensor: data.Data<Sensor>;
}

/** Does to a worker what `fault` says, at the row whose label is 1. */
function harm(fault: string, label: transforms.Image): void {
  if (fault === 'slow') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  if (isMainThread || label.values[0] !== 1) return;
  if (fault === 'exit') process.exit(7);
  if (fault === 'throw later') {
    setImmediate(() => {
      throw new Error('nobody waits for this');
    });
  }
  if (fault === 'memory') {
    const held: number[][] = [];
    for (;;) held.push(Array.from({ length: 10_000 }, (_, at) => at + held.length));
  }
}

const size = 8;

/** Notes in a file of the data's folder, for a test to read. */
const note = (root: string, line: string): void => appendFileSync(join(root, 'notes.txt'), `${line}\n`);

class Net extends nn.Module<[x: Tensor4D], Tensor2D> {
  readonly dense = this.add('dense', nn.dense({ inputs: size * size * 3, units: 2 }));

  protected override forward(x: Tensor4D): Tensor2D {
    return this.dense.call(ops.flatten(x));
  }
}

export class PictureTrainer extends Trainer<PictureParams, { readonly net: Net }, PictureData> {
  static override readonly spec: TrainerSpec<PictureParams> = {
    name: 'pictures',
    trainer: 'Pictures',
    module: import.meta.url,
    params: [
      { name: 'root', key: 'root', type: 'path', doc: '', where: null },
      { name: 'fault', key: 'fault', type: 'string', default: '', doc: '', where: null },
    ],
    options: { epochs: 2, progress: 'none', summary: false, logEvery: units.steps(1) },
  };

  protected override configureData(): PictureData {
    const { root, fault } = this.params;
    const photos = data
      .imageFolder<Photos>({
        root,
        record: { image: { dtype: 'u8', shape: [-1, -1, 3] }, label: { dtype: 'i32', shape: [] } },
        batch: 5,
        shuffle: true,
      })
      .prepare<Photos>(
        { image: { dtype: 'f32', shape: [size, size, 3] }, label: { dtype: 'i32', shape: [] } },
        ({ image, label }) => {
          harm(fault, label);
          if (fault === 'row' && label.values[0] === 1) throw new Error('this class is not wanted');
          const crop = transforms.randomResizedCrop(image, {
            size: [size, size],
            draw: 'map.random_resized_crop',
          });
          const flipped = transforms.randomFlip(crop, { axis: 1, draw: 'map.random_flip' });
          return { image: transforms.div(transforms.cast(flipped, { to: 'f32' }), 255), label };
        },
      );
    const digits = data
      .digits({ batch: 50, shuffle: true })
      .prepare<Photos>(
        { image: { dtype: 'f32', shape: [6, 6, 1] }, label: { dtype: 'i32', shape: [] } },
        ({ image, label }) => ({
          image: transforms.cast(transforms.randomCrop(image, { size: [6, 6], draw: 'map.random_crop' }), {
            to: 'f32',
          }),
          label,
        }),
      );
    const sensor = data.from<Sensor>(
      () => {
        const where = isMainThread ? 'main' : 'worker';
        note(root, `open in ${where}`);
        return {
          length: 23,
          read: (indices) => {
            note(root, `read in ${where}`);
            if (fault === 'source' && indices.includes(7)) throw new Error('the sensor is off');
            return { x: Float32Array.from([...indices].flatMap((row) => [row, Math.sin(row)])) };
          },
          close: () => note(root, `close in ${where}`),
        };
      },
      {},
      { record: { x: { dtype: 'f32', shape: [2] } }, batch: 4 },
    );
    return { photos, held: photos.withOptions({ batch: 4, shuffle: false }), digits, sensor };
  }

  protected override configureModels(): { readonly net: Net } {
    return { net: new Net() };
  }

  protected override configureOptimizers({
    net,
  }: {
    readonly net: Net;
  }): Readonly<Record<string, optim.Optimizer>> {
    return { opt: optim.adam({ of: [net], lr: 0.01 }) };
  }

  protected override configureSteps(from: PictureData): readonly steps.StepPlan[] {
    return [
      steps.train('train', [from.photos], (batch) => this.#train(batch)),
      steps.validate('validate', [from.held], { every: units.epochs(1) }, (batch) => this.#validate(batch)),
    ];
  }

  #loss({ image, label }: Photos): ReturnType<typeof losses.softmaxCrossEntropy> {
    return losses.softmaxCrossEntropy(this.models.net.call(image), label);
  }

  #train(batch: Photos): void {
    this.update(['opt'], () => ({ minimize: rows.mean(this.#loss(batch)) }));
  }

  #validate(batch: Photos): void {
    this.log({ loss: rows.mean(this.#loss(batch)) });
  }
}
