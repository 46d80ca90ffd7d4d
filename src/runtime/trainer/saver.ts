/** Writes a run's checkpoints, and keeps what their `state.json` says. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  pointTo,
  refuseTooLarge,
  writeCheckpoint,
  type CheckpointContents,
  type CheckpointLayout,
  type Rooms,
} from '../checkpoint/write.js';
import type { BegunSave, Json, Moment, SavedCheckpoint } from '../addons/addon.js';
import type { TensorShape } from '../checkpoint/safetensors.js';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { exactNumber } from '../../values/exact-number.js';
import type { Best } from '../progress/training.js';
import type { RunFolder } from '../run/folder.js';
import { RunError } from '../run/run-error.js';
import { statesOf } from './add-on-states.js';
import { named, type LiveAddOn } from './hook-calls.js';
import { keptCounts } from './left-out-updates.js';
import type { CheckpointSaver } from './live-add-ons.js';
import { lockOf } from './run-lock.js';
import { headOf } from './run-record.js';
import type { AnyTrainer } from './run.js';
import type { Session } from './session.js';
import { shortPath } from './short-path.js';
import type { StateKeeper } from './state-keeper.js';

type StateJson = Readonly<Record<string, Json>>;

/** What a checkpoint says of one moment, copied from the device. */
type Taken = Pick<CheckpointContents, 'model' | 'optimizer' | 'state'>;

export interface SaverOptions {
  readonly trainer: AnyTrainer;
  readonly session: Session;
  /** Null: nothing is written. */
  readonly folder: RunFolder | null;
  /** Whether a checkpoint is a folder or one file. */
  readonly layout: CheckpointLayout;
  /** Whether they hold weights without the optimizers' state. */
  readonly weightsOnly: boolean;
  /** Best values so far, by metric. */
  readonly best: ReadonlyMap<string, Best>;
  readonly pointers: ReadonlyMap<'last' | 'best', SavedCheckpoint>;
  /** The checkpoint that the run goes on from, or null. */
  readonly newest: SavedCheckpoint | null;
  /** How the native engine ran the steps before: kept while another engine goes on with them. */
  readonly ways: Readonly<Record<string, string>>;
  /** Tells people. */
  readonly note: (line: string) => void;
}

export class Saver implements CheckpointSaver, StateKeeper {
  addOns: readonly LiveAddOn[] = [];
  newest: SavedCheckpoint | null;
  readonly pointers: Map<'last' | 'best', SavedCheckpoint>;
  #held: StateJson | null = null;
  #isTried = false;
  /** Memory of the last copy. The next one is made there once it is written: new memory takes longer to get than to fill. */
  #rooms: Rooms = new Map();
  /** The newest that was begun, whether it is on the disk or not. */
  #begun: (BegunSave & { readonly step: number }) | null = null;

  constructor(private readonly options: SaverOptions) {
    this.newest = options.newest;
    this.pointers = new Map(options.pointers);
  }

