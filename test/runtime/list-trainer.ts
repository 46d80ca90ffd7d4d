/** A trainer whose rows are texts, pictures that they name, and lists of many sizes. Workers import this file. */
import { isMainThread } from 'node:worker_threads';
import * as data from '../../src/runtime/data/index.js';
import * as transforms from '../../src/runtime/transforms/index.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import type { Tensor1D, Tensor2D, Tensor4D } from '../../src/runtime/tensor.js';

type FaceRow = Readonly<{ file: data.Texts; name: data.Texts; kind: data.Texts; age: Tensor1D }>;
export type Face = Readonly<{ image: Tensor4D; name: data.Texts; kind: Tensor1D; age: Tensor1D }>;
type SentenceRow = Readonly<{ id: data.Texts; words: data.Texts; scores: Tensor2D }>;
type Sentence = Readonly<{ id: data.Texts; tokens: Tensor2D; scores: Tensor2D }>;

export interface ListParams {
  /** The table of pictures, relative to the data root. */
  readonly list: string;
}

export interface ListData {
  readonly faces: data.Data<Face>;
  readonly sentences: data.Data<Sentence>;
  readonly heard: data.Data<Sentence>;
}

const longest = 4;
const sentenceRecord = {
  id: { dtype: 'string', shape: [] },
  words: { dtype: 'string', shape: [-1], names: ['len'] },
  scores: { dtype: 'f32', shape: [-1], names: ['len'] },
} as const;

const padded = (rows: data.Data<SentenceRow>): data.Data<Sentence> =>
  rows.prepare<Sentence>(
    {
      id: { dtype: 'string', shape: [] },
      tokens: { dtype: 'i32', shape: [longest] },
      scores: { dtype: 'f32', shape: [longest] },
    },
    (row) => ({
      id: row.id,
      tokens: transforms.padTo(transforms.lookup(row.words, { file: 'words.txt', unknown: 9 }), {
        to: longest,
      }),
      scores: transforms.padTo(row.scores, { to: longest, value: -1 }),
    }),
    { words: ['words.txt'] },
  );

export class ListTrainer extends Trainer<ListParams, Record<never, never>, ListData> {
  static override readonly spec: TrainerSpec<ListParams> = {
    name: 'lists',
    trainer: 'Lists',
    module: import.meta.url,
    params: [{ name: 'list', key: 'list', type: 'path', doc: '', where: null }],
  };

  protected override configureData(): ListData {
    const faces = data
      .csv<FaceRow>({
        file: this.params.list,
        record: {
          file: { dtype: 'path', shape: [] },
          name: { dtype: 'string', shape: [] },
          kind: { dtype: 'string', shape: [] },
          age: { dtype: 'f32', shape: [] },
        },
        batch: 5,
        shuffle: true,
      })
      .prepare<Face>(
        {
          image: { dtype: 'u8', shape: [3, 3, 3] },
          name: { dtype: 'string', shape: [] },
          kind: { dtype: 'i32', shape: [] },
          age: { dtype: 'f32', shape: [] },
        },
        (row) => ({
          image: transforms.randomCrop(transforms.decodeImage(row.file, { channels: 3 }), {
            size: [3, 3],
            draw: 'map.random_crop',
          }),
          name: row.name,
          kind: transforms.lookup(row.kind, { file: 'words.txt' }),
          age: row.age,
        }),
        { words: ['words.txt'] },
      );
    const sentences = padded(
      data.jsonl<SentenceRow>({ file: 'sentences.jsonl', record: sentenceRecord, batch: 4 }),
    );
    const heard = padded(
      data.from<SentenceRow>(
        () => ({
          length: 11,
          read: (indices) => {
            const lengths = [...indices].map((row) => row % (longest + 1));
            return {
              // Said by whoever reads.
              id: [...indices].map((row) => `${isMainThread ? 'main' : 'worker'} ${row}`),
              words: lengths.map((length) =>
                Array.from({ length }, (_, at) => ['the', 'cat', 'of'][at % 3] ?? ''),
              ),
              scores: lengths.map((length) => Float32Array.from({ length }, (_, at) => at / 4)),
            };
          },
        }),
        {},
        { record: sentenceRecord, batch: 4 },
      ),
    );
    return { faces, sentences, heard };
  }

  protected override configureModels(): Record<never, never> {
    return {};
  }

  protected override configureOptimizers(): Record<never, never> {
    return {};
  }

  protected override configureSteps(): readonly [] {
    return [];
  }
}
