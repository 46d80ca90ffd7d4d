/**
 * Live data sources, written in TypeScript and declared in a spec by `extern` with `live = true`: their rows do not exist beforehand. Each
 * batch is harvested when the step asks for it, with the models as they are then.
 */
import type { Json } from '../addons/addon.js';
import { DataError } from './data-error.js';
import { dataOf, type Data } from './data.js';
import {
  calledAs,
  closeExtern,
  openExtern,
  rowsGiven,
  type ExternOptions,
  type FromOptions,
  type SourceFields,
} from './extern-source.js';
import { LiveRandom } from './live-random.js';
import type { Batch, FieldType } from './record.js';
import type { LiveHost, LiveRows } from './open-live.js';

/** What is asked of a live source. */
export interface Harvest {
  /** Rows to give, those of a batch. */
  readonly rows: number;
  /** Harvests before this one: in training those of the run, in an evaluation those of the pass. */
  readonly index: number;
  /** Random numbers of this harvest. */
  readonly random: LiveRandom;
  /**
   * Aborted where the run is to end before the harvest is done: nobody waits for it then, and a run that goes on makes it again. Requests and
   * timers that are given it end with it.
   */
  readonly signal: AbortSignal;
}

/** What a live source gives. F are the fields of its rows. */
export interface LiveSource<F extends object = SourceFields> {
  /** For each field what it has in `rows` new rows. Models may be called here alone. */
  harvest(asked: Harvest): F | Promise<F>;
  /**
   * What the next harvest depends on, besides models and its index, as JSON: environments in the middle of an episode. A source without it
   * is a function of models and index. Called once the source is open and before each step, so that a step that fails is saved as it was
   * before it.
   */
  state?(): Json;
  /** Takes back what `state` gave. Called before the first harvest of a run that goes on. */
  restore?(state: Json): void;
  /** Called once when the data set is not needed any more, also where a harvest that was given up goes on. */
  close?(): void | Promise<void>;
}

/** A model of the run as a live source calls it: rows of each input, row-major, to rows of the output. In evaluation mode. */
export type ModelFunction<I extends object, O> = (rows: number, inputs: I) => Promise<O>;

/** A model that a live source is handed. */
export interface LiveModel {
  readonly liveModel: string;
  /** Its inputs in order, without the rows. */
  readonly inputs: Readonly<Record<string, FieldType>>;
}

/** Marks an option of a live source as a model of the run, by its name in the spec. `inputs` are what it takes of a row. */
export function model(name: string, inputs: Readonly<Record<string, FieldType>>): LiveModel {
  return { liveModel: name, inputs };
}

export function isLiveModel(value: unknown): value is LiveModel {
  return typeof value === 'object' && value !== null && 'liveModel' in value && 'inputs' in value;
}

/** Written as a method, so that a source may declare its own options' type. */
interface LiveOpener {
  open(options: object): LiveSource<object> | Promise<LiveSource<object>>;
}
export type LiveExtern = LiveOpener['open'];

export type LiveOptions = Readonly<Record<string, ExternOptions[string] | LiveModel>>;

/** Batches that a live source makes when they are asked for. Options made by `data.model` reach it as functions. */
export function live<B extends Batch>(
  source: LiveExtern,
  options: LiveOptions,
  common: FromOptions,
): Data<B> {
  const { record, declared, ...rest } = common;
  const called = calledAs('live', source, declared);
  const { name, run, runNow } = called;
  const open = async (host: LiveHost): Promise<LiveRows> => {
    const given = Object.entries(options).map(([key, value]) => [
      key,
      isLiveModel(value) ? host.model(key, value) : value,
    ]);
    const made: unknown = await openExtern(called, Object.fromEntries(given), host.root, source);
    if (!isLiveSource(made))
      throw new DataError(`${name} gave no live source; return an object with a function harvest`);
    const from = { source: name, method: 'harvest()', folder: host.root, record };
    let asked: Harvest | null = null;
    const harvest = async (): Promise<unknown> => {
      if (asked === null) throw new Error(`${name} was asked for no rows; this is a fault of the runtime`);
      const own = asked;
      return host.harvesting(name, own.index, () => run(() => made.harvest(own)));
    };
    return {
      length: 0,
      skipped: 0,
      ask(rows, index) {
        asked = { rows, index, random: new LiveRandom(host.seed, host.label, index), signal: host.signal };
      },
      ...rowsGiven(from, harvest),
      state: () => runNow(() => made.state?.(), ' in state()'),
      restore(state) {
        if (state === undefined) return;
        if (made.restore === undefined)
          throw new DataError(
            `${name} has kept a state, and has no restore(); add it, to take back what state() gave`,
          );
        runNow(() => made.restore?.(state), ' in restore()');
      },
      close: () => closeExtern(called, () => made.close?.()),
    };
  };
  return dataOf<B>(
    { name, record, open: () => Promise.reject(new Error(`${name} has no rows beforehand`)), live: open },
    rest,
  );
}

function isLiveSource(made: unknown): made is LiveSource<object> {
  return typeof made === 'object' && made !== null && 'harvest' in made && typeof made.harvest === 'function';
}
