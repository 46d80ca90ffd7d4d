/**
 * The worker's side of preparing rows. A worker imports the trainer's module, as the main thread has, and makes of its data sets what
 * functions the rows go through; it starts no engine and reads no command line.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { RunError } from '../run/run-error.js';
import { makerOf, readWords, type Words } from './batches.js';
import { likeCode, type Data, type Likeness, type RowMaker } from './data.js';
import { badRows, fillRows } from './prepared.js';
import {
  sentError,
  type FromRowWorker,
  type RowJob,
  type RowsDone,
  type RowWorkerStart,
  type ToRowWorker,
} from './row-messages.js';
import { counted, grouped } from '../../values/counted.js';

/** A trainer's class, as far as a worker needs it. */
export interface RowWorkerTrainer {
  new (setup: { readonly params: RowWorkerStart['params'] }): {
    dataSets(): ReadonlyMap<string, Data<unknown>>;
  };
  readonly spec: { readonly trainer: string };
}

/** Of `workerData`, so that workers of other programs are not taken for ours. */
export const startKey = 'ztrainRowWorker';

/** Where a worker's first lines find `serve`, in the runtime that the trainer's module has imported. */
const serveKey = 'ztrain.serveRows';

/** What a worker runs first. It is a text, so that a bundle stays one file. */
export const firstLines = `
const { parentPort, workerData } = require('node:worker_threads');
const { module, trainer, sourceMaps } = workerData.${startKey};
if (sourceMaps) process.setSourceMapsEnabled(true);
const broken = (problem) => parentPort.postMessage({ kind: 'broken', problem });
import(module).then(
  (exported) => {
    const serve = globalThis[Symbol.for('${serveKey}')];
    if (serve === undefined) broken(module + ' does not use ztrain/runtime; give the spec of ' + trainer + ' the module that does');
    else serve(exported);
  },
  (error) => broken(module + ' cannot be imported in a worker: ' + (error?.message ?? error)),
);
`;

function startOf(data: unknown): RowWorkerStart | null {
  const holds = (value: unknown): value is Readonly<Record<typeof startKey, RowWorkerStart>> =>
    typeof value === 'object' && value !== null && startKey in value;
  return !isMainThread && holds(data) ? data[startKey] : null;
}

/** Whether this thread was started to prepare rows. */
export function isRowWorker(): boolean {
  return startOf(workerData) !== null;
}

const offered: RowWorkerTrainer[] = [];

/** A trainer that its module does not export, but would run. */
export function offerTrainer(trainer: RowWorkerTrainer): void {
  offered.push(trainer);
}

/** The text of the class that says what a trainer's data sets are. */
export function codeOf({ constructor: made }: object): string {
  for (let of: unknown = made; typeof of === 'function'; of = Object.getPrototypeOf(of)) {
    const own: unknown = of.prototype;
    if (typeof own === 'object' && own !== null && Object.hasOwn(own, 'configureData')) return of.toString();
  }
  return '';
}

function isTrainer(value: unknown): value is RowWorkerTrainer {
  if (typeof value !== 'function' || !('spec' in value)) return false;
  const { spec } = value;
  return typeof spec === 'object' && spec !== null && 'trainer' in spec;
}

/** The trainer that is asked for: of the name, and where several have it, of the class's name. */
function trainerIn(exported: object, { trainer, className, module }: RowWorkerStart): RowWorkerTrainer {
  const all = [...Object.values(exported), ...offered]
    .filter(isTrainer)
    .filter(({ spec }) => spec.trainer === trainer);
  const found = all.find(({ name }) => name === className) ?? all[0];
  if (found !== undefined) return found;
  throw new RunError(`${module} does not export ${className}; export it, so that workers find its data`);
}

/** Ends a job whose batch nobody wants any more. */
class Dropped extends Error {}

/** What a worker has opened for a data set. */
interface OpenMaker {
  readonly maker: RowMaker;
  readonly words: Words;
}

const nothing: RowsDone = { texts: new Map(), bad: [] };

