/** Data sources and data sets, the namespace `data` of generated code. */
export { csv } from './csv.js';
export type { ColumnChoice, CsvOptions } from './csv.js';
export { Data } from './data.js';
export type { CommonOptions, DataHost, DataOptions, HostBatch, OpenData, OpenRows, Source } from './data.js';
export { DataError } from './data-error.js';
export type { DataPlace } from './data-error.js';
export { digits } from './digits.js';
export type { DigitsOptions } from './digits.js';
export { from } from './extern-source.js';
export type {
  ExternOptions,
  ExternSource,
  FromOptions,
  RowSource,
  SourceField,
  SourceFields,
  SourceLists,
  SourceRow,
  SourceTexts,
  SourceValues,
  ValuesOrMissing,
} from './extern-source.js';
export { fashionMnist } from './fashion-mnist.js';
export type { FashionMnistOptions } from './fashion-mnist.js';
export { dataPath as path } from './files.js';
export type { DataPath } from './files.js';
export { idx } from './idx.js';
export { imageFolder } from './image-folder.js';
export type { ImageFolderOptions } from './image-folder.js';
export type { IdxOptions } from './idx.js';
export { jsonl } from './jsonl.js';
export type { JsonlOptions } from './jsonl.js';
export { live, model } from './live-source.js';
export type { Harvest, LiveModel, LiveOptions, LiveSource, ModelFunction } from './live-source.js';
export type { LiveRandom } from './live-random.js';
export { npy, npz } from './npy.js';
export type { NpyOptions, NpzOptions } from './npy.js';
export { allBut, folds, only } from './parts.js';
export type { FoldPart, Folds, Part, Parts } from './parts.js';
export type { HostRow, ImageOrMissing, RowOf } from './prepared.js';
export type { Batch, FieldType, OrMissing, RecordType, RowField, TextField } from './record.js';
export type { HostTexts, OutputTexts, RowText, Texts } from './texts.js';
