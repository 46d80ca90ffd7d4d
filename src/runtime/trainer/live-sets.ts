/** The live data sets of a session: their models, opening them once models have weights, and what a checkpoint keeps of them. */
import type { Json } from '../addons/addon.js';
import type { HostBatch } from '../data/data.js';
import { DataError } from '../data/data-error.js';
import { Turns } from '../data/turns.js';
import type { LiveData, ModelCall, ModelCalls } from '../data/open-live.js';
import type { Values } from '../engine/engine.js';
import { labelHash } from '../engine/philox.js';
import { Module, type Part } from '../nn/module.js';
import { RunError } from '../run/run-error.js';
import { record } from '../../values/json-record.js';
import { Tensor } from '@tensorflow/tfjs-core';
import type { Control } from './control.js';
import type { Session } from './session.js';
import { Stage } from './stage.js';
import type { StepPlan } from './steps.js';
import { counted } from '../../values/counted.js';

interface LiveSet {
  readonly label: string;
  readonly live: LiveData;
  /** Whether it is trained on: then it goes on from step to step, and a checkpoint keeps its state. */
  readonly isTrained: boolean;
}

/** A harvest that nobody waits for any more, because the run is to end. */
export class GivenUp extends Error {
  override readonly name = 'AbortError';
}

export class LiveSets {
  readonly #stop = new AbortController();
  readonly #stages = new Map<string, Stage>();
  #before: Readonly<Record<string, Json>> | null = null;

  private constructor(
    private readonly session: Session,
    private readonly models: ReadonlyMap<string, Part>,
    private readonly sets: readonly LiveSet[],
  ) {}

  /** Opens the sources of the live data sets. Rejects where one cannot be opened, keeps what no checkpoint holds, or is read in two ways. */
  static async start(session: Session, models: ReadonlyMap<string, Part>): Promise<LiveSets> {
    const trained = new Set(session.of('train').flatMap(({ data }) => data));
    const evaluated = new Set(
      session.stages.flatMap(({ stage, data }) => (stage.plan.kind === 'train' ? [] : data)),
    );
    const sets = [...session.openSets].flatMap((set): readonly LiveSet[] => {
      const { label, live } = set;
      return live === undefined ? [] : [{ label, live, isTrained: trained.has(set) }];
    });
    const both = [...trained].find((set) => set.live !== undefined && evaluated.has(set));
    if (both !== undefined)
      throw new RunError(
        `live data ${both.label} is trained on and evaluated: an evaluation begins its source anew; give the evaluation a data set of its own`,
      );
    const { limit, overfit } = session.options;
    if (sets.length > 0 && overfit !== null)
      throw new RunError(
        'overfit trains on the same batches again and again, and live data gives others each time; take overfit out',
      );
    if (session.isEndless && (limit.train ?? null) !== null)
      throw new RunError('limit.train cuts an epoch short, and live data has none; set steps instead');
    const all = new LiveSets(session, models, sets);
    const turns = new Turns();
    for (const { live } of sets) await live.start(all.#calls, turns, all.#stop.signal);
    // A state that no checkpoint can hold is told before anything is trained.
    all.#now();
    return all;
  }

  /**
   * Takes batches. Where a signal has come or comes meanwhile, what is harvested is given up, however long it would take: that rejects with
   * a GivenUp.
   */
  async unlessStopped<T>(control: Control, take: () => Promise<T>): Promise<T> {
    const giveUp = (): void => this.#stop.abort(new GivenUp('the run is to end'));
    if (control.signal !== null) giveUp();
    const forget = control.onStop(() => {
      control.leavesWork = true;
      giveUp();
    });
    try {
      return await take();
    } finally {
      forget();
    }
  }

  /** Before a step harvests. Until `endStep`, `state` is as it is now: a run that goes on from there harvests for the step again. */
  beginStep(): void {
    this.#before = this.#now();
  }

  /** Once the step is done with what was harvested for it. */
  endStep(): void {
    this.#before = null;
  }

  /** What a checkpoint keeps, by the sets' names: as it was before a step that has begun and is not done. */
  get state(): Readonly<Record<string, Json>> {
    return this.#before ?? this.#now();
  }

  #now(): Readonly<Record<string, Json>> {
    return Object.fromEntries(
      this.sets.flatMap(({ label, live, isTrained }): [string, Json][] =>
        isTrained ? [[label, stateOf(label, live)]] : [],
      ),
    );
  }

  /** Takes it back. Throws a RunError that names whose state does not fit. */
  restore(kept: unknown): void {
    const trained = this.sets.filter(({ isTrained }) => isTrained);
    if (trained.length === 0) return;
    const states = record('live', kept);
    for (const { label, live } of trained) {
      try {
        live.restore(states[label]);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new RunError(`data ${label} cannot take back its state: ${why}`, { cause: error });
      }
    }
  }

  dispose(): void {
    for (const stage of this.#stages.values()) stage.dispose();
    this.#stages.clear();
  }

  readonly #calls: ModelCalls = async (call) => {
    const { session } = this;
    const clock = session.clockAt(0);
    const draws = {
      seed: seedOf(session.options.seed, call.label),
      step: call.harvest,
      micro: call.call,
      rowOffset: 0,
    };
    const run = { clock, draws, scalars: session.scalarsAt(clock, false), last: true };
    const batch: HostBatch = {
      fields: Object.keys(call.model.inputs),
      tensors: call.inputs,
      rows: call.rows,
      firstRow: 0,
    };
    const outputs = await this.#stageOf(call).run([batch], run);
    const arrays = [...outputs].map(([name, value]): [string, Values] => {
      if (value.dtype === 'string' || value.shape[0] !== call.rows)
        throw new DataError(
          `${call.label} gave [${value.shape.join(', ')}] for ${counted(call.rows, 'row')}; a model that a live source calls gives a row for each`,
        );
      return [name, value.values];
    });
    const [only] = arrays;
    return only?.[0] === alone && arrays.length === 1 ? only[1] : Object.fromEntries(arrays);
  };

  /** The model as a step in evaluation mode, compiled once for each number of rows, whoever calls it. */
  #stageOf({ label, model }: ModelCall): Stage {
    const known = this.#stages.get(model.liveModel);
    if (known !== undefined) return known;
    const part = this.models.get(model.liveModel);
    if (!(part instanceof Module))
      throw new DataError(
        `${label} is model ${model.liveModel}, which the trainer does not have; it has ${[...this.models.keys()].join(', ')}`,
      );
    const plan: StepPlan = {
      kind: 'predict',
      name: `live.${model.liveModel}`,
      data: [],
      every: null,
      run: ([inputs = []]) => {
        const made: unknown = part.call(...inputs);
        return made instanceof Tensor ? { [alone]: made } : made;
      },
    };
    const stage = new Stage(this.session, plan);
    this.#stages.set(model.liveModel, stage);
    return stage;
  }
}

/** What a data set keeps. Throws a RunError that names it where that cannot be had. */
function stateOf(label: string, live: LiveData): Json {
  try {
    return live.state();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RunError(`data ${label} cannot give its state to a checkpoint: ${why}`, { cause: error });
  }
}

/** Sets and options that share a compiled model draw numbers of their own in it. */
const seedOf = (seed: number, label: string): number =>
  Math.floor(seed / 2 ** 32) * 2 ** 32 + ((seed ^ labelHash(label)) >>> 0);

/** The name of what a model gives that gives one tensor: no field has it. */
const alone = '';
