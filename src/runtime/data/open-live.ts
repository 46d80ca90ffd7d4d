/** A live data set that is open: its harvests one after the other, and what a checkpoint keeps of it. */
import type { Json } from '../addons/addon.js';
import { jsonCopy } from '../checkpoint/strict-json.js';
import type { HostTensor, Values } from '../engine/engine.js';
import { record as recordOf } from '../../values/json-record.js';
import { RowReader } from './batches.js';
import { DataError } from './data-error.js';
import type { Data, DataHost, HostBatch, OpenData, OpenRows } from './data.js';
import type { FileHost } from './files.js';
import type { LiveModel, ModelFunction } from './live-source.js';
import { roomFor, type HostRow } from './prepared.js';
import { allocate, fieldText, isText, rowSize, type FieldType } from './record.js';
import { unlessAborted } from './settling.js';
import { isHostOnly } from './table.js';
import { Turns } from './turns.js';
import { counted } from '../../values/counted.js';

type HostArrays = Readonly<Record<string, Values>>;
type HostModel = ModelFunction<HostArrays, Values | HostArrays>;

/** One call of a model by a live source. */
export interface ModelCall {
  readonly model: LiveModel;
  /** The data set and the option: `play.policy`. */
  readonly label: string;
  readonly rows: number;
  /** In the order in which the model takes them. */
  readonly inputs: readonly HostTensor[];
  readonly harvest: number;
  /** Calls of this harvest before it. */
  readonly call: number;
}

/** Computes a model with its weights as they are. */
export type ModelCalls = (call: ModelCall) => Promise<Values | HostArrays>;

/** What a live source is opened with. */
export interface LiveHost extends FileHost {
  readonly seed: number;
  readonly label: string;
  /** Aborted where harvests are given up. */
  readonly signal: AbortSignal;
  /** The model of an option, as a function. */
  model(option: string, model: LiveModel): HostModel;
  /** Runs the source's own code for a harvest: models can be called until it is done. */
  harvesting<T>(name: string, index: number, harvest: () => T | Promise<T>): Promise<T>;
}

/** The rows of one harvest at a time: those that were asked for. */
export interface LiveRows extends OpenRows {
  ask(rows: number, index: number): void;
  /** Undefined where the source keeps none. */
  state(): Json | undefined;
  restore(state: Json | undefined): void;
}

/** What is done with a live data set besides reading its batches. */
export interface LiveData {
  /** The harvest (from 1) that gave a batch, one of the epoch in which the newest is. */
  harvestAt(epoch: number, index: number): number;
  /**
   * Opens the source, once models have weights. Its harvests take their turns with whoever else has the same `turns`: sources may share what
   * they play with, and the engine takes one call at a time. Once `signal` is aborted, the harvest that goes on and those that follow reject
   * with its reason. Rejects with a DataError where that fails.
   */
  start(calls: ModelCalls, turns: Turns, signal?: AbortSignal): Promise<void>;
  /** Opens the source anew, unless nothing was asked of it, as at the beginning of an evaluation: the next harvest is the first. */
  restart(): Promise<void>;
  /** What a checkpoint keeps of it. Throws where the source gives what JSON does not hold. */
  state(): Json;
  /** Takes back what `state` gave. Throws where it is none. */
  restore(state: unknown): void;
  /** A batch of zeros: to trace a step that no rows are to be harvested for. */
  blank(): HostBatch;
}

/** What a harvest threw, with its number and the data set. */
class HarvestError extends DataError {}

