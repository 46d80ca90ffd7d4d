/** What the main thread and a worker that prepares rows say to each other. All of it is plain data. */
import type { HostTensor } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';
import type { Likeness } from './data.js';
import { BadRow, DataError, type DataPlace } from './data-error.js';
import type { BadRowFound, BatchTexts, RowWhere } from './prepared.js';

/** What a worker is started with: where it finds the trainer, whose data sets have the functions to run. */
export interface RowWorkerStart {
  /** URL of a module that exports the trainer's class, or hands it to `main`. */
  readonly module: string;
  /** The trainer's name, and that of its class. */
  readonly trainer: string;
  readonly className: string;
  /** The text of the class that makes the data sets: where it is another one there, texts of functions tell nothing. */
  readonly code: string;
  /** Whether stacks lead to the sources, as they do in the main thread. */
  readonly sourceMaps: boolean;
  /** The trainer's params by key. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Relative data paths start here. */
  readonly root: string;
}

/** Rows to make, in the order of `indices`, and to put into a batch; or to look at, whether they can be made. */
export interface RowJob {
  readonly kind: 'rows';
  readonly id: number;
  /** The data set's name. */
  readonly set: string;
  /** What the data set is to be there as well. */
  readonly like: Likeness;
  /** How many rows its source has. */
  readonly length: number;
  readonly seed: number;
  readonly epoch: number;
  readonly indices: Int32Array;
  /** Where each row is, for messages. */
  readonly where: readonly RowWhere[];
  /** What the source's `handed` gives, or its rows. */
  readonly handed: unknown;
  /** The batch, in memory that both threads share, and the place in it of the first of these rows. Null: bad rows are to be found. */
  readonly room: readonly HostTensor[] | null;
  readonly first: number;
  /** Not 0 when nobody wants the batch any more. */
  readonly dropped: Int32Array;
}

/** Closes what a worker has opened for a data set. */
export interface CloseJob {
  readonly kind: 'close';
  readonly id: number;
  readonly set: string;
}

export type ToRowWorker = RowJob | CloseJob;

/** What else is known of rows that are done. */
export interface RowsDone {
  /** Of rows that were made. */
  readonly texts: BatchTexts;
  /** Those that are bad, of rows that were looked at. */
  readonly bad: readonly BadRowFound[];
}

export type FromRowWorker =
  | { readonly kind: 'done'; readonly id: number; readonly done: RowsDone }
  | { readonly kind: 'failed'; readonly id: number; readonly error: SentError }
  /** The trainer could not be found: no job can be done. */
  | { readonly kind: 'broken'; readonly problem: string };

/** An error as it travels: a copy of an Error keeps neither its class nor its place. */
export type SentError =
  | {
      readonly kind: 'data';
      readonly problem: string;
      readonly place: DataPlace;
      /** Whether it is a BadRow. */
      readonly isBadRow: boolean;
    }
  | { readonly kind: 'run'; readonly message: string }
  | {
      readonly kind: 'other';
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
    };

export function sentError(error: unknown): SentError {
  if (error instanceof DataError) {
    const { file, line, row, column } = error;
    const place = { file, line, row, column };
    return { kind: 'data', problem: error.problem, place, isBadRow: error instanceof BadRow };
  }
  if (error instanceof RunError) return { kind: 'run', message: error.message };
  if (error instanceof Error)
    return { kind: 'other', name: error.name, message: error.message, stack: error.stack };
  return { kind: 'other', name: 'Error', message: String(error), stack: undefined };
}

/** The error that it was in the other thread. */
export function receivedError(sent: SentError): Error {
  if (sent.kind === 'data') return new (sent.isBadRow ? BadRow : DataError)(sent.problem, sent.place);
  if (sent.kind === 'run') return new RunError(sent.message);
  const error = new Error(sent.message);
  error.name = sent.name;
  if (sent.stack !== undefined) error.stack = sent.stack;
  return error;
}