  /** Whether a run can go on from what is saved. */
  get isWhole(): boolean {
    return !this.options.weightsOnly;
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  async hold(at: Moment): Promise<void> {
    if (this.options.folder === null) return;
    const held = await this.#moving(at);
    // The first time all that metrics keep is there.
    if (!this.#isTried) this.#tryOut(held);
    this.#isTried = true;
    this.#held = held;
  }

  /**
   * Throws a RunError where the run could not be saved, as far as that is known: at the start by the number and the names of tensors and
   * the texts of the spec, later by what is kept of metrics too.
   */
  refuseTooLarge(state: StateJson = {}): void {
    const { trainer, session, folder, layout, weightsOnly } = this.options;
    if (folder === null) return;
    const shapes = (all: readonly StateVariable[]): readonly TensorShape[] =>
      all.map(({ path, dtype, shape }) => ({ name: path, dtype, shape }));
    refuseTooLarge({
      head: headOf(trainer, session),
      step: 0,
      epoch: 0,
      model: shapes(session.modelState),
      optimizer: weightsOnly ? null : shapes(session.optimizerState),
      state,
      layout,
    });
  }

  /** What metrics keep does not become less; what add-ons keep may, until it is to be saved. */
  #tryOut(held: StateJson): void {
    try {
      this.refuseTooLarge(held);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      this.refuseTooLarge({ ...held, addOns: {} });
      this.options.note(`${error.message}; the run ends where one is due, unless add-ons keep less by then`);
    }
  }

  release(): void {
    this.#held = null;
  }

  async save(at: Moment): Promise<SavedCheckpoint | null> {
    return (await this.begin(at))?.written ?? null;
  }

  /** Waits until nothing is being written. What failed is told to whoever began it. */
  async settle(): Promise<void> {
    await this.#begun?.written.catch(() => undefined);
  }

  async begin(at: Moment): Promise<BegunSave | null> {
    const { session, folder } = this.options;
    if (folder === null) return null;
    if (this.newest?.step === at.step) return { written: Promise.resolve(this.newest) };
    if (this.#begun?.step === at.step) return this.#begun;
    // One at a time: a disk that is slower than training holds it up.
    await this.settle();
    // Where nothing was trained there is nothing to keep.
    if (at.step === 0) return null;
    const details = { step: at.step };
    const done = session.profile?.begin({ name: 'save checkpoint', category: 'checkpoint', details });
    try {
      // Weights that are not finite must not take the place of the last good ones.
      await session.checkFinite();
      const { weightsOnly } = this.options;
      const { step } = at;
      const tensors = await session.downloadState({ step, weightsOnly, rooms: this.#rooms });
      if (session.engine.reusesMemory === true)
        this.#rooms = roomsOf([...tensors.model, ...(tensors.optimizer ?? [])]);
      const state = await this.#state(at, this.#held);
      const begun = { step: at.step, written: this.#writeOut(folder, at, { ...tensors, state }) };
      this.#begun = begun;
      // Whoever began it waits for it later.
      begun.written.catch(() => undefined);
      return begun;
    } finally {
      done?.();
    }
  }

  async #writeOut(runFolder: RunFolder, at: Moment, taken: Taken): Promise<SavedCheckpoint> {
    const folder = await this.#write(runFolder, at, taken, null);
    const saved = { folder, step: at.step };
    this.newest = saved;
    for (const { kind, hooks } of this.addOns)
      await named(kind, 'checkpointSaved', () => hooks.checkpointSaved?.(at, saved));
    return saved;
  }

  /** The state that a failed run left: it counts as no checkpoint of the run. */
  async saveFailed(at: Moment, error: unknown): Promise<string | null> {
    const { folder, session } = this.options;
    if (folder === null) return null;
    const reason = error instanceof Error ? error.message : String(error);
    await this.settle();
    const state = await this.#state(at);
    const tensors = await session.downloadState({ step: at.step, asItIs: true });
    return shortPath(await this.#write(folder, at, { ...tensors, state }, reason));
  }

  async #write(
    runFolder: RunFolder,
    at: Moment,
    { model, optimizer, state }: Taken,
    error: string | null,
  ): Promise<string> {
    const { trainer, session } = this.options;
    const head = headOf(trainer, session);
    // The checkpoint counts on its lines, and on those of add-ons.
    runFolder.flush();
    for (const { kind, hooks } of this.addOns) await named(kind, 'flush', () => hooks.flush?.());
    return writeCheckpoint(runFolder.checkpoints, {
      layout: this.options.layout,
      error,
      head,
      step: at.step,
      epoch: at.epoch,
      model,
      optimizer,
      state,
    });
  }

  /** All of it. What closing a line of metrics leaves alone is not held before each of them: it is as it was then. */
  async #state(at: Moment, held: StateJson | null = null): Promise<StateJson> {
    const { trainer, session } = this.options;
    return {
      ...(held ?? (await this.#moving(at))),
      lock: await lockOf(trainer, session),
      ...(await keptCounts(session)),
    };
  }

  /** What changes between two windows too. */
  async #moving(at: Moment): Promise<StateJson> {
    const { session, folder, best } = this.options;
    return {
      step: at.step,
      epoch: at.epoch,
      seconds: at.seconds,
      // Order and draws are functions of the seed and this place.
      position: { epoch: at.epoch, batch: (at.step % session.pace.stepsPerEpoch) * session.accumulate },
      seed: session.options.seed,
      compile: { ...(session.engine.ways ?? this.options.ways) },
      loop: await session.loopState(),
      schedules: session.scheduleStates,
      rates: session.lastRates.state,
      addOns: statesOf(this.addOns),
      // Older checkpoints have those of one kind by their order alone.
      addOnsByName: true,
      best: [...best.values()].map(({ metric, value, at: when }) => ({
        metric,
        value: exactNumber(value),
        step: when.step,
        epoch: when.epoch,
        seconds: when.seconds,
      })),
      // A run that goes on from here cuts off what was written later.
      files: { ...folder?.marks(this.options.note) },
    };
  }

  async point(name: 'last' | 'best', checkpoint: SavedCheckpoint): Promise<void> {
    const { folder } = this.options;
    if (folder === null) return;
    folder.check();
    await pointTo(folder.checkpoints, name, checkpoint.step);
    this.pointers.set(name, checkpoint);
  }

  async unpointBest(): Promise<void> {
    const { folder } = this.options;
    if (folder === null) return;
    folder.check();
    await rm(join(folder.checkpoints, 'best'), { force: true });
    this.pointers.delete('best');
  }

  /** The checkpoints to name at the end: the best, and the last where it is another. */
  shown(): readonly string[] {
    const [best, last] = (['best', 'last'] as const).map((name) => this.pointers.get(name));
    if (best === undefined || last === undefined || best.step === last.step)
      return [best ?? last].flatMap((one) => (one === undefined ? [] : [shortPath(one.folder)]));
    return [`${shortPath(best.folder)} (best)`, `${shortPath(last.folder)} (last)`];
  }
}

function roomsOf(copies: readonly (readonly [path: string, tensor: HostTensor])[]): Rooms {
  return new Map(
    copies.flatMap(([path, { values }]) =>
      values.buffer instanceof ArrayBuffer && values.byteLength === values.buffer.byteLength
        ? [[path, values.buffer] as const]
        : [],
    ),
  );
}