/** The data set, without rows so far: `start` opens its source. */
export async function openLive(
  data: Data<unknown>,
  open: (host: LiveHost) => Promise<LiveRows>,
  host: DataHost,
): Promise<OpenData> {
  const { label, seed, root } = host;
  const { batch } = data.options;
  const { record } = data.preparing;
  let calls: ModelCalls | null = null;
  let rows: LiveRows | null = null;
  let harvests = 0;
  /** Whether the source is as it was opened. */
  let isFresh = false;
  /** Calls of models in the harvest that goes on; null between harvests. */
  let called: number | null = null;
  /** Where the newest batch is in the run. */
  let newest = { epoch: 0, index: -1 };
  const harvestText = (index: number): string => `harvest ${index + 1} of ${label}`;
  let harvestTurns = new Turns();
  let stop = new AbortController().signal;
  // The engine takes one call at a time.
  const calling = new Turns();
  const live: LiveHost = {
    root,
    seed,
    label,
    get signal() {
      return stop;
    },
    model: (option, model) => (count, inputs) => {
      const name = `${label}.${option}`;
      if (calls === null || called === null)
        throw new DataError(
          `${name} was called outside of a harvest, where a model has no weights; call it in harvest()`,
        );
      const call: ModelCall = {
        model,
        label: name,
        rows: count,
        inputs: inputsOf(name, model.inputs, count, inputs),
        harvest: harvests,
        call: called,
      };
      called += 1;
      const compute = calls;
      return calling.take(() => compute(call));
    },
    async harvesting(name, index, harvest) {
      called = 0;
      try {
        return await unlessAborted(Promise.resolve(harvest()), stop);
      } catch (error) {
        if (error instanceof DataError || (stop.aborted && error === stop.reason)) throw error;
        const why = error instanceof Error ? error.message : String(error);
        throw new HarvestError(`${name}: ${harvestText(index)} failed: ${why}`);
      } finally {
        called = null;
        // A call that the source has not waited for ends with its harvest, also where that failed.
        await calling.settled();
      }
    },
  };
  const opened = (): LiveRows => {
    if (rows === null) throw new Error(`data ${label} was not started; this is a fault of the runtime`);
    return rows;
  };
  const reader = await RowReader.open(data, relay(data, opened), host);
  const close = async (): Promise<void> => {
    const before = rows;
    rows = null;
    await before?.close();
  };
  const begin = async (): Promise<void> => {
    harvests = 0;
    rows = await open(live);
    isFresh = true;
  };
  const { fields } = data;
  const indices = Int32Array.from({ length: batch }, (_, row) => row);
  return {
    label,
    rows: Number.POSITIVE_INFINITY,
    skipped: 0,
    leftOut: [],
    files: [],
    batchesPerEpoch: Number.POSITIVE_INFINITY,
    inWorkers: false,
    // A batch that is made ahead of its step would be of weights that are gone by then.
    prefetch: 0,
    batch: (epoch, index) =>
      harvestTurns.take(async () => {
        stop.throwIfAborted();
        opened().ask(batch, harvests);
        isFresh = false;
        const read = await reader.batch(indices, harvests).catch((error: unknown) => {
          throw error instanceof DataError && !(error instanceof HarvestError)
            ? new DataError(`${harvestText(harvests)}: ${error.message}`)
            : error;
        });
        harvests += 1;
        newest = { epoch, index };
        return { fields, ...read, rows: batch, firstRow: 0 };
      }),
    first: () =>
      Promise.reject(new DataError(`data '${label}' is live and has no first rows; read another data set`)),
    rowsOf: () => indices,
    close,
    live: {
      harvestAt: (epoch, index) => harvests - (epoch === newest.epoch ? newest.index - index : 0),
      async start(own, turns, signal = stop) {
        calls = own;
        harvestTurns = turns;
        stop = signal;
        await begin();
      },
      async restart() {
        if (isFresh) return;
        await close();
        await begin();
      },
      state: () => {
        const state = opened().state();
        if (state === undefined) return { harvests };
        return { harvests, state: jsonCopy(state, `${data.source.name}: state`) };
      },
      restore(kept) {
        const { harvests: count, state } = recordOf(label, kept);
        if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
          throw new Error(`"harvests" of ${label} must be a whole number, got ${JSON.stringify(count)}`);
        isFresh = false;
        harvests = count;
        opened().restore(state === undefined ? undefined : jsonCopy(state, 'state'));
      },
      blank: () => ({
        fields,
        tensors: roomFor(record, batch),
        texts: new Map(
          Object.entries(record).flatMap(([name, field]) =>
            isText(field) ? [[name, Array.from({ length: batch }, () => '')] as const] : [],
          ),
        ),
        rows: batch,
        firstRow: 0,
      }),
    },
  };
}

/** The rows of whichever source is open. */
function relay({ source }: Data<unknown>, opened: () => LiveRows): OpenRows {
  const hasRows = Object.values(source.record).some(isHostOnly);
  const rows = (indices: Int32Array): AsyncIterable<HostRow> => {
    const made = opened().rows?.(indices);
    if (made === undefined)
      throw new Error(`${source.name} gives no single rows; this is a fault of the runtime`);
    return made;
  };
  return {
    length: 0,
    skipped: 0,
    read: (indices) => opened().read(indices),
    ...(hasRows ? { rows } : {}),
    close: () => Promise.resolve(),
  };
}

/** What a model is called with, as tensors of `rows` rows. Throws a DataError where that does not fit its inputs. */
function inputsOf(
  name: string,
  wanted: Readonly<Record<string, FieldType>>,
  rows: number,
  given: HostArrays,
): readonly HostTensor[] {
  if (!Number.isInteger(rows) || rows < 1)
    throw new DataError(`${name} takes a whole number of at least 1 row first, got ${rows}`);
  return Object.entries(wanted).map(([input, field]) => {
    const values: unknown = given[input];
    const count = rows * rowSize(field);
    const own = allocate(field.dtype, count);
    if (!isValues(values) || values.constructor !== own.constructor)
      throw new DataError(`${name} takes ${input} (${fieldText(field)}) as a ${own.constructor.name}`);
    if (values.length !== count)
      throw new DataError(
        `${name} takes ${rows} × ${rowSize(field)} values of ${input} (${fieldText(field)}) for ${counted(rows, 'row')}, got ${values.length}`,
      );
    // The source may go on with its array while the model computes.
    own.set(values);
    return { dtype: field.dtype, shape: [rows, ...field.shape], values: own };
  });
}

function isValues(values: unknown): values is Values {
  return values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array;
}
