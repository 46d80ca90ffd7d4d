/** Hand-written trainers on tiny made-up data, for the tests of the loop. */
import * as data from '../../src/runtime/data/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import * as units from '../../src/values/units.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit, type FitListener, type LiveAddOn, type MetricsRecord } from '../../src/runtime/trainer/fit.js';
import type { Session } from '../../src/runtime/trainer/session.js';
import type { TrainerOptions, TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { Trainer, type TrainerSetup } from '../../src/runtime/trainer/trainer.js';
import type { Prepared, PrepareOptions } from '../../src/runtime/trainer/prepared.js';

export interface Row {
  readonly x: Tensor2D;
  readonly y: Tensor1D;
}

/** y = 2 x0 - x1 + 0.5, plus a little that no line explains. */
export function lineData(count: number): data.RowSource {
  const x = (i: number, j: number): number => Math.sin(1 + 3 * i + 7 * j);
  const y = (i: number): number => 2 * x(i, 0) - x(i, 1) + 0.5 + 0.1 * Math.cos(5 * i);
  return {
    length: count,
    read: (indices) => ({
      x: Float32Array.from([...indices].flatMap((i) => [x(i, 0), x(i, 1)])),
      y: Float32Array.from([...indices].map(y)),
    }),
  };
}

export interface LineParams {
  readonly lr: number;
  readonly rows: number;
  readonly batchSize: number;
  readonly mode: string;
}

export class Line extends nn.Module<[x: Tensor2D], Tensor1D> {
  readonly dense: nn.Dense;

  constructor() {
    super();
    this.dense = this.add('dense', nn.dense({ inputs: 2, units: 1 }));
  }

  protected override forward(x: Tensor2D): Tensor1D {
    return ops.squeeze(this.dense.call(x), { axis: -1 });
  }
}

export interface LineModels {
  readonly line: Line;
}

export interface LineData {
  readonly train: data.Data<Row>;
  readonly test: data.Data<Row>;
}

export function lineSet(count: number, options: data.CommonOptions): data.Data<Row> {
  return data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
    () => lineData(count),
    {},
    { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } }, ...options },
  );
}

/** A linear model by least squares. */
export class LineTrainer extends Trainer<LineParams, LineModels, LineData> {
  static override readonly spec: TrainerSpec<LineParams> = {
    name: 'line',
    trainer: 'LineTrainer',
    doc: 'A line through made-up points.',
    sha256: '00',
    language: 1,
    compiler: '0.1.0',
    files: [{ path: 'line.ztrain', text: 'trainer LineTrainer {}' }],
    params: [
      {
        name: 'lr',
        key: 'lr',
        type: 'float',
        default: 0.1,
        doc: 'Learning rate.',
        where: { text: 'lr > 0', test: ({ lr }) => lr > 0 },
      },
      { name: 'rows', key: 'rows', type: 'int', default: 20, doc: 'Rows of data.', where: null },
      { name: 'batch_size', key: 'batchSize', type: 'int', default: 4, doc: '', where: null },
      {
        name: 'mode',
        key: 'mode',
        type: 'string',
        choices: ['plain', 'other'],
        default: 'plain',
        doc: '',
        where: null,
      },
    ],
    asserts: [
      {
        text: 'batch_size <= rows',
        message: 'a batch is more than the data',
        test: ({ batchSize, rows: count }) => batchSize <= count,
      },
    ],
    options: { epochs: 3, seed: 1, logEvery: units.steps(2) },
  };

  protected override configureData(): LineData {
    const { rows: count, batchSize } = this.params;
    return {
      train: lineSet(count, { batch: batchSize, shuffle: true }),
      test: lineSet(8, { batch: 3 }),
    };
  }
  protected override configureModels(): LineModels {
    return { line: new Line() };
  }
  protected override configureOptimizers(models: LineModels): Readonly<Record<string, optim.Optimizer>> {
    return { opt: optim.sgd({ of: [models.line], lr: this.params.lr }) };
  }
  protected override configureSteps(from: LineData) {
    return [
      steps.train('train', [from.train], (batch) => this.trainStep(batch)),
      steps.validate('validate', [from.test], { every: units.epochs(1) }, (batch) =>
        this.validateStep(batch),
      ),
      steps.predict('predict', [from.test], (batch) => ({ guess: this.models.line.call(batch.x) })),
    ];
  }

  trainStep(batch: Row): void {
    this.update(['opt'], () => ({
      minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)),
    }));
  }
  validateStep(batch: Row): void {
    const loss = rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y));
    this.log({ loss, rmse: rows.derive({ loss }, ({ loss: mean }) => Math.sqrt(mean)) });
  }
}

interface Preparable {
  prepare(options: PrepareOptions): Promise<Prepared>;
}

/** Trains and remembers what the loop told. */
export async function train(
  trainer: Preparable,
  addOns: readonly LiveAddOn[] = [],
  control = new Control(),
  validating: FitListener['validating'] = () => undefined,
) {
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
  const records: MetricsRecord[] = [];
  const seen: number[] = [];
  const result = await fit({
    session,
    addOns,
    control,
    listener: {
      step: ({ step }) => seen.push(step),
      metrics: (record) => records.push(record),
      validating,
      note: () => undefined,
    },
    now: () => 0,
    limit: null,
  });
  return { session, records, result, seen };
}

/** The models' weights, one after the other; closes the session. */
export async function weightsOf(session: Session): Promise<readonly number[]> {
  const all: number[] = [];
  for (const variable of session.modelState) all.push(...(await variable.download()).values);
  await session.close();
  return all;
}

export const setup = (
  params: Readonly<Record<string, unknown>>,
  options: TrainerOptions = {},
): TrainerSetup => ({
  params,
  options,
});