class RowServer {
  readonly #sets: ReadonlyMap<string, Data<unknown>>;
  readonly #isSameCode: boolean;
  readonly #makers = new Map<string, Promise<OpenMaker>>();
  /** Jobs are done one after the other: a source is not closed while it is read. */
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly start: RowWorkerStart,
    trainer: RowWorkerTrainer,
    private readonly send: (message: FromRowWorker) => void,
  ) {
    const made = new trainer({ params: start.params });
    this.#sets = made.dataSets();
    // A module that is compiled in another way has other texts of the same functions.
    this.#isSameCode = codeOf(made) === start.code;
  }

  take(job: ToRowWorker): void {
    this.#last = this.#last.then(() => this.#do(job));
  }

  async #do(job: ToRowWorker): Promise<void> {
    try {
      const done = job.kind === 'rows' ? await this.#make(job) : await this.#close(job.set);
      this.send({ kind: 'done', id: job.id, done });
    } catch (error) {
      this.send({ kind: 'failed', id: job.id, error: sentError(error) });
    }
  }

  async #make({
    set,
    like,
    length,
    seed,
    epoch,
    indices,
    where,
    handed,
    room,
    first,
    dropped,
  }: RowJob): Promise<RowsDone> {
    const data = this.#sets.get(set);
    const other = data === undefined ? 'it has none of that name' : this.#differenceOf(data.likeness, like);
    if (data === undefined || other !== null) throw this.#another(set, other ?? '');
    const stop = (): void => {
      if (Atomics.load(dropped, 0) !== 0) throw new Dropped('nobody wants this batch any more');
    };
    stop();
    const { maker, words } = await this.#openedOf(set, data);
    if (maker.length !== undefined && maker.length !== length)
      throw this.#another(
        set,
        `its source has ${counted(maker.length, 'row')} there, and ${grouped(length)} here`,
      );
    const places = Array.from(indices, (row) => ({ seed, label: set, epoch, row, words }));
    const preparing = { ...data.preparing, places, where };
    const rows = maker.rows(indices, handed);
    return room === null
      ? { ...nothing, bad: await badRows(rows, preparing, stop) }
      : { ...nothing, texts: await fillRows(room, first, rows, preparing, stop) };
  }

  /** What of a data set is another one here; null where nothing is, as far as can be seen. */
  #differenceOf(own: Likeness, like: Likeness): string | null {
    for (const [what, text] of Object.entries(like))
      if (own[what] !== text && (what !== likeCode || this.#isSameCode)) return `${what} is another there`;
    return null;
  }

  #another(set: string, difference: string): RunError {
    return new RunError(
      `data '${set}' is not the same in ${this.start.module}, which workers import (${difference}); make it of the trainer's params alone, and give the spec of the trainer's class \`module: import.meta.url\` of the file that it is in`,
    );
  }

  #openedOf(set: string, data: Data<unknown>): Promise<OpenMaker> {
    const known = this.#makers.get(set);
    if (known !== undefined) return known;
    const { root } = this.start;
    const opening = async (): Promise<OpenMaker> => {
      const words = await readWords(data.preparing.stages, { root });
      return { words, maker: await makerOf(data.source, { root }) };
    };
    const made = opening();
    this.#makers.set(set, made);
    return made;
  }

  async #close(set: string): Promise<RowsDone> {
    const made = this.#makers.get(set);
    this.#makers.delete(set);
    // One that could not be opened has nothing to close; whoever asked for its rows was told.
    const opened = await made?.catch(() => undefined);
    await opened?.maker.close();
    return nothing;
  }
}

/** Answers jobs from the main thread. */
function serve(exported: object): void {
  const start = startOf(workerData);
  const port = parentPort;
  if (start === null || port === null) return;
  const send = (message: FromRowWorker): void => port.postMessage(message);
  try {
    const server = new RowServer(start, trainerIn(exported, start), send);
    port.on('message', (job: ToRowWorker) => server.take(job));
  } catch (error) {
    send({ kind: 'broken', problem: error instanceof Error ? error.message : String(error) });
  }
}

if (isRowWorker()) Reflect.set(globalThis, Symbol.for(serveKey), serve);
