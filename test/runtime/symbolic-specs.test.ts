/**
 * Each shipped trainer's steps, run on tensors without values at two different moments: a number of the host that got
 * frozen into a step would make two different traces.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { DcganTrainer, type DcganData } from '../../specs/generated/dcgan.js';
import { DigitsTrainer, type DigitsData } from '../../specs/generated/digits.js';
import { FashionTrainer, type FashionData } from '../../specs/generated/fashion.js';
import { FoldsTrainer, type FoldsData } from '../../specs/generated/folds.js';
import { GptTrainer, type GptData } from '../../specs/generated/gpt.js';
import { IrisTrainer, type IrisData } from '../../specs/generated/iris.js';
import { MpgTrainer, type MpgData } from '../../specs/generated/mpg.js';
import { Data } from '../../src/runtime/data/data.js';
import { recordColumns, type FieldType } from '../../src/runtime/data/record.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { createSymbolicEngine, type SymbolicEngine } from '../../src/runtime/engine/symbolic.js';
import { batchesAt } from '../../src/runtime/trainer/evaluate.js';
import type { AnyTrainer } from '../../src/runtime/trainer/run.js';

let engine: SymbolicEngine;
beforeAll(async () => {
  engine = await createSymbolicEngine();
});

const valuesOf = ({ dtype, shape }: FieldType, rows: number): HostTensor => {
  const sizes = [rows, ...shape];
  const count = sizes.reduce((product, size) => product * size, 1);
  const values =
    dtype === 'f32'
      ? new Float32Array(count)
      : dtype === 'i32'
        ? new Int32Array(count)
        : new Uint8Array(count);
  return { dtype, shape: sizes, values };
};

/** The same data set with rows of zeros: a trace has no values, and a test needs no files. */
const withoutFiles = <B>(set: Data<B>): Data<B> =>
  new Data(
    {
      ...set.source,
      open: () =>
        Promise.resolve({
          length: 50_000,
          skipped: 0,
          read: (indices: Int32Array) =>
            Promise.resolve(
              recordColumns(set.source.record).map(({ field }) => valuesOf(field, indices.length)),
            ),
          close: () => Promise.resolve(),
        }),
    },
    set.options,
    (tensors) => set.toBatch(tensors),
  );

class Digits extends DigitsTrainer {
  protected override configureData(): DigitsData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: withoutFiles(trainSet), testSet: withoutFiles(testSet) };
  }
}
class Iris extends IrisTrainer {
  protected override configureData(): IrisData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: withoutFiles(trainSet), testSet: withoutFiles(testSet) };
  }
}
class Mpg extends MpgTrainer {
  protected override configureData(): MpgData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: withoutFiles(trainSet), testSet: withoutFiles(testSet) };
  }
}
class Fashion extends FashionTrainer {
  protected override configureData(): FashionData {
    const { trainSet, testSet } = super.configureData();
    return { trainSet: withoutFiles(trainSet), testSet: withoutFiles(testSet) };
  }
}
class Dcgan extends DcganTrainer {
  protected override configureData(): DcganData {
    return { reals: withoutFiles(super.configureData().reals) };
  }
}
class Folds extends FoldsTrainer {
  protected override configureData(): FoldsData {
    const { trainSet, heldOut, testSet } = super.configureData();
    return {
      trainSet: withoutFiles(trainSet),
      heldOut: withoutFiles(heldOut),
      testSet: withoutFiles(testSet),
    };
  }
}
class Gpt extends GptTrainer {
  protected override configureData(): GptData {
    const { trainSet, valSet, prompts } = super.configureData();
    return {
      trainSet: withoutFiles(trainSet),
      valSet: withoutFiles(valSet),
      prompts: withoutFiles(prompts),
    };
  }
}

const small = { batchSize: 4 };
const trainers: readonly (readonly [string, () => AnyTrainer])[] = [
  ['digits', () => new Digits({ params: small })],
  ['iris', () => new Iris()],
  ['mpg', () => new Mpg()],
  ['fashion', () => new Fashion({ params: { ...small, width: 4 } })],
  ['dcgan', () => new Dcgan({ params: { ...small, width: 4 } })],
  ['folds', () => new Folds()],
  ['gpt', () => new Gpt({ params: { ...small, drop: 0.1, prompt: 61 } })],
];

describe.each(trainers)('%s', (_name, make) => {
  test('asks for the same at every moment of a run', async () => {
    const { session } = await make().prepare({
      kinds: ['train', 'validate', 'test', 'predict'],
      dataRoot: '.',
      engine,
    });
    try {
      for (const { stage, data } of session.stages) {
        const training = stage.plan.kind === 'train';
        const inputs = await batchesAt(data, 0, 0);
        const traceAt = async (step: number, seed: number, micro: number, rowOffset: number) => {
          const clock = session.clockAt(step);
          const scalars = session.scalarsAt(clock, training);
          await stage.run(inputs, { clock, scalars, draws: { seed, step, micro, rowOffset }, last: true });
          return engine.trace();
        };
        const first = await traceAt(3, 1, 0, 0);
        const later = await traceAt(120, 2, 1, 64);
        expect(later).toEqual(first);
        const kinds = new Set(first.map(({ kernel }) => kernel));
        expect(kinds.has('Read'), stage.plan.name).toBe(true);
        expect(kinds.has('Assign'), stage.plan.name).toBe(stage.plan.kind !== 'predict');
        // What a run is about is among the inputs: the batch, then clock and rates.
        expect(first.filter(({ kernel }) => kernel === 'Input').length).toBeGreaterThan(inputs.length);
      }
    } finally {
      await session.close();
    }
  });
});

test('a step that looks at a value is refused on the embedded engine too', async () => {
  class Curious extends Iris {
    override trainStep(batch: Parameters<IrisTrainer['trainStep']>[0]): void {
      if ((this.models.iris.call(batch.x).dataSync()[0] ?? 0) > 0) super.trainStep(batch);
    }
  }
  await expect(
    new Curious().fit({ runDir: null, stream: { isTTY: false, write: () => true } }),
  ).rejects.toThrow(/step `train` read the values of a tensor/);
});
