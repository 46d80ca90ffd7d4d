/**
 * Worker threads that prepare rows: they decode pictures and run the functions of `map` that run on the host. Rows of a batch are shared
 * out among them, and each writes its own right into the batch, in memory that all threads share. The data sets of a run share its threads.
 */
import { Worker } from 'node:worker_threads';
import { DataError } from './data-error.js';
import { RunError } from '../run/run-error.js';
import {
  receivedError,
  type FromRowWorker,
  type RowJob,
  type RowsDone,
  type RowWorkerStart,
  type ToRowWorker,
} from './row-messages.js';
import type { RowWhere } from './prepared.js';
import { firstLines, startKey } from './row-worker.js';

/** Rows of one batch to be made, or rows to be looked at where there is no room for them. */
export interface RowsToMake extends Pick<RowJob, 'set' | 'like' | 'length' | 'seed' | 'epoch' | 'room'> {
  readonly indices: Int32Array;
  readonly whereOf: (row: number) => RowWhere;
  /** What a worker is handed for some of the rows, and what of it is its own from then on. */
  readonly handed: (
    indices: Int32Array,
  ) => Promise<{ readonly value: unknown; readonly moved: readonly ArrayBuffer[] }>;
  /** At most so many threads work on it. */
  readonly workers: number;
}

interface Waiting {
  readonly rows: number;
  readonly set: string;
  readonly resolve: (done: RowsDone) => void;
  readonly reject: (error: Error) => void;
}

/** Starts a thread; a test may start another. */
export type StartWorker = (start: RowWorkerStart) => Worker;

const startWorker: StartWorker = (start) =>
  // The module sees the words that the program was started with.
  new Worker(firstLines, { eval: true, argv: process.argv.slice(2), workerData: { [startKey]: start } });

/** One thread, and what it has to do. */
class RowThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #ended: Error | ((set: string) => Error) | null = null;
  /** Rows that it was given and has not made. */
  rows = 0;

  constructor(start: RowWorkerStart, begin: StartWorker) {
    this.#worker = begin(start);
    // An idle thread does not keep the process.
    this.#worker.unref();
    this.#worker.on('message', (message: FromRowWorker) => this.#hear(message));
    this.#worker.on('messageerror', (error) => {
      // Nobody will hear of what it does, and it must not write any more.
      void this.#worker.terminate();
      this.#end(diedOf(error));
    });
    this.#worker.on('error', (error) => this.#end(diedOf(error)));
    // Code 0 is what the module of a trainer gives that ends the process by itself.
    this.#worker.on('exit', (code) =>
      this.#end((set) =>
        died(
          set,
          `exit code ${code}${code === 0 ? ': its module ended it; let it set process.exitCode' : ''}`,
        ),
      ),
    );
  }

  /** Rejects with what was wrong with a job, or where the thread has ended before it is done. */
  do(job: (id: number) => ToRowWorker, rows: number, moved: readonly ArrayBuffer[] = []): Promise<RowsDone> {
    this.#next += 1;
    const message = job(this.#next);
    if (this.#ended !== null) return Promise.reject(this.#errorOf(message.set));
    if (this.#waiting.size === 0) this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.id, { rows, set: message.set, resolve, reject });
      this.rows += rows;
      try {
        this.#worker.postMessage(message, moved);
      } catch (error) {
        this.#settle(message.id)?.reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  get isOver(): boolean {
    return this.#ended !== null;
  }

  #settle(id: number): Waiting | undefined {
    const found = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.rows -= found?.rows ?? 0;
    if (this.#waiting.size === 0) this.#worker.unref();
    return found;
  }

  #hear(message: FromRowWorker): void {
    if (message.kind === 'broken') this.#end(new RunError(message.problem));
    else if (message.kind === 'done') this.#settle(message.id)?.resolve(message.done);
    else this.#settle(message.id)?.reject(receivedError(message.error));
  }

  #errorOf(set: string): Error {
    return typeof this.#ended === 'function' ? this.#ended(set) : (this.#ended ?? died(set, 'it was closed'));
  }

  /** The first reason is the one to tell. */
  #end(reason: Error | ((set: string) => Error)): void {
    this.#ended ??= reason;
    for (const [id, { set }] of this.#waiting) this.#settle(id)?.reject(this.#errorOf(set));
  }

  async close(): Promise<void> {
    this.#end((set) => died(set, 'it was closed'));
    await this.#worker.terminate();
  }
}

function died(set: string, how: string): DataError {
  return new DataError(
    `a worker that prepares rows of data '${set}' has ended (${how}); \`${set}.workers=0\` prepares them in the main thread, which shows more`,
  );
}

const diedOf =
  (error: Error) =>
  (set: string): Error =>
    'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      ? new DataError(
          `a worker that prepares rows of data '${set}' ran out of memory; make the rows smaller, or give threads more: NODE_OPTIONS=--max-old-space-size=8192 (MiB)`,
        )
      : died(set, error.message);

export class RowWorkers {
  readonly #threads: readonly RowThread[];

  /** Starts `count` threads at once: they load while the rest of the run gets ready. */
  constructor(count: number, start: RowWorkerStart, begin = startWorker) {
    this.#threads = Array.from({ length: count }, () => new RowThread(start, begin));
  }

  /**
   * Makes the rows of a batch, or finds those that are bad. Rejects with the error of the first row that fails, when no thread writes into
   * the batch any more.
   */
  async make(
    { indices, whereOf, handed, workers, ...job }: RowsToMake,
    signal: AbortSignal | null = null,
  ): Promise<RowsDone> {
    const threads = this.#threads.slice(0, workers);
    const size = Math.ceil(indices.length / threads.length);
    const dropped = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const drop = (): void => void Atomics.store(dropped, 0, 1);
    if (signal?.aborted === true) drop();
    signal?.addEventListener('abort', drop, { once: true });
    const make = async (first: number): Promise<RowsDone> => {
      const own = indices.slice(first, first + size);
      const { value, moved } = await handed(own);
      const rest = { indices: own, where: Array.from(own, whereOf), handed: value, first, dropped };
      // Whoever has least to do.
      const [thread] = [...threads].sort((a, b) => a.rows - b.rows);
      if (thread === undefined) throw new Error('there is no worker; this is a fault of the runtime');
      return thread.do((id) => ({ kind: 'rows', id, ...job, ...rest }), own.length, moved);
    };
    const parts = Array.from({ length: Math.ceil(indices.length / size) }, (_, part) => part * size);
    const made = await Promise.allSettled(parts.map(make));
    signal?.removeEventListener('abort', drop);
    const done: RowsDone[] = [];
    for (const result of made) {
      if (result.status === 'rejected') throw result.reason;
      done.push(result.value);
    }
    return joined(done);
  }

  /** Closes what threads have opened for a data set. */
  async leave(set: string): Promise<void> {
    await Promise.all(
      this.#threads.map((thread) =>
        thread
          .do((id) => ({ kind: 'close', id, set }), 0)
          .then(() => undefined)
          .catch((error: unknown) => {
            // One that has ended has closed all that it had.
            if (!thread.isOver) throw error;
          }),
      ),
    );
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

/** What is known of the rows of several threads, in their order. */
function joined(parts: readonly RowsDone[]): RowsDone {
  const texts = new Map<string, string[]>();
  for (const part of parts)
    for (const [name, own] of part.texts) {
      const all = texts.get(name) ?? [];
      all.push(...own);
      texts.set(name, all);
    }
  return { texts, bad: parts.flatMap(({ bad }) => bad) };
}
