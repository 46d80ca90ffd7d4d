/** Data sources and data sets, the namespace `data` of generated code. */
export { Data } from './data.js';
export type { CommonOptions, DataHost, DataOptions, HostBatch, OpenData, OpenRows, Source } from './data.js';
export { DataError } from './data-error.js';
export type { DataPlace } from './data-error.js';
export { digits } from './digits.js';
export type { DigitsOptions } from './digits.js';
export type { Batch, FieldType, RecordType } from './record.js';
